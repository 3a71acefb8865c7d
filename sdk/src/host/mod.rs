//! What a plugin may ask of its host: [`Host`], a value a command is handed, with one file a capability.

mod error;
mod http;
mod others;
mod state;
mod storage;

use std::fmt::Display;

use palisade_abi::{InitInput, InitLimits, Level};
use serde::Deserialize;

use crate::calls::{Calls, HostCalls};
use crate::json;
use crate::reject::Reject;

pub use error::HostError;
pub use http::{Http, HttpRequest, HttpResponse};
pub use others::HostFunction;
pub use palisade_abi::{KeyPage, SystemInfo};
pub use state::State;
pub use storage::{Keys, Storage};

/// The host, as a value a command is handed.
///
/// What needs a permission answers with `PERMISSION_DENIED` without it; the manifest asks for permissions, the operator
/// grants them. Each host call costs fuel: a base, and something for every byte.
///
/// # Examples
///
/// ```
/// use palisade_sdk::{Host, Level, data, json};
///
/// #[data]
/// struct Config {
///     word: String,
/// }
///
/// let host = Host::fake().with_config(json!({"word": "Moin"}));
/// host.warn("it rains");
///
/// assert_eq!(host.config::<Config>()?.word, "Moin");
/// assert_eq!(host.logged()[0].level, Level::Warn);
/// # Ok::<(), palisade_sdk::Reject>(())
/// ```
#[derive(Debug)]
pub struct Host {
    pub(crate) plugin_id: String,
    pub(crate) version: String,
    /// JSON text, so that plugins hold one JSON reader and a misfit is found by its position.
    pub(crate) config: Vec<u8>,
    pub(crate) permissions: Vec<String>,
    pub(crate) limits: InitLimits,
    /// Who answers.
    pub(crate) calls: Calls,
}

impl Host {
    /// The host, as `plugin_init` introduces it.
    pub(crate) fn introduced(init: InitInput) -> Self {
        let config = if init.config.is_null() {
            b"{}".to_vec()
        } else {
            init.config.to_string().into_bytes()
        };
        Self {
            plugin_id: init.plugin_id,
            version: init.version,
            config,
            permissions: init.permissions,
            limits: init.limits,
            calls: Calls::default(),
        }
    }

    /// The plugin's state record: one JSON value that outlives the instance.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        State { calls: &self.calls }
    }

    /// The plugin's keys and values. Needs `storage:read`, `storage:write`, `storage:delete`.
    #[must_use]
    pub fn storage(&self) -> Storage<'_> {
        Storage { calls: &self.calls }
    }

    /// HTTP requests to the hosts that the manifest names. Needs `network:https` or `network:http`.
    #[must_use]
    pub fn http(&self) -> Http<'_> {
        Http { calls: &self.calls }
    }

    /// The files of the plugin's own bundle.
    #[must_use]
    pub fn assets(&self) -> Assets<'_> {
        Assets { calls: &self.calls }
    }

    /// What the host is and what it runs on. Needs `system:info`.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, and what else the host answers.
    pub fn system(&self) -> Result<SystemInfo, HostError> {
        self.calls.system_info()?.json("system")
    }

    /// The configuration in force: the manifest's, with what the operator changed.
    ///
    /// # Errors
    ///
    /// A [`Reject`] with the code `CONFIG_INVALID`, a JSON pointer and what was expected, when it is no `T`.
    pub fn config<'host, T: Deserialize<'host>>(&'host self) -> Result<T, Reject> {
        json::read(&self.config, "config", "CONFIG_INVALID")
    }

    /// The plugin's own id, from its manifest.
    #[must_use]
    pub fn plugin_id(&self) -> &str {
        &self.plugin_id
    }

    /// The plugin's own version, from its manifest.
    #[must_use]
    pub fn plugin_version(&self) -> &str {
        &self.version
    }

    /// Whether an optional permission was granted, by its canonical name, such as `storage:read`.
    #[must_use]
    pub fn is_granted(&self, permission: &str) -> bool {
        self.permissions.iter().any(|granted| granted == permission)
    }

    /// What a command may use.
    #[must_use]
    pub fn limits(&self) -> InitLimits {
        self.limits
    }

    /// Writes a line into the plugin's log. The host keeps 8 KiB of a line and 100 lines a second.
    pub fn log(&self, level: Level, message: impl Display) {
        self.calls.log(level, &message.to_string());
    }

    /// Logs a step, for the author.
    pub fn trace(&self, message: impl Display) {
        self.log(Level::Trace, message);
    }

    /// Logs what helps to find a fault.
    pub fn debug(&self, message: impl Display) {
        self.log(Level::Debug, message);
    }

    /// Logs an ordinary event.
    pub fn info(&self, message: impl Display) {
        self.log(Level::Info, message);
    }

    /// Logs something odd that was handled.
    pub fn warn(&self, message: impl Display) {
        self.log(Level::Warn, message);
    }

    /// Logs a failure.
    pub fn error(&self, message: impl Display) {
        self.log(Level::Error, message);
    }
}

/// Files that came in the plugin's bundle, read only; made by [`Host::assets`].
///
/// # Examples
///
/// ```
/// use palisade_sdk::Host;
///
/// let host = Host::fake().with_asset("words/de.txt", "Moin");
///
/// assert_eq!(host.assets().get("words/de.txt")?, Some(b"Moin".to_vec()));
/// assert_eq!(host.assets().get("words/nl.txt")?, None);
/// # Ok::<(), palisade_sdk::HostError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Assets<'host> {
    calls: &'host Calls,
}

impl Assets<'_> {
    /// The file at this path of the bundle, if there is one.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn get(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.calls.asset_get(path)?.if_yes())
    }
}
