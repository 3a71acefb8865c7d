//! `docs/errors.md` from the table of codes.

use anyhow::Result;
use palisade_bundle::Code;

use super::{filled, table, yes_or_no};

pub(super) fn page() -> Result<String> {
    filled(include_str!("errors.md.in"), &[("codes", codes())])
}

fn codes() -> String {
    let row = |code: &Code| {
        [
            format!("`{code}`"),
            code.meaning().to_owned(),
            code.severity().to_string(),
            yes_or_no(code.is_recoverable()),
            code.http_status().to_string(),
        ]
    };
    table(
        ["code", "meaning", "severity", "recoverable", "HTTP"],
        Code::ALL.iter().map(row),
    )
}
