//! Bodies as Telnyx sends them.

use super::*;
use crate::model::{
    Address, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Receipt, ReceiptRef, ReceiptState,
};
use serde_json::{Value, json};

const SMS: &str = body!("sms.json");
const FAILED: &str = body!("receipt_failed.json");
const OURS: &str = "msg_00000000000000000000007";

#[test]
fn a_text_of_telnyx_is_parsed_completely() {
    let expected = Inbound {
        carrier_id: "84cca175-9755-4859-b67f-4730d7f58aa3".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "here it is: 42".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    assert_eq!(item_of(&post("/m", SMS)), InboundItem::Message(expected.clone()));
    let minimal = Inbound { text: "hi".into(), segments: None, ..expected };
    assert_eq!(item_of(&post("/m", body!("minimal.json"))), InboundItem::Message(minimal));
}

#[test]
fn any_writing_comes_as_it_was_written_whether_escaped_or_not() {
    let text = |body: &'static str| message(&post("/m", body)).text;
    let written = "Grüße 👋 \u{1f926}\u{1f3fd}\u{200d}\u{2642}\u{fe0f} 你好";
    assert_eq!(text(body!("unicode.json")), written);
    assert_eq!(text(body!("unicode_escaped.json")), written);
    assert_eq!(text(body!("half_a_pair.json")), written.replace('👋', "\u{fffd}"));
    assert_eq!(message(&post("/m", body!("unicode.json"))).segments, Some(2));
}

#[test]
fn a_message_with_only_photos_has_all_of_them_in_order_and_an_empty_text() {
    let message = message(&post("/m", body!("mms.json")));
    let medium = |url: &str, content_type: Option<&str>| InboundMedia {
        url: url.to_owned(),
        content_type: content_type.map(str::to_owned),
    };
    let expected = [
        medium("https://media.telnyx.com/6a0c5e1f/photo.jpg", Some("image/jpeg")),
        medium("https://us-central-1.telnyxcloudstorage.com/mms/7b1d?X-Amz-Signature=5e", None),
    ];
    assert!(message.media == expected && message.text.is_empty());
}

#[test]
fn a_message_to_a_group_is_for_our_number_in_it() {
    let message = message(&post("/m", body!("group.json")));
    assert_eq!((message.to, message.text.as_str()), (Address::read("+14155550199"), "to all of you"));
}

#[test]
fn a46_a_keyword_that_telnyx_answered_is_parsed_and_a_word_alone_is_none() {
    let keyword = |body: String| message(&post("/m", body)).keyword;
    let stop = body!("stop.json");
    assert_eq!(keyword(stop.to_owned()).as_deref(), Some("STOP"));
    assert_eq!(keyword(stop.replace("\"STOP\"", "\"start\"")).as_deref(), Some("START"));
    assert_eq!(keyword(stop.replace("\"STOP\"", "\"HELP\"")).as_deref(), Some("HELP"));
    for other in ["null", "\"JOIN\"", "7"] {
        assert_eq!(keyword(stop.replace("\"STOP\"", other)), None, "{other}");
    }
}

#[test]
fn numbers_of_all_kinds_are_senders() {
    for (from, expected) in [
        ("+14155550101", Address::read("+14155550101")),
        ("72975", Address::ShortCode("72975".into())),
        ("Acme", Address::Name("Acme".into())),
        ("0014155550101", Address::Name("0014155550101".into())),
    ] {
        assert_eq!(message(&post("/m", SMS.replacen("+14155550101", from, 1))).from, expected);
    }
    let bare = with(SMS, &["data", "payload", "from"], json!("+14155550101"));
    assert_eq!(message(&post("/m", bare)).from, Address::read("+14155550101"));
}

#[test]
fn a61_a_receipt_has_our_message_id_from_the_signed_body_or_from_its_url() {
    let about = |path: &str, body: &str| match item_of(&post(path, body.to_owned())) {
        InboundItem::Receipt(receipt) => receipt.about,
        other => panic!("{other:?} is no receipt"),
    };
    let ours = ReceiptRef::Ours(OURS.parse().unwrap());
    let delivered = body!("receipt_delivered.json");
    let other = "/r?message=msg_00000000000000000000008";
    // Somebody may send a receipt again to the URL of another message; what is signed counts.
    for path in ["/r", "/r?message=42", other] {
        assert_eq!(about(path, delivered), ours, "{path}");
    }
    let once = with(delivered, &["data", "payload", "webhook_url"], Value::Null);
    assert_eq!(about("/r", &once), ours);
    let never = with(&once, &["meta"], json!({ "attempt": 1 }));
    assert_eq!(about("/r", &never), ReceiptRef::CarrierOnly);
    assert_eq!(about(&format!("/r?message={OURS}"), &never), ours);
    assert_eq!(about("/r?message=42", &never), ReceiptRef::CarrierOnly);
}

#[test]
fn a_receipt_of_telnyx_is_parsed_completely() {
    let ours: MessageId = OURS.parse().unwrap();
    let expected = Receipt {
        about: ReceiptRef::Ours(ours),
        carrier_id: "ac012cbf-5e09-46af-a69a-7c0e2d90993c".into(),
        status: "delivery_failed".into(),
        state: ReceiptState::Undelivered(FailureCode::CarrierError),
        carrier_code: Some("40008".into()),
        detail: Some("it could not be delivered; try again later".into()),
        segments: Some(1),
    };
    assert_eq!(item_of(&post("/r", FAILED)), InboundItem::Receipt(expected));
    let sent = item_of(&post("/r", body!("receipt_sent.json")));
    assert!(matches!(sent, InboundItem::Receipt(Receipt { state: ReceiptState::Sent, carrier_code: None, .. })));
}

#[test]
fn a54_every_telnyx_status_maps_to_a_state() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, Landline, OptedOut};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (status, code, expected) in [
        ("queued", "", Queued),
        ("sending", "", Queued),
        ("sent", "", Sent),
        ("delivered", "", Delivered),
        ("read", "", Delivered),
        ("expired", "40005", Expired),
        ("expired", "", Expired),
        ("sending_failed", "", Failed(CarrierRejected)),
        ("sending_failed", "40014", Expired),
        ("sending_failed", "40300", Failed(OptedOut)),
        ("gw_timeout", "", Failed(CarrierError)),
        ("delivery_failed", "", Undelivered(CarrierError)),
        ("delivery_failed", "40001", Undelivered(Landline)),
        ("delivery_failed", "40003", Failed(Blocked)),
        ("delivery_failed", "40010", Failed(CarrierRejected)),
        ("delivery_failed", "40018", Undelivered(CarrierError)),
        ("delivery_failed", "40005", Expired),
        ("delivery_failed", "40300", Failed(OptedOut)),
        ("delivery_failed", "49999", Undelivered(CarrierError)),
        ("delivery_unconfirmed", "", Sent),
        ("dlr_timeout", "", Sent),
    ] {
        let body = FAILED.replace("\"delivery_failed\"", &format!("\"{status}\"")).replace("40008", code);
        let InboundItem::Receipt(receipt) = item_of(&post("/r", body)) else { panic!("no receipt of {status}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, status), "{status} {code}");
        assert_eq!(receipt.carrier_code.as_deref(), Some(code).filter(|code| !code.is_empty()), "{status} {code}");
    }
}

#[test]
fn a58_an_unknown_event_or_status_of_telnyx_is_ignored_with_its_name() {
    let ignored = |body: String| match item_of(&post("/m", body)) {
        InboundItem::Ignored { kind } => kind,
        other => panic!("{other:?} is not ignored"),
    };
    assert_eq!(ignored(body!("unknown_event.json").to_owned()), "10dlc.campaign.update");
    assert_eq!(ignored(FAILED.replace("\"delivery_failed\"", "\"tele\\nported\"")), "teleported");
    assert_eq!(ignored(FAILED.replace("outbound", "inbound")), "delivery_failed");
    assert_eq!(ignored(SMS.replace("message.received", &"x".repeat(5_000))).len(), 32);
}

#[test]
fn a58_an_event_of_telnyx_that_cannot_be_parsed_is_quarantined_unchanged() {
    let id = "\"id\":\"84cca175-9755-4859-b67f-4730d7f58aa3\",";
    for (from, to, problem) in [
        ("message.received\",", "message.received\",}", "the body is not an event in JSON"),
        ("\"event_type\":\"message.received\",", "", "event_type is missing"),
        ("\"payload\"", "\"other\"", "payload is missing"),
        ("\"text\":\"here it is: 42\"", "\"text\":7", "payload is malformed"),
        ("\"text\":\"here it is: 42\"", "\"text\":null", "text is missing"),
        ("\"text\":\"here it is: 42\",", "", "text is missing"),
        (id, "", "id is missing"),
        (id, "\"id\":\"\",", "id is malformed"),
        (id, "\"id\":7,", "id is malformed"),
        (id, "\"id\":\"a b\",", "id is malformed"),
        ("\"from\"", "\"form\"", "from is missing"),
        ("\"+14155550101\"", "null", "from is missing"),
        ("\"+14155550101\"", "\"\"", "from is malformed"),
        ("\"to\"", "\"too\"", "to is missing"),
        ("\"+14155550199\"", "null", "to is missing"),
        ("+14155550199", "4155550199", "to is malformed"),
        ("\"media\":[]", "\"media\":[{}]", "media is malformed"),
        ("\"media\":[]", "\"media\":[{\"url\":\"\"}]", "media is malformed"),
        ("\"media\":[]", "\"media\":\"https://x\"", "media is malformed"),
        ("\"type\":\"SMS\"", "\"type\":\"RCS\"", "type is neither SMS nor MMS"),
    ] {
        assert!(SMS.contains(from), "{from}");
        assert_unreadable(&telnyx(), &post("/m", SMS.replacen(from, to, 1)), &problem.replace("malformed", "invalid"));
    }
    let many = format!("\"media\":[{}]", vec!["{\"url\":\"https://x\"}"; 33].join(","));
    assert_unreadable(&telnyx(), &post("/m", SMS.replacen("\"media\":[]", &many, 1)), "media is invalid");
    assert_unreadable(&telnyx(), &post("/m", body!("no_id.json")), "id is missing");
    assert_unreadable(&telnyx(), &post("/m", body!("whatsapp.json")), "type is neither SMS nor MMS");
    for no_event in [body!("empty.json"), "[]", "7", "\"\"", "null", "From=%2B14155550101&Body=hi", "<xml/>"] {
        assert_unreadable(&telnyx(), &post("/m", no_event), "the body is not an event in JSON");
    }
    assert_unreadable(&telnyx(), &post("/m", "{}"), "data is missing");
    assert_unreadable(&telnyx(), &post("/r", FAILED.replace("\"status\"", "\"state\"")), "status is missing");
    assert_unreadable(&telnyx(), &post("/r", FAILED.replace("ac012cbf", "a c")), "id is invalid");
}

#[test]
fn a58_another_messaging_profile_is_quarantined_where_one_is_configured() {
    let of = |id: &str| Telnyx::new(Settings { messaging_profile_id: Some(id.to_owned()), ..account() });
    let differs = "messaging_profile_id differs from messaging_profile_id in the configuration";
    for body in [SMS, FAILED] {
        assert!(of(PROFILE).parse(&post("/m", body)).is_ok());
        assert_unreadable(&of("another"), &post("/m", body), differs);
        assert!(of("another").parse(&post("/m", body.replace("messaging_profile_id", "x"))).is_ok());
    }
}

/// The item of a webhook, which must pass verification.
#[track_caller]
fn item_of(hook: &Webhook) -> InboundItem {
    assert_eq!(telnyx().verify(hook, NOW), Ok(()));
    let mut items = telnyx().parse(hook).unwrap();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[track_caller]
fn message(hook: &Webhook) -> Inbound {
    match item_of(hook) {
        InboundItem::Message(message) => message,
        other => panic!("{other:?} is no message"),
    }
}

/// Checks that the webhook verifies and is unreadable, with its raw bytes and a problem without content.
#[track_caller]
fn assert_unreadable(telnyx: &Telnyx, hook: &Webhook, problem: &str) {
    assert_eq!(telnyx.verify(hook, NOW), Ok(()));
    let unreadable = telnyx.parse(hook).unwrap_err();
    assert_eq!((unreadable.problem.as_str(), &*unreadable.raw), (problem, hook.content()));
}

/// A body with another value at a path.
fn with(body: &str, path: &[&str], value: Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let place = path.iter().fold(&mut body, |inner, name| &mut inner[*name]);
    *place = value;
    body.to_string()
}
