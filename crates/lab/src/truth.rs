//! Ground truth: what the plant holds and what happened, as `--labels` writes it.
//!
//! Invariant: times and frame numbers are taken from the frames written, not from intentions.

use crate::{
    net::{HostId, Nanos, Net},
    plant,
};
use model::{AssetClass, Mac, Purdue, Time};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Scenarios kept when a live run goes on for days.
pub const SCENARIOS_KEPT_MAX: usize = 1_000;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Labels {
    pub plant: String,
    pub seed: u64,
    pub start: Time,
    pub end: Time,
    pub packets: u64,
    /// TCP segments sent twice on purpose.
    pub retransmissions: u64,
    pub assets: Vec<AssetTruth>,
    pub scenarios: Vec<Label>,
}

/// A device and what it says of itself on the wire; `null` is what nothing tells.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AssetTruth {
    pub name: String,
    pub mac: Mac,
    pub ip: Ipv4Addr,
    pub vlan: u16,
    pub class: AssetClass,
    pub purdue: Option<Purdue>,
    pub vendor: String,
    pub model: Option<String>,
    pub order_number: Option<String>,
    pub firmware: Option<String>,
    pub serial: Option<String>,
    pub os: Option<String>,
    /// Protocols in which it says who it is.
    pub says: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Party {
    pub name: String,
    pub ip: Ipv4Addr,
    pub mac: Mac,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Label {
    pub name: String,
    pub start: Time,
    pub end: Time,
    pub actor: Party,
    pub targets: Vec<Party>,
    /// MITRE ATT&CK techniques; ICS matrix, Enterprise where ICS has none.
    pub techniques: Vec<String>,
    pub description: String,
    /// Ordinary work: a finding about it is for information, not an alarm.
    pub legitimate: bool,
    /// Detectors that should raise something about the actor or a target.
    pub expected_detectors: Vec<String>,
    /// Numbers of its first and last frame in the capture, from 1, and how many are its own.
    pub first_frame: u64,
    pub last_frame: u64,
    pub frames: u64,
}

/// What a scenario knows of itself before it has run.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    pub name: &'static str,
    pub actor: &'static str,
    pub targets: &'static [&'static str],
    pub techniques: &'static [&'static str],
    pub description: &'static str,
    pub legitimate: bool,
    pub expected: &'static [&'static str],
}

/// Collects the truth while the plant runs.
#[derive(Default)]
pub struct Recorder {
    labels: Vec<Label>,
    dropped: usize,
    pub packets: u64,
    last_at: Nanos,
}

impl Recorder {
    /// Begins a scenario; frames made under the returned mark belong to it.
    pub fn begin(&mut self, story: &Story, net: &Net, at: Nanos) -> usize {
        if self.labels.len() >= SCENARIOS_KEPT_MAX {
            self.labels.remove(0);
            self.dropped += 1;
        }
        let text = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
        self.labels.push(Label {
            name: story.name.to_owned(),
            start: Time(at),
            end: Time(at),
            actor: party(net, net.find(story.actor)),
            targets: story.targets.iter().map(|t| party(net, net.find(t))).collect(),
            techniques: text(story.techniques),
            description: story.description.to_owned(),
            legitimate: story.legitimate,
            expected_detectors: text(story.expected),
            first_frame: 0,
            last_frame: 0,
            frames: 0,
        });
        self.dropped + self.labels.len() - 1
    }

    /// Counts a frame that was written.
    pub fn written(&mut self, at: Nanos, mark: Option<usize>) {
        self.packets += 1;
        self.last_at = at;
        let index = mark.and_then(|m| m.checked_sub(self.dropped));
        let Some(label) = index.and_then(|i| self.labels.get_mut(i)) else { return };
        if label.frames == 0 {
            label.start = Time(at);
            label.first_frame = self.packets;
        }
        label.end = Time(at);
        label.last_frame = self.packets;
        label.frames += 1;
    }

    pub fn labels(&self, seed: u64, start: Nanos, net: &Net) -> Labels {
        Labels {
            plant: "Northbrook Bottling".to_owned(),
            seed,
            start: Time(start),
            end: Time(self.last_at),
            packets: self.packets,
            retransmissions: net.retransmissions,
            assets: plant::DEVICES.iter().map(truth).collect(),
            scenarios: self.labels.iter().filter(|l| l.frames > 0).cloned().collect(),
        }
    }
}

fn party(net: &Net, id: HostId) -> Party {
    let host = net.host(id);
    Party { name: host.name.to_owned(), ip: host.ip, mac: host.mac }
}

fn truth(device: &plant::Device) -> AssetTruth {
    let text = |t: Option<&str>| t.map(str::to_owned);
    AssetTruth {
        name: device.name.to_owned(),
        mac: Mac(device.mac),
        ip: device.ip(),
        vlan: device.vlan,
        class: device.class,
        purdue: device.purdue,
        vendor: device.vendor.to_owned(),
        model: text(device.model),
        order_number: text(device.order_number),
        firmware: text(device.firmware),
        serial: text(device.serial),
        os: text(device.os),
        says: device.says.iter().map(|s| (*s).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scenarios, world::World};

    #[test]
    fn a_live_run_of_days_keeps_the_last_scenarios_only() {
        let world = World::new(1, 0);
        let mut recorder = Recorder::default();
        let story = &scenarios::ALL[0].story;
        for i in 0..SCENARIOS_KEPT_MAX + 5 {
            let mark = recorder.begin(story, &world.net, i as Nanos);
            assert_eq!(mark, i);
            recorder.written(i as Nanos, Some(mark));
        }
        let labels = recorder.labels(1, 0, &world.net);
        assert_eq!(labels.scenarios.len(), SCENARIOS_KEPT_MAX);
        assert_eq!(labels.scenarios[0].start, Time(5));
    }
}
