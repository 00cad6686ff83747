//! Threads that help: they are there from the first packet to the last line that tells of them.
//!
//! A thread takes time to begin and to end, and memory that one gave up is new to the next. Not
//! here: what they do. Invariant: what panics in a helper goes on, with its own words, in the
//! thread that waits for it.

use std::{
    collections::VecDeque,
    io,
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{Builder, JoinHandle},
};

/// What a helper does before it waits for more.
type Work = Box<dyn FnOnce() + Send>;

/// Work that gives something.
pub type Part<T> = Box<dyn FnOnce() -> T + Send>;

/// Helpers beside the caller's thread; without any the caller does all.
#[derive(Default)]
pub struct Threads {
    helpers: Vec<Helper>,
}

struct Helper {
    work: mpsc::Sender<Work>,
    thread: JoinHandle<()>,
}

/// What the helpers give, once they are done.
pub(super) struct Given<T>(Vec<mpsc::Receiver<T>>);

impl<T> Given<T> {
    /// Waits for all of it; nothing if one of them panicked.
    pub(super) fn all(self) -> Option<Vec<T>> {
        self.0.iter().map(|given| given.recv().ok()).collect()
    }
}

impl Threads {
    /// Helpers with the numbers from 1 to `others`.
    pub(super) fn start(others: usize) -> io::Result<Threads> {
        let start = |number: usize| {
            let (work, given) = mpsc::channel::<Work>();
            let thread = Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || given.into_iter().for_each(|work| work()))?;
            Ok(Helper { work, thread })
        };
        Ok(Threads { helpers: (1..=others).map(start).collect::<io::Result<_>>()? })
    }

    /// Gives each helper work, made of its number.
    pub(super) fn give<T: Send + 'static>(
        &self,
        mut part: impl FnMut(usize) -> Part<T>,
    ) -> Given<T> {
        let give = |(helper, number): (&Helper, usize)| {
            let (done, given) = mpsc::channel();
            let part = part(number);
            // Nobody waits any more where the caller panics, and where the helper is gone the
            // caller hears of it once it waits.
            drop(helper.work.send(Box::new(move || drop(done.send(part())))));
            given
        };
        Given(self.helpers.iter().zip(1..).map(give).collect())
    }

    /// Waits for what the helpers have to give.
    pub(super) fn wait<T>(&mut self, given: Given<T>) -> Vec<T> {
        given.all().unwrap_or_else(|| self.fail())
    }

    /// A helper ended before its work did.
    fn fail(&mut self) -> ! {
        for Helper { work, thread } in self.helpers.drain(..) {
            drop(work);
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
        unreachable!("helpers end when nobody can give them work, or by a panic");
    }

    /// Does all of it, each part by whichever thread is free; gives what came of it in their order.
    pub fn share<T: Send + 'static>(&mut self, parts: Vec<Part<T>>) -> Vec<T> {
        let left = Arc::new(Mutex::new(parts.into_iter().enumerate().collect::<VecDeque<_>>()));
        let work = move || {
            let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            std::iter::from_fn(next).map(|(place, part)| (place, part())).collect::<Vec<_>>()
        };
        let given = self.give(|_| Box::new(work.clone()));
        let mut made = work();
        made.extend(self.wait(given).into_iter().flatten());
        made.sort_by_key(|(place, _)| *place);
        made.into_iter().map(|(_, part)| part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn parts(count: u32) -> Vec<Part<u32>> {
        (0..count).map(|number| -> Part<u32> { Box::new(move || number) }).collect()
    }

    #[test]
    fn parts_come_back_in_their_order() {
        for others in [0, 1, 3] {
            let mut threads = Threads::start(others).expect("threads");
            for count in [0, 1, 40] {
                assert_eq!(threads.share(parts(count)), Vec::from_iter(0..count));
            }
        }
    }

    #[test]
    fn the_panic_of_a_helper_goes_on_in_the_caller() {
        let mut threads = Threads::start(2).expect("threads");
        let given = threads.give(|number| -> Part<()> { Box::new(move || assert!(number != 2)) });
        let panic = catch_unwind(AssertUnwindSafe(|| threads.wait(given))).expect_err("a panic");
        let says = panic.downcast_ref::<&str>().copied();
        assert_eq!(says, Some("assertion failed: number != 2"));
    }
}
