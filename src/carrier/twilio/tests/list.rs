//! Twilio's list of messages.

use super::*;
use crate::carrier::{ListPart, ListStep, Listed, Page};
use crate::model::{Address, Inbound};

const MESSAGES: &str = include_str!("../bodies/messages.json");
const MEDIA: &str = include_str!("../bodies/media.json");
const TOO_MANY: &str = include_str!("../bodies/too_many.json");
const MMS: &str = "MM2b7f0c4ad6e94f1e8a5d3c9b70e1f264";

fn first(since: &str) -> ListPart {
    ListPart::Page { since: Timestamp::parse(since).unwrap(), next: None }
}

fn uri(part: &ListPart) -> String {
    let ListStep::Request(request) = twilio().list(part, None, None) else { panic!("no request for {part:?}") };
    assert_eq!(request.method(), Method::GET);
    assert!(request.headers().contains_key("authorization"));
    request.uri().to_string()
}

fn read(part: &ListPart, status: u16, body: impl Into<Bytes>) -> ListStep {
    twilio().list(part, Some(&answer(status, body)), None)
}

fn page(since: &str, body: impl Into<Bytes>) -> Page {
    match read(&first(since), 200, body) {
        ListStep::Page(page) => page,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_is_asked_for_from_the_day_before_and_then_page_by_page() {
    let base = format!("https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages.json");
    assert_eq!(uri(&first("2025-11-22T05:00:00Z")), format!("{base}?DateSent%3E=2025-11-21&PageSize=100"));
    let next = page("2025-11-22T05:00:00Z", MESSAGES).next.unwrap();
    let next = ListPart::Page { since: NOW, next: Some(next) };
    let token = "PageSize=100&Page=1&PageToken=PASM9d01e7b35c2f4688b0a7c4e6f8135792";
    assert_eq!(uri(&next), format!("{base}?DateSent%3E=2025-11-21&{token}"));
}

#[test]
fn received_messages_are_read_as_their_webhooks_would_be_and_sends_are_left_out() {
    let page = page("2025-11-22T05:00:00Z", MESSAGES);
    let text = |id: &str, from: &str, text: &str, keyword: Option<&str>| Inbound {
        carrier_id: id.to_owned(),
        from: Address::read(from),
        to: Address::read("+14155550199"),
        text: text.to_owned(),
        media: vec![],
        segments: Some(1),
        keyword: keyword.map(str::to_owned),
        part: None,
    };
    let at = |time: &str| Timestamp::parse(time).unwrap();
    let place = format!("/2010-04-01/Accounts/{SID}/Messages/{MMS}/Media.json");
    let listed = |at, message, media_place| Listed { at, message, media_place };
    let expected = [
        listed(at("2025-11-22T06:00:03Z"), text(MMS, "+14155550101", "look", None), Some(place)),
        listed(
            at("2025-11-22T06:00:01Z"),
            text("SM2b7f0c4ad6e94f1e8a5d3c9b70e1f265", "+14155550101", "Grüße 👋 a=b&c", None),
            None,
        ),
        listed(
            at("2025-11-22T05:59:59Z"),
            text("SM2b7f0c4ad6e94f1e8a5d3c9b70e1f266", "24273", " stop ", Some("STOP")),
            None,
        ),
    ];
    assert_eq!(page.messages, expected);
    assert_eq!(page.unreadable, 1, "another channel's");
}

#[test]
fn the_media_of_a_message_have_the_urls_of_its_webhook() {
    let place = page("2025-11-22T05:00:00Z", MESSAGES).messages[0].media_place.clone().unwrap();
    let part = ListPart::Media { place };
    assert_eq!(uri(&part), format!("https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages/{MMS}/Media.json"));
    let ListStep::Media(media) = read(&part, 200, MEDIA) else { panic!("no media") };
    let url = |id: &str| format!("https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages/{MMS}/Media/{id}");
    let found: Vec<_> = media.iter().map(|medium| (medium.url.clone(), medium.content_type.as_deref())).collect();
    assert_eq!(found, [(url("ME1"), Some("image/jpeg")), (url("ME2"), Some("video/mp4"))]);
    assert!(media.iter().all(|medium| twilio().media(&medium.url, None, NOW).is_some()), "they can be fetched");
    assert!(matches!(read(&part, 404, ""), ListStep::Media(media) if media.is_empty()), "they were deleted");
}

#[test]
fn a_page_on_which_all_is_too_old_is_the_last() {
    assert!(page("2025-11-22T06:00:04Z", MESSAGES).next.is_some());
    assert_eq!(page("2025-11-22T06:00:05Z", MESSAGES).next, None);
    assert_eq!(page("2025-11-22T05:00:00Z", r#"{"messages":[],"next_page_uri":"/x"}"#), Page::default());
    let last = MESSAGES.replace("\"next_page_uri\": \"/", "\"next_page_uri\": null, \"x\": \"/");
    assert_eq!(page("2025-11-22T05:00:00Z", last).next, None);
}

#[test]
fn an_entry_that_cannot_be_read_does_not_lose_the_others() {
    for (field, broken) in [
        ("\"sid\": \"MM", "\"sid\": \" MM"),
        ("\"from\": \"+1", "\"from\": 1, \"x\": \"+1"),
        ("\"date_created\": ", "\"x\": "),
        ("\"body\": \"look\"", "\"body\": {}"),
    ] {
        let body = MESSAGES.replacen(field, broken, 1).replacen("\"date_sent\": ", "\"y\": ", 1);
        let page = page("2025-11-22T05:00:00Z", body);
        assert_eq!((page.messages.len(), page.unreadable), (2, 2), "{field}");
    }
    // SignalWire writes counts as numbers, and has no place of media.
    let other = r#"{"messages":[{"sid":"b3877c40-da60","direction":"inbound","from":"+14155550101","to":"+14155550199",
        "body":"hi","num_segments":2,"num_media":1,"date_created":"Sat, 22 Nov 2025 06:00:03 +0000"}]}"#;
    let page = page("2025-11-22T05:00:00Z", other);
    assert_eq!(page.messages[0].message.segments, Some(2));
    let place = format!("/2010-04-01/Accounts/{SID}/Messages/b3877c40-da60/Media.json");
    assert_eq!(page.messages[0].media_place.as_deref(), Some(&*place));
}

#[test]
fn credentials_go_to_the_api_only_whatever_the_list_names() {
    for place in ["https://evil.example/x", "//evil.example/x", "x", "", "/\\evil.example/x", "\\\\evil.example"] {
        for part in
            [ListPart::Media { place: place.to_owned() }, ListPart::Page { since: NOW, next: Some(place.to_owned()) }]
        {
            match twilio().list(&part, None, None) {
                ListStep::Request(request) => assert_eq!(request.uri().host(), Some("api.twilio.com"), "{place}"),
                ListStep::Failed { .. } => {}
                other => panic!("{place}: {other:?}"),
            }
        }
    }
    let media = MEDIA.replace("\"uri\": \"/2010", "\"uri\": \"//evil.example/2010");
    assert!(matches!(read(&ListPart::Media { place: "/x".to_owned() }, 200, media), ListStep::Failed { .. }));
}

#[test]
fn a_list_that_is_not_given_has_failed() {
    for (status, body, can_retry) in [
        (401, "", false),
        (403, "", false),
        (404, "", false),
        (400, "", false),
        (429, TOO_MANY, true),
        (500, "", true),
        (200, "", true),
        (200, "{}", true),
        (200, r#"{"messages":{}}"#, true),
        (200, r#"{"messages":[],"next_page_uri":7}"#, true),
    ] {
        let ListStep::Failed { retryable, reason } = read(&first("2025-11-22T05:00:00Z"), status, body) else {
            panic!("{status} {body}")
        };
        assert_eq!(retryable, can_retry, "{status}: {reason}");
    }
}
