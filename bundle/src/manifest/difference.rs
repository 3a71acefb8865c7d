//! What a new version of a plugin asks for beyond the old one: [`Difference`].

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Manifest, PermissionRequest};
use crate::Permission;

/// What somebody who granted the old version's wishes has not seen yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Permissions that only the new version asks for, with its reasons.
    pub added: Vec<PermissionRequest>,
    /// Permissions that were optional and are required now.
    pub now_required: Vec<Permission>,
    /// Permissions that only the old version asked for.
    pub removed: Vec<Permission>,
    /// Limits that the new version asks to be higher.
    pub raised: Vec<RaisedLimit>,
    /// Hosts, methods, ports, topics and dependencies that only the new version names, as in its manifest.
    pub widened: Vec<Widened>,
}

/// A limit that a new version asks to be higher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RaisedLimit {
    /// Its key in `resource_limits`.
    pub name: &'static str,
    /// What the old version asked for; `None` is the host's default.
    pub from: Option<u64>,
    /// What the new one asks for: units, bytes or milliseconds.
    pub to: u64,
}

/// What a permission reaches that it did not reach before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Widened {
    /// The key of the manifest, such as `network.hosts`.
    pub key: &'static str,
    /// What is new there.
    pub added: Vec<String>,
}

impl Manifest {
    /// What `newer` asks for beyond this one.
    #[must_use]
    pub fn difference(&self, newer: &Self) -> Difference {
        let find = |manifest: &Self, name: &Permission| {
            let mut requests = manifest.permissions.iter();
            requests.find(|request| request.name == *name).cloned()
        };
        let (mut added, mut now_required) = (Vec::new(), Vec::new());
        for request in &newer.permissions {
            match find(self, &request.name) {
                None => added.push(request.clone()),
                Some(older) if older.optional && !request.optional => now_required.push(request.name.clone()),
                Some(_) => {}
            }
        }
        let gone = self
            .permissions
            .iter()
            .filter(|older| find(newer, &older.name).is_none());
        Difference {
            added,
            now_required,
            removed: gone.map(|older| older.name.clone()).collect(),
            raised: raised(self, newer),
            widened: widened(self, newer),
        }
    }
}

impl Difference {
    /// Whether the new version asks for nothing that the old one had not.
    #[must_use]
    pub fn asks_for_nothing_new(&self) -> bool {
        self.added.is_empty() && self.now_required.is_empty() && self.raised.is_empty() && self.widened.is_empty()
    }
}

fn raised(older: &Manifest, newer: &Manifest) -> Vec<RaisedLimit> {
    let limits = |manifest: &Manifest| {
        let limits = &manifest.resource_limits;
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        [
            ("memory", limits.memory.map(|size| size.as_bytes())),
            ("fuel", limits.fuel),
            ("execution_time", limits.execution_time.map(ms)),
            ("storage", limits.storage.map(|size| size.as_bytes())),
            ("output", limits.output.map(|size| size.as_bytes())),
            (
                "network.requests_per_minute",
                limits.network.requests_per_minute.map(u64::from),
            ),
            (
                "network.request_size",
                limits.network.request_size.map(|size| size.as_bytes()),
            ),
            (
                "network.response_size",
                limits.network.response_size.map(|size| size.as_bytes()),
            ),
            ("network.timeout", limits.network.timeout.map(ms)),
        ]
    };
    let pairs = limits(older).into_iter().zip(limits(newer));
    let raised = pairs.filter_map(|((name, from), (_, to))| Some(RaisedLimit { name, from, to: to? }));
    raised
        .filter(|limit| limit.from.is_none_or(|from| limit.to > from))
        .collect()
}

fn widened(older: &Manifest, newer: &Manifest) -> Vec<Widened> {
    let lists = |manifest: &Manifest| {
        let network = manifest.network.as_ref();
        let ports = network.map(|network| network.ports.iter().map(u16::to_string).collect());
        let methods = network.map(|network| {
            network
                .methods
                .iter()
                .map(|method| format!("{method:?}").to_uppercase())
        });
        let dependencies = manifest.dependencies.iter().map(|dependency| dependency.id.to_string());
        [
            (
                "network.hosts",
                network.map(|network| texts(&network.hosts)).unwrap_or_default(),
            ),
            ("network.methods", methods.map(Iterator::collect).unwrap_or_default()),
            ("network.ports", ports.unwrap_or_default()),
            ("events.publish", texts(&manifest.events.publish)),
            ("events.subscribe", texts(&manifest.events.subscribe)),
            ("dependencies", dependencies.collect()),
        ]
    };
    let pairs = lists(older).into_iter().zip(lists(newer));
    let widened = pairs.map(
        |((key, older), (_, newer)): ((_, BTreeSet<String>), (_, BTreeSet<String>))| Widened {
            key,
            added: newer.difference(&older).cloned().collect(),
        },
    );
    widened.filter(|widened| !widened.added.is_empty()).collect()
}

fn texts<T: ToString>(list: &[T]) -> BTreeSet<String> {
    list.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(members: &serde_json::Value) -> Manifest {
        let mut manifest = serde_json::json!({"id": "a.b", "name": "A", "version": "1.0.0", "author": "B"});
        let all = manifest.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        Manifest::parse(manifest.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_version_that_asks_for_the_same_or_less_asks_for_nothing_new() {
        let older = manifest(&serde_json::json!({
            "permissions": ["storage", "network:https"],
            "resource_limits": {"fuel": 2000, "memory": "8MB"},
            "network": {"hosts": ["a.example", "b.example"]},
        }));
        let newer = manifest(&serde_json::json!({
            "permissions": ["storage:read", {"name": "network:https", "optional": true}],
            "resource_limits": {"fuel": 2000, "memory": "7MB"},
            "network": {"hosts": ["b.example"]},
        }));
        assert!(older.difference(&older).asks_for_nothing_new());
        let difference = older.difference(&newer);
        assert!(difference.asks_for_nothing_new());
        let removed: Vec<_> = difference.removed.iter().map(Permission::as_str).collect();
        assert_eq!(removed, ["storage:write", "storage:delete"]);
    }

    #[test]
    fn what_is_new_is_named() {
        let older = manifest(&serde_json::json!({
            "permissions": [{"name": "storage:read", "optional": true}],
            "resource_limits": {"fuel": 2000},
            "network": {"hosts": ["a.example"]},
        }));
        let newer = manifest(&serde_json::json!({
            "permissions": ["storage:read", {"name": "network:https", "reason": "asks"}],
            "resource_limits": {"fuel": 2001, "execution_time": "2s"},
            "network": {"hosts": ["a.example", "*.b.example"], "methods": ["GET", "HEAD", "POST"], "ports": [443, 8443]},
            "events": {"publish": ["news"]},
        }));
        let difference = older.difference(&newer);
        let expected = serde_json::json!({
            "added": [{"name": "network:https", "reason": "asks"}],
            "now_required": ["storage:read"],
            "removed": [],
            "raised": [
                {"name": "fuel", "from": 2000, "to": 2001},
                {"name": "execution_time", "from": null, "to": 2000},
            ],
            "widened": [
                {"key": "network.hosts", "added": ["*.b.example"]},
                {"key": "network.methods", "added": ["POST"]},
                {"key": "network.ports", "added": ["8443"]},
                {"key": "events.publish", "added": ["news"]},
            ],
        });
        assert_eq!(serde_json::to_value(&difference).unwrap(), expected);
        assert!(!difference.asks_for_nothing_new());
    }
}
