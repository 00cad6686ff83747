//! The words of the control plane's own state: roles, triage, lifecycle, process states.
//!
//! Not here: what the sensors observe, which is `model`'s. Invariant: the word in JSON, in SQL and
//! on the command line is the same, and reading back what was written gives the same value.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words!(
    /// What a user or token may do; each role may do all that the one before it may.
    Role { Viewer = "viewer", Analyst = "analyst", Admin = "admin" }
);
words!(
    /// Where the triage of a finding stands.
    FindingStatus {
        Open = "open", Acknowledged = "acknowledged", InProgress = "in-progress",
        /// Done; the same facts open it again.
        Resolved = "resolved",
        /// Normal here: it stays closed when the same facts come again.
        Accepted = "accepted",
        /// The facts are not what it says; it stays closed.
        FalsePositive = "false-positive",
    }
);
words!(
    /// What the operator decided about an asset.
    Lifecycle {
        New = "new", Approved = "approved", Maintenance = "maintenance", Retired = "retired",
        Rejected = "rejected",
    }
);
words!(
    /// Where something was heard; of several the last says whose it is.
    Origin {
        /// In a capture, of which nobody knows whether it is of this site.
        Capture = "capture",
        /// In the simulated plant: its addresses lead nowhere, or to somebody else.
        Lab = "lab",
        Network = "network",
    }
);
words!(
    /// What a sensor's process is doing.
    SensorState {
        Starting = "starting", Running = "running",
        /// It ended and will be started again after a pause.
        Restarting = "restarting",
        /// It cannot run as things are; it is tried again, rarely.
        Failed = "failed",
        Stopped = "stopped",
    }
);
words!(
    /// How far a backup, verification, restore or clean-up is.
    RunState {
        Queued = "queued", Running = "running", Complete = "complete",
        /// It ended, and something is missing from it.
        Partial = "partial",
        Failed = "failed", Cancelled = "cancelled",
    }
);
words!(
    /// How far an uploaded capture is.
    CaptureState { Parsing = "parsing", Done = "done", Failed = "failed" }
);

impl FindingStatus {
    /// Does somebody still have to do something about it?
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::InProgress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_what_json_says() {
        fn check<T: Serialize + Copy>(all: &[T], word: impl Fn(T) -> &'static str) {
            for value in all {
                let json = serde_json::to_string(value).expect("plain enum");
                assert_eq!(json, format!("\"{}\"", word(*value)));
            }
        }
        check(Role::ALL, Role::word);
        check(FindingStatus::ALL, FindingStatus::word);
        check(Lifecycle::ALL, Lifecycle::word);
        check(Origin::ALL, Origin::word);
        check(SensorState::ALL, SensorState::word);
        check(RunState::ALL, RunState::word);
        check(CaptureState::ALL, CaptureState::word);
    }
}
