//! Keys of a channel, made of both sides' nonces (OPC 10000-6, 6.7.5), and what they do to its
//! messages: HMAC-SHA-256, AES in CBC mode.
//!
//! Invariant: a message is decrypted, then its signature is proved, then it is looked at; what the
//! padding says is used after that, so it is no oracle.

use super::{Mode, Policy, forged, padded, unpadded, with_length};
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, generic_array::GenericArray};
use ring::hmac;
use std::io;

/// Octets of a nonce: those of the longest key a policy makes of it (OPC 10000-7, 6.6).
pub const NONCE_BYTES: usize = 32;

const BLOCK: usize = 16;
const SIGNATURE: usize = 32;

/// One direction's keys.
pub struct Keys {
    mode: Mode,
    sign: hmac::Key,
    cipher: Vec<u8>,
    start: [u8; BLOCK],
}

impl Keys {
    /// Those of the side that made `seed`; `secret` is the other side's.
    pub fn derive(policy: Policy, mode: Mode, secret: &[u8], seed: &[u8]) -> Self {
        let stream = p_sha256(secret, seed, SIGNATURE + policy.cipher_key() + BLOCK);
        let (sign, rest) = stream.split_at(SIGNATURE);
        let (cipher, start) = rest.split_at(policy.cipher_key());
        Self {
            mode,
            sign: hmac::Key::new(hmac::HMAC_SHA256, sign),
            cipher: cipher.to_vec(),
            start: start.try_into().expect("it was asked for with a block at its end"),
        }
    }

    /// Octets of a chunk's content when the chunk has `chunk` in all and `head` of them before.
    pub fn room(&self, chunk: usize, head: usize) -> usize {
        let rest = chunk.saturating_sub(head);
        match self.mode {
            Mode::SignAndEncrypt => (rest - rest % BLOCK).saturating_sub(SIGNATURE + 1),
            _ => rest.saturating_sub(SIGNATURE),
        }
    }

    /// A chunk: its head, with its length put in, and its content protected.
    pub fn seal(&self, head: &[u8], plain: &[u8]) -> Vec<u8> {
        let encrypts = self.mode == Mode::SignAndEncrypt;
        let content =
            if encrypts { padded(plain, (SIGNATURE, BLOCK, BLOCK)) } else { plain.to_vec() };
        let mut message = with_length(head, head.len() + content.len() + SIGNATURE);
        message.extend(content);
        let signature = hmac::sign(&self.sign, &message);
        message.extend(signature.as_ref());
        if encrypts {
            self.cipher(&mut message[head.len()..], true);
        }
        message
    }

    /// The content of a chunk that the other side sealed.
    pub fn open(&self, head: &[u8], mut sealed: Vec<u8>) -> io::Result<Vec<u8>> {
        let encrypts = self.mode == Mode::SignAndEncrypt;
        if encrypts {
            if !sealed.len().is_multiple_of(BLOCK) {
                return Err(forged());
            }
            self.cipher(&mut sealed, false);
        }
        let length = sealed.len().checked_sub(SIGNATURE).ok_or_else(forged)?;
        let (content, signature) = sealed.split_at(length);
        let signed = [head, content].concat();
        hmac::verify(&self.sign, &signed, signature).map_err(|_| forged())?;
        if encrypts { unpadded(content, BLOCK) } else { Ok(content.to_vec()) }
    }

    /// Each message begins with the same vector (6.7.2.5): it has a number of its own inside.
    fn cipher(&self, blocks: &mut [u8], encrypt: bool) {
        let (key, start) = (&self.cipher[..], &self.start[..]);
        let fits = "a policy's key has the length of its cipher's";
        match (self.cipher.len(), encrypt) {
            (16, true) => {
                let cipher = cbc::Encryptor::<aes::Aes128>::new_from_slices(key, start);
                encrypt_all(cipher.expect(fits), blocks);
            }
            (16, false) => {
                let cipher = cbc::Decryptor::<aes::Aes128>::new_from_slices(key, start);
                decrypt_all(cipher.expect(fits), blocks);
            }
            (_, true) => {
                let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(key, start);
                encrypt_all(cipher.expect(fits), blocks);
            }
            (_, false) => {
                let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(key, start);
                decrypt_all(cipher.expect(fits), blocks);
            }
        }
    }
}

fn encrypt_all(mut cipher: impl BlockEncryptMut, blocks: &mut [u8]) {
    for block in blocks.chunks_exact_mut(BLOCK) {
        cipher.encrypt_block_mut(GenericArray::from_mut_slice(block));
    }
}

fn decrypt_all(mut cipher: impl BlockDecryptMut, blocks: &mut [u8]) {
    for block in blocks.chunks_exact_mut(BLOCK) {
        cipher.decrypt_block_mut(GenericArray::from_mut_slice(block));
    }
}

/// P_SHA256 of RFC 5246, section 5.
fn p_sha256(secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let (mut stream, mut round) = (Vec::new(), hmac::sign(&key, seed));
    while stream.len() < length {
        stream.extend(hmac::sign(&key, &[round.as_ref(), seed].concat()).as_ref());
        round = hmac::sign(&key, round.as_ref());
    }
    stream.truncate(length);
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector for P_SHA256 that is used with TLS 1.2, its label and seed joined.
    #[test]
    fn keys_are_derived_as_in_tls() {
        let secret = 0x9bbe_436b_a940_f017_b176_5284_9a71_db35_u128.to_be_bytes();
        let mut seed = b"test label".to_vec();
        seed.extend(0xa0ba_9f93_6cda_3118_27a6_f796_ffd5_198c_u128.to_be_bytes());
        let expected = 0xe3f2_29ba_727b_e17b_8d12_2620_557c_d453_u128.to_be_bytes();
        assert_eq!(p_sha256(&secret, &seed, 16), expected);
    }

    #[test]
    fn a_sealed_message_opens_and_a_changed_octet_is_found() {
        for policy in &Policy::ALL[1..] {
            for mode in [Mode::Sign, Mode::SignAndEncrypt] {
                let keys = Keys::derive(*policy, mode, &[1; 32], &[2; 32]);
                let head = *b"MSGF\0\0\0\0abcdefgh";
                for length in [0, 1, 15, 16, 300] {
                    let sealed = keys.seal(&head, &vec![9; length]);
                    assert_eq!(sealed[4..8], u32::try_from(sealed.len()).unwrap().to_le_bytes());
                    let (head, body) = sealed.split_at(head.len());
                    assert_eq!(keys.open(head, body.to_vec()).unwrap(), vec![9; length]);
                    for at in 0..sealed.len() {
                        let mut changed = sealed.clone();
                        changed[at] ^= 1;
                        let (head, body) = changed.split_at(16);
                        assert!(keys.open(head, body.to_vec()).is_err(), "octet {at}");
                    }
                    assert!(keys.open(head, body[..body.len() / 2].to_vec()).is_err());
                }
                let room = keys.room(8_192, 16);
                assert!(keys.seal(&head, &vec![0; room]).len() <= 8_192);
                assert!(keys.seal(&head, &vec![0; room + BLOCK]).len() > 8_192);
            }
        }
    }
}
