//! The life of plugins: what is installed, what runs, and how one generation follows another.
//!
//! `state` is the table of states, `gate` the way of commands into a plugin, `disk` what is kept. `host` is what all
//! operations share, `managed` one plugin in memory, `ongoing` one operation on it. The verbs are a file each: `install`,
//! `start`, `stop`, `change`, `preview`, `data`, `uninstall`, `call`, and `crashes` for plugins that have too many; `replace`
//! is the path on which everything goes that follows a running generation, `restore` how its state record is put back.
//! `dependencies` says what goes together, `schedule` what runs by the clock.

mod archive;
mod audit_sink;
mod breaker;
mod bus;
mod call;
mod care;
mod change;
mod crashes;
mod data;
mod dependencies;
mod disk;
mod error;
mod gate;
mod health;
mod host;
mod install;
mod managed;
mod measure;
mod ongoing;
mod options;
mod preview;
mod redaction;
mod replace;
mod restore;
mod retry;
mod schedule;
mod start;
mod state;
mod status;
mod stop;
mod supervisor;
mod sync;
#[cfg(test)]
mod tests;
mod trust;
mod uninstall;

pub use self::archive::{ArchivedEntry, PluginArchive};
pub use self::audit_sink::{AuditFailed, AuditSink, MemoryAudit};
pub use self::breaker::BreakerSettings;
pub use self::call::CommandError;
pub use self::crashes::Quarantined;
pub use self::data::DataError;
pub use self::dependencies::{DependencyEdge, DependencyError, DependencyGraph};
pub use self::disk::{ConfigChange, DataDirectory, StoreError, SupervisorOpenError};
pub use self::error::{HostStopped, InstallError, NotFound, OperationInProgress, TransitionError};
pub use self::health::HealthCheckFailed;
pub use self::options::{Approval, Audited, DisableOptions, InstallOptions, LastState, PluginData, UpgradeOptions};
pub use self::preview::UpgradePreview;
pub use self::redaction::REDACTED;
pub use self::schedule::{ScheduleError, ScheduleStatus};
pub use self::state::{Admission, InvalidState, Operation, State};
pub use self::status::{Draining, Failure, Health, KeptVersion, PluginStatus, RunningOperation, Transition};
pub use self::stop::Disabled;
pub use self::supervisor::{Supervisor, SupervisorSettings};
pub use self::trust::TrustChanged;
pub use self::uninstall::Uninstalled;
