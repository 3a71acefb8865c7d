//! `new`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use palisade::{Blame, Code, Coded, PluginId};
use palisade_signer::output::{self, Audience, Existing, OutputError};
use palisade_signer::{Answer, Conclusion, Failure, Terminal, UsageError, style};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// `new`.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// Its name: lower-case letters, digits and hyphens
    #[arg(value_parser = checked_name)]
    name: String,

    /// What it is written in
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,

    /// Its id [default: com.example.NAME]
    #[arg(long, value_name = "ID")]
    id: Option<PluginId>,

    /// The folder to make [default: NAME]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// A language with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Rust, with the SDK
    Rust,
    /// C, with palisade.h
    C,
    /// WebAssembly text
    Wat,
}

/// The files of a template: where they go and what is in them.
type Files = &'static [(&'static str, &'static str)];

impl Language {
    fn files(self) -> Files {
        match self {
            Self::Rust => &[
                ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.in")),
                ("plugin.json", include_str!("../templates/rust/plugin.json")),
                ("src/lib.rs", include_str!("../templates/rust/src/lib.rs")),
                (".gitignore", include_str!("../templates/rust/gitignore")),
                ("README.md", include_str!("../templates/rust/README.md")),
            ],
            Self::C => &[
                ("plugin.c", include_str!("../templates/c/plugin.c")),
                ("palisade.h", include_str!("../../../sdk/c/palisade.h")),
                ("plugin.json", include_str!("../templates/c/plugin.json")),
                (".gitignore", include_str!("../templates/c/gitignore")),
                ("README.md", include_str!("../templates/c/README.md")),
            ],
            Self::Wat => &[
                ("plugin.wat", include_str!("../templates/wat/plugin.wat")),
                ("plugin.json", include_str!("../templates/wat/plugin.json")),
                (".gitignore", include_str!("../templates/wat/gitignore")),
                ("README.md", include_str!("../templates/wat/README.md")),
            ],
        }
    }
}

#[derive(Serialize)]
struct Made {
    folder: PathBuf,
    id: String,
    files: Vec<&'static str>,
}

impl New {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let id = match self.id {
            Some(id) => id,
            None => format!("com.example.{}", self.name).parse().map_err(|_| {
                UsageError::new("NAME", format!("`{}` cannot end an id; give one with --id", self.name))
            })?,
        };
        let folder = self.output.unwrap_or_else(|| PathBuf::from(&self.name));
        make_folder(&folder)?;
        let sdk = sdk();
        let files = self.lang.files();
        for (path, text) in files {
            let text = text
                .replace("{{name}}", &self.name)
                .replace("{{crate}}", &self.name.replace('-', "_"))
                .replace("{{id}}", id.as_str())
                .replace("{{sdk}}", &sdk);
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))?;
            }
            output::write(&path, text.as_bytes(), Audience::Everyone, Existing::Keep)?;
        }
        let files = files.iter().map(|(path, _)| *path).collect();
        terminal.answer(&Made {
            folder,
            id: id.to_string(),
            files,
        })?;
        Ok(Conclusion::Done)
    }
}

/// A folder that is new or empty.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(FolderInUse {
                path: folder.to_owned(),
            }
            .into()),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(FolderInUse {
            path: folder.to_owned(),
        }
        .into()),
        Err(_) => fs::create_dir_all(folder).map_err(|error| unwritable(folder, error).into()),
    }
}

fn unwritable(path: &Path, error: io::Error) -> OutputError {
    OutputError::Unwritable {
        path: path.to_owned(),
        error,
    }
}

/// Where the SDK comes from: beside the source of this program when that is still there, else the registry.
fn sdk() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
    match source.canonicalize() {
        Ok(path) => format!("{{ path = {} }}", Value::from(path.to_string_lossy())),
        Err(_) => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
    }
}

/// Names that cargo refuses or that mean something else to Rust; the list of `cargo new`.
const RESERVED: [&str; 48] = [
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "use",
];

fn checked_name(name: &str) -> Result<String, String> {
    let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
        && !name.ends_with('-')
        && name.len() <= 64;
    if !fits {
        return Err("expected a lower-case letter, then lower-case letters, digits and hyphens, 64 at most".to_owned());
    }
    if RESERVED.contains(&name) {
        return Err("this word means something else to the compiler".to_owned());
    }
    Ok(name.to_owned())
}

/// The folder for a new plugin holds something already.
#[derive(Debug, Error)]
#[error("`{}` exists already", path.display())]
struct FolderInUse {
    path: PathBuf,
}

impl Coded for FolderInUse {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([("expected".to_owned(), "a new or empty folder".into())])
    }

    fn help(&self) -> Vec<String> {
        vec!["-o DIR   makes another one".to_owned()]
    }
}

impl Answer for Made {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {} in {}", style::good("made"), self.id, self.folder.display())?;
        writeln!(out, "  next:  cd {} && palisade build --release", self.folder.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_cargo_and_ids_take() {
        for good in ["a", "hello", "word-count", "x2"] {
            assert!(checked_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "2x",
            "a_b",
            "a.b",
            "../a",
            "a-",
            "fn",
            "test",
            "é",
            &"a".repeat(65),
        ] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_template_leaves_a_placeholder_behind() {
        for language in [Language::Rust, Language::C, Language::Wat] {
            for (path, text) in language.files() {
                let filled = ["{{name}}", "{{crate}}", "{{id}}", "{{sdk}}"]
                    .iter()
                    .fold((*text).to_owned(), |text, placeholder| text.replace(placeholder, "x"));
                assert!(!filled.contains("{{"), "{path}");
            }
        }
    }
}
