//! A host application on one page: installs a plugin the first time, starts what is enabled, runs one command, and ends in
//! order. What it does and what the plugin is refused is in the audit log of the data directory.
//!
//! `cargo run -p palisade --example host -- DATA_DIR BUNDLE PUBLIC_KEY COMMAND ARGUMENTS`

use std::error::Error;
use std::sync::Arc;
use std::{env, fs};

use palisade::{
    AuditEvents, AuditLog, Bundle, CheckpointKey, DiscardEvents, HostServices, InstallOptions, PublicKey, Runtime,
    SqliteStorage, Supervisor, SupervisorSettings, SystemClock, TrustStore,
};

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(host())
}

async fn host() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [folder, bundle, key, command, input] = arguments.as_slice() else {
        return Err("usage: host DATA_DIR BUNDLE PUBLIC_KEY COMMAND ARGUMENTS".into());
    };
    fs::create_dir_all(folder)?;
    let clock = Arc::new(SystemClock);
    // A real host keeps a key of its own; see docs/audit.md.
    let audit = AuditLog::open(folder, clock.clone(), CheckpointKey::from_seed(&[7; 32])?)?;
    let services = HostServices {
        storage: Arc::new(SqliteStorage::open(format!("{folder}/storage.db"), clock.clone())?),
        events: Arc::new(AuditEvents::new(audit.clone(), Arc::new(DiscardEvents))),
        ..HostServices::default()
    };
    let trust = TrustStore::new([PublicKey::from_pem(&fs::read_to_string(key)?)?]);
    let settings = SupervisorSettings::new(tokio::runtime::Handle::current(), Arc::new(audit.clone()));
    let supervisor = Supervisor::open(folder, Runtime::builder().services(services).build()?, trust, settings)?;
    supervisor.start().await;

    let bytes = fs::read(bundle)?;
    let id = Bundle::open(bytes.clone())?
        .unverified_contents()?
        .manifest()
        .id
        .to_string();
    if supervisor.status(&id).is_err() {
        supervisor.install(bytes, InstallOptions::default()).await?;
        supervisor.enable(&id).await?;
    }
    let output = supervisor.call(&id, command, input.as_bytes()).await?;
    println!("{}", output.text()?);
    supervisor.shutdown(std::time::Duration::from_secs(10)).await;
    println!("{} audit records, none of them broken", audit.verify()?.records);
    Ok(())
}
