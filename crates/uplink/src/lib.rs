//! What a sensor tells over a narrow line: differences of rows, packed, kept until they arrived.
//!
//! Both ends hold the rows as they were told last, so that a row told again costs what changed of
//! it. A *run* of a sensor is a row of *segments*, each of which begins with all rows and goes on
//! with *batches* of changes; one compressed stream goes through a segment. What an agent on a
//! host says is in [`host`]. Not here: processes, clocks, networks. Invariant: after the same
//! batches both ends hold the same rows.

mod beat;
mod diff;
pub mod host;
pub mod limits;
mod octets;
mod pack;
mod spool;
mod talk;
mod unpack;
mod value;

pub use octets::Malformed;
pub use pack::Packer;
pub use spool::{Head, Shelf, Spool, Tape};
pub use talk::{
    Frame, Have, PREAMBLE, Position, Said, UnknownPreamble, frame_of_batch, frame_of_head,
    take_frame, take_preamble,
};
pub use unpack::Unpacker;
