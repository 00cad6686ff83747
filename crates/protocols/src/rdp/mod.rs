//! Remote Desktop ([MS-RDPBCGR], 2.2.1): who connects as whom, and what protects the session.
//!
//! Not here: the session itself. Carried by [`crate::cotp`]. Invariant: the user of a cookie is a
//! hint of the client's, not a log-on.

use crate::{Dissector, Output, Progress, Protocol, Segment, output::Op, text, tls};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Subject};

/// State of one connection behind its negotiation.
#[derive(Default)]
pub(crate) struct Conversation {
    user: Option<Box<str>>,
    tls: Option<Box<dyn Dissector>>,
}

const COOKIE: &[u8] = b"Cookie: mstshash=";
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const FAILURE: u8 = 3;

impl Conversation {
    /// Octets of a connection that went over to TLS: `None` while it has not.
    pub(crate) fn secured(&mut self, segment: Segment<'_>, out: &mut Output) -> Option<Progress> {
        let tls = self.tls.as_mut()?;
        Some(tls.feed(segment, out))
    }

    /// 2.2.1.1: the variable part of a connection request. Says whether it is Remote Desktop's.
    pub(crate) fn request(&mut self, variable: &[u8], out: &mut Output) -> bool {
        let mut rest = variable;
        if let Some(cookie) = variable.strip_prefix(COOKIE) {
            let end = cookie.windows(2).position(|w| w == b"\r\n").unwrap_or(cookie.len());
            let (user, behind) = cookie.split_at_checked(end).unwrap_or_default();
            self.user = Some(text::lossy(user).into());
            rest = behind.get(2..).unwrap_or_default();
        } else if let Some(behind) = behind_token(variable) {
            rest = behind;
        } else if negotiation(rest, REQUEST).is_none() {
            return false;
        }
        out.refine("rdp");
        out.begin_protocol("rdp");
        let op = Op::request(OperationClass::Session, u32::from(REQUEST), "connect");
        out.operation(op.named("user", self.user.as_deref().unwrap_or_default()));
        if let Some(offered) = negotiation(rest, REQUEST) {
            out.attribute(Subject::Sender, "RDP request", ("rdp_offers", &names(offered)), 90);
        }
        if let Some(user) = &self.user {
            out.authentication(Authentication {
                user: Some(user.clone()),
                accepted: None,
                clear_text: false,
                default_password: false,
                method: "rdp",
            });
        }
        true
    }

    /// 2.2.1.2: what the server chose.
    pub(crate) fn confirm(&mut self, variable: &[u8], out: &mut Output) -> bool {
        let op = Op::response(OperationClass::Session, u32::from(RESPONSE), "connect");
        if let Some(code) = negotiation(variable, FAILURE) {
            out.begin_protocol("rdp");
            out.operation(op.refused(code, "security protocol refused"));
            return true;
        }
        let Some(chosen) = negotiation(variable, RESPONSE) else { return false };
        out.begin_protocol("rdp");
        out.operation(op.done());
        let security = if chosen == 0 { "standard RDP security".to_owned() } else { names(chosen) };
        out.identity(Subject::Sender, "RDP response", [("rdp_security", security)]);
        if chosen != 0 {
            self.tls = Some(tls::TLS.open());
        }
        true
    }

    /// 2.2.1.3: the client's core data stand behind the key of the conference ("Duca").
    pub(crate) fn client_data(payload: &[u8], out: &mut Output) -> bool {
        const MCS_CONNECT_INITIAL: [u8; 2] = [0x7f, 0x65];
        const KEY: &[u8] = b"Duca";
        if !payload.starts_with(&MCS_CONNECT_INITIAL) {
            return false;
        }
        let at = payload.windows(KEY.len()).position(|w| w == KEY);
        let Some(data) = at.and_then(|at| payload.get(at.saturating_add(KEY.len())..)) else {
            return false;
        };
        out.refine("rdp");
        out.begin_protocol("rdp");
        let name = match names_inner_channel(data) {
            true => "conference with channel MS_T120",
            false => "conference",
        };
        out.operation(Op::request(OperationClass::Session, 0x65, name));
        if let Ok((name, build)) = core_data(data) {
            let facts = [("hostname", name), ("rdp_client_build", build.to_string())];
            out.identity(Subject::Sender, "RDP client core data", facts);
        }
        true
    }
}

/// 2.2.1.3.4: the channels a client wants. One is the server's own and has a number for good;
/// servers open to CVE-2019-0708 give it another and use it after it was freed.
fn names_inner_channel(data: &[u8]) -> bool {
    const NETWORK: u16 = 0xc003;
    const HEAD_OCTETS: usize = 4;
    const CHANNEL_OCTETS: usize = 12;
    let long = data.first().is_some_and(|length| length & 0x80 != 0);
    let mut rest = data.get(if long { 2 } else { 1 }..).unwrap_or_default();
    while let Some(&[k0, k1, l0, l1]) = rest.first_chunk::<HEAD_OCTETS>() {
        let length = usize::from(u16::from_le_bytes([l0, l1])).max(HEAD_OCTETS);
        let Some((block, behind)) = rest.split_at_checked(length) else { return false };
        rest = behind;
        if u16::from_le_bytes([k0, k1]) == NETWORK {
            let channels = block.get(HEAD_OCTETS.saturating_add(4)..).unwrap_or_default();
            return channels.chunks_exact(CHANNEL_OCTETS).any(|channel| {
                let name = channel.split(|b| *b == 0).next().unwrap_or_default();
                name.eq_ignore_ascii_case(b"MS_T120")
            });
        }
    }
    false
}

/// 2.2.1.1: what tells a balancer of loads where the client was before.
fn behind_token(variable: &[u8]) -> Option<&[u8]> {
    let known = variable.starts_with(b"Cookie: msts=") || variable.starts_with(b"tsv://");
    let end = variable.windows(2).position(|w| w == b"\r\n").filter(|_| known)?;
    variable.get(end.saturating_add(2)..)
}

/// 2.2.1.1.1 and 2.2.1.2.1: type, flags, length 8, protocols or a code. Where a flag of a request
/// says so, a correlation identifier of 36 octets follows (2.2.1.1.2).
fn negotiation(bytes: &[u8], kind: u8) -> Option<u32> {
    const CORRELATED: u8 = 8;
    let (negotiation, behind) = bytes.split_at_checked(8)?;
    let [k, flags, 8, 0, a, b, c, d] = *negotiation else { return None };
    let correlated = kind == REQUEST && flags & CORRELATED != 0 && behind.starts_with(&[6, 0, 36]);
    (k == kind && (behind.is_empty() || correlated)).then(|| u32::from_le_bytes([a, b, c, d]))
}

fn names(protocols: u32) -> String {
    let known =
        [(1, "TLS"), (2, "CredSSP"), (4, "RDSTLS"), (8, "CredSSP with early authorization")];
    let names: Vec<_> = known.iter().filter(|(b, _)| protocols & b != 0).map(|(_, n)| *n).collect();
    names.join(", ")
}

/// 2.2.1.3.2, behind a PER length.
fn core_data(data: &[u8]) -> Result<(String, u32), Short> {
    const CORE: u16 = 0xc001;
    const NAME_OCTETS: usize = 32;
    let mut r = Reader::new(data);
    if r.u8()? & 0x80 != 0 {
        r.skip(1)?;
    }
    if r.le16()? != CORE {
        return Err(Short { needed: 2 });
    }
    // length, version, width, height, depth, sequence, keyboard
    r.skip(2 + 4 + 2 + 2 + 2 + 2 + 4)?;
    let build = r.le32()?;
    let name = text::utf16le(r.bytes(NAME_OCTETS)?);
    Ok((name.split('\0').next().unwrap_or_default().to_owned(), build))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_behind_a_token_and_before_a_correlation() {
        let asks = |variable: &[u8]| {
            let (mut out, mut conversation) = (Output::default(), Conversation::default());
            let known = conversation.request(variable, &mut out);
            (known, conversation.user.as_deref().map(str::to_owned))
        };
        let plain = [1, 0, 8, 0, 3, 0, 0, 0];
        let token = b"Cookie: msts=3640205228.15629.0000\r\n";
        assert_eq!(asks(&[&token[..], &plain].concat()), (true, None));
        let correlated = [&[1, 8, 8, 0, 11, 0, 0, 0, 6, 0, 36, 0][..], &[7; 32]].concat();
        assert_eq!(asks(&correlated), (true, None));
        let named = [&b"Cookie: mstshash=ann\r\n"[..], &correlated].concat();
        assert_eq!(asks(&named), (true, Some("ann".to_owned())));
        assert_eq!(negotiation(&correlated, REQUEST), Some(11));
        assert_eq!(asks(&[&plain[..], &[0; 4]].concat()), (false, None));
        assert_eq!(asks(b"Cookie: other=1\r\n"), (false, None));
    }

    /// Core data and network data behind a length of two octets, in which the channels stand.
    fn conference(channels: &[&[u8; 8]]) -> &'static str {
        let names: Vec<u8> = channels.iter().flat_map(|c| [&c[..], &[0; 4]].concat()).collect();
        let core = [&[0x01, 0xc0, 216, 0][..], &[0; 212]].concat();
        let length = (8 + names.len()) as u8;
        let count = channels.len() as u8;
        let network = [&[0x03, 0xc0, length, 0, count, 0, 0, 0][..], &names].concat();
        let payload = [&[0x7f, 0x65][..], b"Duca", &[0x81, 0x20], &core, &network].concat();
        let mut out = Output::default();
        assert!(Conversation::client_data(&payload, &mut out));
        let operation = out.observed.iter().find_map(|seen| match &seen.detail {
            model::Detail::Operation(operation) => Some(operation.function_name),
            _ => None,
        });
        operation.expect("a conference")
    }

    #[test]
    fn the_channel_that_is_the_servers_own_is_told_apart() {
        let inner = "conference with channel MS_T120";
        assert_eq!(conference(&[b"cliprdr\0", b"MS_T120\0", b"rdpsnd\0\0"]), inner);
        assert_eq!(conference(&[b"cliprdr\0", b"rdpsnd\0\0"]), "conference");
        assert_eq!(conference(&[]), "conference");
    }
}
