//! Certificates of a test's own, and connections with them.

use connectors::vault_http::AnyCertificate;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
};
use vault::Sha256;

/// A certificate and its key.
pub struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    pub fn new() -> Self {
        Self(generate_simple_self_signed(["localhost".to_owned()]).unwrap())
    }

    pub fn hash(&self) -> Sha256 {
        Sha256::of(self.0.cert.der())
    }

    pub fn is(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }

    pub fn pem(&self) -> Vec<u8> {
        format!("{}{}", self.0.cert.pem(), self.0.signing_key.serialize_pem()).into_bytes()
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.0.cert.der().clone()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der()).into()
    }
}

/// How a site with this identity serves.
pub fn serving(site: &Identity) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(AnyCertificate::new())
        .with_single_cert(vec![site.certificate()], site.key());
    Arc::new(config.unwrap())
}

/// A connection to a site, with one's own identity or none.
pub fn trusting(
    site: &Identity,
    own: Option<&Identity>,
    address: SocketAddr,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(site.certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => config.with_client_auth_cert(vec![own.certificate()], own.key()).unwrap(),
    };
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(address).unwrap())
}
