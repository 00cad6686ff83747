//! A local certificate authority and the server's certificate, made at first start.
//!
//! A clock may be wrong by years when they are made, as it is without a battery, and right later;
//! so each is good from long before on, and none ends before this program was made. Not here:
//! listening. Invariant: keys are readable by their owner alone; the certificate is made anew
//! before it runs out, when it is not good yet, and whenever the names it is for change. The
//! authority keeps its key when its certificate is made anew, so who trusts the old one goes on
//! doing so until that ends, and is told to trust the new one meanwhile.

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

/// The authority's certificate from before it was made anew.
const BEFORE: &str = "ca.pem.before";
const CA_DAYS: i64 = 3_650;
/// Before that nothing of ours was made, whatever a clock says: 2020-01-01 and 2026-01-01.
const OURS_SINCE: i64 = 1_577_836_800;
const CLOCKS_SINCE: i64 = 1_767_225_600;
const SERVER_DAYS: i64 = 90;
/// A server's certificate is good since so many days: with those to come fewer than the 825 that
/// Apple's systems take of anyone.
const SERVER_DAYS_BACK: i64 = 365;
/// Made anew when less is left.
const RENEW_DAYS: i64 = 30;

#[derive(thiserror::Error, Debug)]
pub enum TlsError {
    #[error("cannot write {}: {reason}; let this user write there", path.display())]
    Write { path: PathBuf, reason: std::io::Error },
    #[error(
        "cannot read {}: {reason}; move the directory it is in away to have new ones made",
        path.display()
    )]
    Read { path: PathBuf, reason: String },
    #[error(
        "the server's certificate cannot be renewed before it ends: {}: {reason}; put it back from \
         a backup, or move the directory it is in away to have new ones made, which browsers and \
         agents have to trust anew",
        path.display()
    )]
    Authority { path: PathBuf, reason: String },
    #[error(
        "{} is there and ca.pem is not: put ca.pem back from a backup (the plan Control plane has \
         it); or move ca.key away to begin with a new authority, which browsers, sensors and \
         agents have to trust anew, and every agent has to be invited again",
        path.display()
    )]
    LoneKey { path: PathBuf },
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
        self.ensure_at(OffsetDateTime::now_utc())
    }

    fn ensure_at(&self, now: OffsetDateTime) -> Result<bool, TlsError> {
        // A clock that says less is wrong, and who calls has a better one.
        let now = now.max(at(CLOCKS_SINCE));
        self.make_folder()?;
        let mut made = false;
        if !self.is_there("ca.pem")? {
            if self.is_there("ca.key")? {
                return Err(TlsError::LoneKey { path: self.folder.join("ca.key") });
            }
            if self.is_there("server.pem")? {
                tracing::warn!(
                    folder = %self.folder.display(),
                    "the authority is gone and is made anew: browsers, sensors and agents have to \
                     trust the new one; to go on with the old one put the folder back from a backup"
                );
            }
            self.make_authority(&KeyPair::generate()?, now)?;
            made = true;
        } else if !self.authority_is_good(now) {
            let key = KeyPair::from_pem(&self.read("ca.key")?)?;
            self.write(BEFORE, &self.read("ca.pem")?)?;
            self.make_authority(&key, now)?;
            made = true;
        }
        if made || !self.is_good(now) {
            self.keep_foreign()?;
            if !made && self.config().is_err() {
                tracing::warn!(
                    folder = %self.folder.display(),
                    "the server's certificate or its key is gone, damaged or of another, and is \
                     made anew"
                );
            }
            self.make_server(now)?;
            made = true;
        }
        Ok(made)
    }

    /// What there is to do where the authority's certificate was made anew and the one before ends
    /// soon: whoever trusts that alone refuses the server from then on.
    pub fn replaced(&self) -> Option<String> {
        self.replaced_at(OffsetDateTime::now_utc())
    }

    fn replaced_at(&self, now: OffsetDateTime) -> Option<String> {
        let text = fs::read(self.folder.join(BEFORE)).ok()?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(&text).ok()?;
        let until = pem.parse_x509().ok()?.validity().not_after.timestamp();
        let left = until - now.unix_timestamp();
        // One that a clock years ahead took for ending goes on as long as it ever did.
        if !(0..SERVER_DAYS * 86_400).contains(&left) {
            return None;
        }
        let (day, path) = (at(until).date(), self.authority_path());
        Some(format!(
            "the authority's certificate was made anew, with the same key, as the one before ends \
             on {day}: have browsers, sensors and programs trust {} until then; with the old file \
             alone they refuse this server from that day on",
            path.display()
        ))
    }

    /// Whether the server's certificate can be renewed: the authority's key is there and is that of
    /// its certificate. Without it all goes well for months, until the server's certificate ends.
    pub fn check_authority(&self) -> Result<(), TlsError> {
        use x509_parser::prelude::{FromDer, X509Certificate};
        let unusable = |name: &str, reason: String| {
            let path = self.folder.join(name);
            TlsError::Authority { path, reason }
        };
        let read = |name: &str| {
            fs::read_to_string(self.folder.join(name)).map_err(|e| unusable(name, e.to_string()))
        };
        let key = KeyPair::from_pem(&read("ca.key")?)
            .map_err(|error| unusable("ca.key", error.to_string()))?;
        let text = read("ca.pem")?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes())
            .map_err(|error| unusable("ca.pem", error.to_string()))?;
        let (_, certificate) = X509Certificate::from_der(&pem.contents)
            .map_err(|error| unusable("ca.pem", error.to_string()))?;
        if certificate.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(unusable("ca.key", "it is not the key of ca.pem".to_owned()));
        }
        Ok(())
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

    fn is_there(&self, name: &str) -> Result<bool, TlsError> {
        let path = self.folder.join(name);
        path.try_exists().map_err(|e| TlsError::Read { path, reason: e.to_string() })
    }

    /// Puts aside a server's certificate, and its key, that another authority signed: somebody put
    /// it there, and may have no other copy.
    fn keep_foreign(&self) -> Result<(), TlsError> {
        if !self.is_foreign() {
            return Ok(());
        }
        // The key first: what is left is still foreign if this is cut short.
        for name in ["server.key", "server.pem"] {
            let path = self.folder.join(name);
            match fs::rename(&path, self.folder.join(format!("{name}.foreign"))) {
                Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => {
                    return Err(TlsError::Write { path, reason });
                }
                _ => {}
            }
        }
        tracing::warn!(
            folder = %self.folder.display(),
            "server.pem is of another authority, for other names or about to end: one of the local \
             authority takes its place, and it is kept as server.pem.foreign with its key"
        );
        Ok(())
    }

    /// Did another than the authority of this folder sign the server's certificate?
    fn is_foreign(&self) -> bool {
        let read = |name: &str, issuer: bool| {
            let text = fs::read(self.folder.join(name)).ok()?;
            let (_, pem) = x509_parser::pem::parse_x509_pem(&text).ok()?;
            let certificate = pem.parse_x509().ok()?;
            let name = if issuer { certificate.issuer() } else { certificate.subject() };
            Some(name.as_raw().to_vec())
        };
        let (signer, authority) = (read("server.pem", true), read("ca.pem", false));
        signer.is_some() && authority.is_some() && signer != authority
    }

    fn make_folder(&self) -> Result<(), TlsError> {
        let fail = |reason| TlsError::Write { path: self.folder.clone(), reason };
        fs::create_dir_all(&self.folder).map_err(fail)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&self.folder, private).map_err(fail)?;
        }
        Ok(())
    }

    fn make_authority(&self, key: &KeyPair, now: OffsetDateTime) -> Result<(), TlsError> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        let who = hostname().unwrap_or_else(|| "this machine".to_owned());
        params.distinguished_name.push(DnType::CommonName, format!("Spandrel local CA on {who}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now);
        let certificate = params.self_signed(key)?;
        self.write("ca.key", &key.serialize_pem())?;
        self.write("ca.pem", &certificate.pem())
    }

    fn make_server(&self, now: OffsetDateTime) -> Result<(), TlsError> {
        let ca_key = KeyPair::from_pem(&self.read("ca.key")?)?;
        let issuer = Issuer::from_ca_cert_pem(&self.read("ca.pem")?, ca_key)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(self.names.clone())?;
        params.distinguished_name.push(DnType::CommonName, "Spandrel");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = now - Duration::days(SERVER_DAYS_BACK);
        params.not_after = now + Duration::days(SERVER_DAYS);
        let certificate = params.signed_by(&key, &issuer)?;
        self.write("server.key", &key.serialize_pem())?;
        self.write("server.pem", &certificate.pem())
    }

    /// Is the authority's certificate good for longer than a server's? What cannot be read is left
    /// alone: to use it says why.
    fn authority_is_good(&self, now: OffsetDateTime) -> bool {
        let Ok(text) = fs::read(self.authority_path()) else { return true };
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&text) else { return true };
        let Ok(certificate) = pem.parse_x509() else { return true };
        is_good_for(&certificate, SERVER_DAYS, now)
    }

    /// Is the server's certificate for our names, and good for a while?
    fn is_good(&self, now: OffsetDateTime) -> bool {
        use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
        let Ok(text) = fs::read(self.folder.join("server.pem")) else { return false };
        let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&text) else { return false };
        let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
        if !is_good_for(&certificate, RENEW_DAYS, now) || !self.folder.join("server.key").exists() {
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
        // A key that cannot be read, or is of another certificate, is made anew as well: what
        // others trust is the authority, and that stays.
        found == self.names && self.config().is_ok()
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
        write().map_err(|reason| TlsError::Write { path: path.clone(), reason })
    }
}

/// A certificate that its owner made, with its key, as PEM; and the hash it is known by.
pub fn self_made_identity(name: &str) -> Result<(String, Vec<u8>), TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    set_validity(&mut params, OffsetDateTime::now_utc());
    let certificate = params.self_signed(&key)?;
    let text = format!("{}{}", certificate.pem(), key.serialize_pem());
    Ok((text, certificate.der().to_vec()))
}

/// Since ever, and long after the later of now and when this program was made.
fn set_validity(params: &mut CertificateParams, now: OffsetDateTime) {
    params.not_before = at(OURS_SINCE);
    params.not_after = now.max(at(CLOCKS_SINCE)) + Duration::days(CA_DAYS);
}

fn at(secs: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(secs).expect("a year that has been")
}

fn is_good_for(
    certificate: &x509_parser::prelude::X509Certificate<'_>,
    days: i64,
    now: OffsetDateTime,
) -> bool {
    let (validity, now) = (certificate.validity(), now.unix_timestamp());
    validity.not_before.timestamp() <= now && validity.not_after.timestamp() - now >= days * 86_400
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

    #[test]
    fn a_key_that_is_lost_damaged_or_of_another_is_made_anew_and_the_authority_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure().expect("made");
        let authority = fs::read(certificates.authority_path()).expect("a file");
        let other = KeyPair::generate().expect("a key").serialize_pem();
        for key in ["", "junk", &other] {
            fs::write(dir.path().join("tls/server.key"), key).expect("room");
            assert!(certificates.ensure().expect("made anew"), "{key}");
            certificates.config().expect("rustls takes it");
            assert!(!certificates.ensure().expect("kept"));
        }
        assert_eq!(fs::read(certificates.authority_path()).expect("a file"), authority);
    }

    /// From when to when a certificate is good, and its authority's key.
    fn validity(dir: &Path, name: &str) -> (i64, i64, Vec<u8>) {
        let text = fs::read(dir.join("tls").join(name)).expect("a file");
        let (_, pem) = x509_parser::pem::parse_x509_pem(&text).expect("PEM");
        let certificate = pem.parse_x509().expect("a certificate");
        let validity = certificate.validity();
        let key = certificate.public_key().raw.to_vec();
        (validity.not_before.timestamp(), validity.not_after.timestamp(), key)
    }

    fn day(days: i64) -> OffsetDateTime {
        at(CLOCKS_SINCE) + Duration::days(days)
    }

    #[test]
    fn what_was_made_by_a_wrong_clock_is_good_once_it_is_right() {
        let right = day(300);
        for wrong in [day(301), day(330), day(300 + 4_000), day(-20_000), day(-400)] {
            let dir = tempfile::tempdir().expect("a directory");
            let certificates = Certificates::new(dir.path(), LISTEN, &[]);
            assert!(certificates.ensure_at(wrong).expect("made"));
            assert!(!certificates.ensure_at(wrong).expect("kept"), "by the same clock, {wrong}");
            certificates.ensure_at(right).expect("made anew where it has to be");
            assert!(!certificates.ensure_at(right).expect("kept"), "made at {wrong}");
            for name in ["ca.pem", "server.pem"] {
                let (from, until, _) = validity(dir.path(), name);
                let now = right.unix_timestamp();
                assert!(from < now && now + 86_400 < until, "{name} of {wrong}: {from}..{until}");
            }
            let (from, until, _) = validity(dir.path(), "server.pem");
            assert!(until - from < 825 * 86_400, "longer than browsers take");
        }
    }

    #[test]
    fn a_clock_a_month_ahead_costs_no_new_certificate() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure_at(day(330)).expect("made");
        assert!(!certificates.ensure_at(day(300)).expect("kept"));
    }

    #[test]
    fn an_authority_that_ends_keeps_its_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure_at(day(1)).expect("made");
        let (_, until, key) = validity(dir.path(), "ca.pem");
        assert_eq!(certificates.replaced_at(day(CA_DAYS - 60)), None);
        assert!(certificates.ensure_at(day(CA_DAYS - 60)).expect("made anew"));
        let told = |now| {
            certificates.replaced_at(day(now)).is_some_and(|says| {
                says.contains("tls/ca.pem until then")
                    && says.contains(&at(until).date().to_string())
            })
        };
        assert!(told(CA_DAYS - 60) && told(CA_DAYS) && !told(CA_DAYS + 2), "until it has ended");
        assert!(!told(300), "a clock that was ahead, and is right again");
        assert!(!certificates.ensure_at(day(CA_DAYS - 10)).expect("kept"));
        let (_, later, same) = validity(dir.path(), "ca.pem");
        assert!(later > until && same == key, "who trusts it goes on doing so");
        certificates.config().expect("rustls takes it");
        // One that an earlier version made, good only from a time that has not come.
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        (params.not_before, params.not_after) = (day(900), day(4_000));
        let pair = KeyPair::from_pem(&certificates.read("ca.key").expect("a key")).expect("a key");
        let early = params.self_signed(&pair).expect("made");
        certificates.write("ca.pem", &early.pem()).expect("written");
        assert!(certificates.ensure_at(day(300)).expect("made anew"));
        let (from, _, same) = validity(dir.path(), "ca.pem");
        assert!(from <= day(300).unix_timestamp() && same == key);
    }

    #[test]
    fn an_authority_whose_key_is_lost_is_told_of_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure().expect("made");
        let key = dir.path().join("tls/ca.key");
        let good = fs::read(&key).expect("a file");
        let refused = || {
            assert!(!certificates.ensure().expect("it serves on"), "and nothing is made anew");
            certificates.check_authority().expect_err("nobody could renew").to_string()
        };
        fs::write(&key, KeyPair::generate().expect("made").serialize_pem()).expect("written");
        assert!(refused().contains("ca.key: it is not the key of ca.pem"), "{}", refused());
        fs::write(&key, &good[..40]).expect("written");
        assert!(refused().contains("ca.key: "), "{}", refused());
        fs::remove_file(&key).expect("was there");
        assert!(refused().contains("ca.key: "), "{}", refused());
        fs::write(&key, good).expect("written");
        certificates.check_authority().expect("good again");
    }

    #[test]
    fn an_authority_whose_certificate_alone_is_lost_keeps_its_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure().expect("made");
        let place = |name: &str| dir.path().join("tls").join(name);
        let read = |name: &str| fs::read(place(name)).expect("a file");
        let before = (read("ca.key"), read("server.key"));
        let authority = read("ca.pem");
        fs::remove_file(place("ca.pem")).expect("was there");
        let says = certificates.ensure().expect_err("nothing is made").to_string();
        assert!(says.contains("put ca.pem back") && says.contains("move ca.key away"), "{says}");
        assert_eq!((read("ca.key"), read("server.key")), before, "nothing is written over");
        fs::write(place("ca.pem"), authority).expect("put back");
        assert!(!certificates.ensure().expect("as before"));
        fs::remove_file(place("ca.pem")).expect("was there");
        fs::remove_file(place("ca.key")).expect("moved away");
        assert!(certificates.ensure().expect("a new one"));
        certificates.check_authority().expect("whole");
    }

    #[test]
    fn what_another_authority_signed_is_kept_beside() {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path(), LISTEN, &[]);
        certificates.ensure().expect("made");
        let place = |name: &str| dir.path().join("tls").join(name);
        let (foreign, _) = self_made_identity("plant").expect("made");
        fs::write(place("server.pem"), &foreign).expect("room");
        fs::write(place("server.key"), &foreign).expect("room");
        assert!(certificates.ensure().expect("made anew"));
        for name in ["server.pem.foreign", "server.key.foreign"] {
            assert_eq!(fs::read_to_string(place(name)).expect("kept"), foreign, "{name}");
        }
        certificates.config().expect("ours serves");
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
