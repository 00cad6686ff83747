//! Reads SMB 2 and 3 messages ([MS-SMB2], 2.2).
//!
//! Invariant: an answer is understood through its request, or only counted.

use super::{
    SMB_FILE_GROUP, SMB2, compression,
    limits::{COMPOUND_MAX, NAMES_MAX},
    names::{control, dialect, is_failure, status},
    state::{Asked, State, Tree, What},
    wire::{HEADER2_OCTETS, Header2, le16_at, le32_at, le64_at, le128_at, slice},
};
use crate::{Output, Side, output::Op, text};
use model::{OperationClass, Scalar, Subject};
use std::sync::Arc;

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const LOG_OFF: u16 = 2;
const TREE_CONNECT: u16 = 3;
const TREE_DISCONNECT: u16 = 4;
const CREATE: u16 = 5;
const CLOSE: u16 = 6;
const READ: u16 = 8;
const WRITE: u16 = 9;
const IOCTL: u16 = 11;
const QUERY_DIRECTORY: u16 = 14;
const QUERY_INFO: u16 = 16;
const SET_INFO: u16 = 17;

/// FileAllInformation.
const ALL_INFORMATION: u8 = 18;

const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
const DFS_REFERRALS: [u32; 2] = [0x0006_0194, 0x0006_01b0];
const MORE_PROCESSING: u32 = 0xc000_0016;
const PENDING: u32 = 0x0000_0103;
/// One message of a compound.
struct Message<'a> {
    header: Header2,
    /// From its header on; offsets count from here.
    bytes: &'a [u8],
    body: &'a [u8],
    from: Side,
}

pub(super) fn messages(state: &mut State, from: Side, bytes: &[u8], out: &mut Output) {
    let mut rest = bytes;
    for _ in 0..COMPOUND_MAX {
        if !rest.starts_with(b"\xfeSMB") {
            return;
        }
        let Ok(header) = Header2::parse(rest) else {
            let says = "an SMB2 message shorter than its header";
            return out.violation("smb2-header-cut-short", says, "MS-SMB2, 2.2.1.2");
        };
        let next = header.next as usize;
        let end = if next == 0 { rest.len() } else { next.min(rest.len()) };
        let message = rest.get(..end).unwrap_or_default();
        let body = message.get(HEADER2_OCTETS..).unwrap_or_default();
        one(state, &Message { header, bytes: message, body, from }, out);
        if next < HEADER2_OCTETS {
            return;
        }
        rest = rest.get(next..).unwrap_or_default();
    }
    out.limit("smb2-compound");
}

fn one(state: &mut State, message: &Message<'_>, out: &mut Output) {
    let header = &message.header;
    let kind = if header.response { "response" } else { "request" };
    out.count(&SMB2, [Scalar::Number(u64::from(header.command)), Scalar::Word(kind)]);
    state.tree((header.session, header.tree), out);
    if header.response {
        if header.status == PENDING {
            return;
        }
        let what = state.asked(header.message, header.command).unwrap_or(What::Nothing);
        response(state, message, what, out);
    } else if let Some(what) = request(state, message, out) {
        let asked = Asked { id: header.message, command: header.command, what };
        state.ask(asked, out);
    }
}

fn file(message: &Message<'_>, at: usize) -> u128 {
    le128_at(message.body, at).unwrap_or_default()
}

/// Octets named by an offset of two octets and a length of two at `at` of the body.
fn named<'a>(message: &Message<'a>, at: usize) -> &'a [u8] {
    let offset = le16_at(message.body, at).unwrap_or_default();
    let length = le16_at(message.body, at.saturating_add(2)).unwrap_or_default();
    slice(message.bytes, usize::from(offset), usize::from(length))
}

/// Octets named by an offset of four octets and a length of four.
fn counted<'a>(message: &Message<'a>, at: usize) -> &'a [u8] {
    let offset = le32_at(message.body, at).unwrap_or_default();
    let length = le32_at(message.body, at.saturating_add(4)).unwrap_or_default();
    slice(message.bytes, offset as usize, length as usize)
}

fn request(state: &mut State, message: &Message<'_>, out: &mut Output) -> Option<What> {
    let command = u32::from(message.header.command);
    let class = OperationClass::Session;
    match message.header.command {
        NEGOTIATE => {
            out.operation(Op::request(class, command, "negotiate"));
            compression::offered(message.bytes, message.body, out);
        }
        SESSION_SETUP => {
            out.operation(Op::request(OperationClass::Authenticate, command, "session setup"));
            state.token(named(message, 12), out);
        }
        LOG_OFF => out.operation(Op::request(class, command, "log off")),
        TREE_CONNECT => {
            let path = text::utf16le(named(message, 4));
            out.count(&super::SMB_SHARE_GROUP, [Scalar::Shared(path.as_str().into())]);
            out.operation(Op::request(class, command, "tree connect").named("share", &path));
            return Some(What::Share(path));
        }
        CREATE => return Some(create(state, message, out)),
        CLOSE => return Some(What::On(file(message, 8))),
        READ => return Some(What::On(file(message, 16))),
        WRITE => {
            let offset = le16_at(message.body, 2).unwrap_or_default();
            let length = le32_at(message.body, 4).unwrap_or_default();
            let place = le64_at(message.body, 8).unwrap_or_default();
            let octets = slice(message.bytes, usize::from(offset), length as usize);
            state.transfer(file(message, 16), (message.from, WRITE), (octets, place), out);
        }
        IOCTL => return ioctl(state, message, out),
        QUERY_DIRECTORY => return Some(listing(state, message, out)),
        // A file's information of the class that has everything (2.2.37).
        QUERY_INFO if matches!(message.body, [_, _, 1, ALL_INFORMATION, ..]) => {
            return Some(What::Listing(ALL_INFORMATION));
        }
        SET_INFO => set_info(state, message, out),
        _ => {}
    }
    None
}

/// 2.2.13
fn create(state: &State, message: &Message<'_>, out: &mut Output) -> What {
    const DELETE_ON_CLOSE: u32 = 0x0000_1000;
    let name = text::utf16le(named(message, 44));
    if !name.is_empty() {
        out.count(&SMB_FILE_GROUP, [Scalar::Shared(name.as_str().into())]);
    }
    let tree = state.find_tree((message.header.session, message.header.tree));
    let pipe = tree.is_some_and(|t| t.pipe);
    let disposition = le32_at(message.body, 36).unwrap_or_default();
    let options = le32_at(message.body, 40).unwrap_or_default();
    let operation = match (pipe, options & DELETE_ON_CLOSE != 0, disposition) {
        (true, _, _) => "open pipe",
        (_, true, _) => "delete",
        (_, _, 0 | 4 | 5) => "overwrite",
        (_, _, 2 | 3) => "create",
        _ => "open",
    };
    let whole = match tree {
        Some(tree) => format!("{}\\{name}", tree.share),
        None => name,
    };
    let area = if pipe { "pipe" } else { "file" };
    let op = Op::request(OperationClass::File, u32::from(CREATE), operation);
    out.operation(op.named(area, &whole));
    What::File { name: whole, operation }
}

/// 2.2.31
fn ioctl(state: &mut State, message: &Message<'_>, out: &mut Output) -> Option<What> {
    let code = le32_at(message.body, 4).unwrap_or_default();
    let input = counted(message, 24);
    let on = file(message, 8);
    if code == PIPE_TRANSCEIVE {
        state.pipe(on, message.from, input, out);
        return Some(What::On(on));
    }
    let op = Op::request(OperationClass::Other, code, control(code));
    if DFS_REFERRALS.contains(&code) {
        // [MS-DFSC], 2.2.2: a level of two octets, then the path.
        let path = text::utf16le(input.get(2..).unwrap_or_default());
        let path = path.trim_end_matches('\0');
        out.count(&SMB_FILE_GROUP, [Scalar::Shared(path.into())]);
        out.operation(op.named("path", path));
    } else {
        out.operation(op);
    }
    None
}

/// 2.2.33
fn listing(state: &mut State, message: &Message<'_>, out: &mut Output) -> What {
    let class = message.body.get(2).copied().unwrap_or_default();
    let pattern = text::utf16le(named(message, 24));
    let name = state.find(file(message, 8)).map(|o| o.name.clone());
    let whole = match name {
        Some(name) => format!("{name}\\{pattern}"),
        None => pattern,
    };
    let op = Op::request(OperationClass::Browse, u32::from(QUERY_DIRECTORY), "query directory");
    out.operation(op.named("file", &whole));
    What::Listing(class)
}

/// 2.2.39 with [MS-FSCC], 2.4.37 (rename) and 2.4.11 (disposition).
fn set_info(state: &mut State, message: &Message<'_>, out: &mut Output) {
    const FILE: u8 = 1;
    const RENAME: u8 = 10;
    const DISPOSITION: [u8; 2] = [13, 64];
    let &[_, _, FILE, kind, ..] = message.body else { return };
    let length = le32_at(message.body, 4).unwrap_or_default() as usize;
    let offset = le16_at(message.body, 8).unwrap_or_default();
    let info = slice(message.bytes, usize::from(offset), length);
    let name = state.find(file(message, 16)).map(|o| o.name.clone());
    let name = name.unwrap_or_default();
    let op = |what| Op::request(OperationClass::File, u32::from(SET_INFO), what);
    if kind == RENAME {
        let count = le32_at(info, 16).unwrap_or_default() as usize;
        let new = text::utf16le(slice(info, 20, count));
        out.count(&SMB_FILE_GROUP, [Scalar::Shared(new.as_str().into())]);
        out.operation(op("rename").named("file", &format!("{name} to {new}")));
    } else if DISPOSITION.contains(&kind) && info.first().is_some_and(|b| b & 1 != 0) {
        out.operation(op("delete").named("file", &name));
    }
}

fn response(state: &mut State, message: &Message<'_>, what: What, out: &mut Output) {
    let header = &message.header;
    let command = u32::from(header.command);
    let failed = is_failure(header.status);
    let finish = |op: Op| {
        if failed { op.refused(header.status, status(header.status)) } else { op.done() }
    };
    match (header.command, what) {
        (NEGOTIATE, _) => negotiated(state, message, out),
        (SESSION_SETUP, _) => session_setup(state, message, out),
        (TREE_CONNECT, What::Share(path)) => {
            let op = Op::response(OperationClass::Session, command, "tree connect");
            out.operation(finish(op).named("share", &path));
            if !failed {
                const PIPE: u8 = 2;
                let pipe = message.body.get(2) == Some(&PIPE);
                let id = (header.session, header.tree);
                state.connect(Tree { id, share: path.into(), pipe }, out);
            }
        }
        (TREE_DISCONNECT, _) => state.disconnect((header.session, header.tree)),
        (CREATE, What::File { name, operation }) => {
            let op = Op::response(OperationClass::File, command, operation);
            let pipe = operation == "open pipe";
            out.operation(finish(op).named(if pipe { "pipe" } else { "file" }, &name));
            if !failed {
                state.open(file(message, 64), Arc::from(name), pipe, out);
            }
        }
        (CLOSE, What::On(on)) => state.close(on),
        (READ, What::On(on)) if !failed => {
            let offset = message.body.get(2).copied().unwrap_or_default();
            let length = le32_at(message.body, 4).unwrap_or_default();
            let octets = slice(message.bytes, usize::from(offset), length as usize);
            state.transfer(on, (message.from, READ), (octets, 0), out);
        }
        (IOCTL, What::On(on)) if !failed => {
            // Some servers send the input back beside the output.
            let echoed = counted(message, 24);
            if !echoed.is_empty() {
                state.pipe(on, message.from, echoed, out);
            }
            state.pipe(on, message.from, counted(message, 32), out);
        }
        (QUERY_DIRECTORY, What::Listing(class)) if !failed => names(message, class, out),
        (QUERY_INFO, What::Listing(_)) if !failed => all_information(message, out),
        (_, _) if failed => {
            let op = Op::response(OperationClass::Other, command, "command");
            out.operation(op.refused(header.status, status(header.status)));
        }
        _ => {}
    }
}

/// 2.2.4
fn negotiated(state: &mut State, message: &Message<'_>, out: &mut Output) {
    const SIGNING_REQUIRED: u16 = 2;
    let op = Op::response(OperationClass::Session, u32::from(NEGOTIATE), "negotiate");
    out.operation(op.done());
    let Some(revision) = le16_at(message.body, 4) else { return };
    let security = le16_at(message.body, 2).unwrap_or_default();
    let signing = if security & SIGNING_REQUIRED != 0 { "required" } else { "not required" };
    let facts =
        [("smb_dialect", dialect(revision).to_owned()), ("smb_signing", signing.to_owned())];
    out.identity(Subject::Sender, "SMB2 negotiate", facts);
    state.token(named(message, 56), out);
}

/// 2.2.6
fn session_setup(state: &mut State, message: &Message<'_>, out: &mut Output) {
    let reply = message.header.status;
    let op = Op::response(OperationClass::Authenticate, u32::from(SESSION_SETUP), "session setup");
    state.token(named(message, 4), out);
    match reply {
        MORE_PROCESSING => {}
        0 => {
            out.operation(op.done());
            state.admit(true, out);
        }
        reply => {
            out.operation(op.refused(reply, status(reply)));
            state.admit(false, out);
        }
    }
}

fn names(message: &Message<'_>, class: u8, out: &mut Output) {
    let offset = le16_at(message.body, 2).unwrap_or_default();
    let length = le32_at(message.body, 4).unwrap_or_default();
    names_listed(slice(message.bytes, usize::from(offset), length as usize), class, out);
}

/// File names in a directory listing ([MS-FSCC], 2.4): length and name stand at offsets that
/// depend on the information class.
pub(super) fn names_listed(listing: &[u8], class: u8, out: &mut Output) {
    let (length_at, name_at) = match class {
        1 => (60, 64),
        2 => (60, 68),
        3 => (60, 94),
        12 => (8, 12),
        37 => (60, 104),
        38 => (60, 80),
        _ => return,
    };
    let mut rest = listing;
    for _ in 0..NAMES_MAX {
        let Some(octets) = le32_at(rest, length_at) else { return };
        let name = text::utf16le(slice(rest, name_at, octets as usize));
        if !name.is_empty() {
            out.count(&SMB_FILE_GROUP, [Scalar::Shared(name.into())]);
        }
        match le32_at(rest, 0) {
            Some(next) if next > 0 => rest = rest.get(next as usize..).unwrap_or_default(),
            _ => return,
        }
    }
    out.limit("smb2-names");
}

/// FileAllInformation ([MS-FSCC], 2.4.2) ends with the file's name.
fn all_information(message: &Message<'_>, out: &mut Output) {
    const LENGTH_AT: usize = 96;
    let offset = le16_at(message.body, 2).unwrap_or_default();
    let length = le32_at(message.body, 4).unwrap_or_default();
    let info = slice(message.bytes, usize::from(offset), length as usize);
    let octets = le32_at(info, LENGTH_AT).unwrap_or_default() as usize;
    let name = text::utf16le(slice(info, LENGTH_AT + 4, octets));
    if !name.is_empty() {
        out.count(&SMB_FILE_GROUP, [Scalar::Shared(name.into())]);
    }
}
