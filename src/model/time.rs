//! Timestamps, and the days and months by which rows are partitioned.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since 1970-01-01 UTC without leap seconds. Displayed as RFC 3339 with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time elapsed since `earlier`; zero if this is before it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The UTC day of this timestamp.
    pub fn day(self) -> Day {
        Day(u16::try_from(self.0 / MS_PER_DAY).unwrap_or(u16::MAX))
    }

    /// Parses an RFC 3339 time; `None` if it is invalid or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(parsed.as_millisecond()).ok().map(Self)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{moment:.3}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A day in some time zone, counted from 1970-01-01 there; daily caps count by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LocalDay(pub i32);

/// Whether a time zone of that name exists, like `America/Los_Angeles`.
pub fn zone_exists(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}

/// The day of `at` in `zone`, and when the next day starts. Uses UTC if the zone does not exist; the rules of the
/// directory exclude that.
pub fn local_day(zone: &str, at: Timestamp) -> (LocalDay, Timestamp) {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let now =
        jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap_or(i64::MAX)).unwrap_or(jiff::Timestamp::MAX);
    let date = now.to_zoned(zone.clone()).date();
    let days = date.since(jiff::civil::date(1970, 1, 1)).map_or(i32::MAX, |span| span.get_days());
    let next = date.tomorrow().ok().and_then(|next| next.to_zoned(zone).ok());
    let next = next.and_then(|next| u64::try_from(next.timestamp().as_millisecond()).ok());
    (LocalDay(days), next.map_or(at + Duration::from_secs(24 * 60 * 60), Timestamp))
}

/// A UTC day, counted from 1970-01-01. Rows that expire together are stored in one tree per day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Day(pub u16);

impl Day {
    /// The last day that can be counted.
    pub const LAST: Self = Self(u16::MAX);

    /// Midnight at the start of the day.
    pub fn start(self) -> Timestamp {
        Timestamp(u64::from(self.0) * MS_PER_DAY)
    }

    /// Parses a date like `2026-11-30`; `None` if there is no such day from 1970-01-01 to [`Day::LAST`].
    pub fn parse(text: &str) -> Option<Self> {
        let form = text.len() == 10
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
        let date: jiff::civil::Date = text.parse().ok().filter(|_| form)?;
        let days = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?.get_days();
        u16::try_from(days).ok().map(Self)
    }

    fn date(self) -> jiff::civil::Date {
        let ms = i64::try_from(self.start().0).expect("65,535 days are far below an i64 of milliseconds");
        let midnight = jiff::Timestamp::from_millisecond(ms).expect("the year 2149 is within jiff's range");
        midnight.to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// The calendar month of this day.
    pub fn month(self) -> Month {
        let date = self.date();
        let years = u16::try_from(date.year() - 1970).expect("a day counted from 1970 is not before it");
        Month(years * 12 + u16::try_from(date.month() - 1).expect("a month is from 1 to 12"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.date(), f)
    }
}

/// A UTC calendar month, counted from January 1970. Contacts are stored in one tree per month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Month(pub u16);

impl Month {
    /// The month before.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The month after.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_ms(1_763_791_200_500).to_string(), "2025-11-22T06:00:00.500Z");
        assert_eq!(Timestamp::from_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse("2025-11-22T07:00:00.5+01:00"), Some(Timestamp::from_ms(1_763_791_200_500)));
    }

    #[test]
    fn a28_a_capped_day_starts_at_local_midnight_across_dst_changes() {
        let at = |text| Timestamp::parse(text).unwrap();
        let los_angeles = |text| local_day("America/Los_Angeles", at(text));
        assert_eq!(los_angeles("2026-01-15T07:59:59.999Z").1, at("2026-01-15T08:00:00Z"));
        assert_eq!(los_angeles("2026-07-15T07:00:00Z").1, at("2026-07-16T07:00:00Z"));
        let (before, begins) = los_angeles("2026-03-08T07:00:00Z");
        assert_eq!((before.0 + 1, begins), (los_angeles("2026-03-08T08:00:00Z").0.0, at("2026-03-08T08:00:00Z")));
        assert_eq!(los_angeles("2026-03-08T08:00:00Z").1, at("2026-03-09T07:00:00Z"), "a day of 23 hours");
        assert!(zone_exists("Europe/Rome") && !zone_exists("Mars/Olympus") && !zone_exists(""));
    }

    #[test]
    fn a_day_is_written_and_read_as_a_date() {
        for (text, day) in [("1970-01-01", Day(0)), ("2026-11-30", Day(20_787)), ("2149-06-06", Day::LAST)] {
            assert_eq!((Day::parse(text), day.to_string()), (Some(day), text.to_owned()));
        }
        for text in
            ["", "1969-12-31", "2149-06-07", "9999-12-31", "2026-02-30", "2026-2-3", "20261130", "2026-11-30T00"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_has_its_calendar_month() {
        assert_eq!(Timestamp::parse("2025-11-30T23:59:59.999Z").unwrap().day().month(), Month(55 * 12 + 10));
        assert_eq!(Timestamp::parse("2025-12-01T00:00:00Z").unwrap().day().month(), Month(55 * 12 + 11));
    }
}
