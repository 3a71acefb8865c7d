//! The plugin's keys and values: [`Storage`].

use std::time::Duration;

use palisade_abi::KeyPage;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::{Calls, HostCalls, read_json, write_json};
use crate::host::HostError;

/// Keys that [`Keys`] asks for at once. Reading a page of a hundred usual keys takes a few per cent of the fuel that a command
/// has when its manifest is silent.
const KEYS_AT_ONCE: u32 = 100;

/// The `ttl_ms` of a value that stays.
const FOR_EVER: i64 = 0;

/// Keys and values that outlive the instance, shared by all instances of the plugin and by nobody else.
///
/// Keys are 1 to 256 bytes of text, values at most 1 MiB, and everything together at most the plugin's quota. Needs
/// `storage:read`, `storage:write` and `storage:delete`, each for its own. Made by
/// [`Host::storage`](super::Host::storage).
///
/// Besides what the single methods say, each answers with `PERMISSION_DENIED` without its permission, and
/// `INVALID_ARGUMENT` for a key that is empty or too long.
///
/// # Examples
///
/// ```
/// use palisade_sdk::Host;
///
/// let host = Host::fake().with_permissions(["storage:read", "storage:write"]);
/// let storage = host.storage();
/// storage.put("note/1", b"buy milk")?;
/// storage.put_json("note/2", &["bread", "butter"])?;
///
/// assert_eq!(storage.get("note/1")?.as_deref(), Some(&b"buy milk"[..]));
/// let keys: Vec<String> = storage.list("note/").collect::<Result<_, _>>()?;
/// assert_eq!(keys, ["note/1", "note/2"]);
/// # Ok::<(), palisade_sdk::HostError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Storage<'host> {
    pub(super) calls: &'host Calls,
}

impl<'host> Storage<'host> {
    /// The value under a key, if the key is there.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.calls.storage_get(key)?.if_yes())
    }

    /// The JSON value under a key, if the key is there.
    ///
    /// # Errors
    ///
    /// `UNEXPECTED_DATA` with a JSON pointer when the value is no `T`; and what the host answers.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, HostError> {
        let value = self.get(key)?;
        value.map(|text| read_json(&text, key)).transpose()
    }

    /// Puts a value under a key, and says whether the key was there before.
    ///
    /// # Errors
    ///
    /// `STORAGE_QUOTA_EXCEEDED`, `PAYLOAD_TOO_LARGE`, and what else the host answers; then nothing was changed.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<bool, HostError> {
        Ok(self.calls.storage_put(key, value, FOR_EVER)?.yes)
    }

    /// Puts a value under a key as JSON, and says whether the key was there before.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and `INVALID_ARGUMENT` when `value` is no JSON.
    pub fn put_json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<bool, HostError> {
        self.put(key, &write_json(value)?)
    }

    /// Puts a value under a key for some time, and says whether the key was there before. Then the key is gone; a part of a
    /// millisecond counts as a whole one.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_for(&self, key: &str, value: &[u8], time: Duration) -> Result<bool, HostError> {
        Ok(self.calls.storage_put(key, value, ttl_ms(time))?.yes)
    }

    /// Deletes a key, and says whether it was there.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn delete(&self, key: &str) -> Result<bool, HostError> {
        Ok(self.calls.storage_delete(key)?.yes)
    }

    /// Puts a value under a key if the key has the value `expected`, or is absent when that is `None`; says whether it was
    /// put. Nobody else's change comes between the look and the change.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn compare_and_swap(&self, key: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, HostError> {
        Ok(self.calls.storage_cas(key, expected, new, FOR_EVER)?.yes)
    }

    /// As [`compare_and_swap`](Self::compare_and_swap), and the key is gone after some time: a lock whose holder may end
    /// without giving it back.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn compare_and_swap_for(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: &[u8],
        time: Duration,
    ) -> Result<bool, HostError> {
        Ok(self.calls.storage_cas(key, expected, new, ttl_ms(time))?.yes)
    }

    /// Every key that starts with `prefix`, ascending by bytes; asks the host for more as it goes on. Keys that come or go
    /// meanwhile may or may not be among them.
    pub fn list(&self, prefix: impl Into<String>) -> Keys<'host> {
        Keys {
            storage: *self,
            prefix: prefix.into(),
            page: Vec::new().into_iter(),
            after: String::new(),
            may_have_more: true,
        }
    }

    /// At most `limit` keys, and at most 1,000, that start with `prefix` and come after `after`: nothing comes before
    /// the empty text.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn page(&self, prefix: &str, after: &str, limit: u32) -> Result<KeyPage, HostError> {
        self.calls.storage_list(prefix, after, limit)?.json("keys")
    }
}

/// Milliseconds for the host, at least one: none at all would mean "for ever".
fn ttl_ms(time: Duration) -> i64 {
    let whole = time.as_nanos().div_ceil(1_000_000).max(1);
    i64::try_from(whole).unwrap_or(i64::MAX)
}

/// Keys of a [`Storage`], ascending; made by [`Storage::list`]. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Keys<'host> {
    storage: Storage<'host>,
    prefix: String,
    page: std::vec::IntoIter<String>,
    /// The last key of the page.
    after: String,
    may_have_more: bool,
}

impl Iterator for Keys<'_> {
    type Item = Result<String, HostError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.as_slice().is_empty() && self.may_have_more {
            match self.storage.page(&self.prefix, &self.after, KEYS_AT_ONCE) {
                Ok(KeyPage { keys, more }) => {
                    // A page without keys ends the list, whatever else it says: the next would be the same.
                    self.may_have_more = more && !keys.is_empty();
                    if let Some(last) = keys.last().filter(|_| more) {
                        self.after.clone_from(last);
                    }
                    self.page = keys.into_iter();
                }
                Err(error) => {
                    self.may_have_more = false;
                    return Some(Err(error));
                }
            }
        }
        self.page.next().map(Ok)
    }
}

impl std::iter::FusedIterator for Keys<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    fn host() -> Host {
        Host::fake().with_permissions(["storage:read", "storage:write", "storage:delete"])
    }

    #[test]
    fn values_come_back_as_they_went_in() {
        let host = host();
        let storage = host.storage();
        assert_eq!(storage.get("a"), Ok(None));
        assert_eq!(storage.put("a", b"\0\xff"), Ok(false));
        assert_eq!(storage.put("a", b""), Ok(true));
        assert_eq!(storage.get("a"), Ok(Some(Vec::new())));
        assert_eq!(storage.put_json("b", &[1, 2]), Ok(false));
        assert_eq!(storage.get_json("b"), Ok(Some(vec![1, 2])));
        assert_eq!(storage.get_json::<u8>("c"), Ok(None));
        assert_eq!(storage.delete("a"), Ok(true));
        assert_eq!(storage.delete("a"), Ok(false));
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_by_its_key() {
        let host = host();
        host.storage().put("colour", b"5").unwrap();
        let error = host.storage().get_json::<String>("colour").unwrap_err();
        assert_eq!(error.code(), HostError::UNEXPECTED_DATA);
        assert!(error.message().starts_with("colour: invalid type"), "{error}");
    }

    #[test]
    fn a_swap_happens_only_on_the_expected_value() {
        let host = host();
        let storage = host.storage();
        assert_eq!(storage.compare_and_swap("a", Some(b""), b"1"), Ok(false));
        assert_eq!(storage.compare_and_swap("a", None, b"1"), Ok(true));
        assert_eq!(storage.compare_and_swap("a", None, b"2"), Ok(false));
        assert_eq!(storage.compare_and_swap("a", Some(b"2"), b"3"), Ok(false));
        assert_eq!(storage.compare_and_swap("a", Some(b"1"), b"2"), Ok(true));
        assert_eq!(storage.get("a"), Ok(Some(b"2".to_vec())));
    }

    #[test]
    fn a_lock_frees_itself() {
        let host = host();
        let lock = |by: &[u8]| {
            host.storage()
                .compare_and_swap_for("lock", None, by, Duration::from_secs(5))
                .unwrap()
        };
        assert!(lock(b"a") && !lock(b"b"));
        host.advance(Duration::from_secs(5));
        assert!(lock(b"b"));
    }

    #[test]
    fn a_time_to_live_is_never_rounded_to_for_ever() {
        for (time, expected) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(7), 7),
            (Duration::from_micros(7_001), 8),
            (Duration::MAX, i64::MAX),
        ] {
            assert_eq!(ttl_ms(time), expected, "{time:?}");
        }
    }

    #[test]
    fn a_list_goes_over_as_many_pages_as_there_are() {
        for count in [0, 1, 99, 100, 101, 250] {
            let host = host();
            for index in 0..count {
                host.storage().put(&format!("note/{index:03}"), b"x").unwrap();
            }
            host.storage().put("notes", b"x").unwrap();
            let keys: Vec<String> = host.storage().list("note/").collect::<Result<_, _>>().unwrap();
            let expected: Vec<String> = (0..count).map(|index| format!("note/{index:03}")).collect();
            assert_eq!(keys, expected);
        }
    }

    #[test]
    fn a_list_ends_after_an_error() {
        let host = Host::fake();
        let mut keys = host.storage().list("");
        assert!(keys.next().unwrap().unwrap_err().is_permission_denied());
        assert!(keys.next().is_none());
    }
}
