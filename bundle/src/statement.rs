//! The statement: what a signature says about a bundle.

use semver::Version;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::canonical_json::{self, JsonError};
use crate::container::MAX_SIGNATURE_BYTES;
use crate::digest::Digest;
use crate::manifest::PluginId;
use crate::time::Timestamp;

/// What the signers of a bundle say about it. Everything in the file is named here by its digest, or follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The ABI the module speaks: `palisade-` and its major version.
    #[serde(deserialize_with = "abi")]
    pub abi: String,
    /// The bytes from the start of entry 1 to the central directory.
    pub content: Content,
    /// When it was signed, as the first signer says.
    pub created: Timestamp,
    /// Every file in the order of the container.
    pub files: Vec<FileDigest>,
    /// The plugin.
    pub id: PluginId,
    /// The last second in which the bundle may be used.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Rises with every release; a host that saw a higher one refuses a lower one. At most 2^53−1.
    pub sequence: u64,
    /// Which kind of statement.
    #[serde(rename = "type")]
    pub kind: StatementKind,
    /// The version of the plugin.
    pub version: Version,
}

/// The kinds of statement there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatementKind {
    /// The first form of a bundle.
    #[serde(rename = "palisade-bundle/1")]
    Bundle1,
}

/// A run of bytes by length and digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// How many bytes.
    pub length: u64,
    /// Their digest.
    pub sha256: Digest,
}

/// A file of a bundle by size and digest of its unpacked bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Relative path with `/` between levels.
    pub path: String,
    /// Digest of the unpacked bytes.
    pub sha256: Digest,
    /// Number of unpacked bytes.
    pub size: u64,
}

impl Statement {
    /// Reads a statement; its bytes are what was signed and are never written anew.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        canonical_json::parse(bytes, usize::try_from(MAX_SIGNATURE_BYTES).unwrap_or(usize::MAX))
    }

    /// The bytes to sign.
    ///
    /// # Errors
    ///
    /// [`JsonError::Number`]: a number is beyond 2^53−1.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JsonError> {
        canonical_json::to_bytes(self)
    }
}

/// The name of an ABI by its major version.
pub(crate) fn abi_name(major: impl std::fmt::Display) -> String {
    format!("palisade-{major}")
}

fn abi<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let major = name
        .strip_prefix("palisade-")
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if abi_name(major) == name => Ok(name),
        _ => Err(de::Error::custom("an ABI is `palisade-` and its major version")),
    }
}

/// Takes a member that may be absent but not `null`.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = concat!(
        r#"{"abi":"palisade-1","content":{"length":183402,"sha256":"#,
        r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},"created":"2026-11-21T06:00:00Z","#,
        r#""files":[{"path":"plugin.json","sha256":"#,
        r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":812}],"#,
        r#""id":"com.acme.weather","not_after":"2028-11-21T00:00:00Z","sequence":17,"type":"palisade-bundle/1","#,
        r#""version":"1.2.0"}"#
    );

    #[test]
    fn writes_the_bytes_it_reads() {
        let statement = Statement::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(statement.to_bytes().unwrap()).unwrap(), EXAMPLE);
        let endless = Statement {
            not_after: None,
            ..statement
        };
        assert_eq!(Statement::parse(&endless.to_bytes().unwrap()), Ok(endless));
    }

    #[test]
    fn refuses_what_is_not_exactly_a_statement() {
        for (from, to) in [
            ("palisade-bundle/1", "palisade-bundle/2"),
            ("\"sequence\":17", "\"sequence\":9007199254740992"),
            ("\"sequence\":17", "\"sequence\":-1"),
            ("\"sequence\":17,", ""),
            ("\"sequence\":17,", "\"sequence\":17,\"sequence\":18,"),
            ("\"sequence\":17,", "\"sequence\":17,\"extra\":18,"),
            ("com.acme.weather", "Com.Acme.Weather"),
            ("1.2.0", "1.2"),
            ("palisade-1", "palisade-01"),
            ("palisade-1", "palisade-"),
            ("palisade-1", "wasi-1"),
            ("2026-11-21T06:00:00Z", "2026-11-21T06:00:00+00:00"),
            ("\"2028-11-21T00:00:00Z\"", "null"),
            ("ba78", "BA78"),
        ] {
            let text = EXAMPLE.replace(from, to);
            assert_ne!(text, EXAMPLE);
            assert!(Statement::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn does_not_write_a_sequence_it_would_not_read() {
        let statement = Statement::parse(EXAMPLE.as_bytes()).unwrap();
        let largest = Statement {
            sequence: (1 << 53) - 1,
            ..statement.clone()
        };
        assert_eq!(Statement::parse(&largest.to_bytes().unwrap()), Ok(largest));
        assert_eq!(
            Statement {
                sequence: 1 << 53,
                ..statement
            }
            .to_bytes(),
            Err(JsonError::Number)
        );
    }
}
