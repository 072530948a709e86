//! The public URL of the carriers' listener.

use super::Webhook;
use std::str::FromStr;
use url::Url;

/// Maximum length of a logged URL, in characters.
const LOGGED_URL_MAX_CHARACTERS: usize = 500;

/// The URL of the carriers' listener as configured at the carrier. Carriers sign the URL they call, and it is
/// undocumented whether they use it as entered or normalised (lower case, escaped, without `..`), so both are tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    /// The URL as entered, without a trailing slash.
    written: String,
    url: Url,
}

impl FromStr for PublicUrl {
    type Err = url::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { written: text.trim_end_matches('/').to_owned(), url: text.parse()? })
    }
}

impl PublicUrl {
    /// The URL as entered, without a trailing slash.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The normalised URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL to which the carrier posts inbound messages of an account.
    pub fn messages(&self, account: &str) -> String {
        below(&self.url, &["carriers", account, "messages"])
    }

    /// The URL to which the carrier posts receipts of an account.
    pub fn receipts(&self, account: &str) -> String {
        below(&self.url, &["carriers", account, "receipts"])
    }

    /// The possible prefixes of a signed URL: normalised and as entered, each with and without port.
    fn prefixes(&self) -> Vec<String> {
        let mut prefixes = Vec::new();
        let normalised = self.url.as_str().trim_end_matches('/');
        for text in [normalised, &self.written] {
            let Some(parts) = Parts::of(text) else { continue };
            let port =
                parts.port.map(str::to_owned).or_else(|| self.url.port_or_known_default().map(|p| p.to_string()));
            let Parts { scheme, host, path, .. } = parts;
            prefixes.push(format!("{scheme}://{host}{path}"));
            prefixes.extend(port.map(|port| format!("{scheme}://{host}:{port}{path}")));
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    }
}

/// The prefix of the signed URL. It comes from the configuration, never from a header, which anybody can forge.
#[derive(Clone, Debug)]
pub(in crate::carrier) struct PublicBase {
    /// The normalised URL.
    configured: String,
    /// All spellings that a carrier may sign, including one with the scheme's default port.
    candidates: Vec<String>,
}

impl PublicBase {
    pub(in crate::carrier) fn new(public_url: &PublicUrl) -> Self {
        let configured = public_url.url().as_str().trim_end_matches('/').to_owned();
        Self { configured, candidates: public_url.prefixes() }
    }

    /// All spellings that a carrier may sign.
    pub(in crate::carrier) fn candidates(&self) -> &[String] {
        &self.candidates
    }

    /// The URL that should have been signed, without query values: those of a GET contain numbers and a text.
    pub(in crate::carrier) fn for_log(&self, hook: &Webhook) -> String {
        let (path, query) = hook.path_and_query.split_once('?').unwrap_or((&hook.path_and_query, ""));
        let mut url = format!("{}{path}", self.configured);
        for (place, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            url.push(if place == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((name, _)) => url.extend([name, "=…"]),
                None => url.push('…'),
            }
        }
        match url.char_indices().nth(LOGGED_URL_MAX_CHARACTERS) {
            Some((end, _)) => format!("{}…", &url[..end]),
            None => url,
        }
    }
}

/// Appends escaped path `segments` to `url`.
pub(super) fn below(url: &Url, segments: &[&str]) -> String {
    let mut url = url.clone();
    // URLs that cannot have a path are rejected by the check of the settings.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url.into()
}

/// The parts of a URL, not normalised.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // The colons of an IPv6 address are within brackets.
        let port_at = authority.rfind(':').filter(|colon| authority.rfind(']').is_none_or(|bracket| bracket < *colon));
        let (host, port) = match port_at {
            Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
            None => (authority, None),
        };
        Some(Self { scheme, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f08_a_url_is_tried_as_entered_and_normalised_with_and_without_port() {
        for (text, expected) in [
            ("https://sms.example.com", &["https://sms.example.com", "https://sms.example.com:443"][..]),
            ("https://sms.example.com:8443/", &["https://sms.example.com", "https://sms.example.com:8443"]),
            (
                "https://SMS.Example.COM/Sms",
                &[
                    "https://SMS.Example.COM/Sms",
                    "https://SMS.Example.COM:443/Sms",
                    "https://sms.example.com/Sms",
                    "https://sms.example.com:443/Sms",
                ],
            ),
            (
                "http://[2001:DB8::1]:80",
                &["http://[2001:DB8::1]", "http://[2001:DB8::1]:80", "http://[2001:db8::1]", "http://[2001:db8::1]:80"],
            ),
            ("https://h/é", &["https://h/%C3%A9", "https://h/é", "https://h:443/%C3%A9", "https://h:443/é"]),
            ("https://h/a/../b", &["https://h/a/../b", "https://h/b", "https://h:443/a/../b", "https://h:443/b"]),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().prefixes(), expected, "{text}");
        }
    }
}
