//! Niagara Fox: stations of building automation and the workbench that manages them.
//!
//! Not here: Fox over TLS (port 4911). Invariant: a message ends with `};;`, and what stands in
//! it is told only from lines `key=type:value`.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use model::{Authentication, OperationClass as Class, Subject};

pub struct NiagaraFox;
pub static FOX: NiagaraFox = NiagaraFox;

static ABOUT: About = About {
    name: "fox",
    title: "Niagara Fox",
    specs: &[
        "Tridium Niagara Framework, Developer Guide, \"Fox\"; the hello as Redpoint's fox-info \
         describes it",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[1_911, 3_011],
    groups: &[],
    depth: "hello with host, application, Java, OS and station; log-on methods and users; \
            channels and commands",
};

const END: &[u8] = b"};;\n";
/// Longest message that is waited for.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;

impl Protocol for NiagaraFox {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match head.get(..4) {
            Some(b"fox ") => match header(head) {
                Some(header) if !header.answer && header.command == b"hello" => Probe::MatchClient,
                Some(_) => Probe::Match,
                None if head.len() < 64 && !head.contains(&b'\n') => Probe::NeedMore,
                None => Probe::NoMatch,
            },
            None if b"fox ".starts_with(head) && hint.port => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header<'a> {
    answer: bool,
    channel: &'a [u8],
    command: &'a [u8],
}

/// `fox a 1 -1 fox hello`: type, sequence number, number answered or -1, channel, command.
fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let (line, _) = text::line(bytes)?;
    let mut words = line.split(|b| *b == b' ');
    let ("fox", kind) = (std::str::from_utf8(words.next()?).ok()?, words.next()?) else {
        return None;
    };
    let number = |word: &[u8]| std::str::from_utf8(word).ok().and_then(|w| w.parse::<i64>().ok());
    let (_, answered) = (number(words.next()?)?, number(words.next()?)?);
    let (channel, command) = (words.next()?, words.next()?);
    let known = kind.len() == 1 && kind.iter().all(u8::is_ascii_lowercase);
    known.then_some(Header { answer: answered >= 0, channel, command })
}

#[derive(Default)]
struct Conversation {
    /// Who gave credentials and waits to be let in.
    applicant: Option<Authentication>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if !bytes.starts_with(b"fox ".get(..bytes.len().min(4)).unwrap_or_default()) {
            return Progress::GiveUp(Malformed::new("fox-message-without-its-word"));
        }
        let end = bytes.windows(END.len()).position(|w| w == END);
        let Some(end) = end.map(|at| at.saturating_add(END.len())) else {
            return match bytes.len() > MESSAGE_OCTETS_MAX {
                true => Progress::GiveUp(Malformed::new("fox-message-without-end")),
                false => Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) },
            };
        };
        let message = bytes.get(..end).unwrap_or_default();
        out.begin("fox", 0..end);
        match header(message) {
            Some(header) => self.read(&header, message, segment.from, out),
            None => {
                let says = "a message whose first line is no Fox header";
                out.violation("fox-header", says, "Niagara Fox, message header");
            }
        }
        Progress::Consumed(end)
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn read(&mut self, header: &Header<'_>, message: &[u8], from: Side, out: &mut Output) {
        match (tell(header, message, from, out), from) {
            ("log-on" | "challenge", Side::Client) => {
                self.applicant = log_on(message).or(self.applicant.take());
                self.applicant.clone().into_iter().for_each(|a| out.authentication(a));
            }
            (answer @ ("accepted" | "rejected"), Side::Server) => {
                if let Some(applicant) = self.applicant.take() {
                    let accepted = Some(answer == "accepted");
                    out.authentication(Authentication { accepted, ..applicant });
                }
            }
            _ => {}
        }
    }
}

/// Tells what a message does and gives its name.
fn tell(header: &Header<'_>, message: &[u8], from: Side, out: &mut Output) -> &'static str {
    let (class, name) = match (header.channel, header.command) {
        (b"fox", b"hello") => (Class::Session, "hello"),
        (b"fox", b"challenge") => (Class::Authenticate, "challenge"),
        (b"fox", b"login" | b"authenticate" | b"auth") => (Class::Authenticate, "log-on"),
        (b"fox", b"rejected" | b"reject") => (Class::Authenticate, "rejected"),
        (b"fox", b"accepted" | b"welcome") => (Class::Authenticate, "accepted"),
        (b"fox", b"close" | b"bye") => (Class::Session, "close"),
        (b"file", _) => (Class::File, "file channel"),
        (b"fox", _) => (Class::Session, "session message"),
        (b"sys" | b"platform", _) => (Class::Configure, "system channel"),
        (b"history" | b"alarm", _) => (Class::Read, "history or alarm channel"),
        _ => (Class::Other, "channel message"),
    };
    let op = match (from, name) {
        (Side::Server, "rejected") => Op::response(class, 0, "log-on").refused(0, "rejected"),
        (Side::Server, "accepted") => Op::response(class, 0, "log-on").done(),
        (Side::Server, _) => Op::response(class, 0, name),
        (Side::Client, _) => Op::request(class, 0, name),
    };
    out.operation(match header.channel {
        b"fox" => op,
        channel => {
            let text = format!("{} {}", text::lossy(channel), text::lossy(header.command));
            op.named("channel", &text)
        }
    });
    if name == "hello" {
        hello(message, out);
    }
    name
}

/// Lines `key=type:value`; values that are not text are left out.
fn each<'a>(message: &'a [u8], mut each: impl FnMut(&'a str, &'a str)) {
    for line in message.split(|b| *b == b'\n').take(256) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((key, value)) = line.split_once('=') else { continue };
        if let Some((_, value)) = value.split_once(':') {
            each(key, value);
        }
    }
}

fn hello(message: &[u8], out: &mut Output) {
    let mut facts = Vec::new();
    let (mut application, mut version, mut system, mut release) = ("", "", "", "");
    each(message, |key, value| match key {
        "hostName" if value.parse::<std::net::IpAddr>().is_err() => {
            facts.push(("hostname", value.to_owned()));
        }
        "hostAddress" => facts.push(("fox_address", value.to_owned())),
        "app.name" => application = value,
        "app.version" => version = value,
        "vm.name" => facts.push(("java", value.to_owned())),
        "vm.version" => facts.push(("java_version", value.to_owned())),
        "os.name" => system = value,
        "os.version" => release = value,
        "station.name" => facts.push(("name", value.to_owned())),
        "hostId" => {
            facts.push(("serial", value.to_owned()));
            facts.extend(controller(value).map(|model| ("model", model.to_owned())));
        }
        "brandId" => facts.push(("brand", value.to_owned())),
        _ => {}
    });
    facts.push(("os", format!("{system} {release}")));
    facts.push(("software", format!("Niagara {application} {version}")));
    if application == "Station" {
        facts.push(("firmware", format!("Niagara {version}")));
    }
    out.identity(Subject::Sender, "hello", facts);
}

/// The kind of controller is the second part of a host id, e.g. `Qnx-NPM6-0000-1234-5678`.
fn controller(host: &str) -> Option<&'static str> {
    Some(match host.split('-').nth(1)? {
        "NPM2" => "JACE-2",
        "NPM6" | "NPM6E" => "JACE-6",
        "J7" | "JVLN" => "JACE-7",
        "TITAN" => "JACE-8000",
        _ => return None,
    })
}

fn log_on(message: &[u8]) -> Option<Authentication> {
    let (mut user, mut method) = (None, "");
    each(message, |key, value| match key {
        "user" | "username" => user = Some(value),
        "method" => method = value,
        _ => {}
    });
    let clear_text = method == "basic";
    (user.is_some() || clear_text).then(|| Authentication {
        user: user.map(Into::into),
        accepted: None,
        clear_text,
        default_password: false,
        method: if clear_text { "fox basic" } else { "fox digest" },
    })
}
