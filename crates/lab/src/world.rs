//! The clockwork: actors wake in time order, frames leave in time order.
//!
//! Not here: what actors do. Invariant: an actor woken at `t` makes no frame before `t`, so
//! everything earlier can be written; memory holds only the near future.

use crate::{
    net::{Nanos, Net, SECOND},
    plant::{self, program::Program},
    process::Process,
    rng::Rng,
    truth::Recorder,
};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

/// What all actors share.
pub struct World {
    pub net: Net,
    pub process: Process,
    pub recorder: Recorder,
    pub seed: u64,
    /// Controllers that are stopped.
    pub stopped: BTreeSet<&'static str>,
    /// What the mixing controller runs.
    pub program: Program,
}

/// Woken at a time, does its part, says when it wants to be woken again.
pub type Actor = Box<dyn FnMut(Nanos, &mut World) -> Option<Nanos>>;

impl World {
    pub fn new(seed: u64, start: Nanos) -> Self {
        let (hosts, gateway) = plant::hosts();
        World {
            net: Net::new(hosts, gateway, Rng::fork(seed, "net")),
            process: Process::new(seed, start),
            recorder: Recorder::default(),
            seed,
            stopped: BTreeSet::new(),
            program: Program::commissioned(
                Rng::fork(seed, "program"),
                plant::program::COMMISSIONED,
            ),
        }
    }

    /// Random numbers of the part called `name`.
    pub fn rng(&self, name: &str) -> Rng {
        Rng::fork(self.seed, name)
    }

    /// Sets a controller to stop or run, with what that does to its part of the process.
    pub fn set_running(&mut self, controller: &'static str, run: bool) {
        if run {
            self.stopped.remove(controller);
        } else {
            self.stopped.insert(controller);
        }
        match controller {
            "plc-mix-01" => self.process.mixing.running = run,
            "plc-past-01" => self.process.pasteuriser.running = run,
            "plc-pack-01" => self.process.line.packaging_enabled = run,
            "plc-fill-01" => self.process.line.filler_enabled = run,
            "plc-util-01" => self.process.utilities.boiler.enabled = run,
            _ => {}
        }
    }
}

/// Actors by the time they wake at.
pub struct Schedule {
    actors: Vec<Actor>,
    wakes: BinaryHeap<Reverse<(Nanos, usize)>>,
}

impl Schedule {
    /// Every actor begins within the first two seconds after `start`, spread by its number.
    pub fn new(actors: Vec<Actor>, start: Nanos) -> Self {
        let count = actors.len().max(1) as i64;
        let wakes = (0..actors.len())
            .map(|i| Reverse((start + 2 * SECOND * i as i64 / count, i)))
            .collect();
        Schedule { actors, wakes }
    }

    /// When the next actor wakes.
    pub fn next(&self) -> Option<Nanos> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Wakes the next actor, with the process brought to that moment.
    pub fn step(&mut self, world: &mut World) {
        let Some(Reverse((at, actor))) = self.wakes.pop() else { return };
        world.process.advance(at);
        if let Some(next) = (self.actors[actor])(at, world) {
            // An actor that asks for the past would stop the clock.
            self.wakes.push(Reverse((next.max(at + 1), actor)));
        }
    }
}
