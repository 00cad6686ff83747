//! How restic encrypts: AES-256 in counter mode with a Poly1305-AES tag over the result.
//!
//! Whatever is sealed lies as nonce, ciphertext, tag (restic's design document, "Keys, Encryption
//! and MAC"). Not here: compression and names. Invariant: nothing is decrypted before its tag was
//! right, and no nonce is used twice but by chance in 2^127.

use crate::error::{Error, Result};
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag, aead::AeadInPlace};
use ring::rand::{SecureRandom, SystemRandom};

pub(super) const NONCE: usize = 16;
const TAG: usize = 16;

/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = NONCE + TAG;

pub(super) struct Cipher {
    key: Key,
    random: SystemRandom,
}

impl Cipher {
    /// AES-256 key, Poly1305-AES `k` and `r`.
    pub fn new((encrypt, k, r): &([u8; 32], [u8; 16], [u8; 16])) -> Self {
        let mut key = Key::default();
        key[..32].copy_from_slice(encrypt);
        key[32..48].copy_from_slice(k);
        key[48..].copy_from_slice(r);
        Self { key, random: SystemRandom::new() }
    }

    /// Seals in place: the text lies behind room for the nonce and before room for the tag.
    pub fn seal(&self, room: &mut [u8]) -> Result<()> {
        let (nonce, rest) = room.split_at_mut(NONCE);
        let (text, tag) = rest.split_at_mut(rest.len() - TAG);
        self.random.fill(nonce).map_err(|_| Error::NoEntropy)?;
        // Go counts in 16 bytes, the cipher here in the last eight of them: without a carry from
        // one half to the other both are the same.
        nonce[8] &= 0x7f;
        let sealed = Aes256CtrPoly1305Aes::new(&self.key).encrypt_in_place_detached(
            Nonce::from_slice(nonce),
            b"",
            text,
        );
        let made = sealed.map_err(|_| Error::Engine("a text is too long to encrypt".into()))?;
        tag.copy_from_slice(&made);
        Ok(())
    }

    /// Opens in place; `None` when the tag is wrong.
    pub fn open<'a>(&self, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE)?;
        let (text, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG)?)?;
        let opened = Aes256CtrPoly1305Aes::new(&self.key).decrypt_in_place_detached(
            Nonce::from_slice(nonce),
            b"",
            text,
            Tag::from_slice(tag),
        );
        opened.is_ok().then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_what_was_changed_or_cut_does_not() {
        let cipher = Cipher::new(&([7; 32], [9; 16], [0; 16].map(|_: u8| 4)));
        for length in [0, 1, 15, 16, 17, 1_000] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut sealed = vec![0; length + OVERHEAD];
            sealed[NONCE..NONCE + length].copy_from_slice(&text);
            cipher.seal(&mut sealed).unwrap();
            assert_eq!(cipher.open(&mut sealed.clone()).as_deref(), Some(&text[..]));
            for at in [0, NONCE + length / 2, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert!(cipher.open(&mut changed).is_none(), "{length} {at}");
            }
            assert!(cipher.open(&mut sealed[..OVERHEAD - 1]).is_none());
        }
    }
}
