//! What is found out about a certificate before it is shown to anybody.

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, ConnectionCommon, Error, RootCertStore, ServerConfig};
use rustls::{ServerConnection, SideData, version};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

/// Flights of a handshake, and some more.
const FLIGHTS_MAX: usize = 16;

/// Shakes hands in memory, once with each version, with a client that accepts what `verifier` does. Clients' certificates
/// are left out: there is none to show.
pub(super) fn shake_hands(
    config: &ServerConfig,
    verifier: &Arc<dyn ServerCertVerifier>,
    provider: &Arc<CryptoProvider>,
) -> Result<(), Error> {
    for version in [&version::TLS13, &version::TLS12] {
        let server = ServerConfig::builder_with_provider(Arc::clone(provider)).with_protocol_versions(&[version])?;
        let server = server.with_no_client_auth().with_cert_resolver(Arc::clone(&config.cert_resolver));
        let client = ClientConfig::builder_with_provider(Arc::clone(provider)).with_protocol_versions(&[version])?;
        let client = client.dangerous().with_custom_certificate_verifier(Arc::clone(verifier)).with_no_client_auth();
        let name = "localhost".try_into().expect("it is a name");
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

/// Passes on what one side wants to say.
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

/// When a certificate expires, since 1970. The one TLS stack says so where it is asked whether the certificate holds at a
/// time that none can name.
pub(super) fn expires(certificate: &CertificateDer<'_>, provider: &CryptoProvider) -> Option<Duration> {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let (end, algorithms) = (UnixTime::since_unix_epoch(YEAR_10000), provider.signature_verification_algorithms.all);
    let nobody = RootCertStore::empty();
    match rustls::client::verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], end, algorithms) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}
