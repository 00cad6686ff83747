//! A vault at another place: guarded by a server, filled by a push, copied by a mirror.
//!
//! Everything here works on a copy of a vault and holds no key of it: objects are named by the
//! SHA-256 of their bytes and the log is signed, so a copy is proved without decryption. Not
//! here: HTTP (in `connectors`). Read `name`, `inbox`, `copy`, then [`house`] for the
//! server, [`pull`] and [`push`] for the two ways of copying. Invariant: nothing that another
//! machine sends removes or changes a byte that this site has taken in.

pub mod asked;
pub mod bucket;
mod copy;
mod denial;
mod failback;
pub mod house;
mod inbox;
pub mod journal;
mod lock;
pub mod name;
pub mod pace;
mod patience;
mod promote;
pub mod pull;
pub mod push;
mod refusal;
pub mod role;
mod seal;
pub mod seed;
mod standing;
pub mod takeover;
#[cfg(test)]
mod tests;
mod view;
mod wanted;

pub use asked::{Asked, Verb, What};
pub use copy::{LogCopy, Rewritten};
pub use failback::{Failback, FailedBack, hand_over};
pub use house::{House, Options, Taken, Upload};
pub use inbox::{Inbox, Mismatch, Part};
pub use journal::{Journal, Noted};
pub use name::{Kind, Name};
pub use pace::{Calendar, Clock, Pace, Window};
pub use promote::promote;
pub use pull::{Fetched, Mirror, Mirrored, Origin, Progress};
pub use push::{Grown, Held, Push, Pushed, Sent, Target};
pub use refusal::{Answer, Refusal};
pub use role::{Client, Clients, Role};
pub use seal::Seal;
pub use takeover::{Fence, Takeover, unfence};
pub use view::{View, view};

/// Where a site keeps its own things in a directory it guards: journal, key, unfinished objects.
pub const SITE: &str = ".site";

/// Marks a vault as a copy. Its log is written by copying alone; with the key it can be read and
/// restored, not changed.
pub const REPLICA: &str = ".replica";
