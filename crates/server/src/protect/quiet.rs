//! Quiet hours: when a plan leaves its targets alone.
//!
//! Hours are those of the site's clock. Not here: who asks. Invariant: a span that ends before it
//! begins goes over midnight and belongs to the day it begins on.

use crate::http::dto::QuietHours;
use jiff::{Timestamp, tz::TimeZone};
use model::Time;

const DAY_MINUTES: u32 = 24 * 60;

/// `HH:MM` as minutes of the day; 24:00 is its end.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= DAY_MINUTES).then_some(hours * 60 + minutes)
}

/// Whether `now` is within one of the spans, by the clock of `zone`.
pub(crate) fn is_quiet(spans: &[QuietHours], now: Time, zone: &TimeZone) -> bool {
    let Ok(stamp) = Timestamp::from_second(now.nanos().div_euclid(1_000_000_000)) else {
        return false;
    };
    let here = stamp.to_zoned(zone.clone());
    let day = u32::from(here.weekday().to_monday_one_offset().unsigned_abs());
    let minute =
        u32::from(here.hour().unsigned_abs()) * 60 + u32::from(here.minute().unsigned_abs());
    let before = if day == 1 { 7 } else { day - 1 };
    spans.iter().any(|span| {
        let (Some(from), Some(until)) = (minutes(&span.from), minutes(&span.until)) else {
            return false;
        };
        let on = |day: u32| span.days.is_empty() || span.days.iter().any(|d| u32::from(*d) == day);
        if from < until {
            on(day) && (from..until).contains(&minute)
        } else {
            on(day) && minute >= from || on(before) && minute < until
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_on_their_days_and_over_midnight() {
        let span = |days: &[u8], from: &str, until: &str| QuietHours {
            days: days.to_vec(),
            from: from.into(),
            until: until.into(),
        };
        let at = |text: &str| Time::parse(text).expect("a time");
        let check = |span: &QuietHours, text: &str, expect: bool| {
            assert_eq!(
                is_quiet(std::slice::from_ref(span), at(text), &TimeZone::UTC),
                expect,
                "{text}"
            );
        };
        // 2026-03-10 is a Tuesday.
        let shift = span(&[2], "06:00", "14:00");
        check(&shift, "2026-03-10T06:00:00Z", true);
        check(&shift, "2026-03-10T14:00:00Z", false);
        check(&shift, "2026-03-11T07:00:00Z", false);
        let night = span(&[2], "22:00", "06:00");
        check(&night, "2026-03-10T23:00:00Z", true);
        check(&night, "2026-03-11T05:59:00Z", true);
        check(&night, "2026-03-10T05:00:00Z", false);
        let all = span(&[], "00:00", "24:00");
        check(&all, "2026-03-15T12:00:00Z", true);
        for bad in ["6:00", "24:01", "12:60", "noon", ""] {
            assert_eq!(minutes(bad), None, "{bad}");
        }
    }
}
