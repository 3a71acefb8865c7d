//! Run other people's code inside your program, with exactly the powers it was granted.
//!
//! Five nouns, five verbs: bytes are **opened** as a [`Bundle`], **verified** against a [`TrustStore`], **admitted** by
//! a [`Policy`], **loaded** as a [`Plugin`] and **called** for an [`Output`]. Each verb consumes the noun before it, so
//! code that was not vouched for cannot be compiled, and a skipped check does not compile either.
//!
//! ```
//! use std::fs;
//! use std::time::SystemTime;
//!
//! use palisade::{Bundle, Policy, PublicKey, Runtime, TrustStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use palisade::{Timestamp, sign::{SignOptions, pack, sign}};
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(&folder)?;
//! # let key = palisade::SigningKey::from_seed(&[7; 32]);
//! # fs::write("mine.pub", key.public().to_pem())?;
//! # let manifest = br#"{"id": "greeter", "name": "Greeter", "version": "1.0.0", "author": "The documentation",
//! #     "permissions": ["storage:read"]}"#;
//! # let wasm = wat::parse_str(r#"(module
//! #     (memory (export "memory") 1)
//! #     (func (export "palisade_abi_v1"))
//! #     (func (export "plugin_buffer") (param i32) (result i32) i32.const 1024)
//! #     (func (export "plugin_init") (param i32 i32) (result i64) i64.const 0)
//! #     (func (export "plugin_command") (param i32 i32 i32 i32) (result i64)
//! #         (i64.or (i64.shl (i64.extend_i32_u (local.get 2)) (i64.const 32)) (i64.extend_i32_u (local.get 3))))
//! #     (func (export "plugin_cleanup") (result i64) i64.const 0))"#)?;
//! # let files = vec![("plugin.json".to_owned(), manifest.to_vec()), ("plugin.wasm".to_owned(), wasm)];
//! # let created = Timestamp::from_unix_seconds(1_700_000_000)?;
//! # let options = SignOptions { created, not_after: None, sequence: 1, append: false };
//! # fs::write("greeter.zip", sign(&Bundle::open(pack(files)?)?, &key, &options)?)?;
//! # pollster::block_on(async {
//! let trust = TrustStore::new([PublicKey::from_pem(&fs::read_to_string("mine.pub")?)?]);
//! let runtime = Runtime::new()?;
//! let bundle = Bundle::open(fs::read("greeter.zip")?)?;                 // well formed
//! let bundle = trust.verify(bundle, SystemTime::now())?;                // vouched for
//! let bundle = Policy::deny_all().allow("storage:read")?.admit(bundle)?;  // allowed here
//! let greeter = runtime.load(bundle).await?;                            // compiled once
//! let reply = greeter.call("greet", br#"{"name":"Ada"}"#).await?;       // sandboxed
//! println!("{}", reply.text()?);
//! # assert_eq!(reply.text()?, r#"{"name":"Ada"}"#);
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! Every bound a plugin runs under is in [`Limits`], every reason a call can fail in [`CallError`], and every error
//! answers [`code()`](Coded::code) with the stable word that `docs/errors.md` lists.

mod audit;
mod bus;
mod classic;
mod database;
mod directories;
mod event;
mod journal;
mod lifecycle;
mod limits;
mod measures;
mod native;
mod output;
mod policy;
mod receipt;
mod sandbox;
mod services;
mod span;

pub use jiff::tz::TimeZone;
pub use palisade_abi::{Delivery, DeliveryKind, GuestError, Level};
pub use palisade_bundle::*;

pub use crate::audit::{
    AuditAction, AuditBreak, AuditCheckpoint, AuditEntry, AuditError, AuditEvents, AuditFilter, AuditLog,
    AuditOpenError, AuditOutcome, AuditPage, AuditReadError, AuditReader, AuditRecord, AuditVerified, CheckpointKey,
    MAX_AUDIT_ENTRY_BYTES, MAX_AUDIT_PAGE, UnknownAuditWord, verify_export,
};
pub use crate::bus::LocalBus;
pub use crate::classic::{PluginCleanupError, PluginExecutionError, PluginLoadError};
pub use crate::directories::{DirectoryAccess, DirectoryMapping, DirectoryQuota, MAX_DIRECTORIES, MappingError};
pub use crate::event::{
    DiscardEvents, Event, EventId, EventKind, EventSink, Failing, Json, MemoryEvents, NoEventId, Replay, Subscription,
};
pub use crate::journal::{EventLine, Journal, JournalError, JournalLine, JournalReader, LogLine};
pub use crate::lifecycle::*;
pub use crate::limits::{LimitRow, LimitSettings, Limits, Reached};
pub use crate::measures::{BUCKETS_US, CallTimings, Counts, HostMeasures, PluginMeasures, Timings};
pub use crate::native::*;
pub use crate::output::{Output, OutputError};
pub use crate::policy::{AdmittedBundle, Grant, Policy, PolicyError};
pub use crate::receipt::{HostCalls, Receipt};
pub use crate::sandbox::*;
pub use crate::services::*;
