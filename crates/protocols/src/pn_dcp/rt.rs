//! Real-time frames of PROFINET by their frame id: cyclic data and alarms.
//!
//! IEC 61158-6-10, 4.7 (RTC) and 4.10 (RTA). Not here: time, which is in `ptcp`, and the data,
//! whose layout only the project knows. Invariant: a provider that goes on as before is only
//! counted.

use crate::{Output, output::Op};
use ::wire::{Reader, Short};
use model::{OperationClass, Subject};

/// Frame ids of one pair whose status is remembered.
const PROVIDERS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Providers {
    /// Data status said last, by frame id.
    status: Vec<(u16, u8)>,
}

/// Data status (4.7.2.1.3).
const VALID: u8 = 0x04;
const RUN: u8 = 0x10;
const NORMAL: u8 = 0x20;
const RESERVED: u8 = 0x48;

impl Providers {
    pub(super) fn frame(&mut self, id: u16, bytes: &[u8], out: &mut Output) {
        let (class, name) = meaning(id);
        if matches!(id, 0xfc01 | 0xfe01) {
            return alarm(id, bytes.get(2..).unwrap_or_default(), out);
        }
        out.operation(Op::notice(class, u32::from(id), name));
        if name == "cyclic data" {
            self.cyclic(id, bytes, out);
        }
    }

    /// The last four octets: cycle, data status, transfer status, which is zero.
    fn cyclic(&mut self, id: u16, bytes: &[u8], out: &mut Output) {
        let Some(&[_, _, status, 0]) = bytes.last_chunk::<4>() else { return };
        if status & RESERVED != 0 {
            return;
        }
        let full = self.status.len() >= PROVIDERS_MAX;
        let before = match self.status.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => Some(std::mem::replace(known, status)),
            None if full => return out.limit("pn-providers"),
            None => {
                self.status.push((id, status));
                None
            }
        };
        // At first only what is not as it should be is news.
        let before = before.unwrap_or(VALID | RUN | NORMAL);
        let differs = |bit: u8| before & bit != status & bit;
        let mut tell = |what, value: &str| {
            out.state(Subject::Sender, what, &format!("frame id 0x{id:04x}: {value}"));
        };
        if differs(RUN) {
            tell("pn-provider", if status & RUN != 0 { "run" } else { "stop" });
        }
        if differs(NORMAL) {
            tell("pn-station", if status & NORMAL != 0 { "no problem" } else { "problem" });
        }
        if differs(VALID) {
            tell("pn-data", if status & VALID != 0 { "valid" } else { "invalid" });
        }
    }
}

const fn meaning(id: u16) -> (OperationClass, &'static str) {
    use OperationClass::{Other, Report};
    match id {
        0x0100..=0xfbff => (Report, "cyclic data"),
        0xfc01 => (Report, "alarm high"),
        0xfe01 => (Report, "alarm low"),
        0xff80..=0xff8f => (Other, "fragment"),
        _ => (Other, "real-time frame"),
    }
}

/// An alarm of a device, or its acknowledgement.
fn alarm(id: u16, body: &[u8], out: &mut Output) {
    let name = if id == 0xfc01 { "alarm high" } else { "alarm low" };
    if read_alarm(u32::from(id), name, body, out).is_err() {
        let says = "an alarm without all its fields";
        out.violation("pn-alarm-cut-short", says, "IEC 61158-6-10, 4.10");
    }
}

fn read_alarm(id: u32, name: &'static str, body: &[u8], out: &mut Output) -> Result<(), Short> {
    const DATA: u8 = 1;
    let mut at = Reader::new(body);
    at.skip(4)?;
    let kind = at.u8()? & 0x0f;
    at.skip(5)?;
    let length = usize::from(at.be16()?);
    out.operation(match kind {
        DATA => Op::notice(OperationClass::Report, id, name),
        2 => Op::response(OperationClass::Report, id, name).refused(2, "not acknowledged"),
        3 => Op::response(OperationClass::Report, id, name).done(),
        _ => Op::response(OperationClass::Report, id, name).refused(4, "alarm error"),
    });
    if kind != DATA {
        return Ok(());
    }
    let mut block = at.sub(length)?;
    let block_type = block.be16()?;
    block.skip(4)?;
    if !matches!(block_type, 1 | 2) {
        return Ok(());
    }
    let alarm = block.be16()?;
    block.skip(4)?;
    let (slot, subslot) = (block.be16()?, block.be16()?);
    let value = format!("{} in slot {slot}, subslot 0x{subslot:04x}", alarm_name(alarm));
    out.state(Subject::Sender, "alarm", &value);
    Ok(())
}

/// Alarm types (IEC 61158-6-10, table 542).
const fn alarm_name(alarm: u16) -> &'static str {
    match alarm {
        1 => "diagnosis",
        2 => "process alarm",
        3 => "module pulled",
        4 => "module plugged",
        5 => "status",
        6 => "update",
        7 => "media redundancy",
        8 => "controlled by supervisor",
        9 => "released",
        10 => "wrong module plugged",
        11 => "return of submodule",
        12 => "diagnosis gone",
        14 => "port data change",
        15 => "sync data change",
        16 => "isochronous mode problem",
        30 => "upload and retrieval",
        31 => "pull",
        _ => "alarm",
    }
}
