//! Who does the work: one worker in this thread, or a crew of threads.
//!
//! Invariant: both give the fold the same events in the same order.

use super::crew::Crew;
use anyhow::Result;
use model::{Health, MessageRow, Time};
use sensor::{Fold, Messages, Packet, Stamped, Worker, WorkerSettings, add_health};
use std::collections::BTreeMap;

/// Packets between two deliveries to the fold.
const FOLD_PACKETS: u64 = 4_096;

pub enum Hands {
    Alone(Box<Worker>),
    Many(Crew),
}

type Outcome = (BTreeMap<&'static str, Vec<MessageRow>>, Health);

impl Hands {
    pub fn new(threads: usize, settings: WorkerSettings) -> Result<Hands> {
        Ok(if threads <= 1 {
            Hands::Alone(Box::new(Worker::new(settings)))
        } else {
            Hands::Many(Crew::start(threads, settings)?)
        })
    }

    pub fn push(&mut self, packet: &Packet<'_>, fold: &mut Fold) -> Result<()> {
        match self {
            Hands::Alone(worker) => {
                worker.push(packet);
                if packet.frame.is_multiple_of(FOLD_PACKETS) {
                    fold.apply(worker.take_events());
                }
                Ok(())
            }
            Hands::Many(crew) => crew.push(packet, &mut |events| fold.apply(events)),
        }
    }

    /// Everything so far reaches the fold, with counters stamped with `frame`.
    pub fn tick(&mut self, frame: u64, fold: &mut Fold) -> Result<Health> {
        match self {
            Hands::Alone(worker) => {
                worker.tick(frame);
                fold.apply(worker.take_events());
                Ok(worker.health())
            }
            Hands::Many(crew) => crew.tick(frame, &mut |events| fold.apply(events)),
        }
    }

    pub fn finish(self, frame: u64, at: Time, fold: &mut Fold) -> Result<Outcome> {
        let workers = match self {
            Hands::Alone(mut worker) => {
                worker.finish(frame, at);
                fold.apply(worker.take_events());
                vec![*worker]
            }
            Hands::Many(crew) => {
                crew.finish(frame, at, &mut |events: Vec<Stamped>| fold.apply(events))?
            }
        };
        let (mut health, mut messages) = (Health::default(), Messages::default());
        for mut worker in workers {
            worker.count_unidentified();
            add_health(&mut health, worker.health());
            messages.merge(worker.take_tally());
        }
        Ok((messages.into_rows(), health))
    }
}
