//! WS-Discovery: which devices of the network say what kind they are (computers, printers,
//! cameras), and who looks for them.
//!
//! Not here: the SOAP services behind the addresses it names. Invariant: of the XML only four
//! elements are read, by their local names, each up to a bounded length.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass, Subject};

pub struct Wsd;
pub static WSD: Wsd = Wsd;

static ABOUT: About = About {
    name: "wsd",
    title: "WS-Discovery",
    specs: &[
        "OASIS WS-Discovery 1.1, 4 to 6",
        "WS-Discovery, April 2005",
        "ONVIF Core Specification, 7.3.2.2 (scopes)",
    ],
    carriers: &[Carrier::Udp],
    ports: &[3_702],
    groups: &[],
    depth: "messages by action, types of devices, addresses of their services, models of cameras",
};

/// Both versions, in the action of each message.
const NAMESPACES: [&[u8]; 2] =
    [b"http://schemas.xmlsoap.org/ws/2005/04/discovery/", b"http://docs.oasis-open.org/ws-dd/ns/"];
/// Letters read of an element.
const TEXT_OCTETS_MAX: usize = 2_048;

impl Protocol for Wsd {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        let xml = head.trim_ascii_start().first() == Some(&b'<');
        match xml.then(|| action(head)).flatten() {
            Some(action) if is_answer(action) => Probe::MatchServer,
            Some(_) => Probe::MatchClient,
            None => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reading)
    }
}

/// The last part of the action's address: `Probe`, `Hello` and so on.
fn action(xml: &[u8]) -> Option<&[u8]> {
    let text = element(xml, b"Action")?;
    let known = NAMESPACES.iter().any(|namespace| text.starts_with(namespace));
    text.rsplit(|b| *b == b'/').next().filter(|_| known)
}

fn is_answer(action: &[u8]) -> bool {
    action.ends_with(b"Matches")
}

/// The text of the first element with this local name.
fn element<'a>(xml: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = xml;
    while let Some(open) = rest.iter().position(|b| *b == b'<') {
        rest = rest.get(open.saturating_add(1)..)?;
        let end = rest.iter().position(|b| matches!(b, b'>' | b'<'))?;
        let (tag, behind) = rest.split_at_checked(end)?;
        let tag = tag.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
        let local = tag.rsplit(|b| *b == b':').next().unwrap_or_default();
        if local == name && !tag.starts_with(b"/") && behind.first() == Some(&b'>') {
            let text = behind.get(1..)?;
            let end = text.iter().position(|b| *b == b'<')?;
            return Some(text.get(..end.min(TEXT_OCTETS_MAX))?.trim_ascii());
        }
    }
    None
}

struct Reading;

impl Dissector for Reading {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("wsd", 0..bytes.len());
        if let Some(action) = action(bytes) {
            read(action, bytes, out);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(action: &[u8], xml: &[u8], out: &mut Output) {
    let (browse, report) = (OperationClass::Browse, OperationClass::Report);
    let types = element(xml, b"Types").map(types).unwrap_or_default();
    let op = match action {
        b"Hello" => Op::notice(report, 1, "hello"),
        b"Bye" => Op::notice(report, 2, "bye"),
        b"Probe" => Op::request(browse, 3, "probe"),
        b"ProbeMatches" => Op::response(browse, 3, "probe").done(),
        b"Resolve" => Op::request(browse, 5, "resolve"),
        b"ResolveMatches" => Op::response(browse, 5, "resolve").done(),
        _ => Op::notice(OperationClass::Other, 0, "message"),
    };
    out.operation(match types.is_empty() {
        true => op,
        false => op.named("type", &types),
    });
    // Who asks names what he looks for, not what he is.
    if matches!(action, b"Hello" | b"ProbeMatches" | b"ResolveMatches") {
        let service = element(xml, b"XAddrs").map(text::lossy).unwrap_or_default();
        let scopes = element(xml, b"Scopes").unwrap_or_default();
        let facts = [
            ("wsd_types", types),
            ("wsd_service", service),
            ("model", scope(scopes, b"hardware/")),
            ("onvif_name", scope(scopes, b"name/")),
        ];
        out.identity(Subject::Sender, "WS-Discovery", facts);
    }
}

/// What a camera says of itself under this word, where its signs for percent are taken back.
fn scope(scopes: &[u8], word: &[u8]) -> String {
    const ONVIF: &[u8] = b"onvif://www.onvif.org/";
    let mut each = scopes.split(|b| b.is_ascii_whitespace());
    let found = each.find_map(|scope| scope.strip_prefix(ONVIF)?.strip_prefix(word));
    let mut rest = found.unwrap_or_default();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16);
        let coded = behind.first_chunk::<2>().and_then(|[a, b]| Some(hex(*a)? << 4 | hex(*b)?));
        match coded.filter(|_| byte == b'%') {
            Some(value) => {
                plain.push(value as u8);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(byte);
                rest = behind;
            }
        }
    }
    text::lossy(&plain)
}

/// Types without the prefixes of their namespaces.
fn types(text: &[u8]) -> String {
    let names = text.split(|b| b.is_ascii_whitespace()).filter(|t| !t.is_empty());
    let local = names.map(|t| t.rsplit(|b| *b == b':').next().unwrap_or_default());
    local.map(text::lossy).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_found_by_its_local_name_whatever_its_prefix() {
        let xml = b"<?xml?><s:a x='1'><wsa:Action >no</wsa:b></s:a><Action>yes</Action>";
        assert_eq!(element(xml, b"Action"), Some(&b"no"[..]));
        assert_eq!(element(b"<a:Action/><b>", b"Action"), None);
        assert_eq!(element(b"<Action>cut", b"Action"), None);
    }
    #[test]
    fn cameras_tell_their_model_in_scopes() {
        let scopes =
            b"onvif://www.onvif.org/type/ptz onvif://www.onvif.org/hardware/DS-2CD2043G2-I\n\
            onvif://www.onvif.org/name/HIKVISION%20DS-2CD2043G2-I onvif://www.onvif.org/location/";
        assert_eq!(scope(scopes, b"hardware/"), "DS-2CD2043G2-I");
        assert_eq!(scope(scopes, b"name/"), "HIKVISION DS-2CD2043G2-I");
        assert_eq!(scope(b"http://other/hardware/x", b"hardware/"), "");
        assert_eq!(scope(b"onvif://www.onvif.org/name/50%", b"name/"), "50%");
    }
}
