//! How often what is told: each second all that changed, or as seldom as a narrow line needs.
//!
//! Not here: what changed. Invariant: findings are told each second either way, behind the rows of
//! what they are about; what waits is other news of assets and links, rows of which only counters
//! and times changed, and the sensor's own beat, and none waits for ever.

/// A sparing sensor's beats take at most one octet in so many of those heard...
const HEARD_PER_BEAT_OCTET: u64 = 4_000;
/// ...and its rows of counters one in so many.
const HEARD_PER_ROW_OCTET: u64 = 4_000;
/// A packed beat is about so long.
const BEAT_OCTETS: u64 = 16;
/// Longest pause between two beats; shortest and longest between two tellings of counters.
const BEAT_SECONDS_MAX: u64 = 60;
/// Pause between two tellings of what is new about assets and links.
const NEWS_SECONDS: u64 = 60;
const ROWS_SECONDS_MIN: u64 = 60;
const ROWS_SECONDS_MAX: u64 = 3_600;

/// What is due in a second, besides findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Due {
    /// What is new about assets and links.
    pub(super) news: bool,
    /// Rows of which only counters and times changed.
    pub(super) counters: bool,
    /// Findings that only go on; where they are not, those that were seen ten times as often are.
    pub(super) repeats: bool,
    pub(super) beat: bool,
}

impl Due {
    pub(super) const ALL: Due = Due { news: true, counters: true, repeats: true, beat: true };
}

#[derive(Default)]
pub(super) struct Pace {
    sparing: bool,
    news: Since,
    beat: Since,
    rows: Since,
    /// Octets of the rows told last.
    rows_octets: u64,
}

/// Seconds gone and octets heard since something was told.
#[derive(Clone, Copy, Default)]
struct Since {
    seconds: u64,
    heard: u64,
}

impl Since {
    fn go_on(&mut self, heard: u64) {
        self.seconds += 1;
        self.heard += heard;
    }
}

impl Pace {
    pub(super) fn new(sparing: bool) -> Self {
        Pace { sparing, ..Pace::default() }
    }

    pub(super) fn is_sparing(&self) -> bool {
        self.sparing
    }

    /// A second went by in which so many octets were heard.
    pub(super) fn second(&mut self, heard: u64) -> Due {
        if !self.sparing {
            return Due::ALL;
        }
        self.news.go_on(heard);
        self.beat.go_on(heard);
        self.rows.go_on(heard);
        let afforded = self.beat.heard >= BEAT_OCTETS * HEARD_PER_BEAT_OCTET;
        let beat = afforded || self.beat.seconds >= BEAT_SECONDS_MAX;
        let afforded = self.rows.heard >= self.rows_octets.saturating_mul(HEARD_PER_ROW_OCTET);
        let counters = match self.rows.seconds {
            ..ROWS_SECONDS_MIN => false,
            ROWS_SECONDS_MIN..ROWS_SECONDS_MAX => afforded,
            _ => true,
        };
        let news = counters || self.news.seconds >= NEWS_SECONDS;
        Due { news, counters, repeats: false, beat }
    }

    /// What was due is told, with so many octets of rows.
    pub(super) fn told(&mut self, due: Due, rows_octets: u64) {
        if due.news {
            self.news = Since::default();
        }
        if due.beat {
            self.beat = Since::default();
        }
        if due.counters {
            self.rows = Since::default();
            self.rows_octets = rows_octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beats and tellings in so many seconds of so many octets each, with rows of 50,000 octets.
    fn told(sparing: bool, seconds: u64, heard: u64) -> (u64, u64) {
        let mut pace = Pace::new(sparing);
        let (mut beats, mut rows) = (0, 0);
        for _ in 0..seconds {
            let due = pace.second(heard);
            beats += u64::from(due.beat);
            rows += u64::from(due.counters);
            pace.told(due, 50_000);
        }
        (beats, rows)
    }

    #[test]
    fn all_is_told_each_second_where_the_line_is_wide() {
        assert_eq!(told(false, 100, 0), (100, 100));
    }

    #[test]
    fn a_narrow_line_gets_its_share_and_silence_is_broken() {
        // A tenth of a megabit a second: a beat each six seconds, the rows each hour.
        assert_eq!(told(true, 4_000, 12_500), (666, 2));
        assert_eq!(told(true, 7_200, 0), (120, 2));
        // However much is heard, not more than that.
        assert_eq!(told(true, 600, 1_000_000_000), (600, 10));
    }
}
