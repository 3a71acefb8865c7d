//! What a plugin asks to be allowed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::error::ManifestFault;
use super::prose;
use super::read::{At, Problems, object};
use super::values::{boolean, list};
use crate::Permission;

/// One permission a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PermissionRequest {
    /// What it asks for.
    pub name: Permission,
    /// Why, for the person who grants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it can do without: an optional permission that is not granted is dropped, a required one refuses the
    /// load.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// How a request is written. One name may stand for several permissions.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes the JSON; `entry` reads it")]
pub(super) enum PermissionEntry {
    /// The permission alone.
    Name(Permission),
    /// The permission with what a person needs to decide.
    Request(PermissionEntryObject),
}

/// A permission with what a person needs to decide.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the JSON; `entry` reads it")]
pub(super) struct PermissionEntryObject {
    /// What the plugin asks for.
    name: Permission,
    /// Why, for the person who grants it.
    #[schemars(length(max = prose::MAX_DESCRIPTION_CHARS))]
    reason: Option<String>,
    /// Whether the plugin can do without.
    #[schemars(default)]
    optional: bool,
}

/// The whole list: families expanded, nothing twice.
pub(super) fn requests(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<PermissionRequest>> {
    let entries = list(at, problems, entry)?;
    let mut places: BTreeMap<Permission, String> = BTreeMap::new();
    for (requests, place) in entries.iter().zip(at.items()) {
        for request in requests {
            if let Some(earlier) = places.insert(request.name.clone(), place.pointer()) {
                let expected = format!("each permission once (`{}` is listed at `{earlier}`)", request.name);
                problems.contrary(&place, &expected, "it again".to_owned(), None);
            }
        }
    }
    Some(entries.into_iter().flatten().collect())
}

fn entry(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<PermissionRequest>> {
    if at.as_text().is_some() {
        return requested(permission(at, problems)?, None, false);
    }
    object(at, problems, |fields| {
        let names = fields.required("name", permission);
        let reason = fields.optional("reason", prose::description);
        let optional = fields.or_default("optional", boolean);
        requested(names?, reason, optional)
    })
}

fn requested(names: Vec<Permission>, reason: Option<String>, optional: bool) -> Option<Vec<PermissionRequest>> {
    let request = |name| PermissionRequest {
        name,
        reason: reason.clone(),
        optional,
    };
    Some(names.into_iter().map(request).collect())
}

fn permission(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<Permission>> {
    let Some(text) = at.as_text() else {
        problems.unexpected(at, "a permission such as \"storage:read\"");
        return None;
    };
    Permission::expand(text)
        .map_err(|unknown| problems.report(at, ManifestFault::Permission(unknown)))
        .ok()
}
