//! How a carrier sees our door.

use std::str::FromStr;
use url::Url;

/// The address of the carriers' door as the carrier was told. Carriers sign the address they call, and nobody says whether
/// they write it as it was entered or as it is normalised: in lower case, with escapes, without `..`. Either is tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    /// As it was written, without a slash at its end.
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
    /// As it is normalised.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where the carrier posts what comes to the numbers of an account.
    pub fn messages(&self, account: &str) -> String {
        below(&self.url, &["carriers", account, "messages"])
    }

    /// Where it posts what became of our texts.
    pub fn receipts(&self, account: &str) -> String {
        below(&self.url, &["carriers", account, "receipts"])
    }

    /// What a signed address may begin with: as it is normalised and as it was written, each with its port and without.
    pub(super) fn beginnings(&self) -> Vec<String> {
        let mut beginnings = Vec::new();
        let normalised = self.url.as_str().trim_end_matches('/');
        for text in [normalised, &self.written] {
            let Some(parts) = Parts::of(text) else { continue };
            let port =
                parts.port.map(str::to_owned).or_else(|| self.url.port_or_known_default().map(|p| p.to_string()));
            let Parts { scheme, host, path, .. } = parts;
            beginnings.push(format!("{scheme}://{host}{path}"));
            beginnings.extend(port.map(|port| format!("{scheme}://{host}:{port}{path}")));
        }
        beginnings.sort_unstable();
        beginnings.dedup();
        beginnings
    }
}

/// `url` with `segments` after its path, escaped as segments must be.
pub(super) fn below(url: &Url, segments: &[&str]) -> String {
    let mut url = url.clone();
    // Addresses that cannot have a path are among the problems of the settings, and are not used.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url.into()
}

/// The parts of an address, as they stand in it.
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
        // In an IPv6 address colons stand within brackets.
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
    fn f08_an_address_is_tried_as_written_and_as_normalised_with_and_without_port() {
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
            assert_eq!(text.parse::<PublicUrl>().unwrap().beginnings(), expected, "{text}");
        }
    }
}
