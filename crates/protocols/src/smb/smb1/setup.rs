//! Negotiation and log-on of SMB 1 ([MS-CIFS], 2.2.4.52 and 2.2.4.53; [MS-SMB], 2.2.4.5, 2.2.4.6).
//!
//! Invariant: passwords and responses to challenges are stepped over.

use super::{Block, State};
use crate::{Output, output::Op, smb::names::status};
use model::{OperationClass, Subject};

/// Security blobs instead of a challenge and its responses.
const EXTENDED_SECURITY: u32 = 0x8000_0000;

pub(super) fn negotiated(state: &mut State, block: &Block<'_>, out: &mut Output) {
    const NT_LAN_MANAGER_WORDS: usize = 34;
    const SIGNING_REQUIRED: u8 = 8;
    const ENCRYPTED_PASSWORDS: u8 = 2;
    out.operation(block.op(OperationClass::Session, "negotiate"));
    if block.words.len() != NT_LAN_MANAGER_WORDS {
        return;
    }
    let security = block.words.get(2).copied().unwrap_or_default();
    state.clear_passwords = security & ENCRYPTED_PASSWORDS == 0;
    let signing = if security & SIGNING_REQUIRED != 0 { "required" } else { "not required" };
    let mut facts = vec![("smb_dialect", "SMB 1".to_owned()), ("smb_signing", signing.to_owned())];
    if block.long(19) & EXTENDED_SECURITY != 0 {
        const GUID_OCTETS: usize = 16;
        let token = block.bytes.get(GUID_OCTETS..).unwrap_or_default();
        out.identity(Subject::Sender, "SMB negotiate", facts);
        return state.token(token, out);
    }
    let challenge = block.words.get(33).copied().unwrap_or_default();
    let mut texts = block.texts(usize::from(challenge));
    let mut text =
        || if block.header.unicode { texts.next_unaligned() } else { texts.next_ascii() };
    facts.push(("domain", text()));
    facts.push(("hostname", text()));
    out.identity(Subject::Sender, "SMB negotiate", facts);
}

pub(super) fn request(state: &mut State, block: &Block<'_>, out: &mut Output) {
    const BLOB_WORDS: usize = 24;
    const PASSWORD_WORDS: usize = 26;
    out.operation(block.op(OperationClass::Authenticate, "session setup"));
    let mut texts;
    let mut facts = Vec::new();
    match block.words.len() {
        BLOB_WORDS => {
            let length = usize::from(block.word(14));
            state.token(block.bytes.get(..length).unwrap_or_default(), out);
            texts = block.texts(length);
        }
        PASSWORD_WORDS => {
            let passwords = usize::from(block.word(14)).saturating_add(block.word(16).into());
            texts = block.texts(passwords);
            let (account, domain) = (texts.next_text(), texts.next_text());
            let whole = match (account.is_empty(), domain.is_empty()) {
                (false, false) => format!("{domain}\\{account}"),
                _ => account,
            };
            let clear = state.clear_passwords;
            state.apply(&whole, if clear { "smb password in clear" } else { "ntlm" });
            facts.push(("domain", domain));
        }
        _ => return,
    }
    facts.push(("os", texts.next_text()));
    facts.push(("lan_manager", texts.next_text()));
    out.identity(Subject::Sender, "SMB session setup", facts);
}

pub(super) fn response(state: &mut State, block: &Block<'_>, out: &mut Output) {
    const MORE_PROCESSING: u32 = 0xc000_0016;
    const BLOB_WORDS: usize = 8;
    const PLAIN_WORDS: usize = 6;
    let blob = if block.words.len() == BLOB_WORDS { usize::from(block.word(6)) } else { 0 };
    if blob > 0 {
        state.token(block.bytes.get(..blob).unwrap_or_default(), out);
    }
    let number = u32::from(block.command);
    let op = Op::response(OperationClass::Authenticate, number, "session setup");
    match block.header.status {
        MORE_PROCESSING => {}
        0 => {
            out.operation(op.done());
            state.admit(true, out);
        }
        code => {
            out.operation(op.refused(code, status(code)));
            state.admit(false, out);
        }
    }
    if matches!(block.words.len(), BLOB_WORDS | PLAIN_WORDS) {
        let mut texts = block.texts(blob);
        let facts = [("os", texts.next_text()), ("lan_manager", texts.next_text())];
        out.identity(Subject::Sender, "SMB session setup", facts);
    }
}
