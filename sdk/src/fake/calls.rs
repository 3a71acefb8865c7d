//! What the fake host answers: [`HostCalls`] of [`Fake`].

use std::cell::RefCell;
use std::time::Duration;

use palisade_abi::{HttpRequestHead, IMPORTS, Level, import};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::calls::{HostAnswer, HostCalls, HostResult, write_json};
use crate::fake::http::{self, Request};
use crate::fake::script;
use crate::fake::storage::{check_key, check_value};
use crate::fake::{Call, Fake, LogLine, in_test};
use crate::host::HostError;
use crate::json;

impl Fake {
    /// Keeps a log line.
    pub(crate) fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push(LogLine {
            level,
            message: message.to_owned(),
        });
    }

    /// Refuses without the permissions that the ABI's table names for this import.
    fn allow(&self, import: &str) -> Result<(), HostError> {
        let row = IMPORTS.iter().find(|row| row.name == import);
        let mut permissions = row.into_iter().flat_map(|row| row.permissions);
        permissions.try_for_each(|permission| self.allow_permission(permission))
    }

    fn allow_permission(&self, permission: &str) -> Result<(), HostError> {
        if self.granted.iter().any(|granted| granted == permission) {
            return Ok(());
        }
        let message = format!("the plugin lacks the permission `{permission}`");
        Err(HostError::new("PERMISSION_DENIED", message).with_detail("permission", permission))
    }
}

impl HostCalls for Fake {
    fn state_get(&self) -> HostResult {
        self.allow(import::STATE_GET)?;
        Ok(HostAnswer::found(self.state.borrow().as_ref()))
    }

    fn state_set(&self, json: &[u8]) -> HostResult {
        self.allow(import::STATE_SET)?;
        check_value(json)?;
        *self.state.borrow_mut() = (!json.is_empty()).then(|| json.to_vec());
        Ok(HostAnswer::default())
    }

    fn storage_get(&self, key: &str) -> HostResult {
        self.allow(import::STORAGE_GET)?;
        check_key(key)?;
        Ok(HostAnswer::found(self.storage.borrow().get(key)))
    }

    fn storage_put(&self, key: &str, value: &[u8], ttl_ms: i64) -> HostResult {
        self.allow(import::STORAGE_PUT)?;
        let put = self.storage.borrow_mut().put(key, value.to_vec(), time(ttl_ms)?);
        put.map(HostAnswer::yes_or_no)
    }

    fn storage_delete(&self, key: &str) -> HostResult {
        self.allow(import::STORAGE_DELETE)?;
        check_key(key)?;
        Ok(HostAnswer::yes_or_no(self.storage.borrow_mut().delete(key)))
    }

    fn storage_cas(&self, key: &str, expected: Option<&[u8]>, value: &[u8], ttl_ms: i64) -> HostResult {
        self.allow(import::STORAGE_CAS)?;
        check_key(key)?;
        let mut storage = self.storage.borrow_mut();
        if storage.get(key).map(Vec::as_slice) != expected {
            return Ok(HostAnswer::yes_or_no(false));
        }
        storage.put(key, value.to_vec(), time(ttl_ms)?)?;
        Ok(HostAnswer::yes_or_no(true))
    }

    fn storage_list(&self, prefix: &str, after: &str, limit: u32) -> HostResult {
        self.allow(import::STORAGE_LIST)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(HostAnswer::of(&self.storage.borrow().page(prefix, after, limit)))
    }

    fn http_request(&self, head: &[u8], body: &[u8]) -> HostResult {
        let head: HttpRequestHead = argument(head)?;
        self.allow_permission(http::permission(&head.url)?)?;
        let place = http::place(&head.method, &head.url);
        let url = head.url.clone();
        self.requests.borrow_mut().push(Request::new(head, body));
        self.responses.next(&place)?.into_result(url)
    }

    fn asset_get(&self, path: &str) -> HostResult {
        Ok(HostAnswer::found(self.assets.get(path)))
    }

    fn publish(&self, topic: &str, data: &[u8]) -> HostResult {
        self.allow(import::PUBLISH)?;
        record(&self.published, topic, data)?;
        Ok(HostAnswer::yes_or_no(!self.nobody_subscribes))
    }

    fn message_send(&self, to: &str, data: &[u8]) -> HostResult {
        self.allow(import::MESSAGE_SEND)?;
        record(&self.sent, to, data)
    }

    fn plugin_call(&self, plugin: &str, command: &str, args: &[u8]) -> HostResult {
        self.allow(import::PLUGIN_CALL)?;
        self.called.borrow_mut().push(Call {
            plugin_id: plugin.to_owned(),
            command: command.to_owned(),
            args: args.to_vec(),
        });
        self.replies.next(&script::place(plugin, command))?.into_result()
    }

    fn emit(&self, name: &str, data: &[u8]) -> HostResult {
        record(&self.emitted, name, data)
    }

    fn system_info(&self) -> HostResult {
        self.allow(import::SYSTEM_INFO)?;
        Ok(HostAnswer::of(&self.system))
    }

    fn host_call(&self, name: &str, input: &[u8]) -> HostResult {
        self.allow_permission(&format!("custom:{name}"))?;
        match self.functions.get(name) {
            Some(function) => (function.0)(input),
            None => {
                let message = format!("the host application has no function `{name}`");
                Err(HostError::new("NOT_FOUND", message)
                    .with_detail("kind", "function")
                    .with_detail("name", name))
            }
        }
    }
}

impl HostAnswer {
    fn found(bytes: Option<&Vec<u8>>) -> Self {
        Self {
            bytes: bytes.cloned().unwrap_or_default(),
            yes: bytes.is_some(),
        }
    }

    fn yes_or_no(yes: bool) -> Self {
        Self { bytes: Vec::new(), yes }
    }

    fn of(value: &impl Serialize) -> Self {
        Self {
            bytes: in_test(value),
            yes: false,
        }
    }
}

/// Runs a function of the host application on JSON.
pub(super) fn run<In: DeserializeOwned, Out: Serialize>(
    function: &impl Fn(In) -> Result<Out, HostError>,
    input: &[u8],
) -> HostResult {
    let output = function(argument(input)?)?;
    let bytes = write_json(&output)?;
    Ok(HostAnswer { bytes, yes: false })
}

fn argument<T: DeserializeOwned>(text: &[u8]) -> Result<T, HostError> {
    json::read(text, "input", "INVALID_ARGUMENT").map_err(HostError::from_misfit)
}

fn record(list: &RefCell<Vec<(String, Value)>>, name: &str, data: &[u8]) -> HostResult {
    list.borrow_mut().push((name.to_owned(), argument(data)?));
    Ok(HostAnswer::default())
}

/// How long a value stays; 0 for ever.
fn time(ttl_ms: i64) -> Result<Option<Duration>, HostError> {
    let ttl_ms = u64::try_from(ttl_ms).map_err(|_| {
        HostError::new(
            "INVALID_ARGUMENT",
            format!("a time to live of {ttl_ms} ms is less than nothing"),
        )
    })?;
    Ok((ttl_ms > 0).then(|| Duration::from_millis(ttl_ms)))
}

#[cfg(test)]
mod tests {
    use crate::fake::Response;
    use crate::{Host, HostError};

    #[track_caller]
    fn check_denied<T: std::fmt::Debug>(result: Result<T, HostError>, permission: &str) {
        let error = result.unwrap_err();
        assert!(error.is_permission_denied(), "{error}");
        assert_eq!(error.details()["permission"], permission);
    }

    #[test]
    fn nothing_is_done_without_its_permission() {
        let host = Host::fake()
            .with_stored("a", b"1")
            .with_http("GET", "https://a.example", Response::new(200));
        let storage = host.storage();
        check_denied(storage.get("a"), "storage:read");
        check_denied(storage.page("", "", 1), "storage:read");
        check_denied(storage.put("a", b""), "storage:write");
        check_denied(storage.compare_and_swap("a", Some(b"1"), b"2"), "storage:write");
        check_denied(storage.delete("a"), "storage:delete");
        check_denied(host.http().get("https://a.example").send(), "network:https");
        check_denied(host.http().get("http://a.example").send(), "network:http");
        check_denied(host.publish("a", &1), "events:publish");
        check_denied(host.send("a.b", &1), "message:send");
        check_denied(host.call::<()>("a.b", "c", &1), "plugin:call");
        check_denied(host.system(), "system:info");
        check_denied(host.function("a:b").call::<()>(&1), "custom:a:b");
        assert_eq!(host.stored("a"), Some(b"1".to_vec()));
        assert!(host.requests().is_empty() && host.published().is_empty());
        assert!(host.sent().is_empty() && host.called().is_empty());
    }

    #[test]
    fn a_permission_is_for_its_own_call_alone() {
        let host = Host::fake().with_permissions(["storage:read", "network:http"]);
        assert_eq!(host.storage().get("a"), Ok(None));
        check_denied(host.storage().put("a", b""), "storage:write");
        check_denied(host.http().get("https://a.example").send(), "network:https");
        assert!(host.is_granted("storage:read") && !host.is_granted("storage:write"));
    }

    #[test]
    fn what_everyone_may_do_needs_no_grant() {
        let host = Host::fake().with_asset("a", b"1");
        host.state().set(&1).unwrap();
        host.emit("a", &1).unwrap();
        assert_eq!(host.assets().get("a"), Ok(Some(b"1".to_vec())));
        assert!(host.is_granted("state:write") && host.is_granted("log:write"));
    }

    #[test]
    fn a_request_without_an_answer_is_named() {
        let url = "https://a.example/";
        let host = Host::fake()
            .with_permissions(["network:https"])
            .with_http("GET", url, Response::new(200))
            .with_http("GET", url, Response::new(500))
            .with_http(
                "POST",
                url,
                Response::error(HostError::new("NETWORK_TIMEOUT", "too slow")),
            );
        let status = |method: &str| {
            host.http()
                .request(method, url)
                .send()
                .map(|response| response.status())
        };
        assert_eq!((status("GET"), status("GET")), (Ok(200), Ok(500)));
        assert!(status("POST").unwrap_err().is_timeout());
        let error = status("GET").unwrap_err();
        assert_eq!(error.code(), "UNSCRIPTED");
        assert!(error.message().contains("`GET https://a.example/`"), "{error}");
        assert_eq!(host.requests().len(), 4);
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for url in ["", "a.example", "file:///etc/passwd", "HTTPS//a.example"] {
            let error = Host::fake().http().get(url).send().unwrap_err();
            assert_eq!(error.code(), "INVALID_ARGUMENT", "{url}");
        }
    }

    #[test]
    fn the_host_says_what_it_is() {
        let host = Host::fake().with_permissions(["system:info"]);
        let system = host.system().unwrap();
        assert_eq!((system.abi_version.as_str(), system.os.as_str()), ("1.0", "linux"));
    }

    #[test]
    fn an_empty_key_is_refused_by_every_call_that_takes_one() {
        let host = Host::fake().with_permissions(["storage:read", "storage:write", "storage:delete"]);
        let storage = host.storage();
        for code in [
            storage.get("").map(drop),
            storage.put("", b"").map(drop),
            storage.delete("").map(drop),
            storage.compare_and_swap("", None, b"").map(drop),
        ] {
            assert_eq!(code.unwrap_err().code(), "INVALID_ARGUMENT");
        }
    }
}
