//! Threads that share the work: whoever is free takes the oldest part nobody works on.
//!
//! Packets go out in rounds of one part for each shard. The caller's thread fills rounds, another
//! folds what came of them in their order; beside that both work on parts like the others, so no
//! thread waits while there is work. What one processor has written is far from another, so who
//! reads also works on much of what it read. Not here: what packets mean. Invariant: a shard sees
//! its packets in order and the fold sees whole rounds in order, so the number of threads changes
//! nothing, and only so many rounds are under way.

use crate::{
    Beside, CrewError, Outcome, SharedFold,
    board::{Board, Task, Whole},
    round::{Done, Lies, Round, Then},
    threads::{Given, Part, Threads},
};
use model::{Health, Time};
use sensor::{Packet, Worker, WorkerSettings, limits::SHARDS, shard_of, slices};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Rounds under way at most: a capture may hold one conversation alone for a long while, and the
/// others need to find work behind it.
const ROUNDS: usize = 32;

/// The board, and the bell that rings when something on it changes.
struct Yard {
    board: Mutex<Board>,
    changed: Condvar,
    fold: SharedFold,
}

pub struct Crew {
    yard: Arc<Yard>,
    /// With the caller's.
    number: usize,
    threads: Threads,
    /// Heard of once the helpers work no more.
    given: Option<Given<()>>,
    /// Frame at which all was reported last.
    reported: u64,
    /// Being filled.
    round: Round,
}

impl Crew {
    /// A crew of so many threads, of which the caller's is one.
    pub fn start(threads: usize, settings: WorkerSettings, fold: SharedFold) -> Crew {
        let worker = |own| Worker::new(WorkerSettings { shard: (own, SHARDS), ..settings });
        let board = Board::new((0..SHARDS).map(worker), threads);
        let yard = Arc::new(Yard { board: Mutex::new(board), changed: Condvar::new(), fold });
        let (number, threads, round) = (threads, Threads::default(), Round::default());
        Crew { yard, number, threads, given: None, reported: 0, round }
    }

    /// Called when there is work: a thread that begins by waiting is often woken on the processor
    /// of who wakes it, and shares that for milliseconds.
    fn call_helpers(&mut self) -> Result<(), CrewError> {
        if self.given.is_none() {
            self.threads = Threads::start(self.number - 1)?;
            let help = |number| -> Part<()> {
                let yard = Arc::clone(&self.yard);
                Box::new(move || help(&yard, number))
            };
            self.given = Some(self.threads.give(help));
        }
        Ok(())
    }

    /// Takes a packet and holds on to the block it lies in.
    pub fn push(&mut self, packet: &Packet<'_>, lies: Lies<'_>) -> Result<(), CrewError> {
        if !self.round.goes_on(packet) {
            self.send()?;
            self.catch_up()?;
        }
        self.round.take(packet, shard_of(packet.link, packet.data), lies);
        if self.round.is_full() {
            self.send()?;
            self.catch_up()?;
        }
        Ok(())
    }

    /// Works as long as that leaves the others enough, and in any case until there may be another
    /// round.
    fn catch_up(&mut self) -> Result<(), CrewError> {
        loop {
            let board = self.yard.board();
            let many = board.under_way() >= ROUNDS;
            if !many && board.is_hungry() {
                return Ok(());
            }
            drop(board);
            if !self.step(many)? {
                return Ok(());
            }
        }
    }

    /// Has counters of conversations that have been silent for long reported, stamped with `frame`.
    pub fn report_silent(&mut self, frame: u64) -> Result<(), CrewError> {
        self.round.then = Then::ReportSilent(frame);
        self.send()?;
        self.catch_up()
    }

    /// Waits for all that is under way; the counted messages, and what is `beside` that, are done
    /// while the counters of conversations are folded.
    pub fn finish(
        mut self,
        frame: u64,
        at: Time,
        beside: Beside<'_>,
    ) -> Result<Outcome, CrewError> {
        self.round.then = Then::GiveUp(frame, at);
        self.send()?;
        while !self.yard.board().is_read() {
            self.step(true)?;
        }
        let counted = self.yard.board().take_messages();
        for slice in slices(std::mem::replace(&mut self.reported, frame), frame) {
            self.round.then = Then::Report(frame, slice);
            self.send()?;
        }
        let messages = counted.into_rows();
        let mut more = true;
        while !self.yard.board().is_settled() {
            // What was reported and waits to be folded lies in memory: no more of it than needed.
            if more && self.yard.board().has_enough_whole() {
                more = beside(&messages);
            } else {
                self.step(true)?;
            }
        }
        self.dismiss();
        let mut board = self.yard.board();
        let mut outcome = Outcome::of(board.take_workers(), messages);
        outcome.remains.keep(board.take_lists());
        outcome.threads = std::mem::take(&mut self.threads);
        Ok(outcome)
    }

    /// Has all counters reported, slice by slice and stamped with `frame`, and waits for all that
    /// is under way; gives the state of all workers.
    pub fn tick(&mut self, frame: u64) -> Result<Health, CrewError> {
        self.report(frame)?;
        self.settle()?;
        Ok(self.yard.board().take_health())
    }

    fn report(&mut self, frame: u64) -> Result<(), CrewError> {
        for slice in slices(std::mem::replace(&mut self.reported, frame), frame) {
            self.catch_up()?;
            self.round.then = Then::Report(frame, slice);
            self.send()?;
        }
        Ok(())
    }

    /// Waits for all that is under way.
    fn settle(&mut self) -> Result<(), CrewError> {
        while !self.yard.board().is_settled() {
            self.step(true)?;
        }
        Ok(())
    }

    /// Puts the round on the board and begins another.
    fn send(&mut self) -> Result<(), CrewError> {
        let mut round = std::mem::take(&mut self.round);
        let filling = round.sort();
        let mut board = self.yard.board();
        board.put_up(round);
        self.round = board.spare_round().over(filling);
        let rings = board.has_waiting();
        drop(board);
        if rings {
            self.yard.changed.notify_all();
        }
        self.call_helpers()
    }

    /// Does something on the board, or waits for a change where no more is to be read since there
    /// are `many` rounds. Else only what leaves the others enough. False if there is nothing.
    fn step(&mut self, many: bool) -> Result<bool, CrewError> {
        let mut board = self.yard.board();
        if let Some(task) = if many { board.pick(0) } else { board.pick_of_plenty(0) } {
            drop(board);
            self.yard.work(task);
            return Ok(true);
        }
        if board.is_broken() {
            drop(board);
            self.dismiss();
            return Err(CrewError::Ended);
        }
        if !many {
            return Ok(false);
        }
        match board.take_whole(0, true) {
            Some(whole) => {
                drop(board);
                self.yard.fold(whole);
            }
            // The others may have done all there was since this thread last looked.
            None if board.is_settled() => return Ok(false),
            None => drop(self.yard.wait(board)),
        }
        Ok(true)
    }

    /// Sends the helpers home and waits until they work no more.
    fn dismiss(&mut self) {
        self.yard.board().close();
        self.yard.changed.notify_all();
        if let Some(given) = self.given.take() {
            if std::thread::panicking() {
                // This thread's own panic goes on.
                drop(given.all());
            } else {
                self.threads.wait(given);
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

    fn fold(&self, mut whole: Whole) {
        let Done { events, of_each, .. } = &mut whole.done;
        self.fold.lock().apply_all(events, of_each);
        let rings = self.board().put_away(whole);
        if rings {
            self.changed.notify_all();
        }
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
        if let Some(whole) = board.take_whole(number, false) {
            drop(board);
            yard.fold(whole);
        } else if let Some(task) = board.pick(number) {
            drop(board);
            yard.work(task);
        } else if let Some(whole) = board.take_whole(number, true) {
            drop(board);
            yard.fold(whole);
        } else if board.is_closed() {
            return;
        } else {
            board = yard.wait(board);
            continue;
        }
        board = yard.board();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_what_the_others_have_done_already() {
        let mut crew = Crew::start(2, WorkerSettings::default(), SharedFold::default());
        assert!(!crew.step(true).expect("no thread ended"), "nothing is under way");
        crew.round.then = Then::GiveUp(1, Time::from_secs(1));
        crew.send().expect("a thread starts");
        crew.settle().expect("no thread ended");
        assert!(!crew.step(true).expect("no thread ended"), "all of it is done");
    }
}
