//! What changed of a row since it was told last.
//!
//! Not here: rows and their numbers. Invariant: what was told last and the change give the row.

use crate::{
    limits::DEPTH_MAX,
    octets::{Cursor, Malformed, put_number, put_signed},
    value::{Hearer, Teller, micros, time_text},
};
use serde_json::{Map, Value};

const SAME: u8 = 0;
const REPLACED: u8 = 1;
const COUNTED: u8 = 2;
const FIELDS: u8 = 3;
const ELEMENTS: u8 = 4;
const SPLICED: u8 = 5;
const LATER: u8 = 6;

/// Writes what makes `new` of `old`.
pub(crate) fn put(teller: &mut Teller, out: &mut Vec<u8>, old: &Value, new: &Value) {
    if old == new {
        return out.push(SAME);
    }
    if let (Some(old), Some(new)) = (old.as_u64(), new.as_u64()) {
        out.push(COUNTED);
        return put_signed(out, new.wrapping_sub(old).cast_signed());
    }
    if let (Some(_), Some(later)) = (time_of(old), time_of(new)) {
        out.push(LATER);
        return teller.put_time(out, later);
    }
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => put_fields(teller, out, a, b),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            out.push(ELEMENTS);
            put_elements(teller, out, a, b);
        }
        (Value::Array(a), Value::Array(b)) => put_splice(teller, out, a, b),
        _ => {
            out.push(REPLACED);
            teller.put(out, new);
        }
    }
}

/// Microseconds, where it is a time.
fn time_of(value: &Value) -> Option<i64> {
    value.as_str().and_then(micros)
}

fn put_fields(
    teller: &mut Teller,
    out: &mut Vec<u8>,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) {
    let changed = || new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
    let gone = || old.keys().filter(|key| !new.contains_key(*key));
    out.push(FIELDS);
    put_number(out, changed().count() as u64);
    for (key, value) in changed() {
        teller.put_string(out, key);
        put(teller, out, old.get(key).unwrap_or(&Value::Null), value);
    }
    put_number(out, gone().count() as u64);
    gone().for_each(|key| teller.put_string(out, key));
}

/// Those of equally many that changed, each behind how many did not.
fn put_elements(teller: &mut Teller, out: &mut Vec<u8>, old: &[Value], new: &[Value]) {
    let changed = || old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
    put_number(out, changed().count() as u64);
    let mut next = 0;
    for (at, (old, new)) in changed() {
        put_number(out, (at - next) as u64);
        put(teller, out, old, new);
        next = at + 1;
    }
}

/// A list that grew or shrank in one place; what stays in it may have changed too.
fn put_splice(teller: &mut Teller, out: &mut Vec<u8>, old: &[Value], new: &[Value]) {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - head;
    let backwards = old.iter().rev().zip(new.iter().rev());
    let tail = backwards.take(most).take_while(|(old, new)| old == new).count();
    out.push(SPLICED);
    put_number(out, head as u64);
    put_number(out, (old.len() - head - tail) as u64);
    put_number(out, (new.len() - head - tail) as u64);
    let mut before = old.get(head..old.len() - tail).unwrap_or_default().iter();
    for value in new.get(head..new.len() - tail).unwrap_or_default() {
        put(teller, out, before.next().unwrap_or(&Value::Null), value);
    }
}

/// The row that `old` has become.
pub(crate) fn take(
    hearer: &mut Hearer,
    from: &mut Cursor<'_>,
    old: Value,
    depth: u32,
) -> Result<Value, Malformed> {
    if depth >= DEPTH_MAX {
        return Err(Malformed::new("changes lie too deep in changes"));
    }
    match (from.octet()?, old) {
        (SAME, old) => Ok(old),
        (REPLACED, _) => hearer.take(from, depth),
        (COUNTED, Value::Number(old)) => {
            let more = from.signed()?.cast_unsigned();
            Ok(Value::from(old.as_u64().unwrap_or_default().wrapping_add(more)))
        }
        (LATER, _) => {
            let text = hearer.take_string(from)?;
            let micros = micros(&text).ok_or_else(|| Malformed::new("no time where one is"))?;
            Ok(Value::from(time_text(micros)?))
        }
        (FIELDS, Value::Object(mut fields)) => {
            for _ in 0..from.count()? {
                let key = hearer.take_string(from)?;
                let old = fields.remove(&key).unwrap_or(Value::Null);
                fields.insert(key, take(hearer, from, old, depth + 1)?);
            }
            for _ in 0..from.count()? {
                fields.remove(&hearer.take_string(from)?);
            }
            Ok(Value::Object(fields))
        }
        (ELEMENTS, Value::Array(mut values)) => {
            let mut next = 0_usize;
            for _ in 0..from.count()? {
                let at = next.saturating_add(usize::try_from(from.number()?).unwrap_or(usize::MAX));
                let missing = || Malformed::new("an element that is not there has changed");
                let value = values.get_mut(at).ok_or_else(missing)?;
                *value = take(hearer, from, std::mem::take(value), depth + 1)?;
                next = at.saturating_add(1);
            }
            Ok(Value::Array(values))
        }
        (SPLICED, Value::Array(values)) => take_splice(hearer, from, values, depth),
        _ => Err(Malformed::new("a change does not fit what it changes")),
    }
}

fn take_splice(
    hearer: &mut Hearer,
    from: &mut Cursor<'_>,
    mut values: Vec<Value>,
    depth: u32,
) -> Result<Value, Malformed> {
    let number = |from: &mut Cursor<'_>| -> Result<usize, Malformed> {
        Ok(usize::try_from(from.number()?).unwrap_or(usize::MAX))
    };
    let (head, gone) = (number(from)?, number(from)?);
    let come = from.count()?;
    let end = head.checked_add(gone).filter(|end| *end <= values.len());
    let end = end.ok_or_else(|| Malformed::new("a list is shorter than its change"))?;
    let mut before = values.get(head..end).unwrap_or_default().to_vec().into_iter();
    let mut now = Vec::with_capacity(come);
    for _ in 0..come {
        let old = before.next().unwrap_or(Value::Null);
        now.push(take(hearer, from, old, depth + 1)?);
    }
    drop(values.splice(head..end, now));
    Ok(Value::Array(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::tests::any_value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_and_its_change_give_the_next(
            rows in prop::collection::vec(any_value(), 2..6),
        ) {
            let (mut teller, mut hearer) = (Teller::default(), Hearer::default());
            let mut held = rows[0].clone();
            for pair in rows.windows(2) {
                let mut out = Vec::new();
                put(&mut teller, &mut out, &pair[0], &pair[1]);
                let mut cursor = Cursor::new(&out);
                held = take(&mut hearer, &mut cursor, held, 0).expect("it fits");
                prop_assert_eq!(&held, &pair[1]);
                prop_assert!(cursor.is_empty());
            }
        }

        #[test]
        fn noise_never_panics(noise: Vec<u8>, old in any_value()) {
            let mut cursor = Cursor::new(&noise);
            drop(take(&mut Hearer::default(), &mut cursor, old, 0));
        }
    }

    #[test]
    fn a_counter_and_a_time_cost_little() {
        let row = |packets: u64, at: &str| {
            let name = "a long name";
            serde_json::json!({ "packets": packets, "last_seen": at, "name": name })
        };
        let (mut teller, mut out) = (Teller::default(), Vec::new());
        let old = row(1_000, "2026-01-01T00:00:00.000000Z");
        teller.put(&mut out, &old);
        out.clear();
        put(&mut teller, &mut out, &old, &row(1_060, "2026-01-01T00:01:00.000000Z"));
        assert!(out.len() <= 12, "{} octets", out.len());
    }
}
