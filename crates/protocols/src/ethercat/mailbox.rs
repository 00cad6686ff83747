//! Mailbox protocols: objects (CoE), files (FoE), drives (SoE), ADS (AoE), Ethernet (EoE).
//!
//! ETG.1000.6, 5.6 to 5.9. Invariant: a message is told once, on the way on which the device has
//! worked on it, or on its way out where it is not seen coming back.

use super::{
    limits::{UPLOAD_OCTETS_MAX, UPLOADS_MAX},
    segment,
    wire::Mailbox,
};
use crate::{Output, output::Op, text::lossy};
use ::wire::{Reader, Short};
use model::{OperationClass, PointValue, Quality};
use std::collections::BTreeMap;

/// A mailbox error reply and what it answers.
const ERROR: u8 = 0;
const AOE: u8 = 1;
const EOE: u8 = 2;
const COE: u8 = 3;
const FOE: u8 = 4;
const SOE: u8 = 5;

#[derive(Default)]
pub(super) struct Mailboxes {
    /// Uploads in segments: by device, object and what came so far.
    uploads: BTreeMap<u16, ((u16, u8), Vec<u8>)>,
    /// Objects 0x1018:1 to :4 read so far, by device.
    identities: BTreeMap<u16, [Option<u32>; 4]>,
}

impl Mailboxes {
    pub(super) fn see(
        &mut self,
        device: u16,
        message: &Mailbox<'_>,
        (to_device, worked): (bool, bool),
        out: &mut Output,
    ) {
        // The same octets pass before and after the device has worked on them.
        if to_device && worked {
            return;
        }
        let read = match message.kind {
            COE => self.coe(device, message.data, to_device, out),
            FOE => foe(device, message.data, to_device, out),
            SOE => soe(device, message.data, to_device, out),
            AOE => aoe(device, message.data, out),
            EOE => {
                out.operation(op(true, OperationClass::Other, 0, "EoE", device));
                Ok(())
            }
            ERROR => {
                error(device, message.data, out);
                Ok(())
            }
            _ => Ok(()),
        };
        if read.is_err() {
            let says = "a mailbox message shorter than its header";
            out.violation("ethercat-mailbox-cut-short", says, "ETG.1000.4, 5.6");
        }
    }

    fn coe(
        &mut self,
        device: u16,
        data: &[u8],
        to_device: bool,
        out: &mut Output,
    ) -> Result<(), Short> {
        let mut at = Reader::new(data);
        let service = at.le16()? >> 12;
        match service {
            1 => emergency(device, at, out),
            2 => sdo_request(device, at, out),
            3 => self.sdo_response(device, at, out),
            8 => {
                let class = OperationClass::Browse;
                let (number, name) = (u32::from(service), "SDO information");
                out.operation(op(to_device, class, number, name, device));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn sdo_response(
        &mut self,
        device: u16,
        mut at: Reader<'_>,
        out: &mut Output,
    ) -> Result<(), Short> {
        let flags = at.u8()?;
        let command = u32::from(flags >> 5);
        match command {
            // Upload: expedited in the header, or normal behind a length.
            2 => {
                let object = (at.le16()?, at.u8()?);
                let op = op(false, OperationClass::Read, command, "SDO upload", device);
                out.operation(with_object(op, object).done());
                if flags & 2 != 0 {
                    let unused = if flags & 1 != 0 { usize::from(flags >> 2 & 3) } else { 0 };
                    let octets = at.bytes(4)?;
                    let value = octets.get(..4usize.saturating_sub(unused)).unwrap_or(octets);
                    self.uploaded(device, object, value, out);
                    return Ok(());
                }
                let whole = at.le32()? as usize;
                if at.remaining() >= whole {
                    self.uploaded(device, object, at.bytes(whole)?, out);
                } else if self.uploads.len() < UPLOADS_MAX {
                    self.uploads.insert(device, (object, at.rest().to_vec()));
                } else {
                    out.limit("ethercat-uploads");
                }
                Ok(())
            }
            // Segment of an upload; the flag says whether it is the last.
            0 => self.uploaded_segment(device, flags & 1 != 0, at.rest(), out),
            3 => {
                let object = (at.le16()?, at.u8()?);
                let op = op(false, OperationClass::Configure, command, "SDO download", device);
                out.operation(with_object(op, object).done());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn uploaded_segment(
        &mut self,
        device: u16,
        last: bool,
        octets: &[u8],
        out: &mut Output,
    ) -> Result<(), Short> {
        let Some((_, parts)) = self.uploads.get_mut(&device) else { return Ok(()) };
        let room = UPLOAD_OCTETS_MAX.saturating_sub(parts.len());
        parts.extend(octets.iter().take(room));
        if last && let Some((object, whole)) = self.uploads.remove(&device) {
            self.uploaded(device, object, &whole, out);
        }
        Ok(())
    }

    /// Objects that say what a device is (ETG.1000.6, 5.6.7.4), and values where wanted.
    fn uploaded(&mut self, device: u16, (index, sub): (u16, u8), octets: &[u8], out: &mut Output) {
        let subject = segment::station(device);
        let number = || {
            let all = [0, 1, 2, 3].map(|i| octets.get(i).copied().unwrap_or_default());
            u32::from_le_bytes(all)
        };
        let path = match (index, sub) {
            (0x1008, 0) => "model",
            (0x1009, 0) => "hardware",
            (0x100a, 0) => "firmware",
            (0x1000, 0) => {
                let facts = [("device_type", format!("0x{:08x}", number()))];
                return out.identity(subject, "CoE object 0x1000", facts);
            }
            (0x1018, 1..=4) => {
                let room = self.identities.len() < super::limits::DEVICES_MAX;
                if !room && !self.identities.contains_key(&device) {
                    return out.limit("ethercat-devices");
                }
                let known = self.identities.entry(device).or_default();
                if let Some(slot) = known.get_mut(usize::from(sub.saturating_sub(1))) {
                    *slot = Some(number());
                }
                return segment::identity(device, "CoE object 0x1018", known, out);
            }
            _ if out.values_wanted && (1..=4).contains(&octets.len()) => {
                let point = format!("{device}/0x{index:04x}:{sub}");
                let value = PointValue::Unsigned(u64::from(number()));
                return out.value(point, value, (None, Quality::Good));
            }
            _ => return,
        };
        out.identity(subject, "CoE object dictionary", [(path, lossy(octets))]);
    }
}

fn op(request: bool, class: OperationClass, function: u32, name: &'static str, device: u16) -> Op {
    let op = match request {
        true => Op::request(class, function, name),
        false => Op::response(class, function, name),
    };
    op.unit(u32::from(device))
}

fn with_object(op: Op, (index, sub): (u16, u8)) -> Op {
    op.range("object", u32::from(index), u32::from(sub), 1)
}

fn sdo_request(device: u16, mut at: Reader<'_>, out: &mut Output) -> Result<(), Short> {
    let flags = at.u8()?;
    let command = u32::from(flags >> 5);
    let (class, name) = match command {
        1 => (OperationClass::Configure, "SDO download"),
        2 => (OperationClass::Read, "SDO upload"),
        4 => {
            let object = (at.le16()?, at.u8()?);
            let code = at.le32()?;
            let op = op(false, OperationClass::Other, command, "SDO abort", device);
            out.operation(with_object(op, object).refused(code, "SDO abort"));
            return Ok(());
        }
        _ => return Ok(()),
    };
    let object = (at.le16()?, at.u8()?);
    out.operation(with_object(op(true, class, command, name, device), object));
    Ok(())
}

fn emergency(device: u16, mut at: Reader<'_>, out: &mut Output) -> Result<(), Short> {
    let (code, register) = (at.le16()?, at.u8()?);
    let value = match code {
        0 => "error reset".to_owned(),
        code => format!("emergency 0x{code:04x}, register 0x{register:02x}"),
    };
    out.state(segment::station(device), "alarm", &value);
    Ok(())
}

/// File access over EtherCAT (5.8): firmware goes this way.
fn foe(device: u16, data: &[u8], to_device: bool, out: &mut Output) -> Result<(), Short> {
    let mut at = Reader::new(data);
    let code = at.u8()?;
    at.skip(1)?;
    let number = u32::from(code);
    let name_of = |mut at: Reader<'_>| -> Result<String, Short> {
        at.skip(4)?;
        Ok(lossy(at.rest()))
    };
    match code {
        1 => {
            let op = op(to_device, OperationClass::File, number, "FoE read", device);
            out.operation(op.named("file", &name_of(at)?));
        }
        2 => {
            let class = OperationClass::FirmwareUpdate;
            let op = op(to_device, class, number, "FoE write", device);
            out.operation(op.named("file", &name_of(at)?));
        }
        5 => {
            let code = at.le32()?;
            let op = op(false, OperationClass::File, number, "FoE error", device);
            out.operation(op.refused(code, "FoE error"));
        }
        _ => out.operation(op(to_device, OperationClass::File, number, "FoE data", device)),
    }
    Ok(())
}

/// Servo drive profile (5.9): IDN is the parameter.
fn soe(device: u16, data: &[u8], to_device: bool, out: &mut Output) -> Result<(), Short> {
    let mut at = Reader::new(data);
    let (code, _elements, parameter) = (at.u8()?, at.u8()?, at.le16()?);
    let (class, name) = match code & 7 {
        1 | 2 => (OperationClass::Read, "SoE read"),
        3 | 4 => (OperationClass::Configure, "SoE write"),
        5 => (OperationClass::Report, "SoE notification"),
        6 => (OperationClass::Report, "SoE emergency"),
        _ => (OperationClass::Other, "SoE"),
    };
    let op = op(to_device, class, u32::from(code & 7), name, device);
    let op = op.range("parameter", 0, u32::from(parameter), 1);
    out.operation(match (code & 0x10, code & 7) {
        (0, 2 | 4) => op.done(),
        (0, _) => op,
        // Why stands where the value would.
        _ => op.refused(at.le16().map_or(0, u32::from), "SoE error"),
    });
    Ok(())
}

/// ADS in a mailbox: target, source, command (Beckhoff ADS specification).
fn aoe(device: u16, data: &[u8], out: &mut Output) -> Result<(), Short> {
    let mut at = Reader::new(data);
    at.skip(16)?;
    let (command, flags) = (at.le16()?, at.le16()?);
    let (class, name) = match command {
        1 => (OperationClass::Diagnose, "ADS read device info"),
        2 => (OperationClass::Read, "ADS read"),
        3 => (OperationClass::Write, "ADS write"),
        4 => (OperationClass::Diagnose, "ADS read state"),
        // The state stands behind length, error and number of the message.
        5 if flags & 1 == 0 => {
            let state = at.skip(12).and_then(|()| at.le16()).unwrap_or_default();
            crate::ams::names::control(state)
        }
        5 => (OperationClass::Configure, "ADS write control"),
        9 => (OperationClass::Read, "ADS read write"),
        _ => (OperationClass::Other, "ADS"),
    };
    let op = op(flags & 1 == 0, class, u32::from(command), name, device);
    let mut at = Reader::new(data);
    // Error of the header, or the result that answers begin with.
    let result = at.skip(24).and_then(|()| at.le32()).and_then(|error| {
        at.skip(4)?;
        Ok(if error == 0 { at.le32()? } else { error })
    });
    out.operation(match (flags & 1, result) {
        (1, Ok(0)) => op.done(),
        (1, Ok(code)) => op.refused(code, crate::ams::names::error(code)),
        _ => op,
    });
    Ok(())
}

fn error(device: u16, data: &[u8], out: &mut Output) {
    let code = match data {
        [_, _, a, b, ..] => u32::from(u16::from_le_bytes([*a, *b])),
        _ => 0,
    };
    let op = op(false, OperationClass::Other, 0, "mailbox error", device);
    out.operation(op.refused(code, "mailbox error"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Detail, Outcome};

    fn outcome(read: impl FnOnce(&mut Output) -> Result<(), Short>) -> (OperationClass, Outcome) {
        let mut out = Output::default();
        assert!(read(&mut out).is_ok());
        let Detail::Operation(operation) = &out.observed[0].detail else { panic!("{out:?}") };
        (operation.class, operation.outcome)
    }

    #[test]
    fn answers_of_drives_and_of_ads_say_what_came_of_it() {
        let soe = |code: u8, value: [u8; 2]| {
            let data = [&[code, 0x40, 32, 0][..], &value].concat();
            outcome(|out| soe(1_001, &data, false, out))
        };
        assert_eq!(soe(2, [3, 0]), (OperationClass::Read, Outcome::Done));
        assert_eq!(soe(4, [0, 0]), (OperationClass::Configure, Outcome::Done));
        let refused = Outcome::Refused { code: 0x7004, name: "SoE error" };
        assert_eq!(soe(4 | 0x10, [4, 0x70]), (OperationClass::Configure, refused));
        // Target and source, write, an answer; length, error, number; the result.
        let ads = |error: [u8; 4], result: [u8; 4]| {
            let head = [&[0; 16][..], &[3, 0, 5, 0], &[4, 0, 0, 0]].concat();
            let data = [&head[..], &error, &[0; 4], &result].concat();
            outcome(|out| aoe(1_001, &data, out))
        };
        assert_eq!(ads([0; 4], [0; 4]), (OperationClass::Write, Outcome::Done));
        let refused = (OperationClass::Write, 0x723);
        for (error, result) in [([0x23, 7, 0, 0], [0; 4]), ([0; 4], [0x23, 7, 0, 0])] {
            let (class, Outcome::Refused { code, .. }) = ads(error, result) else { panic!() };
            assert_eq!((class, code), refused);
        }
    }

    #[test]
    fn a_state_that_is_written_says_whether_it_starts_or_stops() {
        for (state, class) in [(5, OperationClass::Start), (6, OperationClass::Stop)] {
            // Target and source, write control, a request; length, error, number, the state.
            let mut data = vec![0; 16];
            data.extend([5, 0, 4, 0]);
            data.extend([0; 12]);
            data.extend([state, 0, 0, 0, 0, 0, 0, 0]);
            let mut out = Output::default();
            assert!(aoe(1_001, &data, &mut out).is_ok());
            let Detail::Operation(operation) = &out.observed[0].detail else { panic!("{out:?}") };
            assert_eq!(operation.class, class);
        }
    }
}
