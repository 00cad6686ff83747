//! What the datagrams say of the devices of a segment: addresses, states, identity, mailboxes.
//!
//! Registers as in ETG.1000.4, 6 and the ESC data sheets. Invariant: a state is observed when it
//! changes and not otherwise.

use super::{
    limits::DEVICES_MAX,
    mailbox::Mailboxes,
    wire::{APRD, APWR, BWR, Datagram, FPRD, FPRW, FPWR, mailbox},
};
use crate::{Output, output::Op};
use model::{Bus, OperationClass, Place, Subject};
use std::collections::BTreeMap;

const STATION_ADDRESS: u16 = 0x0010;
const AL_CONTROL: u16 = 0x0120;
const AL_STATUS: u16 = 0x0130;
const EEPROM_CONTROL: u16 = 0x0502;
const EEPROM_DATA: u16 = 0x0508;
/// A state of a device in which process data is exchanged both ways.
const OPERATIONAL: u8 = 8;
/// Memory begins here; below are registers.
const MEMORY: u16 = 0x1000;

#[derive(Default)]
pub(super) struct Devices {
    devices: BTreeMap<u16, Device>,
    mailboxes: Mailboxes,
    /// All devices were operational, when last told.
    operational: Option<bool>,
}

#[derive(Default)]
struct Device {
    state: u8,
    /// Word of the EEPROM that was asked for.
    eeprom: Option<u32>,
    identity: [Option<u32>; 4],
}

impl Devices {
    pub(super) fn see(&mut self, datagram: &Datagram<'_>, out: &mut Output) {
        let Datagram { command, offset, data, .. } = *datagram;
        let worked = datagram.working_counter > 0;
        match (command, offset) {
            // The same datagram passes again behind the devices, worked on.
            (APWR, STATION_ADDRESS) if !worked => addressed(datagram, out),
            (APWR | FPWR | BWR, AL_CONTROL) if !worked => state_asked(datagram, out),
            (FPRD, AL_STATUS) if worked => self.state(datagram, out),
            (FPWR | APWR, EEPROM_CONTROL) => self.eeprom_asked(datagram),
            (FPRD | FPRW, EEPROM_DATA) if worked => self.eeprom(datagram, out),
            (FPRD | FPWR | FPRW, MEMORY..) => {
                let message = if data.len() > 6 { mailbox(data) } else { None };
                match message {
                    // A mailbox read out has worked; on the way to the device it has not yet.
                    Some(message) if worked || command == FPWR => {
                        let to_device = command == FPWR;
                        self.mailboxes.see(datagram.device, &message, (to_device, worked), out);
                    }
                    _ => cyclic(command, out),
                }
            }
            _ => cyclic(command, out),
        }
    }

    fn device(&mut self, address: u16, out: &mut Output) -> Option<&mut Device> {
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(&address) {
            out.limit("ethercat-devices");
            return None;
        }
        Some(self.devices.entry(address).or_default())
    }

    /// AL status: what state a device is in, and whether it signals an error.
    fn state(&mut self, datagram: &Datagram<'_>, out: &mut Output) {
        let Some(&status) = datagram.data.first() else { return };
        let address = datagram.device;
        let Some(device) = self.device(address, out) else { return };
        if std::mem::replace(&mut device.state, status) == status {
            return cyclic(datagram.command, out);
        }
        let error = if status & 0x10 == 0 { "" } else { ", error" };
        let value = format!("device {address}: {}{error}", state_name(status));
        out.state(Subject::Sender, "ethercat-state", &value);
        let known = || self.devices.values().filter(|d| d.state != 0);
        let operational = known().all(|d| d.state & 0x0f == OPERATIONAL);
        if self.operational.replace(operational) != Some(operational) {
            let mode = if operational { "run" } else { "stop" };
            out.state(Subject::Sender, "mode", mode);
        }
    }

    fn eeprom_asked(&mut self, datagram: &Datagram<'_>) {
        let &[_, control, a, b, c, d, ..] = datagram.data else { return };
        // Command 1 reads; addresses count words.
        let word = (control & 7 == 1).then(|| u32::from_le_bytes([a, b, c, d]));
        if let Some(device) = self.devices.get_mut(&datagram.device) {
            device.eeprom = word;
        } else if self.devices.len() < DEVICES_MAX {
            let device = Device { eeprom: word, ..Device::default() };
            self.devices.insert(datagram.device, device);
        }
    }

    /// Words 8 to 15 of the EEPROM: vendor, product, revision, serial (ETG.1000.6, table 16).
    fn eeprom(&mut self, datagram: &Datagram<'_>, out: &mut Output) {
        let address = datagram.device;
        let Some(device) = self.device(address, out) else { return };
        let Some(word @ (8 | 10 | 12 | 14)) = device.eeprom.take() else { return };
        let first = (word.saturating_sub(8) / 2) as usize;
        let (chunks, _) = datagram.data.as_chunks::<4>();
        let slots = device.identity.iter_mut().skip(first);
        for (slot, octets) in slots.zip(chunks) {
            *slot = Some(u32::from_le_bytes(*octets));
        }
        identity(address, "EtherCAT EEPROM", &device.identity, out);
    }
}

/// A device of the segment, by the address its master gave it.
pub(super) fn station(address: u16) -> Subject {
    Subject::BehindSender(Place::Station { bus: Bus::Ethercat, number: address.into() })
}

/// What is known of a device by its numbers.
pub(super) fn identity(
    address: u16,
    said_in: &'static str,
    [vendor, product, revision, serial]: &[Option<u32>; 4],
    out: &mut Output,
) {
    let hex = |n: &Option<u32>| n.map(|n| format!("0x{n:08x}")).unwrap_or_default();
    let name = vendor.and_then(vendor_name).unwrap_or_default();
    let serial = serial.filter(|s| *s != 0).map(|s| s.to_string()).unwrap_or_default();
    out.identity(
        station(address),
        said_in,
        [
            ("vendor", name.to_owned()),
            ("vendor_id", hex(vendor)),
            ("product_code", hex(product)),
            ("revision", hex(revision)),
            ("serial", serial),
        ],
    );
}

/// Vendors by their number at the EtherCAT Technology Group.
const fn vendor_name(id: u32) -> Option<&'static str> {
    Some(match id {
        0x02 => "Beckhoff Automation",
        0x14 => "KEB Automation",
        0x16 => "KEBA",
        0x17 => "esd electronics",
        0x1b => "HMS Industrial Networks",
        0x1d => "Festo",
        0x21 => "WAGO",
        0x24 => "Bosch Rexroth",
        0x3b => "Lenze",
        0x44 => "Hilscher",
        0x59 => "SEW-Eurodrive",
        0x6a => "Kollmorgen",
        0x83 => "Omron",
        0x84 => "Phoenix Contact",
        0x9a => "Elmo Motion Control",
        0x9c => "Turck",
        0xab => "Copley Controls",
        0xad => "Pepperl+Fuchs",
        0xb7 => "ABB",
        0xb9 => "Stöber Antriebstechnik",
        0xfb => "maxon",
        0x114 => "SMC",
        0x1b9 => "Sanyo Denki",
        0x1dd => "Delta Electronics",
        0x26c => "Nanotec",
        0x286 => "Trinamic",
        0x2be => "Oriental Motor",
        0x539 => "Yaskawa",
        0x541 => "Keyence",
        0x66f => "Panasonic",
        0x691 => "Fanuc",
        0x22d2 => "Synapticon",
        0x0100_0056 => "SICK",
        0x0100_0089 => "Parker Hannifin",
        0x0100_00e8 => "Balluff",
        0x0800_005a => "Schneider Electric",
        _ => return None,
    })
}

fn addressed(datagram: &Datagram<'_>, out: &mut Output) {
    let op = Op::request(OperationClass::Session, u32::from(APWR), "set station address");
    let position = 0u16.wrapping_sub(datagram.device);
    out.operation(op.range("position", 0, u32::from(position), 1));
}

/// AL control: what state a device, or all, shall be in.
fn state_asked(datagram: &Datagram<'_>, out: &mut Output) {
    let Some(&wanted) = datagram.data.first() else { return };
    let (class, name) = match wanted & 0x0f {
        // A master walks its devices through these when it starts; what became of them is told by
        // the state they report.
        1 => (OperationClass::Session, "go to init"),
        2 => (OperationClass::Session, "go to pre-operational"),
        3 => (OperationClass::FirmwareUpdate, "go to bootstrap"),
        4 => (OperationClass::Session, "go to safe-operational"),
        8 => (OperationClass::Session, "go to operational"),
        _ => (OperationClass::Session, "acknowledge state error"),
    };
    let op = Op::request(class, u32::from(datagram.command), name);
    out.operation(match datagram.command {
        BWR => op,
        _ => op.range("device", 0, u32::from(datagram.device), 1),
    });
}

const fn state_name(status: u8) -> &'static str {
    match status & 0x0f {
        1 => "init",
        2 => "pre-operational",
        3 => "bootstrap",
        4 => "safe-operational",
        8 => "operational",
        _ => "unknown",
    }
}

/// Everything cyclic, by the name of its command.
fn cyclic(command: u8, out: &mut Output) {
    use OperationClass::{Other, Report, TimeSync};
    let (class, name) = match command {
        0 => (Other, "NOP"),
        APRD => (Report, "APRD"),
        APWR => (Report, "APWR"),
        3 => (Report, "APRW"),
        FPRD => (Report, "FPRD"),
        FPWR => (Report, "FPWR"),
        FPRW => (Report, "FPRW"),
        7 => (Report, "BRD"),
        BWR => (Report, "BWR"),
        9 => (Report, "BRW"),
        10 => (Report, "LRD"),
        11 => (Report, "LWR"),
        12 => (Report, "LRW"),
        13 => (TimeSync, "ARMW"),
        14 => (TimeSync, "FRMW"),
        _ => {
            let says = "a command that is reserved";
            return out.violation("ethercat-command-reserved", says, "ETG.1000.4, 5.4.1");
        }
    };
    // The distributed clock is read and written on in every cycle; that sets no one's time anew.
    let class = if class == TimeSync { Report } else { class };
    out.operation(Op::notice(class, u32::from(command), name));
}

#[cfg(test)]
mod tests {
    use super::vendor_name;

    #[test]
    fn vendors_have_the_numbers_of_the_technology_group() {
        let names = [0x02, 0x17, 0x1b, 0xab, 0xb7, 0xfb, 0x0800_005a].map(vendor_name);
        let expected = [
            "Beckhoff Automation",
            "esd electronics",
            "HMS Industrial Networks",
            "Copley Controls",
            "ABB",
            "maxon",
            "Schneider Electric",
        ];
        assert_eq!(names, expected.map(Some));
        assert_eq!(vendor_name(0x66), None);
    }
}
