//! Columns for people.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, Table, Width, presets};
use palisade_signer::style;

/// Writes rows under a heading, each column as wide as its widest cell.
pub(super) fn write<const N: usize>(
    out: &mut dyn Write,
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        // Whoever reads this scrolls, or cuts it; a broken line helps neither.
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(1)));
    }
    for (index, line) in table.lines().enumerate() {
        match index {
            0 => writeln!(out, "{}", style::heading(line.trim_end()))?,
            _ => writeln!(out, "{}", line.trim_end())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_where_their_text_does() {
        let mut out = Vec::new();
        let rows = [["a", "1"], ["long", "2"]].map(|row| row.map(str::to_owned));
        write(&mut out, ["NAME", "N"], rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        let plain: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(plain, ["a     1", "long  2"]);
        assert!(text.contains("NAME  N"), "{text:?}");
    }
}
