//! Times as Go writes them, which is what older clients of this API read.

use std::fmt::Write as _;
use std::time::Duration;

/// `2h15m30s`, `1m0s`, `500ms`: hours, minutes and seconds from the largest that is not zero, or milliseconds.
pub(crate) fn in_words_of_go(time: Duration) -> String {
    let (seconds, ms) = (time.as_secs(), time.subsec_millis());
    if seconds == 0 && ms > 0 {
        return format!("{ms}ms");
    }
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{}", seconds % 60);
    if ms > 0 {
        let fraction = format!("{ms:03}");
        let _ = write!(text, ".{}", fraction.trim_end_matches('0'));
    }
    text + "s"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: u64, text: &str) {
        assert_eq!(in_words_of_go(Duration::from_millis(ms)), text);
    }

    #[test]
    fn writes_what_go_would_write() {
        check(0, "0s");
        check(500, "500ms");
        check(1_000, "1s");
        check(1_500, "1.5s");
        check(60_000, "1m0s");
        check(3_600_000, "1h0m0s");
        check(8_130_000, "2h15m30s");
        check(360_000_000, "100h0m0s");
    }
}
