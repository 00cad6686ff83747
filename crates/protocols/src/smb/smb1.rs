//! Reads SMB 1 messages ([MS-CIFS], 2.2.4; [MS-SMB], 2.2.4).
//!
//! Invariant: an answer is understood through its request, or only counted.

mod setup;
mod transaction;

use super::{
    SMB_FILE_GROUP, SMB_SHARE_GROUP, SMB1,
    names::{self, is_failure, status},
    state::{Asked, State, Tree, What},
    wire::{HEADER1_OCTETS, Header1, Texts, le16_at, le32_at, slice},
};
use crate::{Group, Output, Side, output::Op};
use model::{OperationClass, Scalar};
use std::sync::Arc;

const OPEN: u8 = 0x02;
const CREATE: u8 = 0x03;
const CLOSE: u8 = 0x04;
const FLUSH: u8 = 0x05;
const DELETE: u8 = 0x06;
const RENAME: u8 = 0x07;
const QUERY_INFORMATION: u8 = 0x08;
const SET_INFORMATION: u8 = 0x09;
const READ: u8 = 0x0a;
const WRITE: u8 = 0x0b;
const LOCKING_ANDX: u8 = 0x24;
const TRANSACTION: u8 = 0x25;
const TRANSACTION2: u8 = 0x32;
const OPEN_ANDX: u8 = 0x2d;
const READ_ANDX: u8 = 0x2e;
const WRITE_ANDX: u8 = 0x2f;
const NEGOTIATE: u8 = 0x72;
const SESSION_SETUP: u8 = 0x73;
const LOG_OFF: u8 = 0x74;
const TREE_CONNECT: u8 = 0x75;
const NT_TRANSACTION: u8 = 0xa0;
const CREATE_ANDX: u8 = 0xa2;
/// No further command in a chain.
const NONE: u8 = 0xff;
/// Commands chained in one message that are read.
const CHAIN_MAX: usize = 8;

/// One command of a chain within its message.
struct Block<'a> {
    header: Header1,
    command: u8,
    from: Side,
    /// The whole message: offsets count from its header.
    message: &'a [u8],
    words: &'a [u8],
    /// Where the bytes behind the words begin in the message.
    bytes_at: usize,
    bytes: &'a [u8],
}

impl Block<'_> {
    fn word(&self, at: usize) -> u16 {
        le16_at(self.words, at).unwrap_or_default()
    }

    fn long(&self, at: usize) -> u32 {
        le32_at(self.words, at).unwrap_or_default()
    }

    /// Texts in the block's bytes; behind them the next block of a chain may stand.
    fn texts(&self, behind: usize) -> Texts<'_> {
        let within = slice(self.message, 0, self.bytes_at.saturating_add(self.bytes.len()));
        Texts::new(within, self.bytes_at.saturating_add(behind), self.header.unicode)
    }

    fn tree(&self) -> (u64, u32) {
        (0, u32::from(self.header.tree))
    }

    fn op(&self, class: OperationClass, name: &'static str) -> Op {
        let command = u32::from(self.command);
        let Header1 { response, status: code, .. } = self.header;
        match response {
            false => Op::request(class, command, name),
            true if is_failure(code) => {
                Op::response(class, command, name).refused(code, status(code))
            }
            true => Op::response(class, command, name).done(),
        }
    }
}

pub(super) fn message(state: &mut State, from: Side, bytes: &[u8], out: &mut Output) {
    let Ok(header) = Header1::parse(bytes) else {
        let says = "an SMB message shorter than its header";
        return out.violation("smb-header-cut-short", says, "MS-CIFS, 2.2.3.1");
    };
    let kind = Scalar::Word(if header.response { "response" } else { "request" });
    out.count(&SMB1, [Scalar::Number(u64::from(header.command)), kind.clone()]);
    state.tree((0, u32::from(header.tree)), out);
    let (mut command, mut at) = (header.command, HEADER1_OCTETS);
    for _ in 0..CHAIN_MAX {
        let Some(&count) = bytes.get(at) else { return };
        let words_at = at.saturating_add(1);
        let words = slice(bytes, words_at, usize::from(count).saturating_mul(2));
        let count_at = words_at.saturating_add(words.len());
        let octets = le16_at(bytes, count_at).unwrap_or_default();
        let bytes_at = count_at.saturating_add(2);
        let data = slice(bytes, bytes_at, usize::from(octets));
        let block = Block { header, command, from, message: bytes, words, bytes_at, bytes: data };
        one(state, &block, out);
        if !is_chained(command) || words.len() < 4 {
            return;
        }
        let next = words.first().copied().unwrap_or(NONE);
        out.count(&SMB1, [Scalar::Number(u64::from(next)), kind.clone()]);
        let offset = usize::from(block.word(2));
        if next == NONE || offset <= at {
            return;
        }
        (command, at) = (next, offset);
    }
}

/// AndX commands: their words begin with the next command and its offset.
fn is_chained(command: u8) -> bool {
    matches!(command, 0x24 | 0x2d | 0x2e | 0x2f | 0x73 | 0x74 | 0x75 | 0xa2)
}

fn one(state: &mut State, block: &Block<'_>, out: &mut Output) {
    let header = &block.header;
    let id = u64::from(header.process) << 16 | u64::from(header.multiplex);
    let command = u16::from(block.command);
    if header.response {
        let what = state.asked(id, command).unwrap_or(What::Nothing);
        response(state, block, what, out);
    } else {
        let what = request(state, block, out).unwrap_or(What::Nothing);
        // DoublePulsar answers with another multiplex number, so the request stays behind.
        state.ask(Asked { id, command, what }, out);
    }
}

fn request(state: &mut State, block: &Block<'_>, out: &mut Output) -> Option<What> {
    let class = OperationClass::File;
    match block.command {
        NEGOTIATE => out.operation(block.op(OperationClass::Session, "negotiate")),
        SESSION_SETUP => setup::request(state, block, out),
        LOG_OFF => out.operation(block.op(OperationClass::Session, "log off")),
        TREE_CONNECT => return Some(tree_connect(block, out)),
        CREATE_ANDX | OPEN_ANDX => return Some(open(state, block, out)),
        CLOSE => return Some(on(state, u128::from(block.word(0)), out)),
        FLUSH | READ | WRITE => state.count_file(u128::from(block.word(0)), out),
        LOCKING_ANDX => state.count_file(u128::from(block.word(4)), out),
        READ_ANDX => return Some(on(state, u128::from(block.word(4)), out)),
        WRITE_ANDX => return Some(write(state, block, out)),
        DELETE => {
            let name = named(block, out);
            out.operation(block.op(class, "delete").named("file", &name));
            return Some(What::Named(name));
        }
        OPEN | CREATE => {
            let name = named(block, out);
            let what = if block.command == OPEN { "open" } else { "create" };
            out.operation(block.op(class, what).named("file", &name));
        }
        QUERY_INFORMATION | SET_INFORMATION => {
            named(block, out);
        }
        RENAME => {
            let mut texts = block.texts(1);
            let old = texts.next_text();
            // Each has the octet of its buffer format before it ([MS-CIFS], 2.2.4.8.1).
            texts.skip(1);
            let new = texts.next_text();
            count_name(&SMB_FILE_GROUP, &new, out);
            out.operation(block.op(class, "rename").named("file", &format!("{old} to {new}")));
            return Some(What::Named(new));
        }
        TRANSACTION => return Some(transaction::pipe_request(state, block, out)),
        TRANSACTION2 => return Some(transaction::second_request(state, block, out)),
        NT_TRANSACTION => out.operation(block.op(OperationClass::Other, "NT transaction")),
        _ => {}
    }
    None
}

/// A file named behind the octet of its buffer format ([MS-CIFS], 2.2.4.3.1 and others).
fn named(block: &Block<'_>, out: &mut Output) -> String {
    let name = block.texts(1).next_text();
    count_name(&SMB_FILE_GROUP, &name, out);
    name
}

/// The root of a share has no name, nor has what cannot be read.
fn count_name(group: &'static Group, name: &str, out: &mut Output) {
    if !name.is_empty() {
        out.count(group, [Scalar::Shared(name.into())]);
    }
}

fn on(state: &mut State, id: u128, out: &mut Output) -> What {
    state.count_file(id, out);
    What::On(id)
}

/// 2.2.4.55.1: the path stands behind a password.
fn tree_connect(block: &Block<'_>, out: &mut Output) -> What {
    let password = usize::from(block.word(6));
    let path = block.texts(password).next_text();
    count_name(&SMB_SHARE_GROUP, &path, out);
    out.operation(block.op(OperationClass::Session, "tree connect").named("share", &path));
    What::Share(path)
}

/// 2.2.4.64.1 and 2.2.4.41.1.
fn open(state: &State, block: &Block<'_>, out: &mut Output) -> What {
    let name = block.texts(0).next_text();
    count_name(&SMB_FILE_GROUP, &name, out);
    let tree = state.find_tree(block.tree());
    let pipe = tree.is_some_and(|t| t.pipe);
    let disposition = if block.command == CREATE_ANDX { block.long(35) } else { 1 };
    let operation = match (pipe, disposition) {
        (true, _) => "open pipe",
        (_, 0 | 4 | 5) => "overwrite",
        (_, 2 | 3) => "create",
        _ => "open",
    };
    let area = if pipe { "pipe" } else { "file" };
    out.operation(block.op(OperationClass::File, operation).named(area, &name));
    What::File { name, operation }
}

/// 2.2.4.43.1
fn write(state: &mut State, block: &Block<'_>, out: &mut Output) -> What {
    let id = u128::from(block.word(4));
    let place = u64::from(block.long(6));
    let length = usize::from(block.word(20)) | usize::from(block.word(18)) << 16;
    let octets = slice(block.message, usize::from(block.word(22)), length);
    let what = on(state, id, out);
    state.transfer(id, (block.from, u16::from(WRITE_ANDX)), (octets, place), out);
    what
}

fn response(state: &mut State, block: &Block<'_>, what: What, out: &mut Output) {
    let failed = is_failure(block.header.status);
    match (block.command, what) {
        (NEGOTIATE, _) => setup::negotiated(state, block, out),
        (SESSION_SETUP, _) => setup::response(state, block, out),
        (TREE_CONNECT, What::Share(path)) => {
            out.operation(block.op(OperationClass::Session, "tree connect").named("share", &path));
            if !failed {
                let pipe = block.texts(0).next_ascii() == "IPC";
                let share = path.into();
                state.connect(Tree { id: block.tree(), share, pipe }, out);
                state.tree(block.tree(), out);
            }
        }
        (CREATE_ANDX | OPEN_ANDX, What::File { name, operation }) => {
            let area = if operation == "open pipe" { "pipe" } else { "file" };
            out.operation(block.op(OperationClass::File, operation).named(area, &name));
            if failed && block.command == CREATE_ANDX {
                count_name(&SMB_FILE_GROUP, &name, out);
            }
            if !failed {
                let at = if block.command == CREATE_ANDX { 5 } else { 4 };
                let id = u128::from(block.word(at));
                state.open(id, Arc::from(name), operation == "open pipe", out);
                state.count_file(id, out);
            }
        }
        (CLOSE, What::On(id)) => {
            state.count_file(id, out);
            state.close(id);
        }
        (DELETE | RENAME, What::Named(name)) => {
            count_name(&SMB_FILE_GROUP, &name, out);
            if failed {
                out.operation(block.op(OperationClass::Other, names::smb1(block.command)));
            }
        }
        (TRANSACTION2, What::Named(path)) => {
            out.count(&SMB_FILE_GROUP, [Scalar::Shared(path.as_str().into())]);
            out.operation(block.op(OperationClass::Other, "transaction 2"));
        }
        (READ_ANDX, What::On(id)) if !failed => {
            state.count_file(id, out);
            let length = usize::from(block.word(10)) | usize::from(block.word(14)) << 16;
            let octets = slice(block.message, usize::from(block.word(12)), length);
            state.transfer(id, (block.from, u16::from(READ_ANDX)), (octets, 0), out);
        }
        (WRITE_ANDX, What::On(id)) => state.count_file(id, out),
        (TRANSACTION, What::Transaction { function, on }) => {
            transaction::pipe_response(state, block, (function, on), out);
        }
        (TRANSACTION2, What::Listing(level)) if !failed => {
            transaction::listing(block, level, out);
        }
        (TRANSACTION2, _) => {
            out.operation(block.op(OperationClass::Other, "transaction 2"));
        }
        (command, _) if failed => {
            out.operation(block.op(OperationClass::Other, names::smb1(command)));
        }
        _ => {}
    }
}
