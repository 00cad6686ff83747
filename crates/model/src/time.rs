//! A moment, in nanoseconds since 1970 UTC. Time arrives with the data; nothing here reads a clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;

/// Nanoseconds since 1970-01-01T00:00:00Z. Prints as RFC 3339 with microseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(pub i64);

impl Time {
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`; negative when the order is the other way round.
    pub const fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub const fn plus_nanos(self, nanos: i64) -> Time {
        Time(self.0.saturating_add(nanos))
    }

    pub const fn plus_secs(self, secs: i64) -> Time {
        self.plus_nanos(secs.saturating_mul(1_000_000_000))
    }

    /// Reads what [`fmt::Display`] writes: RFC 3339 with `Z` or a numeric offset.
    ///
    /// Returns `None` for anything else, including dates outside 1678..2262 (i64 nanoseconds).
    pub fn parse(text: &str) -> Option<Time> {
        let (date, rest) = text.split_once(['T', 't', ' '])?;
        let mut parts = date.split('-').map(|p| p.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let zone_at = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = rest.split_at(zone_at);
        let mut parts = clock.split(':');
        let hour: i64 = parts.next()?.parse().ok()?;
        let minute: i64 = parts.next()?.parse().ok()?;
        let (second, fraction) = match parts.next()?.split_once('.') {
            Some((s, f)) => (s.to_owned(), f.to_owned()),
            None => (clock.rsplit(':').next()?.to_owned(), String::new()),
        };
        let second: i64 = second.parse().ok()?;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || fraction.len() > 9 {
            return None;
        }
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..61).contains(&second) {
            return None;
        }
        let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
        let offset = zone_offset_secs(zone)?;
        let days = days_from_civil(year, month, day);
        let secs = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        secs.checked_mul(1_000_000_000)?.checked_add(nanos).map(Time)
    }
}

fn zone_offset_secs(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let month_index = (month + 9) % 12;
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Room for [`Time::text`]; nanoseconds of 64 bits end in 2262, so a year has four digits.
const BLANK: [u8; 27] = *b"0000-00-00T00:00:00.000000Z";

impl Time {
    /// Digit by digit: reports are full of times, and the machinery of formats takes thirty times
    /// as long.
    fn text(self, room: &mut [u8; 27]) -> &str {
        let secs = self.0.div_euclid(1_000_000_000);
        let micros = self.0.rem_euclid(1_000_000_000) / 1_000;
        let (year, month, day) = civil_from_days(secs.div_euclid(86_400));
        let s = secs.rem_euclid(86_400);
        *room = BLANK;
        digits(&mut room[..4], year);
        digits(&mut room[5..7], month);
        digits(&mut room[8..10], day);
        digits(&mut room[11..13], s / 3_600);
        digits(&mut room[14..16], s / 60 % 60);
        digits(&mut room[17..19], s % 60);
        digits(&mut room[20..26], micros);
        std::str::from_utf8(room).unwrap_or_default()
    }
}

fn digits(to: &mut [u8], mut number: i64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut BLANK.clone()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.text(&mut BLANK.clone()))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Time::parse(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc3339_with_microseconds() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_595_660_608_237_857_000, "2020-07-25T07:03:28.237857Z"),
            (-1_000, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775Z"),
        ] {
            assert_eq!(Time(nanos).to_string(), text);
            // What is less than a microsecond is not printed.
            let printed = nanos.div_euclid(1_000) as i128 * 1_000;
            assert_eq!(Time::parse(text).map(|t| t.0), i64::try_from(printed).ok());
            assert_eq!(serde_json::to_string(&Time(nanos)).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn reads_offsets_and_missing_fractions_and_rejects_nonsense() {
        assert_eq!(Time::parse("1970-01-01T01:00:00+01:00"), Some(Time(0)));
        assert_eq!(Time::parse("1970-01-01 00:00:01Z"), Some(Time::from_secs(1)));
        for bad in ["", "yesterday", "1970-13-01T00:00:00Z", "1970-01-01T25:00:00Z", "1970-01-01"] {
            assert_eq!(Time::parse(bad), None, "{bad}");
        }
    }
}
