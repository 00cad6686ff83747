//! A simulated plant: a bottling line with its building, on a simulated network.
//!
//! Read [`process`] for the physics, [`plant`] for the devices, [`net`] for frames and
//! conversations, [`speak`] for the bytes, [`actors`] for who talks to whom, [`scenarios`] for
//! what goes wrong. Not here: any interface; frames go to a writer. Invariant: a seed gives the
//! same bytes on every machine.

pub mod actors;
pub mod limits;
pub mod net;
pub mod plant;
pub mod process;
pub mod rng;
mod run;
pub mod scenarios;
pub mod speak;
pub mod truth;
pub mod world;

pub use run::{DEFAULT_START, Error, Options, Pace, run};
pub use scenarios::Scenario;
pub use truth::Labels;
