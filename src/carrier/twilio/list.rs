//! Twilio's list of messages, the newest first, with our sends among them.
//! <https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources>
//!
//! ```text
//! GET /2010-04-01/Accounts/AC1122.../Messages.json?DateSent%3E=2025-11-21&PageSize=100
//! {"messages":[{"sid":"SM9d01...","direction":"inbound","from":"+14155550101","to":"+14155550199","body":"look",
//!  "num_media":"1","num_segments":"1","date_created":"Sat, 22 Nov 2025 06:00:00 +0000",
//!  "subresource_uris":{"media":"/2010-04-01/Accounts/AC1122.../Messages/MM9d01.../Media.json"}}],
//!  "next_page_uri":"/2010-04-01/Accounts/AC1122.../Messages.json?PageSize=100&Page=1&PageToken=PASM9d01..."}
//! ```
//!
//! The filter knows days only. Media are listed by themselves, without the URL that a webhook has: it is that of the
//! medium's own resource without `.json`.

use super::{Twilio, read};
use crate::carrier::answer::plausible_id;
use crate::carrier::json;
use crate::carrier::read::{MEDIA_MAX, Problem};
use crate::carrier::{ListPart, ListStep, Listed, Page};
use crate::model::{Address, Day, Inbound, InboundMedia, Timestamp};
use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

/// Messages per page.
const PAGE_SIZE: usize = 100;

/// The request for a part.
pub(super) fn request(twilio: &Twilio, part: &ListPart) -> ListStep {
    let url = match part {
        // The name of the field is `DateSent>`. Whether that includes the day itself differs among those who speak like
        // Twilio; messages that are too old end the reading anyway.
        ListPart::Page { since, next: None } => {
            let day = Day(since.day().0.saturating_sub(1));
            Some(format!("{}?DateSent%3E={day}&PageSize={PAGE_SIZE}", twilio.list_url))
        }
        ListPart::Page { next: Some(place), .. } | ListPart::Media { place } => at_the_origin(twilio, place),
    };
    match url.and_then(|url| twilio.authorized_get(&url)) {
        Some(request) => ListStep::Request(Box::new(request)),
        None => failed("Twilio's list names a place that is no path", true),
    }
}

/// The URL of a path at the origin of the API: what Twilio names is absolute. Nothing else gets our credentials.
fn at_the_origin(twilio: &Twilio, place: &str) -> Option<String> {
    let origin = &twilio.settings.api_url;
    let url = origin.join(place).ok().filter(|_| place.starts_with('/'))?;
    (url.origin() == origin.origin()).then(|| url.into())
}

/// Parses the response.
pub(super) fn result(twilio: &Twilio, part: &ListPart, answer: &Response<Bytes>) -> ListStep {
    match answer.status() {
        StatusCode::OK => {}
        // Media that were deleted meanwhile are missing, and their message is not.
        StatusCode::NOT_FOUND if matches!(part, ListPart::Media { .. }) => return ListStep::Media(Vec::new()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return failed("Twilio rejects our credentials: check account_sid and auth_token_files", false);
        }
        StatusCode::NOT_FOUND => return failed("Twilio reports no such account: check account_sid and api_url", false),
        status => return failed(&format!("Twilio answered {}", status.as_u16()), is_passing(status)),
    }
    let text = String::from_utf8_lossy(answer.body());
    let Ok(list) = json::parse(&text) else { return failed("Twilio's list of messages cannot be parsed", true) };
    let read = match part {
        ListPart::Page { since, .. } => page(twilio, &list, *since).map(ListStep::Page),
        ListPart::Media { .. } => media(twilio, &list).map(ListStep::Media),
    };
    read.unwrap_or_else(|problem| failed(&format!("Twilio's list of messages cannot be read: {problem}"), true))
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

fn failed(reason: &str, retryable: bool) -> ListStep {
    ListStep::Failed { reason: reason.to_owned(), retryable }
}

fn page(twilio: &Twilio, list: &Value, since: Timestamp) -> Result<Page, Problem> {
    let entries = list["messages"].as_array().ok_or(Problem::Missing("messages"))?;
    let mut page = Page::default();
    for entry in entries.iter().filter(|entry| entry["direction"] == "inbound") {
        match message(twilio, entry) {
            Ok(listed) => page.messages.push(listed),
            Err(_problem) => page.unreadable += 1,
        }
    }
    // Sends may be out of order, since they are listed by the time they were sent, and scheduled ones have none.
    let is_too_old = |entry: &Value| times(entry).into_iter().flatten().max().is_some_and(|at| at < since);
    let ends_here = entries.is_empty() || entries.iter().all(is_too_old);
    page.next = json::text(list, "next_page_uri")?.filter(|place| !ends_here && !place.is_empty()).map(str::to_owned);
    Ok(page)
}

/// When Twilio created the entry, and when it sent the text or the webhook.
fn times(entry: &Value) -> [Option<Timestamp>; 2] {
    ["date_created", "date_sent"].map(|name| {
        let at = DateTimeParser::new().parse_timestamp(json::at(entry, name)?.as_str()?).ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Timestamp::from_ms)
    })
}

/// A received message, as its webhook would have been parsed.
fn message(twilio: &Twilio, entry: &Value) -> Result<Listed, Problem> {
    let carrier_id = json::required(entry, "sid")?;
    if !plausible_id(carrier_id) {
        return Err(Problem::Malformed("sid"));
    }
    let to = json::address(entry, "to")?;
    if matches!(to, Address::Name(_)) {
        return Err(Problem::Malformed("to"));
    }
    let text = json::text(entry, "body")?.unwrap_or_default().to_owned();
    let at = times(entry).into_iter().flatten().next().ok_or(Problem::Missing("date_created"))?;
    let has_media = json::whole(entry, "num_media").is_some_and(|count| count > 0);
    let media_place = has_media.then(|| media_place(twilio, entry, carrier_id)).transpose()?;
    let message = Inbound {
        carrier_id: carrier_id.to_owned(),
        from: json::address(entry, "from")?,
        to,
        keyword: read::keyword(&twilio.settings, None, &text),
        text,
        media: Vec::new(),
        segments: json::segments(entry, "num_segments"),
        part: None,
    };
    Ok(Listed { at, message, media_place })
}

fn media_place(twilio: &Twilio, entry: &Value, sid: &str) -> Result<String, Problem> {
    if let Some(place) = json::text(entry, "subresource_uris.media")? {
        return Ok(place.to_owned());
    }
    let account = &twilio.settings.account_sid;
    Ok(format!("/2010-04-01/Accounts/{account}/Messages/{sid}/Media.json"))
}

fn media(twilio: &Twilio, list: &Value) -> Result<Vec<InboundMedia>, Problem> {
    let entries = list["media_list"].as_array().ok_or(Problem::Missing("media_list"))?;
    let medium = |entry: &Value| {
        let place = json::required(entry, "uri")?;
        let url = at_the_origin(twilio, place.strip_suffix(".json").unwrap_or(place));
        let content_type = json::text(entry, "content_type")?.filter(|kind| !kind.is_empty()).map(str::to_owned);
        Ok(InboundMedia { url: url.ok_or(Problem::Malformed("uri"))?, content_type })
    };
    entries.iter().take(MEDIA_MAX).map(medium).collect()
}
