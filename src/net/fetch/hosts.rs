//! Which URLs a file may be fetched from.
//!
//! Invariant: a [`Checked`] URL names a listed host by https at port 443, or the one origin that the account sets. Its
//! authority means what it says: what a parser would have to interpret (userinfo, numbers as addresses, escapes, dots
//! at the end) is refused.

use http::Uri;
use std::fmt;
use url::{Host, Url};

/// Maximum length of a URL. Signed URLs of storage providers have up to 2,000 bytes.
const URL_MAX_BYTES: usize = 8 * 1024;

/// The hosts that an account's media may come from.
#[derive(Clone, Debug)]
pub struct MediaHosts(Form);

#[derive(Clone, Debug)]
enum Form {
    /// Names of hosts, reached by https at port 443 and at public addresses only. One that begins with a dot stands
    /// for all names that end with it.
    Listed(Vec<String>),
    /// The one origin, which may be plain http and at any address.
    Origin(Url),
}

/// A list of hosts is wrong: each is a name of at least two labels in lower case, with a dot before it if it stands for
/// all names below it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name: use files.example.com, or .example.com for all names below it")]
pub struct InvalidHost(String);

/// A URL that may be requested.
#[derive(Clone)]
pub struct Checked {
    url: Url,
    uri: Uri,
    host: Host<String>,
    public_only: bool,
}

/// Why a URL may not be requested. The text quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForbiddenAddress {
    /// It is not a URL, or too long, or relative.
    #[error("the URL cannot be read")]
    Unreadable,
    /// It is neither https nor the account's own scheme.
    #[error("the URL's scheme is not allowed")]
    Scheme,
    /// It has a user or password, or its host or port is written in an unusual form.
    #[error("the URL's host is written in an ambiguous form")]
    Ambiguous,
    /// Its port is not allowed.
    #[error("the URL's port is not allowed")]
    Port,
    /// Its host is an address and not a name.
    #[error("the URL's host is an address")]
    Literal,
    /// Its host is not one that the account's media come from.
    #[error("the URL's host is not listed for the account")]
    Host,
    /// Its name has an address that is not public.
    #[error("the host's name leads to an address that is not public")]
    NotPublic,
}

impl MediaHosts {
    /// Media come from these hosts: `files.example.com`, or `.example.com` for all names below it.
    pub fn listed<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidHost> {
        let listed = |host: &str| {
            let name = host.strip_prefix('.').unwrap_or(host);
            let usable = is_plain_name(name) && matches!(Host::parse(name), Ok(Host::Domain(parsed)) if parsed == name);
            if usable { Ok(host.to_owned()) } else { Err(InvalidHost(host.to_owned())) }
        };
        Ok(Self(Form::Listed(hosts.into_iter().map(listed).collect::<Result<_, _>>()?)))
    }

    /// Media come from the origin of this URL only, at whatever address it is; `None` unless it is http or https.
    pub fn origin(url: &Url) -> Option<Self> {
        let origin = || Url::parse(&url.origin().ascii_serialization()).ok();
        matches!(url.scheme(), "http" | "https").then(origin)?.map(|origin| Self(Form::Origin(origin)))
    }

    /// Checks a URL without looking its name up.
    pub fn check(&self, text: &str) -> Result<Checked, ForbiddenAddress> {
        if text.len() > URL_MAX_BYTES || !is_plain(text) {
            return Err(ForbiddenAddress::Unreadable);
        }
        let url = Url::parse(text).map_err(|_| ForbiddenAddress::Unreadable)?;
        self.allows_scheme(&url)?;
        if !authority_is_plain(text, &url) {
            return Err(ForbiddenAddress::Ambiguous);
        }
        let host = url.host().ok_or(ForbiddenAddress::Unreadable)?.to_owned();
        self.allows_host(&url, &host)?;
        let uri = url.as_str().parse().map_err(|_| ForbiddenAddress::Unreadable)?;
        Ok(Checked { url, uri, host, public_only: matches!(self.0, Form::Listed(_)) })
    }

    /// Checks where a response redirects to: an absolute URL, or one relative to the URL that was requested.
    pub fn check_redirect(&self, from: &Checked, location: &str) -> Result<Checked, ForbiddenAddress> {
        if !is_plain(location) {
            return Err(ForbiddenAddress::Unreadable);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return self.check(&format!("{}://{rest}", from.url.scheme()));
        }
        let first = location.split(['/', '?', '#']).next().unwrap_or_default();
        if first.contains(':') {
            return self.check(location);
        }
        self.check(from.url.join(location).map_err(|_| ForbiddenAddress::Unreadable)?.as_str())
    }

    fn allows_scheme(&self, url: &Url) -> Result<(), ForbiddenAddress> {
        let allowed = match &self.0 {
            Form::Listed(_) => url.scheme() == "https",
            Form::Origin(origin) => url.scheme() == origin.scheme(),
        };
        if allowed { Ok(()) } else { Err(ForbiddenAddress::Scheme) }
    }

    fn allows_host(&self, url: &Url, host: &Host<String>) -> Result<(), ForbiddenAddress> {
        match (&self.0, host) {
            (Form::Origin(origin), _) if url.host() != origin.host() => Err(ForbiddenAddress::Host),
            (Form::Origin(origin), _) if url.port() != origin.port() => Err(ForbiddenAddress::Port),
            (Form::Origin(_), _) => Ok(()),
            (Form::Listed(_), Host::Ipv4(_) | Host::Ipv6(_)) => Err(ForbiddenAddress::Literal),
            (Form::Listed(_), _) if url.port().is_some() => Err(ForbiddenAddress::Port),
            (Form::Listed(listed), Host::Domain(name)) if listed.iter().any(|host| covers(host, name)) => Ok(()),
            (Form::Listed(_), Host::Domain(_)) => Err(ForbiddenAddress::Host),
        }
    }
}

impl Checked {
    /// The name or address to connect to.
    pub(super) fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().expect("http and https have a default port")
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether each address of the host must be public.
    pub(super) fn public_only(&self) -> bool {
        self.public_only
    }

    /// The path and query that a request to the host names.
    pub(super) fn target(&self) -> &str {
        self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The `Host` header.
    pub(super) fn authority(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.host)
    }
}

impl fmt::Debug for Checked {
    /// Omits path and query, which may have a signature or a person's number in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checked({}://{}/…)", self.url.scheme(), self.authority())
    }
}

/// Whether a text has only characters that all parsers of URLs read alike: some read a backslash as a slash, and some
/// leave blanks out.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Whether a listed host stands for this name.
fn covers(listed: &str, name: &str) -> bool {
    if !listed.starts_with('.') {
        return listed == name;
    }
    is_plain_name(name) && name.len() > listed.len() && name.ends_with(listed)
}

/// At least two labels, none of them empty, of letters, digits and hyphens.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    name.contains('.') && name.split('.').all(label)
}

/// Whether the authority of the text is the host, or host and port, that the parser found in it. Another spelling, such
/// as a number for an address or an escape, is different text.
fn authority_is_plain(text: &str, url: &Url) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    authority == host || authority == format!("{host}:{port}")
}

#[cfg(test)]
mod tests;
