//! Everything a plugin keeps, as one file that can be read back.

use std::time::{Duration, SystemTime};

use palisade_bundle::Timestamp;
use serde::{Deserialize, Serialize};

use super::disk::PluginRow;
use crate::services::StoredEntry;

/// The state record and the key-value namespace of a plugin. In JSON, bytes are base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginArchive {
    /// Whose.
    pub plugin_id: String,
    /// Who vouched for it; `None` for an unsigned bundle.
    pub publisher: Option<String>,
    /// The version that kept it.
    pub version: String,
    /// The state record, if it had one.
    #[serde(with = "optional_base64")]
    pub state: Option<Vec<u8>>,
    /// Everything under a key, by key.
    pub entries: Vec<ArchivedEntry>,
}

/// One key with what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedEntry {
    /// The key.
    pub key: String,
    /// The value.
    #[serde(with = "base64")]
    pub value: Vec<u8>,
    /// From when on it counts as absent.
    pub expires: Option<Timestamp>,
}

impl PluginArchive {
    pub(super) fn of(row: &PluginRow, state: Option<Vec<u8>>, entries: Vec<StoredEntry>) -> Self {
        Self {
            plugin_id: row.id.to_string(),
            publisher: row.active.publisher.clone(),
            version: row.active.version.clone(),
            state,
            entries: entries.into_iter().map(ArchivedEntry::from).collect(),
        }
    }
}

impl From<StoredEntry> for ArchivedEntry {
    fn from(entry: StoredEntry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            expires: entry.expires.and_then(|time| Timestamp::try_from(time).ok()),
        }
    }
}

impl From<ArchivedEntry> for StoredEntry {
    fn from(entry: ArchivedEntry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            expires: entry.expires.map(moment),
        }
    }
}

/// A time before 1970 is long past, and so is 1970.
fn moment(timestamp: Timestamp) -> SystemTime {
    let seconds = u64::try_from(timestamp.unix_seconds()).unwrap_or_default();
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

mod base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        decoded(&String::deserialize(deserializer)?)
    }

    pub(super) fn decoded<E: de::Error>(text: &str) -> Result<Vec<u8>, E> {
        BASE64.decode(text.as_bytes()).map_err(|_| E::custom("expected base64"))
    }
}

mod optional_base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.as_deref().map(super::base64::decoded).transpose()
    }
}
