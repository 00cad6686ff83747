//! Automatic tank gauges (Veeder-Root TLS-300/350 command set): fuel stocks, alarms, set-up.
//!
//! Not here: the network protocol of newer consoles. Invariant: a report is read line by line,
//! and a line that is no row of tanks says nothing about tanks.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op, text,
};
use model::{Authentication, OperationClass as Class, PointValue, Quality, Subject};

pub struct Atg;
pub static ATG: Atg = Atg;

static ABOUT: About = About {
    name: "atg",
    title: "Automatic tank gauge",
    specs: &["Veeder-Root 576013-635, Serial Interface Manual (TLS-300/350/350R), function codes"],
    carriers: &[Carrier::Tcp],
    ports: &[10_001],
    groups: &[],
    depth: "inquiries and settings by function and tank; station, software, stocks of each tank",
};

const START: u8 = 0x01;
const END: u8 = 0x03;
/// What is told of gauges that need no code.
const NO_CODE: &str = "without security code";
/// Report octets that are waited for when a report began with its start octet.
const REPORT_OCTETS_MAX: usize = 16 * 1024;

impl Protocol for Atg {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match command(head) {
            Some(_) if hint.from == Side::Server && report(head) => Probe::MatchServer,
            Some(_) => Probe::MatchClient,
            None if report(head) => Probe::MatchServer,
            None if head.first() == Some(&START) && head.len() < 7 => Probe::NeedMore,
            None => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Gauge>::default()
    }
}

/// A function: what is done, to which function, for which tank or device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Command {
    set: bool,
    function: u32,
    device: u32,
    /// A security code of six characters stands before the function.
    secured: bool,
    /// Octets with the start octet.
    octets: usize,
}

/// Start octet, six characters of security code where one is set, letter, five digits.
fn command(bytes: &[u8]) -> Option<Command> {
    let [START, rest @ ..] = bytes else { return None };
    let parse = |at: usize| -> Option<Command> {
        let [letter, digits @ ..] = *rest.get(at..)?.first_chunk::<6>()?;
        let set = match letter {
            b'I' | b'i' => false,
            b'S' | b's' => true,
            _ => return None,
        };
        let hex = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            u32::from_str_radix(text, 16).ok()
        };
        let [a, b, c, d, e] = digits;
        let (function, device) = (hex(&[a, b, c])?, hex(&[d, e])?);
        let octets = at.saturating_add(7);
        Some(Command { set, function, device, secured: at > 0, octets })
    };
    let secured = rest.get(..6).is_some_and(|code| code.iter().all(u8::is_ascii_alphanumeric));
    parse(0).or_else(|| secured.then(|| parse(6)).flatten())
}

/// A report repeats the function and goes on in lines; some consoles leave the start octet out.
fn report(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(&[START]).unwrap_or(bytes);
    let trimmed = bytes.trim_ascii_start();
    let repeats = trimmed.first() == Some(&b'I')
        && trimmed.get(1..6).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
    repeats && trimmed.get(6).is_some_and(|b| matches!(b, b'\r' | b'\n')) && trimmed.len() > 16
}

/// Functions of the manual: class and name, of an inquiry and of a setting.
const fn function(number: u32, set: bool) -> (Class, &'static str) {
    match (number, set) {
        (0x001, true) => (Class::Reset, "system reset"),
        (0x002..=0x0ff, true) => (Class::Configure, "clear or reset reports"),
        (0x101, _) => (Class::Diagnose, "system status report"),
        (0x102, _) => (Class::Diagnose, "system configuration report"),
        (0x111..=0x11f, _) => (Class::Diagnose, "alarm history report"),
        (0x201, _) => (Class::Read, "in-tank inventory report"),
        (0x202, _) => (Class::Read, "in-tank delivery report"),
        (0x203, _) => (Class::Diagnose, "in-tank leak detect report"),
        (0x204, _) => (Class::Read, "in-tank shift inventory report"),
        (0x205, _) => (Class::Diagnose, "in-tank status report"),
        (0x206, _) => (Class::Diagnose, "in-tank alarm history report"),
        (0x207..=0x2ff, _) => (Class::Read, "in-tank report"),
        (0x300..=0x3ff, _) => (Class::Diagnose, "sensor report"),
        (0x501, true) => (Class::TimeSync, "set time of day"),
        (0x502, true) => (Class::Configure, "set shift start times"),
        (0x503, true) => (Class::Configure, "set print header"),
        (0x602, true) => (Class::Configure, "set tank product label"),
        (0x621, true) => (Class::Configure, "set tank low product limit"),
        (0x628, true) => (Class::Configure, "set tank high water limit"),
        (0x500..=0x8ff, true) => (Class::Configure, "set-up"),
        (0x500..=0x8ff, false) => (Class::Diagnose, "set-up inquiry"),
        (0x902, _) => (Class::Diagnose, "software revision report"),
        (0x900..=0x9ff, _) => (Class::Diagnose, "diagnostic report"),
        (_, true) => (Class::Configure, "setting"),
        (_, false) => (Class::Diagnose, "inquiry"),
    }
}

#[derive(Default)]
struct Gauge {
    asked: Option<Command>,
    /// Name and make of the station were told.
    named: bool,
    /// That it is asked without a security code was told.
    asked_open: bool,
    /// That it answers without one was told.
    answers_open: bool,
}

impl Dissector for Gauge {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        match segment.from {
            Side::Client => self.client(segment.bytes, out),
            Side::Server => self.server(segment.bytes, out),
        }
    }

    fn gap(&mut self, _: Gap) {
        self.asked = None;
    }
}

impl Gauge {
    fn client(&mut self, bytes: &[u8], out: &mut Output) -> Progress {
        // Line ends, the end octet and Telnet's own commands stand between functions.
        let Some(before) = bytes.iter().position(|b| *b == START) else {
            return Progress::Consumed(bytes.len());
        };
        let rest = bytes.get(before..).unwrap_or_default();
        let Some(command) = command(rest) else {
            const SECURED_OCTETS: usize = 13;
            return match rest.len() < SECURED_OCTETS && !rest.contains(&b'\n') {
                true => {
                    Progress::NeedMore { consumed: before, needed: rest.len().saturating_add(1) }
                }
                false => Progress::Consumed(before.saturating_add(1)),
            };
        };
        let end = before.saturating_add(command.octets);
        out.begin("atg", before..end);
        let (class, name) = function(command.function, command.set);
        let op = Op::request(class, command.function, name);
        out.operation(op.range("tank", 0, command.device, 1));
        if command.secured {
            out.authentication(Authentication {
                user: None,
                accepted: None,
                clear_text: true,
                default_password: false,
                method: "tank gauge security code",
            });
        } else if !std::mem::replace(&mut self.asked_open, true) {
            out.state(Subject::Sender, "tank-gauge-commands", NO_CODE);
        }
        self.asked = Some(command);
        Progress::Consumed(end)
    }

    fn server(&mut self, bytes: &[u8], out: &mut Output) -> Progress {
        let begun = bytes.first() == Some(&START);
        let end = bytes.iter().position(|b| *b == END).map(|at| at.saturating_add(1));
        let octets = match end {
            Some(end) => end,
            None if begun && bytes.len() < REPORT_OCTETS_MAX => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            None => bytes.len(),
        };
        let text = bytes.get(..octets).unwrap_or_default();
        out.begin("atg", 0..octets);
        self.told(text, out);
        Progress::Consumed(octets)
    }

    fn told(&mut self, bytes: &[u8], out: &mut Output) {
        let asked = self.asked.take();
        let (number, set) = asked.map_or((0, false), |a| (a.function, a.set));
        let (class, name) = function(number, set);
        let op = Op::response(class, number, name);
        let op = asked.map_or(op.clone(), |a| op.range("tank", 0, a.device, 1));
        // What is not understood is answered with 9999FF1B.
        let plain = bytes.strip_prefix(&[START]).unwrap_or(bytes).trim_ascii();
        if plain.starts_with(b"9999") {
            return out.operation(op.refused(0x9999, "function not recognized"));
        }
        out.operation(op.done());
        if !report(bytes) {
            return;
        }
        // As it left the factory: whoever reaches it commands it.
        let open = asked.is_some_and(|a| !a.secured);
        if open && !std::mem::replace(&mut self.answers_open, true) {
            out.state(Subject::Sender, "tank-gauge-answers", NO_CODE);
        }
        let text = text::lossy(bytes);
        let lines: Vec<&str> = text.lines().map(|l| l.trim_matches(trimmed)).collect();
        self.station(&lines, out);
        if number == 0x201 && out.values_wanted {
            lines.iter().for_each(|line| tank(line, out));
        }
    }

    /// Behind function and time stand the lines of the print header, then the report.
    fn station(&mut self, lines: &[&str], out: &mut Output) {
        let mut facts = Vec::new();
        for line in lines {
            if let Some((_, version)) = line.split_once("VERSION ") {
                facts.push(("firmware", version.trim().to_owned()));
            } else if let Some((_, number)) = line.split_once("SOFTWARE# ") {
                facts.push(("software", number.trim().to_owned()));
            }
        }
        if !std::mem::replace(&mut self.named, true) {
            let mut header = lines.iter().filter(|l| !l.is_empty()).skip(2);
            let name = header.next().filter(|l| !l.contains("  ") && !l.contains("REPORT"));
            facts.extend(name.map(|name| ("name", (*name).to_owned())));
            let model = "automatic tank gauge".to_owned();
            facts.push(("model", model));
        }
        out.identity(Subject::Sender, "report", facts);
    }
}

fn trimmed(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// A row of the inventory: tank, product, then volume, temperature-compensated volume, ullage,
/// height, water, temperature.
fn tank(line: &str, out: &mut Output) {
    const COLUMNS: [&str; 6] = ["volume", "tc-volume", "ullage", "height", "water", "temperature"];
    let mut words = line.split_whitespace();
    let Some(tank) = words.next().and_then(|w| w.parse::<u16>().ok()) else { return };
    // A product's name may end in a number, so no more are taken than there are columns.
    let numbers: Vec<f64> = words.rev().map_while(|w| w.parse().ok()).take(COLUMNS.len()).collect();
    if numbers.len() < 4 {
        return;
    }
    for (column, number) in COLUMNS.iter().zip(numbers.iter().rev()) {
        let point = format!("tank/{tank}/{column}");
        out.value(point, PointValue::Float(*number), (None, Quality::Good));
    }
}
