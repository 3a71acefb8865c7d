//! "Did you mean": the closest of the names that would have been right.

/// Below this Jaro-Winkler similarity a suggestion is more likely to mislead than to help; the tests list slips above
/// and words below.
const CLOSE_ENOUGH: f64 = 0.8;

/// Only the first bytes of a long name are compared, so that a hostile manifest cannot buy quadratic work.
const COMPARED_CHARS: usize = 64;

/// The closest of `known` to `name` whatever the case, or nothing when none is close.
pub fn closest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name: String = name
        .chars()
        .take(COMPARED_CHARS)
        .collect::<String>()
        .to_ascii_lowercase();
    let scored = known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_ascii_lowercase()), candidate));
    let best = scored.max_by(|(left, _), (right, _)| left.total_cmp(right))?;
    (best.0 >= CLOSE_ENOUGH).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &[
        "id",
        "name",
        "version",
        "permissions",
        "commands",
        "resource_limits",
        "config",
        "config_schema",
    ];

    #[test]
    fn suggests_for_slips() {
        for (slip, meant) in [
            ("permisions", "permissions"),
            ("resouce_limits", "resource_limits"),
            ("verison", "version"),
            ("Name", "name"),
            ("comands", "commands"),
            ("configSchema", "config_schema"),
        ] {
            assert_eq!(closest(slip, KEYS.iter().copied()), Some(meant), "{slip}");
        }
    }

    #[test]
    fn stays_silent_about_unrelated_words() {
        for word in ["", "wasm", "tls", "zzzz", "files"] {
            assert_eq!(closest(word, KEYS.iter().copied()), None, "{word}");
        }
    }
}
