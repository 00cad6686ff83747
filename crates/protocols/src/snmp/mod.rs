//! SNMP v1, v2c and v3: who manages whom, and what devices say of themselves.
//!
//! Not here: MIBs beyond the system group and the entity table. Invariant: a community string is
//! a secret; it is compared with well-known ones on the spot and never kept: a hash tells it from
//! those after it.

pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    Side, ber, output::Op, text,
};
use model::{Authentication, OperationClass, Scalar, Subject};
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::{Message, Pdu};

pub static SNMP_GROUP: Group = Group { name: "snmp", ends: Ends::Pair, keys: &["version", "pdu"] };

pub struct Snmp;
pub static SNMP: Snmp = Snmp;

static ABOUT: About = About {
    name: "snmp",
    title: "SNMP",
    specs: &["RFC 1157", "RFC 3416", "RFC 3412", "RFC 3414", "RFC 3418 (system)", "RFC 6933"],
    carriers: &[Carrier::Udp],
    ports: &[161, 162],
    groups: &[&SNMP_GROUP],
    depth: "PDUs, system group, entity table, v3 users, default communities",
};

impl Protocol for Snmp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if head.first() != Some(&0x30) {
            return Probe::NoMatch;
        }
        let cut = || wire::head(head).filter(|_| hint.port && hint.missing > 0);
        match wire::parse(head).ok().or_else(cut) {
            Some(message) => match message.pdu.map(|p| p.kind) {
                Some(2 | 4 | 7) => Probe::Match,
                _ => Probe::MatchClient,
            },
            None => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

/// Communities and users a conversation remembers.
const TRIES_MAX: usize = 4;

#[derive(Default)]
struct Reader {
    /// Those asked with last, oldest first. A manager has one or two, a guesser any number.
    tries: Vec<Try>,
    /// One observation for each kind of community, or for each user, is enough.
    told: Vec<Authentication>,
    /// A guess was refused since an acceptance was told.
    guesses: bool,
}

/// A community or a user that was asked with. The community itself is not kept.
struct Try {
    credential: u64,
    asked: Authentication,
    /// It was let in.
    answered: bool,
}

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let taken = Progress::Consumed(segment.bytes.len());
        out.begin("snmp", 0..segment.bytes.len());
        let mut whole = true;
        let message = match wire::parse(segment.bytes) {
            Ok(message) => message,
            Err(_) if segment.missing > 0 => {
                whole = false;
                let Some(message) = wire::head(segment.bytes) else { return taken };
                message
            }
            Err(malformed) => {
                let says = "an SNMP message that cannot be read";
                out.violation(malformed.reason, says, "RFC 1157, 4; RFC 3412, 6");
                return taken;
            }
        };
        let version = match message.version {
            3 => Scalar::Null,
            version => Scalar::Number(u64::from(version)),
        };
        if let Some(pdu) = &message.pdu {
            out.count(&SNMP_GROUP, [version, Scalar::Number(u64::from(pdu.kind))]);
            // What an answer says is not known of one that was cut.
            if whole || pdu.kind != RESPONSE {
                operation(&message, pdu, out);
            }
            if pdu.kind == RESPONSE && pdu.error == 0 {
                system(pdu, out);
            }
        }
        self.credentials(&message, segment.from, out);
        // The agent's engine is in every message about it; only the agent itself is sure of it.
        let answers = message.pdu.as_ref().is_some_and(|p| matches!(p.kind, 2 | 7 | 8));
        if let Some(user) = message.user.as_ref().filter(|_| answers) {
            engine(&user.engine, out);
        }
        taken
    }

    fn gap(&mut self, _: Gap) {}
}

impl Reader {
    /// Who asks, and what the agent makes of it: an answer lets in, a report of the counters of
    /// RFC 3414, 3.2 may refuse. A wrong community is met with silence (RFC 1157, 4.1), so one that
    /// had no answer while several others were tried after it was refused.
    fn credentials(&mut self, message: &Message, from: Side, out: &mut Output) {
        let kind = message.pdu.as_ref().map(|p| p.kind);
        if kind == Some(REPORT) {
            let refused = message.pdu.as_ref().is_some_and(refuses);
            return self.answer(message, refused.then_some(false), out);
        }
        if kind.map_or(from == Side::Server, |kind| kind == RESPONSE) {
            return self.answer(message, Some(true), out);
        }
        let Some(credential) = credential(message) else { return };
        if self.tries.iter().any(|one| one.credential == credential) {
            return;
        }
        let Some(asked) = applicant(message) else { return };
        if self.tries.len() >= TRIES_MAX {
            let oldest = self.tries.remove(0);
            // An agent that does not know a user says so.
            if !oldest.answered && oldest.asked.user.is_none() {
                self.guesses = true;
                out.authentication(Authentication { accepted: Some(false), ..oldest.asked });
            }
        }
        if self.is_news(&asked) {
            out.authentication(asked.clone());
        }
        self.tries.push(Try { credential, asked, answered: false });
    }

    fn answer(&mut self, message: &Message, accepted: Option<bool>, out: &mut Output) {
        let Some(accepted) = accepted else { return };
        let credential = credential(message);
        let known = self.tries.iter().rposition(|one| Some(one.credential) == credential);
        let Some(at) = known.or(self.tries.len().checked_sub(1)) else { return };
        let Some(one) = self.tries.get_mut(at) else { return };
        let again = one.answered;
        one.answered |= accepted;
        let said = Authentication { accepted: Some(accepted), ..one.asked.clone() };
        // Every refusal is told, one acceptance is enough; and one more after guesses.
        let news = !accepted || (!again && (self.is_news(&said) || self.guesses));
        if news {
            self.guesses &= !accepted;
            out.authentication(said);
        }
    }

    /// Was nothing like it told? Room for more than a manager has to say; what comes after is told.
    fn is_news(&mut self, said: &Authentication) -> bool {
        const TOLD_MAX: usize = 4 * TRIES_MAX;
        let news = !self.told.contains(said);
        if news && self.told.len() < TOLD_MAX {
            self.told.push(said.clone());
        }
        news
    }
}

/// Tells communities and users apart, and nothing of what they are.
fn credential(message: &Message) -> Option<u64> {
    let user = message.user.as_ref().map(|user| &user.name).filter(|name| !name.is_empty());
    let octets = message.community.as_ref().or(user)?;
    let mut hasher = DefaultHasher::new();
    (message.version, octets).hash(&mut hasher);
    Some(hasher.finish())
}

const RESPONSE: u8 = 2;
const REPORT: u8 = 8;

fn applicant(message: &Message) -> Option<Authentication> {
    if let Some(community) = &message.community {
        return Some(Authentication {
            user: None,
            accepted: None,
            clear_text: true,
            default_password: matches!(community.as_slice(), b"public" | b"private"),
            method: "snmp community",
        });
    }
    let user = message.user.as_ref().filter(|u| !u.name.is_empty())?;
    Some(Authentication {
        user: Some(text::lossy(&user.name).into()),
        accepted: None,
        clear_text: false,
        default_password: false,
        method: if user.authenticated { "snmp v3" } else { "snmp v3 without authentication" },
    })
}

/// usmStats: 1 unsupported security levels, 3 unknown user names, 5 wrong digests, 6 decryption
/// errors. Unknown engines and times are how a conversation begins.
fn refuses(report: &Pdu) -> bool {
    const USM_STATS: &[u8] = &[0x2b, 6, 1, 6, 3, 15, 1, 1];
    let counter = |name: &[u8]| name.strip_prefix(USM_STATS).map(<[u8]>::to_vec);
    let mut counters = report.variables.iter().filter_map(|v| counter(&v.name));
    counters.any(|c| matches!(c.as_slice(), [1 | 3 | 5 | 6, 0]))
}

/// SnmpEngineID (RFC 3411, 5): an enterprise number, then an address, a MAC address or a text.
fn engine(id: &[u8], out: &mut Output) {
    const NEW_FORM: u8 = 0x80;
    let [a, b, c, d, rest @ ..] = id else { return };
    if a & NEW_FORM == 0 {
        return;
    }
    let enterprise = u32::from_be_bytes([a & 0x7f, *b, *c, *d]);
    let mut facts = vec![("snmp_enterprise", enterprise.to_string())];
    match rest {
        [3, a, b, c, d, e, f] => {
            facts.push(("snmp_engine_mac", model::Mac([*a, *b, *c, *d, *e, *f]).to_string()));
        }
        // What an administrator likes, which mostly is a name.
        [4, name @ ..] => facts.push(("snmp_engine_text", text::lossy(name))),
        _ => {}
    }
    out.identity(Subject::Sender, "SNMPv3 engine", facts);
}

fn operation(message: &Message, pdu: &Pdu, out: &mut Output) {
    use OperationClass as Class;
    let function = u32::from(pdu.kind);
    let op = match pdu.kind {
        0 => Op::request(Class::Diagnose, function, "get"),
        1 => Op::request(Class::Browse, function, "get-next"),
        2 if pdu.error == 0 => Op::response(Class::Diagnose, function, "response").done(),
        2 => {
            let code = u32::try_from(pdu.error).unwrap_or(u32::MAX);
            Op::response(Class::Diagnose, function, "response").refused(code, error_name(code))
        }
        3 => Op::request(Class::Configure, function, "set"),
        5 => Op::request(Class::Browse, function, "get-bulk"),
        6 => Op::request(Class::Report, function, "inform"),
        8 => Op::response(Class::Session, function, "report"),
        _ => Op::notice(Class::Report, function, "trap"),
    };
    let engine = message.user.as_ref().map(|u| u.engine.len());
    match pdu.variables.first() {
        Some(variable) if engine.is_none() || pdu.kind != 8 => {
            out.operation(op.named("oid", &ber::object_identifier(&variable.name)));
        }
        _ => out.operation(op),
    }
}

/// RFC 3416, 3.
fn error_name(code: u32) -> &'static str {
    match code {
        1 => "too big",
        2 => "no such name",
        3 => "bad value",
        4 => "read only",
        5 => "general error",
        6 => "no access",
        16 => "authorization error",
        17 => "not writable",
        _ => "error",
    }
}

const SYSTEM: &[u8] = &[0x2b, 6, 1, 2, 1, 1];
/// entPhysicalEntry (RFC 6933): columns 7 name, 8 hardware, 9 firmware, 10 software, 11 serial,
/// 12 manufacturer, 13 model; the row behind it is the physical index, which for the whole device
/// is 1, or 1001 where switches may be stacked.
const ENTITY: &[u8] = &[0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1];

fn system(pdu: &Pdu, out: &mut Output) {
    const OCTET_STRING: u8 = 4;
    const OBJECT_IDENTIFIER: u8 = 6;
    let mut facts = Vec::new();
    for variable in &pdu.variables {
        let is_text = variable.tag == OCTET_STRING;
        if let Some([column, 0]) = variable.name.strip_prefix(SYSTEM) {
            let path = match (column, is_text) {
                (1, true) => "description",
                (4, true) => "contact",
                (5, true) => "name",
                (6, true) => "location",
                (2, false) if variable.tag == OBJECT_IDENTIFIER => {
                    let oid = ber::object_identifier(&variable.value);
                    facts.push(("sys_object_id", oid));
                    continue;
                }
                _ => continue,
            };
            facts.push((path, text::lossy(&variable.value)));
        } else if let Some([column, 1] | [column, 0x87, 0x69]) = variable.name.strip_prefix(ENTITY)
            && is_text
        {
            let path = match column {
                8 => "hardware",
                9 | 10 => "firmware",
                11 => "serial",
                12 => "vendor",
                13 => "model",
                _ => continue,
            };
            facts.push((path, text::lossy(&variable.value)));
        }
    }
    out.identity(Subject::Sender, "SNMP response", facts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    /// A get of version 2c, an answer to it of version 1, and a get of version 3.
    const MESSAGES: [(&str, &str); 3] = [
        (
            "30 22 | 02 01 01 | 04 06 70 75 62 6c 69 63 | a0 15 02 01 07 02 01 00 02 01 00 30 0a \
             30 08 06 04 2b 06 01 02 05 00",
            "1 0",
        ),
        (
            "30 22 | 02 01 00 | 04 06 70 75 62 6c 69 63 | a2 15 02 01 07 02 01 00 02 01 00 30 0a \
             30 08 06 04 2b 06 01 02 05 00",
            "0 2",
        ),
        (
            "30 37 | 02 01 03 | 30 0d 02 01 09 02 02 05 dc 04 01 04 02 01 03 | \
             04 10 30 0e 04 00 02 01 00 02 01 00 04 00 04 00 04 00 | \
             30 11 04 00 04 00 | a0 0b 02 01 07 02 01 00 02 01 00 30 00",
            "- 0",
        ),
    ];

    fn octets(hex: &str) -> Vec<u8> {
        let words = hex.split_whitespace().filter(|word| *word != "|");
        words.map(|word| u8::from_str_radix(word, 16).expect("two digits")).collect()
    }

    fn counted(bytes: &[u8], missing: usize) -> Option<String> {
        let mut out = Output::default();
        let segment = Segment { missing, ..Segment::of(bytes, Side::Client, Carrier::Udp) };
        Reader::default().feed(segment, &mut out);
        let number = |key: &Scalar| match key {
            Scalar::Number(number) => number.to_string(),
            _ => "-".to_owned(),
        };
        let keys = |keys: &[Scalar]| keys.iter().map(number).collect::<Vec<_>>().join(" ");
        out.messages.iter().map(|m| keys(&m.keys[..SNMP_GROUP.keys.len()])).next()
    }

    /// A get or an answer of version 2c with this community.
    fn message(community: &str, pdu: u8) -> Vec<u8> {
        let length = community.len() as u8;
        let tail = octets("15 02 01 07 02 01 00 02 01 00 30 0a 30 08 06 04 2b 06 01 02 05 00");
        let head = [0x30, length + 28, 2, 1, 1, 4, length];
        let body = community.bytes().chain([pdu]).chain(tail);
        head.into_iter().chain(body).collect()
    }

    /// What is told of sign-ins: `?` asked, `+` accepted, `-` refused; `!` with a default.
    fn told(said: &[(&str, u8)]) -> String {
        let mut reader = Reader::default();
        let told = said.iter().flat_map(|(community, pdu)| {
            let mut out = Output::new(false);
            let bytes = message(community, *pdu);
            let from = if *pdu == 0xa2 { Side::Server } else { Side::Client };
            reader.feed(Segment::of(&bytes, from, Carrier::Udp), &mut out);
            out.observed.into_iter().filter_map(|seen| match seen.detail {
                Detail::Authentication(one) => Some(one),
                _ => None,
            })
        });
        let word = |one: Authentication| {
            let accepted = one.accepted.map_or('?', |accepted| if accepted { '+' } else { '-' });
            [Some(accepted), one.default_password.then_some('!')].into_iter().flatten()
        };
        told.flat_map(word).collect()
    }

    #[test]
    fn communities_that_are_tried_one_after_the_other_are_refused_by_silence() {
        let (get, answer) = (0xa0, 0xa2);
        let words: Vec<String> = (0..10).map(|i| format!("word{i}")).collect();
        let mut guesses: Vec<(&str, u8)> = words.iter().map(|word| (word.as_str(), get)).collect();
        assert_eq!(told(&guesses), "?------");
        // The answer to one that was asked a while ago; what was refused until then comes first.
        guesses.push(("word7", answer));
        assert_eq!(told(&guesses), "?------+");
        guesses.extend([("word7", get), ("word7", answer)]);
        assert_eq!(told(&guesses), "?------+");
    }

    #[test]
    fn a_manager_is_told_once_whatever_it_asks_with() {
        let (get, answer) = (0xa0, 0xa2);
        let both = [("public", get), ("public", answer), ("secret", get), ("secret", answer)];
        assert_eq!(told(&both.repeat(5)), "?!+!?+");
        assert_eq!(told(&[("secret", get), ("other", get)].repeat(9)), "?");
        // A community for each VLAN of a switch.
        let vlans: Vec<String> = (0..20).map(|vlan| format!("plant@{vlan}")).collect();
        let ask = |vlan| [(vlan, get), (vlan, answer)];
        let all: Vec<_> = vlans.iter().flat_map(|vlan| ask(vlan.as_str())).collect();
        assert_eq!(told(&all.repeat(3)), "?+");
    }

    #[test]
    fn a_message_that_the_capture_cut_is_counted_from_its_head() {
        for (hex, want) in MESSAGES {
            let whole = octets(hex);
            let head = whole.iter().rposition(|b| matches!(b, 0xa0 | 0xa2)).expect("a PDU") + 2;
            assert_eq!(counted(&whole, 0).as_deref(), Some(want));
            for cut in 0..whole.len() {
                let (bytes, missing) = (&whole[..cut], whole.len() - cut);
                let known = (cut >= head).then(|| want.to_owned());
                assert_eq!(counted(bytes, missing), known, "{cut} of {hex}");
                let probe = |port, missing| {
                    let hint = Hint { carrier: Carrier::Udp, port, from: Side::Client, missing };
                    SNMP.probe(bytes, hint) != Probe::NoMatch
                };
                assert_eq!(probe(true, missing), cut >= head);
                assert!(!probe(false, missing) && !probe(true, 0));
            }
        }
    }
}
