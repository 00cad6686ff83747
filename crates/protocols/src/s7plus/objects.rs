//! Objects of S7comm-plus: their ids, classes and attributes, one inside the other.
//!
//! Invariant: objects and attributes of one message are at most those of the limits below; what
//! comes after something unknown is not read.

use super::wire::{self, Value};
use ::wire::reader::{Reader, Short};

/// Objects of one message that are read.
const OBJECTS_MAX: usize = 256;
/// Attributes of one message that are read.
const ATTRIBUTES_MAX: usize = 4_096;

const BEGIN: u8 = 0xa1;
const END: u8 = 0xa2;
const ATTRIBUTE: u8 = 0xa3;
const RELATION: u8 = 0xa4;

#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Object {
    pub(super) relation: u32,
    pub(super) class: u32,
    pub(super) attributes: Vec<(u32, Value)>,
}

impl Object {
    pub(super) fn attribute(&self, id: u32) -> Option<&Value> {
        self.attributes.iter().find(|(key, _)| *key == id).map(|(_, value)| value)
    }
}

/// The objects that begin within the first octets of `body`, in the order in which they begin.
pub(super) fn read(body: &[u8]) -> Vec<Object> {
    /// A word or two stands before the first object, depending on the version.
    const BEFORE_MAX: usize = 8;
    let start = body.iter().take(BEFORE_MAX).position(|b| *b == BEGIN);
    let mut found = Vec::new();
    let mut at = Reader::new(start.and_then(|start| body.get(start..)).unwrap_or_default());
    // What was understood before the octets ended, or became unknown, stands.
    let _end = elements(&mut at, &mut found);
    found
}

fn elements(at: &mut Reader<'_>, found: &mut Vec<Object>) -> Result<(), Short> {
    let mut open: Vec<usize> = Vec::new();
    let mut attributes: usize = 0;
    loop {
        match at.u8()? {
            BEGIN if found.len() < OBJECTS_MAX => {
                let relation = at.be32()?;
                let class = wire::id(at)?;
                // Flags of the class, number of the attribute that holds the object.
                wire::vlq(at)?;
                wire::vlq(at)?;
                open.push(found.len());
                found.push(Object { relation, class, attributes: Vec::new() });
            }
            END => {
                open.pop();
                if open.is_empty() && at.rest().first() != Some(&BEGIN) {
                    return Ok(());
                }
            }
            ATTRIBUTE if attributes < ATTRIBUTES_MAX => {
                let attribute = (wire::id(at)?, wire::value(at)?);
                attributes = attributes.saturating_add(1);
                if let Some(object) = open.last().and_then(|index| found.get_mut(*index)) {
                    object.attributes.push(attribute);
                }
            }
            RELATION => {
                wire::vlq(at)?;
                at.skip(4)?;
            }
            _ => return Ok(()),
        }
    }
}
