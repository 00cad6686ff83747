//! Signed notes (C2SP signed-note) with Ed25519 keys, and the checkpoints in them (C2SP
//! tlog-checkpoint), with the cosignatures of witnesses (C2SP tlog-cosignature).
//!
//! Invariant: a [`Checkpoint`] comes out of [`Checkpoint::open`] only with a valid signature of
//! the log's own key; a witness counts only when its cosignature verifies.

use crate::digest::Sha256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;

/// Signature types of C2SP signed-note.
const ED25519_NOTE: u8 = 0x01;
const ED25519_COSIGNATURE: u8 = 0x04;

/// A private Ed25519 key with the name it signs under.
pub struct Signer {
    name: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        Self { name: name.to_owned(), pair }
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        let key = self.pair.public_key().as_ref().try_into().expect("Ed25519 keys have 32 bytes");
        VerifyingKey { name: self.name.clone(), key }
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("Ed25519 signatures have 64 bytes")
    }
}

/// A public key with its name. Prints and parses as a C2SP verifier key: `name+id+base64`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyingKey {
    pub name: String,
    key: [u8; 32],
}

impl VerifyingKey {
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let bytes = STANDARD.decode(key).ok()?;
        let (&[kind], key) = bytes.split_first_chunk::<1>()?;
        let key = Self { name: name.to_owned(), key: key.try_into().ok()? };
        let known = [ED25519_NOTE, ED25519_COSIGNATURE].contains(&kind);
        (known && id == hex(&key.id(kind))).then_some(key)
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }

    /// The 32 bytes of the key (RFC 8032).
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// First four bytes of SHA-256(name, newline, type, key).
    fn id(&self, kind: u8) -> [u8; 4] {
        let hash = Sha256::of_parts(&[self.name.as_bytes(), b"\n", &[kind], &self.key]);
        [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519_NOTE];
        bytes.extend_from_slice(&self.key);
        write!(f, "{}+{}+{}", self.name, hex(&self.id(ED25519_NOTE)), STANDARD.encode(bytes))
    }
}

/// The state of a log at one size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Sha256,
}

impl Checkpoint {
    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let size_number: u64 = size.parse().ok()?;
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let spelled_once = size_number.to_string() == size;
        spelled_once.then(|| Self {
            origin: origin.to_owned(),
            size: size_number,
            root: Sha256(root),
        })
    }

    /// The note, signed by the log.
    pub fn sign(&self, signer: &Signer) -> String {
        let body = self.body();
        let signature = signer.sign(body.as_bytes());
        let id = signer.verifying_key().id(ED25519_NOTE);
        format!("{body}\n{}", line(&signer.name, &[&id, &signature]))
    }

    /// Reads a note and checks the signature of `log`.
    pub fn open(note: &str, log: &VerifyingKey) -> Result<Self, &'static str> {
        let (body, signatures) = parts(note).ok_or("it is not a signed note")?;
        let checkpoint = Self::parse(body).ok_or("it is not a checkpoint")?;
        if checkpoint.origin != log.name {
            return Err("it is of another log");
        }
        let id = log.id(ED25519_NOTE);
        let signed = signatures_of(signatures, &log.name)
            .any(|s| s.strip_prefix(&id).is_some_and(|s| log.verifies(body.as_bytes(), s)));
        signed.then_some(checkpoint).ok_or("its signature is not of this log's key")
    }

    /// What `log` signed of a note, and its signature of 64 bytes.
    pub fn signature_of(note: &str, log: &VerifyingKey) -> Option<(Vec<u8>, Vec<u8>)> {
        let (body, signatures) = parts(note)?;
        let id = log.id(ED25519_NOTE);
        let signature = signatures_of(signatures, &log.name).find_map(|bytes| {
            let signature = bytes.strip_prefix(&id)?;
            log.verifies(body.as_bytes(), signature).then(|| signature.to_vec())
        })?;
        Some((body.as_bytes().to_vec(), signature))
    }

    /// What `witness` signed of a note, and its signature.
    pub fn cosignature_of(note: &str, witness: &VerifyingKey) -> Option<(Vec<u8>, Vec<u8>)> {
        let (body, signatures) = parts(note)?;
        let id = witness.id(ED25519_COSIGNATURE);
        signatures_of(signatures, &witness.name).find_map(|bytes| {
            let (time, signature) = bytes.strip_prefix(&id)?.split_first_chunk::<8>()?;
            let text = cosigned(body, u64::from_be_bytes(*time));
            witness.verifies(&text, signature).then(|| (text, signature.to_vec()))
        })
    }

    /// Adds the cosignature of `witness` to a note, at a time in seconds since 1970.
    pub fn cosign(note: &str, witness: &Signer, unix_secs: u64) -> Option<String> {
        let (body, _) = parts(note)?;
        let signature = witness.sign(&cosigned(body, unix_secs));
        let id = witness.verifying_key().id(ED25519_COSIGNATURE);
        let added = line(&witness.name, &[&id, &unix_secs.to_be_bytes(), &signature]);
        Some(format!("{note}{added}"))
    }

    /// When `witness` cosigned this note, in seconds since 1970.
    pub fn cosigned_by(note: &str, witness: &VerifyingKey) -> Option<u64> {
        let (body, signatures) = parts(note)?;
        let id = witness.id(ED25519_COSIGNATURE);
        signatures_of(signatures, &witness.name).find_map(|bytes| {
            let (time, signature) = bytes.strip_prefix(&id)?.split_first_chunk::<8>()?;
            let unix_secs = u64::from_be_bytes(*time);
            witness.verifies(&cosigned(body, unix_secs), signature).then_some(unix_secs)
        })
    }
}

/// What a witness signs (C2SP tlog-cosignature, `cosignature/v1`).
fn cosigned(body: &str, unix_secs: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix_secs}\n{body}").into_bytes()
}

/// Text with its last newline, and the signature lines.
fn parts(note: &str) -> Option<(&str, &str)> {
    let at = note.rfind("\n\n")?;
    let signatures = note.get(at + 2..)?;
    signatures.ends_with('\n').then_some((note.get(..at + 1)?, signatures))
}

fn line(name: &str, parts: &[&[u8]]) -> String {
    format!("\u{2014} {name} {}\n", STANDARD.encode(parts.concat()))
}

fn signatures_of<'a>(lines: &'a str, name: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
    lines.lines().filter_map(move |line| {
        let (found, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        if found != name {
            return None;
        }
        STANDARD.decode(encoded).ok()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (Signer, Checkpoint, String) {
        let signer = Signer::from_seed("vault.example/1", &[7; 32]);
        let origin = "vault.example/1".to_owned();
        let checkpoint = Checkpoint { origin, size: 3, root: Sha256::of(b"root") };
        let note = checkpoint.sign(&signer);
        (signer, checkpoint, note)
    }

    /// The key and signature of the signed-note specification's example (also Go's
    /// golang.org/x/mod/sumdb/note).
    #[test]
    fn the_published_example_verifies() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = VerifyingKey::parse(key).expect("a verifier key");
        assert_eq!(key.id(ED25519_NOTE), [0xc7, 0x4f, 0x20, 0xa3]);
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg\
                         KvqfqdngotpRZb6KE6RyyBwJnAM=";
        let bytes = STANDARD.decode(signature).unwrap();
        let signature = bytes.strip_prefix(&key.id(ED25519_NOTE)).expect("the key's id");
        assert!(key.verifies(text.as_bytes(), signature));
        assert_eq!(VerifyingKey::parse(&key.to_string()), Some(key));
    }

    #[test]
    fn a_checkpoint_opens_with_its_key_alone_and_after_no_change_of_a_byte() {
        let (signer, checkpoint, note) = signed();
        let key = signer.verifying_key();
        assert_eq!(Checkpoint::open(&note, &key), Ok(checkpoint));
        let other = Signer::from_seed("vault.example/1", &[8; 32]).verifying_key();
        assert!(Checkpoint::open(&note, &other).is_err());
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Checkpoint::open(&changed, &key).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_witness_is_believed_only_with_its_own_signature() {
        let (signer, _, note) = signed();
        let witness = Signer::from_seed("site-b", &[9; 32]);
        let both = Checkpoint::cosign(&note, &witness, 1_700_000_000).unwrap();
        let found = Checkpoint::cosigned_by(&both, &witness.verifying_key());
        assert_eq!(found, Some(1_700_000_000));
        assert!(Checkpoint::open(&both, &signer.verifying_key()).is_ok());
        assert_eq!(Checkpoint::cosigned_by(&note, &witness.verifying_key()), None);
        let stranger = Signer::from_seed("site-b", &[10; 32]).verifying_key();
        assert_eq!(Checkpoint::cosigned_by(&both, &stranger), None);
    }
}
