//! Whose request it is: the peer's, or, behind a trusted proxy, that of the client which the proxy names.
//!
//! Invariant: what a peer says about an address is believed only where the peer is trusted, so nobody can speak in another's
//! name.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The address of a request's client; among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whether `address` may name the clients it speaks for. Who is on this machine is trusted: it is a proxy already, or could
/// do worse.
pub(super) fn is_trusted(address: IpAddr, trusted_proxies: &[IpNet]) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || trusted_proxies.iter().any(|network| network.contains(&address))
}

/// The client of a request that came from `peer`: the rightmost address of `X-Forwarded-For` that is not a trusted proxy.
/// Each proxy appends the address it was reached from, so what stands left of that was written by a stranger.
pub(super) fn client_of(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> ClientAddress {
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    for named in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        if !is_trusted(client, trusted_proxies) {
            break;
        }
        // Behind something that is no address nothing can be believed.
        let Some(named) = std::str::from_utf8(named).ok().and_then(address) else { break };
        client = named.to_canonical();
    }
    ClientAddress(client)
}

/// An address, with or without a port.
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
    fn f11_the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
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
    fn f11_a_stranger_names_nobody_and_nonsense_is_not_believed() {
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
