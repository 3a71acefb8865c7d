//! Points in time as signed documents spell them: RFC 3339, UTC, whole seconds, `YYYY-MM-DDTHH:MM:SSZ`.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A whole second in UTC. The fraction of a `SystemTime` is dropped, so a bound holds through its last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Takes seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// The year is not between 0000 and 9999.
    pub fn from_unix_seconds(seconds: i64) -> Result<Self, InvalidTimestamp> {
        let time = jiff::Timestamp::from_second(seconds).map_err(|_| InvalidTimestamp)?;
        let year = time.to_zoned(jiff::tz::TimeZone::UTC).year();
        if (0..=9999).contains(&year) {
            Ok(Self(seconds))
        } else {
            Err(InvalidTimestamp)
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(time: SystemTime) -> Result<Self, InvalidTimestamp> {
        let time = jiff::Timestamp::try_from(time).map_err(|_| InvalidTimestamp)?;
        let fraction_before_epoch = i64::from(time.subsec_nanosecond() < 0);
        Self::from_unix_seconds(time.as_second().saturating_sub(fraction_before_epoch))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        let time = Self::from_unix_seconds(time.as_second())?;
        // The parser accepts offsets, fractions and a space for the `T`; only one spelling survives this.
        if time.to_string() == text {
            Ok(time)
        } else {
            Err(InvalidTimestamp)
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_second(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{}", time.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The text or number is not a point in time that a signed document can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written like 2026-11-21T06:00:00Z: UTC, whole seconds")]
pub struct InvalidTimestamp;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in [
            "2026-11-21T06:00:00Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-12-30T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_every_other_spelling_of_the_same_second() {
        for text in [
            "2026-11-21 06:00:00Z",
            "2026-11-21t06:00:00z",
            "2026-11-21T06:00:00+00:00",
            "2026-11-21T06:00:00.0Z",
            "2026-11-21T07:00:00+01:00",
            "2026-11-21T06:00Z",
            "2026-11-21T06:00:60Z",
            "2026-02-29T06:00:00Z",
            "+002026-11-21T06:00:00Z",
            "",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn drops_the_fraction_towards_the_past() {
        let later = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(Timestamp::try_from(later).unwrap().unix_seconds(), 1);
        let earlier = UNIX_EPOCH - Duration::from_millis(1);
        assert_eq!(Timestamp::try_from(earlier).unwrap().unix_seconds(), -1);
    }
}
