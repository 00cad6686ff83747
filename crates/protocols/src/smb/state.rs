//! What a conversation has open: shares, files, pipes, requests without an answer, log-ons.
//!
//! Invariant: every list is bounded by [`super::limits`], and forgetting is counted.

use super::{
    SMB_FILE_GROUP, SMB_SHARE_GROUP,
    limits::{ASKED_MAX, OPENS_MAX, TREES_MAX},
};
use crate::{Output, Side, dcerpc, gss, output::Op};
use model::{Authentication, OperationClass, Scalar};
use std::{collections::VecDeque, sync::Arc};

#[derive(Default)]
pub(super) struct State {
    trees: Vec<Tree>,
    opens: VecDeque<Open>,
    asked: VecDeque<Asked>,
    /// Who asked to be let in, and how, until the server answers.
    applicant: Option<(Option<Box<str>>, &'static str)>,
    /// The server takes passwords in clear (SMB1).
    pub(super) clear_passwords: bool,
}

pub(super) struct Tree {
    /// Session and tree number.
    pub(super) id: (u64, u32),
    pub(super) share: Arc<str>,
    pub(super) pipe: bool,
}

pub(super) struct Open {
    pub(super) id: u128,
    pub(super) name: Arc<str>,
    pub(super) pipe: Option<Box<dcerpc::Session>>,
    read: bool,
    written: bool,
}

/// A request whose answer is awaited.
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) command: u16,
    pub(super) what: What,
}

pub(super) enum What {
    Nothing,
    /// A share to be connected.
    Share(String),
    /// A file to be opened; whether a change is meant.
    File {
        name: String,
        operation: &'static str,
    },
    /// A file or folder an answer repeats the name of.
    Named(String),
    /// An operation on an open file.
    On(u128),
    /// A directory listing in this information class.
    Listing(u8),
    /// A transaction: its first setup word and file.
    Transaction {
        function: u16,
        on: u128,
    },
}

impl State {
    pub(super) fn forget_requests(&mut self, from: Side) {
        self.asked.clear();
        for open in &mut self.opens {
            if let Some(pipe) = &mut open.pipe {
                pipe.gap(from);
            }
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, out: &mut Output) {
        if self.asked.len() >= ASKED_MAX {
            out.limit("smb-requests-awaited");
            self.asked.pop_front();
        }
        self.asked.push_back(asked);
    }

    pub(super) fn asked(&mut self, id: u64, command: u16) -> Option<What> {
        let at = self.asked.iter().position(|a| a.id == id && a.command == command)?;
        self.asked.remove(at).map(|a| a.what)
    }

    /// Counts the share a message is about, and returns it.
    pub(super) fn tree(&self, id: (u64, u32), out: &mut Output) -> Option<&Tree> {
        let tree = self.trees.iter().find(|t| t.id == id)?;
        out.count(&SMB_SHARE_GROUP, [Scalar::Shared(tree.share.clone())]);
        Some(tree)
    }

    pub(super) fn find_tree(&self, id: (u64, u32)) -> Option<&Tree> {
        self.trees.iter().find(|t| t.id == id)
    }

    pub(super) fn connect(&mut self, tree: Tree, out: &mut Output) {
        self.trees.retain(|t| t.id != tree.id);
        if self.trees.len() >= TREES_MAX {
            out.limit("smb-trees");
            self.trees.remove(0);
        }
        self.trees.push(tree);
    }

    pub(super) fn disconnect(&mut self, id: (u64, u32)) {
        self.trees.retain(|t| t.id != id);
    }

    pub(super) fn open(&mut self, id: u128, name: Arc<str>, pipe: bool, out: &mut Output) {
        self.opens.retain(|o| o.id != id);
        if self.opens.len() >= OPENS_MAX {
            out.limit("smb-opens");
            self.opens.pop_front();
        }
        let pipe = pipe.then(Box::default);
        self.opens.push_back(Open { id, name, pipe, read: false, written: false });
    }

    pub(super) fn close(&mut self, id: u128) {
        self.opens.retain(|o| o.id != id);
    }

    pub(super) fn find(&mut self, id: u128) -> Option<&mut Open> {
        self.opens.iter_mut().find(|o| o.id == id)
    }

    /// Counts the file an SMB1 message is about.
    pub(super) fn count_file(&mut self, id: u128, out: &mut Output) {
        if let Some(open) = self.find(id) {
            out.count(&SMB_FILE_GROUP, [Scalar::Shared(open.name.clone())]);
        }
    }

    /// Octets into or out of an open file. `first` are those at its beginning.
    pub(super) fn transfer(
        &mut self,
        id: u128,
        (side, command): (Side, u16),
        (bytes, offset): (&[u8], u64),
        out: &mut Output,
    ) {
        if self.find(id).is_none() && dcerpc::is_call(bytes) {
            // Of one direction alone the answer that names the pipe is never seen.
            self.open(id, Arc::from(""), true, out);
        }
        let Some(open) = self.find(id) else { return };
        if let Some(pipe) = &mut open.pipe {
            out.begin_protocol("dcerpc");
            pipe.pipe(side, bytes, out);
            out.begin_protocol("smb");
            return;
        }
        let (told, name) = match (side, is_executable(bytes) && offset == 0) {
            (Side::Client, true) => (false, "write executable"),
            (Side::Client, false) => (open.written, "write"),
            (Side::Server, true) => (open.read, "read executable"),
            (Side::Server, false) => (open.read, "read"),
        };
        if told {
            return;
        }
        let class = OperationClass::File;
        let op = if side == Side::Client {
            open.written = true;
            Op::request(class, u32::from(command), name)
        } else {
            open.read = true;
            Op::response(class, u32::from(command), name).done()
        };
        out.operation(op.named("file", &open.name));
    }

    /// Octets through a pipe whose opening was not seen.
    pub(super) fn pipe(&mut self, id: u128, side: Side, bytes: &[u8], out: &mut Output) {
        if self.find(id).is_none_or(|o| o.pipe.is_none()) {
            let name = self.find(id).map_or_else(|| Arc::from(""), |o| o.name.clone());
            self.open(id, name, true, out);
        }
        self.transfer(id, (side, 0), (bytes, 0), out);
    }

    /// A security token of a log-on, from either side.
    pub(super) fn token(&mut self, token: &[u8], out: &mut Output) {
        match gss::observe(token, out) {
            Some(gss::Token::Ntlm(message)) => {
                if let Some(user) = message.account() {
                    self.applicant = Some((Some(user), "ntlm"));
                }
            }
            // AP-REQ
            Some(gss::Token::Kerberos(14)) => self.applicant = Some((None, "kerberos")),
            _ => {}
        }
    }

    pub(super) fn apply(&mut self, user: &str, method: &'static str) {
        let user = if user.is_empty() { "anonymous" } else { user };
        self.applicant = Some((Some(user.into()), method));
    }

    /// The server's answer to a log-on.
    pub(super) fn admit(&mut self, accepted: bool, out: &mut Output) {
        if let Some((user, method)) = self.applicant.take() {
            out.authentication(Authentication {
                user,
                accepted: Some(accepted),
                clear_text: method == "smb password in clear",
                default_password: false,
                method,
            });
        }
    }
}

/// Windows and Linux programs by their first octets.
fn is_executable(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MZ") || bytes.starts_with(b"\x7fELF")
}
