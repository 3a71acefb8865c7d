//! Points in time as options: [`Moment`].

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use palisade_bundle::Timestamp;

/// `2028-11-21T00:00:00Z` with any offset, or a day, which means its first second in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a time such as 2028-11-21T00:00:00Z or a day such as 2028-11-21";
        let time = match text.parse::<jiff::Timestamp>() {
            Ok(time) => time,
            Err(_) => {
                let day: Date = text.parse().map_err(|_| EXPECTED)?;
                day.to_zoned(TimeZone::UTC).map_err(|_| EXPECTED)?.timestamp()
            }
        };
        Timestamp::from_unix_seconds(time.as_second())
            .map(Self)
            .map_err(|_| EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_with_offsets_and_days() {
        let read = |text: &str| text.parse::<Moment>().map(|moment| moment.0.to_string());
        assert_eq!(read("2028-11-21T01:00:00+01:00").unwrap(), "2028-11-21T00:00:00Z");
        assert_eq!(read("2028-11-21").unwrap(), "2028-11-21T00:00:00Z");
        for nonsense in ["", "tomorrow", "2028-13-01", "1732147200"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}
