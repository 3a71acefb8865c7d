//! The id of a plugin.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::read::{At, Problems};
use super::values::text;
use crate::container::check_name;
use crate::{Blame, Code, Coded};

/// Longest id: it becomes a folder name next to a version, and 255 bytes is what file systems take.
pub const MAX_ID_BYTES: usize = 128;

const EXPECTED: &str =
    "an id of at most 128 bytes: labels of a-z, 0-9 and inner hyphens, joined by dots, no Windows device name";

/// Who a plugin is, such as `com.acme.weather`: lower-case labels `[a-z0-9-]` joined by dots, at most 128 bytes.
///
/// A label neither starts nor ends with a hyphen and is no Windows device name (`con`, `com1`, …), because it becomes
/// part of file names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(String);

impl PluginId {
    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last dot, `weather` of `com.acme.weather`: the short name of files and tables.
    #[must_use]
    pub fn last_label(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or(&self.0)
    }

    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        text(at, problems, EXPECTED, |id| {
            id.parse().map_err(|_| {
                let lower = id.to_ascii_lowercase().replace([' ', '_'], "-");
                is_id(&lower).then_some(lower)
            })
        })
    }
}

impl FromStr for PluginId {
    type Err = MalformedPluginId;

    fn from_str(id: &str) -> Result<Self, MalformedPluginId> {
        if is_id(id) {
            Ok(Self(id.to_owned()))
        } else {
            Err(MalformedPluginId)
        }
    }
}

impl AsRef<str> for PluginId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for PluginId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PluginId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for PluginId {
    fn schema_name() -> Cow<'static, str> {
        "PluginId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Who a plugin is, such as com.acme.weather.",
            "type": "string",
            "maxLength": MAX_ID_BYTES,
            "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
            "not": { "pattern": r"(^|\.)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)" }
        })
    }
}

/// A text that is no plugin id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a plugin id; expected {EXPECTED}")]
pub struct MalformedPluginId;

impl Coded for MalformedPluginId {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([("expected".to_owned(), json!(EXPECTED))])
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && id.split('.').all(is_label)
}

/// A label is also a name the container would take, so no Windows device.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && check_name(label.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_ids_up_to_the_longest() {
        let longest = "a".repeat(MAX_ID_BYTES);
        for id in [
            "greeter",
            "com.acme.weather",
            "a.b-c.0",
            "4ever",
            "com.console",
            "com10",
            "lpt",
            longest.as_str(),
        ] {
            assert!(id.parse::<PluginId>().is_ok(), "{id}");
        }
    }

    #[test]
    fn refuses_what_is_nearly_an_id() {
        let too_long = "a".repeat(MAX_ID_BYTES + 1);
        for id in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "Acme",
            "a_b",
            "a b",
            "-a",
            "a-",
            "a.-rf",
            "ä",
            "a/b",
            too_long.as_str(),
        ] {
            assert!(id.parse::<PluginId>().is_err(), "{id}");
        }
    }

    #[test]
    fn refuses_windows_device_names_in_any_label() {
        for id in ["con", "com.acme.nul", "aux.b", "com1.x", "x.lpt9", "com0"] {
            assert!(id.parse::<PluginId>().is_err(), "{id}");
        }
    }

    #[test]
    fn the_last_label_is_the_short_name() {
        assert_eq!("com.acme.weather".parse::<PluginId>().unwrap().last_label(), "weather");
        assert_eq!("weather".parse::<PluginId>().unwrap().last_label(), "weather");
    }
}
