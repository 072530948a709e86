//! From a checked URL to a connection.
//!
//! Invariant: a name is looked up once for each request, all its addresses are checked, and only those that were
//! checked are connected to. So a name whose answers change in between leads nowhere else, and a name with one address
//! that is not public is not used at all.

use super::hosts::{Checked, ForbiddenAddress};
use super::public::is_public;
use crate::net::client::error::describe;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Host;

/// How many of a name's addresses are tried.
const ADDRESSES_MAX: usize = 4;

/// What carries the bytes of a connection.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// The names and addresses of the network. A test has its own.
pub trait Network: Send + Sync {
    /// The stream of a connection.
    type Stream: Socket + 'static;

    /// The addresses of a name, each with the port.
    fn look_up(&self, name: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to an address.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Internet;

impl Network for Internet {
    type Stream = TcpStream;

    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(lookup_host((name, port)).await?.collect())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    /// One of the addresses is not public: none was connected to.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
    /// A retry may succeed.
    #[error("no connection: {0}")]
    Failed(String),
}

/// Looks the host up, connects, and completes the handshake of https, all `within` this time.
pub(super) async fn connect<N: Network>(
    network: &N,
    tls: &TlsConnector,
    to: &Checked,
    within: Duration,
) -> Result<Box<dyn Socket>, NoConnection> {
    timeout(within, open(network, tls, to, within)).await.unwrap_or_else(|_| {
        let secs = within.as_secs_f32();
        Err(NoConnection::Failed(format!("not connected within {secs} s")))
    })
}

async fn open<N: Network>(
    network: &N,
    tls: &TlsConnector,
    to: &Checked,
    within: Duration,
) -> Result<Box<dyn Socket>, NoConnection> {
    let addresses = checked_addresses(look_up(network, to).await?, to.public_only())?;
    let stream = connect_to_one(network, addresses, within).await?;
    if !to.is_https() {
        return Ok(Box::new(stream));
    }
    let secured = tls.connect(server_name(to.host())?, stream).await;
    Ok(Box::new(secured.map_err(|error| failed(&error))?))
}

async fn look_up<N: Network>(network: &N, to: &Checked) -> Result<Vec<SocketAddr>, NoConnection> {
    match to.host() {
        Host::Domain(name) => network.look_up(name, to.port()).await.map_err(|error| failed(&error)),
        Host::Ipv4(address) => Ok(vec![(*address, to.port()).into()]),
        Host::Ipv6(address) => Ok(vec![(*address, to.port()).into()]),
    }
}

/// The addresses to try, in that order, if all that the name has may be connected to.
fn checked_addresses(found: Vec<SocketAddr>, public_only: bool) -> Result<Vec<SocketAddr>, NoConnection> {
    if public_only && found.iter().any(|address| !is_public(address.ip())) {
        return Err(ForbiddenAddress::NotPublic.into());
    }
    Ok(alternating(found))
}

/// IPv6 and IPv4 by turns, so that a machine on which one of them leads nowhere reaches the other.
fn alternating(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let pairs = std::iter::from_fn(|| {
        let pair = [first.next(), second.next()];
        pair.iter().any(Option::is_some).then_some(pair)
    });
    pairs.flatten().flatten().take(ADDRESSES_MAX).collect()
}

/// Tries each address in turn for its share of the time.
async fn connect_to_one<N: Network>(
    network: &N,
    addresses: Vec<SocketAddr>,
    within: Duration,
) -> Result<N::Stream, NoConnection> {
    let tries = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = NoConnection::Failed("the host's name has no address".to_owned());
    for address in addresses {
        match timeout(within / tries, network.connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = failed(&error),
            Err(_) => last = NoConnection::Failed("the host does not answer".to_owned()),
        }
    }
    Err(last)
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, NoConnection> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone())
            .map_err(|_| NoConnection::Failed("no certificate can be for the host's name".to_owned())),
        Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
    }
}

fn failed(error: &io::Error) -> NoConnection {
    NoConnection::Failed(describe(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_any_address_that_is_not_public_is_refused() {
        for found in
            ["10.0.0.1", "8.8.8.8 10.0.0.1", "2606:2800::1 8.8.8.8 ::1", "::ffff:127.0.0.1", "64:ff9b::808:808"]
        {
            let refused = checked_addresses(addresses(found), true);
            assert!(matches!(refused, Err(NoConnection::Forbidden(ForbiddenAddress::NotPublic))), "{found}");
            assert!(checked_addresses(addresses(found), false).is_ok(), "{found}");
        }
        assert_eq!(checked_addresses(addresses("8.8.8.8 9.9.9.9"), true).unwrap(), addresses("8.8.8.8 9.9.9.9"));
    }

    #[test]
    fn addresses_alternate_between_ipv6_and_ipv4_and_only_some_are_tried() {
        for (found, tried) in [
            ("::1 ::2 ::3 ::4 1.1.1.1", "::1 1.1.1.1 ::2 ::3"),
            ("1.1.1.1 1.1.1.2 ::1", "1.1.1.1 ::1 1.1.1.2"),
            ("::1 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4", "::1 1.1.1.1 1.1.1.2 1.1.1.3"),
            ("1.1.1.1", "1.1.1.1"),
        ] {
            assert_eq!(alternating(addresses(found)), addresses(tried), "{found}");
        }
        assert!(alternating(Vec::new()).is_empty());
    }

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|address| SocketAddr::new(address.parse().unwrap(), 443)).collect()
    }
}
