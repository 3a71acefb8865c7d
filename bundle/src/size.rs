//! Sizes and durations as people write them: `64MiB`, `100MB`, `2s`, `250ms`.
//!
//! One grammar for the manifest and the command line: a decimal number, then a unit. Sizes count in powers of 1024
//! whatever the spelling (`1MB` = `1MiB` = 1024²), because memory and storage limits are. A bare number is bytes, or
//! seconds.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Blame, Code, Coded};

/// A number of bytes.
///
/// Reads `4096`, `64KiB`, `1.5GB`, `100 mb`; a fraction is rounded down to whole bytes. Prints the largest unit that
/// divides it, so `ByteSize::from_bytes(65_536)` is `64KiB`, and what it prints it reads back.
///
/// ```
/// use palisade_bundle::ByteSize;
///
/// let size: ByteSize = "100MB".parse()?;
/// assert_eq!(size.as_bytes(), 100 * 1024 * 1024);
/// assert_eq!(size.to_string(), "100MiB");
/// # Ok::<(), palisade_bundle::QuantityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// This many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        read_quantity(text, &SIZE).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = largest_divisor(self.0, &[("GiB", GIB), ("MiB", MIB), ("KiB", KIB)], "B");
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(number) => number
                .as_u64()
                .map(Self)
                .ok_or_else(|| D::Error::custom("a size in bytes is a whole number that is not negative")),
            NumberOrText::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: a number of bytes, or text such as \"64MiB\" or \"100MB\" (powers of 1024).",
            "type": ["integer", "string"],
            "minimum": 1,
            "pattern": "^[0-9]{1,19}(\\.[0-9]{1,6})? ?([bB]|[kKmMgG]([iI]?[bB])?)?$"
        })
    }
}

/// Reads a duration: `30s`, `250ms`, `2m`, `1.5h`, `7d`, or a bare number of seconds. Rounded down to whole
/// milliseconds.
///
/// # Errors
/// [`QuantityError`] says what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    read_quantity(text, &DURATION).map(Duration::from_millis)
}

/// Prints a duration in the largest unit that divides it: `30s`, `250ms`, `2m`. Below a millisecond is dropped.
/// [`parse_duration`] reads it back.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, unit_ms) = largest_divisor(
        ms,
        &[("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS)],
        "ms",
    );
    format!("{}{unit}", ms / unit_ms)
}

/// Why a text is no size or duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// It does not start with a decimal number.
    #[error("`{text}` does not start with a number; {example}")]
    NoNumber {
        /// The text, shortened.
        text: String,
        /// What would be right.
        example: &'static str,
    },
    /// The unit is not known.
    #[error("`{unit}` is not a unit; {example}")]
    UnknownUnit {
        /// The unit as written, shortened.
        unit: String,
        /// What would be right.
        example: &'static str,
    },
    /// The number is larger than 64 bits hold.
    #[error("`{text}` is too large")]
    TooLarge {
        /// The text, shortened.
        text: String,
    },
}

impl Coded for QuantityError {
    fn code(&self) -> Code {
        match self {
            Self::NoNumber { .. } | Self::UnknownUnit { .. } | Self::TooLarge { .. } => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoNumber { .. } | Self::UnknownUnit { .. } | Self::TooLarge { .. } => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let expected = match self {
            Self::NoNumber { example, .. } | Self::UnknownUnit { example, .. } => (*example).to_owned(),
            Self::TooLarge { .. } => format!("at most {}", u64::MAX),
        };
        Map::from_iter([("expected".to_owned(), expected.into())])
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Six decimals say "one and a half GiB" exactly enough; more would only overflow.
const MAX_DECIMALS: usize = 6;

/// How much of a wrong text an error repeats: enough to recognise it, too little to fill a log.
const QUOTED_CHARS: usize = 40;

/// A family of units: lower-case spelling and factor. The empty spelling is the bare number.
struct Units {
    factors: &'static [(&'static str, u64)],
    example: &'static str,
}

const SIZE: Units = Units {
    factors: &[
        ("", 1),
        ("b", 1),
        ("k", KIB),
        ("kb", KIB),
        ("kib", KIB),
        ("m", MIB),
        ("mb", MIB),
        ("mib", MIB),
        ("g", GIB),
        ("gb", GIB),
        ("gib", GIB),
    ],
    example: "write a size such as 64MiB, 100MB or 4096 (units: B, KB, MB, GB)",
};

const DURATION: Units = Units {
    factors: &[
        ("", SECOND_MS),
        ("ms", 1),
        ("s", SECOND_MS),
        ("m", MINUTE_MS),
        ("h", HOUR_MS),
        ("d", DAY_MS),
    ],
    example: "write a duration such as 30s, 250ms or 2m (units: ms, s, m, h, d)",
};

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(serde_json::Number),
    Text(String),
}

fn read_quantity(text: &str, units: &Units) -> Result<u64, QuantityError> {
    let trimmed = text.trim_ascii();
    let number_length = trimmed
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = trimmed.split_at(number_length);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let malformed =
        whole.is_empty() || number.ends_with('.') || decimals.contains('.') || decimals.len() > MAX_DECIMALS;
    if malformed {
        return Err(QuantityError::NoNumber {
            text: shorten(text),
            example: units.example,
        });
    }
    let unit = unit.trim_ascii_start();
    let lower = unit.to_ascii_lowercase();
    let Some((_, factor)) = units.factors.iter().find(|(spelling, _)| *spelling == lower) else {
        return Err(QuantityError::UnknownUnit {
            unit: shorten(unit),
            example: units.example,
        });
    };
    scale(whole, decimals, *factor).ok_or_else(|| QuantityError::TooLarge { text: shorten(text) })
}

/// `whole.decimals × factor`, rounded down, or nothing when it does not fit.
fn scale(whole: &str, decimals: &str, factor: u64) -> Option<u64> {
    let power = u32::try_from(decimals.len())
        .ok()
        .and_then(|digits| 10_u128.checked_pow(digits))?;
    let fraction = if decimals.is_empty() {
        0
    } else {
        decimals.parse::<u128>().ok()?
    };
    let mantissa = u128::from(whole.parse::<u64>().ok()?)
        .checked_mul(power)?
        .checked_add(fraction)?;
    u64::try_from(mantissa.checked_mul(u128::from(factor))? / power).ok()
}

/// The first unit of `units` (largest first) that divides `value`, else `base` with factor 1.
fn largest_divisor(value: u64, units: &[(&'static str, u64)], base: &'static str) -> (&'static str, u64) {
    units
        .iter()
        .copied()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .unwrap_or((base, 1))
}

pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn size(text: &str) -> u64 {
        text.parse::<ByteSize>().unwrap().as_bytes()
    }

    #[test]
    fn reads_sizes_in_every_spelling() {
        for text in ["64MiB", "64MB", "64M", "64mb", "64 MiB", " 64MiB "] {
            assert_eq!(size(text), 64 << 20, "{text}");
        }
        assert_eq!(size("4096"), 4096);
        assert_eq!(size("4096B"), 4096);
        assert_eq!(size("1.5GB"), 3 << 29);
        assert_eq!(size("1.1KB"), 1126, "rounds down");
        assert_eq!(size("0"), 0);
    }

    #[test]
    fn reads_durations_and_takes_a_bare_number_as_seconds() {
        let ms = |text: &str| parse_duration(text).unwrap().as_millis();
        assert_eq!(ms("30s"), 30_000);
        assert_eq!(ms("250ms"), 250);
        assert_eq!(ms("2m"), 120_000);
        assert_eq!(ms("1.5h"), 5_400_000);
        assert_eq!(ms("1d"), 86_400_000);
        assert_eq!(ms("2"), 2_000);
    }

    #[test]
    fn refuses_what_is_no_number_or_no_unit() {
        let message = |text: &str| text.parse::<ByteSize>().unwrap_err().to_string();
        insta::assert_snapshot!(message("lots"), @"`lots` does not start with a number; write a size such as 64MiB, 100MB or 4096 (units: B, KB, MB, GB)");
        insta::assert_snapshot!(message("64MiBi"), @"`MiBi` is not a unit; write a size such as 64MiB, 100MB or 4096 (units: B, KB, MB, GB)");
        insta::assert_snapshot!(message("1.2.3MB"), @"`1.2.3MB` does not start with a number; write a size such as 64MiB, 100MB or 4096 (units: B, KB, MB, GB)");
        insta::assert_snapshot!(message("17179869184GiB"), @"`17179869184GiB` is too large");
        for text in ["", "-1", ".5MB", "5.MB", "1e6", "64MB 3", "٣MB", "1.0000001GB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        insta::assert_snapshot!(parse_duration("2 weeks").unwrap_err(), @"`weeks` is not a unit; write a duration such as 30s, 250ms or 2m (units: ms, s, m, h, d)");
        assert!(parse_duration("1m30s").is_err());
    }

    #[test]
    fn the_largest_size_fits_and_one_more_does_not() {
        assert_eq!(size("18446744073709551615"), u64::MAX);
        assert!("18446744073709551616".parse::<ByteSize>().is_err());
    }

    #[test]
    fn prints_the_largest_unit_that_divides() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (1024, "1KiB"),
            (1536, "1536B"),
            (100 << 20, "100MiB"),
            (3 << 29, "1536MiB"),
        ] {
            assert_eq!(ByteSize::from_bytes(bytes).to_string(), text);
        }
        assert_eq!(format_duration(Duration::from_secs(90)), "90s");
        assert_eq!(format_duration(Duration::from_secs(120)), "2m");
        assert_eq!(format_duration(Duration::ZERO), "0ms");
    }

    #[test]
    fn serde_takes_numbers_and_text() {
        assert_eq!(
            serde_json::from_str::<ByteSize>("4096").unwrap(),
            ByteSize::from_bytes(4096)
        );
        assert_eq!(
            serde_json::from_str::<ByteSize>("\"4KB\"").unwrap(),
            ByteSize::from_bytes(4096)
        );
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
        assert!(serde_json::from_str::<ByteSize>("1.5").is_err());
        assert_eq!(serde_json::to_string(&ByteSize::from_bytes(4096)).unwrap(), "\"4KiB\"");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes: u64, ms: u64) {
            prop_assert_eq!(ByteSize::from_bytes(bytes).to_string().parse::<ByteSize>().unwrap().as_bytes(), bytes);
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)).unwrap(), duration);
        }

        #[test]
        fn reading_never_panics(text: String) {
            let _ = text.parse::<ByteSize>();
            let _ = parse_duration(&text);
        }
    }
}
