//! Bodies and responses of the SMS REST API.

use super::*;
use crate::model::{Address, FailureCode, Inbound, InboundMedia, Outcome, Receipt, ReceiptRef, ReceiptState, Settled};
use serde_json::{Value, json};

fn text(body: impl Into<Bytes>) -> Inbound {
    match items(account(), body).remove(0) {
        InboundItem::Message(message) => message,
        other => panic!("{other:?} is not a message"),
    }
}

fn receipt(body: impl Into<Bytes>) -> Receipt {
    match items(account(), body).remove(0) {
        InboundItem::Receipt(receipt) => receipt,
        other => panic!("{other:?} is not a receipt"),
    }
}

/// A body with changes.
fn changed(body: &str, changes: &Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

fn outcome(status: u16, body: impl Into<Bytes>) -> Settled {
    Sinch::new(account()).outcome(&answer(status, body), NOW).unwrap()
}

#[test]
fn a_text_is_parsed_completely() {
    let expected = Inbound {
        carrier_id: "01FC66621XXXXX119Z8PMV1QPA".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "Grüße 👋".into(),
        media: vec![],
        segments: None,
        keyword: None,
        part: None,
    };
    assert!(text(body!("mo_text")) == expected);
    let from = |number: &str| text(changed(body!("mo_text"), &json!({ "from": number }))).from;
    assert_eq!(from("+14155550101"), Address::read("+14155550101"));
    assert_eq!(from("24273"), Address::ShortCode("24273".into()));
}

#[test]
fn a_medium_that_sinch_could_not_store_is_listed_without_an_address() {
    let message = text(body!("mo_media"));
    assert_eq!(message.text, "look");
    let expected = [
        InboundMedia { url: "https://mms.us.sinch.com/media/1.jpg".into(), content_type: Some("image/jpeg".into()) },
        InboundMedia { url: String::new(), content_type: Some("video/3gpp".into()) },
    ];
    assert!(message.media == expected);
    assert!(Sinch::new(account()).media("", None, NOW).is_none(), "it fails when it is fetched");
    let subject = changed(body!("mo_media"), &json!({ "body": { "subject": "Hi", "message": "look" } }));
    assert_eq!(text(subject).text, "Hi\nlook");
    let without = changed(body!("mo_media"), &json!({ "body": { "media": [{ "status": "Uploaded" }] } }));
    assert_eq!(problem(account(), without), "body.media is invalid");
}

#[test]
fn a58_what_cannot_be_read_is_quarantined_and_unknown_kinds_are_ignored() {
    for (body, expected) in [
        (body!("empty"), "the body is not JSON"),
        (&body!("mo_text")[..100], "the body is not JSON"),
        (body!("missing_field"), "from is missing"),
        (body!("mo_binary"), "the message is binary"),
        ("{}", "type is missing"),
        ("[]", "type is missing"),
        (body!("conversation_text"), "type is missing"),
        (r#"{"type":"delivery_report_sms","batch_id":"b"}"#, "statuses is missing"),
    ] {
        assert_eq!(problem(account(), body), expected, "{body}");
    }
    for (name, value, expected) in [
        ("id", json!(null), "id is missing"),
        ("id", json!("a b"), "id is invalid"),
        ("to", json!("Acme"), "to is invalid"),
        ("body", json!(7), "body is invalid"),
        ("body", json!(null), "body is missing"),
    ] {
        assert_eq!(problem(account(), changed(body!("mo_text"), &json!({ name: value }))), expected, "{name}");
    }
    let cut = text(body!("mo_text").replace("👋", "\\ud83d"));
    assert_eq!(cut.text, "Grüße \u{fffd}", "half of a character does not lose the rest");
    assert_eq!(items(account(), body!("unknown_kind")), [InboundItem::Ignored { kind: "mo_carrier_pigeon".into() }]);
    assert_eq!(items(account(), body!("unknown_status")), [InboundItem::Ignored { kind: "teleported".into() }]);
}

#[test]
fn a58_a_status_that_cannot_be_read_does_not_lose_the_others() {
    let found = items(account(), body!("summary").replace(r#""status":"Aborted""#, r#""status":7"#));
    let [InboundItem::Receipt(_), InboundItem::Unreadable { raw, problem, .. }] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(problem, "status is invalid");
    let again = items(account(), String::from_utf8(raw.clone()).unwrap());
    assert!(matches!(&again[..], [InboundItem::Unreadable { raw: same, .. }] if same == raw), "{again:?}");
}

#[test]
fn a46_keywords_are_sinchs_only_where_it_answers_them() {
    let keyword = |keywords_on, text: &str| {
        let body = changed(body!("mo_text"), &json!({ "body": text }));
        match items(Settings { keywords_on, ..account() }, body).remove(0) {
            InboundItem::Message(message) => message.keyword,
            other => panic!("{other:?} is not a message"),
        }
    };
    for (text, class) in [("stop", Some("STOP")), (" Cancel ", Some("STOP")), ("INFO", Some("HELP")), ("start", None)] {
        assert_eq!(keyword(true, text).as_deref(), class, "{text}");
        assert_eq!(keyword(false, text), None, "{text}");
    }
    assert_eq!(keyword(true, "please stop"), None);
}

#[test]
fn a61_a_receipt_has_our_message_id_as_its_reference() {
    let expected = |about| Receipt {
        about,
        carrier_id: "01FC66621XXXXX119Z8PMV1QPD".into(),
        status: "delivered".into(),
        state: ReceiptState::Delivered,
        carrier_code: None,
        detail: None,
        segments: Some(2),
    };
    assert_eq!(receipt(body!("delivered")), expected(ReceiptRef::CarrierOnly));
    let ours =
        changed(body!("delivered"), &json!({ "client_reference": message().to_string(), "status": "DELIVERED" }));
    assert_eq!(receipt(ours), expected(ReceiptRef::Ours(message())));
    let both: Vec<_> = items(account(), body!("summary"));
    let state = |item: &InboundItem| match item {
        InboundItem::Receipt(receipt) => (receipt.state, receipt.carrier_code.clone()),
        other => panic!("{other:?} is not a receipt"),
    };
    let rejected = ReceiptState::Failed(FailureCode::CarrierRejected);
    assert_eq!(
        both.iter().map(state).collect::<Vec<_>>(),
        [(ReceiptState::Delivered, None), (rejected, Some("402".to_owned()))]
    );
}

#[test]
fn a54_every_status_of_sinch_maps_to_a_state() {
    use FailureCode::{Blocked, CancelledByRequest, CarrierError, CarrierRejected, NumberInvalid, OptedOut};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (status, code, expected) in [
        ("Queued", 400, Queued),
        ("Dispatched", 401, Sent),
        ("Delivered", 0, Delivered),
        ("Aborted", 402, Failed(CarrierRejected)),
        ("Aborted", 406, Expired),
        ("Aborted", 408, Failed(CarrierRejected)),
        ("Aborted", 415, Failed(CarrierRejected)),
        ("Cancelled", 407, Failed(CancelledByRequest)),
        ("Rejected", 257, Failed(OptedOut)),
        ("REJECTED", 62, Failed(Blocked)),
        ("Rejected", 300, Failed(NumberInvalid)),
        ("Rejected", 9_999, Failed(CarrierRejected)),
        ("Deleted", 0, Failed(Blocked)),
        ("Deleted", 257, Failed(OptedOut)),
        ("Expired", 406, Expired),
        ("Unknown", 0, Sent),
        ("Failed", 404, Undelivered(CarrierError)),
        ("FAILED", 0, Undelivered(CarrierError)),
        ("Failed", 152, Undelivered(NumberInvalid)),
    ] {
        let receipt = receipt(changed(body!("delivered"), &json!({ "status": status, "code": code })));
        assert_eq!(receipt.state, expected, "{status} {code}");
    }
    let opted_out = receipt(body!("opted_out"));
    assert_eq!((opted_out.carrier_code.as_deref(), opted_out.state), (Some("257"), Failed(OptedOut)));
    assert!(opted_out.detail.unwrap().contains("START"));
}

#[test]
fn a_send_has_our_message_id_and_asks_for_receipts() {
    let sinch = Sinch::new(account());
    let request = sinch.request(&outbound(3_600), None, NOW);
    assert_eq!(request.uri().to_string(), format!("https://us.sms.api.sinch.com/xms/v1/{PLAN}/batches"));
    assert_eq!(
        (request.method(), &request.headers()["authorization"]),
        (&Method::POST, &"Bearer osprey-7".parse().unwrap())
    );
    assert!(request.headers()["authorization"].is_sensitive() && sinch.token_request().is_none());
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let expected = json!({
        "type": "mt_text", "from": "14155550199", "to": ["14155550101"], "body": "Café at 8?",
        "delivery_report": "per_recipient", "callback_url": sinch.receipts_url,
        "client_reference": message().to_string(), "expire_at": "2025-11-22T07:00:00.000Z",
        "max_number_of_message_parts": 32,
    });
    assert_eq!(body, expected);
    for (requested, expected) in [(0, "2025-11-22T06:00:01.000Z"), (u32::MAX, "2025-11-25T06:00:00.000Z")] {
        let body: Value = serde_json::from_slice(sinch.request(&outbound(requested), None, NOW).body()).unwrap();
        assert_eq!(body["expire_at"], expected, "{requested}");
    }
}

#[test]
fn responses_to_sends_have_their_class() {
    let sent = Outcome::Sent { carrier_id: "01FC66621XXXXX119Z8PMV1QPB".into(), segments: None };
    assert_eq!(outcome(201, body!("sent")).outcome, sent);
    for body in ["", "{}", "[]", "<html>", r#"{"id":7}"#, r#"{"id":"a b"}"#, r#"{"id":""}"#] {
        assert_eq!(outcome(201, body).outcome, Outcome::Unknown, "{body}");
    }
    for status in [408, 425, 429, 500, 503] {
        assert_eq!(outcome(status, "{}").outcome, Outcome::Later { retry_after: None }, "{status}");
    }
    let mut busy = answer(429, "");
    busy.headers_mut().insert("retry-after", "9".parse().unwrap());
    let nine_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(Sinch::new(account()).outcome(&busy, NOW).unwrap().outcome, nine_seconds);
    for (status, body, says) in [
        (401, "", "api_token_file"),
        (403, "", "service plan"),
        (404, "", "service_plan_id"),
        (302, "", "redirect"),
        (403, r#"{"code":"blocked_account","text":"..."}"#, "blocked"),
    ] {
        let settled = outcome(status, body);
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status}");
        assert!(settled.detail.as_deref().is_some_and(|detail| detail.contains(says)), "{:?}", settled.detail);
    }
    let refused = outcome(400, body!("refused"));
    let carrier_code = Some("syntax_invalid_parameter_format".to_owned());
    assert_eq!(refused.outcome, Outcome::Refused { code: FailureCode::CarrierRejected, carrier_code });
    assert!(!refused.detail.unwrap().contains("format of from"), "the carrier's own text is not repeated");
}
