//! Reads DNS, mDNS and LLMNR messages: counts, names, operations.

use super::{DNS_GROUP, DNS_NAME, DNS_RCODE, plausible, wire};
use crate::{Carrier, Dissector, Gap, Malformed, Output, Progress, Segment, output::Op};
use model::{Address, OperationClass, Scalar, Subject};
use std::net::{IpAddr, Ipv6Addr};

/// Which protocol of the family speaks; decides source names and confidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    Dns,
    Mdns,
    Llmnr,
}

impl Flavour {
    const fn name(self) -> &'static str {
        match self {
            Flavour::Dns => "dns",
            Flavour::Mdns => "mdns",
            Flavour::Llmnr => "llmnr",
        }
    }
}

#[derive(Debug)]
pub(crate) struct NameMessages {
    flavour: Flavour,
}

impl NameMessages {
    pub(crate) fn new(flavour: Flavour) -> Self {
        NameMessages { flavour }
    }
}

impl Dissector for NameMessages {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        if segment.carrier != Carrier::Tcp {
            read(self.flavour, &segment, segment.bytes, 0, out);
            return Progress::Consumed(segment.bytes.len());
        }
        let Some(([high, low], rest)) = segment
            .bytes
            .split_at_checked(2)
            .and_then(|(h, r)| <[u8; 2]>::try_from(h).ok().map(|h| (h, r)))
        else {
            return Progress::NeedMore { consumed: 0, needed: 2 };
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !rest.is_empty() && rest.len() >= 12 && !plausible(rest) {
            return Progress::GiveUp(Malformed::new("dns-header-not-plausible"));
        }
        let needed = length.saturating_add(2);
        match rest.get(..length) {
            Some(message) => {
                read(self.flavour, &segment, message, 2, out);
                Progress::Consumed(needed)
            }
            None => Progress::NeedMore { consumed: 0, needed },
        }
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(flavour: Flavour, segment: &Segment<'_>, bytes: &[u8], start: usize, out: &mut Output) {
    out.begin(flavour.name(), start..start.saturating_add(bytes.len()));
    let message = match wire::parse(bytes) {
        Ok(message) => message,
        Err(malformed) => {
            if let Some(&[_, _, high, low]) = bytes.first_chunk::<4>() {
                count(high & 0x80 != 0, u16::from(low & 0x0f), out);
            }
            if segment.missing > 0 {
                return;
            }
            let says = "a DNS message that cannot be read";
            out.violation(malformed.reason, says, "RFC 1035, 4.1");
            return;
        }
    };
    count(message.is_response(), message.response_code(), out);
    if message.is_response() {
        answers(flavour, (&message, segment.sender.ip), out);
    } else {
        for question in &message.questions {
            let root = question.name.is_empty();
            let name = if root { "<Root>" } else { question.name.as_str() };
            out.count(&DNS_NAME, [Scalar::Text(name.into())]);
        }
    }
    let stream = segment.carrier == Carrier::Tcp;
    if stream && overflows(&message, bytes.len()) {
        let name = message.questions.first().map_or("", |question| &question.name);
        let op = Op::response(OperationClass::Other, u32::from(wire::TYPE_SIG), "oversized SIG");
        out.operation(op.named("name", name));
    }
    operation(&message, stream, out);
}

/// A signature in a message that is nearly as long as one can be. Servers open to CVE-2020-1350
/// add up 16 bits to tell how much room it takes; names that are spelled out are what overflows.
/// SIG(0), which covers no type (RFC 2931, 3), signs a message and is no record of a zone.
fn overflows(message: &wire::Message, octets: usize) -> bool {
    const OCTETS_MIN: usize = 65_280;
    let signs = |record: &wire::Record| match &record.value {
        wire::Value::Other(data) => {
            record.kind == wire::TYPE_SIG && !matches!(data[..], [0, 0, ..] | [] | [_])
        }
        _ => false,
    };
    message.is_response() && octets > OCTETS_MIN && message.records.iter().any(signs)
}

/// What the header alone tells.
fn count(response: bool, code: u16, out: &mut Output) {
    let kind = if response { "response" } else { "query" };
    out.count(&DNS_GROUP, [Scalar::Text(kind.into())]);
    if response {
        out.count(&DNS_RCODE, [Scalar::Number(u64::from(code))]);
    }
}

/// Records of a zone that are given on a question of this type; OPT and TSIG are of the message.
fn given(message: &wire::Message, kind: u16) -> usize {
    let of_zone = message.records.iter().filter(|r| !matches!(r.kind, 41 | 250)).count();
    if kind == wire::TYPE_IXFR && of_zone == 1 { 0 } else { of_zone }
}

fn operation(message: &wire::Message, stream: bool, out: &mut Output) {
    const UPDATE: u8 = 5;
    let (class, name) = match message.opcode() {
        UPDATE => (OperationClass::Configure, "update"),
        _ => (OperationClass::Browse, "query"),
    };
    let function = u32::from(message.opcode());
    let kind = message.questions.first().map_or(0, |question| question.kind);
    let transfer = stream && matches!(kind, wire::TYPE_AXFR | wire::TYPE_IXFR);
    let name = if transfer && message.is_response() { "zone transfer" } else { name };
    let op = if message.is_response() {
        let answer = Op::response(class, function, name);
        match message.response_code() {
            // Where nothing has changed its SOA stands alone (RFC 1995, 2).
            0 if transfer && given(message, kind) == 0 => answer,
            0 => answer.done(),
            code => answer.refused(u32::from(code), response_code_name(code)),
        }
    } else {
        Op::request(class, function, name)
    };
    match message.questions.first() {
        Some(question) => out.operation(op.named(question_type(question.kind), &question.name)),
        None => out.operation(op),
    }
}

/// IANA, DNS resource record types.
fn question_type(kind: u16) -> &'static str {
    match kind {
        wire::TYPE_A => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        wire::TYPE_PTR => "PTR",
        13 => "HINFO",
        15 => "MX",
        wire::TYPE_TXT => "TXT",
        wire::TYPE_AAAA => "AAAA",
        wire::TYPE_SRV => "SRV",
        35 => "NAPTR",
        43 => "DS",
        46 => "RRSIG",
        48 => "DNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        wire::TYPE_AXFR => "AXFR",
        wire::TYPE_IXFR => "IXFR",
        wire::TYPE_ANY => "ANY",
        _ => "name",
    }
}

/// RFC 1035, 4.1.1 and RFC 2136, 2.2.
fn response_code_name(code: u16) -> &'static str {
    match code {
        1 => "format error",
        2 => "server failure",
        3 => "no such name",
        4 => "not implemented",
        5 => "refused",
        6 => "name exists",
        _ => "error",
    }
}

/// Names of addresses. A DNS server speaks of third hosts, mDNS and LLMNR mostly of the sender.
fn answers(
    flavour: Flavour,
    (message, sender): (&wire::Message, Option<IpAddr>),
    out: &mut Output,
) {
    for record in &message.records {
        match &record.value {
            wire::Value::Address(ip) => address_name(flavour, &record.name, *ip, out),
            wire::Value::Name(target) if record.kind == wire::TYPE_PTR => {
                let whose = offers(message, target, sender);
                pointer(flavour, (message, record), (target, whose), out);
            }
            wire::Value::Text(texts) if flavour == Flavour::Mdns => {
                described(&record.name, (texts, offers(message, &record.name, sender)), out);
            }
            wire::Value::Service { port, target } if flavour == Flavour::Mdns => {
                let service = service_type(&record.name).map(|s| format!("{s} port {port}"));
                let name = target.trim_end_matches(".local").to_owned();
                let facts = [("service", service.unwrap_or_default()), ("hostname", name)];
                out.identity(whose(message, target, sender), "mDNS SRV record", facts);
            }
            _ => {}
        }
    }
}

/// Who offers a service: the host its SRV record names.
fn offers(message: &wire::Message, instance: &str, sender: Option<IpAddr>) -> Subject {
    let host = message.records.iter().find_map(|record| match &record.value {
        wire::Value::Service { target, .. } if record.name == instance => Some(target),
        _ => None,
    });
    host.map_or(Subject::Sender, |host| whose(message, host, sender))
}

/// Routers repeat what others say in their networks, and proxies speak for those that sleep: a
/// host whose IPv4 addresses stand in the message is the sender where one of them is his.
fn whose(message: &wire::Message, host: &str, sender: Option<IpAddr>) -> Subject {
    let addresses = message.records.iter().filter_map(|record| match record.value {
        wire::Value::Address(ip) if ip.is_ipv4() && record.name.eq_ignore_ascii_case(host) => {
            Some(ip)
        }
        _ => None,
    });
    let mut addresses = addresses.peekable();
    match (addresses.peek().copied(), sender) {
        (Some(first), Some(sender)) if sender.is_ipv4() && addresses.all(|ip| ip != sender) => {
            Subject::Address(Address::Ip(first))
        }
        _ => Subject::Sender,
    }
}

fn address_name(flavour: Flavour, name: &str, ip: IpAddr, out: &mut Output) {
    let internal = match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    let (message, confidence) = match flavour {
        Flavour::Dns if internal => ("DNS answer", 60),
        Flavour::Dns => return,
        Flavour::Mdns => ("mDNS answer", 85),
        Flavour::Llmnr => ("LLMNR answer", 80),
    };
    let name = name.trim_end_matches(".local");
    let subject = Subject::Address(Address::Ip(ip));
    out.attribute(subject, message, ("hostname", name), confidence);
}

/// Reverse names (`4.3.2.1.in-addr.arpa`) and DNS-SD service lists (RFC 6763, 4.1).
fn pointer(
    flavour: Flavour,
    (message, record): (&wire::Message, &wire::Record),
    (target, whose): (&str, Subject),
    out: &mut Output,
) {
    if let Some(ip) = reverse_name(&record.name) {
        address_name(flavour, target, ip, out);
    } else if flavour == Flavour::Mdns
        && let Some(service) = service_type(&record.name)
        && let Some(instance) = target.strip_suffix(&record.name)
    {
        out.attribute(whose, "mDNS service", ("service", &service), 90);
        // What people call a service is not quite the name of its host. Hosts that offer to be
        // worked at have their MAC address behind their name.
        let instance = instance.trim_end_matches('.');
        let mac = instance.rsplit_once(" [").filter(|_| service == "_workstation._tcp");
        let instance = mac.map_or(instance, |(name, _)| name);
        if names_device(message, target, (instance, &service)) {
            let at = instance.split_once('@').filter(|_| service == "_raop._tcp");
            let name = at.map_or(instance, |(_, name)| name);
            out.attribute(whose, "mDNS service", ("name", name), 60);
        }
    }
}

/// Whether an instance is called as its device is: by what its service is, as the device's own
/// description says, or as its host. Others are called by a function, a share or a session, as
/// `iTunes_Ctrl_4ABB39A41EEFDEB3._dacp._tcp`.
fn names_device(message: &wire::Message, target: &str, (instance, service): (&str, &str)) -> bool {
    /// Bonjour Printing Specification, 4; scanners alike; AirPlay, where the name stands behind
    /// an address and @ for one; HomeKit accessories; hosts that offer to be worked at.
    const SERVICES: [&str; 12] = [
        "_ipp._tcp",
        "_ipps._tcp",
        "_printer._tcp",
        "_pdl-datastream._tcp",
        "_scanner._tcp",
        "_uscan._tcp",
        "_uscans._tcp",
        "_airplay._tcp",
        "_raop._tcp",
        "_hap._tcp",
        "_device-info._tcp",
        "_workstation._tcp",
    ];
    let letters = |text: &str| {
        let kept = text.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect::<String>()
    };
    SERVICES.contains(&service)
        || message.records.iter().any(|record| match &record.value {
            wire::Value::Service { target: host, .. } if record.name == target => {
                letters(host.trim_end_matches(".local")) == letters(instance)
            }
            _ => record.name.strip_suffix("._device-info._tcp.local") == Some(instance),
        })
}

/// RFC 1035, 3.5 and RFC 3596, 2.5.
fn reverse_name(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".ip6.arpa") {
        let mut address = 0u128;
        let mut count = 0u32;
        for digit in digits.split('.').rev() {
            let value = u8::from_str_radix(digit, 16).ok().filter(|_| digit.len() == 1)?;
            address = address.checked_shl(4)? | u128::from(value);
            count = count.saturating_add(1);
        }
        return (count == 32).then(|| Ipv6Addr::from(address).into());
    }
    let octets = name.strip_suffix(".in-addr.arpa")?;
    let mut parts = octets.split('.').map(|o| o.parse::<u8>().ok());
    let (d, c, b, a) = (parts.next()??, parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(IpAddr::from([a, b, c, d]))
}

/// `_ipp._tcp` of `Printer._ipp._tcp.local`.
fn service_type(name: &str) -> Option<String> {
    let mut labels = name.split('.').skip_while(|l| !l.starts_with('_'));
    let (service, transport) = (labels.next()?, labels.next()?);
    let known = matches!(transport, "_tcp" | "_udp") && service != "_services";
    known.then(|| format!("{service}.{transport}"))
}

/// TXT keys that device makers agree on (RFC 6763, 6; Bonjour printing; device-info). `version` is
/// that of the service's protocol.
fn described(name: &str, (texts, whose): (&[String], Subject), out: &mut Output) {
    let mut facts = Vec::new();
    for (key, value) in texts.iter().filter_map(|t| t.split_once('=')) {
        let path = match key.to_ascii_lowercase().as_str() {
            "model" | "ty" | "md" | "product" | "usb_mdl" => "model",
            "manufacturer" | "usb_mfg" | "vendor" | "mf" => "vendor",
            "serial" | "serialnumber" | "sn" => "serial",
            "fv" | "fw" | "firmware" | "sw" => "firmware",
            "osxvers" => "os",
            "fn" => "name",
            // Where the printer stands (Bonjour Printing Specification, 9.2.4).
            "note" => "location",
            _ => continue,
        };
        let value = value.trim_matches(['(', ')']);
        if path == "model" && !value.contains(char::is_alphabetic) {
            continue;
        }
        // The number is that of the Darwin kernel: 17 came with macOS 10.13.
        let darwin = || format!("macOS (Darwin {value})");
        facts.push((path, if path == "os" { darwin() } else { value.to_owned() }));
    }
    if name.contains("_device-info.") || service_type(name).is_some() {
        out.identity(whose, "mDNS TXT record", facts);
    }
}
