//! Plain protocols described in TOML instead of Rust: signs, length, function, names, texts.
//!
//! Read `shipped.toml` for the ones that come with the sensor and for the form; `read` turns
//! text into [`Description`]s. Not here: state, checksums, values; those need Rust. Invariant: a
//! description is checked when it is read, so nothing in it can fail on bytes from outside.

mod read;

#[cfg(test)]
mod tests;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op, text,
};
use model::{OperationClass as Class, Subject};
use std::sync::OnceLock;

pub use read::{Invalid, parse};

/// A protocol as its TOML table describes it.
pub struct Description {
    about: About,
    /// All must hold for a message to be one.
    signs: Vec<Sign>,
    /// Tells answers from requests; without it the side does.
    answer: Option<Sign>,
    length: Option<Length>,
    function: Option<Function>,
    texts: Vec<Text>,
}

/// One of several patterns at a place.
struct Sign {
    at: usize,
    any: Vec<Box<[u8]>>,
}

/// Where a message says how long it is.
struct Length {
    at: usize,
    octets: usize,
    big: bool,
    /// Octets of the message that the number leaves out.
    adds: usize,
}

struct Function {
    at: usize,
    octets: usize,
    big: bool,
    names: Vec<(u32, Class, &'static str)>,
}

/// A text at a fixed place of a message that says what the sender is.
struct Text {
    /// Only in messages of this function.
    function: Option<u32>,
    answers_only: bool,
    at: usize,
    octets_max: usize,
    path: &'static str,
}

/// Longest message that is waited for.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;

static SHIPPED: OnceLock<Vec<&'static dyn Protocol>> = OnceLock::new();
static ADDED: OnceLock<Vec<&'static dyn Protocol>> = OnceLock::new();

/// Protocols described in `shipped.toml` and those [`add`]ed.
pub fn all() -> impl Iterator<Item = &'static dyn Protocol> {
    let shipped = SHIPPED.get_or_init(|| {
        let read = parse(include_str!("shipped.toml"));
        read.expect("a test reads the shipped descriptions").into_iter().map(leak).collect()
    });
    shipped.iter().chain(ADDED.get().into_iter().flatten()).copied()
}

/// Adds protocols for the rest of the process; once, before any conversation is read.
///
/// Says whether they were added: a second call changes nothing.
pub fn add(descriptions: Vec<Description>) -> bool {
    ADDED.set(descriptions.into_iter().map(leak).collect()).is_ok()
}

/// Descriptions live as long as the process; there are few.
fn leak(description: Description) -> &'static dyn Protocol {
    let description = Box::leak(Box::new(description));
    Box::leak(Box::new(Described { description }))
}

struct Described {
    description: &'static Description,
}

impl Protocol for Described {
    fn about(&self) -> &'static About {
        &self.description.about
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let description = self.description;
        let stream = hint.carrier == Carrier::Tcp;
        match description.fits(head) {
            Some(true) => {}
            None if stream && hint.port && !head.is_empty() => return Probe::NeedMore,
            _ => return Probe::NoMatch,
        }
        let whole = match description.length.as_ref().map(|length| length.of(head)) {
            // On a port of another service few signs are met by chance, a length seldom too.
            Some(Some(octets)) if stream && !hint.port => octets == head.len(),
            Some(Some(octets)) if stream => (1..=MESSAGE_OCTETS_MAX).contains(&octets),
            Some(octets) => octets == Some(head.len()),
            None => true,
        };
        match (whole, &description.answer) {
            (false, _) => Probe::NoMatch,
            (true, Some(sign)) if sign.holds(head) == Some(true) => Probe::MatchServer,
            (true, Some(_)) => Probe::MatchClient,
            (true, None) => Probe::Match,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Conversation { description: self.description, told: Vec::new() })
    }
}

impl Description {
    /// Do all signs hold? `None` where too little is there to say.
    fn fits(&self, bytes: &[u8]) -> Option<bool> {
        let mut known = Some(true);
        for sign in &self.signs {
            match sign.holds(bytes) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => known = None,
            }
        }
        known
    }
}

impl Sign {
    fn holds(&self, bytes: &[u8]) -> Option<bool> {
        let rest = bytes.get(self.at..).unwrap_or_default();
        if self.any.iter().any(|pattern| rest.starts_with(pattern)) {
            return Some(true);
        }
        let open = self.any.iter().any(|pattern| pattern.starts_with(rest));
        if open { None } else { Some(false) }
    }
}

/// Up to four octets as a number.
fn number(bytes: &[u8], at: usize, octets: usize, big: bool) -> Option<u32> {
    let end = at.checked_add(octets)?;
    let fold = |n: u32, octet: &u8| n << 8 | u32::from(*octet);
    let octets = bytes.get(at..end)?;
    Some(if big { octets.iter().fold(0, fold) } else { octets.iter().rev().fold(0, fold) })
}

impl Length {
    fn of(&self, bytes: &[u8]) -> Option<usize> {
        let told = usize::try_from(number(bytes, self.at, self.octets, self.big)?).ok()?;
        told.checked_add(self.adds)
    }
}

struct Conversation {
    description: &'static Description,
    /// Texts told already: place and hash would be enough, but they are few and short.
    told: Vec<(&'static str, Box<str>)>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let stream = segment.carrier == Carrier::Tcp;
        match self.description.fits(bytes) {
            Some(true) => {}
            None if stream => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            _ => return Progress::GiveUp(Malformed::new("declared-protocol-signs")),
        }
        let octets = match self.description.length.as_ref().map(|length| length.of(bytes)) {
            Some(Some(octets)) if stream && octets > bytes.len() => {
                return match octets > MESSAGE_OCTETS_MAX {
                    true => Progress::GiveUp(Malformed::new("declared-protocol-length")),
                    false => Progress::NeedMore { consumed: 0, needed: octets },
                };
            }
            Some(None) if stream => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            Some(Some(octets)) if stream && octets > 0 => octets,
            _ => bytes.len(),
        };
        let message = bytes.get(..octets).unwrap_or(bytes);
        out.begin(self.description.about.name, 0..message.len());
        self.read(message, segment.from, out);
        Progress::Consumed(message.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn read(&mut self, message: &[u8], from: Side, out: &mut Output) {
        let description = self.description;
        let answer = match &description.answer {
            Some(sign) => sign.holds(message) == Some(true),
            None => from == Side::Server,
        };
        let function = description.function.as_ref();
        let code = function.and_then(|f| number(message, f.at, f.octets, f.big));
        let named = function.and_then(|f| f.names.iter().find(|(n, ..)| Some(*n) == code));
        let (class, name) = match named {
            Some((_, class, name)) => (*class, *name),
            None => (Class::Other, "message"),
        };
        let code_told = code.unwrap_or_default();
        out.operation(match answer {
            true => Op::response(class, code_told, name).done(),
            false => Op::request(class, code_told, name),
        });
        for wanted in &description.texts {
            let asked = wanted.function.is_none_or(|function| Some(function) == code);
            if asked && (answer || !wanted.answers_only) {
                self.tell(wanted, message, out);
            }
        }
    }

    fn tell(&mut self, wanted: &Text, message: &[u8], out: &mut Output) {
        const TOLD_MAX: usize = 32;
        let rest = message.get(wanted.at..).unwrap_or_default();
        let printable = rest.iter().take(wanted.octets_max).take_while(|b| **b >= 0x20);
        let octets: Vec<u8> = printable.copied().collect();
        let value = text::lossy(&octets);
        let known = self.told.iter().any(|(path, told)| *path == wanted.path && **told == *value);
        if known || value.is_empty() || self.told.len() >= TOLD_MAX {
            return;
        }
        self.told.push((wanted.path, value.as_str().into()));
        out.attribute(Subject::Sender, "message", (wanted.path, &value), 80);
    }
}
