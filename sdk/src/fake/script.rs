//! Answers that a test wrote down beforehand: [`Script`], [`Reply`]; and [`Call`], what they answered to.

use std::cell::RefCell;

use serde::Serialize;

use crate::calls::{HostAnswer, HostResult};
use crate::fake::in_test;
use crate::host::HostError;

/// What a command of another plugin answers; see [`Host::with_call`](crate::Host::with_call).
#[derive(Clone, Debug)]
pub struct Reply(Result<Vec<u8>, HostError>);

impl Reply {
    /// Answers with JSON.
    ///
    /// # Panics
    ///
    /// When `value` is no JSON: a mistake in the test.
    #[must_use]
    pub fn json(value: impl Serialize) -> Self {
        Self(Ok(in_test(&value)))
    }

    /// Answers with bytes; with none at all for a command without a result.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Ok(bytes.into()))
    }

    /// Answers with an error.
    #[must_use]
    pub fn error(error: HostError) -> Self {
        Self(Err(error))
    }

    pub(super) fn into_result(self) -> HostResult {
        self.0.map(|bytes| HostAnswer { bytes, yes: false })
    }
}

/// A command of another plugin that was called; see [`Host::called`](crate::Host::called).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The plugin.
    pub plugin_id: String,
    /// Its command.
    pub command: String,
    /// The arguments, as they were sent.
    pub args: Vec<u8>,
}

/// Answers by what they answer to, each given once, in the order they were written down.
#[derive(Debug)]
pub(super) struct Script<T>(RefCell<Vec<(String, T)>>);

impl<T> Default for Script<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T> Script<T> {
    pub(super) fn add(&mut self, place: String, answer: T) {
        self.0.get_mut().push((place, answer));
    }

    /// The next answer here.
    pub(super) fn next(&self, place: &str) -> Result<T, HostError> {
        let mut answers = self.0.borrow_mut();
        match answers.iter().position(|(scripted, _)| scripted == place) {
            Some(index) => Ok(answers.remove(index).1),
            None => Err(HostError::new(
                "UNSCRIPTED",
                format!("the fake host has no answer, or none left, to `{place}`"),
            )),
        }
    }
}

/// A command of a plugin, as a script knows it.
pub(super) fn place(plugin_id: &str, command: &str) -> String {
    format!("{plugin_id} {command}")
}
