//! Quiet hours: windows by the clock on the host's wall.
//!
//! Not here: what is quiet then. Invariant: hours that cannot be read are none.

use model::Time;

/// Quiet hours of a plan as a window.
pub(super) fn span_of(days: &[u8], from: &str, until: &str) -> Option<String> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let names: Option<Vec<&str>> =
        days.iter().map(|day| DAYS.get(usize::from(*day).checked_sub(1)?).copied()).collect();
    let hours = format!("{from}-{until}");
    match names?.join(",") {
        days if days.is_empty() => Some(hours),
        days => Some(format!("{days} {hours}")),
    }
}

/// A time as the clock on the wall shows it, for windows that know no zones.
pub(super) fn by_the_wall(now: Time) -> Time {
    let Ok(stamp) = jiff::Timestamp::from_second(now.nanos().div_euclid(1_000_000_000)) else {
        return now;
    };
    let zoned = stamp.to_zoned(jiff::tz::TimeZone::system());
    now.plus_secs(i64::from(zoned.offset().seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault::site::Window;

    #[test]
    fn a_plan_s_quiet_hours_are_windows() {
        let check = |days: &[u8], expect: &str| {
            let span = span_of(days, "22:00", "06:00").expect("a window");
            assert_eq!(span, expect);
            assert!(Window::parse(&span).is_some());
        };
        check(&[], "22:00-06:00");
        check(&[1, 7], "mon,sun 22:00-06:00");
        assert_eq!(span_of(&[0], "22:00", "06:00"), None);
        assert_eq!(span_of(&[8], "22:00", "06:00"), None);
    }
}
