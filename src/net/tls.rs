//! TLS of our doors: certificates from files, TLS 1.2 and 1.3, HTTP/1.1 only.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
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

/// A door's TLS, ready to serve.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

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
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        Arc::clone(&self.0).into()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
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
