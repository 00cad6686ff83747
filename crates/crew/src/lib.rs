//! Who does a sensor's work: one worker in the caller's thread, or several threads that share it.
//!
//! Read [`Hands`] first, then [`many`]. Not here: what packets mean (`sensor`), opening files and
//! interfaces. Invariant: the number of threads changes nothing of what is found.

mod board;
mod hands;
mod many;
mod reading;
mod round;
mod shared;
mod threads;

pub use hands::{Beside, Hands, MessageRows, Outcome, Remains};
pub use reading::{Counts, Reading, read_capture};
pub use round::Lies;
pub use shared::SharedFold;
pub use threads::{Part, Threads};

/// Why the work cannot go on.
#[derive(thiserror::Error, Debug)]
pub enum CrewError {
    #[error("cannot start a worker thread: {0}; fewer threads may do")]
    Start(#[from] std::io::Error),
    #[error("a worker thread ended before its packets did")]
    Ended,
}
