//! Which requests reach the console at all: those that name it by a host it has, and that no foreign page makes.
//!
//! A page on another port of this host gets the console's cookie, so a cookie proves nothing of where a request comes
//! from: `Sec-Fetch-Site` does, and `Origin` where a browser sends none (plain HTTP off loopback).

use crate::rules::refusal::{Code, Refusal};
use axum::http::{HeaderMap, Method, Uri, header};
use std::net::SocketAddr;
use url::Url;

/// The console's own addresses.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS itself.
    pub tls: bool,
    /// Its URL behind a proxy or under a name.
    pub public_url: Option<Url>,
}

impl Gate {
    /// Refuses a request by its host, then by its origin. A page is a GET of a person's browser that shows nothing yet,
    /// so other pages may lead to it.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap, is_page: bool) -> Result<(), Refusal> {
        let host = host(uri, headers).filter(|host| self.is_ours(host));
        let Some(host) = host else {
            let detail = format!(
                "the console has another name: open it at {}, or set console.public_url to the URL you use",
                self.url()
            );
            return Err(Refusal::new(Code::WrongHost, detail));
        };
        let foreign = || {
            let detail = "the request comes from a page of another site or port: use the console's own pages";
            Err(Refusal::new(Code::ForeignOrigin, detail))
        };
        if is_page {
            return Ok(());
        }
        let single = |name| match headers.get_all(name).iter().collect::<Vec<_>>()[..] {
            [] => None,
            [value] => Some(value.to_str().unwrap_or_default()),
            _ => Some("several"),
        };
        match (single(header::HeaderName::from_static("sec-fetch-site")), single(header::ORIGIN)) {
            (Some("same-origin"), _) => Ok(()),
            (Some(_), _) => foreign(),
            (None, Some(origin)) if self.is_our_origin(origin, host) => Ok(()),
            (None, Some(_)) => foreign(),
            (None, None) if method.is_safe() => Ok(()),
            (None, None) => foreign(),
        }
    }

    /// Where a browser reaches it.
    pub fn url(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => {
                let host = if self.address.is_ipv6() { "[::1]" } else { "127.0.0.1" };
                format!("{}://{host}:{}", self.scheme(), self.address.port())
            }
        }
    }

    /// Whether browsers reach it by TLS.
    pub fn is_secure(&self) -> bool {
        self.tls || self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    fn is_ours(&self, host: &str) -> bool {
        let own_port = if self.tls { 443 } else { 80 };
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        loopback.iter().any(|name| is_host(host, name, self.address.port(), own_port)) || self.is_public(host)
    }

    fn is_public(&self, host: &str) -> bool {
        let Some(url) = &self.public_url else { return false };
        let own_port = if url.scheme() == "https" { 443 } else { 80 };
        let named = url.host_str().unwrap_or_default();
        is_host(host, named, url.port().unwrap_or(own_port), own_port)
    }

    fn is_our_origin(&self, origin: &str, host: &str) -> bool {
        let public = self.is_public(host);
        let scheme = match &self.public_url {
            Some(url) if public => url.scheme(),
            _ => self.scheme(),
        };
        origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"))
    }
}

/// Whether a host is this name with this port, which browsers leave out where it is the scheme's own.
fn is_host(host: &str, name: &str, port: u16, own_port: u16) -> bool {
    let with_port = format!("{name}:{port}").eq_ignore_ascii_case(host);
    with_port || port == own_port && name.eq_ignore_ascii_case(host)
}

/// The host a request names: of its target, which counts first, or of its header; none if there are two headers.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        gate_at("127.0.0.1:8082")
    }

    fn gate_at(address: &str) -> Gate {
        let public_url = Some("https://console.example.com/".parse().unwrap());
        Gate { address: address.parse().unwrap(), tls: false, public_url }
    }

    fn check(method: &str, pairs: &[(&'static str, &str)]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let method = method.parse().unwrap();
        gate().check(&method, &"/v1/me".parse().unwrap(), &headers, false).err().map(|refusal| refusal.code.word())
    }

    #[test]
    fn only_loopback_with_the_port_and_the_public_host_are_ours() {
        for host in ["127.0.0.1:8082", "LOCALHOST:8082", "[::1]:8082", "console.example.com", "Console.Example.com:443"]
        {
            assert_eq!(check("GET", &[("host", host)]), None, "{host}");
        }
        for host in ["127.0.0.1", "127.0.0.1:80", "evil.test", "evil.test:8082", "console.example.com:8443", ""] {
            assert_eq!(check("GET", &[("host", host)]), Some("wrong_host"), "{host}");
        }
        assert_eq!(check("GET", &[]), Some("wrong_host"));
        assert_eq!(check("GET", &[("host", "localhost:8082"), ("host", "localhost:8082")]), Some("wrong_host"));
    }

    #[test]
    fn a_port_that_browsers_leave_out_need_not_be_named() {
        assert!(gate_at("127.0.0.1:80").is_ours("localhost") && gate_at("127.0.0.1:80").is_ours("localhost:80"));
        assert!(!gate_at("127.0.0.1:443").is_ours("localhost"), "it speaks no TLS");
        let here = Gate { public_url: None, ..gate_at("[::1]:8082") };
        assert_eq!(here.url(), "http://[::1]:8082");
    }

    #[test]
    fn a_write_must_prove_that_our_own_page_makes_it() {
        const HOST: (&str, &str) = ("host", "localhost:8082");
        let site = |value| ("sec-fetch-site", value);
        let origin = |value| ("origin", value);
        for ours in [&[HOST, site("same-origin")][..], &[HOST, origin("http://localhost:8082")]] {
            assert_eq!((check("POST", ours), check("GET", ours)), (None, None), "{ours:?}");
        }
        for foreign in [
            &[HOST, site("same-site")][..],
            &[HOST, site("cross-site")],
            &[HOST, site("none")],
            &[HOST, site("same-site"), origin("http://localhost:8082")],
            &[HOST, site("same-origin"), site("same-origin")],
            &[HOST, origin("http://localhost:8083")],
            &[HOST, origin("https://localhost:8082")],
            &[HOST, origin("null")],
        ] {
            let refused = Some("foreign_origin");
            assert_eq!((check("POST", foreign), check("GET", foreign)), (refused, refused), "{foreign:?}");
        }
        assert_eq!((check("GET", &[HOST]), check("DELETE", &[HOST])), (None, Some("foreign_origin")));
        let public = [("host", "console.example.com"), origin("https://console.example.com")];
        assert_eq!(check("PUT", &public), None);
    }
}
