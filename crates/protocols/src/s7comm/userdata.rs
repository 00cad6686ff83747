//! Userdata PDUs: lists, clock, security, blocks, messages.
//!
//! Invariant: a list spread over several PDUs is read when its last part has come.

use super::{blocks, limits::LIST_OCTETS_MAX, names, szl, wire::Pdu};
use crate::{Output, output::Op};
use ::wire::reader::{Reader, Short};
use model::{Authentication, Direction, Subject};

const REQUEST: u8 = 4;
const RESPONSE: u8 = 8;

/// The parameter part: 00 01 12, length, method, type and group, subfunction, sequence.
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) group: u8,
    pub(super) subfunction: u8,
    more: bool,
    error: u16,
}

pub(super) fn header(parameter: &[u8]) -> Result<Header, Short> {
    let mut at = Reader::new(parameter);
    at.skip(4)?;
    let long = at.u8()? == 0x12;
    let byte = at.u8()?;
    let subfunction = at.u8()?;
    at.skip(1)?;
    let (mut more, mut error) = (false, 0);
    if long && at.remaining() >= 4 {
        at.skip(1)?;
        more = at.u8()? == 1;
        error = at.be16()?;
    }
    Ok(Header { kind: byte >> 4, group: byte & 0xf, subfunction, more, error })
}

#[derive(Default)]
pub(super) struct Userdata {
    /// Parts of a list under way.
    list: Vec<u8>,
}

impl Userdata {
    pub(super) fn gap(&mut self) {
        self.list.clear();
    }

    pub(super) fn read(&mut self, pdu: &Pdu<'_>, header: &Header, out: &mut Output) {
        let (class, name) = names::userdata(header.group, header.subfunction);
        let function = u32::from(header.group) << 8 | u32::from(header.subfunction);
        let direction = match header.kind {
            REQUEST => Direction::Request,
            RESPONSE => Direction::Response,
            _ => Direction::Notice,
        };
        let contents = contents(pdu.data);
        let mut op = Op { direction, ..Op::request(class, function, name) };
        if header.error != 0 {
            op = op.refused(u32::from(header.error), "userdata error");
        } else if direction == Direction::Response {
            op = match contents {
                Some((0xff, _)) | None => op.done(),
                Some((code, _)) => op.refused(u32::from(code), names::item_error(code)),
            };
        }
        if header.group == 4 && header.subfunction == 1 && direction == Direction::Request {
            let id = contents.and_then(|(_, c)| Reader::new(c).be16().ok()).unwrap_or_default();
            op = op.range("szl", 0, u32::from(id), 1);
        }
        if let (3, Some((_, octets))) = (header.group, contents) {
            let block = blocks::named(header.subfunction, direction, octets);
            op = block.into_iter().fold(op, |op, name| op.named("block", &name));
        }
        out.operation(op);
        self.contents(header, contents, direction, out);
    }

    fn contents(
        &mut self,
        header: &Header,
        contents: Option<(u8, &[u8])>,
        direction: Direction,
        out: &mut Output,
    ) {
        match (header.group, header.subfunction, direction, contents) {
            (4, 1, Direction::Response, Some((0xff, part))) => self.list(part, header.more, out),
            (0, mode, Direction::Notice, _) => {
                names::mode(mode).into_iter().for_each(|m| out.state(Subject::Sender, "mode", m));
            }
            (4, 3, Direction::Notice, Some((0xff, [high, low, ..]))) => {
                let event = names::event(u16::from_be_bytes([*high, *low]));
                event.into_iter().for_each(|(what, v)| out.state(Subject::Sender, what, v));
            }
            (5, 1, Direction::Request, _) => out.authentication(Authentication {
                user: None,
                accepted: None,
                // Eight octets, each combined with the one before by exclusive or: no secret.
                clear_text: true,
                default_password: false,
                method: "s7 password",
            }),
            (5, 1, Direction::Response, _) => out.authentication(Authentication {
                user: None,
                accepted: Some(header.error == 0),
                clear_text: true,
                default_password: false,
                method: "s7 password",
            }),
            _ => {}
        }
    }

    fn list(&mut self, part: &[u8], more: bool, out: &mut Output) {
        if self.list.is_empty() && !more {
            return szl::read(part, out);
        }
        self.list.extend_from_slice(part);
        if self.list.len() > LIST_OCTETS_MAX {
            self.list.clear();
            out.limit("s7-list-octets");
        } else if !more {
            let whole = std::mem::take(&mut self.list);
            szl::read(&whole, out);
        }
    }
}

/// Return code, transport size, length, contents.
fn contents(data: &[u8]) -> Option<(u8, &[u8])> {
    let mut at = Reader::new(data);
    let code = at.u8().ok()?;
    at.skip(1).ok()?;
    let length = usize::from(at.be16().ok()?);
    Some((code, at.bytes(length.min(at.remaining())).ok()?))
}
