//! The host of a plugin's own tests: [`Host::fake`], and what it is told beforehand and asked afterwards.
//!
//! It behaves as a real host does where a plugin can tell: permissions, limits, quota, expiry. What lies outside the
//! plugin is played: HTTP answers, other plugins, functions of the host application. Not in modules: a plugin is tested
//! where it is written.

mod calls;
mod http;
mod script;
mod storage;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use palisade_abi::{InitLimits, Level, SystemInfo, VERSION_MAJOR, VERSION_MINOR};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::calls::HostResult;
use crate::host::{Host, HostError};
use script::Script;
use storage::Entries;

pub use http::{Request, Response};
pub use script::{Call, Reply};

/// What every plugin may do (sandbox.md, "Permissions").
const GRANTED_TO_EVERYONE: [&str; 4] = ["config:read", "log:write", "state:read", "state:write"];

/// A line that a test finds in [`Host::logged`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text.
    pub message: String,
}

/// Everything a fake host knows. Cells, because a plugin holds the host shared.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    granted: Vec<String>,
    log: RefCell<Vec<LogLine>>,
    state: RefCell<Option<Vec<u8>>>,
    storage: RefCell<Entries>,
    responses: Script<Response>,
    requests: RefCell<Vec<Request>>,
    assets: BTreeMap<String, Vec<u8>>,
    nobody_subscribes: bool,
    published: RefCell<Vec<(String, Value)>>,
    sent: RefCell<Vec<(String, Value)>>,
    emitted: RefCell<Vec<(String, Value)>>,
    replies: Script<Reply>,
    called: RefCell<Vec<Call>>,
    functions: BTreeMap<String, Function>,
    system: SystemInfo,
}

/// What a function of the host application does with its input.
type FunctionBody = dyn Fn(&[u8]) -> HostResult;

/// A function of the host application.
struct Function(Box<FunctionBody>);

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Function")
    }
}

/// What a test says before it hands the host to the plugin. Not on a host around a sandbox.
impl Host {
    /// A host for tests, with the configuration `{}`, the id `test.plugin`, nothing stored, and the permissions everyone
    /// has: log, configuration and state.
    #[must_use]
    pub fn fake() -> Self {
        let host = Self {
            plugin_id: "test.plugin".into(),
            version: "0.0.0".into(),
            config: b"{}".to_vec(),
            permissions: Vec::new(),
            limits: InitLimits::default(),
            calls: Fake::default(),
        };
        host.with_permissions([]).with_system(SystemInfo {
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            abi_version: format!("{VERSION_MAJOR}.{VERSION_MINOR}"),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
        })
    }

    /// A fake host with this configuration.
    ///
    /// # Panics
    ///
    /// When `config` is no JSON, such as a map with keys that are not text: a mistake in the test.
    #[must_use]
    pub fn with_config(mut self, config: impl Serialize) -> Self {
        self.config = in_test(&config);
        self
    }

    /// A fake host that granted these permissions, by their canonical names, beside those everyone has. It answers a call
    /// without its permission with `PERMISSION_DENIED`.
    #[must_use]
    pub fn with_permissions<'a>(mut self, permissions: impl IntoIterator<Item = &'a str>) -> Self {
        let granted = GRANTED_TO_EVERYONE.into_iter().chain(permissions);
        self.permissions = granted.map(str::to_owned).collect();
        self.permissions.sort();
        self.permissions.dedup();
        self.calls.granted.clone_from(&self.permissions);
        self
    }

    /// A fake host that tells plugins these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: InitLimits) -> Self {
        self.limits = limits;
        self
    }

    /// A fake host in whose storage there is this value, whatever the plugin may do.
    ///
    /// # Panics
    ///
    /// When key or value is larger than a host allows: a mistake in the test.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only tests call it, and a test wants to hear of it")]
    pub fn with_stored(self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        let put = self.calls.storage.borrow_mut().put(key, value.into(), None);
        put.expect("the storage of a fake host takes the value");
        self
    }

    /// A fake host whose storage holds so much: keys and values together in bytes, and keys. 10 MiB and 10,000 when nothing
    /// is said.
    #[must_use]
    pub fn with_storage_quota(self, bytes: u64, keys: u64) -> Self {
        self.calls.storage.borrow_mut().limit(bytes, keys);
        self
    }

    /// A fake host that answers the next request with this method and this URL so. Several answers to the same request are
    /// given one after another. A request without an answer fails with `UNSCRIPTED`, and is named.
    #[must_use]
    pub fn with_http(mut self, method: &str, url: &str, response: Response) -> Self {
        self.calls.responses.add(http::place(method, url), response);
        self
    }

    /// A fake host with this file in the plugin's bundle.
    #[must_use]
    pub fn with_asset(mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        self.calls.assets.insert(path.into(), contents.into());
        self
    }

    /// A fake host on which nobody receives what the plugin publishes.
    #[must_use]
    pub fn without_subscribers(mut self) -> Self {
        self.calls.nobody_subscribes = true;
        self
    }

    /// A fake host on which the next call of this plugin's command is answered so; as [`with_http`](Self::with_http).
    #[must_use]
    pub fn with_call(mut self, plugin_id: &str, command: &str, reply: Reply) -> Self {
        self.calls.replies.add(script::place(plugin_id, command), reply);
        self
    }

    /// A fake host that has this function of the host application, by its name `area:action`. It needs the permission
    /// `custom:<area>:<action>` as on any host.
    #[must_use]
    pub fn with_function<In: DeserializeOwned, Out: Serialize>(
        mut self,
        name: impl Into<String>,
        function: impl Fn(In) -> Result<Out, HostError> + 'static,
    ) -> Self {
        let function = Function(Box::new(move |input| calls::run(&function, input)));
        self.calls.functions.insert(name.into(), function);
        self
    }

    /// A fake host that says this about itself.
    #[must_use]
    pub fn with_system(mut self, system: SystemInfo) -> Self {
        self.calls.system = system;
        self
    }
}

/// What a test asks afterwards. Not on a host around a sandbox.
impl Host {
    /// Lets time pass for what is stored with [`put_for`](crate::host::Storage::put_for).
    pub fn advance(&self, time: Duration) {
        self.calls.storage.borrow_mut().advance(time);
    }

    /// What was logged.
    #[must_use]
    pub fn logged(&self) -> Vec<LogLine> {
        self.calls.log.borrow().clone()
    }

    /// The value under a key of the storage, whatever the plugin may do.
    #[must_use]
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.calls.storage.borrow().get(key).cloned()
    }

    /// The HTTP requests that were sent, answered or not.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.calls.requests.borrow().clone()
    }

    /// Topics, and what was published to them.
    #[must_use]
    pub fn published(&self) -> Vec<(String, Value)> {
        self.calls.published.borrow().clone()
    }

    /// Ids of plugins, and what was sent to them.
    #[must_use]
    pub fn sent(&self) -> Vec<(String, Value)> {
        self.calls.sent.borrow().clone()
    }

    /// Names, and what was emitted under them.
    #[must_use]
    pub fn emitted(&self) -> Vec<(String, Value)> {
        self.calls.emitted.borrow().clone()
    }

    /// The commands of other plugins that were called, answered or not.
    #[must_use]
    pub fn called(&self) -> Vec<Call> {
        self.calls.called.borrow().clone()
    }
}

/// JSON of what a test wrote down.
#[expect(clippy::expect_used, reason = "only tests call it, and a test wants to hear of it")]
fn in_test(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what a fake host is told is JSON")
}
