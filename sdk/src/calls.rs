//! What a plugin can ask its host, as text and bytes: [`HostCalls`], which the sandbox and the fake host both answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::HostError;
use crate::json;

/// Who answers in this build: the host around the sandbox, and outside of one the fake host. A type and not a trait
/// object, so that a module imports what its plugin calls and nothing else, and holds nothing of the fake.
#[cfg(target_family = "wasm")]
pub(crate) type Calls = crate::ffi::Sandbox;
#[cfg(not(target_family = "wasm"))]
pub(crate) type Calls = crate::fake::Fake;

/// What a host call answers with.
pub(crate) type HostResult = Result<HostAnswer, HostError>;

/// The result of a host call.
#[derive(Debug, Default)]
pub(crate) struct HostAnswer {
    /// The result.
    pub(crate) bytes: Vec<u8>,
    /// The answer to the call's question, if it asks one: found, existed, swapped.
    pub(crate) yes: bool,
}

/// The host calls of ABI 1, one method an import. What each does stands in `docs/abi.md`.
pub(crate) trait HostCalls {
    fn state_get(&self) -> HostResult;
    fn state_set(&self, json: &[u8]) -> HostResult;
    fn storage_get(&self, key: &str) -> HostResult;
    fn storage_put(&self, key: &str, value: &[u8], ttl_ms: i64) -> HostResult;
    fn storage_delete(&self, key: &str) -> HostResult;
    fn storage_cas(&self, key: &str, expected: Option<&[u8]>, value: &[u8], ttl_ms: i64) -> HostResult;
    fn storage_list(&self, prefix: &str, after: &str, limit: u32) -> HostResult;
    fn http_request(&self, head: &[u8], body: &[u8]) -> HostResult;
    fn asset_get(&self, path: &str) -> HostResult;
    fn publish(&self, topic: &str, data: &[u8]) -> HostResult;
    fn message_send(&self, to: &str, data: &[u8]) -> HostResult;
    fn plugin_call(&self, plugin: &str, command: &str, args: &[u8]) -> HostResult;
    fn emit(&self, name: &str, data: &[u8]) -> HostResult;
    fn system_info(&self) -> HostResult;
    fn host_call(&self, name: &str, input: &[u8]) -> HostResult;
}

impl HostAnswer {
    /// The bytes, when the answer is yes.
    pub(crate) fn if_yes(self) -> Option<Vec<u8>> {
        self.yes.then_some(self.bytes)
    }

    /// The bytes as JSON; no bytes at all count as `null`.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, HostError> {
        let text = if self.bytes.is_empty() {
            b"null"
        } else {
            self.bytes.as_slice()
        };
        read_json(text, what)
    }
}

/// Reads JSON that came from the host; `what` names it in the message.
pub(crate) fn read_json<'de, T: serde::Deserialize<'de>>(text: &'de [u8], what: &str) -> Result<T, HostError> {
    json::read(text, what, HostError::UNEXPECTED_DATA).map_err(HostError::from_misfit)
}

/// Writes JSON for the host.
pub(crate) fn write_json(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, HostError> {
    serde_json::to_vec(value)
        .map_err(|error| HostError::new("INVALID_ARGUMENT", format!("the value is not JSON: {error}")))
}
