//! SMB 1, 2 and 3 over TCP, SMB 1 over NetBIOS frames: log-ons, shares, files, and the pipes that
//! carry DCE/RPC.
//!
//! Not here: what is encrypted or compressed (SMB 3); it is known to be there. NetBIOS datagrams
//! are in [`crate::browser`]. Invariant: contents of files are looked at only to tell programs
//! from other files.

mod compression;
mod limits;
mod names;
mod netbeui;
mod smb1;
mod smb2;
mod state;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, nbns::name, output::Op,
};
use limits::{HEAD_OCTETS, WHOLE_OCTETS_MAX};
use model::{OperationClass, Subject};
use netbeui::{Piece, Pieces};
use state::State;
use wire::{FRAME_OCTETS, Frame};

pub static SMB1: Group = Group { name: "smb1", ends: Ends::Pair, keys: &["command", "kind"] };
pub static SMB2: Group = Group { name: "smb2", ends: Ends::Pair, keys: &["command", "kind"] };
pub static SMB_SHARE_GROUP: Group = Group { name: "smb_share", ends: Ends::None, keys: &["share"] };
pub static SMB_FILE_GROUP: Group = Group { name: "smb_file", ends: Ends::None, keys: &["file"] };

const NETBEUI: Carrier = Carrier::Llc(0xf0);

pub struct Smb;
pub static SMB: Smb = Smb;

static ABOUT: About = About {
    name: "smb",
    title: "SMB",
    specs: &[
        "MS-CIFS",
        "MS-SMB",
        "MS-SMB2",
        "RFC 1002, 4.3 (session service)",
        "IBM SC30-3587",
        "MS-NLMP",
    ],
    carriers: &[Carrier::Tcp, NETBEUI],
    ports: &[445, 139],
    groups: &[
        &SMB1,
        &SMB2,
        &SMB_SHARE_GROUP,
        &SMB_FILE_GROUP,
        &crate::ntlmssp::NTLMSSP_GROUP,
        &crate::ntlmssp::NTLM_USER_GROUP,
    ],
    depth: "dialects, log-ons, OS versions, shares, files read, written, deleted, named pipes",
};

impl Protocol for Smb {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier == NETBEUI {
            let message = Piece::parse(head).and_then(|piece| piece.begins());
            return message.map_or(Probe::NoMatch, sender);
        }
        match Frame::parse(head) {
            Some(Frame::Message { .. }) => {}
            Some(Frame::SessionRequest { octets: 68, .. }) => return Probe::MatchClient,
            Some(Frame::Other { kind: 0x82..=0x83, octets: 0..=1 }) if hint.port => {
                return Probe::MatchServer;
            }
            Some(_) => return Probe::NoMatch,
            None if head.first().is_none_or(|b| *b == 0) => return Probe::NeedMore,
            None => return Probe::NoMatch,
        }
        sender(head.get(FRAME_OCTETS..).unwrap_or_default())
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Who sends such a message.
fn sender(message: &[u8]) -> Probe {
    let response = match message.first_chunk::<4>() {
        Some(b"\xffSMB") => message.get(9).map(|flags| flags & 0x80 != 0),
        Some(b"\xfeSMB") => message.get(16).map(|flags| flags & 1 != 0),
        Some(b"\xfdSMB" | b"\xfcSMB") => return Probe::Match,
        Some(_) => return Probe::NoMatch,
        None => None,
    };
    match response {
        Some(true) => Probe::MatchServer,
        Some(false) => Probe::MatchClient,
        None => Probe::NeedMore,
    }
}

#[derive(Default)]
struct Conversation {
    state: State,
    pieces: Pieces,
    /// Octets of a long message still to be skipped, by side.
    skip: [usize; 2],
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if segment.carrier == NETBEUI {
            out.begin("smb", 0..bytes.len());
            let piece = Piece::parse(bytes);
            let whole = piece.and_then(|piece| self.pieces.push(segment.from, &piece, out));
            if let Some(message) = whole {
                self.message(segment.from, (&message, message.len()), out);
            }
            return Progress::Consumed(bytes.len());
        }
        if let Some(skip) = self.skip.get_mut(segment.from as usize)
            && *skip > 0
        {
            let skipped = (*skip).min(bytes.len());
            *skip = skip.saturating_sub(skipped);
            return Progress::Consumed(skipped);
        }
        let Some(frame) = Frame::parse(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: FRAME_OCTETS };
        };
        let octets = match frame {
            Frame::Invalid => return resynchronise(&segment),
            Frame::Message { octets }
            | Frame::SessionRequest { octets }
            | Frame::Other { octets, .. } => octets,
        };
        let whole = octets.saturating_add(FRAME_OCTETS);
        let needed = if octets > WHOLE_OCTETS_MAX { HEAD_OCTETS } else { whole };
        let Some(taken) = bytes.get(..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        out.begin("smb", 0..needed);
        let there = needed.saturating_sub(segment.filled);
        let body = taken.get(FRAME_OCTETS..there).unwrap_or_default();
        match frame {
            Frame::Message { .. } if !is_smb(body) => return resynchronise(&segment),
            Frame::Message { octets } => self.message(segment.from, (body, octets), out),
            Frame::SessionRequest { .. } => session_request(body, out),
            _ => {}
        }
        if let Some(skip) = self.skip.get_mut(segment.from as usize) {
            *skip = whole.saturating_sub(needed);
        }
        Progress::Consumed(needed)
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(skip) = self.skip.get_mut(gap.from as usize) {
            *skip = gap.left_of(*skip);
        }
        self.state.forget_requests(gap.from);
    }
}

fn is_smb(body: &[u8]) -> bool {
    matches!(body.first_chunk::<4>(), Some([0xfc..=0xff, b'S', b'M', b'B']))
}

/// Behind a gap a message may begin anywhere: look for the next one.
fn resynchronise(segment: &Segment<'_>) -> Progress {
    if !segment.after_gap {
        return Progress::GiveUp(Malformed::new("smb-frame-invalid"));
    }
    let bytes = segment.bytes;
    let begins = |w: &[u8]| matches!(w, [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B']);
    match bytes.windows(8).position(begins) {
        Some(0) | None => Progress::Consumed(bytes.len()),
        Some(at) => Progress::Consumed(at),
    }
}

/// RFC 1002, 4.3.2: the name called and the name of the caller.
fn session_request(body: &[u8], out: &mut Output) {
    let decode = |range: std::ops::Range<usize>| match body.get(range) {
        Some([32, letters @ .., 0]) => name::decode(letters),
        _ => None,
    };
    let (called, caller) = (decode(0..34), decode(34..68));
    let op = Op::request(OperationClass::Session, 0x81, "session request");
    match &called {
        Some(called) => out.operation(op.named("name", &called.name)),
        None => out.operation(op),
    }
    if let Some(caller) = caller {
        let says = ("hostname", caller.name.as_str());
        out.attribute(Subject::Sender, "NetBIOS session request", says, 85);
    }
    if let Some(called) = called.filter(|c| !c.name.starts_with('*')) {
        let says = ("hostname", called.name.as_str());
        out.attribute(Subject::Receiver, "NetBIOS session request", says, 75);
    }
}

impl Conversation {
    fn message(&mut self, from: Side, (body, octets): (&[u8], usize), out: &mut Output) {
        let class = OperationClass::Session;
        match body.first() {
            Some(0xff) => smb1::message(&mut self.state, from, body, out),
            Some(0xfe) => smb2::messages(&mut self.state, from, body, out),
            Some(0xfd) => out.operation(Op::notice(class, 0xfd, "encrypted message")),
            _ => {
                out.operation(Op::notice(class, 0xfc, "compressed message"));
                compression::header(body, octets, out);
            }
        }
    }
}
