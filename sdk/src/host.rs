//! What a plugin may ask of its host: [`Host`].

use std::cell::RefCell;
use std::fmt::Display;

use palisade_abi::{InitInput, InitLimits, Level};
use serde::{Deserialize, Serialize};

use crate::ffi;
use crate::json;
use crate::reject::Reject;

/// The host, as a value a command is handed.
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
    plugin_id: String,
    version: String,
    /// JSON text, so that plugins hold one JSON reader and a misfit is found by its position.
    config: Vec<u8>,
    permissions: Vec<String>,
    limits: InitLimits,
    log: Log,
}

/// Where log lines go.
#[derive(Debug)]
enum Log {
    Host,
    Recorded(RefCell<Vec<LogLine>>),
}

/// A line that a test finds in [`Host::logged`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text.
    pub message: String,
}

impl Host {
    /// A host for tests: keeps what is logged, has the configuration `{}`, the id `test.plugin` and no permissions.
    #[must_use]
    pub fn fake() -> Self {
        Self {
            plugin_id: "test.plugin".into(),
            version: "0.0.0".into(),
            config: b"{}".to_vec(),
            permissions: Vec::new(),
            limits: InitLimits::default(),
            log: Log::Recorded(RefCell::default()),
        }
    }

    /// A fake host with this configuration.
    ///
    /// # Panics
    ///
    /// When `config` is no JSON, such as a map with keys that are not text: a mistake in the test.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only tests call it, and a test wants to hear of it")]
    pub fn with_config(mut self, config: impl Serialize) -> Self {
        self.config = serde_json::to_vec(&config).expect("the configuration of a fake host is JSON");
        self
    }

    /// A fake host that granted these permissions.
    #[must_use]
    pub fn with_permissions<'a>(mut self, permissions: impl IntoIterator<Item = &'a str>) -> Self {
        self.permissions = permissions.into_iter().map(str::to_owned).collect();
        self
    }

    /// The real host, as `plugin_init` introduces it.
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
            log: Log::Host,
        }
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
        self.log_text(level, message.to_string());
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

    /// What was logged so far; always empty on a real host.
    #[must_use]
    pub fn logged(&self) -> Vec<LogLine> {
        match &self.log {
            Log::Host => Vec::new(),
            Log::Recorded(lines) => lines.borrow().clone(),
        }
    }

    fn log_text(&self, level: Level, message: String) {
        match &self.log {
            Log::Host => ffi::log(level, &message),
            Log::Recorded(lines) => lines.borrow_mut().push(LogLine { level, message }),
        }
    }
}
