//! `REF`: a bundle file, standard input, or an installed plugin by its id.

use std::path::Path;

use palisade::{Blame, Code, Coded, PluginId, PluginStatus, Visible};
use palisade_signer::Failure;
use palisade_signer::input::Input;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// What a `REF` stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A file, or standard input.
    Bundle,
    /// `ID[@VERSION]`.
    Installed(Installed),
}

/// A plugin of a data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) id: String,
    version: Option<String>,
}

impl Reference {
    /// What is no file, and looks like the id of a plugin, is one.
    pub(crate) fn of(input: &Input) -> Self {
        let path = match input {
            Input::File(path) if !exists(path) => path,
            Input::File(_) | Input::Stdin => return Self::Bundle,
        };
        let named = path.to_str().and_then(Installed::named);
        named.map_or(Self::Bundle, Self::Installed)
    }
}

impl Installed {
    fn named(text: &str) -> Option<Self> {
        // Every bundle of this program ends so; what is missing is the file, then.
        if text.ends_with(".zip") {
            return None;
        }
        let (id, version) = match text.split_once('@') {
            Some((id, version)) => (id, Some(version.to_owned())),
            None => (text, None),
        };
        let is_id = id.parse::<PluginId>().is_ok();
        is_id.then(|| Self {
            id: id.to_owned(),
            version,
        })
    }

    /// Refuses a plugin whose active version is another one.
    pub(crate) fn check(&self, status: &PluginStatus) -> Result<(), Failure> {
        match &self.version {
            Some(version) if *version != status.version => Err(OtherVersion {
                id: self.id.clone(),
                version: version.clone(),
                active: status.version.clone(),
            }
            .into()),
            _ => Ok(()),
        }
    }
}

/// A folder is no bundle, and may have the name of a plugin.
fn exists(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_dir())
}

/// Another version of the plugin is active.
#[derive(Debug, Error)]
#[error("version {} of {id} is not active", Visible(version))]
struct OtherVersion {
    id: String,
    version: String,
    active: String,
}

impl Coded for OtherVersion {
    fn code(&self) -> Code {
        Code::NotFound
    }

    fn blame(&self) -> Blame {
        Blame::Missing
    }

    fn details(&self) -> Map<String, Value> {
        let details = json!({"kind": "version", "name": self.version, "suggestion": self.active});
        details.as_object().cloned().unwrap_or_default()
    }

    fn help(&self) -> Vec<String> {
        vec![format!("{}@{} is", self.id, self.active)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_id_and_is_no_file_is_an_installed_plugin() {
        let of = |text: &str| Reference::of(&Input::File(text.into()));
        let installed = |id: &str, version: Option<&str>| {
            Reference::Installed(Installed {
                id: id.to_owned(),
                version: version.map(str::to_owned),
            })
        };
        assert_eq!(of("com.acme.echo"), installed("com.acme.echo", None));
        assert_eq!(of("com.acme.echo@1.2.0"), installed("com.acme.echo", Some("1.2.0")));
        for file in ["./com.acme.echo", "echo.zip", "a/b", "Cargo.toml", "Com.Acme", ""] {
            assert_eq!(of(file), Reference::Bundle, "{file}");
        }
        assert_eq!(Reference::of(&Input::Stdin), Reference::Bundle);
    }
}
