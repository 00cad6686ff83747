//! Who does the work: one worker in this thread, or a crew of threads.
//!
//! Invariant: both give the fold the same events in the same order.

use crate::{CrewError, many::Crew, round::Lies};
use model::{Health, Time};
use sensor::{
    Fold, Messages, Packet, Stamped, Unnamed, Worker, WorkerSettings, add_health, slices,
};

/// Packets between two deliveries to the fold: few, so that what they said is still near.
const FOLD_PACKETS: u64 = 512;

pub enum Hands {
    /// With room for events, and the frame at which all was reported last.
    Alone(Box<Worker>, Vec<Stamped>, u64),
    Many(Box<Crew>),
}

/// What workers know besides events.
pub struct Outcome {
    /// Of each worker.
    pub messages: Vec<Messages>,
    pub health: Health,
    /// In the order of their first frames.
    pub unnamed: Vec<Unnamed>,
    /// Of no more use; to take them apart takes long.
    pub workers: Vec<Worker>,
}

impl Hands {
    pub fn new(threads: usize, settings: WorkerSettings) -> Hands {
        if threads <= 1 {
            Hands::Alone(Box::new(Worker::new(settings)), Vec::new(), 0)
        } else {
            Hands::Many(Box::new(Crew::start(threads, settings)))
        }
    }

    /// Takes a packet, and where it lies.
    #[inline]
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        lies: Lies<'_>,
        fold: &mut Fold,
    ) -> Result<(), CrewError> {
        match self {
            Hands::Alone(worker, events, _) => {
                worker.push(packet);
                if packet.frame.is_multiple_of(FOLD_PACKETS) {
                    worker.swap_events(events);
                    fold.apply_list(events);
                }
                Ok(())
            }
            Hands::Many(crew) => crew.push(packet, lies, &mut |events| fold.apply_all(events)),
        }
    }

    /// Everything so far reaches the fold, with counters stamped with `frame`.
    pub fn tick(&mut self, frame: u64, fold: &mut Fold) -> Result<Health, CrewError> {
        match self {
            Hands::Alone(worker, events, before) => {
                report(worker, events, (std::mem::replace(before, frame), frame), fold);
                Ok(worker.health())
            }
            Hands::Many(crew) => crew.tick(frame, &mut |events| fold.apply_all(events)),
        }
    }

    pub fn finish(self, frame: u64, at: Time, fold: &mut Fold) -> Result<Outcome, CrewError> {
        let mut workers = match self {
            Hands::Alone(mut worker, mut events, before) => {
                worker.give_up(frame, at);
                report(&mut worker, &mut events, (before, frame), fold);
                vec![*worker]
            }
            Hands::Many(crew) => crew.finish(frame, at, &mut |events| fold.apply_all(events))?,
        };
        let (mut health, mut messages) = (Health::default(), Vec::new());
        let mut unnamed = Vec::new();
        for worker in &mut workers {
            add_health(&mut health, worker.health());
            messages.push(worker.take_tally());
            unnamed.append(&mut worker.take_unnamed());
        }
        unnamed.sort_by_key(|one| one.frame);
        Ok(Outcome { messages, health, unnamed, workers })
    }
}

/// Has all counters reported, slice by slice: there are many, and what tells of them is larger.
fn report(
    worker: &mut Worker,
    events: &mut Vec<Stamped>,
    (before, frame): (u64, u64),
    fold: &mut Fold,
) {
    for slice in slices(before, frame) {
        worker.report(frame, slice);
        worker.swap_events(events);
        fold.apply_list(events);
    }
}
