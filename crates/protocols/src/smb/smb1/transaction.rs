//! Transactions of SMB 1 ([MS-CIFS], 2.2.4.33 and 2.2.4.46): named pipes and subcommands.
//!
//! Not here: mailslots, see [`crate::browser`]. Invariant: octets are taken from where the
//! message says they are, within the message.

use super::{Block, State, What};
use crate::{
    Output, Side,
    output::Op,
    smb::{
        SMB_FILE_GROUP,
        smb2::names_listed,
        wire::{Texts, le16_at, slice},
    },
};
use model::{OperationClass, Scalar};

const TRANSACT_PIPE: u16 = 0x26;

/// Data of a transaction: counts and offsets stand at fixed places in the words.
fn data<'a>(block: &Block<'a>, count_at: usize) -> &'a [u8] {
    let count = le16_at(block.words, count_at).unwrap_or_default();
    let offset = le16_at(block.words, count_at.saturating_add(2)).unwrap_or_default();
    slice(block.message, usize::from(offset), usize::from(count))
}

pub(super) fn pipe_request(state: &mut State, block: &Block<'_>, out: &mut Output) -> What {
    let function = block.word(28);
    let on = u128::from(block.word(30));
    if block.words.get(26) != Some(&2) {
        out.operation(block.op(OperationClass::Other, "transaction"));
        return What::Nothing;
    }
    match function {
        TRANSACT_PIPE => {
            state.count_file(on, out);
            state.pipe(on, Side::Client, data(block, 22), out);
        }
        0x23 => out.operation(block.op(OperationClass::Session, "peek pipe")),
        0x01 | 0x21 => out.operation(block.op(OperationClass::Session, "pipe state")),
        0x54 | 0x53 => out.operation(block.op(OperationClass::Session, "wait for pipe")),
        _ => out.operation(block.op(OperationClass::Other, "transaction")),
    }
    What::Transaction { function, on }
}

pub(super) fn pipe_response(
    state: &mut State,
    block: &Block<'_>,
    (function, on): (u16, u128),
    out: &mut Output,
) {
    if function == TRANSACT_PIPE && block.words.len() >= 20 {
        state.count_file(on, out);
        state.count_file(on, out);
        state.pipe(on, Side::Server, data(block, 12), out);
    }
}

/// 2.2.4.46.1 and 2.2.6: the subcommand is the first setup word, its arguments are parameters.
pub(super) fn second_request(state: &mut State, block: &Block<'_>, out: &mut Output) -> What {
    use OperationClass::{Browse, Configure, File, Other};
    let at = usize::from(block.word(20));
    let parameters = slice(block.message, at, usize::from(block.word(18)));
    let code = block.word(28);
    let (class, name, text_at) = match code {
        0x00 => (File, "open", Some(28)),
        0x01 => (Browse, "find first", Some(12)),
        0x02 => (Browse, "find next", None),
        0x03 => (Browse, "query file system", None),
        0x05 => (Browse, "query path", Some(6)),
        0x06 => (Configure, "set path", Some(6)),
        0x07 => (Browse, "query file", None),
        0x08 => (Configure, "set file", None),
        0x0d => (File, "create directory", Some(4)),
        // Reserved, and never sent by clients: how DoublePulsar is called.
        0x0e => (Other, "transaction 2 session setup", None),
        0x10 => (Browse, "get DFS referrals", Some(2)),
        _ => (Other, "transaction 2", None),
    };
    if matches!(code, 0x07 | 0x08) {
        state.count_file(u128::from(le16_at(parameters, 0).unwrap_or_default()), out);
    }
    let op = Op::request(class, u32::from(code), name);
    match text_at {
        None => out.operation(op),
        Some(behind) => {
            let unicode = block.header.unicode;
            let text_at = at.saturating_add(behind);
            let within = slice(block.message, 0, at.saturating_add(parameters.len()));
            let path = Texts::new(within, text_at, unicode).next_text();
            if matches!(code, 0x00 | 0x05 | 0x06 | 0x10) && !path.is_empty() {
                out.count(&SMB_FILE_GROUP, [Scalar::Shared(path.as_str().into())]);
            }
            out.operation(op.named("file", &path));
            if code == 0x05 {
                return What::Named(path);
            }
        }
    }
    // The level of information says where names stand in the answer.
    let level = match code {
        0x01 => le16_at(parameters, 6),
        0x02 => le16_at(parameters, 4),
        _ => None,
    };
    match level {
        Some(level @ 0x101..=0x106) => What::Listing((level & 0xff) as u8),
        _ => What::Nothing,
    }
}

/// Levels 0x0101 to 0x0106 (2.2.8.1) have the layouts of the information classes of [MS-FSCC].
pub(super) fn listing(block: &Block<'_>, level: u8, out: &mut Output) {
    let class = match level {
        4 => 3,
        3 => 12,
        5 => 38,
        6 => 37,
        same => same,
    };
    names_listed(data(block, 12), class, out);
}
