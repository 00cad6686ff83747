//! What the data of BACnet services says: targets, values, identities (ASHRAE 135, 13 to 17).
//!
//! Invariant: data that does not follow the schema says nothing; it is never guessed at.

use super::{
    limits::{PROPERTIES_MAX, WRITES_MAX},
    names,
    tag::{self, Item, ObjectId, Tags, application},
};
use crate::{Output, output::Op};
use model::{Authentication, OperationClass as Class, PointValue, Quality, Subject};

/// What a service acts on and means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    pub(super) class: Class,
    pub(super) name: &'static str,
    pub(super) target: Option<Target>,
}

/// An object's property, or several numbers from one on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) area: &'static str,
    pub(super) block: u32,
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Target {
    fn property(id: ObjectId, property: u32, count: u32) -> Target {
        Target { area: names::object(id.kind), block: property, first: id.instance, count }
    }
}

impl Meaning {
    pub(super) fn apply(&self, op: Op) -> Op {
        let op = Op { class: self.class, name: self.name, ..op };
        match self.target {
            Some(t) => op.range(t.area, t.block, t.first, t.count),
            None => op,
        }
    }

    fn on(self, target: Option<Target>) -> Meaning {
        Meaning { target, ..self }
    }
}

/// Object, property and, skipped, array index: `[from] [from+1] [from+2]`.
fn reference(tags: &mut Tags<'_>, from: u8) -> Option<(ObjectId, u32)> {
    let id = tag::object(tags.context(from)?)?;
    let property = tag::unsigned(tags.context(from.wrapping_add(1))?)?;
    tags.context(from.wrapping_add(2));
    Some((id, property))
}

/// The data of a confirmed request. Writes of several properties report the others themselves.
pub(super) fn confirmed(choice: u8, data: &[u8], out: &mut Output) -> Meaning {
    let (class, name) = names::confirmed(choice).unwrap_or((Class::Other, "reserved service"));
    let plain = Meaning { class, name, target: None };
    let mut tags = Tags::new(data);
    match choice {
        12 | 26 => match reference(&mut tags, 0) {
            Some((id, property)) => read_of(plain, id, property),
            None => plain,
        },
        14 => read_multiple(plain, tags),
        15 => write(plain, &mut tags, out).unwrap_or(plain),
        16 => write_multiple(plain, tags, out),
        17 => {
            tags.context(0);
            let (class, name) = number(&mut tags, 1).map_or((class, name), names::communication);
            password(&mut tags, 2, out);
            Meaning { class, name, target: None }
        }
        20 => {
            let (class, name) = number(&mut tags, 0).map_or((class, name), names::reinitialize);
            password(&mut tags, 1, out);
            Meaning { class, name, target: None }
        }
        6 | 7 | 11 => plain.on(application_object(&mut tags)),
        5 | 28 => {
            tags.context(0);
            plain.on(context_object(&mut tags, 1))
        }
        8 | 9 => plain
            .on(reference(&mut tags, 0).map(|(id, property)| Target::property(id, property, 1))),
        10 => plain.on(tags.inside(0).and_then(created)),
        18 => plain.on(private(&mut tags)),
        27 => {
            tags.context(0);
            tags.context(1);
            tags.context(2);
            plain.on(context_object(&mut tags, 3))
        }
        1 => plain.on(cov(tags, out)),
        2 => plain.on(event(tags, out)),
        _ => plain,
    }
}

fn read_of(plain: Meaning, id: ObjectId, property: u32) -> Meaning {
    let class = match (id.kind, property) {
        (_, names::OBJECT_LIST) => Class::Browse,
        (names::DEVICE, _) if plain.class == Class::Read => Class::Diagnose,
        _ => plain.class,
    };
    Meaning { class, ..plain }.on(Some(Target::property(id, property, 1)))
}

fn number(tags: &mut Tags<'_>, wanted: u8) -> Option<u32> {
    tags.context(wanted).and_then(tag::unsigned)
}

fn application_object(tags: &mut Tags<'_>) -> Option<Target> {
    let id = tag::object(tags.application(application::OBJECT_IDENTIFIER)?)?;
    Some(Target::property(id, 0, 1))
}

fn context_object(tags: &mut Tags<'_>, wanted: u8) -> Option<Target> {
    let id = tag::object(tags.context(wanted)?)?;
    Some(Target::property(id, 0, 1))
}

/// Create object: a type alone or a whole identifier (15.3).
fn created(inner: &[u8]) -> Option<Target> {
    let mut tags = Tags::new(inner);
    if let Some(kind) = number(&mut tags, 0) {
        let id = ObjectId { kind: u16::try_from(kind).ok()?, instance: 0 };
        return Some(Target::property(id, 0, 1));
    }
    context_object(&mut tags, 1)
}

fn private(tags: &mut Tags<'_>) -> Option<Target> {
    let (vendor, service) = (number(tags, 0)?, number(tags, 1)?);
    Some(Target { area: "private-service", block: vendor, first: service, count: 1 })
}

/// Passwords of device management stand in clear text (16.1, 16.4).
fn password(tags: &mut Tags<'_>, wanted: u8, out: &mut Output) {
    if tags.context(wanted).is_some() {
        out.authentication(Authentication {
            user: None,
            accepted: None,
            clear_text: true,
            default_password: false,
            method: "bacnet password",
        });
    }
}

/// Read property multiple (15.7): the first reference stands for all, with their number.
fn read_multiple(plain: Meaning, mut tags: Tags<'_>) -> Meaning {
    let (mut first, mut count) = (None, 0_u32);
    for _ in 0..PROPERTIES_MAX {
        let Some(id) = tags.context(0).and_then(tag::object) else { break };
        let mut wanted = Tags::new(tags.inside(1).unwrap_or_default());
        for _ in 0..PROPERTIES_MAX {
            let Some(property) = number(&mut wanted, 0) else { break };
            wanted.context(1);
            first.get_or_insert((id, property));
            count = count.saturating_add(1);
        }
    }
    let Some((id, property)) = first else { return plain };
    let meaning = read_of(plain, id, property);
    meaning.on(Some(Target::property(id, property, count)))
}

/// What writing a property is: a value of the process, a program's state, or a setting.
fn write_class(plain: Meaning, id: ObjectId, property: u32, inner: &[u8]) -> Meaning {
    if id.kind == names::PROGRAM && property == names::PROGRAM_CHANGE {
        let asked = Tags::new(inner).application(application::ENUMERATED);
        let known = asked.and_then(tag::unsigned).and_then(names::program_change);
        if let Some((class, name)) = known {
            return Meaning { class, name, target: None };
        }
    }
    match property {
        names::PRESENT_VALUE => plain,
        _ => Meaning { class: Class::Configure, ..plain },
    }
}

fn write(plain: Meaning, tags: &mut Tags<'_>, out: &mut Output) -> Option<Meaning> {
    let (id, property) = reference(tags, 0)?;
    let inner = tags.inside(3).unwrap_or_default();
    point(id, property, inner, Quality::Good, out);
    let meaning = write_class(plain, id, property, inner);
    Some(meaning.on(Some(Target::property(id, property, 1))))
}

/// Write property multiple (15.10): an operation for each property, the last one returned.
fn write_multiple(plain: Meaning, mut tags: Tags<'_>, out: &mut Output) -> Meaning {
    let (mut last, mut told) = (plain, 0_usize);
    for _ in 0..PROPERTIES_MAX {
        let Some(id) = tags.context(0).and_then(tag::object) else { break };
        let mut written = Tags::new(tags.inside(1).unwrap_or_default());
        for _ in 0..PROPERTIES_MAX {
            let Some(property) = number(&mut written, 0) else { break };
            written.context(1);
            let inner = written.inside(2).unwrap_or_default();
            written.context(3);
            point(id, property, inner, Quality::Good, out);
            if told >= WRITES_MAX {
                out.limit("bacnet-writes");
                return last;
            }
            if told > 0 {
                out.operation(last.apply(Op::request(last.class, 16, last.name)));
            }
            told = told.saturating_add(1);
            last = write_class(plain, id, property, inner);
            last.target = Some(Target::property(id, property, 1));
        }
    }
    last
}

/// The data of an unconfirmed request.
pub(super) fn unconfirmed(
    choice: u8,
    data: &[u8],
    subject: Option<Subject>,
    out: &mut Output,
) -> (Meaning, Option<String>) {
    let (class, name) = names::unconfirmed(choice).unwrap_or((Class::Other, "reserved service"));
    let plain = Meaning { class, name, target: None };
    let mut tags = Tags::new(data);
    let mut named = None;
    let target = match choice {
        0 => i_am(&mut tags, subject, out),
        1 => {
            tags.application(application::OBJECT_IDENTIFIER);
            let target = application_object(&mut tags);
            named = tags.application(application::CHARACTER_STRING).and_then(tag::text);
            target
        }
        2 => cov(tags, out),
        3 => event(tags, out),
        4 => private(&mut tags),
        7 => {
            tags.context(0);
            tags.context(1);
            let target = context_object(&mut tags, 2);
            named = tags.context(3).and_then(tag::text);
            target
        }
        8 => who_is(&mut tags),
        _ => None,
    };
    (plain.on(target), named)
}

fn who_is(tags: &mut Tags<'_>) -> Option<Target> {
    let (low, high) = (number(tags, 0)?, number(tags, 1)?);
    let count = high.saturating_sub(low).saturating_add(1);
    Some(Target { area: "device", block: 0, first: low, count })
}

/// I-Am (16.10): device, longest APDU, segmentation, vendor.
fn i_am(tags: &mut Tags<'_>, subject: Option<Subject>, out: &mut Output) -> Option<Target> {
    let id = tag::object(tags.application(application::OBJECT_IDENTIFIER)?)?;
    tags.application(application::UNSIGNED)?;
    tags.application(application::ENUMERATED)?;
    let vendor = tag::unsigned(tags.application(application::UNSIGNED)?)?;
    let name = names::vendor(vendor).unwrap_or_default();
    let instance = id.instance.to_string();
    match subject {
        Some(subject) => out.identity(
            subject,
            "I-Am",
            [
                ("bacnet_instance", instance),
                ("vendor_id", vendor.to_string()),
                ("vendor", name.to_owned()),
            ],
        ),
        None => {
            let says = format!("device {instance} of vendor {vendor} {name}");
            out.attribute(Subject::Sender, "I-Am", ("routed_vendor", &says), 70);
        }
    }
    Some(Target::property(id, 0, 1))
}

/// COV notification (13.1): values of one object with its status flags.
fn cov(mut tags: Tags<'_>, out: &mut Output) -> Option<Target> {
    tags.context(0);
    tags.context(1);
    let id = tag::object(tags.context(2)?)?;
    tags.context(3);
    let list = tags.inside(4).unwrap_or_default();
    if out.values_wanted {
        let mut quality = Quality::Good;
        each_value(list, (0, 2), |property, inner| {
            if property == names::STATUS_FLAGS {
                quality = flags(inner);
            }
        });
        each_value(list, (0, 2), |property, inner| point(id, property, inner, quality, out));
    }
    Some(Target::property(id, names::PRESENT_VALUE, 1))
}

/// Walks over property values: tag of the property, skipped index behind it, tag of the value.
fn each_value<'a>(list: &'a [u8], (key, value): (u8, u8), mut each: impl FnMut(u32, &'a [u8])) {
    let mut tags = Tags::new(list);
    for _ in 0..PROPERTIES_MAX {
        let Some(property) = number(&mut tags, key) else { break };
        tags.context(key.wrapping_add(1));
        let inner = tags.inside(value);
        if inner.is_none() {
            // An access error in the place of the value (15.7.3.1.5).
            tags.inside(value.wrapping_add(1));
        }
        tags.context(value.wrapping_add(1));
        each(property, inner.unwrap_or_default());
    }
}

/// In alarm, fault, overridden, out of service (21, BACnetStatusFlags).
fn flags(inner: &[u8]) -> Quality {
    const BIT_STRING: u8 = 8;
    match Tags::new(inner).application(BIT_STRING) {
        Some([_, bits, ..]) if bits & 0x40 != 0 => Quality::Bad,
        Some([_, bits, ..]) if bits & 0x30 != 0 => Quality::Uncertain,
        _ => Quality::Good,
    }
}

/// Event notification (13.9): the object and the state it has come to.
fn event(mut tags: Tags<'_>, out: &mut Output) -> Option<Target> {
    tags.context(0);
    tags.context(1);
    let id = tag::object(tags.context(2)?)?;
    tags.inside(3);
    for skipped in [4, 5, 6, 7, 8, 9, 10] {
        tags.context(skipped);
    }
    if let Some(state) = number(&mut tags, 11) {
        let (kind, instance) = (names::object(id.kind), id.instance);
        let value = format!("{kind} {instance}: {}", names::event_state(state));
        out.state(Subject::Sender, "alarm", &value);
    }
    Some(Target::property(id, 0, 1))
}

/// A process value, where values are wanted.
fn point(id: ObjectId, property: u32, inner: &[u8], quality: Quality, out: &mut Output) {
    if !out.values_wanted {
        return;
    }
    let first = Tags::new(inner).item();
    let Some(value) = first.ok().and_then(tag::value) else { return };
    let settable = matches!(value, PointValue::Bool(_) | PointValue::Float(_));
    let (kind, instance) = (names::object(id.kind), id.instance);
    let name = match property {
        names::PRESENT_VALUE => format!("{kind}/{instance}"),
        _ if settable && id.kind != names::DEVICE => format!("{kind}/{instance}/{property}"),
        _ => return,
    };
    out.value(name, value, (None, quality));
}

/// The data of a complex acknowledgement.
pub(super) fn acknowledged(
    choice: u8,
    data: &[u8],
    subject: Option<Subject>,
    out: &mut Output,
) -> Meaning {
    let (class, name) = names::confirmed(choice).unwrap_or((Class::Other, "reserved service"));
    let plain = Meaning { class, name, target: None };
    let mut tags = Tags::new(data);
    match choice {
        12 => {
            let Some((id, property)) = reference(&mut tags, 0) else { return plain };
            let inner = tags.inside(3).unwrap_or_default();
            told(id, &[(property, inner)], subject, out);
            read_of(plain, id, property)
        }
        14 => read_multiple_ack(plain, tags, subject, out),
        26 => match reference(&mut tags, 0) {
            Some((id, property)) => read_of(plain, id, property),
            None => plain,
        },
        10 => plain.on(application_object(&mut tags)),
        18 => plain.on(private(&mut tags)),
        _ => plain,
    }
}

fn read_multiple_ack(
    plain: Meaning,
    mut tags: Tags<'_>,
    subject: Option<Subject>,
    out: &mut Output,
) -> Meaning {
    let (mut first, mut count) = (None, 0_u32);
    for _ in 0..PROPERTIES_MAX {
        let Some(id) = tags.context(0).and_then(tag::object) else { break };
        let list = tags.inside(1).unwrap_or_default();
        let mut device = Vec::new();
        each_value(list, (2, 4), |property, inner| {
            first.get_or_insert((id, property));
            count = count.saturating_add(1);
            match id.kind {
                names::DEVICE => device.push((property, inner)),
                _ => told(id, &[(property, inner)], subject, out),
            }
        });
        told(id, &device, subject, out);
    }
    let Some((id, property)) = first else { return plain };
    read_of(plain, id, property).on(Some(Target::property(id, property, count)))
}

/// Properties of an object as its device tells them.
fn told(id: ObjectId, values: &[(u32, &[u8])], subject: Option<Subject>, out: &mut Output) {
    if id.kind != names::DEVICE {
        for (property, inner) in values {
            point(id, *property, inner, Quality::Good, out);
        }
        return;
    }
    let mut facts = Vec::new();
    for (property, inner) in values {
        const SYSTEM_STATUS: u32 = 112;
        let mut tags = Tags::new(inner);
        if let Some(path) = names::identity(*property) {
            let value = match tags.item() {
                Ok(Item::Value { number: application::CHARACTER_STRING, bytes, .. }) => {
                    tag::text(bytes)
                }
                Ok(Item::Value { number: application::UNSIGNED, bytes, .. }) => {
                    tag::unsigned(bytes).map(|n| n.to_string())
                }
                _ => None,
            };
            facts.extend(value.map(|value| (path, value)));
        } else if *property == SYSTEM_STATUS
            && let Some(status) = tags.application(application::ENUMERATED)
            && let Some(word) = tag::unsigned(status).and_then(names::device_status)
            && let Some(subject) = subject
        {
            out.state(subject, "mode", word);
        }
    }
    if facts.is_empty() {
        return;
    }
    // The highest number stands for whatever device is asked (12.11.1).
    const WHATEVER: u32 = 0x003f_ffff;
    if id.instance != WHATEVER {
        facts.push(("bacnet_instance", id.instance.to_string()));
    }
    match subject {
        Some(subject) => out.identity(subject, "device object", facts),
        None => {
            let says: Vec<String> = facts.iter().map(|(p, v)| format!("{p} {v}")).collect();
            let says = says.join(", ");
            out.attribute(Subject::Sender, "device object", ("routed_device", &says), 70);
        }
    }
}
