//! `trust list`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use palisade_bundle::trust::{KeyStatus, PublisherDeclaration, RevokedKey};
use palisade_bundle::{Digest, IdPattern, KeyId, Permission, Timestamp, TrustDocument};
use serde::Serialize;

use super::StoreOptions;
use crate::failure::{Conclusion, Failure};
use crate::style;
use crate::surroundings::Surroundings;
use crate::terminal::{Answer, Terminal};
use palisade_bundle::Visible;

/// `trust list`.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    store: StoreOptions,
}

#[derive(Serialize)]
struct Listed {
    trust_store: PathBuf,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    publishers: Vec<ListedPublisher>,
    revoked: ListedRevocations,
    root: Vec<KeyId>,
}

#[derive(Serialize)]
struct ListedPublisher {
    name: String,
    epoch: u64,
    threshold: usize,
    ids: Vec<IdPattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_ceiling: Option<Vec<Permission>>,
    keys: Vec<ListedKey>,
}

#[derive(Serialize)]
struct ListedKey {
    key_id: KeyId,
    status: KeyStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
}

#[derive(Default, Serialize)]
struct ListedRevocations {
    keys: Vec<ListedRevokedKey>,
    bundles: Vec<Digest>,
}

#[derive(Serialize)]
struct ListedRevokedKey {
    key_id: KeyId,
    since: Timestamp,
    reason: String,
}

impl List {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let directory = self.store.directory(surroundings)?;
        let document = directory.document()?;
        terminal.answer(&Listed::of(directory.path().to_owned(), document.as_ref()))?;
        Ok(Conclusion::Done)
    }
}

impl Listed {
    fn of(trust_store: PathBuf, document: Option<&TrustDocument>) -> Self {
        let Some(document) = document else {
            return Self {
                trust_store,
                version: 0,
                expires: None,
                publishers: Vec::new(),
                revoked: ListedRevocations::default(),
                root: Vec::new(),
            };
        };
        let declaration = document.declaration();
        Self {
            trust_store,
            version: document.version(),
            expires: Some(declaration.expires),
            publishers: publishers(&declaration.publishers),
            revoked: ListedRevocations {
                keys: declaration.revoked.keys.iter().map(ListedRevokedKey::from).collect(),
                bundles: declaration.revoked.bundles.clone(),
            },
            root: declaration.root.keys.iter().map(|key| key.keyid).collect(),
        }
    }
}

fn publishers(publishers: &BTreeMap<String, PublisherDeclaration>) -> Vec<ListedPublisher> {
    let listed = publishers.iter().map(|(name, publisher)| ListedPublisher {
        name: name.clone(),
        epoch: publisher.epoch,
        threshold: publisher.threshold,
        ids: publisher.id_patterns.clone(),
        permission_ceiling: publisher.permission_ceiling.clone(),
        keys: publisher
            .keys
            .iter()
            .map(|key| ListedKey {
                key_id: key.keyid,
                status: key.status,
                not_before: key.not_before,
                not_after: key.not_after,
            })
            .collect(),
    });
    listed.collect()
}

impl From<&RevokedKey> for ListedRevokedKey {
    fn from(key: &RevokedKey) -> Self {
        Self {
            key_id: key.keyid,
            since: key.since,
            reason: key.reason.clone(),
        }
    }
}

impl Answer for Listed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.publishers.is_empty() {
            writeln!(out, "nobody is trusted")?;
        }
        for publisher in &self.publishers {
            publisher.write(out)?;
        }
        if !self.revoked.keys.is_empty() || !self.revoked.bundles.is_empty() {
            writeln!(out, "{}", style::heading("revoked"))?;
        }
        for key in &self.revoked.keys {
            writeln!(
                out,
                "  key     {} since {}: {}",
                key.key_id,
                key.since,
                Visible(&key.reason)
            )?;
        }
        for bundle in &self.revoked.bundles {
            writeln!(out, "  bundle  sha256:{bundle}")?;
        }
        writeln!(
            out,
            "{} {}, version {}",
            style::heading("store"),
            self.trust_store.display(),
            self.version
        )?;
        self.root.iter().try_for_each(|root| writeln!(out, "  root  {root}"))
    }
}

impl ListedPublisher {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::heading(Visible(&self.name)))?;
        let ids: Vec<_> = self.ids.iter().map(ToString::to_string).collect();
        writeln!(out, "  ids     {}", ids.join(", "))?;
        if let Some(ceiling) = &self.permission_ceiling {
            let ceiling: Vec<_> = ceiling.iter().map(ToString::to_string).collect();
            writeln!(out, "  at most {}", ceiling.join(", "))?;
        }
        if self.threshold > 1 {
            writeln!(out, "  needs   {} signatures", self.threshold)?;
        }
        self.keys.iter().try_for_each(|key| {
            let status = match key.status {
                KeyStatus::Active => "",
                KeyStatus::Retired => ", retired",
                KeyStatus::Compromised => ", compromised",
            };
            let from = key.not_before.map(|time| format!(", from {time}")).unwrap_or_default();
            let until = key.not_after.map(|time| format!(", until {time}")).unwrap_or_default();
            writeln!(out, "  key     {}{status}{from}{until}", key.key_id)
        })
    }
}
