//! What the API serves, and under which conditions: [`Service`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use palisade::{AuditLog, Clock, Digest, Supervisor, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::idempotency::Kept;
use crate::refused::Refused;
use crate::token::{Identity, Token, TokenFile, TokenList, identify, is_current};
use crate::ui::Dashboard;

/// The names a browser on this machine may call this server by.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A supervisor as a service: who may use it, and by which names it is called. Cheap to clone.
///
/// Nobody may use it without a token: neither those given to [`tokens`](Self::tokens) nor those that `palisade token
/// create` wrote into the supervisor's data directory.
#[derive(Clone)]
pub(crate) struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    /// Read through a `Caller` alone.
    supervisor: Supervisor,
    tokens: TokenList,
    token_file: TokenFile,
    hosts: BTreeSet<String>,
    audit: Option<AuditLog>,
    journal: Option<PathBuf>,
    started: Instant,
    ending: CancellationToken,
    /// Differs from one server to the next, and with it the tags of configurations.
    salt: [u8; 16],
    installs: Kept,
    refused: Refused,
    dashboard: Dashboard,
}

/// What a service is made of.
#[derive(Clone)]
pub struct ServiceSettings {
    supervisor: Supervisor,
    tokens: TokenList,
    hosts: BTreeSet<String>,
    audit: Option<AuditLog>,
    journal: Option<PathBuf>,
    ending: CancellationToken,
}

impl ServiceSettings {
    /// A service for the plugins of `supervisor`, called by the names of this machine.
    #[must_use]
    pub fn new(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            tokens: TokenList::default(),
            hosts: LOOPBACK.map(str::to_owned).into(),
            audit: None,
            journal: None,
            ending: CancellationToken::new(),
        }
    }

    /// Tokens that are accepted besides those of the data directory.
    #[must_use]
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = Token>) -> Self {
        let before = self.tokens.tokens();
        self.tokens = Vec::from_iter(before.iter().cloned().chain(tokens)).into();
        self
    }

    /// Instead of [`tokens`](Self::tokens), a list that may be exchanged while the service runs.
    #[must_use]
    pub fn token_list(mut self, tokens: TokenList) -> Self {
        self.tokens = tokens;
        self
    }

    /// Names, without a port, that requests may call this server by besides those of this machine. A page of another
    /// name that resolves to this machine gets nothing.
    #[must_use]
    pub fn hosts(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.hosts
            .extend(names.into_iter().map(|name| name.to_ascii_lowercase()));
        self
    }

    /// The log that the audit calls read, and in which tokens that were refused are noted.
    #[must_use]
    pub fn audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// The folder of the journal that the log calls read.
    #[must_use]
    pub fn journal(mut self, folder: PathBuf) -> Self {
        self.journal = Some(folder);
        self
    }

    /// Once it is cancelled the service is not ready any more, and event streams end.
    #[must_use]
    pub fn ending(mut self, ending: CancellationToken) -> Self {
        self.ending = ending;
        self
    }
}

impl From<Supervisor> for ServiceSettings {
    fn from(supervisor: Supervisor) -> Self {
        Self::new(supervisor)
    }
}

impl Service {
    pub(crate) fn new(settings: ServiceSettings) -> Self {
        let ServiceSettings {
            supervisor,
            tokens,
            hosts,
            audit,
            journal,
            ending,
        } = settings;
        let inner = Inner {
            token_file: TokenFile::in_directory(supervisor.folder()),
            started: supervisor.clock().now(),
            refused: Refused::new(audit.clone()),
            salt: salt(),
            installs: Kept::default(),
            dashboard: Dashboard::default(),
            supervisor,
            tokens,
            hosts,
            audit,
            journal,
            ending,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whose token it is, if it is accepted.
    pub(crate) fn identify(&self, secret: &str) -> Option<Identity> {
        let now = self.now();
        identify(&self.inner.tokens.tokens(), secret, now).or_else(|| {
            // One that cannot be read accepts nobody; `Refused` says so in the log.
            let tokens = self
                .inner
                .token_file
                .tokens()
                .map_err(|error| self.inner.refused.unreadable(&error))
                .ok()?;
            identify(&tokens, secret, now)
        })
    }

    /// Whether a token is still accepted that was before.
    pub(crate) fn is_current(&self, identity: &Identity) -> bool {
        let in_file = self.inner.token_file.tokens().unwrap_or_default();
        let brought = self.inner.tokens.tokens();
        is_current(brought.iter().chain(in_file.iter()), identity, self.now())
    }

    /// Whether requests may call this server by `name`, which has no port.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        self.inner.hosts.contains(&name.to_ascii_lowercase())
    }

    /// Where refused tokens are noted.
    pub(crate) fn refused(&self) -> &Refused {
        &self.inner.refused
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.supervisor.clock()
    }

    /// Seconds since 1970; the first second there is when the clock is out of range.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock().wall()).unwrap_or(Timestamp::EPOCH)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.clock().now().saturating_duration_since(self.inner.started)
    }

    /// The tag of a configuration. Made with a number that nobody knows, so that it gives no secret away.
    pub(crate) fn config_tag(&self, config: &Map<String, Value>) -> HeaderValue {
        let mut text = self.inner.salt.to_vec();
        text.extend(serde_json::to_vec(config).unwrap_or_default());
        let digest = Digest::of(&text).to_string();
        let short = digest.get(..32).unwrap_or_default();
        HeaderValue::try_from(format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// Cancelled when the server is about to stop.
    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.inner.ending
    }

    pub(crate) fn audit(&self) -> Option<&AuditLog> {
        self.inner.audit.as_ref()
    }

    pub(crate) fn journal(&self) -> Option<&Path> {
        self.inner.journal.as_deref()
    }

    pub(crate) fn dashboard(&self) -> &Dashboard {
        &self.inner.dashboard
    }

    pub(crate) fn installs(&self) -> &Kept {
        &self.inner.installs
    }

    /// For `Caller`, which knows that its sender may, and for the two probes, which tell one word.
    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.inner.supervisor
    }
}

fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    // Without a source of chance tags are the same after a restart, and tell a configuration to whoever can guess it.
    let _ = getrandom::fill(&mut salt);
    salt
}
