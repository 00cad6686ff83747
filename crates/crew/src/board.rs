//! The board where rounds hang until each of their parts is done.
//!
//! Not here: waiting. Invariant: a shard's worker is either on the board or with the one thread
//! that works on its next part, and one thread at most folds a round, the oldest.

use crate::round::{Done, Round};
use model::Health;
use sensor::{Messages, Stamped, Worker, add_health, limits::SHARDS};
use std::{collections::VecDeque, sync::Arc};

/// Events after which a worker goes on in another list. Lists that each grew to the length of a
/// part would all grow to that of the longest, in memory that nobody had touched before.
const LIST_EVENTS: usize = 128;
/// Room of a list above which it is not kept to be filled again.
const KEPT_EVENTS_MAX: usize = 1_024;

/// Lists that a thread made and that were read, to be filled again: it frees what is in them,
/// which is faster than where they were read. The one used last comes first.
#[derive(Default)]
pub(super) struct Lists(Vec<Vec<Stamped>>);

impl Lists {
    fn take(&mut self) -> Vec<Stamped> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(LIST_EVENTS + LIST_EVENTS / 8))
    }

    fn keep(&mut self, list: Vec<Stamped>) {
        if (1..=KEPT_EVENTS_MAX).contains(&list.capacity()) {
            self.0.push(list);
        }
    }
}

/// Packets that others should find beside a part: while there are so many, no more are read, so
/// that they are not far from the processors when their turn comes. With few, a long part of one
/// conversation in the caller's hands leaves the others without work.
const PLENTY_PACKETS: usize = 6_000;
/// Packets nobody has taken, below which more are read before anything else.
const HUNGRY_PACKETS: usize = 2_048;
/// Rounds within which a thread prefers shards that it had last.
const NEAR_ROUNDS: u64 = 4;
/// Rounds to be folded above which any thread does it: what the fold knows is near the processor
/// of who did it last.
const LATE_ROUNDS: usize = 4;
/// Rounds to be folded that keep one thread busy while another does something else.
const ENOUGH_ROUNDS: usize = 4;

pub(super) struct Board {
    lanes: Vec<Lane>,
    /// Oldest first.
    rounds: VecDeque<UnderWay>,
    /// Number of the oldest.
    first: u64,
    /// Of each thread, while it has no task.
    spare: Vec<Lists>,
    /// Come back and to be used again.
    spare_rounds: Vec<Round>,
    /// Thread that folded last.
    folder: usize,
    /// It is at it.
    folding: bool,
    /// State of the workers, of reports that were folded.
    health: Health,
    /// Threads that wait for a change.
    waiting: usize,
    closed: bool,
    broken: bool,
}

/// A round of which all parts are done, with a thread that folds it.
pub(super) struct Whole {
    round: Round,
    pub(super) done: Done,
}

/// A shard.
struct Lane {
    /// While nobody works with it.
    worker: Option<Box<Worker>>,
    /// Number of the round it does next.
    next: u64,
    /// Thread that had it last: what it knows is still near that one's processor.
    last: usize,
    /// Work on the board that nobody has taken, in packets.
    waiting: usize,
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
    spare: Lists,
    /// What the packets said, in order.
    events: Vec<Vec<Stamped>>,
    health: Option<Health>,
}

impl Task {
    pub(super) fn run(&mut self) {
        if let Some(round) = self.round.take() {
            let (spare, events) = (&mut self.spare, &mut self.events);
            let mut list = spare.take();
            self.worker.swap_events(&mut list);
            spare.keep(list);
            self.health = round.read(self.shard, &mut self.worker, |worker| {
                if worker.events_waiting() >= LIST_EVENTS {
                    let mut list = spare.take();
                    worker.swap_events(&mut list);
                    events.push(list);
                }
            });
            let last = self.worker.take_events();
            if last.is_empty() { spare.keep(last) } else { events.push(last) }
        }
    }
}

impl Board {
    pub(super) fn new(workers: impl Iterator<Item = Worker>, threads: usize) -> Board {
        let lane = |worker| Lane { worker: Some(Box::new(worker)), next: 0, last: 0, waiting: 0 };
        Board {
            lanes: workers.map(lane).collect(),
            rounds: VecDeque::new(),
            first: 0,
            spare: (0..threads).map(|_| Lists::default()).collect(),
            spare_rounds: Vec::new(),
            // The caller's thread reads, and has enough to do.
            folder: 1,
            folding: false,
            health: Health::default(),
            waiting: 0,
            closed: false,
            broken: false,
        }
    }

    /// How many rounds are under way.
    pub(super) fn under_way(&self) -> usize {
        self.rounds.len()
    }

    pub(super) fn put_up(&mut self, round: Round) {
        let done = Done::default();
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            lane.waiting += round.work_for(shard);
        }
        let left = (0..SHARDS).filter(|shard| round.concerns(*shard)).count();
        self.rounds.push_back(UnderWay { round: Arc::new(round), done, left });
    }

    /// Has all that was put up been read?
    pub(super) fn is_read(&self) -> bool {
        self.rounds.iter().all(|under_way| under_way.left == 0)
    }

    /// Has all that was put up been folded?
    pub(super) fn is_settled(&self) -> bool {
        self.rounds.is_empty() && !self.folding
    }

    /// The oldest round for the thread to fold, if all its parts are done and it is this thread's
    /// turn: it folded last, has nothing else to do, or there are too many.
    pub(super) fn take_whole(&mut self, thread: usize, idle: bool) -> Option<Whole> {
        if self.folding || self.rounds.front()?.left > 0 {
            return None;
        }
        if thread != self.folder && !idle && self.whole() < LATE_ROUNDS {
            return None;
        }
        let UnderWay { round, done, .. } = self.rounds.pop_front()?;
        self.first += 1;
        (self.folder, self.folding) = (thread, true);
        // Tasks let go of it before they are put back.
        let round = Arc::try_unwrap(round).unwrap_or_default();
        Some(Whole { round, done })
    }

    /// Are there so many rounds to be folded that nobody needs to make more of them?
    pub(super) fn has_enough_whole(&self) -> bool {
        self.whole() >= ENOUGH_ROUNDS
    }

    /// Rounds to be folded.
    fn whole(&self) -> usize {
        self.rounds.iter().take_while(|one| one.left == 0).count()
    }

    /// Takes back a round that was folded. True when somebody waits.
    pub(super) fn put_away(&mut self, whole: Whole) -> bool {
        let Whole { mut round, done } = whole;
        self.folding = false;
        for (list, maker) in done.events.into_iter().zip(done.makers) {
            self.spare[maker].keep(list);
        }
        done.health.into_iter().for_each(|part| add_health(&mut self.health, part));
        round.clear();
        self.spare_rounds.push(round);
        self.waiting > 0
    }

    /// One to be filled.
    pub(super) fn spare_round(&mut self) -> Round {
        self.spare_rounds.pop().unwrap_or_default()
    }

    /// What the workers said of their state since the last call.
    pub(super) fn take_health(&mut self) -> Health {
        std::mem::take(&mut self.health)
    }

    /// The oldest part that can be done now; of several about as old one whose shard the thread
    /// had last.
    pub(super) fn pick(&mut self, thread: usize) -> Option<Task> {
        let (number, shard) = self.oldest(thread)?;
        self.give(thread, number, shard)
    }

    /// The same, where others find plenty beside it.
    pub(super) fn pick_of_plenty(&mut self, thread: usize) -> Option<Task> {
        let (number, shard) = self.oldest(thread)?;
        let part = self.under_way_at(number)?.round.work_for(shard);
        // One shard keeps one thread busy, however much there is of it.
        let enough = PLENTY_PACKETS.max(part);
        let beside = self.lanes.iter().enumerate().filter(|(other, _)| *other != shard);
        let plenty: usize = beside.map(|(_, lane)| lane.waiting.min(enough)).sum();
        let others = self.spare.len() - 1;
        if plenty < enough * others { None } else { self.give(thread, number, shard) }
    }

    /// Will others soon look for work in vain?
    pub(super) fn is_hungry(&self) -> bool {
        let wanted = HUNGRY_PACKETS * (self.spare.len() - 1);
        self.lanes.iter().map(|lane| lane.waiting.min(wanted)).sum::<usize>() < wanted
    }

    fn under_way_at(&mut self, number: u64) -> Option<&mut UnderWay> {
        self.rounds.get_mut((number - self.first) as usize)
    }

    /// Number of the round and shard of the part that is next for the thread.
    fn oldest(&mut self, thread: usize) -> Option<(u64, usize)> {
        let (first, rounds) = (self.first, &self.rounds);
        let mut best = None;
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
                let age = (lane.next - first) / NEAR_ROUNDS;
                let this = (age, lane.last != thread, lane.next, shard);
                best = Some(best.map_or(this, |best| this.min(best)));
            }
        }
        best.map(|(.., number, shard)| (number, shard))
    }

    fn give(&mut self, thread: usize, number: u64, shard: usize) -> Option<Task> {
        let round = Arc::clone(&self.under_way_at(number)?.round);
        let lane = &mut self.lanes[shard];
        let worker = lane.worker.take()?;
        lane.waiting -= round.work_for(shard);
        Some(Task {
            shard,
            number,
            thread,
            worker,
            round: Some(round),
            spare: std::mem::take(&mut self.spare[thread]),
            events: Vec::new(),
            health: None,
        })
    }

    /// Takes back a part that is done. True when somebody who waits may have something to do.
    pub(super) fn put_back(&mut self, task: Task) -> bool {
        let Task { shard, number, thread, worker, mut spare, events, health, .. } = task;
        let at = (number - self.first) as usize;
        let under_way = &mut self.rounds[at];
        spare.0.append(&mut self.spare[thread].0);
        self.spare[thread] = spare;
        under_way.done.makers.extend(events.iter().map(|_| thread));
        under_way.done.of_each.push(events.len());
        under_way.done.events.extend(events);
        under_way.done.health.extend(health);
        under_way.left -= 1;
        let whole = under_way.left == 0;
        let lane = &mut self.lanes[shard];
        lane.worker = Some(worker);
        lane.next = number + 1;
        lane.last = thread;
        self.waiting > 0 && (whole || at + 1 < self.rounds.len())
    }

    /// A thread begins or ends to wait for a change.
    pub(super) fn waits(&mut self, change: isize) {
        self.waiting = self.waiting.saturating_add_signed(change);
    }

    /// Is there anybody who waits?
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// What the workers counted, who count no more.
    pub(super) fn take_messages(&mut self) -> Messages {
        let mut messages = Messages::default();
        let workers = self.lanes.iter_mut().filter_map(|lane| lane.worker.as_mut());
        workers.for_each(|worker| messages.append(worker.take_tally()));
        messages
    }

    pub(super) fn take_workers(&mut self) -> Vec<Worker> {
        self.lanes.iter_mut().filter_map(|lane| lane.worker.take()).map(|worker| *worker).collect()
    }

    /// All lists that were filled, which nobody fills any more.
    pub(super) fn take_lists(&mut self) -> Vec<Lists> {
        std::mem::take(&mut self.spare)
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
