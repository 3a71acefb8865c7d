//! Which plugin ids a publisher may sign for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::manifest::PluginId;

/// A set of plugin ids: one id, everything below a name (`com.acme.*`), or everything (`*`).
///
/// Whole labels only: `com.acme.*` holds `com.acme.weather` and `com.acme.a.b`, not `com.acme` and not `com.acmex`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdPattern {
    /// Every id.
    Any,
    /// Every id that has more labels after this one.
    Below(PluginId),
    /// This id.
    Exactly(PluginId),
}

impl IdPattern {
    /// Whether `id` is in the set.
    #[must_use]
    pub fn matches(&self, id: &PluginId) -> bool {
        match self {
            Self::Any => true,
            Self::Below(name) => id
                .as_str()
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('.')),
            Self::Exactly(name) => name == id,
        }
    }

    /// Orders patterns that hold the same id: the narrower one is greater.
    pub(super) fn narrowness(&self) -> (usize, bool) {
        match self {
            Self::Any => (0, false),
            Self::Below(name) => (name.as_str().len(), false),
            Self::Exactly(name) => (name.as_str().len(), true),
        }
    }
}

impl FromStr for IdPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let id = |text: &str| text.parse().map_err(|_| InvalidPattern);
        match text.strip_suffix(".*") {
            _ if text == "*" => Ok(Self::Any),
            Some(name) => id(name).map(Self::Below),
            None => id(text).map(Self::Exactly),
        }
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(name) => write!(f, "{name}.*"),
            Self::Exactly(name) => write!(f, "{name}"),
        }
    }
}

impl Serialize for IdPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id pattern is a plugin id, a plugin id and `.*`, or `*`")]
pub struct InvalidPattern;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, id: &str, expected: bool) {
        let pattern: IdPattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(&id.parse().unwrap()), expected, "{pattern} {id}");
    }

    #[test]
    fn matches_whole_labels() {
        check("com.acme.*", "com.acme.weather", true);
        check("com.acme.*", "com.acme.a.b", true);
        check("com.acme.*", "com.acme", false);
        check("com.acme.*", "com.acmex", false);
        check("com.acme.*", "com.acmex.weather", false);
        check("com.acme.*", "org.com.acme.weather", false);
    }

    #[test]
    fn matches_one_id_or_all() {
        check("com.acme", "com.acme", true);
        check("com.acme", "com.acme.weather", false);
        check("com.acme", "com.acm", false);
        check("*", "anything", true);
    }

    #[test]
    fn refuses_a_star_anywhere_else() {
        for text in [
            "",
            "*.acme",
            "com.*.weather",
            "com.acme*",
            "com.acme.**",
            ".*",
            "**",
            "Com.Acme.*",
            "com..*",
        ] {
            assert_eq!(text.parse::<IdPattern>(), Err(InvalidPattern), "{text}");
        }
    }
}
