//! NTLM messages ([MS-NLMP], 2.2.1) inside SMB, DCE-RPC, LDAP and HTTP: who logs on from where,
//! and what machine and operating system either side runs.
//!
//! Not a registered protocol: it never travels alone. Invariant: responses and keys are secrets
//! and are never looked at.

mod windows;

use crate::{Ends, Group, Malformed, Output, output::Op, text};
use ::wire::reader::{Reader, Short};
use model::{OperationClass, Scalar, Subject};
pub use windows::product;

pub static NTLMSSP_GROUP: Group = Group { name: "ntlmssp", ends: Ends::Pair, keys: &["type"] };
pub static NTLM_USER_GROUP: Group =
    Group { name: "ntlm_user", ends: Ends::Source, keys: &["user", "host"] };

/// Name of the operation by which a server challenges a client; its object is the challenge.
pub const CHALLENGE: &str = "NTLM challenge";

const SIGNATURE: &[u8] = b"NTLMSSP\0";
const UNICODE: u32 = 0x0000_0001;
const HAS_VERSION: u32 = 0x0200_0000;
/// Pairs of a target information block that are read (2.2.2.1 defines eleven).
const PAIRS_MAX: usize = 16;

/// A message; texts are empty where they were not given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Negotiate {
        workstation: String,
        domain: String,
        version: Option<Version>,
    },
    /// The nonce is no secret: it goes over the line, and each server draws its own.
    Challenge {
        target: String,
        nonce: [u8; 8],
        info: Target,
        version: Option<Version>,
    },
    Authenticate {
        domain: String,
        user: String,
        workstation: String,
        version: Option<Version>,
    },
}

/// Operating system version (2.2.2.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    pub major: u8,
    pub minor: u8,
    pub build: u16,
}

/// Target information (2.2.2.1).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Target {
    pub computer: String,
    pub domain: String,
    pub dns_computer: String,
    pub dns_domain: String,
}

/// Where the first NTLM message in `token` begins: SPNEGO and SASL wrap it in few octets.
pub fn find(token: &[u8]) -> Option<&[u8]> {
    const WRAPPING_OCTETS_MAX: usize = 256;
    let window = token.get(..WRAPPING_OCTETS_MAX).unwrap_or(token);
    let at = window.windows(SIGNATURE.len()).position(|w| w == SIGNATURE)?;
    token.get(at..)
}

pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut r = Reader::new(bytes);
    if r.bytes(SIGNATURE.len())? != SIGNATURE {
        return Err(Malformed::new("ntlmssp-signature-missing"));
    }
    match r.le32()? {
        1 => Ok(negotiate(bytes, &mut r)?),
        2 => Ok(challenge(bytes, &mut r)?),
        3 => Ok(authenticate(bytes, &mut r)?),
        _ => Err(Malformed::new("ntlmssp-message-type-unknown")),
    }
}

/// 2.2.1.1: texts of this message are always in the OEM character set.
fn negotiate(bytes: &[u8], r: &mut Reader<'_>) -> Result<Message, Short> {
    let flags = r.le32()?;
    let domain = field(r).unwrap_or_default();
    let workstation = field(r).unwrap_or_default();
    let version = version(r, flags);
    let name = |at| text_at(bytes, at, false);
    Ok(Message::Negotiate { workstation: name(workstation), domain: name(domain), version })
}

/// 2.2.1.2
fn challenge(bytes: &[u8], r: &mut Reader<'_>) -> Result<Message, Short> {
    let name = field(r)?;
    let flags = r.le32()?;
    let nonce = r.array()?;
    r.skip(8)?;
    let info = field(r).unwrap_or_default();
    let version = version(r, flags);
    let target = text_at(bytes, name, flags & UNICODE != 0);
    Ok(Message::Challenge { target, nonce, info: pairs(octets_at(bytes, info)), version })
}

/// 2.2.1.3
fn authenticate(bytes: &[u8], r: &mut Reader<'_>) -> Result<Message, Short> {
    field(r)?;
    field(r)?;
    let (domain, user, workstation) = (field(r)?, field(r)?, field(r)?);
    field(r)?;
    let flags = r.le32().unwrap_or(UNICODE);
    let version = version(r, flags);
    let name = |at| text_at(bytes, at, flags & UNICODE != 0);
    Ok(Message::Authenticate {
        domain: name(domain),
        user: name(user),
        workstation: name(workstation),
        version,
    })
}

/// Length, space and offset of a payload field.
fn field(r: &mut Reader<'_>) -> Result<(u16, u32), Short> {
    let length = r.le16()?;
    r.le16()?;
    Ok((length, r.le32()?))
}

fn octets_at(bytes: &[u8], (length, offset): (u16, u32)) -> &[u8] {
    let start = offset as usize;
    bytes.get(start..start.saturating_add(usize::from(length))).unwrap_or_default()
}

fn text_at(bytes: &[u8], at: (u16, u32), unicode: bool) -> String {
    let octets = octets_at(bytes, at);
    if unicode { text::utf16le(octets) } else { text::lossy(octets) }
}

fn version(r: &mut Reader<'_>, flags: u32) -> Option<Version> {
    if flags & HAS_VERSION == 0 {
        return None;
    }
    let [major, minor] = r.array().ok()?;
    let build = r.le16().ok()?;
    (major != 0).then_some(Version { major, minor, build })
}

fn pairs(bytes: &[u8]) -> Target {
    let mut target = Target::default();
    let mut r = Reader::new(bytes);
    for _ in 0..PAIRS_MAX {
        let (Ok(id), Ok(length)) = (r.le16(), r.le16()) else { break };
        let Ok(octets) = r.bytes(usize::from(length)) else { break };
        let slot = match id {
            0 => break,
            1 => &mut target.computer,
            2 => &mut target.domain,
            3 => &mut target.dns_computer,
            4 => &mut target.dns_domain,
            _ => continue,
        };
        *slot = text::utf16le(octets);
    }
    target
}

/// Counts the message in `token`, says whom it identifies, and returns it.
pub fn observe(token: &[u8], out: &mut Output) -> Option<Message> {
    let message = parse(find(token)?).ok()?;
    let (number, version) = match &message {
        Message::Negotiate { version, .. } => (1, version),
        Message::Challenge { version, .. } => (2, version),
        Message::Authenticate { version, .. } => (3, version),
    };
    out.count(&NTLMSSP_GROUP, [Scalar::Number(number)]);
    let os = version.map(product).unwrap_or_default();
    let build = version.map(|v| format!("{}.{}.{}", v.major, v.minor, v.build));
    let mut facts = vec![("os", os), ("os_version", build.unwrap_or_default())];
    let said_in = match &message {
        Message::Negotiate { workstation, domain, .. } => {
            facts.extend([("hostname", workstation.clone()), ("domain", domain.clone())]);
            "NTLM negotiate"
        }
        Message::Challenge { info, target, nonce, .. } => {
            let challenges = Op::response(OperationClass::Authenticate, 2, CHALLENGE);
            let nonce = format!("{:016x}", u64::from_be_bytes(*nonce));
            out.operation(challenges.named("challenge", &nonce));
            let domain = if info.domain.is_empty() { target } else { &info.domain };
            facts.extend([
                ("hostname", info.computer.clone()),
                ("fqdn", info.dns_computer.clone()),
                ("domain", domain.clone()),
                ("dns_domain", info.dns_domain.clone()),
            ]);
            CHALLENGE
        }
        Message::Authenticate { user, workstation, .. } => {
            let shown = |t: &str| Scalar::Text(if t.is_empty() { "NULL" } else { t }.into());
            out.count(&NTLM_USER_GROUP, [shown(user), shown(workstation)]);
            facts.push(("hostname", workstation.clone()));
            "NTLM authenticate"
        }
    };
    out.identity(Subject::Sender, said_in, facts);
    Some(message)
}

impl Message {
    /// `DOMAIN\user` of an authenticate message; `anonymous` when neither is given.
    pub fn account(&self) -> Option<Box<str>> {
        let Message::Authenticate { domain, user, .. } = self else { return None };
        Some(match (domain.is_empty(), user.is_empty()) {
            (_, true) => "anonymous".into(),
            (true, false) => user.as_str().into(),
            (false, false) => format!("{domain}\\{user}").into(),
        })
    }
}

/// Writes an authenticate message without responses. Used by tests and the lab.
pub fn emit_authenticate(domain: &str, user: &str, workstation: &str, version: Version) -> Vec<u8> {
    const HEADER_OCTETS: usize = 72;
    let texts: Vec<Vec<u8>> = [domain, user, workstation]
        .iter()
        .map(|t| t.encode_utf16().flat_map(u16::to_le_bytes).collect())
        .collect();
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend(3u32.to_le_bytes());
    let mut offset = HEADER_OCTETS;
    let empty = Vec::new();
    let [domain, user, workstation] = texts.as_slice() else { return bytes };
    for octets in [&empty, &empty, domain, user, workstation, &empty] {
        let length = octets.len() as u16;
        bytes.extend(length.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend((offset as u32).to_le_bytes());
        offset = offset.saturating_add(octets.len());
    }
    bytes.extend((UNICODE | HAS_VERSION).to_le_bytes());
    bytes.extend([version.major, version.minor]);
    bytes.extend(version.build.to_le_bytes());
    bytes.extend([0, 0, 0, 15]);
    bytes.extend(texts.concat());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_challenge_is_an_operation_with_the_nonce() {
        let mut message = SIGNATURE.to_vec();
        message.extend(2u32.to_le_bytes());
        // No target name, and flags; then the nonce, and what is reserved.
        message.extend([0, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0]);
        message.extend(*b"\x11\x22\x33\x44\x55\x66\x77\x88");
        message.extend([0; 8]);
        let mut out = Output::default();
        assert!(observe(&message, &mut out).is_some());
        let Some(model::Detail::Operation(operation)) = out.observed.first().map(|o| &o.detail)
        else {
            panic!("{:?}", out.observed)
        };
        assert_eq!(operation.function_name, CHALLENGE);
        let model::Object::Name { name, .. } = &operation.object else { panic!("{operation:?}") };
        assert_eq!(&**name, "1122334455667788");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            domain in "[A-Z0-9]{0,15}",
            user in "\\PC{0,20}",
            workstation in "[A-Z0-9-]{0,15}",
            (major, minor, build) in (1u8.., any::<u8>(), any::<u16>()),
        ) {
            let version = Version { major, minor, build };
            let bytes = emit_authenticate(&domain, &user, &workstation, version);
            let expected =
                Message::Authenticate { domain, user, workstation, version: Some(version) };
            prop_assert_eq!(parse(&bytes), Ok(expected));
        }

        #[test]
        fn any_octets_are_survived(
            kind in 1u32..4,
            bytes in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let mut message = SIGNATURE.to_vec();
            message.extend(kind.to_le_bytes());
            message.extend(bytes);
            let mut out = Output::default();
            observe(&message, &mut out);
        }
    }
}
