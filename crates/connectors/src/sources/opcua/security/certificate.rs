//! A certificate of an application or a user (OPC 10000-6, 6.2), and what its public key does.
//!
//! Not here: whether it is trusted. Invariant: its key is RSA of 2048 to 4096 bits, as all policies
//! that are known demand (OPC 10000-7, 6.6).

use super::{Policy, forged};
use model::Time;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use rsa::{PublicKey, pkcs1::DecodeRsaPublicKey, traits::PublicKeyParts};
use sha1::{Digest, Sha1};
use std::io;
use vault::Sha256;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

#[derive(Clone, Debug)]
pub struct Certificate {
    pub der: Vec<u8>,
    /// The application it is of, where it says that.
    pub uri: Option<String>,
    pub from: Time,
    pub until: Time,
    public: PublicKey,
    /// As PKCS #1 writes it.
    key: Vec<u8>,
}

impl Certificate {
    /// The first certificate of a chain: the others are of its issuers.
    pub fn parse(chain: &[u8]) -> io::Result<Self> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let (rest, parsed) = X509Certificate::from_der(chain)
            .map_err(|_| wrong("the certificate cannot be read"))?;
        let der = chain[..chain.len() - rest.len()].to_vec();
        let key = parsed.public_key().subject_public_key.data.to_vec();
        let public = PublicKey::from_pkcs1_der(&key)
            .map_err(|_| wrong("the certificate's key is not RSA of 2048 to 4096 bits"))?;
        if !(256..=512).contains(&public.size()) {
            return Err(wrong("the certificate's key is not RSA of 2048 to 4096 bits"));
        }
        let names = parsed.subject_alternative_name().ok().flatten();
        let uri = names.and_then(|names| {
            names.value.general_names.iter().find_map(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            })
        });
        let validity = parsed.validity();
        let from = Time::from_secs(validity.not_before.timestamp());
        let until = Time::from_secs(validity.not_after.timestamp());
        Ok(Self { der, uri, from, until, public, key })
    }

    pub fn fingerprint(&self) -> Sha256 {
        Sha256::of(&self.der)
    }

    /// What a message names it by (OPC 10000-6, 6.7.2.3).
    pub fn thumbprint(&self) -> [u8; 20] {
        Sha1::digest(&self.der).into()
    }

    /// Octets of its key, of a signature and of an encrypted block.
    pub fn key_bytes(&self) -> usize {
        self.public.size()
    }

    /// Octets that one encrypted block holds.
    pub fn block_bytes(&self, policy: Policy) -> usize {
        self.key_bytes() - policy.padding()
    }

    /// Encrypts for whoever has the key, block by block.
    pub fn encrypt(&self, policy: Policy, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut encrypted = Vec::new();
        for block in plain.chunks(self.block_bytes(policy)) {
            let block = match policy {
                Policy::Aes256Sha256RsaPss => self.public.oaep_encrypt::<sha2::Sha256>(block),
                _ => self.public.oaep_encrypt::<Sha1>(block),
            };
            encrypted.extend(block.map_err(io::Error::other)?);
        }
        Ok(encrypted)
    }

    /// Whether `signature` is of whoever has the key.
    pub fn verify(&self, policy: Policy, signed: &[u8], signature: &[u8]) -> io::Result<()> {
        let algorithm = match policy {
            Policy::Aes256Sha256RsaPss => &RSA_PSS_2048_8192_SHA256,
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.key);
        key.verify(signed, signature).map_err(|_| forged())
    }
}
