//! What an MMS service acts on: variables, lists, domains, programs, files.
//!
//! Names are written as IEC 61850-8-1 does: `domain/item`. Invariant: at most
//! [`OBJECTS_MAX`] names of one request.

use super::limits::OBJECTS_MAX;
use crate::{
    ber::{Ber, Tagged},
    text::lossy,
};

/// An ObjectName (ISO 9506-2, 7.5.1): `[0]` of the device, `[1]` of a domain, `[2]` of the
/// association.
pub fn object_name(element: &Tagged<'_>) -> Option<String> {
    match element.number {
        0 | 2 if element.is_context() => Some(lossy(element.contents)),
        1 if element.is_context() => {
            let mut parts = Ber::of_any_length(element.contents);
            let (domain, item) = (parts.element().ok()?, parts.element().ok()?);
            Some(format!("{}/{}", lossy(domain.contents), lossy(item.contents)))
        }
        _ => None,
    }
}

/// What a read, write or report names (ISO 9506-2, 14.5.1).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Access {
    pub names: Vec<String>,
    /// A named list stands for its members, which are not known here.
    pub list: bool,
}

/// VariableAccessSpecification: a list of variables `[0]`, or the name of a list `[1]`.
pub fn access(element: &Tagged<'_>) -> Option<Access> {
    match element.number {
        0 => {
            let mut variables = Ber::of_any_length(element.contents);
            let mut names = Vec::new();
            while let Ok(variable) = variables.expect(0x30) {
                if names.len() >= OBJECTS_MAX {
                    break;
                }
                names.push(variable_name(variable).unwrap_or_default());
            }
            Some(Access { names, list: false })
        }
        1 => {
            let name = Ber::of_any_length(element.contents).tagged().ok()?;
            Some(Access { names: vec![object_name(&name)?], list: true })
        }
        _ => None,
    }
}

/// A variable by name `[0]`, or described with a name in it `[2]`.
fn variable_name(contents: &[u8]) -> Option<String> {
    let specification = Ber::of_any_length(contents).tagged().ok()?;
    match specification.number {
        0 | 2 => object_name(&Ber::of_any_length(specification.contents).tagged().ok()?),
        _ => None,
    }
}

/// The names of a read request: behind the flag that asks for the specification back.
pub fn read(contents: &[u8]) -> Option<Access> {
    let mut at = Ber::of_any_length(contents);
    loop {
        let element = at.tagged().ok()?;
        if element.number == 1 {
            return access(&Ber::of_any_length(element.contents).tagged().ok()?);
        }
    }
}

/// The names and the values of a write request.
pub fn write(contents: &[u8]) -> Option<(Access, &[u8])> {
    let mut at = Ber::of_any_length(contents);
    let access = access(&at.tagged().ok()?)?;
    Some((access, at.tagged().ok()?.contents))
}

/// The one object that other services name: (what it is, its name).
pub fn target(service: u32, contents: &[u8]) -> Option<(&'static str, String)> {
    let first = || Ber::of_any_length(contents).tagged().ok();
    Some(match service {
        // Class of objects, then scope: the device, a domain, the association.
        1 => {
            let mut at = Ber::of_any_length(contents);
            at.tagged().ok()?;
            let scope = Ber::of_any_length(at.tagged().ok()?.contents).tagged().ok()?;
            ("domain", if scope.number == 1 { lossy(scope.contents) } else { String::new() })
        }
        6 => ("variable", object_name(&Ber::of_any_length(first()?.contents).tagged().ok()?)?),
        11 | 12 => ("list", object_name(&first()?)?),
        19..=21 => ("semaphore", object_name(&first()?)?),
        // The name itself, or the first of several parameters.
        27..=29 | 36 | 37 | 39 | 45 => {
            ("domain-or-program", lossy(plain(contents).unwrap_or(contents)))
        }
        26 | 32..=35 => ("domain", lossy(first()?.contents)),
        38 | 40..=44 => ("program", lossy(first()?.contents)),
        72 | 75..=77 => ("file", file_name(first()?.contents)?),
        76.. => return None,
        _ => return None,
    })
}

/// Contents that are an element of their own, as some senders write a name.
fn plain(contents: &[u8]) -> Option<&[u8]> {
    let element = Ber::of_any_length(contents).element().ok()?;
    matches!(element.tag, 0x80 | 0x1a).then_some(element.contents)
}

/// FileName: a sequence of graphic strings (ISO 9506-2, D.3).
fn file_name(contents: &[u8]) -> Option<String> {
    let mut at = Ber::of_any_length(contents);
    let mut parts = Vec::new();
    while let (Ok(part), 0..8) = (at.element(), parts.len()) {
        parts.push(lossy(part.contents));
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The names in the answer to "get name list".
pub fn names(contents: &[u8], max: usize) -> Vec<String> {
    let mut at = Ber::of_any_length(contents);
    let Ok(list) = at.tagged() else { return Vec::new() };
    let mut list = Ber::of_any_length(list.contents);
    let mut found = Vec::new();
    while let (Ok(name), true) = (list.element(), found.len() < max) {
        found.push(lossy(name.contents));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_of_a_domain_variable() {
        let bytes =
            [0xa1, 15, 0xa0, 13, 0x30, 11, 0xa0, 9, 0xa1, 7, 0x1a, 2, b'L', b'D', 0x1a, 1, b'x'];
        let access = read(&bytes).expect("a specification");
        assert_eq!((access.names, access.list), (vec!["LD/x".to_owned()], false));
    }

    #[test]
    fn a_list_is_named_and_not_its_members() {
        let bytes = [0xa1, 9, 0xa1, 7, 0xa1, 5, 0x1a, 0, 0x1a, 1, b'd'];
        let access = read(&bytes).expect("a specification");
        assert_eq!((access.names, access.list), (vec!["/d".to_owned()], true));
    }
}
