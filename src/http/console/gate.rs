//! Which requests reach the console at all: those that name it by a host it has, and that no foreign page makes.
//!
//! A page on another port of this host gets the console's cookie, so a cookie proves nothing of where a request comes
//! from: `Sec-Fetch-Site` does, and `Origin` where a browser sends none (plain HTTP off loopback).

use crate::rules::refusal::{Code, Refusal};
use axum::http::{HeaderMap, Method, Uri, header};
use url::Url;

/// The console's own addresses.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The port it listens on.
    pub port: u16,
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
                "the console has another name: open it at {}, or set public_url in [console] to the URL you use",
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
            None => format!("{}://127.0.0.1:{}", self.scheme(), self.port),
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
        let loopback = ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
            host.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) == Some(&*self.port.to_string())
        });
        loopback || self.public_host().is_some_and(|ours| ours.eq_ignore_ascii_case(host))
    }

    /// The host of the public URL, with its port unless that is the scheme's own.
    fn public_host(&self) -> Option<String> {
        let url = self.public_url.as_ref()?;
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    fn is_our_origin(&self, origin: &str, host: &str) -> bool {
        let public = self.public_host().is_some_and(|ours| ours.eq_ignore_ascii_case(host));
        let scheme = match &self.public_url {
            Some(url) if public => url.scheme(),
            _ => self.scheme(),
        };
        origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"))
    }
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
        Gate { port: 8082, tls: false, public_url: Some("https://console.example.com/".parse().unwrap()) }
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
        for host in ["127.0.0.1:8082", "localhost:8082", "[::1]:8082", "console.example.com", "Console.Example.com"] {
            assert_eq!(check("GET", &[("host", host)]), None, "{host}");
        }
        for host in ["127.0.0.1", "127.0.0.1:80", "evil.test", "evil.test:8082", "console.example.com:8443", ""] {
            assert_eq!(check("GET", &[("host", host)]), Some("wrong_host"), "{host}");
        }
        assert_eq!(check("GET", &[]), Some("wrong_host"));
        assert_eq!(check("GET", &[("host", "localhost:8082"), ("host", "localhost:8082")]), Some("wrong_host"));
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
