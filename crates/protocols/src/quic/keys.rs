//! Keys of Initial packets (RFC 9001, 5.2; RFC 9369, 3.3; the same section of its drafts since 22):
//! derived from what the client wrote in the first packet, so anyone on the path has them.
//!
//! Invariant: nothing but Initial packets can be opened with these.

use aes_gcm::{
    AeadInPlace, Aes128Gcm, KeyInit,
    aes::{Aes128, cipher::BlockEncrypt},
};
use sha2::{Digest, Sha256};

pub(super) const VERSION_1: u32 = 1;
pub(super) const VERSION_2: u32 = 0x6b33_43cf;

/// Salt and prefix of labels of a version; `None` where they are not known.
fn of_version(version: u32) -> Option<([u8; 20], &'static str)> {
    const ONE: [u8; 20] = [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c,
        0xad, 0xcc, 0xbb, 0x7f, 0x0a,
    ];
    const TWO: [u8; 20] = [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d,
        0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
    ];
    const DRAFT_29: [u8; 20] = [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11,
        0xe0, 0x43, 0x90, 0xa8, 0x99,
    ];
    const DRAFT_23: [u8; 20] = [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63,
        0x65, 0xbe, 0xf9, 0xf5, 0x02,
    ];
    const DRAFT_22: [u8; 20] = [
        0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e,
        0xbd, 0x7a, 0x02, 0x64, 0x4a,
    ];
    const GOOGLE_T050: [u8; 20] = [
        0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36,
        0x7c, 0x60, 0x48, 0x83, 0x10,
    ];
    const GOOGLE_T051: [u8; 20] = [
        0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8,
        0xcc, 0xda, 0x6e, 0x03, 0x3d,
    ];
    Some(match version {
        VERSION_1 => (ONE, "quic"),
        VERSION_2 => (TWO, "quicv2"),
        0xff00_001d..=0xff00_0022 => (DRAFT_29, "quic"),
        0xff00_0017..=0xff00_001c => (DRAFT_23, "quic"),
        0xff00_0016 => (DRAFT_22, "quic"),
        // The drafts as Facebook's servers number them: 22, and 27 under two numbers.
        0xface_b001 => (DRAFT_22, "quic"),
        0xface_b002 | 0xface_b00e => (DRAFT_23, "quic"),
        // "T050" and "T051": Google's, with TLS.
        0x5430_3530 => (GOOGLE_T050, "quic"),
        0x5430_3531 => (GOOGLE_T051, "quic"),
        reserved if is_reserved(reserved) => (ONE, "quic"),
        _ => return None,
    })
}

/// RFC 9000, 15: never spoken, offered to make servers negotiate.
const fn is_reserved(version: u32) -> bool {
    version & 0x0f0f_0f0f == 0x0a0a_0a0a
}

/// Versions by whose keys a client that offers `version` may have sealed its packets: of one that
/// is reserved, those it really speaks.
pub(super) fn readings(version: u32) -> impl Iterator<Item = u32> {
    const DRAFT_29: u32 = 0xff00_001d;
    let (first, then) = match is_reserved(version) {
        true => (VERSION_1, Some(DRAFT_29)),
        false => (version, None),
    };
    std::iter::once(first).chain(then)
}

/// RFC 2104 with SHA-256, over the parts one after the other.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK_OCTETS: usize = 64;
    let mut padded = [0u8; BLOCK_OCTETS];
    for (slot, octet) in padded.iter_mut().zip(key) {
        *slot = *octet;
    }
    let mut inner = Sha256::new();
    inner.update(padded.map(|b| b ^ 0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new();
    outer.update(padded.map(|b| b ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// HKDF-Expand-Label (RFC 8446, 7.1) for outputs of at most one block.
fn expand<const N: usize>(secret: &[u8], label: &str) -> [u8; N] {
    let length = (N as u16).to_be_bytes();
    let label_length = (label.len() as u8).wrapping_add(6);
    let parts: [&[u8]; 6] = [&length, &[label_length], b"tls13 ", label.as_bytes(), &[0], &[1]];
    let block = hmac(secret, &parts);
    let mut out = [0; N];
    for (slot, octet) in out.iter_mut().zip(block) {
        *slot = octet;
    }
    out
}

/// Keys of one direction.
pub(super) struct Keys {
    packet: Aes128Gcm,
    header: Aes128,
    iv: [u8; 12],
}

/// Keys of client and server for a connection begun with this destination id.
pub(super) fn initial(version: u32, destination: &[u8]) -> Option<[Keys; 2]> {
    let (salt, prefix) = of_version(version)?;
    let secret = hmac(&salt, &[destination]);
    Some(["client in", "server in"].map(|side| {
        let secret: [u8; 32] = expand(&secret, side);
        Keys {
            packet: Aes128Gcm::new(&expand::<16>(&secret, &format!("{prefix} key")).into()),
            header: Aes128::new(&expand::<16>(&secret, &format!("{prefix} hp")).into()),
            iv: expand(&secret, &format!("{prefix} iv")),
        }
    }))
}

impl Keys {
    /// Opens a packet whose number begins at `number_at` (RFC 9001, 5.3 and 5.4).
    pub(super) fn open(&self, packet: &[u8], number_at: usize) -> Option<Vec<u8>> {
        const SAMPLE_BEHIND: usize = 4;
        let sample_at = number_at.checked_add(SAMPLE_BEHIND)?;
        let sample = packet.get(sample_at..)?.first_chunk::<16>()?;
        let mut mask = (*sample).into();
        self.header.encrypt_block(&mut mask);
        let [first_mask, mask @ ..]: [u8; 16] = mask.into();
        let first = packet.first()? ^ (first_mask & 0x0f);
        let length = usize::from(first & 3).checked_add(1)?;
        let end = number_at.checked_add(length)?;
        let mut header = packet.get(..end)?.to_vec();
        *header.first_mut()? = first;
        let mut number = 0u64;
        for (octet, mask) in header.iter_mut().skip(number_at).zip(mask) {
            *octet ^= mask;
            number = number << 8 | u64::from(*octet);
        }
        let mut nonce = self.iv;
        for (slot, octet) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *slot ^= octet;
        }
        // The tag stands at the end (RFC 5116, 5.1).
        let (sealed, tag) = packet.get(end..)?.split_last_chunk::<16>()?;
        let mut plain = sealed.to_vec();
        let tag = (*tag).into();
        self.packet.decrypt_in_place_detached(&nonce.into(), &header, &mut plain, &tag).ok()?;
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9001, appendix A.1.
    #[test]
    fn the_keys_of_the_standards_example_come_out() {
        let destination = 0x8394_c8f0_3e51_5708_u64.to_be_bytes();
        let (salt, _) = of_version(VERSION_1).expect("known");
        let secret = hmac(&salt, &[&destination]);
        let client: [u8; 32] = expand(&secret, "client in");
        assert_eq!(client[..4], [0xc0, 0x0c, 0xf1, 0x51]);
        assert_eq!(expand::<16>(&client, "quic key")[..4], [0x1f, 0x36, 0x96, 0x13]);
        assert_eq!(expand::<12>(&client, "quic iv")[..4], [0xfa, 0x04, 0x4b, 0x2f]);
        assert_eq!(expand::<16>(&client, "quic hp")[..4], [0x9f, 0x50, 0x44, 0x9e]);
    }
}
