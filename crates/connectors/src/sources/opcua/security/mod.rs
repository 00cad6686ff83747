//! Security policies of OPC UA: which algorithms protect a channel (OPC 10000-7, 6.6), and what
//! they do (OPC 10000-6, 6.7).
//!
//! Three are known: Basic256Sha256, Aes128_Sha256_RsaOaep, Aes256_Sha256_RsaPss. The older ones
//! (Basic128Rsa15, Basic256) rest on SHA-1 signatures and are not spoken. Signing, its proof and
//! HMAC are ring's; RSA-OAEP, which that lacks, is the `rsa` crate's. Invariant: nothing that a
//! peer sent is used before its signature was found right.

mod certificate;
mod identity;
mod keys;
mod trust;

pub use certificate::Certificate;
pub use identity::{Identity, Signer};
pub use keys::{Keys, NONCE_BYTES};
pub use trust::{How, Trust};

use std::io;

/// In order of strength.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Policy {
    None,
    Aes128Sha256RsaOaep,
    Basic256Sha256,
    Aes256Sha256RsaPss,
}

const PREFIX: &str = "http://opcfoundation.org/UA/SecurityPolicy#";

impl Policy {
    pub const ALL: [Self; 4] =
        [Self::None, Self::Aes128Sha256RsaOaep, Self::Basic256Sha256, Self::Aes256Sha256RsaPss];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Aes128Sha256RsaOaep => "Aes128_Sha256_RsaOaep",
            Self::Basic256Sha256 => "Basic256Sha256",
            Self::Aes256Sha256RsaPss => "Aes256_Sha256_RsaPss",
        }
    }

    pub fn uri(self) -> String {
        format!("{PREFIX}{}", self.name())
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::of_name(uri.strip_prefix(PREFIX)?)
    }

    /// The algorithm of signatures, as it is named in a `SignatureData` (OPC 10000-4, 7.36).
    pub const fn signature_uri(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Aes256Sha256RsaPss => "http://opcfoundation.org/UA/security/rsa-pss-sha2-256",
            _ => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        }
    }

    /// The algorithm that encrypts a password (OPC 10000-4, 7.40.4).
    pub const fn encryption_uri(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Aes256Sha256RsaPss => "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256",
            _ => "http://www.w3.org/2001/04/xmlenc#rsa-oaep",
        }
    }

    /// Octets of a block that OAEP adds: two hashes and two.
    const fn padding(self) -> usize {
        match self {
            Self::Aes256Sha256RsaPss => 2 * 32 + 2,
            _ => 2 * 20 + 2,
        }
    }

    /// Octets of the key that encrypts a channel.
    const fn cipher_key(self) -> usize {
        if matches!(self, Self::Aes128Sha256RsaOaep) { 16 } else { 32 }
    }
}

/// How messages are protected (OPC 10000-4, 7.20), in order of strength.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mode {
    None = 1,
    Sign = 2,
    SignAndEncrypt = 3,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::None, Self::Sign, Self::SignAndEncrypt];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Sign => "Sign",
            Self::SignAndEncrypt => "SignAndEncrypt",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| *mode as u32 == number)
    }
}

/// What protects a channel: whose certificates, by which policy.
pub struct Protection {
    pub policy: Policy,
    pub mode: Mode,
    pub own: Identity,
    pub server: Certificate,
}

impl Protection {
    /// The rest of an opening, signed and encrypted: it is both in either mode (6.7.4). `head` is
    /// the message up to here without its length, which the result has at its place.
    pub fn seal(&self, head: &[u8], plain: &[u8]) -> io::Result<Vec<u8>> {
        let (key, block) = (self.server.key_bytes(), self.server.block_bytes(self.policy));
        let signature = self.own.signer.certificate.key_bytes();
        let padded = padded(plain, (signature, block, key));
        let blocks = (padded.len() + signature) / block;
        let mut message = with_length(head, head.len() + blocks * key);
        let start = message.len();
        message.extend(padded);
        let signature = self.own.signer.sign(self.policy, &message)?;
        message.extend(signature);
        let encrypted = self.server.encrypt(self.policy, &message[start..])?;
        message.truncate(start);
        message.extend(encrypted);
        Ok(message)
    }

    /// What stands in the rest of an answer to an opening.
    pub fn open(&self, head: &[u8], sealed: &[u8]) -> io::Result<Vec<u8>> {
        let plain = self.own.decrypt(self.policy, sealed)?;
        let length = plain.len().checked_sub(self.server.key_bytes()).ok_or_else(forged)?;
        let (content, signature) = plain.split_at(length);
        self.server.verify(self.policy, &[head, content].concat(), signature)?;
        unpadded(content, self.own.signer.certificate.key_bytes())
    }
}

/// `plain` with what fills it up to whole blocks together with its signature (6.7.2.5). The octet
/// that says how much is there again where blocks of the key are longer than 256.
fn padded(plain: &[u8], (signature, block, key): (usize, usize, usize)) -> Vec<u8> {
    let extra = usize::from(key > 256);
    let over = (plain.len() + 1 + extra + signature) % block;
    let filling = if over == 0 { 0 } else { block - over };
    let [low, high, ..] = filling.to_le_bytes();
    let mut padded = plain.to_vec();
    padded.resize(plain.len() + 1 + filling, low);
    padded.extend(std::iter::repeat_n(high, extra));
    padded
}

/// Without the filling; `key` are the octets of the blocks it came in.
fn unpadded(content: &[u8], key: usize) -> io::Result<Vec<u8>> {
    let extra = usize::from(key > 256);
    let at = |back: usize| content.len().checked_sub(back).and_then(|at| content.get(at));
    let high = if extra == 1 { usize::from(*at(1).ok_or_else(forged)?) } else { 0 };
    let low = usize::from(*at(1 + extra).ok_or_else(forged)?);
    let filling = high << 8 | low;
    // A block that is all filling and signature has no octet of the message.
    let length = content.len().checked_sub(filling + 1 + extra).ok_or_else(forged)?;
    Ok(content[..length].to_vec())
}

/// A header whose octets 4 to 8 are the message's length.
fn with_length(head: &[u8], length: usize) -> Vec<u8> {
    let mut message = head.to_vec();
    let length = u32::try_from(length).expect("requests are short").to_le_bytes();
    message[4..8].copy_from_slice(&length);
    message
}

/// What fails a check may be damaged or of somebody else; nothing in it tells which.
fn forged() -> io::Error {
    let text = "a message does not have the server's signature: it was damaged or changed on \
                the way";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_makes_whole_blocks_and_comes_off_again() {
        for length in 0..70 {
            for (signature, block, key) in [(32, 16, 16), (256, 214, 256), (256, 446, 512)] {
                let plain = vec![7; length];
                let padded = padded(&plain, (signature, block, key));
                assert_eq!((padded.len() + signature) % block, 0);
                assert_eq!(unpadded(&padded, key).unwrap(), plain);
            }
        }
        assert!(unpadded(&[], 16).is_err());
        assert!(unpadded(&[5, 5, 5], 16).is_err());
    }

    #[test]
    fn policies_have_their_names_and_the_older_ones_are_not_known() {
        let uri = "http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss";
        assert_eq!(Policy::of_uri(uri), Some(Policy::Aes256Sha256RsaPss));
        assert_eq!(Policy::Aes256Sha256RsaPss.uri(), uri);
        for old in ["Basic256", "Basic128Rsa15", ""] {
            assert_eq!(Policy::of_uri(&format!("{PREFIX}{old}")), None);
        }
        assert!(Policy::Aes256Sha256RsaPss > Policy::Basic256Sha256);
        assert!(Policy::Basic256Sha256 > Policy::Aes128Sha256RsaOaep);
    }
}
