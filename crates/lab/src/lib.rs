//! A simulated plant: a bottling line with its building, on a simulated network.
//!
//! Read [`process`] for the physics and [`net`] for frames and conversations. Not here: any
//! interface; frames go to a writer. Invariant: a seed gives the same bytes on every machine.

pub mod limits;
pub mod net;
pub mod process;
pub mod rng;
