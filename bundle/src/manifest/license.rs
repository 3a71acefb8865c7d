//! SPDX licence expressions, checked for form (SPDX 2.3 annex D). Whether an id is on the list changes with the list,
//! so it is not asked.

use super::read::{At, Problems};
use super::values::text;

/// Longest expression: the longest in real packages is below 300.
const MAX_LICENSE_BYTES: usize = 512;

pub(super) fn license(at: &At<'_>, problems: &mut Problems<'_>) -> Option<String> {
    text(
        at,
        problems,
        "an SPDX licence expression such as \"MIT OR Apache-2.0\"",
        |value| {
            if is_expression(value) {
                Ok(value.to_owned())
            } else {
                Err(suggestion(value))
            }
        },
    )
}

/// What the next word of an expression may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Operand,
    Operator,
    Exception,
}

fn is_expression(expression: &str) -> bool {
    if expression.len() > MAX_LICENSE_BYTES {
        return false;
    }
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut open: usize = 0;
    let mut next = Next::Operand;
    let mut may_have_exception = false;
    for word in spaced.split_ascii_whitespace() {
        let was_license = std::mem::replace(&mut may_have_exception, false);
        next = match (next, word) {
            (Next::Operand, "(") => {
                open += 1;
                Next::Operand
            }
            (Next::Operator, ")") if open > 0 => {
                open -= 1;
                Next::Operator
            }
            (Next::Operator, "AND" | "OR") => Next::Operand,
            (Next::Operator, "WITH") if was_license => Next::Exception,
            (Next::Exception, word) if is_id(word) => Next::Operator,
            (Next::Operand, word) if is_license(word) => {
                may_have_exception = true;
                Next::Operator
            }
            _ => return false,
        };
    }
    next == Next::Operator && open == 0
}

fn is_license(word: &str) -> bool {
    let reference = word.strip_prefix("DocumentRef-").and_then(|rest| rest.split_once(':'));
    match reference {
        Some((document, license)) => is_id(document) && license.starts_with("LicenseRef-") && is_id(license),
        None => is_id(word.strip_suffix('+').unwrap_or(word)),
    }
}

fn is_id(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let operator = ["AND", "OR", "WITH"]
        .iter()
        .any(|operator| word.eq_ignore_ascii_case(operator));
    !word.is_empty() && word.bytes().all(allowed) && !operator
}

/// The expression as it was probably meant: operators in capitals, and `OR` for the old slash of Cargo.
fn suggestion(value: &str) -> Option<String> {
    let slashes = value.replace('/', " OR ");
    let words = slashes
        .split_ascii_whitespace()
        .map(|word| match word.to_ascii_uppercase().as_str() {
            operator @ ("AND" | "OR" | "WITH") => operator.to_owned(),
            _ => word.to_owned(),
        });
    let meant = words.collect::<Vec<_>>().join(" ");
    is_expression(&meant).then_some(meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_expressions() {
        for expression in [
            "MIT",
            "MIT OR Apache-2.0",
            "(MIT AND BSD-3-Clause) OR GPL-2.0+",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "LicenseRef-Acme",
            "DocumentRef-acme:LicenseRef-1",
            "((MIT))",
        ] {
            assert!(is_expression(expression), "{expression}");
        }
    }

    #[test]
    fn refuses_what_is_nearly_an_expression() {
        for near in [
            "",
            "MIT OR",
            "OR MIT",
            "MIT Apache-2.0",
            "MIT or Apache-2.0",
            "MIT/Apache-2.0",
            "(MIT",
            "MIT)",
            "()",
            "MIT WITH",
            "(MIT) WITH x",
            "GPL WITH a WITH b",
            "SEE LICENSE IN FILE",
            "DocumentRef-a:MIT",
            "MIT\u{202e}",
        ] {
            assert!(!is_expression(near), "{near}");
        }
    }

    #[test]
    fn suggests_capitals_and_words() {
        assert_eq!(suggestion("MIT or Apache-2.0").as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(suggestion("MIT/Apache-2.0").as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(suggestion("see the file").as_deref(), None);
    }
}
