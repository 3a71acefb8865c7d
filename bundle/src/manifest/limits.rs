//! What a plugin asks for: limits, never above the host's ceiling, and the network.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::credential::NetworkCredential;
use super::read::{At, Problems, object};
use super::values::{count, count_u32, distinct, duration, size, word};
use super::wire::{self, textual};
use crate::ByteSize;

/// The largest integer that every JSON reader keeps exact (RFC 8259 §6).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Limits a plugin asks for; what it leaves out is the host's default.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResourceLimits {
    /// Linear memory and tables of one instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Instructions, roughly, that one command may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    pub fuel: Option<u64>,
    /// Wall clock of one command.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "wire::serialize_optional_duration"
    )]
    #[schemars(with = "Option<wire::DurationText>")]
    pub execution_time: Option<Duration>,
    /// Keys and values in the plugin's storage together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<ByteSize>,
    /// What one command may answer with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// Limits on network requests.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(default)]
    pub network: NetworkLimits,
}

impl ResourceLimits {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            Some(Self {
                memory: fields.optional("memory", size),
                fuel: fields.optional("fuel", count(MAX_INTEGER)),
                execution_time: fields.optional("execution_time", duration),
                storage: fields.optional("storage", size),
                output: fields.optional("output", size),
                network: fields.or_default("network", NetworkLimits::read),
            })
        })
    }
}

/// Limits on network requests; what is left out is the host's default.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetworkLimits {
    /// Requests in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub requests_per_minute: Option<u32>,
    /// Body of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_size: Option<ByteSize>,
    /// Body of one response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_size: Option<ByteSize>,
    /// Wall clock of one request.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "wire::serialize_optional_duration"
    )]
    #[schemars(with = "Option<wire::DurationText>")]
    pub timeout: Option<Duration>,
}

impl NetworkLimits {
    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            Some(Self {
                requests_per_minute: fields.optional("requests_per_minute", count_u32),
                request_size: fields.optional("request_size", size),
                response_size: fields.optional("response_size", size),
                timeout: fields.optional("timeout", duration),
            })
        })
    }
}

/// Where a plugin asks to send requests. Useless without the permission `network:https` or `network:http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetworkAccess {
    /// Hosts it may talk to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, extend("uniqueItems" = true))]
    pub hosts: Vec<HostPattern>,
    /// Methods it may use.
    #[schemars(default = "default_methods", extend("uniqueItems" = true))]
    pub methods: Vec<HttpMethod>,
    /// Ports it may use.
    #[schemars(default = "default_ports", inner(range(min = 1)), extend("uniqueItems" = true))]
    pub ports: Vec<u16>,
    /// Requests in flight; the host's default when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_concurrent: Option<u32>,
    /// Secrets the operator is asked for; the host adds them to requests, and the plugin never sees them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub credentials: Vec<NetworkCredential>,
}

impl NetworkAccess {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let hosts = fields.or_default("hosts", |at, problems| {
                distinct(at, problems, HostPattern::read, ("host", HostPattern::clone))
            });
            let methods = fields.optional("methods", |at, problems| {
                distinct(
                    at,
                    problems,
                    HttpMethod::read,
                    ("method", |method: &HttpMethod| *method),
                )
            });
            let ports = fields.optional("ports", |at, problems| {
                distinct(at, problems, port, ("port", |port: &u16| *port))
            });
            let max_concurrent = fields.optional("max_concurrent", count_u32);
            let credentials = fields.or_default("credentials", NetworkCredential::read_all);
            Some(Self {
                hosts,
                methods: methods.unwrap_or_else(default_methods),
                ports: ports.unwrap_or_else(default_ports),
                max_concurrent,
                credentials,
            })
        })
    }
}

/// A method of HTTP that plugins may use. `CONNECT` and `TRACE` are left out: they are for proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the methods of RFC 9110")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl HttpMethod {
    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let choices = [
            ("GET", Self::Get),
            ("HEAD", Self::Head),
            ("POST", Self::Post),
            ("PUT", Self::Put),
            ("PATCH", Self::Patch),
            ("DELETE", Self::Delete),
            ("OPTIONS", Self::Options),
        ];
        word(at, problems, &choices)
    }
}

textual!(
    /// A host a plugin may talk to: a name, `*.` and a name of at least two labels, or an IP address (IPv6 in
    /// brackets). `*` stands for exactly one label.
    HostPattern,
    expected: "a host such as api.example.com, *.example.com or 192.0.2.7, in lower case, without scheme or port",
    pattern: r"^(\*\.[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+|[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*|\[[0-9a-f:.]+\])$",
    accepts: is_host_pattern,
    suggest: bare_host
);

fn is_host_pattern(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address);
    }
    // A last label of digits is an IPv4 address to every URL parser, whatever stands before it (WHATWG URL, "ends in
    // a number").
    if host
        .rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    match host.strip_prefix("*.") {
        Some(rest) => is_host_name(rest) && rest.contains('.'),
        None => is_host_name(host),
    }
}

/// A host name (RFC 1123 §2.1): labels of 1 to 63 letters, digits and inner hyphens, 253 bytes in all.
fn is_host_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn bare_host(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

fn port(at: &At<'_>, problems: &mut Problems<'_>) -> Option<u16> {
    count(u16::MAX.into())(at, problems)?.try_into().ok()
}

/// Reading only: a plugin that sends data has to say so.
fn default_methods() -> Vec<HttpMethod> {
    vec![HttpMethod::Get, HttpMethod::Head]
}

fn default_ports() -> Vec<u16> {
    vec![443]
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_wildcards_and_addresses() {
        let longest_label = format!("{}.example", "a".repeat(63));
        for host in [
            "localhost",
            "api.example.com",
            "*.example.com",
            "192.0.2.7",
            "[2001:db8::1]",
            "x--y.z",
            longest_label.as_str(),
        ] {
            assert!(is_host_pattern(host), "{host}");
        }
    }

    #[test]
    fn refuses_what_is_nearly_a_host() {
        let label = format!("{}.example", "a".repeat(64));
        for host in [
            "",
            "*",
            "*.com",
            "*.",
            "a.*.com",
            "*a.example.com",
            "a..b",
            "a.",
            ".a",
            "API.example.com",
            "-a.com",
            "a-.com",
            "a_b.com",
            "https://a.com",
            "a.com:443",
            "a.com/x",
            "user@a.com",
            "1.2.3",
            "1.2.3.256",
            "0x7f.1",
            "::1",
            "[::1",
            "[0:0:0:0:0:0:0:1]",
            "[::1%eth0]",
            "ä.com",
            label.as_str(),
        ] {
            assert!(!is_host_pattern(host), "{host}");
        }
    }

    #[test]
    fn suggests_the_host_inside_a_url() {
        assert_eq!(
            bare_host("https://API.example.com:8443/v1").as_deref(),
            Some("api.example.com")
        );
    }
}
