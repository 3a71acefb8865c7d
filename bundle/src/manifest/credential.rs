//! Secrets for network requests: the manifest names them, the operator gives their values, the host sends them.

use schemars::JsonSchema;
use serde::Serialize;

use super::limits::HostPattern;
use super::prose;
use super::read::{At, Problems, object};
use super::values::distinct;
use super::wire::textual;

/// A secret the plugin may have added to a request by naming it, without ever seeing its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetworkCredential {
    /// What the plugin and the operator call it: `[a-z][a-z0-9_-]{0,63}`, unique in the list.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub name: String,
    /// The header that carries it.
    #[schemars(default)]
    pub header: SecretHeader,
    /// The hosts it may be sent to.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub hosts: Vec<HostPattern>,
}

impl NetworkCredential {
    pub(super) fn read_all(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        distinct(
            at,
            problems,
            Self::read,
            ("credential", |credential: &Self| credential.name.clone()),
        )
    }

    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let name = fields.required("name", prose::identifier);
            let header = fields.or_default("header", SecretHeader::read);
            let hosts = fields.required("hosts", hosts);
            Some(Self {
                name: name?,
                header,
                hosts: hosts?,
            })
        })
    }
}

/// A secret for no host at all could never be used, so an empty list is a mistake.
fn hosts(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<HostPattern>> {
    let hosts = distinct(at, problems, HostPattern::read, ("host", HostPattern::clone))?;
    if hosts.is_empty() {
        problems.unexpected(at, "at least one host");
    }
    Some(hosts)
}

textual!(
    /// A header that may carry a secret: the name of any header but those that frame a message or belong to the
    /// connection.
    SecretHeader,
    expected: "a header such as authorization or x-api-key, in lower case, that does not frame the request",
    pattern: r"^[a-z0-9-]{1,64}$",
    accepts: is_secret_header,
    suggest: lower_case
);

impl Default for SecretHeader {
    fn default() -> Self {
        Self("authorization".to_owned())
    }
}

/// Longest header name: twice the longest registered one.
const MAX_HEADER_BYTES: usize = 64;

fn is_secret_header(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_HEADER_BYTES).contains(&name.len()) && name.bytes().all(allowed) && !is_transfer_header(name)
}

/// Whether a header, in lower case, says how a request is transferred rather than what is asked: those of the
/// connection and those that frame the message (RFC 9110 §7.6.1, RFC 9112 §6). A sender that sets them can smuggle a
/// second request past a check of the first.
#[must_use]
pub fn is_transfer_header(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.contains(&name) || name.starts_with("proxy-")
}

fn lower_case(name: &str) -> Option<String> {
    Some(name.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_in_ordinary_headers_only() {
        for header in ["authorization", "x-api-key", "cookie", "private-token"] {
            assert!(is_secret_header(header), "{header}");
        }
        let long = "a".repeat(65);
        for header in [
            "",
            "Authorization",
            "x_api_key",
            "x-api-key:",
            "host",
            "transfer-encoding",
            "proxy-authorization",
            long.as_str(),
        ] {
            assert!(!is_secret_header(header), "{header}");
        }
    }
}
