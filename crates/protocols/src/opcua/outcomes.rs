//! What came of each thing that a request asked for: a service that was carried out may have
//! refused all of it (OPC 10000-4, 4.1; results of the services of 5.7 to 5.11).
//!
//! Invariant: an outcome is given to the object of its own place in the request.

use super::{
    services::{self, is_bad, status},
    types::Decoder,
};
use crate::{Malformed, Output, output::Op};
use model::Object;

type Read<T> = Result<T, Malformed>;

/// Outcomes of one answer that are told one by one.
pub(super) const TOLD_MAX: usize = 64;

/// Services that say of each thing asked for what came of it.
pub(super) const fn are_said(service: u32) -> bool {
    matches!(
        service,
        services::WRITE
            | services::CALL
            | services::ADD_NODES
            | services::ADD_REFERENCES
            | services::DELETE_NODES
            | services::DELETE_REFERENCES
            | services::HISTORY_UPDATE
    )
}

/// Tells the outcomes in the answer to `service`, whose request named `objects`.
pub(super) fn tell(
    service: u32,
    d: &mut Decoder<'_>,
    objects: Vec<Object>,
    op: Op,
    out: &mut Output,
) -> Read<()> {
    let mut all = Vec::new();
    let read = results(service, d, &mut all);
    if objects.is_empty() || all.is_empty() {
        // What was asked for is not known: the first that was refused speaks for all.
        let refused = all.iter().find(|code| is_bad(**code)).copied();
        out.operation(match refused {
            Some(code) => op.refused(code, status(code)),
            None => op.done(),
        });
        return read;
    }
    for (object, code) in objects.into_iter().zip(all) {
        let op = Op { object, ..op.clone() };
        out.operation(if is_bad(code) { op.refused(code, status(code)) } else { op.done() });
    }
    read
}

/// The status of each result, as far as they can be read.
fn results(service: u32, d: &mut Decoder<'_>, all: &mut Vec<u32>) -> Read<()> {
    for _ in 0..d.count()?.min(TOLD_MAX) {
        all.push(d.u32()?);
        match service {
            services::ADD_NODES => {
                d.node()?;
            }
            services::CALL => {
                let arguments = d.count()?;
                d.skip(arguments.saturating_mul(4))?;
                for _ in 0..d.count()? {
                    d.diagnostics()?;
                }
                for _ in 0..d.count()? {
                    d.variant(0)?;
                }
            }
            services::HISTORY_UPDATE => {
                let operations = d.count()?;
                d.skip(operations.saturating_mul(4))?;
                for _ in 0..d.count()? {
                    d.diagnostics()?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reading a value was refused, which other bad values are not: those are of a device that is
/// not heard, or waits for its first value. A node that is not there counts in the namespaces of
/// the site: of the standard's own, 0, general clients ask for many that a server may have.
pub(super) const fn refuses_reading(code: u32, namespace: u16) -> bool {
    match code >> 16 {
        // User access denied, not readable.
        0x801f | 0x803a => true,
        // Node id unknown.
        0x8034 => namespace != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Detail, OperationClass, Outcome};

    fn told(service: u32, answer: &[u8], objects: &[u32]) -> Vec<(Object, Outcome)> {
        let node = |first: &u32| Object::Range { area: "node", block: 2, first: *first, count: 1 };
        let mut out = Output::default();
        let op = Op::response(OperationClass::Write, service, "Write");
        let objects = objects.iter().map(node).collect();
        tell(service, &mut Decoder::new(answer), objects, op, &mut out).expect("a whole answer");
        let operations = out.observed.into_iter().map(|o| match o.detail {
            Detail::Operation(operation) => (operation.object, operation.outcome),
            other => panic!("no operation: {other:?}"),
        });
        operations.collect()
    }

    const DENIED: [u8; 4] = [0, 0, 0x1f, 0x80];

    #[test]
    fn of_two_writes_one_is_refused() {
        let answer = [&[2, 0, 0, 0, 0, 0, 0, 0][..], &DENIED].concat();
        let node = |first| Object::Range { area: "node", block: 2, first, count: 1 };
        let denied = Outcome::Refused { code: 0x801f_0000, name: "user access denied" };
        let expected = [(node(7), Outcome::Done), (node(8), denied)];
        assert_eq!(told(services::WRITE, &answer, &[7, 8]), expected);
    }

    #[test]
    fn without_its_request_one_refusal_speaks_for_the_answer() {
        let answer = [&[1, 0, 0, 0][..], &DENIED].concat();
        let [(Object::None, Outcome::Refused { code, .. })] =
            &told(services::DELETE_NODES, &answer, &[])[..]
        else {
            panic!("not refused");
        };
        assert_eq!(*code, 0x801f_0000);
    }

    #[test]
    fn what_is_denied_is_refused_and_of_what_is_not_there_only_what_the_site_names() {
        let refuses = |namespace| move |code| refuses_reading(code, namespace);
        assert_eq!([0x801f_0000, 0x803a_0000].map(refuses(0)), [true; 2]);
        assert_eq!([0x8034_0000, 0x808a_0000, 0].map(refuses(0)), [false; 3]);
        assert_eq!([0x8034_0000, 0x808a_0000, 0].map(refuses(2)), [true, false, false]);
    }

    #[test]
    fn results_of_calls_have_arguments_between_them() {
        // Denied, with an argument's status; then done with a Boolean to give back.
        let first = [&DENIED[..], &[1, 0, 0, 0], &DENIED, &[0; 8]].concat();
        let second = [&[0; 12][..], &[1, 0, 0, 0, 1, 1]].concat();
        let answer = [&[2, 0, 0, 0][..], &first, &second].concat();
        let outcomes = told(services::CALL, &answer, &[1, 2]);
        assert!(matches!(outcomes[0].1, Outcome::Refused { .. }));
        assert_eq!(outcomes[1].1, Outcome::Done);
    }
}
