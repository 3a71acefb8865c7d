//! What reaches others: topics, messages, commands of other plugins, the host's events and functions.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::{Calls, HostCalls, write_json};
use crate::host::{Host, HostError};

impl Host {
    /// Publishes `data` to a topic that the manifest names under `events.publish`; says whether somebody receives it. Needs
    /// `events:publish`.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, `INVALID_ARGUMENT` when `data` is no JSON, and what else the host answers.
    pub fn publish<T: Serialize + ?Sized>(&self, topic: &str, data: &T) -> Result<bool, HostError> {
        Ok(self.calls.publish(topic, &write_json(data)?)?.yes)
    }

    /// Sends `data` to one plugin, by its id; it arrives there as a [`Delivery`](crate::Delivery). Needs `message:send`.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, `INVALID_ARGUMENT` when `data` is no JSON, and what else the host answers.
    pub fn send<T: Serialize + ?Sized>(&self, plugin_id: &str, data: &T) -> Result<(), HostError> {
        self.calls.message_send(plugin_id, &write_json(data)?).map(drop)
    }

    /// Runs a command of a plugin that the manifest names under `dependencies`. Needs `plugin:call`. A command without a
    /// result answers with `()`.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, `PLUGIN_UNAVAILABLE`, what the command itself answers, and `UNEXPECTED_DATA` when its result is
    /// no `Out`.
    pub fn call<Out: DeserializeOwned>(
        &self,
        plugin_id: &str,
        command: &str,
        args: &(impl Serialize + ?Sized),
    ) -> Result<Out, HostError> {
        let answer = self.calls.plugin_call(plugin_id, command, &write_json(args)?)?;
        answer.json("result")
    }

    /// As [`call`](Self::call), for a command that takes or gives bytes.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_bytes(&self, plugin_id: &str, command: &str, args: &[u8]) -> Result<Vec<u8>, HostError> {
        Ok(self.calls.plugin_call(plugin_id, command, args)?.bytes)
    }

    /// Tells the host's event log something, under the plugin's own name. For people and programs that watch the host;
    /// other plugins are reached with [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` when `data` is no JSON, and what else the host answers.
    pub fn emit<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), HostError> {
        self.calls.emit(name, &write_json(data)?).map(drop)
    }

    /// A function that the host application lends, by its name `area:action`. Needs `custom:<area>:<action>`.
    ///
    /// # Examples
    ///
    /// ```
    /// use palisade_sdk::Host;
    ///
    /// let host = Host::fake()
    ///     .with_permissions(["custom:shop:price"])
    ///     .with_function("shop:price", |item: String| Ok(item.len()));
    ///
    /// let price: u32 = host.function("shop:price").call("tea")?;
    /// assert_eq!(price, 3);
    /// # Ok::<(), palisade_sdk::HostError>(())
    /// ```
    #[must_use]
    pub fn function<'host>(&'host self, name: &'host str) -> HostFunction<'host> {
        HostFunction {
            calls: &self.calls,
            name,
        }
    }
}

/// A function of the host application; made by [`Host::function`].
#[derive(Clone, Copy, Debug)]
pub struct HostFunction<'host> {
    calls: &'host Calls,
    name: &'host str,
}

impl HostFunction<'_> {
    /// Calls it with JSON, for JSON.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED`, `NOT_FOUND` when the application has no such function, what the function itself answers, and
    /// `UNEXPECTED_DATA` when its result is no `Out`.
    pub fn call<Out: DeserializeOwned>(&self, input: &(impl Serialize + ?Sized)) -> Result<Out, HostError> {
        self.calls.host_call(self.name, &write_json(input)?)?.json("result")
    }

    /// Calls it with bytes, for bytes.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_bytes(&self, input: &[u8]) -> Result<Vec<u8>, HostError> {
        Ok(self.calls.host_call(self.name, input)?.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Call, Reply};
    use crate::json;

    #[test]
    fn what_is_told_to_others_is_told_as_json() {
        let host = Host::fake().with_permissions(["events:publish", "message:send"]);
        assert_eq!(host.publish("orders.created", &json!({"id": 7})), Ok(true));
        assert_eq!(host.send("dev.shop", "hello"), Ok(()));
        assert_eq!(host.emit("sold-out", &[1, 2]), Ok(()));
        assert_eq!(host.published(), [("orders.created".to_owned(), json!({"id": 7}))]);
        assert_eq!(host.sent(), [("dev.shop".to_owned(), json!("hello"))]);
        assert_eq!(host.emitted(), [("sold-out".to_owned(), json!([1, 2]))]);
    }

    #[test]
    fn nobody_may_be_listening() {
        let host = Host::fake().with_permissions(["events:publish"]).without_subscribers();
        assert_eq!(host.publish("a", &()), Ok(false));
        assert_eq!(host.published().len(), 1);
    }

    #[test]
    fn a_command_of_another_plugin_answers_json_bytes_nothing_or_an_error() {
        let host = Host::fake()
            .with_permissions(["plugin:call"])
            .with_call("dev.shop", "price", Reply::json(json!([3, 4])))
            .with_call("dev.shop", "price", Reply::bytes(""))
            .with_call("dev.shop", "price", Reply::error(HostError::new("SOLD_OUT", "no tea")))
            .with_call("dev.shop", "photo", Reply::bytes(b"\xff"));
        assert_eq!(host.call("dev.shop", "price", "tea"), Ok(vec![3, 4]));
        assert_eq!(host.call("dev.shop", "price", "tea"), Ok(()));
        assert_eq!(
            host.call::<u8>("dev.shop", "price", "tea").unwrap_err().code(),
            "SOLD_OUT"
        );
        assert_eq!(host.call_bytes("dev.shop", "photo", b"a"), Ok(vec![0xff]));
        assert_eq!(
            host.call::<u8>("dev.shop", "price", "tea").unwrap_err().code(),
            "UNSCRIPTED"
        );
        let called = host.called();
        assert_eq!((called.len(), called[0].args.as_slice()), (5, &b"\"tea\""[..]));
        let photo = Call {
            plugin_id: "dev.shop".into(),
            command: "photo".into(),
            args: b"a".into(),
        };
        assert_eq!(called[3], photo);
    }

    #[test]
    fn a_result_of_another_type_is_an_error() {
        let host = Host::fake()
            .with_permissions(["plugin:call"])
            .with_call("dev.shop", "price", Reply::json("three"));
        let error = host.call::<u8>("dev.shop", "price", &()).unwrap_err();
        assert_eq!(error.code(), HostError::UNEXPECTED_DATA);
    }

    #[test]
    fn a_function_of_the_application_is_called_as_often_as_needed() {
        let host = Host::fake()
            .with_permissions(["custom:shop:double", "custom:shop:none"])
            .with_function("shop:double", |number: u32| {
                number
                    .checked_mul(2)
                    .ok_or_else(|| HostError::new("TOO_MUCH", "too much"))
            });
        let double = host.function("shop:double");
        assert_eq!((double.call(&2), double.call(&3)), (Ok(4), Ok(6)));
        assert_eq!(double.call_bytes(b"4"), Ok(b"8".to_vec()));
        assert_eq!(double.call::<u32>(&u32::MAX).unwrap_err().code(), "TOO_MUCH");
        assert_eq!(double.call::<u32>("two").unwrap_err().code(), "INVALID_ARGUMENT");
        assert_eq!(
            host.function("shop:none").call::<u8>(&1).unwrap_err().code(),
            "NOT_FOUND"
        );
    }
}
