//! What goes wrong, and the engineering change that is right. Each scenario is a script whose
//! steps the director plays one after the other, with its frames marked for the ground truth.
//!
//! Invariant: after a scenario the plant can go on: what was stopped runs, so they can repeat.

mod control;
mod hosts;
mod strangers;

use crate::{
    net::{Nanos, SECOND},
    run::Options,
    truth::Story,
    world::{Actor, World},
};

/// A script: does step `n` at its time and says when the next is due; `None` ends it.
pub type Script = Box<dyn FnMut(u32, Nanos, &mut World) -> Option<Nanos>>;

/// A scenario by name.
pub struct Scenario {
    pub story: Story,
    script: fn(&World) -> Script,
}

/// Every scenario, in the order of the demonstration.
pub static ALL: &[&Scenario] = &[
    &control::ENGINEERING_CHANGE,
    &hosts::SCAN,
    &strangers::ROGUE_WRITER,
    &control::CONTROLLER_STOP,
    &control::PROGRAM_DOWNLOAD,
    &strangers::NEW_DEVICE,
    &hosts::INTERNET_BEACON,
    &hosts::CLEARTEXT_LOGIN,
    &control::FIRMWARE_UPDATE,
    &strangers::MALFORMED,
    &hosts::PASSWORD_GUESS,
    &strangers::ARP_SPOOF,
];

impl Scenario {
    pub fn find(name: &str) -> Option<&'static Scenario> {
        ALL.iter().find(|s| s.story.name == name).copied()
    }
}

/// Rest between two scenarios.
const PAUSE: Nanos = 20 * SECOND;

/// Plays the scenarios of a run, one after the other.
pub fn director(options: &Options) -> Option<Actor> {
    let list = options.scenarios.clone();
    if list.is_empty() {
        return None;
    }
    let (first, repeat) = (options.start + options.quiet, options.repeat);
    let mut turn = 0;
    let mut playing: Option<(Script, usize, u32)> = None;
    Some(Box::new(move |at, world| {
        if at < first {
            return Some(first);
        }
        if playing.is_none() {
            let scenario = list.get(turn % list.len()).filter(|_| repeat || turn < list.len())?;
            let mark = world.recorder.begin(&scenario.story, &world.net, at);
            playing = Some(((scenario.script)(world), mark, 0));
            turn += 1;
        }
        let (script, mark, step) = playing.as_mut()?;
        world.net.mark = Some(*mark);
        let next = script(*step, at, world);
        world.net.mark = None;
        *step += 1;
        if next.is_none() {
            playing = None;
        }
        Some(next.unwrap_or(at + PAUSE))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_party_is_a_host() {
        let world = World::new(1, 0);
        for scenario in ALL {
            let story = &scenario.story;
            world.net.find(story.actor);
            story.targets.iter().for_each(|t| {
                world.net.find(t);
            });
            assert_eq!(ALL.iter().filter(|s| s.story.name == story.name).count(), 1);
            assert!(story.techniques.iter().all(|t| t.starts_with('T')), "{}", story.name);
        }
    }
}
