//! `docs/abi.md` from the tables that host and SDK share.

use anyhow::Result;
use palisade_abi::{EXPORTS, Export, IMPORTS, Import, Level};

use super::{filled, table, yes_or_no};

pub(super) fn page() -> Result<String> {
    let tables = [("exports", exports()), ("imports", imports()), ("levels", levels())];
    filled(include_str!("abi.md.in"), &tables)
}

fn exports() -> String {
    let row = |export: &Export| {
        let signature = export
            .signature
            .map_or_else(|| "memory".to_owned(), |signature| format!("`{signature:#}`"));
        [
            format!("`{}`", export.name),
            signature,
            yes_or_no(export.required),
            export.meaning.to_owned(),
        ]
    };
    table(["export", "type", "required", "meaning"], EXPORTS.iter().map(row))
}

fn imports() -> String {
    let row = |import: &Import| {
        let permissions = import.permissions.iter().map(|name| format!("`{name}`"));
        let permission = match permissions.collect::<Vec<_>>() {
            none if none.is_empty() => "none".to_owned(),
            some => some.join(" or "),
        };
        [
            format!("`{}`", import.name),
            format!("`{:#}`", import.signature),
            permission,
            import.meaning.to_owned(),
        ]
    };
    table(["import", "type", "permission", "meaning"], IMPORTS.iter().map(row))
}

fn levels() -> String {
    let row = |level: Level| [i32::from(level).to_string(), level.as_str().to_owned()];
    table(["level", "word"], Level::ALL.map(row))
}
