//! URLs of the file. They are kept as written, because signatures are computed over them.

use super::section::{Reading, Section};
use crate::carrier::PublicUrl;
use url::{Host, Url};

/// A base URL that paths are appended to: no query, no fragment, no trailing slash.
pub(super) fn base_url(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<PublicUrl> {
    let (text, url) = checked(section, key, reading)?;
    if url.query().is_some() {
        reading.problem(section, key, "has a query: remove the ? and everything after it");
        return None;
    }
    text.trim_end_matches('/').parse().ok()
}

/// A URL that requests are sent to. A query is allowed.
pub(super) fn endpoint_url(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<String> {
    let (text, url) = checked(section, key, reading)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        reading.warning(format!("{} is not https: events are sent unencrypted", section.named(key)));
    }
    Some(text)
}

/// The URL is not shown in problems, because some contain keys.
fn checked(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<(String, Url)> {
    let text = section.text(key, reading)?.to_owned();
    let url = match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        Ok(_) => {
            reading.problem(section, key, "is neither http nor https: write it as in \"https://sms.example.com\"");
            return None;
        }
        Err(error) => {
            reading.problem(
                section,
                key,
                format!(
                    "is not a URL ({error}): write it as in \
                \"https://sms.example.com\""
                ),
            );
            return None;
        }
    };
    // Only the host is shown, which cannot contain a key.
    if let Some(host) = url.host_str().filter(|_| !written_host(&text).is_ascii()) {
        let fix = format!("write its DNS form, {host:?}, and use the same at the carrier");
        reading.problem(section, key, format!("has a host with non-ASCII letters: {fix}"));
        return None;
    }
    let wrong = if !url.username().is_empty() || url.password().is_some() {
        "contains a user or password: remove them, secrets belong in files"
    } else if url.fragment().is_some() {
        "has a fragment: remove the # and everything after it"
    } else if text.parse::<http::Uri>().is_err() {
        "has characters that must be written as %XX"
    } else {
        return Some((text, url));
    };
    reading.problem(section, key, wrong);
    None
}

/// Host and port of a URL as written.
fn written_host(text: &str) -> &str {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// Whether a URL is on loopback.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
