//! An encrypted connection to a PostgreSQL server (PostgreSQL documentation, 55.2.10: SSL session
//! encryption; the words are libpq's).
//!
//! There is no `prefer`: a connection is encrypted and the server proves who it is, or it is in
//! clear because that was said. Not here: the login. Invariant: nothing is sent, and no octet taken
//! for an answer, between the question for TLS and the handshake.

use crate::sources::link::{Line, malformed};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

/// Options of a source.
pub const OPTIONS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// Code of a question for TLS, in the place of a protocol version.
const SSL_REQUEST: u32 = 80_877_103;

/// How a connection is protected.
#[derive(Clone)]
pub enum Tls {
    InClear,
    /// By TLS, with a server of this name.
    Verified {
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    },
}

/// The same options for a program that uses libpq, as variables of its environment; without a
/// word on TLS its own default holds, which takes it where the server has it.
pub fn for_libpq(options: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let variables = ["PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];
    let said = OPTIONS.iter().zip(variables);
    let mut said: Vec<_> = said
        .filter_map(|(option, variable)| Some((variable, options.get(*option)?.clone())))
        .collect();
    if options.contains_key("sslrootcert") && !options.contains_key("sslmode") {
        said.push(("PGSSLMODE", "verify-full".to_owned()));
    }
    said
}

impl Tls {
    /// What the options of a source say.
    pub fn of(options: &BTreeMap<String, String>, host: &str) -> Result<Self, String> {
        let option = |name: &str| options.get(name).map(String::as_str);
        let check_name = match option("sslmode") {
            None | Some("disable") if option("sslrootcert").is_none() => return Ok(Self::InClear),
            None | Some("verify-full") => true,
            Some("verify-ca") => false,
            Some(other) => {
                return Err(format!("sslmode `{other}` is not verify-full, verify-ca or disable"));
            }
        };
        let file = option("sslrootcert").ok_or("sslmode needs sslrootcert=FILE")?;
        let known = certificates(Path::new(file))?;
        let verifier = Arc::new(Verifier::new(known, check_name)?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match (option("sslcert"), option("sslkey")) {
            (None, None) => builder.with_no_client_auth(),
            (Some(own), Some(key)) => {
                let shown = |error| format!("cannot read the key {key}: {error}");
                let key = PrivateKeyDer::from_pem_file(key).map_err(shown)?;
                let own = certificates(Path::new(own))?;
                builder.with_client_auth_cert(own, key).map_err(|error| error.to_string())?
            }
            _ => return Err("sslcert and sslkey go together".to_owned()),
        };
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| format!("`{host}` is no name a certificate can have"))?;
        Ok(Self::Verified { config: Arc::new(config), name })
    }

    /// Asks the server for TLS and shakes hands.
    pub fn begin(
        config: &Arc<ClientConfig>,
        name: &ServerName<'static>,
        mut stream: Line,
    ) -> io::Result<StreamOwned<ClientConnection, Line>> {
        stream.write_all(&[8_u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat())?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        match answer {
            [b'S'] => {}
            [b'N'] => return Err(io::Error::other("the server does not encrypt; set ssl = on")),
            _ => return Err(malformed()),
        }
        let connection = ClientConnection::new(Arc::clone(config), name.clone());
        let mut connection = connection.map_err(io::Error::other)?;
        // Whoever is not who it should be is found out before a word of ours.
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = |error| format!("cannot read certificates from {}: {error}", file.display());
    let all = CertificateDer::pem_file_iter(file).map_err(shown)?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(shown)?;
    if all.is_empty() {
        return Err(format!("{} holds no certificate", file.display()));
    }
    Ok(all)
}

/// Takes a certificate that one of the known ones signed, and the known ones themselves: servers
/// often sign their own, which is no authority's.
#[derive(Debug)]
struct Verifier {
    known: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
    check_name: bool,
}

impl Verifier {
    fn new(known: Vec<CertificateDer<'static>>, check_name: bool) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &known {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let signed = signed.build().map_err(|error| error.to_string())?;
        Ok(Self { known, signed, check_name })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.known.iter().any(|known| known == end_entity) {
            if self.check_name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let verdict = self.signed.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verdict {
            // The name is checked last: what comes before it holds.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.check_name => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(options: &[(&str, &str)], expected: &str) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = options.iter().map(owned).collect();
        match Tls::of(&options, "db.plant") {
            Err(why) => assert!(why.contains(expected), "{why}"),
            Ok(_) => panic!("{options:?} is taken"),
        }
    }

    #[test]
    fn a_program_with_libpq_hears_the_same() {
        let check = |given: &[(&str, &str)], expected: &[(&str, &str)]| {
            let options = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let found = for_libpq(&options.collect());
            let found: Vec<_> = found.iter().map(|(k, v)| (*k, v.as_str())).collect();
            assert_eq!(found, expected);
        };
        check(&[], &[]);
        check(
            &[("sslrootcert", "/ca.pem")],
            &[("PGSSLROOTCERT", "/ca.pem"), ("PGSSLMODE", "verify-full")],
        );
        check(
            &[("sslmode", "verify-ca"), ("sslrootcert", "/ca.pem"), ("sslkey", "/k")],
            &[("PGSSLMODE", "verify-ca"), ("PGSSLROOTCERT", "/ca.pem"), ("PGSSLKEY", "/k")],
        );
    }

    #[test]
    fn what_would_not_protect_is_refused() {
        refused(&[("sslmode", "prefer")], "not verify-full");
        refused(&[("sslmode", "require")], "not verify-full");
        refused(&[("sslmode", "verify-full")], "needs sslrootcert");
        refused(&[("sslrootcert", "/nowhere.pem")], "cannot read certificates");
        refused(&[("sslmode", "disable"), ("sslrootcert", "/x.pem")], "`disable` is not");
    }
}
