//! LDAP over TCP and UDP: who binds how, what is searched and changed, what a directory server
//! says of itself.
//!
//! Not here: filters but those that attackers search with, and attribute values beyond a server's
//! own description. Invariant: a simple password is known to be there and never kept.

mod filter;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, ber::Ber, gss, output::Op, text, tls::Upgraded,
};
use model::{Authentication, OperationClass, Scalar, Subject};
use wire::Message;

pub static LDAP_GROUP: Group = Group { name: "ldap", ends: Ends::Pair, keys: &["op"] };

pub struct Ldap;
pub static LDAP: Ldap = Ldap;

static ABOUT: About = About {
    name: "ldap",
    title: "LDAP",
    specs: &["RFC 4511", "RFC 4513", "RFC 4121", "MS-ADTS, 5.1.1.1 and 6.3.1"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[389, 3_268],
    groups: &[&LDAP_GROUP],
    depth: "operations, binds and their outcome, distinguished names, the server's description, \
            searches for accounts that can be attacked",
};

/// Octets of one message or one wrapped buffer.
const MESSAGE_OCTETS_MAX: usize = 1 << 20;

impl Protocol for Ldap {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match wire::sequence_octets(head) {
            None if head.len() < 8 && hint.carrier == Carrier::Tcp => return Probe::NeedMore,
            Some(Ok(octets)) if octets <= MESSAGE_OCTETS_MAX => {}
            _ => return Probe::NoMatch,
        }
        // SEQUENCE, INTEGER of at most four octets, an operation of the application class.
        let [_, first, rest @ ..] = head else { return Probe::NeedMore };
        let skipped = if *first < 0x80 { 0 } else { usize::from(first & 0x7f) };
        let Some([2, count @ 1..=4, rest @ ..]) = rest.get(skipped..) else {
            let short = head.len() < 16 && hint.carrier == Carrier::Tcp;
            return if short && rest.len() <= skipped { Probe::NeedMore } else { Probe::NoMatch };
        };
        let Some(&tag) = rest.get(usize::from(*count)) else { return Probe::NeedMore };
        let operation = tag & 0x1f;
        match tag {
            0x42 | 0x4a | 0x50 => Probe::MatchClient,
            0x60..=0x79 if wire::is_operation(operation) => match operation {
                0 | 3 | 6 | 8 | 12 | 14 | 16 | 23 => Probe::MatchClient,
                _ => Probe::MatchServer,
            },
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    applicant: Option<Authentication>,
    /// The last search was for the server's own description.
    about_server: bool,
    /// StartTLS was asked for, and granted.
    tls_asked: bool,
    encrypted: bool,
    tls: Upgraded,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if self.encrypted {
            return self.tls.feed(segment, out);
        }
        let datagram = segment.carrier != Carrier::Tcp;
        let (octets, wrapped) = match (wire::sequence_octets(bytes), bytes.first_chunk::<4>()) {
            (Some(Ok(octets)), _) => (octets, false),
            (Some(Err(())), Some(length)) if !datagram => {
                ((u32::from_be_bytes(*length) as usize).saturating_add(4), true)
            }
            (Some(Err(())), _) if datagram => {
                return Progress::GiveUp(Malformed::new("ldap-message-invalid"));
            }
            _ => {
                let needed = bytes.len().saturating_add(1);
                return Progress::NeedMore { consumed: 0, needed };
            }
        };
        if octets > MESSAGE_OCTETS_MAX || (wrapped && octets < 20) {
            return Progress::GiveUp(Malformed::new("ldap-length-not-plausible"));
        }
        let Some(whole) = bytes.get(..octets) else {
            if datagram {
                return Progress::Consumed(bytes.len());
            }
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("ldap", 0..octets);
        if wrapped {
            self.wrapped(whole.get(4..).unwrap_or_default(), out);
        } else {
            self.message(whole, out);
        }
        if datagram {
            // An answer over UDP is one datagram: the entry and the end of the search.
            let rest = bytes.get(octets..).unwrap_or_default();
            if let Some(Ok(more)) = wire::sequence_octets(rest)
                && let Some(second) = rest.get(..more)
            {
                self.message(second, out);
            }
            return Progress::Consumed(bytes.len());
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, gap: Gap) {
        self.applicant = None;
        self.tls.gap(gap);
    }
}

impl Conversation {
    fn wrapped(&mut self, token: &[u8], out: &mut Output) {
        let Some(plain) = wire::unwrapped(token) else {
            out.operation(Op::notice(OperationClass::Session, 0, "sealed message"));
            return;
        };
        let mut rest = &*plain;
        while let Some(Ok(octets)) = wire::sequence_octets(rest) {
            let Some((message, behind)) = rest.split_at_checked(octets) else { return };
            self.message(message, out);
            rest = behind;
        }
    }

    fn message(&mut self, whole: &[u8], out: &mut Output) {
        let parsed = Ber::new(whole).expect(0x30).and_then(Message::parse);
        let read = parsed.and_then(|message| {
            out.count(&LDAP_GROUP, [Scalar::Number(u64::from(message.operation))]);
            self.operation(&message, out)
        });
        if let Err(malformed) = read {
            let says = "an LDAP message that cannot be read";
            out.violation(malformed.reason, says, "RFC 4511, 4.1.1");
        }
    }

    fn operation(&mut self, message: &Message<'_>, out: &mut Output) -> Result<(), Malformed> {
        use OperationClass::{Browse, Configure, Session};
        let number = u32::from(message.operation);
        let mut ber = Ber::new(message.contents);
        let mut named = |class, name| -> Result<(), Malformed> {
            let dn = text::lossy(ber.octets()?);
            out.operation(Op::request(class, number, name).named("dn", &dn));
            Ok(())
        };
        match message.operation {
            wire::BIND_REQUEST => self.bind(message.contents, out)?,
            wire::BIND_RESPONSE => self.bound(message.contents, out)?,
            wire::UNBIND => out.operation(Op::request(Session, number, "unbind")),
            wire::SEARCH => {
                self.about_server = message.contents.starts_with(&[4, 0]);
                named(Browse, "search")?;
                if let Some(sought) = filter::sought(ber) {
                    let op = Op::request(Browse, number, sought.name());
                    out.operation(op.named("filter", sought.attribute()));
                }
            }
            wire::ENTRY => entry(message.contents, self.about_server, out)?,
            wire::MODIFY => named(Configure, "modify")?,
            wire::ADD => named(Configure, "add")?,
            wire::RENAME => named(Configure, "modify DN")?,
            wire::COMPARE => named(Browse, "compare")?,
            wire::DELETE => {
                let dn = text::lossy(message.contents);
                out.operation(Op::request(Configure, number, "delete").named("dn", &dn));
            }
            wire::EXTENDED => self.extended(message.contents, out),
            wire::EXTENDED_RESPONSE => {
                let code = result(message.contents)?;
                self.encrypted = self.tls_asked && code == 0;
                answer(number, "extended", code, out);
            }
            wire::SEARCH_DONE => answer(number, "search", result(message.contents)?, out),
            7 | 9 | 11 | 13 | 15 => {
                let name = match message.operation {
                    7 => "modify",
                    9 => "add",
                    11 => "delete",
                    13 => "modify DN",
                    _ => "compare",
                };
                answer(number, name, result(message.contents)?, out);
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 4511, 4.2: version, name, then a password [0] or SASL [3]. Microsoft's own choices
    /// [9] to [11] carry NTLM ([MS-ADTS], 5.1.1.1.3).
    fn bind(&mut self, contents: &[u8], out: &mut Output) -> Result<(), Malformed> {
        let mut ber = Ber::new(contents);
        ber.integer()?;
        let name = text::lossy(ber.octets()?);
        let choice = ber.element()?;
        let mut user = (!name.is_empty()).then(|| name.clone().into_boxed_str());
        let (mut clear_text, mut method) = (false, "ldap anonymous");
        let token = match choice.tag {
            0x80 => {
                clear_text = !choice.contents.is_empty();
                method = if clear_text { "ldap password" } else { "ldap anonymous" };
                &[]
            }
            0xa3 => {
                let mut sasl = Ber::new(choice.contents);
                let mechanism = sasl.octets()?;
                clear_text = mechanism == b"PLAIN";
                method = "ldap sasl";
                sasl.octets().unwrap_or_default()
            }
            _ => choice.contents,
        };
        match gss::observe(token, out) {
            Some(gss::Token::Ntlm(message)) => {
                user = message.account().or(user);
                method = "ntlm";
            }
            Some(gss::Token::Kerberos(_)) => method = "kerberos",
            None => {}
        }
        let op = Op::request(OperationClass::Authenticate, u32::from(wire::BIND_REQUEST), "bind");
        out.operation(op.named("dn", &name));
        // Which packages there are, and for a challenge: the log-on is the third.
        let before_log_on = matches!(choice.tag, 0x89 | 0x8a);
        self.applicant = (!before_log_on).then_some(Authentication {
            user,
            accepted: None,
            clear_text,
            default_password: false,
            method,
        });
        Ok(())
    }

    fn bound(&mut self, contents: &[u8], out: &mut Output) -> Result<(), Malformed> {
        const IN_PROGRESS: u32 = 14;
        const NAME: u8 = 0x04;
        const SERVER_CREDENTIALS: u8 = 0x87;
        let code = result(contents)?;
        let mut ber = Ber::new(contents);
        while let Ok(element) = ber.element() {
            // Microsoft's answer to [10] has the challenge where the name stands in others.
            let challenge = element.tag == NAME && element.contents.starts_with(b"NTLMSSP\0");
            if element.tag == SERVER_CREDENTIALS || challenge {
                gss::observe(element.contents, out);
            }
        }
        if code == IN_PROGRESS {
            return Ok(());
        }
        answer(u32::from(wire::BIND_RESPONSE), "bind", code, out);
        if let Some(mut applicant) = self.applicant.take() {
            applicant.accepted = Some(code == 0);
            out.authentication(applicant);
        }
        Ok(())
    }

    fn extended(&mut self, contents: &[u8], out: &mut Output) {
        const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
        let oid = Ber::new(contents).expect(0x80).unwrap_or_default();
        self.tls_asked = oid == START_TLS;
        let name = if self.tls_asked { "StartTLS" } else { "extended" };
        let op = Op::request(OperationClass::Session, u32::from(wire::EXTENDED), name);
        out.operation(op.named("oid", &text::lossy(oid)));
    }
}

/// The code of an LDAPResult (4.1.9).
fn result(contents: &[u8]) -> Result<u32, Malformed> {
    let code = crate::ber::integer(Ber::new(contents).expect(0x0a)?)?;
    u32::try_from(code).map_err(|_| Malformed::new("ldap-result-code-negative"))
}

fn answer(number: u32, name: &'static str, code: u32, out: &mut Output) {
    let class = match name {
        "bind" => OperationClass::Authenticate,
        "search" | "compare" => OperationClass::Browse,
        "extended" => OperationClass::Session,
        _ => OperationClass::Configure,
    };
    let says = match code {
        1 => "operations error",
        8 => "stronger authentication required",
        10 => "referral",
        32 => "no such object",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        53 => "unwilling to perform",
        _ => "error",
    };
    let op = Op::response(class, number, name);
    // 5 and 6 answer a comparison.
    out.operation(if matches!(code, 0 | 5 | 6) { op.done() } else { op.refused(code, says) });
}

/// 4.5.2: attributes of an entry; only a server's own (RFC 4512, 5.1), and a DC's answer to a
/// ping, are looked at. References to Java classes are how directories are abused to load code.
fn entry(contents: &[u8], about_server: bool, out: &mut Output) -> Result<(), Malformed> {
    const ATTRIBUTES_MAX: usize = 64;
    let mut ber = Ber::new(contents);
    let dn = text::lossy(ber.octets()?);
    let mut list = Ber::new(ber.expect(0x30)?);
    let mut facts = Vec::new();
    let mut name = "search";
    for _ in 0..ATTRIBUTES_MAX {
        let Ok(attribute) = list.expect(0x30) else { break };
        let mut attribute = Ber::new(attribute);
        let kind = attribute.octets()?.to_ascii_lowercase();
        let value = Ber::new(attribute.expect(0x31)?).octets().unwrap_or_default();
        if kind.starts_with(b"javacodebase") || kind.starts_with(b"javaserializeddata") {
            name = "search with Java reference";
        }
        let path = match kind.as_slice() {
            b"dnshostname" => "fqdn",
            b"vendorname" => "vendor",
            b"vendorversion" => "software",
            b"defaultnamingcontext" => "ldap_naming_context",
            b"netlogon" => {
                facts.extend(netlogon(value).unwrap_or_default());
                continue;
            }
            _ => continue,
        };
        facts.push((path, text::lossy(value)));
    }
    if name != "search" {
        let op = Op::response(OperationClass::Browse, u32::from(wire::ENTRY), name);
        out.operation(op.named("dn", &dn).done());
    }
    if about_server {
        out.identity(Subject::Sender, "LDAP root entry", facts);
    }
    Ok(())
}

/// NETLOGON_SAM_LOGON_RESPONSE_EX ([MS-ADTS], 6.3.1.9): operation 23, flags, a GUID, then names
/// compressed as in DNS: forest, domain, host, NetBIOS domain, NetBIOS host.
fn netlogon(value: &[u8]) -> Option<Vec<(&'static str, String)>> {
    const NAMES_AT: usize = 24;
    let [23 | 25, 0, ..] = value else { return None };
    let mut at = NAMES_AT;
    let mut names = Vec::new();
    for _ in 0..5 {
        names.push(compressed(value, &mut at)?);
    }
    let mut names = names.into_iter().skip(1);
    Some(vec![
        ("dns_domain", names.next()?),
        ("fqdn", names.next()?),
        ("domain", names.next()?),
        ("hostname", names.next()?),
    ])
}

/// RFC 1035, 4.1.4; pointers only go back.
fn compressed(bytes: &[u8], at: &mut usize) -> Option<String> {
    const LABELS_MAX: usize = 32;
    let mut name = String::new();
    let mut position = *at;
    let mut jumped = false;
    for _ in 0..LABELS_MAX {
        let length = *bytes.get(position)?;
        let next = position.checked_add(1)?;
        if length >= 0xc0 {
            let low = *bytes.get(next)?;
            if !jumped {
                *at = next.checked_add(1)?;
            }
            jumped = true;
            let target = usize::from(length & 0x3f) << 8 | usize::from(low);
            if target >= position {
                return None;
            }
            position = target;
            continue;
        }
        let end = next.checked_add(usize::from(length))?;
        if length == 0 {
            if !jumped {
                *at = next;
            }
            return Some(name);
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&text::lossy(bytes.get(next..end)?));
        position = end;
    }
    None
}
