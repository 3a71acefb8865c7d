//! `docs/limits.md`: prose, and the tables of what a plugin and a module may have.

use anyhow::Result;
use palisade::module::ModuleLimit;
use palisade::{LimitRow, Limits, Reached};

use super::{filled, table};

pub(super) fn page() -> Result<String> {
    let tables = [("plugin", plugin()), ("module", module())];
    filled(include_str!("limits.md.in"), &tables)
}

fn plugin() -> String {
    let row = |row: LimitRow| {
        let reached = match row.reached {
            Reached::Ends(code) => format!("`{code}`"),
            Reached::Answers(code) => format!("`{code}`, an error value"),
            other => other.to_string(),
        };
        [
            row.name.to_owned(),
            row.default,
            row.ceiling,
            reached,
            row.protects.to_owned(),
        ]
    };
    let head = ["limit", "default", "ceiling", "when reached", "protects"];
    table(head, Limits::table().into_iter().map(row))
}

fn module() -> String {
    let row = |limit: &ModuleLimit| {
        [
            format!("`{limit}`"),
            limit.maximum().to_string(),
            limit.protects().to_owned(),
        ]
    };
    table(["limit", "most", "protects"], ModuleLimit::ALL.iter().map(row))
}
