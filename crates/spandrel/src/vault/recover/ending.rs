//! What ends a drill early: somebody at the keyboard, the machine, a terminal that is closed.
//!
//! Invariant: once it has begun to listen, a signal ends the isolated part and not this process,
//! which has a folder to remove and a report to write.

use crate::{complain, stop};
use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
    low_level::signal_name,
};
use std::{process::Child, thread::JoinHandle};

pub struct Ending(Signals);

impl Ending {
    pub fn listen() -> Result<Self> {
        let ignored = stop::ignored();
        let ours = [SIGHUP, SIGINT, SIGTERM];
        let ours = ours.into_iter().filter(|signal| !stop::is_in(ignored, *signal));
        Ok(Self(Signals::new(ours).context("cannot listen to signals")?))
    }

    /// From now on a signal kills this child.
    pub fn watch(self, child: &Child) -> Watch {
        let (pid, mut signals) = (Pid::from_child(child), self.0);
        let handle = signals.handle();
        let thread = std::thread::spawn(move || {
            let mut first = None;
            for signal in signals.forever() {
                first.get_or_insert(signal);
                // Nobody has waited for it, so the number is still its own if it has ended.
                if let Err(error) = kill_process(pid, Signal::KILL) {
                    complain(&format!("the isolated part cannot be ended: {error}"));
                }
            }
            first
        });
        Watch { handle, thread }
    }
}

/// To be ended before anybody waits for the child.
pub struct Watch {
    handle: Handle,
    thread: JoinHandle<Option<i32>>,
}

impl Watch {
    /// The signal that came. Later ones do nothing.
    pub fn end(self) -> Option<&'static str> {
        self.handle.close();
        let signal = self.thread.join().ok().flatten()?;
        Some(signal_name(signal).unwrap_or("a signal"))
    }
}
