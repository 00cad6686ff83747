//! Reads an OPC UA conversation: chunks to messages, messages to services.
//!
//! Invariant: chunks of one request id are put together in order, at most
//! [`limits::MESSAGE_OCTETS_MAX`] octets of them; what may be encrypted is read only where it
//! begins as a service does.

use super::{
    OPCUA_GROUP, OPCUA_TRANSPORT_GROUP,
    descriptions::{self, Application},
    limits::{ASKED_MAX, MESSAGE_OCTETS_MAX, PARTS_MAX},
    nodes::{self, Asked},
    outcomes,
    services::{self, is_bad, status},
    types::{Decoder, NodeId},
    wire::{HEADER_OCTETS, Header, Kind},
};
use crate::{Dissector, Gap, Malformed, Output, Progress, Segment, Side, output::Op, tls};
use model::{Authentication, Operation, OperationClass, Scalar, Subject};
use std::collections::VecDeque;

/// What is known of the channel's security. Messages of a secured one are signed at least, and
/// that they are encrypted as well is agreed on where nobody else can read it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Channel {
    /// It was opened before the first octet seen.
    #[default]
    Unknown,
    /// Its policy is "None".
    Clear,
    /// Octets of a signature.
    Secured(usize),
}

#[derive(Default)]
pub(super) struct Conversation {
    channel: Channel,
    /// Chunks of messages not yet whole, by side and request id.
    parts: VecDeque<(Side, u32, Vec<u8>)>,
    /// Requests by request id.
    asked: VecDeque<(u32, u32, Asked)>,
    monitored: Vec<(u32, NodeId)>,
    /// Who activates a session, until the answer.
    applicant: Option<Authentication>,
}

type Read<T> = Result<T, Malformed>;

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let header = match Header::parse(segment.bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS },
            Some(Err(())) => return resynchronise(&segment),
            Some(Ok(header)) => header,
        };
        let Some(body) = segment.bytes.get(HEADER_OCTETS..header.size) else {
            return Progress::NeedMore { consumed: 0, needed: header.size };
        };
        out.begin("opcua", 0..header.size);
        out.count(&OPCUA_TRANSPORT_GROUP, [Scalar::Word(header.kind.word())]);
        // What begins in zeros for what the capture cut was not said.
        let there = body.len().saturating_sub(segment.filled);
        let body = body.get(..there).unwrap_or_default();
        let read = match header.kind {
            Kind::Hello => hello(body, out),
            Kind::Error => error(body, out),
            Kind::Open => self.open(segment.from, body, out),
            Kind::Message | Kind::Close => self.chunk(segment.from, &header, body, out),
            Kind::Acknowledge | Kind::ReverseHello => Ok(()),
        };
        if let Err(malformed) = read {
            let says = "an OPC UA message that cannot be read";
            out.violation(malformed.reason, says, "OPC 10000-6, 5.2");
        }
        Progress::Consumed(header.size)
    }

    fn gap(&mut self, gap: Gap) {
        self.parts.retain(|(side, _, _)| *side != gap.from);
        self.asked.clear();
    }

    // The header.
    fn counted_by(&self) -> usize {
        8
    }
}

/// Behind a gap a chunk may begin anywhere.
fn resynchronise(segment: &Segment<'_>) -> Progress {
    if !segment.after_gap {
        return Progress::GiveUp(Malformed::new("opcua-chunk-header-invalid"));
    }
    let bytes = segment.bytes;
    let begins = |w: &[u8]| matches!(Header::parse(w), Some(Ok(_)));
    match bytes.windows(HEADER_OCTETS).position(begins) {
        Some(at) if at > 0 => Progress::Consumed(at),
        _ => Progress::Consumed(bytes.len()),
    }
}

/// OPC 10000-6, 7.1.2.3.
fn hello(body: &[u8], out: &mut Output) -> Read<()> {
    let mut d = Decoder::new(body);
    d.skip(20)?;
    let url = d.string()?;
    out.operation(Op::request(OperationClass::Session, 0, "Hello").named("endpoint", &url));
    Ok(())
}

/// 7.1.2.5
fn error(body: &[u8], out: &mut Output) -> Read<()> {
    let code = Decoder::new(body).u32()?;
    let op = Op::response(OperationClass::Session, 0, "Error");
    out.operation(op.refused(code, status(code)));
    Ok(())
}

/// OPC 10000-7, the symmetric signature of each policy: HMAC-SHA1, or with SHA-256 by the later.
fn signature_octets(policy: &str) -> usize {
    if matches!(policy, "Basic128Rsa15" | "Basic256") { 20 } else { 32 }
}

/// What stands in clear before a secured channel: policy and certificate of the sender.
fn holder(certificate: &[u8], policy: &str, out: &mut Output) {
    let Ok(found) = tls::certificate::parse(certificate) else { return };
    let itself = found.issuer == found.subject;
    let facts = [
        ("opcua_application", found.subject.common),
        ("opcua_application_uri", found.application_uri),
        ("opcua_organisation", found.subject.organisation),
        ("opcua_channel", policy.to_owned()),
        ("opcua_certificate_until", found.not_after),
        (
            "opcua_certificate_issuer",
            if itself { "itself".to_owned() } else { found.issuer.common },
        ),
    ];
    out.identity(Subject::Sender, "OPC UA OpenSecureChannel", facts);
}

impl Conversation {
    /// 6.7.2.3, table 48: the asymmetric header names the policy of the channel.
    fn open(&mut self, from: Side, body: &[u8], out: &mut Output) -> Read<()> {
        let mut d = Decoder::new(body);
        d.skip(4)?;
        let uri = d.string()?;
        let certificate = d.octets()?;
        d.octets()?;
        let policy = descriptions::policy(&uri);
        // Zeros stand where the capture cut it.
        let whole = !uri.contains('\0');
        if whole && policy != "None" && !policy.is_empty() {
            self.channel = Channel::Secured(signature_octets(policy));
            let number = services::OPEN_CHANNEL;
            let op = match from {
                Side::Client => Op::request(OperationClass::Session, number, "OpenSecureChannel"),
                Side::Server => {
                    Op::response(OperationClass::Session, number, "OpenSecureChannel").done()
                }
            };
            out.operation(op.named("policy", policy));
            holder(certificate, policy, out);
            return Ok(());
        }
        if !whole {
            return Ok(());
        }
        self.channel = Channel::Clear;
        d.skip(4)?;
        let request = d.u32()?;
        self.service(from, request, d.rest(), out)
    }

    /// 6.7.2: channel, token, sequence number, request id, then a part of the message.
    fn chunk(&mut self, side: Side, header: &Header, body: &[u8], out: &mut Output) -> Read<()> {
        const ABANDONED: u8 = b'A';
        const FINAL: u8 = b'F';
        let Some(([.., a, b, c, d], rest)) = body.split_first_chunk::<16>() else {
            return match self.channel {
                Channel::Clear => Err(Malformed::new("message-shorter-than-its-fields")),
                Channel::Unknown | Channel::Secured(_) => Ok(()),
            };
        };
        let request = u32::from_le_bytes([*a, *b, *c, *d]);
        let known = self.parts.iter().position(|(s, id, _)| (*s, *id) == (side, request));
        let begun = known.and_then(|at| self.parts.remove(at)).map(|(_, _, part)| part);
        if header.place == ABANDONED || (begun.is_none() && !self.is_readable(rest)) {
            return Ok(());
        }
        let mut part = match (begun, header.place) {
            (None, FINAL) => return self.service(side, request, rest, out),
            (begun, _) => begun.unwrap_or_default(),
        };
        let signature = match self.channel {
            Channel::Secured(octets) => octets,
            Channel::Clear | Channel::Unknown => 0,
        };
        let said = rest.len().saturating_sub(signature);
        let rest = rest.get(..said).unwrap_or_default();
        if part.len().saturating_add(rest.len()) <= MESSAGE_OCTETS_MAX {
            part.extend_from_slice(rest);
        } else {
            out.limit("opcua-message-octets");
        }
        if header.place == FINAL {
            return self.service(side, request, &part, out);
        }
        if self.parts.len() >= PARTS_MAX {
            self.parts.pop_front();
            out.limit("opcua-messages-in-parts");
        }
        self.parts.push_back((side, request, part));
        Ok(())
    }

    /// Can this be read as the beginning of a message? Where the channel may be encrypted, only
    /// what begins as each of the known services does: a number of 16 bits in namespace 0.
    fn is_readable(&self, message: &[u8]) -> bool {
        let number = match message {
            [1, 0, low, high, ..] => u32::from(u16::from_le_bytes([*low, *high])),
            _ => 0,
        };
        self.channel == Channel::Clear || services::find(number).is_some()
    }

    fn service(&mut self, from: Side, request: u32, message: &[u8], out: &mut Output) -> Read<()> {
        let mut d = Decoder::new(message);
        let kind = d.node()?;
        let Some(number) = kind.standard() else {
            return Err(Malformed::new("opcua-service-not-standard"));
        };
        out.count(&OPCUA_GROUP, [Scalar::Number(u64::from(number))]);
        let Some((class, name, response)) = services::find(number) else {
            let class = OperationClass::Other;
            out.operation(match from {
                Side::Client => Op::request(class, number, "service"),
                Side::Server => Op::response(class, number, "service"),
            });
            return Ok(());
        };
        if response {
            self.response(number, request, &mut d, Op::response(class, number, name), out)
        } else {
            self.request(number, request, &mut d, &Op::request(class, number, name), out)
        }
    }

    fn request(
        &mut self,
        number: u32,
        request: u32,
        d: &mut Decoder<'_>,
        op: &Op,
        out: &mut Output,
    ) -> Read<()> {
        // RequestHeader (OPC 10000-4, 7.33)
        d.node()?;
        d.skip(8 + 4 + 4)?;
        d.octets()?;
        d.skip(4)?;
        d.object()?;
        let before = out.observed.len();
        let mut asked = Asked::default();
        match number {
            services::OPEN_CHANNEL => open_channel(d, op, out)?,
            services::CREATE_SESSION => create_session(d, op, out)?,
            services::ACTIVATE_SESSION => self.applicant = activate(d)?,
            services::REGISTER_SERVER | services::REGISTER_SERVER_2 => {
                descriptions::registered(d, out)?;
            }
            services::READ => asked = nodes::read(d, op, out)?,
            services::WRITE => asked = nodes::write(d, op, out)?,
            services::CALL => asked = nodes::call(d, op, out)?,
            services::BROWSE => nodes::browse(d, op, out)?,
            services::CREATE_MONITORED => asked = nodes::monitor(d, op, out)?,
            _ => {}
        }
        let told = out.observed.iter().skip(before);
        let told = told.filter(|o| matches!(o.detail, model::Detail::Operation(Operation { .. })));
        if told.count() == 0 {
            out.operation(op.clone());
        }
        if self.asked.len() >= ASKED_MAX {
            out.limit("opcua-requests-awaited");
            self.asked.pop_front();
        }
        self.asked.push_back((request, number, asked));
        Ok(())
    }

    fn response(
        &mut self,
        number: u32,
        request: u32,
        d: &mut Decoder<'_>,
        mut op: Op,
        out: &mut Output,
    ) -> Read<()> {
        const BEHIND_REQUEST: u32 = 3;
        let at = self.asked.iter().position(|(id, _, _)| *id == request);
        let asked = at.and_then(|at| self.asked.remove(at));
        // ResponseHeader (OPC 10000-4, 7.34)
        d.skip(8 + 4)?;
        let result = d.u32()?;
        d.diagnostics()?;
        d.strings()?;
        d.object()?;
        if number == services::FAULT
            && let Some((class, name, _)) = asked.as_ref().and_then(|a| services::find(a.1))
        {
            (op.class, op.name) = (class, name);
        }
        let activated = asked.as_ref().is_some_and(|a| a.1 == services::ACTIVATE_SESSION);
        if activated && let Some(mut applicant) = self.applicant.take() {
            applicant.accepted = Some(!is_bad(result));
            out.authentication(applicant);
        }
        if is_bad(result) {
            out.operation(op.refused(result, status(result)));
            return Ok(());
        }
        let asked = asked.map(|(_, _, asked)| asked).unwrap_or_default();
        let service = number.saturating_sub(BEHIND_REQUEST);
        if service == services::READ {
            return nodes::results(d, &asked, op, out);
        }
        if outcomes::are_said(service) {
            return outcomes::tell(service, d, asked.objects, op, out);
        }
        out.operation(op.done());
        match service {
            services::FIND_SERVERS => descriptions::servers(d, out)?,
            services::GET_ENDPOINTS => {
                descriptions::endpoints(d, "OPC UA GetEndpoints", out)?;
            }
            services::CREATE_SESSION => {
                d.node()?;
                d.node()?;
                d.skip(8)?;
                d.octets()?;
                d.octets()?;
                descriptions::endpoints(d, "OPC UA CreateSession", out)?;
            }
            services::CREATE_MONITORED => {
                nodes::remember(&mut self.monitored, asked.handles, out);
            }
            services::PUBLISH => nodes::notification(d, &self.monitored, out)?,
            _ => {}
        }
        Ok(())
    }
}

/// OPC 10000-4, 5.5.2.
fn open_channel(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<()> {
    d.skip(4 + 4)?;
    let mode = descriptions::mode(d.u32()?);
    out.operation(op.clone().named("policy", &format!("None {mode}")));
    Ok(())
}

/// 5.6.2
fn create_session(d: &mut Decoder<'_>, op: &Op, out: &mut Output) -> Read<()> {
    let application = Application::read(d)?;
    d.octets()?;
    let url = d.string()?;
    application.tell(Subject::Sender, "OPC UA CreateSession", out);
    out.operation(op.clone().named("endpoint", &url));
    Ok(())
}

/// 5.6.3
fn activate(d: &mut Decoder<'_>) -> Read<Option<Authentication>> {
    d.octets()?;
    d.octets()?;
    for _ in 0..d.count()? {
        d.octets()?;
        d.octets()?;
    }
    d.strings()?;
    let (kind, body) = d.object()?;
    Ok(descriptions::user(&kind, body, true))
}
