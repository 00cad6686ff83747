//! ZigBee: networks, nodes and cluster commands, in ZEP over UDP or on a radio's link type.
//!
//! Read `wire` for the layers. Not here: decryption; Green Power. Invariant: a node has no
//! address of its own on the wire we see, so it is told by network and short address.

mod wire;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use ::wire::Reader;
use model::{OperationClass as Class, PointValue, Quality, Subject};
use wire::{Aps, Mac, Nwk, Zcl, zep};

pub struct ZigBee;
pub static ZIGBEE: ZigBee = ZigBee;

/// Linux' number for IEEE 802.15.4 frames; the link layer gives them under it.
const RADIO_FRAMES: u16 = 0x00f6;

static ABOUT: About = About {
    name: "zigbee",
    title: "ZigBee",
    specs: &[
        "IEEE 802.15.4-2020, 7",
        "ZigBee Alliance 05-3474-21 (network and application layers), 07-5123-06 (clusters)",
        "ZEP version 2 (UDP port 17754), as captured by sniffers",
    ],
    carriers: &[Carrier::Udp, Carrier::Ethertype(RADIO_FRAMES)],
    ports: &[17_754],
    groups: &[],
    depth: "associations, beacons, network commands, unencrypted clusters by command; node names, \
            attribute reports with values",
};

impl Protocol for ZigBee {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let known = match hint.carrier {
            Carrier::Udp => zep(head).is_some(),
            _ => Mac::parse(head).is_ok(),
        };
        if known { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Air>::default()
    }
}

const NODES_MAX: usize = 256;

#[derive(Default)]
struct Air {
    /// Nodes whose words were told: network and short address, attribute.
    told: Vec<(u16, u16, u16)>,
}

impl Dissector for Air {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("zigbee", 0..bytes.len());
        let frame = match segment.carrier {
            Carrier::Udp => zep(bytes).unwrap_or_default(),
            _ => bytes,
        };
        if !frame.is_empty() {
            match Mac::parse(frame) {
                Ok(mac) => self.frame(&mac, out),
                Err(_) if segment.missing > 0 => {}
                Err(_) => {
                    let says = "a frame shorter than its addresses";
                    out.violation("zigbee-too-short", says, "IEEE 802.15.4, 7.2");
                }
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Air {
    fn frame(&mut self, mac: &Mac<'_>, out: &mut Output) {
        let unit = u32::from(mac.source.unwrap_or(0xffff));
        match mac.kind {
            0 => out.operation(Op::notice(Class::Report, 0, "beacon").unit(unit)),
            1 if mac.secured => {
                out.operation(Op::notice(Class::Other, 1, "encrypted frame").unit(unit));
            }
            1 => {
                if let Ok(nwk) = Nwk::parse(mac.payload) {
                    self.network(mac.network, &nwk, out);
                }
            }
            3 => command(mac.payload, unit, out),
            _ => {}
        }
    }

    fn network(&mut self, network: u16, nwk: &Nwk<'_>, out: &mut Output) {
        let unit = u32::from(nwk.source);
        if nwk.secured {
            let op = Op::notice(Class::Other, 0, "encrypted network frame");
            return out.operation(op.unit(unit));
        }
        if nwk.command {
            let (class, name) = match nwk.payload.first() {
                Some(1) => (Class::Session, "route request"),
                Some(2) => (Class::Session, "route reply"),
                Some(3) => (Class::Report, "network status"),
                Some(4) => (Class::Configure, "leave"),
                Some(5) => (Class::Session, "route record"),
                Some(6) => (Class::Session, "rejoin request"),
                Some(7) => (Class::Session, "rejoin response"),
                Some(8) => (Class::Session, "link status"),
                Some(9 | 10) => (Class::Configure, "network report or update"),
                _ => (Class::Other, "network command"),
            };
            let number = u32::from(nwk.payload.first().copied().unwrap_or_default());
            return out.operation(Op::notice(class, number, name).unit(unit));
        }
        let Ok(aps) = Aps::parse(nwk.payload) else { return };
        match aps.kind {
            0 if aps.secured => {
                let op = Op::notice(Class::Other, 0, "encrypted application frame");
                out.operation(op.unit(unit));
            }
            // Profile 0 is the device profile: discovery and binding.
            0 if aps.profile == 0 => device_profile(&aps, unit, out),
            0 => self.cluster((network, nwk.source), &aps, out),
            1 => {
                let op = Op::notice(Class::Authenticate, 1, "key or device command");
                out.operation(op.unit(unit));
            }
            _ => {}
        }
    }

    fn cluster(&mut self, node: (u16, u16), aps: &Aps<'_>, out: &mut Output) {
        let Ok(zcl) = Zcl::parse(aps.payload) else { return };
        let (class, name) = meaning(aps.cluster, &zcl);
        let function = u32::from(aps.cluster) << 8 | u32::from(zcl.command);
        let op = match (zcl.from_server, zcl.global, zcl.command) {
            // Command, and what came of it (ZCL, 2.5.12).
            (_, true, 0x0b) => match zcl.payload.get(1) {
                Some(status @ 1..) => {
                    let op = Op::response(class, function, name);
                    op.refused(u32::from(*status), "cluster command refused")
                }
                _ => Op::response(class, function, name).done(),
            },
            (_, true, 1 | 4 | 7 | 9 | 0x0d | 0x10) => Op::response(class, function, name).done(),
            (_, true, 0x0a) => Op::notice(class, function, name),
            (true, false, _) => Op::notice(class, function, name),
            _ => Op::request(class, function, name),
        };
        out.operation(op.range("cluster", u32::from(aps.cluster), 0, 1).unit(node.1.into()));
        if zcl.global && matches!(zcl.command, 1 | 0x0a) {
            self.attributes(node, aps.cluster, &zcl, out);
        }
    }

    /// Answers to reads have a status behind the attribute, reports have none.
    fn attributes(&mut self, node: (u16, u16), cluster: u16, zcl: &Zcl<'_>, out: &mut Output) {
        const ATTRIBUTES_MAX: usize = 32;
        let mut r = Reader::new(zcl.payload);
        for _ in 0..ATTRIBUTES_MAX {
            let Ok(attribute) = r.le16() else { return };
            if zcl.command == 1 {
                match r.u8() {
                    Ok(0) => {}
                    Ok(_) => continue,
                    Err(_) => return,
                }
            }
            let Some(value) = r.u8().ok().and_then(|kind| wire::value(kind, &mut r)) else {
                return;
            };
            match value {
                PointValue::Text(text) if cluster == 0 => self.tell(node, attribute, &text, out),
                PointValue::Text(_) => {}
                value if cluster != 0 && out.values_wanted => {
                    let (_, address) = node;
                    let point = format!("0x{address:04x}/{cluster:04x}/{attribute:04x}");
                    out.value(point, value, (None, Quality::Good));
                }
                _ => {}
            }
        }
    }

    /// Basic cluster: maker, model, version.
    fn tell(&mut self, (network, node): (u16, u16), attribute: u16, text: &str, out: &mut Output) {
        let what = match attribute {
            4 => "vendor",
            5 => "model",
            0x4000 => "firmware",
            _ => return,
        };
        let key = (network, node, attribute);
        if self.told.contains(&key) {
            return;
        }
        if self.told.len() >= NODES_MAX {
            return out.limit("zigbee-nodes");
        }
        self.told.push(key);
        let says = format!("network 0x{network:04x} node 0x{node:04x}: {what} {text}");
        out.attribute(Subject::Sender, "basic cluster", ("zigbee_node", &says), 60);
    }
}

/// MAC commands (IEEE 802.15.4, 7.5).
fn command(payload: &[u8], unit: u32, out: &mut Output) {
    let number = payload.first().copied().unwrap_or_default();
    let (class, name) = match number {
        1 => (Class::Session, "association request"),
        2 => (Class::Session, "association response"),
        3 => (Class::Session, "disassociation"),
        4 => (Class::Session, "data request"),
        5 => (Class::Report, "network id conflict"),
        6 => (Class::Report, "orphan"),
        7 => (Class::Browse, "beacon request"),
        8 => (Class::Configure, "coordinator realignment"),
        _ => (Class::Other, "command"),
    };
    out.operation(Op::notice(class, u32::from(number), name).unit(unit));
}

/// ZigBee Device Profile by cluster: requests, and answers with bit 15.
fn device_profile(aps: &Aps<'_>, unit: u32, out: &mut Output) {
    let (class, name) = match aps.cluster & 0x7fff {
        0x0000..=0x001f => (Class::Browse, "device and service discovery"),
        0x0020..=0x002f => (Class::Configure, "binding"),
        0x0030..=0x0033 => (Class::Diagnose, "network management query"),
        0x0034 => (Class::Configure, "leave"),
        0x0036 => (Class::Configure, "permit joining"),
        0x0038 => (Class::Configure, "network update"),
        _ => (Class::Other, "device profile command"),
    };
    let function = u32::from(aps.cluster);
    out.operation(match aps.cluster & 0x8000 {
        0 => Op::request(class, function, name).unit(unit),
        _ => Op::response(class, function, name).unit(unit),
    });
}

fn meaning(cluster: u16, zcl: &Zcl<'_>) -> (Class, &'static str) {
    if zcl.global {
        return match zcl.command {
            0x00 | 0x01 => (Class::Read, "read attributes"),
            0x02..=0x05 => (Class::Write, "write attributes"),
            0x06 | 0x07 => (Class::Configure, "configure reporting"),
            0x08 | 0x09 => (Class::Diagnose, "read reporting configuration"),
            0x0a => (Class::Report, "report attributes"),
            0x0b => (Class::Report, "default response"),
            0x0c | 0x0d | 0x11..=0x16 => (Class::Browse, "discover attributes"),
            0x0e => (Class::Read, "read attributes structured"),
            0x0f | 0x10 => (Class::Write, "write attributes structured"),
            _ => (Class::Other, "general command"),
        };
    }
    match (cluster, zcl.command) {
        (0x0000, 0) => (Class::Reset, "reset to factory defaults"),
        (0x0003, _) => (Class::Diagnose, "identify"),
        (0x0004 | 0x0005, _) => (Class::Configure, "groups or scenes"),
        (0x0006, 0) => (Class::Write, "off"),
        (0x0006, 1) => (Class::Write, "on"),
        (0x0006, _) => (Class::Write, "toggle"),
        (0x0008, _) => (Class::Write, "level control"),
        // Devices ask now and then whether there is an image; blocks of it are an upgrade.
        (0x0019, 0..=2 | 8 | 9) => (Class::Diagnose, "look for over-the-air upgrade"),
        (0x0019, _) => (Class::FirmwareUpdate, "over-the-air upgrade"),
        (0x0101, 0) => (Class::Write, "lock door"),
        (0x0101, 1) => (Class::Write, "unlock door"),
        (0x0101, _) => (Class::Configure, "door lock"),
        (0x0102, _) => (Class::Write, "window covering"),
        (0x0201, _) => (Class::Write, "thermostat"),
        // Arming, panic and sirens are asked for by clients; what servers say are reports.
        (0x0501, _) if !zcl.from_server => (Class::Write, "intruder alarm: arm or call"),
        (0x0502, _) if !zcl.from_server => (Class::Write, "intruder alarm: warn"),
        (0x0500..=0x0502, _) => (Class::Report, "intruder alarm system"),
        (0x0700..=0x0704, _) => (Class::Read, "metering"),
        _ => (Class::Other, "cluster command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn means(cluster: u16, (from_server, global): (bool, bool), command: u8, class: Class) {
        let zcl = Zcl { global, from_server, command, payload: &[] };
        assert_eq!(meaning(cluster, &zcl).0, class, "command {command} of {cluster:#06x}");
    }

    #[test]
    fn who_looks_for_an_image_upgrades_nothing() {
        means(0x0019, (false, false), 1, Class::Diagnose);
        means(0x0019, (true, false), 2, Class::Diagnose);
        means(0x0019, (false, false), 3, Class::FirmwareUpdate);
        means(0x0019, (true, false), 5, Class::FirmwareUpdate);
    }

    #[test]
    fn alarms_are_armed_by_clients_and_reported_by_servers() {
        means(0x0501, (false, false), 0, Class::Write);
        means(0x0502, (false, false), 0, Class::Write);
        means(0x0500, (true, false), 0, Class::Report);
        means(0x0402, (false, true), 8, Class::Diagnose);
        means(0x0402, (false, true), 0x0f, Class::Write);
    }
}
