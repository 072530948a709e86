//! The list of messages, the newest first: what phones sent and what was sent to them, in pages; and the media of one.
//!
//! A page's token is the id of its last message, so what arrives meanwhile moves no page.

use super::super::super::record::{News, Post, Webhook};
use super::super::super::{CarrierCore, media};
use super::super::{Reply, json_reply, parameter};
use super::ACCOUNT_SID;
use crate::sim::segments;
use http::StatusCode;
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Instant;

/// Messages per page, unless the request says so.
const PAGE: usize = 50;
const PAGE_MAX: usize = 1_000;

/// A page of the messages that match the query.
pub(super) fn messages(core: &CarrierCore, head: &Parts) -> Reply {
    let size = parameter(head, "PageSize").and_then(|size| size.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let fits = filter(head);
    let mut all: Vec<(Instant, Value)> = {
        let state = core.state();
        let record = &state.recorder.record;
        let sends = record.posts.iter().filter_map(send);
        sends.chain(record.webhooks.iter().filter_map(received)).collect()
    };
    all.sort_by_key(|(at, _)| *at);
    // A webhook that is posted again has the same message.
    let mut seen = HashSet::new();
    all.retain(|(_, entry)| fits(entry) && seen.insert(entry["sid"].to_string()));
    all.reverse();
    let after = parameter(head, "PageToken").and_then(|token| token.strip_prefix("PA").map(str::to_owned));
    let from = after.and_then(|after| all.iter().position(|(_, entry)| entry["sid"] == *after));
    let from = from.map_or(0, |place| place + 1);
    let page: Vec<_> = all[from..].iter().take(size).map(|(_, entry)| entry.clone()).collect();
    let more = from + page.len() < all.len();
    let number = parameter(head, "Page").and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    let next = page.last().filter(|_| more).map(|last| next_page(head, number + 1, last["sid"].as_str().unwrap_or("")));
    let body = json!({
        "messages": page, "page": number, "page_size": size, "next_page_uri": next, "previous_page_uri": null,
        "uri": head.uri.path(), "start": from, "end": from + page.len(),
    });
    json_reply(StatusCode::OK, &body)
}

/// The same query with the token of the next page.
fn next_page(head: &Parts, number: u64, last: &str) -> String {
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let kept = query.filter(|(name, _)| !matches!(&**name, "Page" | "PageToken"));
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(kept).append_pair("Page", &number.to_string()).append_pair("PageToken", &format!("PA{last}"));
    format!("{}?{}", head.uri.path(), next.finish())
}

/// Whether a message matches the query: the numbers, and the days of which it was sent.
fn filter(head: &Parts) -> impl Fn(&Value) -> bool + use<> {
    let [from, to, on, since, until] =
        ["From", "To", "DateSent", "DateSent>", "DateSent<"].map(|name| parameter(head, name));
    move |entry| {
        let is = |field: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| entry[field] == **wanted);
        let day = entry["day"].as_str().unwrap_or_default();
        is("from", &from)
            && is("to", &to)
            && is("day", &on)
            && since.as_ref().is_none_or(|since| day >= &**since)
            && until.as_ref().is_none_or(|until| day <= &**until)
    }
}

fn send(post: &Post) -> Option<(Instant, Value)> {
    let sid = post.sid.as_ref()?;
    let parties = (post.from.to_string(), post.to.to_string());
    Some((post.at, entry(sid, "outbound-api", post.at, &parties, &post.text, 0)))
}

fn received(webhook: &Webhook) -> Option<(Instant, Value)> {
    let News::Text { from, to, text, media } = &webhook.news else { return None };
    let parties = (from.to_string(), to.to_string());
    // A forger's message never was one.
    webhook.genuine.then(|| (webhook.at, entry(&webhook.sid, "inbound", webhook.at, &parties, text, *media)))
}

fn entry(sid: &str, direction: &str, at: Instant, (from, to): &(String, String), text: &str, media: usize) -> Value {
    let at = Timestamp::now() - at.elapsed();
    let zoned = at.to_zoned(jiff::tz::TimeZone::UTC);
    let date = jiff::fmt::rfc2822::to_string(&zoned).expect("this year has four digits");
    let status = if direction == "inbound" { "received" } else { "sent" };
    let uri = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}");
    json!({
        "sid": sid, "account_sid": ACCOUNT_SID, "status": status, "direction": direction, "from": from, "to": to,
        "body": text, "num_segments": segments::count(text).to_string(), "num_media": media.to_string(),
        "date_created": date, "date_sent": date, "date_updated": date, "error_code": null, "error_message": null,
        "messaging_service_sid": null, "price": null, "price_unit": "USD", "api_version": "2010-04-01",
        "uri": format!("{uri}.json"), "subresource_uris": { "media": format!("{uri}/Media.json") },
        "day": zoned.date().to_string(),
    })
}

/// The media of the message with this id.
pub(super) fn media(core: &CarrierCore, sid: &str) -> Reply {
    let count = core.state().recorder.record.webhooks.iter().find_map(|webhook| match &webhook.news {
        News::Text { media, .. } if webhook.sid == sid => Some(*media),
        _ => None,
    });
    let medium = |(content_type, url): (String, String)| {
        let path = url.find("/2010-04-01/").map(|from| &url[from..]).unwrap_or_default();
        json!({ "account_sid": ACCOUNT_SID, "parent_sid": sid, "content_type": content_type, "uri": format!("{path}.json") })
    };
    let list: Vec<_> = media::listed(core, sid, count.unwrap_or_default()).into_iter().map(medium).collect();
    json_reply(StatusCode::OK, &json!({ "media_list": list, "page": 0, "page_size": PAGE, "next_page_uri": null }))
}
