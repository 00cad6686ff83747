//! DICOM upper layer (PS3.8) and message commands (PS3.7): which devices store, find and move
//! images.
//!
//! Not here: images and patients. Invariant: of data sets nothing is read; of commands only
//! fields that name the operation.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op, text,
};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Scalar, Subject};

pub static DICOM_GROUP: Group = Group { name: "dicom", ends: Ends::Pair, keys: &["pdu"] };

pub struct Dicom;
pub static DICOM: Dicom = Dicom;

static ABOUT: About = About {
    name: "dicom",
    title: "DICOM",
    specs: &["DICOM PS3.7 2024", "DICOM PS3.8 2024, 9.3 and annex D"],
    carriers: &[Carrier::Tcp],
    ports: &[104, 11_112, 4_242],
    groups: &[&DICOM_GROUP],
    depth: "associations with both titles and implementation, log-ons with user and outcome, \
            commands and their status",
};

const HEADER_OCTETS: usize = 6;
const ASSOCIATE_REQUEST: u8 = 1;
const ASSOCIATE_ACCEPT: u8 = 2;
const ASSOCIATE_REJECT: u8 = 3;
const DATA: u8 = 4;
const RELEASE_REQUEST: u8 = 5;
const ABORT: u8 = 7;
/// Octets of a longer PDU that are read; the rest is image.
const HEAD_OCTETS: usize = 4_096;
const WHOLE_OCTETS_MAX: usize = 64 * 1024;

impl Protocol for Dicom {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match head {
            [] | [1..=7] => Probe::NeedMore,
            [kind @ 1..=2, 0, rest @ ..] => {
                // Version 1 and two reserved octets stand behind the length.
                let expected = [0, 1, 0, 0];
                match rest.get(4..8) {
                    Some(octets) if octets != expected => Probe::NoMatch,
                    Some(_) if *kind == ASSOCIATE_REQUEST => Probe::MatchClient,
                    Some(_) => Probe::MatchServer,
                    None => {
                        let known = rest.get(4..).unwrap_or_default();
                        if expected.starts_with(known) { Probe::NeedMore } else { Probe::NoMatch }
                    }
                }
            }
            // PS3.8, 9.3.4: a refusal is all that is seen of some associations. Four octets behind
            // the length: reserved, result, source, reason.
            [ASSOCIATE_REJECT, 0, 0, 0, 0, 4, 0, 1..=2, 1..=3, 1..=7] if hint.port => {
                Probe::MatchServer
            }
            // PS3.8, 9.3.5: one value or several, each with an odd context and flags.
            [DATA, 0, a, b, c, d, e, f, g, h, context, flags, ..] if hint.port => {
                const ITEM_OCTETS_MIN: u32 = 6;
                let pdu = u32::from_be_bytes([*a, *b, *c, *d]);
                let value = u32::from_be_bytes([*e, *f, *g, *h]);
                let behind = value.checked_add(4).and_then(|n| pdu.checked_sub(n));
                let whole = behind.is_some_and(|n| n == 0 || n >= ITEM_OCTETS_MIN);
                let fits = whole && value > 2 && *flags <= 3 && context & 1 == 1;
                if fits { Probe::Match } else { Probe::NoMatch }
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    skip: [usize; 2],
    /// Who wants to associate, while it is not answered.
    applicant: Option<Authentication>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if let Some(skip) = self.skip.get_mut(segment.from as usize)
            && *skip > 0
        {
            let skipped = (*skip).min(bytes.len());
            *skip = skip.saturating_sub(skipped);
            return Progress::Consumed(skipped);
        }
        let Some(&[kind, reserved, a, b, c, d]) = bytes.first_chunk::<HEADER_OCTETS>() else {
            return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS };
        };
        if !(1..=7).contains(&kind) || reserved != 0 {
            return Progress::GiveUp(Malformed::new("dicom-pdu-unknown"));
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let whole = length.saturating_add(HEADER_OCTETS);
        let needed = if whole > WHOLE_OCTETS_MAX { HEAD_OCTETS } else { whole };
        let Some(pdu) = bytes.get(..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        if let Some(skip) = self.skip.get_mut(segment.from as usize) {
            *skip = whole.saturating_sub(needed);
        }
        out.begin("dicom", 0..needed);
        out.count(&DICOM_GROUP, [Scalar::Number(u64::from(kind))]);
        let body = pdu.get(HEADER_OCTETS..).unwrap_or_default();
        if self.read(kind, body, out).is_err() && whole == needed {
            let says = "a PDU shorter than its items";
            out.violation("dicom-pdu-cut-short", says, "PS3.8, 9.3");
        }
        Progress::Consumed(needed)
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(skip) = self.skip.get_mut(gap.from as usize) {
            *skip = gap.left_of(*skip);
        }
    }
}

impl Conversation {
    fn read(&mut self, kind: u8, body: &[u8], out: &mut Output) -> Result<(), Short> {
        let number = u32::from(kind);
        let session = OperationClass::Session;
        match kind {
            ASSOCIATE_REQUEST => {
                self.applicant = associate(kind, body, out)?;
                if let Some(applicant) = &self.applicant {
                    out.authentication(applicant.clone());
                }
            }
            ASSOCIATE_ACCEPT => {
                associate(kind, body, out)?;
                self.answered(true, out);
            }
            ASSOCIATE_REJECT => {
                let reason = body.get(3).copied().unwrap_or_default();
                let op = Op::response(session, number, "associate");
                out.operation(op.refused(u32::from(reason), "association rejected"));
                self.answered(false, out);
            }
            DATA => commands(body, out)?,
            RELEASE_REQUEST => out.operation(Op::request(session, number, "release")),
            ABORT => out.operation(Op::notice(session, number, "abort")),
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, accepted: bool, out: &mut Output) {
        if let Some(applicant) = self.applicant.take() {
            out.authentication(Authentication { accepted: Some(accepted), ..applicant });
        }
    }
}

/// PS3.8, 9.3.2 and 9.3.3.
fn associate(kind: u8, body: &[u8], out: &mut Output) -> Result<Option<Authentication>, Short> {
    let mut r = Reader::new(body);
    r.skip(4)?;
    let called = text::lossy(r.bytes(16)?);
    let calling = text::lossy(r.bytes(16)?);
    r.skip(32)?;
    let User { class, name, identity } = user_information(&mut r)?;
    let own = if kind == ASSOCIATE_REQUEST { &calling } else { &called };
    let facts = [("dicom_title", own.clone()), ("software", name), ("dicom_implementation", class)];
    out.identity(Subject::Sender, "DICOM association", facts);
    let number = u32::from(kind);
    if kind == ASSOCIATE_REQUEST {
        let op = Op::request(OperationClass::Session, number, "associate");
        out.operation(op.named("title", called.trim()));
    } else {
        out.operation(Op::response(OperationClass::Session, number, "associate").done());
    }
    Ok(identity)
}

#[derive(Default)]
struct User {
    class: String,
    name: String,
    identity: Option<Authentication>,
}

/// Items, and those inside the user information: 0x52 the class, 0x55 the version name, 0x58 who
/// the user is.
fn user_information(r: &mut Reader<'_>) -> Result<User, Short> {
    const USER_INFORMATION: u8 = 0x50;
    let mut user = User::default();
    while !r.is_empty() {
        let kind = r.u8()?;
        r.skip(1)?;
        let length = usize::from(r.be16()?);
        match kind {
            // Its items follow and are read like the others.
            USER_INFORMATION => {}
            0x52 => user.class = text::lossy(r.bytes(length)?),
            0x55 => user.name = text::lossy(r.bytes(length)?),
            0x58 => user.identity = user_identity(r.bytes(length)?),
            _ => r.skip(length)?,
        }
    }
    Ok(user)
}

/// PS3.7, D.3.3.7.1: type, whether an answer is wanted, and two fields with their lengths: a user
/// name and a passcode, or a ticket or assertion that says who it is.
fn user_identity(item: &[u8]) -> Option<Authentication> {
    let mut r = Reader::new(item);
    let kind = r.u8().ok()?;
    r.skip(1).ok()?;
    let length = usize::from(r.be16().ok()?);
    let user = text::lossy(r.bytes(length).ok()?);
    let (method, readable) = match kind {
        1 => ("dicom user name", false),
        2 => ("dicom password", true),
        3 => ("dicom kerberos", false),
        4 => ("dicom saml", true),
        5 => ("dicom web token", true),
        _ => return None,
    };
    Some(Authentication {
        user: Some(user.trim()).filter(|user| kind <= 2 && !user.is_empty()).map(Into::into),
        accepted: None,
        clear_text: readable,
        default_password: false,
        method,
    })
}

/// PS3.8, 9.3.5: values with a header; bit 0 says that a command is inside.
fn commands(body: &[u8], out: &mut Output) -> Result<(), Short> {
    let mut r = Reader::new(body);
    while !r.is_empty() {
        let length = r.be32()? as usize;
        let mut value = r.sub(length)?;
        value.skip(1)?;
        if value.u8()? & 1 != 0 {
            command(value.rest(), out)?;
        }
    }
    Ok(())
}

/// PS3.7, 6.3.1: elements of group 0, implicit and little endian.
fn command(bytes: &[u8], out: &mut Output) -> Result<(), Short> {
    const COMMAND_FIELD: u16 = 0x0100;
    const STATUS: u16 = 0x0900;
    let mut r = Reader::new(bytes);
    let (mut field, mut status) = (None, 0);
    while !r.is_empty() {
        let (group, element) = (r.le16()?, r.le16()?);
        let length = r.le32()? as usize;
        let mut value = r.sub(length)?;
        match (group, element) {
            (0, COMMAND_FIELD) => field = value.le16().ok(),
            (0, STATUS) => status = value.le16()?,
            _ => {}
        }
    }
    let Some(field) = field else { return Ok(()) };
    let (class, name) = match field & 0x7fff {
        0x0001 => (OperationClass::File, "C-STORE"),
        0x0010 => (OperationClass::File, "C-GET"),
        0x0020 => (OperationClass::Browse, "C-FIND"),
        0x0021 => (OperationClass::File, "C-MOVE"),
        0x0030 => (OperationClass::Diagnose, "C-ECHO"),
        0x0100 => (OperationClass::Report, "N-EVENT-REPORT"),
        0x0110 => (OperationClass::Read, "N-GET"),
        0x0120 => (OperationClass::Write, "N-SET"),
        0x0130 => (OperationClass::Write, "N-ACTION"),
        0x0140 => (OperationClass::Configure, "N-CREATE"),
        0x0150 => (OperationClass::Configure, "N-DELETE"),
        0x0fff => (OperationClass::Session, "C-CANCEL"),
        _ => (OperationClass::Other, "command"),
    };
    let number = u32::from(field & 0x7fff);
    let answer = field & 0x8000 != 0;
    // PS3.7, annex C: 0 is success, 0xffxx is pending; done with a warning is done.
    out.operation(match (answer, status) {
        (false, _) => Op::request(class, number, name),
        (true, 0 | 1 | 0x0107 | 0x0116 | 0xb000..=0xbfff | 0xff00..) => {
            Op::response(class, number, name).done()
        }
        (true, 0xfe00) => Op::response(class, number, name).refused(0xfe00, "cancelled"),
        (true, status) => Op::response(class, number, name).refused(u32::from(status), "failure"),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn a_refusal_alone_is_known_at_its_port() {
        let probe = |pdu: [u8; 10], port| {
            let hint = Hint { carrier: Carrier::Tcp, port, from: Side::Server, missing: 0 };
            DICOM.probe(&pdu, hint)
        };
        let refusal = [3, 0, 0, 0, 0, 4, 0, 1, 1, 7];
        assert_eq!(probe(refusal, true), Probe::MatchServer);
        assert_eq!(probe(refusal, false), Probe::NoMatch);
        assert_eq!(probe([3, 0, 0, 0, 0, 4, 0, 9, 1, 7], true), Probe::NoMatch, "no such result");
    }

    #[test]
    fn an_image_with_a_gap_in_it_ends_where_it_ends() {
        const IMAGE_OCTETS: usize = 100_000;
        let (mut association, mut out) = (DICOM.open(), Output::new(false));
        let mut feed = |bytes: &[u8], gap: Option<u64>| {
            if gap.is_some() {
                association.gap(Gap { from: Side::Client, bytes: gap });
            }
            association.feed(Segment::of(bytes, Side::Client, Carrier::Tcp), &mut out)
        };
        let [_, b, c, d] = (IMAGE_OCTETS as u32).to_be_bytes();
        let mut image = vec![0x5a; HEADER_OCTETS + IMAGE_OCTETS];
        image[..12].copy_from_slice(&[DATA, 0, 0, b, c, d, 0, b, c, d - 4, 1, 2]);
        assert_eq!(feed(&image[..HEAD_OCTETS], None), Progress::Consumed(HEAD_OCTETS));
        let (lost, behind) = (1_460, image.len() - HEAD_OCTETS - 1_460);
        let release =
            [&image[image.len() - behind..], &[RELEASE_REQUEST, 0, 0, 0, 0, 4, 0, 0, 0, 0]];
        assert_eq!(feed(&release.concat(), Some(lost)), Progress::Consumed(behind));
        assert_eq!(feed(release[1], None), Progress::Consumed(10));
        let kinds: Vec<_> = out.messages.iter().map(|message| message.keys[0].clone()).collect();
        assert_eq!(kinds, [Scalar::Number(4), Scalar::Number(5)]);
    }
}
