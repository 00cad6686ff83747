//! Threads that share the work: whoever is free takes the oldest part nobody works on.
//!
//! Packets go out in rounds of one part for each shard. The caller's thread fills rounds and folds
//! what came of them in their order; while it can do neither it works on a part like the others,
//! so no thread waits while there is work. Not here: what packets mean. Invariant: a shard sees its
//! packets in order and the fold sees whole rounds in order, so the number of threads changes
//! nothing, and only so many rounds are under way.

use crate::{
    CrewError,
    board::{Board, Task},
    round::{Lies, Round, Then},
};
use model::{Health, Time};
use sensor::{
    Packet, Stamped, Worker, WorkerSettings, add_health, limits::SHARDS, shard_of, slices,
};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

/// Rounds under way at most: a capture may hold one conversation alone for a long while, and the
/// others need to find work behind it.
const ROUNDS: usize = 32;

/// The board, and the bell that rings when something on it changes.
struct Yard {
    board: Mutex<Board>,
    changed: Condvar,
}

pub struct Crew {
    yard: Arc<Yard>,
    /// With the caller's.
    threads: usize,
    helpers: Vec<JoinHandle<()>>,
    /// Frame at which all was reported last.
    reported: u64,
    /// Being filled.
    round: Round,
    /// Come back and to be used again.
    spare: Vec<Round>,
}

/// What the caller's thread found to do.
enum Step {
    /// A round, of which the workers said this of their state.
    Folded(Vec<Health>),
    Worked,
    Idle,
}

impl Crew {
    /// A crew of so many threads, of which the caller's is one.
    pub fn start(threads: usize, settings: WorkerSettings) -> Crew {
        let worker = |own| Worker::new(WorkerSettings { shard: (own, SHARDS), ..settings });
        let board = Board::new((0..SHARDS).map(worker), threads);
        let yard = Arc::new(Yard { board: Mutex::new(board), changed: Condvar::new() });
        Crew {
            yard,
            threads,
            helpers: Vec::new(),
            reported: 0,
            round: Round::default(),
            spare: Vec::new(),
        }
    }

    /// Called when there is work: a thread that begins by waiting is often woken on the processor
    /// of who wakes it, and shares that for milliseconds.
    fn call_helpers(&mut self) -> Result<(), CrewError> {
        for number in self.helpers.len() + 1..self.threads {
            let yard = Arc::clone(&self.yard);
            let helper = std::thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || help(&yard, number))?;
            self.helpers.push(helper);
        }
        Ok(())
    }

    /// Takes a packet and holds on to the block it lies in; gives events that have come back to
    /// `fold`.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        lies: Lies<'_>,
        fold: &mut impl FnMut(&mut [Vec<Stamped>]),
    ) -> Result<(), CrewError> {
        if !self.round.goes_on(packet) {
            self.send()?;
            self.catch_up(fold)?;
        }
        self.round.take(packet, shard_of(packet.link, packet.data), lies);
        if self.round.is_full() {
            self.send()?;
            self.catch_up(fold)?;
        }
        Ok(())
    }

    /// Folds what is whole, as long as it is near; works as long as that leaves the others enough,
    /// and in any case until there may be another round.
    fn catch_up(&mut self, fold: &mut impl FnMut(&mut [Vec<Stamped>])) -> Result<(), CrewError> {
        loop {
            let board = self.yard.board();
            let many = board.under_way() >= ROUNDS;
            if !many && board.is_hungry() {
                return Ok(());
            }
            drop(board);
            if matches!(self.step(fold, many)?, Step::Idle) {
                return Ok(());
            }
        }
    }

    /// Waits for all that is under way, with counters stamped with `frame`; gives the state of
    /// all workers.
    pub fn tick(
        &mut self,
        frame: u64,
        fold: &mut impl FnMut(&mut [Vec<Stamped>]),
    ) -> Result<Health, CrewError> {
        self.report(frame, fold)
    }

    /// Waits for all that is under way and gives the workers back.
    pub fn finish(
        mut self,
        frame: u64,
        at: Time,
        fold: &mut impl FnMut(&mut [Vec<Stamped>]),
    ) -> Result<Vec<Worker>, CrewError> {
        self.round.then = Then::GiveUp(frame, at);
        self.send()?;
        self.report(frame, fold)?;
        let workers = self.yard.board().take_workers();
        self.dismiss();
        Ok(workers)
    }

    /// Has all counters reported, slice by slice, and waits for the last.
    fn report(
        &mut self,
        frame: u64,
        fold: &mut impl FnMut(&mut [Vec<Stamped>]),
    ) -> Result<Health, CrewError> {
        for slice in slices(std::mem::replace(&mut self.reported, frame), frame) {
            self.catch_up(fold)?;
            self.round.then = Then::Report(frame, slice);
            self.send()?;
        }
        let mut health = Health::default();
        while self.yard.board().under_way() > 0 {
            if let Step::Folded(said) = self.step(fold, true)? {
                said.into_iter().for_each(|part| add_health(&mut health, part));
            }
        }
        Ok(health)
    }

    /// Puts the round on the board and begins another.
    fn send(&mut self) -> Result<(), CrewError> {
        let next = self.spare.pop().unwrap_or_default();
        let round = std::mem::replace(&mut self.round, next);
        let mut board = self.yard.board();
        board.put_up(round);
        let rings = board.has_waiting();
        drop(board);
        if rings {
            self.yard.changed.notify_all();
        }
        self.call_helpers()
    }

    /// Folds the oldest round if it is whole, else works on a part. No more is to be read where
    /// there are `many`: then it works on any part and waits for a change where there is none.
    /// Else it works only on one that leaves the others enough.
    fn step(
        &mut self,
        fold: &mut impl FnMut(&mut [Vec<Stamped>]),
        many: bool,
    ) -> Result<Step, CrewError> {
        let mut board = self.yard.board();
        if let Some((round, mut done)) = board.take_whole() {
            drop(board);
            fold(&mut done.events);
            self.spare.push(round);
            self.yard.board().give_back(done.events, &done.makers);
            return Ok(Step::Folded(done.health));
        }
        if let Some(task) = if many { board.pick(0) } else { board.pick_of_plenty(0) } {
            drop(board);
            self.yard.work(task);
            return Ok(Step::Worked);
        }
        if board.is_broken() {
            drop(board);
            self.dismiss();
            return Err(CrewError::Ended);
        }
        if !many {
            return Ok(Step::Idle);
        }
        drop(self.yard.wait(board));
        Ok(Step::Worked)
    }

    /// Sends the helpers home and waits until they are gone.
    fn dismiss(&mut self) {
        self.yard.board().close();
        self.yard.changed.notify_all();
        for helper in self.helpers.drain(..) {
            if let Err(panic) = helper.join()
                && !std::thread::panicking()
            {
                // A panic of ours is a bug; it goes on in this thread with its own words.
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.dismiss();
    }
}

impl Yard {
    /// Nobody panics while holding the board, so a poisoned one is whole.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, mut board: MutexGuard<'a, Board>) -> MutexGuard<'a, Board> {
        board.waits(1);
        let mut board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        board.waits(-1);
        board
    }

    fn work(&self, mut task: Task) {
        task.run();
        let rings = self.board().put_back(task);
        if rings {
            self.changed.notify_all();
        }
    }
}

/// What a helper does until it is sent home.
fn help(yard: &Yard, number: usize) {
    // Whoever waits for this thread must hear of its panic.
    struct Alarm<'a>(&'a Yard);
    impl Drop for Alarm<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.board().break_off();
                self.0.changed.notify_all();
            }
        }
    }
    let alarm = Alarm(yard);
    let mut board = alarm.0.board();
    loop {
        match board.pick(number) {
            Some(task) => {
                drop(board);
                yard.work(task);
                board = yard.board();
            }
            None if board.is_closed() => return,
            None => board = yard.wait(board),
        }
    }
}
