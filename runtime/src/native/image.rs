//! The name of a container image: [`ImageName`].

use std::fmt;
use std::str::FromStr;

use palisade_bundle::{Blame, Code, Coded};
use thiserror::Error;

/// The tag of an image that names none.
const DEFAULT_TAG: &str = "latest";

/// Longest name that container registries take, the registry included (OCI distribution specification, "Pulling
/// manifests").
const NAME_BYTES: usize = 255;

/// Longest tag (OCI distribution specification).
const TAG_BYTES: usize = 128;

/// Hex digits of a SHA-256 digest.
const DIGEST_DIGITS: usize = 64;

/// The name of a container image: `name[:tag][@sha256:digest]`, where the name may begin with a registry and its port.
///
/// ```
/// use palisade::ImageName;
///
/// let image: ImageName = "localhost:5000/team/cache".parse()?;
/// assert_eq!((image.name(), image.tag()), ("localhost:5000/team/cache", Some("latest")));
/// # Ok::<(), palisade::ImageNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageName {
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl ImageName {
    /// The name with its registry, without tag and digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag: `latest` unless another is named, and none where only a digest is.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, such as `sha256:…`. What it says holds, whatever the tag.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The registry, where one is named: a first part with a dot or a port, or `localhost`.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        let (first, _) = self.name.split_once('/')?;
        is_registry(first).then_some(first)
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the port of a registry.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if !is_name(name) {
            return Err(ImageNameError::Name);
        }
        if !tag.is_none_or(is_tag) {
            return Err(ImageNameError::Tag);
        }
        if !digest.is_none_or(is_digest) {
            return Err(ImageNameError::Digest);
        }
        let default = digest.is_none().then_some(DEFAULT_TAG);
        Ok(Self {
            name: name.to_owned(),
            tag: tag.or(default).map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn is_registry(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':'])
}

fn is_name(name: &str) -> bool {
    let path = match name.split_once('/') {
        Some((registry, path)) if is_registry(registry) => match is_host(registry) {
            true => path,
            false => return false,
        },
        _ => name,
    };
    name.len() <= NAME_BYTES && path.split('/').all(is_path_part)
}

fn is_host(registry: &str) -> bool {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let label = |label: &str| {
        let inner = label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_port =
        |port: &str| port.chars().all(|char| char.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    host.split('.').all(label) && port.is_none_or(is_port)
}

/// Lower-case letters and digits, with single `.`, one or two `_`, or any number of `-` between them.
fn is_path_part(part: &str) -> bool {
    let is_word = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let is_separator = |run: &str| match run {
        "" | "." | "_" | "__" => true,
        run => run.chars().all(|char| char == '-'),
    };
    part.starts_with(is_word) && part.ends_with(is_word) && part.split(is_word).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let begins = tag.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_');
    let fits = tag
        .chars()
        .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'));
    begins && fits && tag.len() <= TAG_BYTES
}

fn is_digest(digest: &str) -> bool {
    let is_hex = |char: char| char.is_ascii_digit() || matches!(char, 'a'..='f');
    let digits = digest.strip_prefix("sha256:");
    digits.is_some_and(|digits| digits.len() == DIGEST_DIGITS && digits.chars().all(is_hex))
}

/// A text is no name of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageNameError {
    /// The name, or the registry before it.
    #[error(
        "an image name is lower-case words with `/` between them, at most 255 bytes, after a registry if it has one"
    )]
    Name,
    /// The tag.
    #[error("a tag is 1 to 128 letters, digits, `_`, `.` or `-`, and begins with none of the last two")]
    Tag,
    /// The digest.
    #[error("a digest is `sha256:` and 64 lower-case hex digits")]
    Digest,
}

impl Coded for ImageNameError {
    fn code(&self) -> Code {
        match self {
            Self::Name | Self::Tag | Self::Digest => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Name | Self::Tag | Self::Digest => Blame::Request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, tag: Option<&str>, registry: Option<&str>) {
        let image: ImageName = text.parse().unwrap();
        assert_eq!(
            (image.name(), image.tag(), image.registry()),
            (name, tag, registry),
            "{text}"
        );
        assert_eq!(image.to_string().parse(), Ok(image), "{text}");
    }

    #[test]
    fn a_tag_is_what_follows_the_colon_after_the_last_slash_and_latest_without() {
        check("redis", "redis", Some("latest"), None);
        check("redis:7.2-alpine", "redis", Some("7.2-alpine"), None);
        check("library/redis:7", "library/redis", Some("7"), None);
        check("team/a_b/c__d/e--f.g", "team/a_b/c__d/e--f.g", Some("latest"), None);
    }

    #[test]
    fn a_port_of_a_registry_is_no_tag() {
        check(
            "localhost:5000/cache",
            "localhost:5000/cache",
            Some("latest"),
            Some("localhost:5000"),
        );
        check(
            "localhost:5000/cache:2",
            "localhost:5000/cache",
            Some("2"),
            Some("localhost:5000"),
        );
        check("ghcr.io/team/cache:2", "ghcr.io/team/cache", Some("2"), Some("ghcr.io"));
        check("localhost/cache", "localhost/cache", Some("latest"), Some("localhost"));
        check("host:5000", "host", Some("5000"), None);
    }

    #[test]
    fn a_digest_stands_for_itself_and_a_tag_beside_it_is_kept() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        check(&format!("r.io:1/redis@{digest}"), "r.io:1/redis", None, Some("r.io:1"));
        check(&format!("redis:7@{digest}"), "redis", Some("7"), None);
        let image: ImageName = format!("redis@{digest}").parse().unwrap();
        assert_eq!(image.digest(), Some(&*digest));
    }

    #[test]
    fn near_misses_are_refused() {
        let refused = |text: &str| text.parse::<ImageName>().unwrap_err();
        let too_long = "x".repeat(NAME_BYTES + 1);
        for text in [
            "",
            ":7",
            "/redis",
            "redis/",
            "a//b",
            "Redis",
            "re dis",
            "-redis",
            "redis.",
            "a..b",
            "a___b",
            "a:b/c",
            "host:0/a",
            "host:65536/a",
            "host:/a",
            "host:+1/a",
            "-a.io/b",
            "a..io/b",
            "ho_st.io/a",
            &too_long,
        ] {
            assert_eq!(refused(text), ImageNameError::Name, "{text:?}");
        }
        let too_long = format!("redis:{}", "x".repeat(TAG_BYTES + 1));
        for text in ["redis:", "redis:.7", "redis:-7", "redis:7 ", "redis:ä", &too_long] {
            assert_eq!(refused(text), ImageNameError::Tag, "{text:?}");
        }
        let (short, upper) = (
            format!("redis@sha256:{}", "0".repeat(63)),
            format!("redis@sha256:{}", "A".repeat(64)),
        );
        for text in [
            "redis@",
            "redis@sha256:",
            "redis@md5:0",
            &short,
            &upper,
            "redis@sha256:0@sha256:0",
        ] {
            assert_eq!(refused(text), ImageNameError::Digest, "{text:?}");
        }
    }

    #[test]
    fn the_longest_name_and_tag_are_taken() {
        assert!("x".repeat(NAME_BYTES).parse::<ImageName>().is_ok());
        assert!(format!("redis:{}", "x".repeat(TAG_BYTES)).parse::<ImageName>().is_ok());
    }
}
