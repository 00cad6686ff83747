//! SMB2/3 ([MS-SMB2]) up to the session's start, with NTLM ([MS-NLMP]), then encrypted messages.

use super::s7::Pair;
use crate::rng::Rng;

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;

/// NetBIOS session framing of direct TCP transport (2.1).
fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = (message.len() as u32).to_be_bytes().to_vec();
    out.extend(message);
    out
}

fn header(command: u16, status: u32, answer: bool, number: u64, session: u64) -> Vec<u8> {
    let mut out = vec![0xfe, b'S', b'M', b'B', 64, 0, 0, 0];
    out.extend(status.to_le_bytes());
    out.extend(command.to_le_bytes());
    out.extend([1, 0]);
    out.extend(u32::from(answer).to_le_bytes());
    out.extend([0; 4]);
    out.extend(number.to_le_bytes());
    out.extend([0xff, 0xfe, 0, 0, 0, 0, 0, 0]);
    out.extend(session.to_le_bytes());
    out.extend([0; 16]);
    out
}

/// Names as NTLM tells them.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub user: &'a str,
    pub domain: &'a str,
    pub workstation: &'a str,
    pub server: &'a str,
    pub dns_domain: &'a str,
    /// Windows version of client and server: major, minor, build.
    pub versions: [(u8, u8, u16); 2],
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn version((major, minor, build): (u8, u8, u16)) -> Vec<u8> {
    let [low, high] = build.to_le_bytes();
    vec![major, minor, low, high, 0, 0, 0, 15]
}

/// Length, space, offset of a field.
fn field(out: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend((offset as u32).to_le_bytes());
}

fn ntlm_negotiate(names: &Names<'_>) -> Vec<u8> {
    let mut out = b"NTLMSSP\0".to_vec();
    out.extend(1_u32.to_le_bytes());
    out.extend(0xe208_8297_u32.to_le_bytes());
    out.extend([0; 16]);
    out.extend(version(names.versions[0]));
    out
}

fn ntlm_challenge(names: &Names<'_>, rng: &mut Rng) -> Vec<u8> {
    let target = utf16(names.domain);
    let mut info = Vec::new();
    let dns_host = format!("{}.{}", names.server.to_lowercase(), names.dns_domain);
    let pairs: [(u16, &str); 5] = [
        (2, names.domain),
        (1, names.server),
        (4, names.dns_domain),
        (3, &dns_host),
        (5, names.dns_domain),
    ];
    for (id, text) in pairs {
        let text = utf16(text);
        info.extend(id.to_le_bytes());
        info.extend((text.len() as u16).to_le_bytes());
        info.extend(text);
    }
    info.extend([0; 4]);
    let mut out = b"NTLMSSP\0".to_vec();
    out.extend(2_u32.to_le_bytes());
    field(&mut out, &target, 56);
    out.extend(0xe289_8215_u32.to_le_bytes());
    out.extend(rng.bytes(8));
    out.extend([0; 8]);
    field(&mut out, &info, 56 + target.len());
    out.extend(version(names.versions[1]));
    out.extend(target);
    out.extend(info);
    out
}

fn ntlm_authenticate(names: &Names<'_>, rng: &mut Rng) -> Vec<u8> {
    let parts = [utf16(names.domain), utf16(names.user), utf16(names.workstation)];
    let (lm, mut nt, key) = (vec![0; 24], rng.bytes(16), rng.bytes(16));
    // NTLMv2 response: proof, then the blob with its own version and no target pairs.
    nt.extend([1, 1, 0, 0, 0, 0, 0, 0]);
    nt.extend(rng.bytes(16));
    nt.extend([0; 12]);
    let base = 88;
    let mut offset = base;
    let mut out = b"NTLMSSP\0".to_vec();
    out.extend(3_u32.to_le_bytes());
    let names_length: usize = parts.iter().map(Vec::len).sum();
    field(&mut out, &lm, base + names_length);
    field(&mut out, &nt, base + names_length + lm.len());
    for part in &parts {
        field(&mut out, part, offset);
        offset += part.len();
    }
    field(&mut out, &key, base + names_length + lm.len() + nt.len());
    out.extend(0xe288_8215_u32.to_le_bytes());
    out.extend(version(names.versions[0]));
    out.extend(rng.bytes(16));
    for part in &parts {
        out.extend(part);
    }
    out.extend([lm, nt, key].concat());
    out
}

fn setup_request(number: u64, session: u64, token: &[u8]) -> Vec<u8> {
    let mut out = header(SESSION_SETUP, 0, false, number, session);
    out.extend([25, 0, 0, 1]);
    out.extend(1_u32.to_le_bytes());
    out.extend([0; 4]);
    out.extend(88_u16.to_le_bytes());
    out.extend((token.len() as u16).to_le_bytes());
    out.extend([0; 8]);
    out.extend(token);
    framed(&out)
}

fn setup_answer(number: u64, status: u32, session: u64, token: &[u8]) -> Vec<u8> {
    let mut out = header(SESSION_SETUP, status, true, number, session);
    out.extend([9, 0, 0, 0]);
    out.extend(72_u16.to_le_bytes());
    out.extend((token.len() as u16).to_le_bytes());
    out.extend(token);
    framed(&out)
}

const MORE_PROCESSING: u32 = 0xc000_0016;
const LOGON_FAILURE: u32 = 0xc000_006d;

/// Negotiation of dialect 3.0.2 and log-on; refused with "logon failure" when `accepted` is not.
pub fn log_on(names: &Names<'_>, session: u64, accepted: bool, rng: &mut Rng) -> Vec<Pair> {
    let mut asks = header(NEGOTIATE, 0, false, 0, 0);
    asks.extend([36, 0, 4, 0, 1, 0, 0, 0]);
    asks.extend(0x7f_u32.to_le_bytes());
    asks.extend(rng.bytes(16));
    asks.extend([0; 8]);
    for dialect in [0x0202_u16, 0x0210, 0x0300, 0x0302] {
        asks.extend(dialect.to_le_bytes());
    }
    let mut says = header(NEGOTIATE, 0, true, 0, 0);
    says.extend([65, 0, 1, 0]);
    says.extend(0x0302_u16.to_le_bytes());
    says.extend([0, 0]);
    says.extend([0x5e; 16]);
    says.extend(0x7f_u32.to_le_bytes());
    for _ in 0..3 {
        says.extend(0x80_0000_u32.to_le_bytes());
    }
    says.extend(133_000_000_000_000_000_u64.to_le_bytes());
    says.extend([0; 8]);
    says.extend(128_u16.to_le_bytes());
    says.extend([0, 0, 0, 0, 0, 0]);
    let mut steps = vec![(framed(&asks), framed(&says))];
    let challenge = ntlm_challenge(names, rng);
    steps.push((
        setup_request(1, 0, &ntlm_negotiate(names)),
        setup_answer(1, MORE_PROCESSING, session, &challenge),
    ));
    let status = if accepted { 0 } else { LOGON_FAILURE };
    steps.push((
        setup_request(2, session, &ntlm_authenticate(names, rng)),
        setup_answer(2, status, session, &[]),
    ));
    steps
}

/// An encrypted message (2.2.41) of `count` bytes inside.
pub fn sealed(session: u64, count: usize, rng: &mut Rng) -> Vec<u8> {
    let mut out = vec![0xfd, b'S', b'M', b'B'];
    out.extend(rng.bytes(16));
    out.extend(rng.bytes(11));
    out.extend([0; 5]);
    out.extend((count as u32).to_le_bytes());
    out.extend([0, 0, 1, 0]);
    out.extend(session.to_le_bytes());
    out.extend(rng.bytes(count));
    framed(&out)
}
