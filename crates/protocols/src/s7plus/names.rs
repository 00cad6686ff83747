//! Functions, objects and addresses of S7comm-plus by name and meaning.

use model::OperationClass as Class;

pub(super) const EXPLORE: u16 = 0x04bb;
pub(super) const CREATE_OBJECT: u16 = 0x04ca;
pub(super) const DELETE_OBJECT: u16 = 0x04d4;
pub(super) const SET_VARIABLE: u16 = 0x04f2;
pub(super) const GET_VARIABLE: u16 = 0x04fc;
pub(super) const SET_MANY: u16 = 0x0542;
pub(super) const GET_MANY: u16 = 0x054c;
pub(super) const GET_STREAMED: u16 = 0x0586;

/// From this number on objects are made while the CPU runs.
const FIRST_MADE: u32 = 0x300;

/// Attributes and members by their ids.
pub(super) const OBJECT_NAME: u32 = 233;
pub(super) const SESSION_APPLICATION: u32 = 297;
pub(super) const SESSION_HOST: u32 = 298;
pub(super) const SESSION_COMMENT: u32 = 301;
/// What the CPU wants combined with a key that both know.
pub(super) const SESSION_CHALLENGE: u32 = 303;
pub(super) const SESSION_RESPONSE: u32 = 304;
pub(super) const SESSION_VERSION: u32 = 306;
/// `1;6ES7 511-1AK00-0AB0;V1.0`.
pub(super) const SESSION_DEVICE: u32 = 319;
pub(super) const CLASS_SESSION: u32 = 287;
pub(super) const CLASS_SUBSCRIPTION: u32 = 1_001;
pub(super) const EXECUTION_UNIT: u32 = 52;
pub(super) const MODE_WANTED: u32 = 2_167;
/// The operating state as SZL xy24 numbers it.
pub(super) const MODE_ACTUAL: u32 = 3_486;
/// Values of a block and of a controller's area: they stand in every address.
const DB_ACTUAL: u32 = 2_550;
const AREA_ACTUAL: u32 = 3_736;

pub(super) fn function(code: u16) -> (Class, &'static str) {
    match code {
        EXPLORE => (Class::Browse, "explore"),
        CREATE_OBJECT => (Class::Session, "create object"),
        DELETE_OBJECT => (Class::Session, "delete object"),
        SET_VARIABLE => (Class::Write, "set variable"),
        GET_VARIABLE => (Class::Read, "get variable"),
        0x0506 => (Class::Other, "get link"),
        0x0524 => (Class::Other, "add link"),
        0x0542 => (Class::Write, "set multiple variables"),
        0x054c => (Class::Read, "get multiple variables"),
        0x0556 => (Class::Other, "begin sequence"),
        0x0560 => (Class::Other, "end sequence"),
        0x056b => (Class::Other, "invoke"),
        0x057c => (Class::Write, "set variables substreamed"),
        GET_STREAMED => (Class::Read, "get variables substreamed"),
        0x05b3 => (Class::Session, "init ssl"),
        _ => (Class::Other, "s7comm-plus function"),
    }
}

/// What asking for an operating state is.
pub(super) fn mode_wanted(state: i64) -> Option<(Class, &'static str)> {
    match state {
        1 => Some((Class::Stop, "cpu stop")),
        3 => Some((Class::Start, "cpu start")),
        _ => None,
    }
}

pub(super) fn mode(state: i64) -> Option<&'static str> {
    Some(match state {
        1..=4 => "stop",
        5..=7 | 11 => "startup",
        8 | 9 => "run",
        10 => "hold",
        13 => "defective",
        _ => return None,
    })
}

/// Kind and number of a block, by the id it has: class and, where that is a block's, number.
pub(super) fn block(relation: u32) -> Option<(&'static str, u32)> {
    let kind = match relation >> 16 {
        0x8a0e => "DB",
        0x8a12 => "FB",
        0x8a13 => "FC",
        0x8a40..=0x8a62 => "OB",
        _ => return None,
    };
    Some((kind, relation & 0xffff))
}

/// Name of an object, for a person.
pub(super) fn object(relation: u32) -> String {
    if let Some((kind, number)) = block(relation) {
        return format!("{kind}{number}");
    }
    let known = match relation {
        3 => "program",
        48 => "CPU",
        49 => "CPU proxy",
        50 => "CPU common",
        EXECUTION_UNIT => "CPU execution unit",
        80 => "I",
        81 => "Q",
        82 => "M",
        83 => "C",
        84 => "T",
        201 => "root",
        285 => "session container",
        // Sessions, subscriptions and what else is numbered anew each time has no name to learn.
        FIRST_MADE.. => "object",
        _ => return format!("object {relation}"),
    };
    known.to_owned()
}

/// Name of a variable: its object, then the ids that lead to it, as in access strings of Siemens'
/// own programs (`8A0E0003.A`), with the block by its name.
pub(super) fn variable(area: u32, ids: &[u32]) -> String {
    let mut name = object(area);
    let actual = |id: &u32| matches!(*id, DB_ACTUAL | AREA_ACTUAL);
    let rest = match ids {
        [first, rest @ ..] if actual(first) => rest,
        all => all,
    };
    for id in rest {
        name.push_str(&format!(".{id:X}"));
    }
    name
}
