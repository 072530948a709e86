//! Checks on a certificate before it is used: a test handshake and its expiry.

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, ConnectionCommon, Error, RootCertStore, ServerConfig};
use rustls::{ServerConnection, SideData, version};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

/// More round trips than any handshake needs.
const FLIGHTS_MAX: usize = 16;

/// Performs a handshake in memory with each TLS version, against a client that uses `verifier`. Client certificates are
/// not tested, because the server has none to present.
pub(super) fn handshake(
    config: &ServerConfig,
    verifier: &Arc<dyn ServerCertVerifier>,
    provider: &Arc<CryptoProvider>,
) -> Result<(), Error> {
    for version in [&version::TLS13, &version::TLS12] {
        let server = ServerConfig::builder_with_provider(Arc::clone(provider)).with_protocol_versions(&[version])?;
        let server = server.with_no_client_auth().with_cert_resolver(Arc::clone(&config.cert_resolver));
        let client = ClientConfig::builder_with_provider(Arc::clone(provider)).with_protocol_versions(&[version])?;
        let client = client.dangerous().with_custom_certificate_verifier(Arc::clone(verifier)).with_no_client_auth();
        let name = "localhost".try_into().expect("localhost is a valid server name");
        let mut client = ClientConnection::new(Arc::new(client), name)?;
        let mut server = ServerConnection::new(Arc::new(server))?;
        for _ in 0..FLIGHTS_MAX {
            pass(&mut client, &mut server)?;
            pass(&mut server, &mut client)?;
        }
        if client.is_handshaking() || server.is_handshaking() {
            return Err(Error::HandshakeNotComplete);
        }
    }
    Ok(())
}

/// Transfers the pending bytes of one side to the other.
fn pass<A: SideData, B: SideData>(
    from: &mut impl DerefMut<Target = ConnectionCommon<A>>,
    to: &mut impl DerefMut<Target = ConnectionCommon<B>>,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::General(error.to_string());
    let mut bytes = Vec::new();
    while from.deref().wants_write() {
        from.write_tls(&mut bytes).map_err(failed)?;
    }
    let mut left = &bytes[..];
    while !left.is_empty() {
        to.read_tls(&mut left).map_err(failed)?;
        to.process_new_packets()?;
    }
    Ok(())
}

/// When a certificate expires, since the Unix epoch. rustls reports it only in the error for an expired certificate, so
/// the certificate is verified at the largest possible time.
pub(super) fn expires(certificate: &CertificateDer<'_>, provider: &CryptoProvider) -> Option<Duration> {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let (end, algorithms) = (UnixTime::since_unix_epoch(YEAR_10000), provider.signature_verification_algorithms.all);
    let no_roots = RootCertStore::empty();
    match rustls::client::verify_server_cert_signed_by_trust_anchor(&parsed, &no_roots, &[], end, algorithms) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}
