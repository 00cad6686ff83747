//! Reports of IEC 61850 (8-1, 17.2): which members of a data set changed, and to what.
//!
//! Invariant: a report whose parts do not fit its option fields gives no values.

use super::{data, limits::ENTRIES_MAX};
use crate::{
    ber::{Ber, Element},
    text::lossy,
};
use model::PointValue;

/// A report taken apart.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Report<'a> {
    pub id: String,
    pub data_set: Option<String>,
    pub overflow: bool,
    pub revision: Option<u64>,
    /// Place in the data set, reference where it is sent, value.
    pub entries: Vec<(usize, Option<String>, Element<'a>)>,
}

/// Bits of the option fields, from the first on.
const SEQUENCE: usize = 1;
const TIME: usize = 2;
const DATA_SET: usize = 4;
const REFERENCES: usize = 5;
const OVERFLOW: usize = 6;
const ENTRY: usize = 7;
const REVISION: usize = 8;
const SEGMENTS: usize = 9;

/// Takes apart the access results of an information report named `RPT`.
pub fn parse(results: &[u8]) -> Option<Report<'_>> {
    let mut at = Ber::of_any_length(results);
    let id = at.element().ok().filter(|e| e.tag == 0x8a)?;
    let options = bits(at.element().ok()?)?;
    let has = |bit: usize| options.get(bit).copied().unwrap_or_default();
    let mut report = Report { id: lossy(id.contents), ..Report::default() };
    for part in [SEQUENCE, TIME, DATA_SET, OVERFLOW, ENTRY, REVISION, SEGMENTS] {
        if !has(part) {
            continue;
        }
        let element = at.element().ok()?;
        match part {
            DATA_SET => report.data_set = Some(lossy(element.contents)),
            OVERFLOW => report.overflow = element.contents.first().is_some_and(|b| *b != 0),
            REVISION => report.revision = data::unsigned(element.contents),
            SEGMENTS => {
                at.element().ok()?;
            }
            _ => {}
        }
    }
    let included: Vec<usize> = bits(at.element().ok()?)?
        .iter()
        .enumerate()
        .filter_map(|(index, set)| set.then_some(index))
        .take(ENTRIES_MAX)
        .collect();
    let mut references = Vec::new();
    if has(REFERENCES) {
        for _ in &included {
            references.push(lossy(at.element().ok()?.contents));
        }
    }
    let mut references = references.into_iter();
    for index in included {
        report.entries.push((index, references.next(), at.element().ok()?));
    }
    Some(report)
}

/// Why a control was not carried out (LastApplError, IEC 61850-8-1, 20.11): which, and the
/// additional cause.
pub fn last_error(results: &[u8]) -> Option<(String, u32)> {
    const STRUCTURE: u8 = 0xa2;
    let parts = Ber::of_any_length(results).expect(STRUCTURE).ok()?;
    let mut at = Ber::of_any_length(parts);
    let control = at.element().ok().filter(|e| e.tag == 0x8a)?;
    // Error, origin and number of the control.
    for _ in 0..3 {
        at.element().ok()?;
    }
    let cause = at.element().ok().and_then(|e| data::unsigned(e.contents))?;
    Some((lossy(control.contents), u32::try_from(cause).ok()?))
}

fn bits(element: Element<'_>) -> Option<Vec<bool>> {
    if element.tag != 0x84 {
        return None;
    }
    let (&unused, octets) = element.contents.split_first()?;
    let count = octets.len().saturating_mul(8).saturating_sub(usize::from(unused));
    let all = octets.iter().flat_map(|b| (0..8u32).map(move |i| b << i & 0x80 != 0));
    Some(all.take(count).collect())
}

/// The values of a report with their points: the reference, or the place in the data set.
pub fn values(report: &Report<'_>, take: &mut dyn FnMut(String, PointValue)) {
    let data_set = report.data_set.as_deref().unwrap_or(&report.id);
    for (index, reference, element) in &report.entries {
        let point = reference.clone().unwrap_or_else(|| format!("{data_set}[{index}]"));
        data::leaves(&point, *element, take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_members_it_includes() {
        let mut bytes = vec![0x8a, 2, b'r', b'1'];
        // Option fields: sequence number, data set name.
        bytes.extend([0x84, 3, 6, 0x48, 0x00]);
        bytes.extend([0x86, 1, 9, 0x8a, 2, b'd', b's']);
        // Members 1 and 3 of 4, and their values.
        bytes.extend([0x84, 2, 4, 0x50, 0x83, 1, 1, 0x85, 1, 7]);
        let report = parse(&bytes).expect("a report");
        let mut found = Vec::new();
        values(&report, &mut |point, value| found.push((point, value)));
        assert_eq!(
            found,
            [
                ("ds[1]".to_owned(), PointValue::Bool(true)),
                ("ds[3]".to_owned(), PointValue::Int(7))
            ]
        );
    }

    #[test]
    fn a_control_that_was_refused_is_named_with_its_cause() {
        let mut bytes = vec![0xa2, 18, 0x8a, 2, b'L', b'/', 0x85, 1, 1, 0xa2, 3, 0x85, 1, 2];
        bytes.extend([0x86, 1, 3, 0x85, 1, 10]);
        assert_eq!(last_error(&bytes), Some(("L/".to_owned(), 10)));
        assert_eq!(last_error(&bytes[..9]), None);
    }

    #[test]
    fn a_report_without_its_parts_is_none() {
        assert_eq!(parse(&[0x8a, 1, b'r', 0x84, 3, 6, 0x48, 0]), None);
    }
}
