//! A local certificate authority and the server's certificate, made at first start.
//!
//! Not here: listening. Invariant: keys are readable by their owner alone; the certificate is made
//! anew before it runs out and whenever the names it is for change.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::{
    fs,
    io::Write,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use time::{Duration, OffsetDateTime};

const CA_DAYS: i64 = 3_650;
const SERVER_DAYS: i64 = 90;
/// Made anew when less is left.
const RENEW_DAYS: i64 = 30;

#[derive(thiserror::Error, Debug)]
pub enum TlsError {
    #[error("cannot write {}: {source}; let this user write there", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(
        "cannot read {}: {reason}; move the directory it is in away to have new ones made",
        path.display()
    )]
    Read { path: PathBuf, reason: String },
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot use the certificate: {0}")]
    Use(#[from] rustls::Error),
}

/// The files of the authority and the server, in `tls` below the data directory.
pub struct Certificates {
    folder: PathBuf,
    names: Vec<String>,
}

impl Certificates {
    /// For a server that listens on `listen` and is also reached by `names`.
    pub fn new(data: &Path, listen: SocketAddr, names: &[String]) -> Self {
        let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if !listen.ip().is_unspecified() {
            all.push(listen.ip().to_string());
        }
        all.extend(hostname());
        all.extend(names.iter().cloned());
        all.sort();
        all.dedup();
        Certificates { folder: data.join("tls"), names: all }
    }

    /// What a browser or the command line has to trust.
    pub fn authority_path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Makes what is missing, stale or for other names; says whether anything was made.
    pub fn ensure(&self) -> Result<bool, TlsError> {
        self.make_folder()?;
        let authority = self.authority_path();
        let mut made = false;
        if !authority.exists() {
            self.make_authority()?;
            made = true;
        }
        if made || !self.is_good() {
            self.make_server()?;
            made = true;
        }
        Ok(made)
    }

    /// How rustls shall serve: TLS 1.2 and 1.3, HTTP/2 and 1.1.
    pub fn config(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        self.config_asking(rustls::server::WebPkiClientVerifier::no_client_auth())
    }

    /// The same, with what is asked of clients.
    pub fn config_asking(
        &self,
        clients: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    ) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
        let (certificate, key) = (self.folder.join("server.pem"), self.folder.join("server.key"));
        let chain = CertificateDer::pem_file_iter(&certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| TlsError::Read { path: certificate, reason: e.to_string() })?;
        let key = PrivateKeyDer::from_pem_file(&key)
            .map_err(|e| TlsError::Read { path: key, reason: e.to_string() })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn make_folder(&self) -> Result<(), TlsError> {
        let fail = |source| TlsError::Write { path: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(fail)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&self.folder, private).map_err(fail)?;
        }
        Ok(())
    }

    fn make_authority(&self) -> Result<(), TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        let who = hostname().unwrap_or_else(|| "this machine".to_owned());
        params.distinguished_name.push(DnType::CommonName, format!("Spandrel local CA on {who}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, CA_DAYS);
        let certificate = params.self_signed(&key)?;
        self.write("ca.key", &key.serialize_pem())?;
        self.write("ca.pem", &certificate.pem())
    }

    fn make_server(&self) -> Result<(), TlsError> {
        let ca_key = KeyPair::from_pem(&self.read("ca.key")?)?;
        let issuer = Issuer::from_ca_cert_pem(&self.read("ca.pem")?, ca_key)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(self.names.clone())?;
        params.distinguished_name.push(DnType::CommonName, "Spandrel");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, SERVER_DAYS);
        let certificate = params.signed_by(&key, &issuer)?;
        self.write("server.key", &key.serialize_pem())?;
        self.write("server.pem", &certificate.pem())
    }

    /// Is the server's certificate for our names, and good for a while?
    fn is_good(&self) -> bool {
        use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
        let Ok(text) = fs::read(self.folder.join("server.pem")) else { return false };
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&text) else { return false };
        let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
        let until = certificate.validity().not_after.timestamp();
        let left = until - OffsetDateTime::now_utc().unix_timestamp();
        if left < RENEW_DAYS * 86_400 || !self.folder.join("server.key").exists() {
            return false;
        }
        let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return false };
        let mut found: Vec<String> = alternatives
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
                _ => None,
            })
            .collect();
        found.sort();
        found == self.names
    }

    fn read(&self, name: &str) -> Result<String, TlsError> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).map_err(|e| TlsError::Read { path, reason: e.to_string() })
    }

    /// Whole or not at all: written beside, then renamed.
    fn write(&self, name: &str, text: &str) -> Result<(), TlsError> {
        let path = self.folder.join(name);
        let beside = self.folder.join(format!("{name}.new"));
        let write = || -> std::io::Result<()> {
            let mut options = fs::File::options();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                // What a browser must trust is no secret; keys are.
                options.mode(if name.ends_with(".key") { 0o600 } else { 0o644 });
            }
            let mut file = options.open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|source| TlsError::Write { path: path.clone(), source })
    }
}

/// A certificate that its owner made, with its key, as PEM; and the hash it is known by.
pub fn self_made_identity(name: &str) -> Result<(String, Vec<u8>), TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    set_validity(&mut params, CA_DAYS);
    let certificate = params.self_signed(&key)?;
    let text = format!("{}{}", certificate.pem(), key.serialize_pem());
    Ok((text, certificate.der().to_vec()))
}

fn set_validity(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    // A day back: plants have clocks that are slow.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(days);
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: SocketAddr =
        SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1)), 8443);

    #[test]
    fn certificate_is_made_once_and_again_for_other_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        assert!(certificates.ensure().expect("made"));
        assert!(!certificates.ensure().expect("kept"));
        let authority = fs::read(certificates.authority_path()).expect("a file");
        let more = Certificates::new(dir.path(), LISTEN, &["plant.example".to_owned()]);
        assert!(more.ensure().expect("made again"));
        assert_eq!(fs::read(more.authority_path()).expect("a file"), authority);
        more.config().expect("rustls takes it");
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        Certificates::new(dir.path(), LISTEN, &[]).ensure().expect("made");
        for name in ["ca.key", "server.key"] {
            let mode = fs::metadata(dir.path().join("tls").join(name)).expect("a file");
            assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn damaged_certificate_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure().expect("made");
        fs::write(dir.path().join("tls/server.pem"), "garbage").expect("written");
        assert!(certificates.ensure().expect("made again"));
        certificates.config().expect("rustls takes it");
    }
}
