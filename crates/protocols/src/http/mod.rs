//! HTTP/1 (RFC 9110, 9112) and the simple request of HTTP/0.9 (RFC 1945): requests, answers,
//! software, log-ons. Bodies are skipped, and at most searched for words of exploits; a message
//! is counted where its body ends.
//!
//! Not here: HTTP/2 but for its name, and what a web page says. Invariant: an Authorization header
//! is compared with vendors' defaults on the spot and never kept.

mod credentials;
pub mod head;
mod marks;
mod owed;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, output::Op, text, tls::Upgraded, websocket,
};
use credentials::{Credentials, credentials, token};
use head::{Body, HEAD_OCTETS_MAX, Head, Start};
use model::{Authentication, OperationClass, Scalar, Subject};
use owed::Owed;
use std::{collections::VecDeque, net::IpAddr};

pub static HTTP_REQUEST: Group =
    Group { name: "http_request", ends: Ends::Pair, keys: &["method"] };
pub static HTTP_HOST: Group = Group { name: "http_host", ends: Ends::None, keys: &["host"] };
pub static HTTP_STATUS: Group = Group { name: "http_status", ends: Ends::Pair, keys: &["status"] };
pub static GROUPS: &[&Group] = &[&HTTP_REQUEST, &HTTP_HOST, &HTTP_STATUS];

pub struct Http;
pub static HTTP: Http = Http;

static ABOUT: About = About {
    name: "http",
    title: "HTTP/1",
    specs: &[
        "RFC 1945 (simple requests)",
        "RFC 9110",
        "RFC 9112",
        "RFC 7617 (Basic)",
        "RFC 7616 (Digest)",
        "RFC 9113, 3.4 (HTTP/2 by name)",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[80, 8080, 8000, 8008, 8081, 8088, 3128, 5985],
    groups: GROUPS,
    depth: "requests, answers, hosts, software, log-ons, SOAP actions",
};

/// A client that knows its server speaks HTTP/2 begins with this (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Requests whose answers are awaited on one connection.
const PIPELINE_MAX: usize = 64;

impl Protocol for Http {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if head.starts_with(b"HTTP/1.") {
            return Probe::MatchServer;
        }
        if head.starts_with(HTTP2_PREFACE) {
            return Probe::MatchClient;
        }
        if let Some((line, taken)) = text::line(head) {
            return match head::start(line) {
                Some(Start::Request { .. }) => Probe::MatchClient,
                None if hint.port && is_simple(line, head.get(taken..)) => Probe::MatchClient,
                _ => Probe::NoMatch,
            };
        }
        let (word, rest) = text::word(head);
        let printable = head.iter().all(|b| (0x20..0x7f).contains(b) || *b == b'\r');
        let begins = !rest.is_empty() && head::is_method(word) && rest.first() == Some(&b'/');
        if printable && begins && hint.port {
            // A long line, or one that the capture cut.
            Probe::MatchClient
        } else if printable && (begins || b"HTTP/1.".starts_with(head)) && !head.is_empty() {
            Probe::NeedMore
        } else {
            Probe::NoMatch
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

/// A simple request and nothing behind it but the empty line some clients send.
fn is_simple(line: &[u8], behind: Option<&[u8]>) -> bool {
    head::simple(line).is_some() && behind.is_some_and(|b| matches!(b, [] | b"\r\n" | b"\n"))
}

#[derive(Default)]
struct Reader {
    client: Half,
    server: Half,
    /// Requests not answered yet, oldest first.
    pending: VecDeque<Asked>,
    tunnel: bool,
    /// What the tunnel carries, where that is TLS.
    tls: Upgraded,
    /// A simple request was made, which is answered by a body without a head.
    simple: bool,
    /// Counted when their ends come, of the client and of the server.
    owed: [Option<Owed>; 2],
    /// The next octets of a body are its first, of the client and of the server.
    body_begins: (bool, bool),
    /// The answer under way says that it is a picture, a sound, a film or a page.
    looked_at: bool,
    websocket: Option<websocket::Conversation>,
    /// The body of the request under way.
    text: marks::Text,
    /// The client named itself in one of its requests, whether it was believed or not.
    signed_in: bool,
}

/// What stands next in one direction.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Half {
    #[default]
    Head,
    Skip(u64),
    Chunk,
    /// Octets left of a chunk.
    Inside(u64),
    Trailer,
    Rest,
    /// Behind a hole in something whose end is not known: until a message begins.
    Lost,
}

struct Asked {
    to_head: bool,
    connect: bool,
    class: OperationClass,
    name: &'static str,
    /// It was a request to a host's management (WS-Management), and not one of event forwarding.
    manages: bool,
    credentials: Option<Credentials>,
}

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        if let Some(websocket) = &mut self.websocket {
            return websocket.feed(&segment, out);
        }
        if self.tunnel {
            return self.tls.feed(segment, out);
        }
        if segment.from == Side::Client && segment.bytes.starts_with(HTTP2_PREFACE) {
            out.begin("http2", 0..segment.bytes.len());
            out.operation(Op::request(OperationClass::Session, 0, "connect"));
            self.second_version(out);
            return Progress::Consumed(segment.bytes.len());
        }
        let half = self.half(segment.from);
        let all = segment.bytes.len();
        match half {
            Half::Rest => Progress::Consumed(all),
            Half::Skip(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(all);
                let body = segment.bytes.get(..taken).unwrap_or_default();
                self.body(body, segment.from, out);
                let left = left.saturating_sub(taken as u64);
                self.set(segment.from, if left == 0 { Half::Head } else { Half::Skip(left) });
                if left == 0 {
                    self.pay(segment.from, out);
                }
                Progress::Consumed(taken)
            }
            Half::Chunk => self.chunk(&segment, out),
            Half::Inside(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(all);
                self.chunk_body(segment.bytes.get(..taken), segment.from, out);
                let left = left.saturating_sub(taken as u64);
                self.set(segment.from, if left == 0 { Half::Chunk } else { Half::Inside(left) });
                Progress::Consumed(taken)
            }
            Half::Trailer => self.trailer(&segment, out),
            Half::Lost if !head::begins(segment.bytes) => Progress::Consumed(all),
            Half::Head | Half::Lost => self.head(&segment, out),
        }
    }

    fn gap(&mut self, gap: Gap) {
        // A hole within a body leaves its end where it was. Else where the next head begins
        // cannot be known; the next bytes that look like a head are one.
        let left = |left: u64| gap.bytes.and_then(|lost| left.checked_sub(lost));
        let next = match self.half(gap.from) {
            Half::Skip(octets) => {
                left(octets).map(|n| if n == 0 { Half::Head } else { Half::Skip(n) })
            }
            Half::Inside(octets) => {
                left(octets).map(|n| if n == 0 { Half::Chunk } else { Half::Inside(n) })
            }
            _ => None,
        };
        self.set(gap.from, next.unwrap_or(Half::Lost));
        if let Some(websocket) = &mut self.websocket {
            websocket.gap(gap);
        }
        self.tls.gap(gap);
        self.pending.clear();
    }
}

impl Reader {
    /// From here on in both directions, and not read.
    fn second_version(&mut self, out: &mut Output) {
        out.refine("http2");
        (self.client, self.server) = (Half::Rest, Half::Rest);
    }

    /// Looks at octets of a body as they pass.
    fn body(&mut self, body: &[u8], from: Side, out: &mut Output) {
        let begins = std::mem::take(self.begins(from));
        out.begin("http", 0..body.len());
        if from == Side::Client {
            if let Some(text) = marks::expression(body) {
                let op = Op::request(OperationClass::Other, 0, "look-up expression");
                out.operation(op.named("body", &text));
            }
            for text in self.text.more(body) {
                let op = Op::request(OperationClass::Other, 0, self.mark(&text));
                out.operation(op.named("body", &text));
            }
        } else if begins && marks::is_executable(body) {
            let name = match self.looked_at {
                true => "executable in the answer, disguised",
                false => "executable in the answer",
            };
            let op = Op::response(OperationClass::File, 0, name);
            out.operation(op.done());
        }
    }

    /// What words in a body are called. The methods of a host's management that run a program do
    /// so for who signs in; servers open to CVE-2021-38647 take a request that does not for one
    /// of the system.
    fn mark(&self, text: &str) -> &'static str {
        let runs = ["ExecuteShellCommand", "ExecuteScript"].iter().any(|name| text.contains(name));
        match self.pending.back() {
            Some(asked) if asked.manages && !self.signed_in && runs => "command without sign-in",
            _ => "words of a program",
        }
    }

    fn begins(&mut self, side: Side) -> &mut bool {
        match side {
            Side::Client => &mut self.body_begins.0,
            Side::Server => &mut self.body_begins.1,
        }
    }

    fn half(&self, side: Side) -> Half {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    fn set(&mut self, side: Side, half: Half) {
        match side {
            Side::Client => self.client = half,
            Side::Server => self.server = half,
        }
    }

    /// Counts the message whose end came, or was lost.
    fn pay(&mut self, side: Side, out: &mut Output) {
        if side == Side::Client {
            self.text = marks::Text::default();
        }
        if let Some(owed) = self.owed.get_mut(side as usize).and_then(Option::take) {
            owed.count(out);
        }
    }

    /// Counts a message without body at once; so too one whose end was cut off.
    fn owe(&mut self, head: &Head<'_>, body: Body, segment: &Segment<'_>, out: &mut Output) {
        if out.uncounted {
            return;
        }
        let owed = Owed::of(head);
        let ends_later = matches!(body, Body::Length(1..) | Body::Chunked);
        match self.owed.get_mut(segment.from as usize) {
            Some(slot) if ends_later && segment.missing == 0 => *slot = Some(owed),
            _ => owed.count(out),
        }
    }

    fn head(&mut self, segment: &Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        self.pay(segment.from, out);
        if self.simple && !b"HTTP/".iter().zip(bytes).all(|(a, b)| a == b) {
            self.set(segment.from, Half::Rest);
            return Progress::Consumed(bytes.len());
        }
        if let Some((line, taken)) = text::line(bytes) {
            if line.is_empty() {
                return Progress::Consumed(taken);
            }
            if head::start(line).is_none() {
                if let (Side::Client, Some(target)) = (segment.from, head::simple(line)) {
                    out.begin("http", 0..taken);
                    self.simple_request(target, out);
                    return Progress::Consumed(taken);
                }
                return Progress::GiveUp(Malformed::new("http-start-line-not-http"));
            }
        }
        let whole = head::parse(bytes);
        let cut = || head::parse_cut(bytes).filter(|_| segment.missing > 0);
        let Some(head) = whole.or_else(cut) else {
            if bytes.len() > HEAD_OCTETS_MAX {
                out.limit("http-head-too-long");
                return Progress::GiveUp(Malformed::new("http-head-too-long"));
            }
            let needed = bytes.len().saturating_add(1);
            return Progress::NeedMore { consumed: 0, needed };
        };
        out.begin("http", 0..head.octets);
        let body = match head.start {
            Start::Request { method, target } => {
                shown_of_request(&head, bytes, out);
                subscription(&head, method, segment, out);
                self.request(&head, method, target, out)
            }
            Start::Response { status } => self.response(&head, status, out),
        };
        self.owe(&head, body, segment, out);
        let next = match body {
            Body::None | Body::Length(0) => Half::Head,
            Body::Length(octets) => Half::Skip(octets),
            Body::Chunked => Half::Chunk,
            Body::Rest => Half::Rest,
        };
        self.set(segment.from, next);
        *self.begins(segment.from) = true;
        Progress::Consumed(head.octets)
    }

    fn request(&mut self, head: &Head<'_>, method: &[u8], target: &[u8], out: &mut Output) -> Body {
        let agent = head.text("user-agent");
        out.attribute(Subject::Sender, "HTTP request", ("user_agent", &agent), 70);
        let (class, name) = class_of(method);
        let target_octets = target;
        let target = text::lossy(target);
        let soap = head.text("soapaction");
        let op = Op::request(class, 0, name);
        let host = head.text("host");
        let target = match target.starts_with('/') && !host.is_empty() {
            true => format!("http://{host}{target}"),
            false => target,
        };
        let object = if soap.is_empty() { target } else { format!("{target} {soap}") };
        out.operation(op.named("uri", &object));
        if self.pending.len() >= PIPELINE_MAX {
            out.limit("http-pipeline-full");
            self.pending.pop_front();
        }
        let (to_head, connect) = (method == b"HEAD", method == b"CONNECT");
        let mut credentials = credentials(head);
        for header in ["authorization", "proxy-authorization"] {
            let Some(value) = head.header(header) else { continue };
            self.signed_in = true;
            if let Some(user) = token(value, out) {
                credentials = Some(user);
            }
        }
        let manages = method == b"POST" && is_management(target_octets);
        self.text = marks::Text::of(head);
        self.pending.push_back(Asked { to_head, connect, class, name, manages, credentials });
        head.body(false)
    }

    /// RFC 1945, 5.1: the connection serves nothing else, so no answer is awaited.
    fn simple_request(&mut self, target: &[u8], out: &mut Output) {
        out.count(&HTTP_REQUEST, [Scalar::Text("GET".into())]);
        let op = Op::request(OperationClass::Read, 0, "GET");
        out.operation(op.named("uri", &text::lossy(target)));
        self.simple = true;
        self.client = Half::Rest;
    }

    fn response(&mut self, head: &Head<'_>, status: u16, out: &mut Output) -> Body {
        let server = head.text("server");
        out.identity(Subject::Sender, "HTTP response", [("http_server", server)]);
        let content = head.text("content-type").to_ascii_lowercase();
        let looked_at = ["image/", "audio/", "video/", "text/html", "text/css"];
        self.looked_at = looked_at.iter().any(|kind| content.starts_with(kind));
        // Servers offer several ways, each on a line of its own.
        for header in ["www-authenticate", "proxy-authenticate"] {
            for offer in head.headers(header) {
                token(offer, out);
            }
        }
        if status == 101 && head.text("upgrade").eq_ignore_ascii_case("websocket") {
            let protocol = head.text("sec-websocket-protocol");
            upgraded(&protocol, out);
            self.websocket = Some(websocket::Conversation::new(&protocol, out));
            self.pending.clear();
            return head.body(true);
        }
        // RFC 9110, 15.2.2: what changes the protocol is the last answer of this one.
        let interim = (100..200).contains(&status) && status != 101;
        let asked = if interim { None } else { self.pending.pop_front() };
        let Some(asked) = asked else { return head.body(false) };
        let op = Op::response(asked.class, u32::from(status), asked.name);
        let refused = status >= 400;
        out.operation(if refused { op.refused(u32::from(status), "error") } else { op.done() });
        if asked.manages && status == 200 {
            let op = Op::response(OperationClass::Session, u32::from(status), "WinRM request");
            out.operation(op.done());
        }
        if let Some(credentials) = asked.credentials {
            out.authentication(Authentication {
                user: credentials.user,
                accepted: Some(!matches!(status, 401 | 403 | 407)),
                clear_text: credentials.clear_text,
                default_password: credentials.default_password,
                method: credentials.method,
            });
        }
        if (asked.connect && status < 300) || status == 101 {
            self.tunnel = true;
        }
        if status == 101 && head.text("upgrade").eq_ignore_ascii_case("h2c") {
            out.refine("http2");
        }
        head.body(asked.to_head)
    }

    /// RFC 9112, 7.1: a size in hexadecimal, the octets, an empty line.
    fn chunk(&mut self, segment: &Segment<'_>, out: &mut Output) -> Progress {
        let Some((line, taken)) = text::line(segment.bytes) else {
            return wait_for_line(segment.bytes);
        };
        let size = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        if size.is_empty() {
            return Progress::Consumed(taken);
        }
        let size = std::str::from_utf8(size).ok().and_then(|s| u64::from_str_radix(s, 16).ok());
        let Some(size) = size else {
            return Progress::GiveUp(Malformed::new("http-chunk-size-not-hexadecimal"));
        };
        if size == 0 {
            self.set(segment.from, Half::Trailer);
            return Progress::Consumed(taken);
        }
        let rest = segment.bytes.len().saturating_sub(taken);
        let skipped = usize::try_from(size).unwrap_or(usize::MAX).min(rest);
        let end = taken.saturating_add(skipped);
        if skipped as u64 == size {
            self.chunk_body(segment.bytes.get(taken..end), segment.from, out);
            return Progress::Consumed(end);
        }
        // The whole chunk is waited for only when it is small; a long one is skipped as it comes.
        let needed = taken.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        if needed <= HEAD_OCTETS_MAX {
            return Progress::NeedMore { consumed: 0, needed };
        }
        self.chunk_body(segment.bytes.get(taken..), segment.from, out);
        self.set(segment.from, Half::Inside(size.saturating_sub(rest as u64)));
        Progress::Consumed(segment.bytes.len())
    }

    /// Of bodies in chunks those of clients are looked at.
    fn chunk_body(&mut self, octets: Option<&[u8]>, from: Side, out: &mut Output) {
        if from == Side::Client {
            self.body(octets.unwrap_or_default(), from, out);
        }
    }

    fn trailer(&mut self, segment: &Segment<'_>, out: &mut Output) -> Progress {
        let Some((line, taken)) = text::line(segment.bytes) else {
            return wait_for_line(segment.bytes);
        };
        if line.is_empty() {
            self.set(segment.from, Half::Head);
            self.pay(segment.from, out);
        }
        Progress::Consumed(taken)
    }
}

/// What in the head of a request may be an attack.
fn shown_of_request(head: &Head<'_>, bytes: &[u8], out: &mut Output) {
    let octets = bytes.get(..head.octets).unwrap_or_default();
    // Loggers that evaluate such an expression fetch what it names; frameworks run it.
    let expressions = [marks::expression(octets), marks::header_expression(head.headers)];
    for text in expressions.into_iter().flatten() {
        let op = Op::request(OperationClass::Other, 0, "look-up expression");
        out.operation(op.named("header", &text));
    }
    // Shells that are given such a header run what stands behind the function.
    if let Some(text) = marks::shell_function(octets) {
        let op = Op::request(OperationClass::Other, 0, "shell function");
        out.operation(op.named("header", &text));
    }
    if let Some(text) = marks::empty_coding(head) {
        let op = Op::request(OperationClass::Other, 0, "empty content coding");
        out.operation(op.named("header", &text));
    }
}

/// A subscription whose events are for a third host: devices that send them attack it for the
/// subscriber (CVE-2020-12695). Its own network is where the subscriber may have another address.
fn subscription(head: &Head<'_>, method: &[u8], segment: &Segment<'_>, out: &mut Output) {
    let (b"SUBSCRIBE", Some(sender)) = (method, segment.sender.ip) else { return };
    let Some(value) = head.header("callback") else { return };
    let near = |other: IpAddr| match (sender, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets().first_chunk::<2>() == b.octets().first_chunk(),
        (IpAddr::V6(a), IpAddr::V6(b)) => a.octets().first_chunk::<8>() == b.octets().first_chunk(),
        // Hosts have addresses of both kinds; what they are to each other cannot be told.
        _ => true,
    };
    if marks::callbacks(value).into_iter().any(|other| !near(other)) {
        let op = Op::request(OperationClass::Other, 0, "subscription for a third host");
        out.operation(op.named("callback", &text::lossy(value)));
    }
}

/// Where hosts are managed (DSP0226; [MS-WSMV], 3.1.4.1). Event forwarding has paths below it.
fn is_management(target: &[u8]) -> bool {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    path.eq_ignore_ascii_case(b"/wsman")
}

/// Counts a message that is whole.
pub(crate) fn count(head: &Head<'_>, out: &mut Output) {
    Owed::of(head).count(out);
}

fn wait_for_line(bytes: &[u8]) -> Progress {
    if bytes.len() > HEAD_OCTETS_MAX {
        return Progress::GiveUp(Malformed::new("http-line-too-long"));
    }
    Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) }
}

/// BACnet/SC is a WebSocket with a subprotocol of its own (ASHRAE 135-2020, AB.7.1): of a hub or
/// of a direct connection.
fn upgraded(subprotocol: &str, out: &mut Output) {
    let role = match subprotocol {
        "hub.bsc.bacnet.org" => "BACnet/SC hub",
        "dc.bsc.bacnet.org" => "BACnet/SC node",
        _ => return,
    };
    out.refine("bacnet_sc");
    out.identity(Subject::Sender, "WebSocket upgrade", [("bacnet_role", role.to_owned())]);
}

fn class_of(method: &[u8]) -> (OperationClass, &'static str) {
    use OperationClass as Class;
    match method {
        b"GET" => (Class::Read, "GET"),
        b"HEAD" => (Class::Read, "HEAD"),
        b"POST" => (Class::Other, "POST"),
        b"PUT" => (Class::File, "PUT"),
        b"DELETE" => (Class::File, "DELETE"),
        b"PATCH" => (Class::Other, "PATCH"),
        b"CONNECT" => (Class::Session, "CONNECT"),
        b"OPTIONS" => (Class::Browse, "OPTIONS"),
        b"PROPFIND" => (Class::Browse, "PROPFIND"),
        _ => (Class::Other, "request"),
    }
}

#[cfg(test)]
mod tests;
