//! Who does the work: one worker in this thread, or a crew of threads.
//!
//! Invariant: both give the fold the same events in the same order.

use crate::{CrewError, SharedFold, Threads, board::Lists, many::Crew, round::Lies};
use model::{Health, MessageRow, Time};
use sensor::{Packet, Stamped, Unnamed, Worker, WorkerSettings, add_health, slices};
use std::collections::BTreeMap;

/// Packets between two deliveries to the fold: few, so that what they said is still near.
const FOLD_PACKETS: u64 = 512;

pub enum Hands {
    Alone(Box<Alone>),
    Many(Box<Crew>),
}

pub struct Alone {
    worker: Worker,
    fold: SharedFold,
    /// Room for those under way.
    events: Vec<Stamped>,
    /// Frame at which all was reported last.
    reported: u64,
}

/// What workers know besides events.
pub struct Outcome {
    pub messages: MessageRows,
    pub health: Health,
    /// In the order of their first frames.
    pub unnamed: Vec<Unnamed>,
    /// Of no more use; to take them apart takes long.
    pub remains: Remains,
    /// Those that read, for what else there is to do.
    pub threads: Threads,
}

/// Group -> rows, sorted.
pub type MessageRows = BTreeMap<&'static str, Vec<MessageRow>>;

/// What to do with the messages while another thread folds the last that was said: a piece at each
/// call, and whether there are more.
pub type Beside<'a> = &'a mut dyn FnMut(&MessageRows) -> bool;

/// What only held the work.
#[derive(Default)]
pub struct Remains {
    _workers: Vec<Worker>,
    _lists: Vec<Lists>,
}

impl Hands {
    pub fn new(threads: usize, settings: WorkerSettings, fold: SharedFold) -> Hands {
        if threads > 1 {
            return Hands::Many(Box::new(Crew::start(threads, settings, fold)));
        }
        let (worker, events) = (Worker::new(settings), Vec::new());
        Hands::Alone(Box::new(Alone { worker, fold, events, reported: 0 }))
    }

    /// Takes a packet, and where it lies.
    #[inline]
    pub fn push(&mut self, packet: &Packet<'_>, lies: Lies<'_>) -> Result<(), CrewError> {
        match self {
            Hands::Alone(alone) => {
                alone.worker.push(packet);
                if packet.frame.is_multiple_of(FOLD_PACKETS) {
                    alone.fold();
                }
                Ok(())
            }
            Hands::Many(crew) => crew.push(packet, lies),
        }
    }

    /// Counters of conversations that have been silent for long reach the fold, stamped with the
    /// `frame` of the last packet.
    pub fn report_silent(&mut self, frame: u64) -> Result<(), CrewError> {
        match self {
            Hands::Alone(alone) => {
                alone.worker.report_silent(frame, |_| ());
                alone.fold();
                Ok(())
            }
            Hands::Many(crew) => crew.report_silent(frame),
        }
    }

    /// Everything so far reaches the fold, with counters stamped with `frame`.
    pub fn tick(&mut self, frame: u64) -> Result<Health, CrewError> {
        match self {
            Hands::Alone(alone) => {
                alone.report(frame);
                Ok(alone.worker.health())
            }
            Hands::Many(crew) => crew.tick(frame),
        }
    }

    /// The same, for nothing comes any more; there may be something to do `beside` the last of it.
    pub fn finish(self, frame: u64, at: Time, beside: Beside<'_>) -> Result<Outcome, CrewError> {
        match self {
            Hands::Alone(mut alone) => {
                alone.worker.give_up(frame, at);
                alone.report(frame);
                let messages = alone.worker.take_tally().into_rows();
                Ok(Outcome::of(vec![alone.worker], messages))
            }
            Hands::Many(crew) => crew.finish(frame, at, beside),
        }
    }
}

impl Remains {
    pub(super) fn keep(&mut self, lists: Vec<Lists>) {
        self._lists = lists;
    }
}

impl Outcome {
    /// Of workers that have nothing more to read, and what they counted.
    pub(super) fn of(mut workers: Vec<Worker>, messages: MessageRows) -> Outcome {
        let (mut health, mut unnamed) = (Health::default(), Vec::new());
        for worker in &mut workers {
            add_health(&mut health, worker.health());
            unnamed.append(&mut worker.take_unnamed());
        }
        unnamed.sort_by_key(|one| one.frame);
        let remains = Remains { _workers: workers, ..Remains::default() };
        Outcome { messages, health, unnamed, remains, threads: Threads::default() }
    }
}

impl Alone {
    fn fold(&mut self) {
        self.worker.swap_events(&mut self.events);
        self.fold.lock().apply_list(&mut self.events);
    }

    /// Has all counters reported, slice by slice: there are many, and what tells of them is larger.
    fn report(&mut self, frame: u64) {
        for slice in slices(std::mem::replace(&mut self.reported, frame), frame) {
            self.worker.report(frame, slice, |_| ());
            self.fold();
        }
    }
}
