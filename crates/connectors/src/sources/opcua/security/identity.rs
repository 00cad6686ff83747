//! Keys of our own: the application's, made here at first need, and a user's out of a file.
//!
//! The application's certificate signs itself (OPC 10000-6, 6.2.2), and names the installation by
//! an address of its own. It is valid from long ago, since clocks of plants are not to be relied
//! on. Invariant: a private key lies in a file that only its owner reads, and is in no message.

use super::{Certificate, Policy, forged};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use rsa::{
    PrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use sha1::Sha1;
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Mutex,
};
use vault::Sha256;

/// Bits of the key that is made: what every policy takes, and small servers are quick with.
const KEY_BITS: usize = 2_048;

/// Certificate and key in one file; the certificate alone, for the server to trust.
const OWN: &str = "own.pem";
const SHOWN: &str = "own.der";

/// Sources are read at the same time, and there is one certificate for all.
static MAKING: Mutex<()> = Mutex::new(());

/// Who can sign: a user, or a part of an application.
pub struct Signer {
    pub certificate: Certificate,
    pair: KeyPair,
}

impl Signer {
    /// A user's certificate (PEM or DER) and key (PEM).
    pub fn of_files(certificate: &Path, key: &Path) -> io::Result<Self> {
        let bytes = read(certificate)?;
        let bytes = match CertificateDer::from_pem_slice(&bytes) {
            Ok(der) => der.to_vec(),
            Err(_) => bytes,
        };
        let certificate =
            Certificate::parse(&bytes).map_err(|error| at(certificate, &error.to_string()))?;
        let pair = pair(&private(key)?).map_err(|error| at(key, &error.to_string()))?;
        Self::of(certificate, pair)
    }

    fn of(certificate: Certificate, pair: KeyPair) -> io::Result<Self> {
        // A key of another certificate would be found out by the server alone, which says little.
        let signer = Self { certificate, pair };
        let signature = signer.sign(Policy::Basic256Sha256, b"proof")?;
        let proof = signer.certificate.verify(Policy::Basic256Sha256, b"proof", &signature);
        proof.map_err(|_| io::Error::other("certificate and key do not belong together"))?;
        Ok(signer)
    }

    pub fn sign(&self, policy: Policy, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let how: &dyn RsaEncoding = match policy {
            Policy::Aes256Sha256RsaPss => &RSA_PSS_SHA256,
            _ => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = self.pair.sign(how, &SystemRandom::new(), bytes, &mut signature);
        signed.map_err(|_| io::Error::other("this machine's randomness failed"))?;
        Ok(signature)
    }
}

/// The application: it also decrypts what a server answers to an opening.
pub struct Identity {
    pub signer: Signer,
    key: PrivateKey,
    /// Where the certificate lies for others to see.
    pub shown: PathBuf,
}

impl Identity {
    /// The one that is kept in `folder`, made when there is none.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let own = folder.join(OWN);
        if !own.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            make(&own)?;
        }
        let bytes = private(&own)?;
        let der = CertificateDer::from_pem_slice(&bytes);
        let der = der.map_err(|_| at(&own, "it holds no certificate"))?;
        let certificate = Certificate::parse(&der).map_err(|e| at(&own, &e.to_string()))?;
        if certificate.uri.is_none() {
            return Err(at(&own, "the certificate names no application (a URI)"));
        }
        let signer = pair(&bytes).and_then(|pair| Signer::of(certificate, pair));
        let signer = signer.map_err(|error| at(&own, &error.to_string()))?;
        let key = match key_of(&bytes)? {
            PrivateKeyDer::Pkcs8(der) => {
                PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(io::Error::other)
            }
            PrivateKeyDer::Pkcs1(der) => {
                PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).map_err(io::Error::other)
            }
            _ => Err(no_key()),
        };
        let shown = folder.join(SHOWN);
        if fs::read(&shown).ok().as_ref() != Some(&signer.certificate.der) {
            fs::write(&shown, &signer.certificate.der)?;
        }
        Ok(Self { key: key.map_err(|error| at(&own, &error.to_string()))?, signer, shown })
    }

    /// The address the certificate has for the application.
    pub fn uri(&self) -> &str {
        self.signer.certificate.uri.as_deref().unwrap_or_default()
    }

    pub fn decrypt(&self, policy: Policy, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        for block in sealed.chunks(self.signer.certificate.key_bytes()) {
            let block = match policy {
                Policy::Aes256Sha256RsaPss => self.key.oaep_decrypt::<sha2::Sha256>(block),
                _ => self.key.oaep_decrypt::<Sha1>(block),
            };
            plain.extend(block.map_err(|_| forged())?);
        }
        Ok(plain)
    }
}

fn make(own: &Path) -> io::Result<()> {
    let mut random = getrandom::SysRng;
    let key = PrivateKey::new(&mut random, KEY_BITS).map_err(io::Error::other)?;
    let der = key.to_pkcs8_der().map_err(io::Error::other)?;
    let der = PrivatePkcs8KeyDer::from(der.as_bytes().to_vec());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256);
    let pair = pair.map_err(io::Error::other)?;
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let number = &Sha256::of(pair.public_key_pem().as_bytes()).to_string()[..16];
    let mut asked = CertificateParams::default();
    asked.distinguished_name.push(DnType::CommonName, format!("Spandrel backup at {host}"));
    let uri = format!("urn:spandrel:backup:{number}").try_into().expect("it is ASCII");
    asked.subject_alt_names = vec![SanType::URI(uri)];
    if let Ok(host) = host.try_into() {
        asked.subject_alt_names.push(SanType::DnsName(host));
    }
    asked.not_before = rcgen::date_time_ymd(2000, 1, 1);
    asked.not_after = rcgen::date_time_ymd(2049, 12, 31);
    asked.is_ca = IsCa::ExplicitNoCa;
    asked.use_authority_key_identifier_extension = true;
    asked.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::ContentCommitment,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DataEncipherment,
    ];
    asked.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = asked.self_signed(&pair).map_err(io::Error::other)?;
    let key = key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
    // Whole or not there: a backup may be killed at any moment.
    let new = own.with_extension("new");
    let mut file =
        fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(certificate.pem().as_bytes())?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, own)
}

/// A file with a private key: nobody else may read it.
fn private(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = read(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        return Err(at(path, "others may read it; chmod 600 it"));
    }
    Ok(bytes)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| at(path, &error.to_string()))
}

fn at(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

fn no_key() -> io::Error {
    io::Error::other("it holds no RSA key in PEM that is not encrypted")
}

fn key_of(pem: &[u8]) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| no_key())
}

fn pair(pem: &[u8]) -> io::Result<KeyPair> {
    match key_of(pem)? {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(no_key()),
    }
    .map_err(|why| io::Error::other(format!("the key is of no use: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_keeps_its_certificate_and_signs_and_decrypts_by_every_policy() {
        let folder = tempfile::tempdir().unwrap();
        let own = Identity::of(&folder.path().join("opcua")).unwrap();
        let certificate = &own.signer.certificate;
        assert!(own.uri().starts_with("urn:spandrel:backup:"), "{}", own.uri());
        assert_eq!(fs::read(&own.shown).unwrap(), certificate.der);
        for policy in &Policy::ALL[1..] {
            let signature = own.signer.sign(*policy, b"a message").unwrap();
            certificate.verify(*policy, b"a message", &signature).unwrap();
            assert!(certificate.verify(*policy, b"another", &signature).is_err());
            let plain = vec![3; 500];
            let sealed = certificate.encrypt(*policy, &plain).unwrap();
            assert_eq!(own.decrypt(*policy, &sealed).unwrap(), plain);
            assert!(own.decrypt(*policy, &sealed[1..]).is_err());
        }
        let again = Identity::of(&folder.path().join("opcua")).unwrap();
        assert_eq!(again.signer.certificate.der, certificate.der);
        let file = folder.path().join("opcua").join(OWN);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Identity::of(&folder.path().join("opcua")).err().unwrap().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
