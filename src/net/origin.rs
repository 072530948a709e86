//! The client address of a request: the peer's, or, behind a trusted proxy, the one that the proxy forwards.
//!
//! Invariant: a forwarded address is used only if the peer is a trusted proxy, so no client can spoof another's
//! address.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The address of a request's client, stored in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whether `address` is a trusted proxy. Loopback is always trusted: a process on this machine is a proxy, or could do
/// worse anyway.
pub(super) fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || trusted_proxies.iter().any(|network| network.contains(&address))
}

/// The client of a request that came from `peer`: the rightmost address of `X-Forwarded-For` that is not a trusted
/// proxy. Each proxy appends the address of its own peer, so anything further left was written by an untrusted client.
pub(super) fn client_of(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> ClientAddress {
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    for named in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        if !is_trusted(client, trusted_proxies) {
            break;
        }
        // Left of an entry that is not an address, nothing is trustworthy.
        let Some(named) = std::str::from_utf8(named).ok().and_then(address) else { break };
        client = named.to_canonical();
    }
    ClientAddress(client)
}

/// Parses an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn f11_the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy() {
        for (peer, forwarded, expected) in [
            ("10.0.0.5", &["203.0.113.7"][..], "203.0.113.7"),
            ("10.0.0.5", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.5", &["198.51.100.1, 203.0.113.7, 10.0.3.9"], "203.0.113.7"),
            ("10.0.0.5", &["198.51.100.1", "203.0.113.7 , 10.0.3.9"], "203.0.113.7"),
            ("10.0.0.5", &["10.0.9.9, 10.0.3.9"], "10.0.9.9"),
            ("10.0.0.5", &["203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.5", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.5", &["[2001:db8::7]"], "2001:db8::7"),
            ("::ffff:10.0.0.5", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("fd00::1", &["203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn f11_an_untrusted_peer_and_invalid_entries_are_ignored() {
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["203.0.113.7"][..], "192.0.2.1"),
            ("10.1.0.5", &["203.0.113.7"], "10.1.0.5"),
            ("10.0.0.5", &["203.0.113.7, unknown"], "10.0.0.5"),
            ("10.0.0.5", &["203.0.113.7, _hidden, 10.0.3.9"], "10.0.3.9"),
            ("10.0.0.5", &[""], "10.0.0.5"),
            ("10.0.0.5", &["203.0.113.7,"], "10.0.0.5"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/16", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        client_of(peer.parse().unwrap(), &headers, &trusted).0.to_string()
    }
}
