//! TLS of the doors: certificates from files, TLS 1.2 and 1.3, HTTP/1.1 only.

mod chain;
#[cfg(test)]
pub(crate) mod self_signed;
mod trial;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The files of a door's certificate, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate_file: PathBuf,
    /// The leaf's private key.
    pub key_file: PathBuf,
    /// The CAs that must have signed a client's certificate (mutual TLS); without it clients present none.
    pub client_ca_file: Option<PathBuf>,
}

/// The files of a client's certificate for mutual TLS, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificate chain, leaf first.
    pub certificate_file: PathBuf,
    /// The leaf's private key.
    pub key_file: PathBuf,
}

/// Why no TLS client for a door can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClient {
    /// The door requires a client certificate, and none was given.
    #[error("the door requires a client certificate")]
    CertificateMissing,
    /// The given files cannot be used.
    #[error(transparent)]
    Files(#[from] TlsProblem),
}

/// A door's TLS, ready to serve. Clones share it: a certificate replaced in one is used by all.
#[derive(Clone)]
pub struct ServerTls(Arc<ArcSwap<Loaded>>);

/// The loaded files.
struct Loaded {
    config: Arc<ServerConfig>,
    /// The leaf certificate that the door presents.
    certificate: CertificateDer<'static>,
    /// When the certificate expires, since the Unix epoch, if known.
    expires: Option<Duration>,
    /// Whether clients must present a certificate.
    mutual: bool,
}

/// Which file cannot be used, and why. The text follows the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// The certificate file.
    #[error("the certificate file {0}")]
    Certificate(String),
    /// The key file.
    #[error("the key file {0}")]
    Key(String),
    /// The file of client CAs.
    #[error("the client CA file {0}")]
    ClientCa(String),
    /// Certificate and key together.
    #[error("certificate and key {0}")]
    Pair(String),
}

impl ServerTls {
    /// Reads and checks the files: their contents, whether the key belongs to the certificate, and whether a test
    /// handshake succeeds. An expired certificate is accepted.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsProblem> {
        let (chain, key) = pair(&files.certificate_file, &files.key_file)?;
        let certificate = chain[0].clone();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsProblem::Pair(format!("cannot be used: {error}")))?;
        let builder = match &files.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for authority in chain::read(file).map_err(TlsProblem::ClientCa)? {
                    roots
                        .add(authority)
                        .map_err(|error| TlsProblem::ClientCa(format!("holds no valid CA certificate: {error}")))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| TlsProblem::ClientCa(format!("cannot be used: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsProblem::Pair(format!("do not belong together: {error}")))?;
        // HTTP/2 is not supported, so its flood attacks do not apply.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let pinned: Arc<dyn ServerCertVerifier> =
            Arc::new(PinnedCertificate { certificate: certificate.clone(), provider: Arc::clone(&provider) });
        trial::handshake(&config, &pinned, &provider)
            .map_err(|error| TlsProblem::Pair(format!("fail a test handshake: {error}")))?;
        let expires = trial::expires(&certificate, &provider);
        let loaded = Loaded { config: Arc::new(config), certificate, expires, mutual: files.client_ca_file.is_some() };
        Ok(Self(Arc::new(ArcSwap::from_pointee(loaded))))
    }

    /// Uses the certificate of `other` for new connections; open connections are unaffected.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// Whether `other` presents the same certificate.
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        self.0.load().certificate == other.0.load().certificate
    }

    /// When the certificate expires, since the Unix epoch, if known.
    pub fn expires(&self) -> Option<Duration> {
        self.0.load().expires
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.load().config)
    }

    /// TLS configuration for a client of this door, at whatever address: it trusts the door's certificate and no other,
    /// so names and CAs are not checked. It presents `own` if the door requires a client certificate.
    pub fn client(&self, own: Option<&ClientFiles>) -> Result<ClientConfig, NoClient> {
        let loaded = self.0.load();
        if loaded.mutual && own.is_none() {
            return Err(NoClient::CertificateMissing);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pinned = PinnedCertificate { certificate: loaded.certificate.clone(), provider: Arc::clone(&provider) };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("ring speaks TLS 1.2 and 1.3");
        // Custom verifiers are called dangerous. This one accepts less than any set of CAs would.
        let verified = builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned));
        let Some(own) = own else { return Ok(verified.with_no_client_auth()) };
        let (chain, key) = pair(&own.certificate_file, &own.key_file)?;
        let shown = verified.with_client_auth_cert(chain, key);
        shown.map_err(|error| TlsProblem::Pair(format!("do not belong together: {error}")).into())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

/// Accepts a server that has the key of this certificate, and no other.
#[derive(Debug)]
struct PinnedCertificate {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedCertificate {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("the door's certificate differs from the one in the file".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

type Chain = Vec<CertificateDer<'static>>;

/// Reads a chain of at least one certificate, and the key of the first.
fn pair(certificate_file: &Path, key_file: &Path) -> Result<(Chain, PrivateKeyDer<'static>), TlsProblem> {
    let chain = chain::read(certificate_file).map_err(TlsProblem::Certificate)?;
    // The error must not quote the file's content.
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| match error {
        pem::Error::Io(error) => TlsProblem::Key(format!("cannot be read ({error})")),
        _ => TlsProblem::Key("holds no PRIVATE KEY in PEM form".to_owned()),
    })?;
    Ok((chain, key))
}
