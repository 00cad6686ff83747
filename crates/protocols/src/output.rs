//! Where a dissector puts what it understood: counted messages and observations.
//!
//! The sensor owns one `Output` per worker, reads it after each feed and clears it, so nothing
//! is allocated in steady state. It adds peers, time and frame number to what it finds here.
//! Invariant: an observation carries the place of its message in the segment, never its bytes.

use model::{
    Attribute, Authentication, Detail, Direction, Identity, Object, Operation, OperationClass,
    Outcome, Point, PointValue, Quality, Scalar, StateChange, Subject, Violation,
};
use std::ops::{Deref, DerefMut, Range};

/// Keys of a counted message at most.
pub const KEYS_MAX: usize = 5;

/// Which addresses begin the rows of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// `src` and `dst`: outermost IP addresses, or MAC addresses where there is no IP.
    Pair,
    /// `src` and `dst`: always the MAC addresses.
    MacPair,
    /// `src` alone.
    Source,
    /// No address.
    None,
}

/// A kind of counted message: the rows of `messages.<name>` in `spandrel pcap`.
#[derive(Debug)]
pub struct Group {
    pub name: &'static str,
    pub ends: Ends,
    /// Names of the further keys, in the order of [`Message::keys`]; at most [`KEYS_MAX`].
    pub keys: &'static [&'static str],
}

/// Numbers of a counted message that figures are drawn from, at most.
pub const NUMBERS_MAX: usize = 2;

/// What a row shows of one of the numbers its messages carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figure {
    /// Name of the column.
    pub name: &'static str,
    /// Which of [`Message::numbers`].
    pub number: usize,
    pub drawn: Drawn,
}

/// How a figure is drawn from a number of many messages, in the order of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drawn {
    Least,
    Greatest,
    /// How many different values.
    Distinct,
    /// How often a message had another value than the one before.
    Changes,
    Sum,
}

/// One counted message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub group: &'static Group,
    /// As many as the group has names for; the rest means nothing.
    pub keys: [Scalar; KEYS_MAX],
    /// The same for every message of a group.
    pub figures: &'static [Figure],
    pub numbers: [u64; NUMBERS_MAX],
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Group {}

/// An observation without peers and time.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    pub protocol: &'static str,
    pub detail: Detail,
    /// The message's bytes within the segment it was read from.
    pub span: Range<usize>,
}

/// Counted messages. Slots are used again, and written in place: of what a sensor copies per
/// packet these were most.
#[derive(Debug, Default)]
pub struct Counted {
    slots: Vec<Message>,
    used: usize,
}

impl Counted {
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Keeps the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.used = self.used.min(count);
    }

    #[inline]
    fn slot(&mut self, group: &'static Group) -> Option<&mut Message> {
        if self.used == self.slots.len() {
            const KEYS: [Scalar; KEYS_MAX] = [const { Scalar::Null }; KEYS_MAX];
            let numbers = [0; NUMBERS_MAX];
            self.slots.push(Message { group, keys: KEYS, figures: &[], numbers });
        }
        let slot = self.slots.get_mut(self.used)?;
        self.used = self.used.saturating_add(1);
        slot.group = group;
        Some(slot)
    }
}

impl Deref for Counted {
    type Target = [Message];

    fn deref(&self) -> &[Message] {
        self.slots.get(..self.used).unwrap_or_default()
    }
}

impl DerefMut for Counted {
    fn deref_mut(&mut self) -> &mut [Message] {
        self.slots.get_mut(..self.used).unwrap_or_default()
    }
}

/// Collects what the dissectors of one worker understood.
#[derive(Debug, Default)]
pub struct Output {
    pub messages: Counted,
    /// Messages need not be counted: a dissector may leave out what only a row is made of.
    pub uncounted: bool,
    pub observed: Vec<Observed>,
    /// Limits hit while reading, by stable name; the sensor adds them to its health.
    pub limits: Vec<&'static str>,
    /// Process values are wanted. Dissectors do no work for values otherwise.
    pub values_wanted: bool,
    /// The conversation turned out to be this protocol (one inside the registered one).
    pub refined: Option<&'static str>,
    protocol: &'static str,
    span: Range<usize>,
}

impl Output {
    pub fn new(values_wanted: bool) -> Self {
        Output { values_wanted, ..Output::default() }
    }

    /// Forgets everything collected, keeps the memory.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.observed.clear();
        self.limits.clear();
        self.refined = None;
        self.span = 0..0;
    }

    /// Starts a message: what is observed from here on is said by `protocol`, in the bytes `span`
    /// of the segment being read.
    pub fn begin(&mut self, protocol: &'static str, span: Range<usize>) {
        self.protocol = protocol;
        self.span = span;
    }

    /// What follows is said by `protocol`, in the same bytes: a protocol inside another.
    pub fn begin_protocol(&mut self, protocol: &'static str) {
        self.protocol = protocol;
    }

    /// Names the protocol inside the registered one that this conversation speaks.
    pub fn refine(&mut self, protocol: &'static str) {
        self.refined = Some(protocol);
    }

    /// Counts a message. `keys` in the order of `group.keys`; what stands behind them is of no
    /// account.
    #[inline]
    pub fn count<const N: usize>(&mut self, group: &'static Group, keys: [Scalar; N]) {
        self.count_with(group, keys, (&[], [0; NUMBERS_MAX]));
    }

    /// As [`Self::count`], with numbers that the group's rows show figures of.
    #[inline]
    pub fn count_with<const N: usize>(
        &mut self,
        group: &'static Group,
        keys: [Scalar; N],
        (figures, numbers): (&'static [Figure], [u64; NUMBERS_MAX]),
    ) {
        debug_assert_eq!(N, group.keys.len(), "keys of {}", group.name);
        if self.uncounted {
            return;
        }
        let Some(message) = self.messages.slot(group) else { return };
        (message.figures, message.numbers) = (figures, numbers);
        if let Some(slots) = message.keys.first_chunk_mut::<N>() {
            *slots = keys;
        }
    }

    pub fn observe(&mut self, detail: Detail) {
        let (protocol, span) = (self.protocol, self.span.clone());
        self.observed.push(Observed { protocol, detail, span });
    }

    /// A request, response or notice; see [`Op`].
    pub fn operation(&mut self, op: Op) {
        self.observe(Detail::Operation(Operation {
            direction: op.direction,
            class: op.class,
            function: op.function,
            function_name: op.name,
            object: op.object,
            outcome: op.outcome,
            unit: op.unit,
        }));
    }

    /// What `message` says about `subject`. Empty values and values of blanks are left out.
    pub fn identity(
        &mut self,
        subject: Subject,
        message: &'static str,
        attributes: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        let attributes: Vec<_> = attributes
            .into_iter()
            .filter_map(|(path, value)| {
                let value = clean_text(&value);
                (!value.is_empty()).then_some(Attribute { path, value, confidence: 90 })
            })
            .collect();
        if !attributes.is_empty() {
            self.observe(Detail::Identity(Identity { subject, message, attributes }));
        }
    }

    /// As [`Self::identity`] with one attribute and a confidence of its own.
    pub fn attribute(
        &mut self,
        subject: Subject,
        message: &'static str,
        (path, value): (&'static str, &str),
        confidence: u8,
    ) {
        let value = clean_text(value);
        if !value.is_empty() {
            let attributes = vec![Attribute { path, value, confidence }];
            self.observe(Detail::Identity(Identity { subject, message, attributes }));
        }
    }

    /// A process value; call only when [`Self::values_wanted`].
    pub fn value(
        &mut self,
        point: String,
        value: PointValue,
        (unit, quality): (Option<&'static str>, Quality),
    ) {
        let point = Point(point.into_boxed_str());
        self.observe(Detail::Value { point, value, unit, quality });
    }

    pub fn state(&mut self, subject: Subject, what: &'static str, value: &str) {
        let value = clean_text(value);
        self.observe(Detail::State(StateChange { subject, what, value }));
    }

    /// `section` names standard and section that are violated.
    pub fn violation(&mut self, rule: &'static str, says: &'static str, section: &'static str) {
        self.observe(Detail::Violation(Violation { rule, says, section }));
    }

    pub fn authentication(&mut self, authentication: Authentication) {
        self.observe(Detail::Authentication(authentication));
    }

    /// A protocol limit was hit; `name` is a stable kebab-case counter.
    pub fn limit(&mut self, name: &'static str) {
        self.limits.push(name);
    }
}

/// Builds an [`Operation`], e.g. `Op::request(OperationClass::Read, 3, "read holding registers")`.
#[derive(Clone, Debug)]
pub struct Op {
    pub direction: Direction,
    pub class: OperationClass,
    pub function: u32,
    pub name: &'static str,
    pub object: Object,
    pub outcome: Outcome,
    pub unit: Option<u32>,
}

impl Op {
    pub fn request(class: OperationClass, function: u32, name: &'static str) -> Self {
        Self::new(Direction::Request, class, function, name)
    }

    /// A response that says nothing of success; see [`Self::done`] and [`Self::refused`].
    pub fn response(class: OperationClass, function: u32, name: &'static str) -> Self {
        Self::new(Direction::Response, class, function, name)
    }

    pub fn notice(class: OperationClass, function: u32, name: &'static str) -> Self {
        Self::new(Direction::Notice, class, function, name)
    }

    fn new(direction: Direction, class: OperationClass, function: u32, name: &'static str) -> Self {
        let (object, outcome, unit) = (Object::None, Outcome::Open, None);
        Op { direction, class, function, name, object, outcome, unit }
    }

    pub fn unit(mut self, unit: u32) -> Self {
        self.unit = Some(unit);
        self
    }

    pub fn range(mut self, area: &'static str, block: u32, first: u32, count: u32) -> Self {
        self.object = Object::Range { area, block, first, count };
        self
    }

    pub fn named(mut self, area: &'static str, name: &str) -> Self {
        self.object = Object::Name { area, name: clean_text(name) };
        self
    }

    pub fn done(mut self) -> Self {
        self.outcome = Outcome::Done;
        self
    }

    pub fn refused(mut self, code: u32, name: &'static str) -> Self {
        self.outcome = Outcome::Refused { code, name };
        self
    }
}

/// Longest text kept of a name or value a device gives, in characters.
const TEXT_CHARS_MAX: usize = 512;

/// Control characters become blanks, runs of blanks at the ends and NUL padding go, length is
/// bounded. Everything else stays as the device said it: escaping is for whoever prints it.
pub fn clean_text(text: &str) -> Box<str> {
    if is_plain(text.as_bytes()) {
        return text.into();
    }
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if trimmed.len() <= TEXT_CHARS_MAX && !trimmed.contains(char::is_control) {
        return trimmed.into();
    }
    let replaced = trimmed.chars().take(TEXT_CHARS_MAX);
    replaced.map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().into_boxed_str()
}

/// Printed as it is: letters of ASCII without a blank at either end, which most texts are.
fn is_plain(text: &[u8]) -> bool {
    let blank = |end: Option<&u8>| end == Some(&b' ');
    // No early end: eight octets and more are looked at in one step.
    let printable = text.iter().fold(true, |all, b| all & (b' '..=b'~').contains(b));
    printable && text.len() <= TEXT_CHARS_MAX && !blank(text.first()) && !blank(text.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_text_loses_control_characters_and_padding_but_no_letters() {
        assert_eq!(&*clean_text("PLC_1\0\0\0"), "PLC_1");
        assert_eq!(&*clean_text("  a\x1b[31mb\n"), "a [31mb");
        assert_eq!(&*clean_text("<script>"), "<script>");
        assert_eq!(&*clean_text("a\x7fb"), "a b");
        assert_eq!(&*clean_text("Füller 3 "), "Füller 3");
        assert_eq!(&*clean_text(" "), "");
        assert_eq!(&*clean_text(""), "");
        assert_eq!(clean_text(&"x".repeat(9_000)).len(), TEXT_CHARS_MAX);
    }

    #[test]
    fn empty_attributes_are_no_identity() {
        let mut out = Output::default();
        out.identity(Subject::Sender, "test", [("name", " \0".to_owned())]);
        assert!(out.observed.is_empty());
    }
}
