//! The board where rounds hang until each of their parts is done.
//!
//! Not here: waiting. Invariant: a shard's worker is either on the board or with the one thread
//! that works on its next part.

use super::round::{Done, Round};
use model::Health;
use sensor::{Stamped, Worker, limits::SHARDS};
use std::{collections::VecDeque, sync::Arc};

/// Room of a list above which it is not kept to be filled again.
const KEPT_EVENTS_MAX: usize = 1_024;

pub(super) struct Board {
    lanes: Vec<Lane>,
    /// Oldest first.
    rounds: VecDeque<UnderWay>,
    /// Number of the oldest.
    first: u64,
    /// For each thread lists it made, to be filled again: it frees what is in them, which is
    /// faster than where they were read. The one used last comes first, so that few are large.
    spare: Vec<Vec<Vec<Stamped>>>,
    /// Threads that wait for a change.
    waiting: usize,
    closed: bool,
    broken: bool,
}

/// A shard.
struct Lane {
    /// While nobody works with it.
    worker: Option<Box<Worker>>,
    /// Number of the round it does next.
    next: u64,
    /// Thread that had it last: what it knows is still near that one's processor.
    last: usize,
}

struct UnderWay {
    round: Arc<Round>,
    done: Done,
    /// Parts not done.
    left: usize,
}

/// A part of a round for one thread.
pub(super) struct Task {
    shard: usize,
    number: u64,
    thread: usize,
    worker: Box<Worker>,
    round: Option<Arc<Round>>,
    events: Vec<Stamped>,
    health: Option<Health>,
}

impl Task {
    pub(super) fn run(&mut self) {
        if let Some(round) = self.round.take() {
            self.worker.swap_events(&mut self.events);
            self.health = round.read(self.shard, &mut self.worker);
            self.worker.swap_events(&mut self.events);
        }
    }
}

impl Board {
    pub(super) fn new(workers: impl Iterator<Item = Worker>, threads: usize) -> Board {
        let lane = |worker| Lane { worker: Some(Box::new(worker)), next: 0, last: 0 };
        Board {
            lanes: workers.map(lane).collect(),
            rounds: VecDeque::new(),
            first: 0,
            spare: (0..threads).map(|_| Vec::new()).collect(),
            waiting: 0,
            closed: false,
            broken: false,
        }
    }

    /// How many rounds are under way, and whether the oldest is whole.
    pub(super) fn under_way(&self) -> (usize, bool) {
        (self.rounds.len(), self.rounds.front().is_some_and(|oldest| oldest.left == 0))
    }

    pub(super) fn put_up(&mut self, round: Round) {
        let done = Done::default();
        let left = (0..SHARDS).filter(|shard| round.concerns(*shard)).count();
        self.rounds.push_back(UnderWay { round: Arc::new(round), done, left });
    }

    /// The oldest round if all its parts are done.
    pub(super) fn take_whole(&mut self) -> Option<(Round, Done)> {
        self.rounds.front().filter(|oldest| oldest.left == 0)?;
        let UnderWay { round, done, .. } = self.rounds.pop_front()?;
        self.first += 1;
        // Tasks let go of it before they are put back.
        let mut round = Arc::try_unwrap(round).unwrap_or_default();
        round.clear();
        Some((round, done))
    }

    /// The oldest part that can be done now, of several one whose shard the thread had last.
    pub(super) fn pick(&mut self, thread: usize) -> Option<Task> {
        let (first, rounds) = (self.first, &mut self.rounds);
        let mut best: Option<(u64, bool, usize)> = None;
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            if lane.worker.is_none() {
                continue;
            }
            lane.next = lane.next.max(first);
            let passed = rounds
                .range((lane.next - first) as usize..)
                .take_while(|under_way| !under_way.round.concerns(shard))
                .count();
            lane.next += passed as u64;
            if lane.next - first < rounds.len() as u64 {
                let this = (lane.next, lane.last != thread, shard);
                best = Some(best.map_or(this, |best| best.min(this)));
            }
        }
        let (number, _, shard) = best?;
        let under_way = &mut rounds[(number - first) as usize];
        Some(Task {
            shard,
            number,
            thread,
            worker: self.lanes[shard].worker.take()?,
            round: Some(Arc::clone(&under_way.round)),
            events: self.spare[thread].pop().unwrap_or_default(),
            health: None,
        })
    }

    /// Takes back a part that is done. True when somebody who waits may have something to do.
    pub(super) fn put_back(&mut self, task: Task) -> bool {
        let Task { shard, number, thread, worker, events, health, .. } = task;
        let at = (number - self.first) as usize;
        let under_way = &mut self.rounds[at];
        if events.is_empty() {
            self.spare[thread].push(events);
        } else {
            under_way.done.events.push(events);
            under_way.done.makers.push(thread);
        }
        under_way.done.health.extend(health);
        under_way.left -= 1;
        let whole = at == 0 && under_way.left == 0;
        let lane = &mut self.lanes[shard];
        lane.worker = Some(worker);
        lane.next = number + 1;
        lane.last = thread;
        self.waiting > 0 && (whole || at + 1 < self.rounds.len())
    }

    /// Lists that were read, and who made them.
    pub(super) fn give_back(&mut self, lists: Vec<Vec<Stamped>>, makers: &[usize]) {
        for (list, maker) in lists.into_iter().zip(makers) {
            if list.capacity() <= KEPT_EVENTS_MAX {
                self.spare[*maker].push(list);
            }
        }
    }

    /// A thread begins or ends to wait for a change.
    pub(super) fn waits(&mut self, change: isize) {
        self.waiting = self.waiting.saturating_add_signed(change);
    }

    /// Is there anybody who waits?
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(super) fn take_workers(&mut self) -> Vec<Worker> {
        self.lanes.iter_mut().filter_map(|lane| lane.worker.take()).map(|worker| *worker).collect()
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A thread will not bring back what it took.
    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }
}
