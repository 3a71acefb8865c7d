//! `docs/permissions.md` from the list of permissions.

use anyhow::Result;
use palisade_bundle::{DefaultGrant, Permission};

use super::{filled, table};

pub(super) fn page() -> Result<String> {
    let everyone = rows(DefaultGrant::Everyone);
    let on_request = rows(DefaultGrant::OnRequest);
    filled(
        include_str!("permissions.md.in"),
        &[("everyone", everyone), ("on_request", on_request)],
    )
}

fn rows(grant: DefaultGrant) -> String {
    let permissions = Permission::ALL
        .iter()
        .filter(|permission| permission.default_grant() == grant);
    let row = |permission: &Permission| [format!("`{permission}`"), permission.meaning().to_owned()];
    table(["permission", "what it allows"], permissions.map(row))
}
