//! Looking up one of our numbers at Bandwidth (A39, A40), in up to five steps: the number; whether SMS and MMS are on at
//! its location; which application that location has; where the application's messages go.
//! <https://dev.bandwidth.com/apis/numbers-apis/numbers/>

use super::Bandwidth;
use crate::carrier::answer::failed;
use crate::carrier::public_url::below;
use crate::carrier::{LookUp, NumberFacts, Pointing};
use crate::model::{E164, Secret};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::str;

/// The next request, or the result.
pub(super) fn next(bandwidth: &Bandwidth, number: E164, answers: &[Response<Bytes>], token: Option<&Secret>) -> LookUp {
    let get = |path: &[&str]| match Bandwidth::authorized_get(&below(&bandwidth.numbers_url, path), token) {
        Some(request) => LookUp::Request(Box::new(request)),
        None => failed("api_url is not a usable URL: correct it", false),
    };
    if let Some(refused) = answers.last().and_then(refusal) {
        return refused;
    }
    let Some((first, rest)) = answers.split_first() else { return get(&["api", "tns", &digits(number), "tndetails"]) };
    let details = match Details::read(first) {
        Some(details) if details.account == bandwidth.settings.account_id && details.is_in_service => details,
        Some(_) => return LookUp::NotOurs,
        None if first.status() == StatusCode::NOT_FOUND => return LookUp::NotOurs,
        None => return failed("Bandwidth's answer about the number cannot be parsed", true),
    };
    let Some((site, peer)) = details.location else {
        return found(details.sms, false, Pointing::Unknown);
    };
    let account = &*bandwidth.settings.account_id;
    let location = ["api", "accounts", account, "sites", site, "sippeers", peer, "products", "messaging"];
    let messaging = |last: &[&str]| get(&[&location, last].concat());
    let is_on = |answer: &Response<Bytes>| answer.status() != StatusCode::NOT_FOUND;
    match rest {
        [] => messaging(&["features", "sms"]),
        [sms, ..] if !is_on(sms) || !details.sms => found(false, false, Pointing::Unknown),
        [_] => messaging(&["features", "mms"]),
        [_, _] => messaging(&["applicationSettings"]),
        [_, mms, settings] => match application(settings) {
            Some(id) if id.eq_ignore_ascii_case(&bandwidth.settings.application_id) => {
                get(&["api", "accounts", account, "applications", id])
            }
            Some(id) => found(true, is_on(mms), Pointing::Elsewhere(format!("the application {id} of its location"))),
            None => found(true, is_on(mms), Pointing::Elsewhere("no application, as its location has none".to_owned())),
        },
        [_, mms, _, application, ..] => found(true, is_on(mms), pointing(bandwidth, application)),
    }
}

fn found(sms: bool, mms: bool, webhook: Pointing) -> LookUp {
    LookUp::Found(NumberFacts { sms, mms, webhook })
}

/// Why the look-up ends with this answer; `None` if it says something. A 404 says that something does not exist.
fn refusal(answer: &Response<Bytes>) -> Option<LookUp> {
    let said = || format!("Bandwidth answered {}", answer.status().as_u16());
    match answer.status() {
        StatusCode::NOT_FOUND => None,
        status if status.is_success() => None,
        // The token may have just expired; the next look-up gets a new one.
        StatusCode::UNAUTHORIZED => Some(failed("Bandwidth rejects the access token", true)),
        StatusCode::FORBIDDEN => {
            let advice = "the API credentials lack a role for numbers, or are of another account";
            Some(failed(&format!("{}: {advice}", said()), false))
        }
        status if status.is_redirection() => Some(failed("api_url responds with a redirect: correct it", false)),
        _ => Some(failed(&said(), true)),
    }
}

/// North American numbers by their ten digits, others whole.
fn digits(number: E164) -> String {
    let text = number.to_string();
    text.strip_prefix("+1").map(str::to_owned).unwrap_or(text)
}

/// What Bandwidth knows of a number.
struct Details<'a> {
    account: &'a str,
    is_in_service: bool,
    /// SMS is not switched off for the number itself.
    sms: bool,
    /// Its site and SIP peer, which the console calls sub-account and location.
    location: Option<(&'a str, &'a str)>,
}

impl<'a> Details<'a> {
    fn read(answer: &'a Response<Bytes>) -> Option<Self> {
        let xml = text_of(answer)?;
        let of = |name: &str, ids: [&str; 2]| {
            let within = element(xml, name)?;
            ids.into_iter().find_map(|id| element(within, id)).filter(|id| is_id(id))
        };
        let status = element(xml, "Status");
        Some(Self {
            account: element(xml, "AccountId")?,
            is_in_service: status.is_none_or(|status| status.eq_ignore_ascii_case("inservice")),
            sms: element(xml, "SmsEnabled").is_none_or(|on| !on.eq_ignore_ascii_case("false")),
            location: of("Site", ["Id", "SiteId"]).zip(of("SipPeer", ["PeerId", "Id"])),
        })
    }
}

/// The application of a location.
fn application(answer: &Response<Bytes>) -> Option<&str> {
    element(text_of(answer)?, "HttpMessagingV2AppId").filter(|id| is_id(id))
}

/// Where the messages of an application go.
fn pointing(bandwidth: &Bandwidth, answer: &Response<Bytes>) -> Pointing {
    // The names of newer and of older applications.
    let url = text_of(answer).and_then(|xml| {
        ["InboundCallbackUrl", "MsgCallbackUrl", "CallbackUrl"].into_iter().find_map(|name| element(xml, name))
    });
    match url.filter(|url| !url.is_empty()) {
        Some(url) => Pointing::of(&url.replace("&amp;", "&"), [&bandwidth.messages_url, &bandwidth.receipts_url]),
        None => Pointing::Unknown,
    }
}

fn text_of(answer: &Response<Bytes>) -> Option<&str> {
    str::from_utf8(answer.body()).ok().filter(|_| answer.status().is_success())
}

/// Whether a text is usable in a path and harmless in a message.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The content of the first element of this name, trimmed. These answers are flat enough that no XML parser is needed:
/// no element contains another of its own name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let open = format!("<{name}");
    let mut rest = xml;
    loop {
        let (_, after) = rest.split_once(&open)?;
        rest = after;
        if after.starts_with(|next: char| next == '>' || next.is_ascii_whitespace()) {
            let (attributes, content) = after.split_once('>')?;
            if attributes.ends_with('/') {
                return None;
            }
            return content.split_once(&format!("</{name}>")).map(|(content, _)| content.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn an_element_is_found_by_its_whole_name() {
        let xml = "<?xml version=\"1.0\"?><A><SiteId>1</SiteId><Site href=\"x\">\n 2 </Site><B/><Open></A>";
        assert_eq!(element(xml, "Site"), Some("2"));
        assert_eq!(element(xml, "SiteId"), Some("1"));
        for absent in ["B", "Open", "C", "Sit", ""] {
            assert_eq!(element(xml, absent), None, "{absent}");
        }
    }
}
