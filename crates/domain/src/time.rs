//! The one time type, end to end.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in UTC with microsecond precision.
///
/// In memory and in SQLite it is the number of microseconds since the epoch; on the wire it is RFC 3339 with
/// milliseconds and `Z`. Values lie between the years 1 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is no RFC 3339 time, or lies outside the years 1 to 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time such as 2026-02-24T10:00:00.000Z")]
pub struct InvalidTimestamp;

const MIN_MICROS: i64 = -62_135_596_800_000_000;
const MAX_MICROS: i64 = 253_402_207_199_999_999;

impl Timestamp {
    /// Microseconds since the epoch; a value outside the years 1 to 9999 is moved to the nearest bound.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(MIN_MICROS, MAX_MICROS))
    }

    /// Milliseconds since the epoch, bounded like [`Timestamp::from_micros`].
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// Whole microseconds since the epoch.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    fn millis_of_second(self) -> u32 {
        u32::try_from(self.as_millis().rem_euclid(1_000)).unwrap_or(0)
    }

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// The moment `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an RFC 3339 time; digits past the microsecond are cut.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] when the text is no such time.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        // `time` takes any character between date and time.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return Err(InvalidTimestamp);
        }
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        Ok(Self::from_micros(parsed.unix_timestamp() * 1_000_000 + i64::from(parsed.microsecond())))
    }
}

/// Fills the place with the number's last digits.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.as_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (place, number) in [
            (0..4, year.unsigned_abs()),
            (5..7, u32::from(u8::from(month))),
            (8..10, u32::from(day)),
            (11..13, u32::from(hour)),
            (14..16, u32::from(minute)),
            (17..19, u32::from(second)),
            (20..23, self.millis_of_second()),
        ] {
            write_digits(&mut text[place], number);
        }
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_rfc_3339_with_milliseconds() {
        let time = Timestamp::from_millis(1_771_927_200_000);
        assert_eq!(time.to_string(), "2026-02-24T10:00:00.000Z");
        assert_eq!(Timestamp::from_micros(951_827_696_007_999).to_string(), "2000-02-29T12:34:56.007Z");
    }

    #[test]
    fn is_read_as_rfc_3339() {
        let micros = |text| Timestamp::parse(text).map(Timestamp::as_micros);
        assert_eq!(micros("2026-02-24T11:00:00.000+01:00"), Ok(1_771_927_200_000_000));
        assert_eq!(micros("2026-02-24t10:00:00.1234567z"), Ok(1_771_927_200_123_456));
        assert_eq!(micros("1969-12-31T23:59:59.9999999-00:00"), Ok(-1));
        assert_eq!(micros("0001-01-01T00:00:00+01:00"), Ok(MIN_MICROS));
        for text in [
            "2026-02-24 10:00:00Z",
            "2026-02-24T10:00:00",
            "2026-02-30T10:00:00Z",
            "2026-02-24T24:00:00Z",
            "2026-02-24",
            "+02026-02-24T10:00:00Z",
            "2026-02-24T10:00:00Z ",
            "",
        ] {
            assert_eq!(micros(text), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn rounds_down_before_the_epoch() {
        let time = Timestamp::from_micros(-1);
        assert_eq!((time.as_millis(), time.as_seconds()), (-1, -1));
        assert_eq!(time.to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn stays_within_four_digit_years() {
        assert!(Timestamp::from_micros(i64::MAX).to_string().starts_with("9999-"));
        assert!(Timestamp::from_micros(i64::MIN).to_string().starts_with("0001-"));
    }

    #[test]
    fn distance_never_goes_below_zero() {
        let (early, late) = (Timestamp::from_millis(1_000), Timestamp::from_millis(3_500));
        assert_eq!(late.since(early), Duration::from_millis(2_500));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.plus(Duration::from_millis(2_500)), late);
        assert_eq!(late.minus(Duration::from_millis(2_500)), early);
    }
}
