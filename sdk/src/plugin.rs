//! What `#[plugin]` implements: [`Plugin`], with one [`Call`] in and one [`Answer`] out.

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::json;
use crate::reject::Reject;

/// A plugin as the exports see it.
pub trait Plugin: Sized {
    /// The commands in source order.
    const COMMANDS: &'static [&'static str];

    /// Makes the instance.
    ///
    /// # Errors
    ///
    /// What the plugin's `#[init]` answers.
    fn start(host: &Host) -> Result<Self, Reject>;

    /// Runs one command.
    ///
    /// # Errors
    ///
    /// What the command answers; `INVALID_COMMAND` and `INVALID_ARGUMENT` before it is entered.
    fn command<'call>(
        &'call mut self,
        host: &'call Host,
        name: &'call [u8],
        call: Call<'call>,
    ) -> Result<Answer<'call>, Reject>;

    /// Runs `#[cleanup]`.
    ///
    /// # Errors
    ///
    /// What the plugin answers.
    fn cleanup(&mut self, host: &Host) -> Result<(), Reject> {
        let _ = host;
        Ok(())
    }

    /// Runs `#[health]`.
    ///
    /// # Errors
    ///
    /// What the plugin answers.
    fn health<'call>(&'call mut self, host: &'call Host, call: Call<'call>) -> Result<Answer<'call>, Reject> {
        let _ = (host, call);
        Ok(Answer::Nothing)
    }

    /// Runs `#[on_event]`.
    ///
    /// # Errors
    ///
    /// What the plugin answers; `INVALID_ARGUMENT` before it is entered.
    fn on_event<'call>(&'call mut self, host: &'call Host, call: Call<'call>) -> Result<Answer<'call>, Reject> {
        let _ = (host, call);
        Ok(Answer::Nothing)
    }

    /// The manifest's `commands`.
    #[cfg(feature = "describe")]
    fn describe() -> palisade_abi::Description;
}

/// The arguments of one call, and the room for a JSON result.
#[derive(Debug)]
pub struct Call<'call> {
    args: &'call [u8],
    scratch: &'call mut Vec<u8>,
}

impl<'call> Call<'call> {
    /// A call with these arguments, and room for JSON that outlasts it.
    #[must_use]
    pub fn new(args: &'call [u8], scratch: &'call mut Vec<u8>) -> Self {
        Self { args, scratch }
    }

    /// The arguments as they are.
    #[must_use]
    pub fn bytes(&self) -> &'call [u8] {
        self.args
    }

    /// The arguments as JSON; no bytes at all count as `null`.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` with a JSON pointer and what was expected.
    pub fn json<T: Incoming<'call>>(&self) -> Result<T, Reject> {
        let text = if self.args.is_empty() { b"null" } else { self.args };
        json::read(text, "arguments", Reject::INVALID_ARGUMENT)
    }

    /// Answers with JSON.
    ///
    /// # Errors
    ///
    /// When `value` is no JSON, such as a map with keys that are not text.
    pub fn answer_json<T: Outgoing + ?Sized>(self, value: &T) -> Result<Answer<'call>, Reject> {
        self.scratch.clear();
        match serde_json::to_writer(&mut *self.scratch, value) {
            Ok(()) => Ok(Answer::Borrowed(self.scratch)),
            Err(error) => Err(Reject::new(
                "INVALID_RESULT",
                format!("the result is not JSON: {error}"),
            )),
        }
    }
}

/// What a command answers. Borrowed bytes live in the input buffer, the plugin, the host or the scratch room, all of
/// which outlast the call, so they reach the host without a copy.
#[derive(Debug)]
pub enum Answer<'call> {
    /// Ok, and that is all.
    Nothing,
    /// Bytes that stay where they are.
    Borrowed(&'call [u8]),
    /// Bytes that are kept until the next call.
    Owned(Vec<u8>),
}

/// What comes in as JSON; exists for the words of its error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot come from the host: it is not `Deserialize`",
    label = "not `Deserialize`",
    note = "mark the type `#[palisade_sdk::data]`, or derive `serde::Deserialize`"
)]
pub trait Incoming<'call>: Deserialize<'call> {}

#[diagnostic::do_not_recommend]
impl<'call, T: Deserialize<'call>> Incoming<'call> for T {}

/// What goes out as JSON; exists for the words of its error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot go to the host: it is not `Serialize`",
    label = "not `Serialize`",
    note = "mark the type `#[palisade_sdk::data]`, or derive `serde::Serialize`"
)]
pub trait Outgoing: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Outgoing for T {}

/// What goes out as an error; exists for the words of its error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a `Reject`",
    label = "not `Into<Reject>`",
    note = "write `impl From<{Self}> for Reject`, or `.map_err(Reject::because)` where the error arises"
)]
pub trait IntoReject {
    /// The error as the caller sees it.
    fn into_reject(self) -> Reject;
}

#[diagnostic::do_not_recommend]
impl<T: Into<Reject>> IntoReject for T {
    fn into_reject(self) -> Reject {
        self.into()
    }
}

/// The result of a method, with its error as the caller sees it.
///
/// # Errors
///
/// The same.
pub fn rejecting<T, E: IntoReject>(result: Result<T, E>) -> Result<T, Reject> {
    result.map_err(E::into_reject)
}

/// The answer to a name that is no command.
#[cold]
#[must_use]
pub fn no_such_command(name: &[u8], available: &[&str]) -> Reject {
    let name = String::from_utf8_lossy(name);
    Reject::new("INVALID_COMMAND", format!("there is no command `{name}`"))
        .with_detail("command", &name)
        .with_detail("available", available)
}
