//! `docs/permissions.md` from the list of permissions.

use anyhow::Result;
use palisade_abi::IMPORTS;
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
    let row = |permission: &Permission| {
        [
            format!("`{permission}`"),
            opens(permission),
            permission.meaning().to_owned(),
            permission.protects().to_owned(),
        ]
    };
    let head = ["permission", "opens", "what it allows", "what is safe without it"];
    table(head, permissions.map(row))
}

/// The imports a permission opens, or what else it is good for.
fn opens(permission: &Permission) -> String {
    let imports: Vec<_> = IMPORTS
        .iter()
        .filter(|import| import.permissions.contains(&permission.as_str()))
        .map(|import| format!("`{}`", import.name))
        .collect();
    if !imports.is_empty() {
        return imports.join(", ");
    }
    match permission {
        Permission::ConfigRead => "`config` of the init input",
        Permission::FilesystemRead | Permission::FilesystemWrite => "WASI's files",
        Permission::EventsSubscribe | Permission::MessageReceive => "deliveries to `plugin_on_event`",
        Permission::ClockPrecise => "WASI's clocks at full resolution",
        _ => "nothing in this version",
    }
    .to_owned()
}
