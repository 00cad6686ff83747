//! Spans of the week, in the site's own time.
//!
//! Invariant: a span that ends before it begins goes over midnight and belongs to the day it
//! begins on.

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_SECS: i64 = 86_400;

/// Days on which it begins, and from when to when, in seconds of the day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Span {
    days: [bool; 7],
    from: i64,
    to: i64,
}

impl Span {
    /// `mon-fri 06:00-22:00`, `sat,sun`, `22:00-06:00`.
    pub(super) fn parse(text: &str) -> Option<Span> {
        let mut span = Span { days: [false; 7], from: 0, to: DAY_SECS };
        let mut named = false;
        for word in text.split_whitespace() {
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                let (from, to) = word.split_once('-')?;
                (span.from, span.to) = (time(from)?, time(to)?);
            } else {
                for days in word.split(',') {
                    let (first, last) = days.split_once('-').unwrap_or((days, days));
                    let (first, last) = (day(first)?, day(last)?);
                    let length = (last + 7 - first) % 7;
                    for step in 0..=length {
                        span.days[(first + step) % 7] = true;
                    }
                }
                named = true;
            }
        }
        if !named {
            span.days = [true; 7];
        }
        (!text.trim().is_empty() && span.from != span.to).then_some(span)
    }

    /// Is this moment in it? Seconds since 1970 of the site's clock.
    pub(super) fn has(&self, local_secs: i64) -> bool {
        let (day, second) = (local_secs.div_euclid(DAY_SECS), local_secs.rem_euclid(DAY_SECS));
        // 1970-01-01 was a Thursday.
        let begins = |day: i64| self.days[(day + 3).rem_euclid(7) as usize];
        if self.from < self.to {
            return begins(day) && (self.from..self.to).contains(&second);
        }
        (begins(day) && second >= self.from) || (begins(day - 1) && second < self.to)
    }
}

fn day(word: &str) -> Option<usize> {
    DAYS.iter().position(|day| word.eq_ignore_ascii_case(day))
}

fn time(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<i64>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let inside = (0..24).contains(&hours) && (0..60).contains(&minutes);
    (inside || (hours, minutes) == (24, 0)).then_some(hours * 3_600 + minutes * 60)
}

/// `Z`, `+02:00`, `-05:30`: seconds.
pub(super) fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let secs = time(text.strip_prefix(['+', '-'])?)?;
    (secs <= 14 * 3_600).then_some(sign * secs)
}
