//! The plugin's state record: [`State`].

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::{Calls, HostCalls, write_json};
use crate::host::HostError;

/// One JSON record that outlives the instance: an instance that replaces this one, after a reload or a crash, reads what
/// this one wrote. For many values, or large ones, there is [`Storage`](super::Storage).
///
/// Every plugin may use it. Made by [`Host::state`](super::Host::state).
///
/// # Examples
///
/// ```
/// use palisade_sdk::Host;
///
/// let host = Host::fake();
/// let count: u32 = host.state().get()?.unwrap_or(0);
/// host.state().set(&(count + 1))?;
///
/// assert_eq!(host.state().get()?, Some(1));
/// # Ok::<(), palisade_sdk::HostError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct State<'host> {
    pub(super) calls: &'host Calls,
}

impl State<'_> {
    /// The record, if there is one.
    ///
    /// # Errors
    ///
    /// `UNEXPECTED_DATA` with a JSON pointer when the record is no `T`, such as after an update of the plugin; and what the
    /// host answers.
    pub fn get<T: DeserializeOwned>(&self) -> Result<Option<T>, HostError> {
        let answer = self.calls.state_get()?;
        answer.yes.then(|| answer.json("state")).transpose()
    }

    /// Replaces the record.
    ///
    /// # Errors
    ///
    /// `PAYLOAD_TOO_LARGE` above 1 MiB of JSON; `INVALID_ARGUMENT` when `record` is no JSON; and what the host answers.
    pub fn set<T: Serialize + ?Sized>(&self, record: &T) -> Result<(), HostError> {
        self.calls.state_set(&write_json(record)?).map(drop)
    }

    /// Removes the record.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn clear(&self) -> Result<(), HostError> {
        self.calls.state_set(&[]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Host, json};

    #[test]
    fn a_record_is_there_until_it_is_cleared() {
        let host = Host::fake();
        assert_eq!(host.state().get::<u32>(), Ok(None));
        host.state().set(&7).unwrap();
        host.state().set(&8).unwrap();
        assert_eq!(host.state().get(), Ok(Some(8)));
        host.state().clear().unwrap();
        assert_eq!(host.state().get::<u32>(), Ok(None));
    }

    #[test]
    fn a_record_of_another_type_is_an_error_that_says_where() {
        let host = Host::fake();
        host.state().set(&json!([1, "two"])).unwrap();
        let error = host.state().get::<Vec<u8>>().unwrap_err();
        assert_eq!(error.code(), "UNEXPECTED_DATA");
        assert_eq!(error.details()["pointer"], "/1");
        assert_eq!(
            error.message(),
            "state at /1: invalid type: string \"two\", expected u8"
        );
    }

    #[test]
    fn a_record_has_at_most_1_mib() {
        let host = Host::fake();
        let fits = "x".repeat(1024 * 1024 - 2);
        host.state().set(&fits).unwrap();
        let error = host.state().set(&format!("{fits}x")).unwrap_err();
        assert_eq!(error.code(), "PAYLOAD_TOO_LARGE");
        assert_eq!(host.state().get(), Ok(Some(fits)));
    }

    #[test]
    fn what_is_no_json_never_reaches_the_host() {
        let host = Host::fake();
        let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(host.state().set(&odd).unwrap_err().code(), "INVALID_ARGUMENT");
        assert_eq!(host.state().get::<u32>(), Ok(None));
    }
}
