//! SSDP (UPnP Device Architecture 2.0, 1): HTTP heads in datagrams that announce and search.
//!
//! Invariant: only a whole head in one datagram is read.

use crate::http::{self, head};
use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use head::Start;
use model::{OperationClass, Subject};

pub struct Ssdp;
pub static SSDP: Ssdp = Ssdp;

static ABOUT: About = About {
    name: "ssdp",
    title: "SSDP",
    specs: &["UPnP Device Architecture 2.0, 1"],
    carriers: &[Carrier::Udp],
    ports: &[1900],
    groups: http::GROUPS,
    depth: "searches, announcements, device types, server software",
};

impl Protocol for Ssdp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, bytes: &[u8], _: Hint) -> Probe {
        let start = text::line(bytes).and_then(|(line, _)| head::start(line));
        match start {
            Some(Start::Request { method: b"M-SEARCH" | b"NOTIFY", .. }) => Probe::MatchClient,
            Some(Start::Response { .. }) => Probe::MatchServer,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("ssdp", 0..bytes.len());
        // Some stacks leave the empty line out of a datagram that ends anyway.
        let mut whole = Vec::new();
        let parsed = head::parse(bytes).or_else(|| {
            if segment.missing > 0 {
                return head::parse_cut(bytes);
            }
            whole.extend_from_slice(bytes);
            whole.extend_from_slice(b"\r\n\r\n");
            head::parse(&whole)
        });
        if let Some(head) = parsed {
            message(&head, out);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn message(head: &head::Head<'_>, out: &mut Output) {
    let class = OperationClass::Browse;
    http::count(head, out);
    match head.start {
        Start::Request { method, .. } => {
            let search = method == b"M-SEARCH";
            let name = if search { "search" } else { "notify" };
            let about = if search { head.text("st") } else { head.text("nt") };
            let op = if search { Op::request(class, 0, name) } else { Op::notice(class, 0, name) };
            out.operation(op.named("type", &about));
            if search {
                let agent = head.text("user-agent");
                out.attribute(Subject::Sender, "SSDP search", ("user_agent", &agent), 70);
            } else {
                announced(head, about, out);
            }
        }
        Start::Response { status } => {
            out.operation(Op::response(class, u32::from(status), "search").done());
            announced(head, head.text("st"), out);
        }
    }
}

fn announced(head: &head::Head<'_>, kind: String, out: &mut Output) {
    let facts = [("http_server", head.text("server")), ("upnp_type", kind)];
    out.identity(Subject::Sender, "SSDP announcement", facts);
}
