//! Calls of procedures ([MS-TDS] 2.2.6.6): by name or number, and the statement in those that
//! run one.
//!
//! Not here: the parameters of statements. Invariant: a statement is looked at as far as it stands
//! in the first packet, and not kept.

use super::RPC;
use crate::{output::Op, sql, text};
use model::OperationClass::{Other, Read, Session};
use wire::{Reader, Short};

/// Procedures with numbers that take a statement: sp_executesql and the like.
const CURSOR_OPEN: u16 = 2;
const CURSOR_PREPARE: u16 = 3;
const CURSOR_PREPARE_EXECUTE: u16 = 5;
const EXECUTE_SQL: u16 = 10;
const PREPARE: u16 = 11;
const PREPARE_EXECUTE: u16 = 13;

/// What a call does; `body` begins with the name.
pub(super) fn called(body: &[u8]) -> Op {
    read(body).unwrap_or_else(|_| Op::request(Other, u32::from(RPC), "procedure"))
}

fn read(body: &[u8]) -> Result<Op, Short> {
    const NUMBERED: u16 = 0xffff;
    let function = u32::from(RPC);
    let mut at = Reader::new(body);
    let (number, name) = match at.le16()? {
        NUMBERED => (at.le16()?, String::new()),
        letters => {
            let name = text::utf16le(at.bytes(usize::from(letters).saturating_mul(2))?);
            (number_of(&name), name)
        }
    };
    at.skip(2)?;
    if let Some(before) = parameters_before_statement(number)
        && let Some(statement) = statement(&mut at, before)
    {
        return Ok(sql::operation(&text::utf16le(statement), function));
    }
    Ok(match number {
        0 => sql::operation(&format!("exec {name}"), function).named("procedure", &name),
        4 | 12 => Op::request(Other, function, "execute prepared statement"),
        7 => Op::request(Read, function, "fetch from cursor"),
        6 | 9 | 15 => Op::request(Session, function, "close statement"),
        _ => Op::request(Other, function, "procedure"),
    })
}

/// Numbers of procedures that some clients call by name.
fn number_of(name: &str) -> u16 {
    let known = [
        ("sp_cursoropen", CURSOR_OPEN),
        ("sp_cursorprepare", CURSOR_PREPARE),
        ("sp_cursorexecute", 4),
        ("sp_cursorprepexec", CURSOR_PREPARE_EXECUTE),
        ("sp_cursorunprepare", 6),
        ("sp_cursorfetch", 7),
        ("sp_cursorclose", 9),
        ("sp_executesql", EXECUTE_SQL),
        ("sp_prepare", PREPARE),
        ("sp_execute", 12),
        ("sp_prepexec", PREPARE_EXECUTE),
        ("sp_unprepare", 15),
    ];
    known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(0, |(_, n)| *n)
}

/// Handles and declarations of parameters stand before the statement.
const fn parameters_before_statement(number: u16) -> Option<usize> {
    match number {
        EXECUTE_SQL => Some(0),
        CURSOR_OPEN => Some(1),
        PREPARE | PREPARE_EXECUTE | CURSOR_PREPARE => Some(2),
        CURSOR_PREPARE_EXECUTE => Some(3),
        _ => None,
    }
}

/// The text of the parameter behind so many others.
fn statement<'a>(at: &mut Reader<'a>, before: usize) -> Option<&'a [u8]> {
    for _ in 0..before {
        parameter(at).ok()?;
    }
    parameter(at).ok().filter(|text| !text.is_empty())
}

/// Name, status, type and value; no octets for null (2.2.5.4 and 2.2.5.5). Only the types that
/// these procedures have.
fn parameter<'a>(at: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    const COLLATION_OCTETS: usize = 5;
    let letters = usize::from(at.u8()?);
    at.skip(letters.saturating_mul(2).saturating_add(1))?;
    match at.u8()? {
        // An integer.
        0x26 => {
            at.skip(1)?;
            let octets = usize::from(at.u8()?);
            at.bytes(octets)
        }
        // Text of two octets a letter: short, or in chunks.
        0xe7 => {
            let longest = at.le16()?;
            at.skip(COLLATION_OCTETS)?;
            if longest == 0xffff { chunks(at) } else { counted(at) }
        }
        0x63 => {
            at.skip(4_usize.saturating_add(COLLATION_OCTETS))?;
            let octets = at.le32()?;
            there(at, octets)
        }
        _ => Err(Short { needed: 1 }),
    }
}

fn counted<'a>(at: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    match at.le16()? {
        0xffff => Ok(&[]),
        octets => there(at, u32::from(octets)),
    }
}

/// The first chunk, which is all of what clients send (2.2.5.2.3).
fn chunks<'a>(at: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    if at.le64()? == u64::MAX {
        return Ok(&[]);
    }
    let octets = at.le32()?;
    let first = there(at, octets)?;
    while octets > 0 && !at.is_empty() {
        let octets = at.le32()?;
        if octets == 0 {
            break;
        }
        there(at, octets)?;
    }
    Ok(first)
}

/// So many octets, or as many of them as the packet has.
fn there<'a>(at: &mut Reader<'a>, octets: u32) -> Result<&'a [u8], Short> {
    let octets = usize::try_from(octets).unwrap_or(usize::MAX);
    at.bytes(octets.min(at.remaining()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::OperationClass::{self, Configure, Start, Write};

    fn letters(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// A parameter without a name, of at most 4,000 letters.
    fn short(text: &str) -> Vec<u8> {
        let text = letters(text);
        let octets = (text.len() as u16).to_le_bytes();
        [&[0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34][..], &octets, &text].concat()
    }

    fn long(text: &str) -> Vec<u8> {
        let text = letters(text);
        let (all, chunk) = ((text.len() as u64).to_le_bytes(), (text.len() as u32).to_le_bytes());
        let kind = &[0, 0, 0xe7, 0xff, 0xff, 9, 4, 0xd0, 0, 0x34][..];
        [kind, &all, &chunk, &text, &[0; 4]].concat()
    }

    const NO_TEXT: &[u8] = &[0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34, 0xff, 0xff];
    /// A handle to be returned.
    const HANDLE: &[u8] = &[0, 1, 0x26, 4, 0];

    #[track_caller]
    fn check(parts: &[&[u8]], class: OperationClass, name: &str) {
        let op = called(&parts.concat());
        assert_eq!((op.class, op.name), (class, name));
    }

    #[test]
    fn a_statement_with_parameters_is_told_as_the_statement_it_is() {
        let numbered = |number: u8| [0xff, 0xff, number, 0, 0, 0];
        check(&[&numbered(10), &short("UPDATE t SET v=@P1")], Write, "update");
        check(&[&numbered(10), &long("drop table t"), &short("@P1 int")], Configure, "drop");
        let statement = long("insert into t values (@P1)");
        check(&[&numbered(13), HANDLE, NO_TEXT, &statement], Write, "insert");
        check(&[&numbered(11), HANDLE, &long("@P1 int"), &statement], Write, "insert");
        check(&[&numbered(2), HANDLE, &short("select 1")], Read, "select");
        check(
            &[&numbered(12), &[0, 0, 0x26, 4, 4, 1, 0, 0, 0]],
            Other,
            "execute prepared statement",
        );
        check(&[&numbered(10), &[0, 0, 0x38]], Other, "procedure");
    }

    #[test]
    fn a_procedure_is_told_by_its_name() {
        let named = |name: &str| {
            let count = (name.len() as u16).to_le_bytes();
            [&count[..], &letters(name), &[0, 0]].concat()
        };
        check(&[&named("sp_executesql"), &short("delete from t")], Write, "delete");
        check(&[&named("master..xp_cmdshell"), &short("dir")], Start, "execute xp_cmdshell");
        let op = called(&named("report"));
        assert_eq!(op.object, model::Object::Name { area: "procedure", name: "report".into() });
        check(&[&[9, 0, b'x']], Other, "procedure");
    }
}
