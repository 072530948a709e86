//! TLS of our doors: certificates from files, TLS 1.2 and 1.3, HTTP/1.1 only.

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

/// Where a door's certificate lies, all in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, our own certificate first.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Who must have signed a client's certificate (mutual TLS); without it clients show none.
    pub client_ca_file: Option<PathBuf>,
}

/// A door's TLS, ready to serve. Clones share it: what one takes over, all show.
#[derive(Clone)]
pub struct ServerTls(Arc<ArcSwap<Loaded>>);

/// What was in the files.
struct Loaded {
    config: Arc<ServerConfig>,
    /// What the door shows.
    certificate: CertificateDer<'static>,
    /// Clients must show one, too.
    mutual: bool,
}

/// Which file is at fault, and how. The text goes after the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// The certificate file.
    #[error("the certificate file {0}")]
    Certificate(String),
    /// The key file.
    #[error("the key file {0}")]
    Key(String),
    /// The file of client authorities.
    #[error("the client authorities file {0}")]
    ClientCa(String),
    /// Certificate and key, together.
    #[error("certificate and key {0}")]
    Pair(String),
}

impl ServerTls {
    /// Reads and checks the files: whether they hold what they should, and whether the key is the certificate's.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsProblem> {
        let chain = certificates(&files.certificate_file).map_err(TlsProblem::Certificate)?;
        let certificate = chain[0].clone();
        let key = PrivateKeyDer::from_pem_file(&files.key_file)
            .map_err(|error| TlsProblem::Key(reason(&error, "PRIVATE KEY")))?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsProblem::Pair(format!("cannot be used: {error}")))?;
        let builder = match &files.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(file).map_err(TlsProblem::ClientCa)? {
                    roots
                        .add(authority)
                        .map_err(|error| TlsProblem::ClientCa(format!("holds no authority: {error}")))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| TlsProblem::ClientCa(format!("cannot be used: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsProblem::Pair(format!("do not belong together: {error}")))?;
        // HTTP/2 is not spoken, and that removes its floods.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let loaded = Loaded { config: Arc::new(config), certificate, mutual: files.client_ca_file.is_some() };
        Ok(Self(Arc::new(ArcSwap::from_pointee(loaded))))
    }

    /// Shows from now on what `other` shows, to whoever connects; connections that are open stay as they are.
    pub fn take_over(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.load().config)
    }

    /// The TLS of a client of this very door, wherever it is reached: it trusts the door's certificate and no other, so
    /// neither names nor authorities are looked at. None where the door wants to see a certificate of the client's.
    pub fn client(&self) -> Option<ClientConfig> {
        let loaded = self.0.load();
        if loaded.mutual {
            return None;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let this_door = ThisDoor { certificate: loaded.certificate.clone(), provider: Arc::clone(&provider) };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("ring speaks TLS 1.2 and 1.3");
        // "Dangerous" is a verifier of one's own. This one lets in less than any store of authorities would.
        let verified = builder.dangerous().with_custom_certificate_verifier(Arc::new(this_door));
        Some(verified.with_no_client_auth())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

/// Whoever has the key of this certificate is whom we mean.
#[derive(Debug)]
struct ThisDoor {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ThisDoor {
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
        Err(rustls::Error::General("it shows another certificate than the one in the file".to_owned()))
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

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match found {
        Ok(chain) if chain.is_empty() => Err("holds no CERTIFICATE in PEM form".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(reason(&error, "CERTIFICATE")),
    }
}

/// Nothing of the file's content is shown: it may be the key.
fn reason(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot be read ({error})"),
        _ => format!("holds no {wanted} in PEM form"),
    }
}
