//! URLs of the file. They are kept as they were written: signatures are computed over them.

use super::section::{Reading, Section};
use url::{Host, Url};

/// A base that paths are put after: no query, no fragment, and no slash at its end.
pub(super) fn base_url(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<String> {
    let (text, url) = checked(section, key, reading)?;
    if url.query().is_some() {
        reading.problem(section, key, "has a query: leave out the ? and what follows it");
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

/// An address that requests are sent to. A query is allowed.
pub(super) fn endpoint_url(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<String> {
    let (text, url) = checked(section, key, reading)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        reading.warning(format!("{} is not https: what is sent there can be read on its way", section.named(key)));
    }
    Some(text)
}

/// Whether a URL stays on this machine.
pub(super) fn stays_here(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| is_loopback(&url))
}

/// The URL is not shown in problems: some carry keys.
fn checked(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<(String, Url)> {
    let text = section.text(key, reading)?.to_owned();
    let url = match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        Ok(_) => {
            reading.problem(section, key, "is neither http nor https: write it as in \"https://sms.example.com\"");
            return None;
        }
        Err(error) => {
            reading.problem(section, key, format!("is no URL ({error}): write it as in \"https://sms.example.com\""));
            return None;
        }
    };
    // The host alone is shown, and no key stands in that.
    if let Some(host) = url.host_str().filter(|_| !written_host(&text).is_ascii()) {
        let way_out = format!("write it as the DNS has it, {host:?}, which is also how the carrier must have it");
        reading.problem(section, key, format!("has a host with letters beyond ASCII: {way_out}"));
        return None;
    }
    let wrong = if !url.username().is_empty() || url.password().is_some() {
        "holds a user or password: leave them out, secrets belong into files"
    } else if url.fragment().is_some() {
        "has a fragment: leave out the # and what follows it"
    } else if text.parse::<http::Uri>().is_err() {
        "has characters that must be written as %XX"
    } else {
        return Some((text, url));
    };
    reading.problem(section, key, wrong);
    None
}

/// Host and port of a URL as they were written.
fn written_host(text: &str) -> &str {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
