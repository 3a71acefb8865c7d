//! Numbers and times as people read them.

use std::fmt::Write as _;

use palisade::{Health, PluginStatus, State, Timestamp};

/// A state as the pages show it: a word, a shape and a colour.
pub(super) struct Badge {
    pub(super) word: &'static str,
    /// Which icon, and which colour: `ok`, `warn`, `bad`, `busy` or `idle`.
    pub(super) tone: &'static str,
}

/// The badge of a plugin: its state, or what is wrong with it while it runs.
pub(super) fn badge_of(status: &PluginStatus) -> Badge {
    let quarantined = status.failure.as_ref().is_some_and(|failure| failure.quarantined);
    let (word, tone) = match (status.state, status.health) {
        (State::Failed, _) if quarantined => ("quarantined", "bad"),
        (State::Failed, _) => ("failed", "bad"),
        (State::Reloading | State::Unloading, _) if status.draining.is_some() => ("draining", "busy"),
        (State::Active, Health::Degraded) => ("degraded", "warn"),
        (State::Active, Health::Unhealthy) => ("unhealthy", "bad"),
        (State::Active, _) => ("active", "ok"),
        (state @ (State::Installed | State::Disabled), _) => (state.as_str(), "idle"),
        (state, _) => (state.as_str(), "busy"),
    };
    Badge { word, tone }
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `1.5 KiB`, `100 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut tenths, mut unit) = (bytes, 0, "B");
    for next in units {
        if whole < 1_024 {
            break;
        }
        (tenths, whole, unit) = (whole % 1_024 * 10 / 1_024, whole / 1_024, next);
    }
    match tenths {
        0 => format!("{whole} {unit}"),
        tenths => format!("{whole}.{tenths} {unit}"),
    }
}

/// `just now`, `5 min ago`, `3 h ago`, `2 days ago`; the date when it is longer ago.
pub(super) fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.unix_seconds().saturating_sub(then.unix_seconds());
    match seconds {
        ..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..604_800 => format!("{} days ago", seconds / 86_400),
        _ => then.to_string().chars().take(10).collect(),
    }
}

/// A text as a part of a query.
pub(super) fn encoded(text: impl AsRef<str>) -> String {
    let mut encoded = String::new();
    for byte in text.as_ref().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

/// The beginning of a digest or of a key's id, by which people compare them. Which kind it is they know.
pub(super) fn short(text: &str) -> String {
    let after = text.rsplit(':').next().unwrap_or_default();
    after.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn sizes_have_the_largest_unit_that_leaves_a_whole_number() {
        for (size, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1 KiB"),
            (1_536, "1.5 KiB"),
            (104_857_600, "100 MiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn times_are_told_by_how_long_ago_they_were() {
        let at = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        for (seconds, text) in [
            (9, "just now"),
            (10, "10 s ago"),
            (60, "1 min ago"),
            (7_200, "2 h ago"),
            (604_800, "1970-01-01"),
        ] {
            assert_eq!(ago(at(seconds), at(0)), text);
        }
    }
}
