//! `--token-file`: tokens that an operator brings along, such as a credential of systemd.

use std::fs;
use std::path::{Path, PathBuf};

use palisade::{Blame, Code, Coded};
use palisade_server::{Scope, Scopes, Token, UnknownScope};
use palisade_signer::Failure;
use palisade_signer::input::{Kind, read_text};
use serde_json::{Map, Value};
use thiserror::Error;

/// A thousand tokens with all their scopes.
const FILE: Kind = Kind::new("token file", 256 * 1024);

/// What 128 random bits take in Base64, the least that nobody can guess.
const MIN_CHARACTERS: usize = 22;

/// Reads a file of tokens: one a line, after it its scopes with commas between them, all when there are none. `#` begins
/// a comment. Each is called by the name of the file and its line. In the folder of `credentials`, the file may look as if
/// others could read it.
pub(super) fn read(path: &Path, credentials: Option<&Path>) -> Result<Vec<Token>, Failure> {
    let text = read_text(path, FILE)?;
    // systemd hands credentials over in a folder for this service alone, and lets it in by a list that looks like group bits.
    if !credentials.is_some_and(|folder| path.starts_with(folder)) {
        refuse_shared(path)?;
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let lines = (1..).zip(text.lines()).filter(|(_, line)| is_entry(line));
    let tokens = lines.map(|(number, line)| {
        let name = format!("{file}:{number}");
        token(&name, line).map_err(|error| {
            Line {
                path: path.to_owned(),
                number,
                error,
            }
            .into()
        })
    });
    tokens.collect()
}

fn is_entry(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn token(name: &str, line: &str) -> Result<Token, LineError> {
    let mut words = line.split_whitespace();
    let secret = words.next().unwrap_or_default();
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(LineError::NotSendable);
    }
    if secret.len() < MIN_CHARACTERS {
        return Err(LineError::TooShort);
    }
    let scopes = match words.next() {
        Some(scopes) => scopes.split(',').map(scope).collect::<Result<_, _>>()?,
        None => Scopes::ALL,
    };
    match words.next() {
        Some(_) => Err(LineError::Extra),
        None => Ok(Token::new(name, secret, scopes)),
    }
}

fn scope(word: &str) -> Result<Scope, LineError> {
    word.parse().map_err(|unknown: UnknownScope| match unknown.suggestion {
        Some(_) => LineError::Scope(unknown),
        // Not shown: it may be another token.
        None => LineError::NoScope,
    })
}

/// What group or others can read is no secret.
fn refuse_shared(path: &Path) -> Result<(), Shared> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            return Err(Shared {
                path: path.to_owned(),
                mode,
            });
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Why a line is no token. None of them shows it.
#[derive(Debug, Error)]
enum LineError {
    #[error("a token has at least {MIN_CHARACTERS} characters, so that nobody can guess it")]
    TooShort,
    #[error("a token is made of letters, digits and signs of ASCII")]
    NotSendable,
    #[error("after a token come its scopes, with commas and no spaces between them")]
    Extra,
    #[error("after the token stands what is no scope")]
    NoScope,
    #[error(transparent)]
    Scope(UnknownScope),
}

#[derive(Debug, Error)]
#[error("line {number} of the token file `{}`: {error}", path.display())]
struct Line {
    path: PathBuf,
    number: usize,
    error: LineError,
}

impl Coded for Line {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }
}

/// Somebody else can read the file.
#[derive(Debug, Error)]
#[error("the token file `{}` can be read by others (mode {mode:04o})", path.display())]
struct Shared {
    path: PathBuf,
    mode: u32,
}

impl Coded for Shared {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([("expected".to_owned(), Value::from("mode 0600"))])
    }

    fn help(&self) -> Vec<String> {
        vec![format!("chmod 600 {}", self.path.display())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pal_0123456789abcdefghij";

    fn line(line: &str) -> Result<Token, LineError> {
        token("file:1", line)
    }

    #[test]
    fn a_line_is_a_token_and_its_scopes() {
        assert_eq!(line(SECRET).unwrap(), Token::new("file:1", SECRET, Scopes::ALL));
        let some = line(&format!("{SECRET}  plugin:read,metrics:read")).unwrap();
        assert_eq!(some.scopes, Scopes::from_iter([Scope::Read, Scope::Metrics]));
        assert!(!is_entry("# comment") && !is_entry("  ") && is_entry(SECRET));
    }

    #[test]
    fn refuses_what_could_be_guessed_or_was_meant_otherwise_without_showing_it() {
        let short = SECRET.get(..MIN_CHARACTERS - 1).unwrap();
        for (text, expected) in [
            (short.to_owned(), "at least"),
            (format!("{SECRET} plugin:reed"), "did you mean `plugin:read`?"),
            (format!("{SECRET} plugin:read metrics:read"), "no spaces"),
            (format!("{SECRET}é"), "ASCII"),
            (format!("{SECRET} {SECRET}"), "no scope"),
        ] {
            let error = line(&text).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("pal_"), "{error}");
        }
        assert!(line(SECRET.get(..MIN_CHARACTERS).unwrap()).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn refuses_a_file_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        fs::write(&file, format!("# mine\n\n{SECRET}\n")).unwrap();
        for (mode, is_good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&file, None).is_ok(), is_good, "{mode:o}");
        }
        // As systemd hands it over.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(read(&file, Some(folder.path())).is_ok() && read(&file, Some(Path::new("/run"))).is_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&file, None).unwrap()[0].name, "tokens:3");
    }
}
