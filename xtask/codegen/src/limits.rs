//! `docs/limits.md`: prose, and the table of what a module may have.

use anyhow::Result;
use palisade_bundle::module::ModuleLimit;

use super::{filled, table};

pub(super) fn page() -> Result<String> {
    filled(include_str!("limits.md.in"), &[("module", module())])
}

fn module() -> String {
    let row = |limit: &ModuleLimit| [format!("`{limit}`"), with_commas(limit.maximum())];
    table(["limit", "most"], ModuleLimit::ALL.iter().map(row))
}

/// `16777216` as `16,777,216`.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_stands_before_every_third_digit_from_the_end() {
        assert_eq!(
            [1, 123, 1234, 16_777_216].map(with_commas),
            ["1", "123", "1,234", "16,777,216"]
        );
    }
}
