//! Procedures of a meter (ANSI C12.19, tables 7 and 8): what is written to table 7 is carried out.
//!
//! Not here: what came of them, which a read of table 8 tells. Invariant: a procedure is named by
//! its number alone, in either order of octets.

use model::OperationClass::{self, *};

/// Full write, and write from an offset on.
const WRITES: [u8; 2] = [0x40, 0x4f];
/// Bit of the number: a procedure of the manufacturer.
const MANUFACTURER: u16 = 0x0800;

/// What a write of table 7 starts; `None` for any other service.
pub(super) fn initiated(code: u8, data: &[u8]) -> Option<(OperationClass, &'static str)> {
    let (full, offset) = WRITES.into();
    // Table, offset where there is one, count of octets, then the number of the procedure.
    match data {
        [0, 7, _, _, first, second, ..] if code == full => Some(started(*first, *second)),
        [0, 7, 0, 0, 0, _, _, first, second, ..] if code == offset => {
            Some(started(*first, *second))
        }
        _ => None,
    }
}

/// Eleven bits of number, one of the manufacturer, four of a selector. Which octet comes first is
/// written in table 0; a standard procedure has no bits in the upper half but the selector's.
fn started(first: u8, second: u8) -> (OperationClass, &'static str) {
    let little = u16::from_le_bytes([first, second]) & 0x0fff;
    let big = u16::from_be_bytes([first, second]) & 0x0fff;
    standard(little).or_else(|| standard(big)).unwrap_or({
        match (little | big) & MANUFACTURER {
            0 => (Write, "procedure"),
            _ => (Configure, "manufacturer procedure"),
        }
    })
}

const fn standard(number: u16) -> Option<(OperationClass, &'static str)> {
    Some(match number {
        0 => (Reset, "procedure: cold start"),
        1 => (Reset, "procedure: warm start"),
        2 => (Configure, "procedure: save configuration"),
        3 => (Reset, "procedure: clear data"),
        4 => (Configure, "procedure: reset list pointers"),
        5 => (Configure, "procedure: update last read entry"),
        6 => (Configure, "procedure: change end device mode"),
        7 | 8 => (Configure, "procedure: clear status flags"),
        9 => (Reset, "procedure: remote reset"),
        10 | 32 => (TimeSync, "procedure: set date and time"),
        11 => (Diagnose, "procedure: execute diagnostics"),
        12 | 13 => (Configure, "procedure: activate pending tables"),
        14 | 15 => (Configure, "procedure: clear pending tables"),
        16 => (Configure, "procedure: start load profile"),
        17 => (Configure, "procedure: stop load profile"),
        18 => (Authenticate, "procedure: log in"),
        19 => (Session, "procedure: log out"),
        20 => (Session, "procedure: initiate immediate call"),
        21 => (Write, "procedure: direct load control"),
        22 => (Write, "procedure: modify credit"),
        27 => (Configure, "procedure: clear pending call status"),
        28..=31 => (Configure, "procedure: start or stop monitors"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: u8, data: &[u8], expected: Option<(OperationClass, &'static str)>) {
        assert_eq!(initiated(code, data), expected);
    }

    #[test]
    fn a_write_of_table_7_is_the_procedure_that_it_starts() {
        let reset = Some((Reset, "procedure: remote reset"));
        check(0x40, &[0, 7, 0, 4, 9, 0, 1, 1, 0xf5], reset);
        check(0x40, &[0, 7, 0, 4, 0, 9, 1, 1, 0xf5], reset);
        // The selector 1 asks for an answer of another kind.
        check(0x4f, &[0, 7, 0, 0, 0, 0, 4, 9, 0x10, 1, 1, 0xe5], reset);
        let own = Some((Configure, "manufacturer procedure"));
        check(0x40, &[0, 7, 0, 3, 9, 8, 1, 0xee], own);
        check(0x40, &[0, 7, 0, 3, 8, 9, 1, 0xee], own);
    }

    #[test]
    fn other_tables_and_reads_start_nothing() {
        check(0x40, &[0, 8, 0, 4, 9, 0, 1, 1, 0xf5], None);
        check(0x30, &[0, 7], None);
    }
}
