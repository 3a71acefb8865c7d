//! Whom this host trusts. Read only: `palisade trust` changes it, where the root key is.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use palisade::{KeyStatus, ListedKey, Timestamp};

use super::shell::{Section, Shell, shown};
use super::visitor::Visitor;
use super::words;
use crate::caller::scope::Read;
use crate::rejection::Rejection;
use crate::service::Service;

struct Row {
    publisher: String,
    key: String,
    scope: String,
    ceiling: String,
    threshold: usize,
    good: String,
    standing: String,
    tone: &'static str,
}

struct Revoked {
    what: String,
    since: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "trust.html")]
struct TrustPage {
    shell: Shell,
    rows: Vec<Row>,
    revoked: Vec<Revoked>,
    expires: Option<String>,
    allows_unsigned: bool,
    allows_development: bool,
}

pub(super) async fn page(State(service): State<Service>, visitor: Visitor) -> Result<Response, Rejection> {
    let trust = visitor.caller::<Read>()?.supervisor().trust();
    let keys = trust.revoked_keys().map(|key| Revoked {
        what: key.keyid.to_string(),
        since: key.since.to_string(),
        reason: key.reason.clone(),
    });
    let bundles = trust.revoked_bundles().map(|digest| Revoked {
        what: format!("bundle {digest}"),
        since: String::new(),
        reason: String::new(),
    });
    shown(&TrustPage {
        shell: visitor.shell(Section::Trust, "Trust store"),
        rows: trust
            .keys()
            .iter()
            .map(|key| Row::of(key, service.now(), trust.allows_development_keys()))
            .collect(),
        revoked: keys.chain(bundles).collect(),
        expires: trust.expires().map(|expires| expires.to_string()),
        allows_unsigned: trust.allows_unsigned(),
        allows_development: trust.allows_development_keys(),
    })
}

impl Row {
    fn of(key: &ListedKey, now: Timestamp, allows_development: bool) -> Self {
        let patterns: Vec<_> = key.id_patterns.iter().map(ToString::to_string).collect();
        let ceiling = key.permission_ceiling.as_deref().map(|ceiling| {
            let names: Vec<_> = ceiling.iter().map(ToString::to_string).collect();
            names.join(", ")
        });
        let (standing, tone) = standing(key, now, allows_development);
        Self {
            publisher: if *key.publisher == *key.key_id.to_string() {
                "bare key".to_owned()
            } else {
                key.publisher.to_string()
            },
            key: key.key_id.to_string(),
            scope: patterns.join(", "),
            ceiling: ceiling.unwrap_or_else(|| "anything".to_owned()),
            threshold: key.threshold,
            good: match (key.not_before, key.not_after) {
                (None, None) => "always".to_owned(),
                (Some(from), None) => format!("from {from}"),
                (None, Some(to)) => format!("until {to}"),
                (Some(from), Some(to)) => format!("{from} to {to}"),
            },
            standing,
            tone,
        }
    }

    fn key_short(&self) -> String {
        words::short(&self.key)
    }
}

fn standing(key: &ListedKey, now: Timestamp, allows_development: bool) -> (String, &'static str) {
    if let Some(revoked) = &key.revoked {
        return (format!("revoked: {}", revoked.reason), "bad");
    }
    let is_expired = key.not_after.is_some_and(|end| end < now);
    let is_early = key.not_before.is_some_and(|begin| now < begin);
    let (standing, tone) = match key.status {
        KeyStatus::Compromised => ("compromised", "bad"),
        _ if is_expired => ("expired", "bad"),
        _ if is_early => ("not yet good", "idle"),
        KeyStatus::Retired => ("retired", "idle"),
        KeyStatus::Active if key.is_development_key && allows_development => ("development key", "warn"),
        KeyStatus::Active if key.is_development_key => ("development key, refused", "idle"),
        KeyStatus::Active => ("active", "ok"),
    };
    (standing.to_owned(), tone)
}
