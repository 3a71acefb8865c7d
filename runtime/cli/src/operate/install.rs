//! `install`.

use std::path::PathBuf;

use clap::Args;
use palisade::{
    Bundle, Code, InstallOptions, Manifest, Permission, PluginStatus, Supervisor, TransitionError, Visible,
};
use palisade_signer::input::{Input, Kind, read_file};
use palisade_signer::{Conclusion, Failure, Reply, Surroundings, Terminal, ask_for_consent};

use super::answer::Changed;
use super::house::HouseOptions;
use super::object::object;

/// `install`.
#[derive(Args, Debug)]
pub(crate) struct Install {
    /// The bundle; - reads it from standard input
    #[arg(value_name = "FILE")]
    bundle: Input,

    /// Start it, now and whenever a host opens the data directory
    #[arg(long)]
    enable: bool,

    /// Grant a permission that it asks for; `palisade help permissions` lists them
    #[arg(long, value_name = "PERM")]
    grant: Vec<String>,

    /// Grant everything that it asks for
    #[arg(long)]
    accept_permissions: bool,

    /// Its configuration, a JSON object
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    house: HouseOptions,
}

impl Install {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let bytes = self.bundle.read(Kind::BUNDLE)?;
        let config = self.config.as_deref().map(|path| read_file(path, Kind::CONFIG));
        let config = config.transpose()?.map(|json| object(&json)).transpose()?;
        let options = InstallOptions {
            grants: self.grants(&bytes, surroundings, terminal)?,
            config,
        };
        let enable = self.enable;
        let installed = self.house.run(surroundings, terminal, async |supervisor, terminal| {
            install(supervisor, bytes, options, enable, terminal).await
        });
        let status = installed.map_err(explained)?;
        let done = if enable { "installed and enabled" } else { "installed" };
        terminal.answer(&Changed::new(done, &status))?;
        if !enable {
            terminal.note(format_args!("palisade enable {}   starts it", status.id));
        }
        Ok(Conclusion::Done)
    }

    /// What was granted on the command line, and what a person grants who is asked.
    fn grants(
        &self,
        bytes: &[u8],
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Vec<String>, Failure> {
        let mut grants = self.grant.clone();
        let Some(manifest) = self.vouched_for(bytes, surroundings)? else {
            // The install says what is wrong with it, and writes that down.
            return Ok(grants);
        };
        let wanted = missing(&manifest, &grants);
        let is_needed = wanted.iter().any(|(_, optional)| !optional);
        if self.accept_permissions || (is_needed && asked(&manifest, &wanted, surroundings, terminal)?) {
            grants.extend(wanted.into_iter().map(|(permission, _)| permission.to_string()));
        }
        Ok(grants)
    }

    /// The manifest, if somebody trusted vouches for it: nobody is asked about the wishes of anybody else.
    fn vouched_for(&self, bytes: &[u8], surroundings: &Surroundings) -> Result<Option<Manifest>, Failure> {
        let trust = self.house.trust(surroundings)?;
        let Ok(bundle) = Bundle::open(bytes.to_vec()) else {
            return Ok(None);
        };
        let verified = trust.verify(bundle, surroundings.system_time()).ok();
        Ok(verified.map(|bundle| bundle.manifest().clone()))
    }
}

async fn install(
    supervisor: &Supervisor,
    bytes: Vec<u8>,
    options: InstallOptions,
    enable: bool,
    terminal: &Terminal,
) -> Result<PluginStatus, Failure> {
    let progress = terminal.progress("installing");
    let status = supervisor.install(bytes, options).await;
    let status = status.map_err(TransitionError::from)?;
    drop(progress);
    if !enable {
        return Ok(status);
    }
    let _progress = terminal.progress("starting");
    let enabled = supervisor.enable(&status.id).await;
    enabled.map_err(|error| Failure::from(error).about_plugin(status.id))
}

/// What it asks for and was not granted, with whether it can do without.
fn missing(manifest: &Manifest, grants: &[String]) -> Vec<(Permission, bool)> {
    // A name that nobody knows is refused by the install.
    let granted = grants.iter().filter_map(|name| Permission::expand(name).ok());
    let granted: Vec<_> = granted.flatten().collect();
    let requests = manifest.permissions.iter();
    requests
        .filter(|request| !request.name.is_granted_to_everyone() && !granted.contains(&request.name))
        .map(|request| (request.name.clone(), request.optional))
        .collect()
}

fn asked(
    manifest: &Manifest,
    wanted: &[(Permission, bool)],
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> Result<bool, Failure> {
    terminal.note(format_args!(
        "{} {} asks for:",
        manifest.id,
        Visible(manifest.version.to_string())
    ));
    for (permission, optional) in wanted {
        let optional = if *optional { " (optional)" } else { "" };
        terminal.note(format_args!("  {permission}{optional}: {}", permission.meaning()));
    }
    Ok(ask_for_consent("Grant all of this?", surroundings)? == Reply::Yes)
}

fn explained(failure: Failure) -> Failure {
    match failure.code() {
        Some(Code::PermissionDenied) => failure.with_help("--accept-permissions   grants everything that it asks for"),
        _ => failure,
    }
}
