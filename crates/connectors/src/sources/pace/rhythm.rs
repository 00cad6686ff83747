//! When somebody else asks the same device: learned from how long our own questions wait.
//!
//! A controller serves one question after the other. An answer of ours that came late waited
//! behind somebody else's question, and tells when that one had been served. First we listen
//! ([`Listening`]); a rhythm that was heard is followed ([`Following`]). Not here: the clock.
//! Invariant: a rhythm that does not hold is listened for anew, and after a few times the device is
//! asked seldom instead. Times in microseconds.

use super::{
    Sort,
    floors::Floors,
    following::{Following, Holds},
    listening::{Found, Heard, Listening, close},
};
use std::collections::VecDeque;

/// Losses of the rhythm, less one for each time it held well, after which it is none.
const LOSSES_MAX: u32 = 3;
/// Questions asked seldom before we listen again, at first and at most; as many as at first are
/// asked of a device that nobody else asks before a late answer is a reason to listen.
const SELDOM: u32 = 32;
const SELDOM_MAX: u32 = 1_024;
/// Factors of the last answer's time between two questions to a device that somebody asks without
/// a rhythm, and to one whose answers vary by themselves.
const SELDOM_TIMES: u32 = 15;
const VARIES_TIMES: u32 = 3;
/// Answers by which it is judged whether a device varies by itself.
const JUDGED: usize = 16;
/// Answers in a row that may have waited for somebody who is known to ask.
const WAITED_MAX: u32 = 8;

/// How a question is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// Whenever it was due.
    Anywhere,
    /// Closely behind the one before, to hear who else asks.
    Listening,
    /// While somebody else is being served, so many periods after the last moment.
    Behind(i64),
    /// When somebody else has just been served: it waits for nobody.
    After,
}

/// When a question is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Closely behind the one before, with so much between.
    Close(i64),
    /// After the usual wait, more or less, never in step with anybody.
    Apart,
    /// The same, but at least so many times the last answer's time later.
    Seldom(u32),
    /// After the usual wait, with regard to a rhythm.
    Rhythm,
}

enum State {
    Listening(Listening),
    Following(Following),
    /// It cannot be told who waited: what questions take differs too much.
    Deaf,
    /// Nobody was heard; so many questions ago.
    Nobody(u32),
    /// Somebody without a rhythm: so many questions until we listen again, and those that waited.
    Seldom {
        left: u32,
        late: u32,
    },
}

pub struct Rhythm {
    state: State,
    floors: Floors,
    /// The longest wait behind somebody: serving the other takes at least this.
    length: i64,
    losses: u32,
    seldom: u32,
    /// Answers in a row that waited.
    waited: u32,
    /// Whether the latest answers waited, of questions that were not to.
    late: VecDeque<bool>,
}

impl Default for Rhythm {
    fn default() -> Self {
        let state = State::Listening(Listening::default());
        Self {
            state,
            floors: Floors::default(),
            length: 0,
            losses: 0,
            seldom: SELDOM,
            waited: 0,
            late: VecDeque::new(),
        }
    }
}

impl Rhythm {
    /// Of a device whose questions differ too much in what they take to tell who waited.
    pub fn deaf() -> Self {
        Self { state: State::Deaf, ..Self::default() }
    }

    pub fn when(&self) -> When {
        match &self.state {
            State::Listening(_) => When::Close(close(&self.floors)),
            State::Following(following) if following.is_close() => When::Close(close(&self.floors)),
            State::Following(following) if following.has_room(self.length, self.floors.least()) => {
                When::Rhythm
            }
            State::Following(_) | State::Seldom { .. } => When::Seldom(self.seldom_times()),
            State::Nobody(_) | State::Deaf => When::Apart,
        }
    }

    /// A device most of whose answers are late takes now this long, now that, by itself.
    fn seldom_times(&self) -> u32 {
        let late = self.late.iter().filter(|late| **late).count();
        if late * 2 > self.late.len() + 2 { VARIES_TIMES } else { SELDOM_TIMES }
    }

    /// Whether how much is asked for may change.
    pub fn is_settled(&self) -> bool {
        match &self.state {
            State::Listening(_) => false,
            State::Following(following) => following.is_sure(),
            State::Nobody(_) | State::Deaf | State::Seldom { .. } => true,
        }
    }

    /// The moment to ask, at `due` or later, and how that puts the question.
    pub fn moment(&self, due: i64, sort: Sort) -> (i64, Put) {
        let (floors, length) = (&self.floors, self.length);
        match &self.state {
            State::Listening(listening) => {
                (listening.moment(due, floors.of(sort), length, floors), Put::Listening)
            }
            State::Following(following) => following.moment(due, sort, length, floors),
            State::Nobody(_) | State::Deaf | State::Seldom { .. } => (due, Put::Anywhere),
        }
    }

    /// Takes in an answer; how long the device had taken for it alone, if that can be told.
    pub fn answered(&mut self, sort: Sort, asked: i64, took: i64, put: Put) -> Option<i64> {
        let foretold = match (&self.state, put) {
            (State::Following(following), Put::Behind(times)) => {
                Some(following.beat.next(times).from - asked)
            }
            _ => None,
        };
        let wait = self.floors.take(sort, took, foretold.is_some());
        let explained = match foretold {
            Some(wait) => wait + self.length / 4,
            None => self.length * 5 / 4,
        };
        let waited_max = match &self.state {
            State::Listening(_) => 1,
            State::Nobody(_) | State::Deaf => 0,
            State::Following(_) | State::Seldom { .. } => WAITED_MAX,
        };
        let alone = match (wait, foretold) {
            (None, _) => Some(took),
            // Of many in a row not all can have waited for somebody else.
            (Some(wait), _) if wait <= explained && self.waited < waited_max => None,
            (Some(wait), Some(_)) => Some(took - explained.clamp(0, wait)),
            (Some(_), None) => Some(took),
        };
        self.waited = if wait.is_some() { self.waited + 1 } else { 0 };
        if foretold.is_none() {
            if self.late.len() == JUDGED {
                self.late.pop_front();
            }
            self.late.push_back(wait.is_some());
        }
        self.learn(Heard { sort, asked, took }, wait, put);
        alone
    }

    fn learn(&mut self, heard: Heard, wait: Option<i64>, put: Put) {
        let floor = self.floors.of(heard.sort);
        let length = wait.map_or(0, |wait| wait.min(2 * floor));
        self.length = self.length.max(length);
        match &mut self.state {
            State::Listening(listening) => {
                match listening.heard(heard, self.length, &self.floors) {
                    Found::NotYet => {}
                    Found::Nobody => self.state = State::Nobody(0),
                    Found::Varies => self.ask_seldom(),
                    Found::Beat(beat) => self.state = State::Following(Following::new(beat)),
                }
            }
            State::Following(following) => {
                let moment = wait.map(|wait| heard.asked + wait);
                let period = following.is_sure().then_some(following.beat.period);
                match following.check(heard, moment, put, (self.length, floor)) {
                    Holds::Yes => {}
                    Holds::WellSo => {
                        self.losses = self.losses.saturating_sub(1);
                        self.seldom = (self.seldom / 2).max(SELDOM);
                    }
                    Holds::NotAlone => self.ask_seldom(),
                    Holds::No => {
                        self.losses += 1;
                        match self.losses < LOSSES_MAX {
                            true => self.state = State::Listening(Listening::anew(period, None)),
                            false => self.ask_seldom(),
                        }
                    }
                }
            }
            State::Deaf => {}
            State::Nobody(since) => {
                *since = since.saturating_add(1);
                if wait.is_some() && *since > SELDOM {
                    self.state = State::Listening(Listening::anew(None, Some(heard)));
                }
            }
            State::Seldom { left, late, .. } => {
                *left = left.saturating_sub(1);
                *late += u32::from(wait.is_some());
                if *left == 0 {
                    self.losses = 0;
                    self.state = match late {
                        0 => State::Nobody(0),
                        _ => State::Listening(Listening::default()),
                    };
                }
            }
        }
    }

    fn ask_seldom(&mut self) {
        self.state = State::Seldom { left: self.seldom, late: 0 };
        self.seldom = (self.seldom * 2).min(SELDOM_MAX);
    }
}
