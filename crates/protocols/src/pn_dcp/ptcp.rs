//! Time of PROFINET (PTCP): masters, their subdomains, and the delays of neighbours' lines.
//!
//! IEC 61158-6-10, 4.6 (synchronization). Not here: how well a clock follows. Invariant: a master
//! that goes on as before is only counted.

use crate::{Output, Segment, output::Op};
use ::wire::{Reader, Short};
use model::{OperationClass, Subject};

/// Parts of one frame at most.
const PARTS_MAX: usize = 16;
/// Delay, sequence and padding between the frame id and the first part, in every kind of frame.
const HEADER_OCTETS: usize = 20;

/// What the sender of a conversation said last.
#[derive(Default)]
pub(super) struct Clock {
    master: Option<Master>,
    port_told: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Master {
    subdomain: [u8; 16],
    /// Bit 7 is set while it is in charge, the low three bits are 1 for a primary master.
    priority: u8,
}

/// What a frame id means, for those of PTCP.
pub(super) const fn meaning(id: u16) -> Option<&'static str> {
    Some(match id {
        0x0000..=0x007f => "PTCP sync with follow up",
        0x0080..=0x00ff => "PTCP sync",
        0xff00 | 0xff01 => "PTCP announce",
        0xff20 | 0xff21 => "PTCP follow up",
        0xff40 => "PTCP delay request",
        0xff41 => "PTCP delay response with follow up",
        0xff42 => "PTCP delay follow up",
        0xff43 => "PTCP delay response",
        _ => return None,
    })
}

impl Clock {
    pub(super) fn frame(
        &mut self,
        (id, name): (u16, &'static str),
        segment: &Segment<'_>,
        out: &mut Output,
    ) {
        out.operation(Op::notice(OperationClass::Report, u32::from(id), name));
        let body = segment.bytes.get(2..).unwrap_or_default();
        if self.parts(name, body, segment, out).is_err() && segment.missing == 0 {
            let says = "a frame of the clock without all its parts";
            out.violation("ptcp-cut-short", says, "IEC 61158-6-10, 4.6.1");
        }
    }

    /// Type in seven bits and length in nine, until type 0.
    fn parts(
        &mut self,
        name: &'static str,
        body: &[u8],
        segment: &Segment<'_>,
        out: &mut Output,
    ) -> Result<(), Short> {
        let mut at = Reader::new(body);
        at.skip(HEADER_OCTETS)?;
        let mut subdomain = None;
        let mut priority = 0;
        for _ in 0..PARTS_MAX {
            let head = at.be16()?;
            let mut part = at.sub(usize::from(head & 0x01ff))?;
            match head >> 9 {
                0 => break,
                1 => subdomain = Some((part.array::<6>()?, part.array::<16>()?)),
                4 => priority = part.u8()?,
                6 => self.port(name, part.array()?, out),
                _ => {}
            }
        }
        // Frames pass through bridges: only what the master itself sent says that it is one.
        match (subdomain, segment.sender.mac) {
            (Some((master, subdomain)), Some(sender)) if sender.0 == master => {
                self.master(name, Master { subdomain, priority }, out);
            }
            _ => {}
        }
        Ok(())
    }

    fn master(&mut self, name: &'static str, now: Master, out: &mut Output) {
        // Follow ups have no priority, and leave it as it was said before.
        let priority = match (now.priority, self.master) {
            (0, Some(before)) => before.priority,
            (said, _) => said,
        };
        let now = Master { priority, ..now };
        if self.master == Some(now) {
            return;
        }
        self.master = Some(now);
        let role = match priority & 0x07 {
            1 => "primary master",
            2 => "secondary master",
            _ => "master",
        };
        let subdomain = uuid(&now.subdomain);
        let facts = [("ptcp_role", role.to_owned()), ("ptcp_subdomain", subdomain)];
        out.identity(Subject::Sender, name, facts);
        if priority != 0 {
            let word = if priority & 0x80 == 0 { "in reserve" } else { "in charge" };
            out.state(Subject::Sender, "ptcp-master", word);
        }
    }

    fn port(&mut self, name: &'static str, mac: [u8; 6], out: &mut Output) {
        if !std::mem::replace(&mut self.port_told, true) {
            out.identity(Subject::Sender, name, [("port_mac", model::Mac(mac).to_string())]);
        }
    }
}

fn uuid(octets: &[u8; 16]) -> String {
    let hex = |part: &[u8]| part.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let [a, b, c, d, e, f, g, h, i, j, rest @ ..] = octets;
    let groups = [&[*a, *b, *c, *d][..], &[*e, *f], &[*g, *h], &[*i, *j], rest];
    groups.map(hex).join("-")
}
