//! The manifest that is shipped: `plugin.json`, completed with what package and module say of themselves.

use std::path::Path;

use palisade::container::MANIFEST_PATH;
use palisade::{Blame, Code, Coded, Manifest, ManifestError};
use palisade_abi::Description;
use palisade_signer::input::{self, Kind};
use palisade_signer::{Failure, manifest_file};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// What a package says of itself, as `cargo metadata` spells it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct PackageFacts {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    #[serde(default)]
    pub(crate) authors: Vec<String>,
}

impl PackageFacts {
    /// The same as members of a manifest.
    fn members(&self) -> Vec<(&'static str, String)> {
        let authors = (!self.authors.is_empty()).then(|| self.authors.join(", "));
        let members = [
            ("name", self.name.clone()),
            ("version", self.version.clone()),
            ("author", authors),
            ("description", self.description.clone()),
            ("license", self.license.clone()),
        ];
        members
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}

/// Reads `plugin.json` in `dir` and adds what it leaves out.
pub(crate) fn complete(dir: &Path, facts: &PackageFacts, commands: Option<&Description>) -> Result<Manifest, Failure> {
    let draft = Draft::read(dir, facts, commands)?;
    if let Some(mismatch) = draft.version_mismatch {
        return Err(mismatch.into());
    }
    draft
        .manifest()
        .map_err(|error| manifest_file::in_place(error, &draft.name, &draft.written))
}

/// `plugin.json` as it was written and as it will be shipped.
pub(crate) struct Draft {
    /// What the user calls the file.
    pub(crate) name: String,
    /// Whether it contradicts its package.
    pub(crate) version_mismatch: Option<VersionMismatch>,
    written: Vec<u8>,
    whole: Vec<u8>,
}

impl Draft {
    /// Reads `plugin.json` in `dir`.
    pub(crate) fn read(dir: &Path, facts: &PackageFacts, commands: Option<&Description>) -> Result<Self, Failure> {
        let path = dir.join(MANIFEST_PATH);
        let written = input::read_file(&path, Kind::new("manifest", 1024 * 1024))?;
        Ok(Self::new(path.to_string_lossy().into_owned(), written, facts, commands))
    }

    fn new(name: String, written: Vec<u8>, facts: &PackageFacts, commands: Option<&Description>) -> Self {
        let Ok(members) = serde_json::from_slice::<Map<String, Value>>(&written) else {
            return Self {
                name,
                version_mismatch: None,
                whole: written.clone(),
                written,
            };
        };
        let described = commands.filter(|description| !description.commands.is_empty());
        let described = described.map(|description| ("commands", json!(description.commands)));
        let from_package = facts
            .members()
            .into_iter()
            .map(|(key, value)| (key, Value::from(value)));
        let missing = from_package
            .chain(described)
            .filter(|(key, _)| !members.contains_key(*key));
        Self {
            name,
            version_mismatch: VersionMismatch::between(members.get("version"), facts.version.as_deref()),
            whole: extended(&written, members.is_empty(), missing),
            written,
        }
    }

    /// The manifest that will be shipped; mistakes are where their author wrote them.
    pub(crate) fn manifest(&self) -> Result<Manifest, ManifestError> {
        Manifest::parse(&self.whole)
    }
}

/// Adds members at the end of an object, so that every mistake before it is still where its author wrote it.
fn extended(object: &[u8], is_empty: bool, members: impl Iterator<Item = (&'static str, Value)>) -> Vec<u8> {
    let end = object.iter().rposition(|byte| *byte == b'}').unwrap_or(object.len());
    let mut whole = object.get(..end).unwrap_or_default().to_vec();
    for (index, (key, value)) in members.enumerate() {
        let comma = if is_empty && index == 0 { "" } else { "," };
        whole.extend_from_slice(format!("{comma}{}:{value}", Value::from(key)).as_bytes());
    }
    whole.push(b'}');
    whole
}

/// `plugin.json` and `Cargo.toml` name different versions.
#[derive(Debug, Error)]
#[error("plugin.json says version {manifest} and Cargo.toml says {package}")]
pub(crate) struct VersionMismatch {
    manifest: String,
    package: String,
}

impl VersionMismatch {
    fn between(manifest: Option<&Value>, package: Option<&str>) -> Option<Self> {
        let (manifest, package) = (manifest?.as_str()?, package?);
        (manifest != package).then(|| Self {
            manifest: manifest.to_owned(),
            package: package.to_owned(),
        })
    }
}

impl Coded for VersionMismatch {
    fn code(&self) -> Code {
        Code::InvalidManifest
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let facts = [
            ("pointer", "/version"),
            ("expected", self.package.as_str()),
            ("found", self.manifest.as_str()),
        ];
        facts
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }

    fn help(&self) -> Vec<String> {
        vec!["leave `version` out of plugin.json; the one of Cargo.toml is used".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> PackageFacts {
        PackageFacts {
            name: Some("hello".into()),
            version: Some("1.2.3".into()),
            authors: vec!["Ada".into(), "Charles".into()],
            ..PackageFacts::default()
        }
    }

    fn draft(text: &str, commands: Option<&Description>) -> Draft {
        Draft::new("plugin.json".into(), text.into(), &facts(), commands)
    }

    #[test]
    fn the_package_fills_what_the_manifest_leaves_out() {
        for text in [
            r#"{"id": "com.acme.hello", "name": "Hello"}"#,
            "{\"name\": \"Hello\",\n\"id\": \"com.acme.hello\"\n}\n",
        ] {
            let manifest = draft(text, None).manifest().unwrap();
            assert_eq!(
                (manifest.name.as_str(), manifest.author.as_str()),
                ("Hello", "Ada, Charles")
            );
            assert_eq!(manifest.version.to_string(), "1.2.3");
        }
    }

    #[test]
    fn two_versions_are_one_too_many() {
        assert!(draft(r#"{"version": "1.2.4"}"#, None).version_mismatch.is_some());
        assert!(draft(r#"{"version": "1.2.3"}"#, None).version_mismatch.is_none());
        assert!(draft("{}", None).version_mismatch.is_none());
    }

    #[test]
    fn what_the_package_cannot_fill_is_an_error_in_its_place() {
        for wrong in [r#"{"name": "x"}"#, "{}", "{", "[]", "", "\u{feff}{}", "}"] {
            assert!(draft(wrong, None).manifest().is_err(), "{wrong}");
        }
        let text = r#"{"id": "com.acme.hello", "idd": 1}"#;
        let error = draft(text, None).manifest().unwrap_err();
        let places: Vec<_> = error
            .problems()
            .map(|problem| text.get(problem.location.span.clone()))
            .collect();
        assert_eq!(places, [Some("\"idd\"")]);
    }

    #[test]
    fn commands_come_from_the_module_unless_the_manifest_lists_them() {
        let described = Description {
            commands: vec![palisade_abi::CommandDescription {
                name: "greet".into(),
                ..Default::default()
            }],
        };
        let names = |text: &str| {
            let manifest = draft(text, Some(&described)).manifest().unwrap();
            manifest
                .commands
                .into_iter()
                .map(|command| command.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(r#"{"id": "com.acme.hello"}"#), ["greet"]);
        assert_eq!(
            names(r#"{"id": "com.acme.hello", "commands": [{"name": "own"}]}"#),
            ["own"]
        );
    }
}
