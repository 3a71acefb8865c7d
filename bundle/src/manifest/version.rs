//! Versions a manifest asks for, compared with what the host offers.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use semver::Version;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::read::{At, Problems};
use crate::{Blame, Code, Coded};

/// The version of the guest ABI a plugin speaks. Written `1`, `"1"` or `"1.0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbiVersion {
    /// Changes when a plugin of the older one would break; must be equal to the host's.
    pub major: u32,
    /// Changes when something is added; at most the host's.
    pub minor: u32,
}

impl AbiVersion {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let version = match (at.as_u32(), at.as_text()) {
            (Some(major), _) => Some(Self { major, minor: 0 }),
            (None, Some(text)) => text.parse().ok(),
            (None, None) => None,
        };
        if version.is_none() {
            problems.unexpected(at, "an ABI version such as 1 or \"1.0\"");
        }
        version
    }
}

impl Default for AbiVersion {
    /// What a manifest means that does not say.
    fn default() -> Self {
        Self { major: 1, minor: 0 }
    }
}

impl FromStr for AbiVersion {
    type Err = MalformedAbiVersion;

    fn from_str(text: &str) -> Result<Self, MalformedAbiVersion> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let number = |digits: &str| {
            let canonical =
                digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            canonical.then(|| digits.parse().ok()).flatten()
        };
        match (number(major), number(minor)) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(MalformedAbiVersion),
        }
    }
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for AbiVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for AbiVersion {
    fn schema_name() -> Cow<'static, str> {
        "AbiVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A version of the guest ABI: 1 or \"1.0\".",
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": u32::MAX,
            "pattern": r"^(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9}))?$"
        })
    }
}

/// A text that is no ABI version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ABI version is MAJOR or MAJOR.MINOR, such as 1.0")]
pub struct MalformedAbiVersion;

/// A bundle needs a version that is not the one here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("needs {subject} {required}, this is {actual}")]
pub struct UnsupportedVersion {
    /// What has the wrong version.
    pub subject: VersionSubject,
    /// What the bundle needs, such as `at least 2.0.0`.
    pub required: String,
    /// What there is.
    pub actual: String,
}

/// What a version is a version of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VersionSubject {
    /// The host program.
    Host,
    /// The contract between guest and host.
    Abi,
    /// The form of `plugin.json`.
    Manifest,
}

impl fmt::Display for VersionSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host version",
            Self::Abi => "ABI version",
            Self::Manifest => "manifest version",
        })
    }
}

impl Coded for UnsupportedVersion {
    fn code(&self) -> Code {
        Code::UnsupportedVersion
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([
            ("required".to_owned(), json!(self.required)),
            ("actual".to_owned(), json!(self.actual)),
        ])
    }

    fn help(&self) -> Vec<String> {
        let help = match self.subject {
            VersionSubject::Host => "use a host of that version, or a bundle built for this one",
            VersionSubject::Abi => "rebuild the plugin with an SDK for the host's ABI version",
            VersionSubject::Manifest => "write `\"manifest_version\": 1`, or use a newer host",
        };
        vec![help.to_owned()]
    }
}

/// Compares what a manifest asks for with a host. Precedence as in SemVer 2 §11, so build metadata does not count.
pub(super) fn check_host(
    (min, max): (Option<&Version>, Option<&Version>),
    abi: AbiVersion,
    host: &Version,
    host_abi: AbiVersion,
) -> Result<(), UnsupportedVersion> {
    let unsupported = |subject, required: String, actual: String| {
        Err(UnsupportedVersion {
            subject,
            required,
            actual,
        })
    };
    if let Some(min) = min.filter(|min| host.cmp_precedence(min).is_lt()) {
        return unsupported(VersionSubject::Host, format!("at least {min}"), host.to_string());
    }
    if let Some(max) = max.filter(|max| host.cmp_precedence(max).is_gt()) {
        return unsupported(VersionSubject::Host, format!("at most {max}"), host.to_string());
    }
    if abi.major != host_abi.major || abi.minor > host_abi.minor {
        return unsupported(VersionSubject::Abi, abi.to_string(), host_abi.to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[track_caller]
    fn verdict(min: Option<&str>, max: Option<&str>, host: &str) -> Result<(), String> {
        let (min, max) = (min.map(version), max.map(version));
        let abi = AbiVersion::default();
        check_host((min.as_ref(), max.as_ref()), abi, &version(host), abi).map_err(|error| error.to_string())
    }

    #[test]
    fn a_host_inside_the_range_is_accepted_at_both_ends() {
        assert_eq!(verdict(Some("1.2.0"), Some("2.0.0"), "1.2.0"), Ok(()));
        assert_eq!(verdict(Some("1.2.0"), Some("2.0.0"), "2.0.0"), Ok(()));
        assert_eq!(verdict(None, None, "0.0.1"), Ok(()));
        assert_eq!(
            verdict(Some("1.2.0"), Some("1.2.0"), "1.2.0+build.7"),
            Ok(()),
            "build metadata does not count"
        );
    }

    #[test]
    fn a_host_just_outside_the_range_is_refused() {
        insta::assert_snapshot!(verdict(Some("1.2.0"), None, "1.1.9").unwrap_err(), @"needs host version at least 1.2.0, this is 1.1.9");
        insta::assert_snapshot!(verdict(None, Some("2.0.0"), "2.0.1").unwrap_err(), @"needs host version at most 2.0.0, this is 2.0.1");
        assert!(
            verdict(Some("1.2.0"), None, "1.2.0-rc.1").is_err(),
            "a pre-release comes before the release"
        );
    }

    #[test]
    fn the_abi_major_is_equal_and_the_minor_at_most_the_hosts() {
        let check = |asked: &str, offered: &str| {
            check_host(
                (None, None),
                asked.parse().unwrap(),
                &version("1.0.0"),
                offered.parse().unwrap(),
            )
        };
        assert_eq!(check("1.0", "1.0"), Ok(()));
        assert_eq!(check("1.0", "1.3"), Ok(()));
        assert_eq!(check("1.3", "1.3"), Ok(()));
        assert!(check("1.4", "1.3").is_err());
        assert!(check("2.0", "1.3").is_err());
        assert!(check("0.9", "1.3").is_err());
    }

    #[test]
    fn abi_versions_have_one_spelling() {
        assert_eq!("1".parse(), Ok(AbiVersion { major: 1, minor: 0 }));
        assert_eq!("1.12".parse(), Ok(AbiVersion { major: 1, minor: 12 }));
        for near in ["", "1.", ".1", "01", "1.01", "1.0.0", "v1", "-1", "+1", "4294967296"] {
            assert_eq!(near.parse::<AbiVersion>(), Err(MalformedAbiVersion), "{near}");
        }
    }
}
