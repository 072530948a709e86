//! Bodies as Vonage sends them.

use super::*;
use crate::model::{
    Address, Day, FailureCode, Inbound, InboundMedia, MessageId, Position, Receipt, ReceiptRef, ReceiptState,
};

const UNICODE: &str = include_str!("../../../../tests/bodies/vonage/unicode.json");
const MMS_IMAGE: &str = include_str!("../../../../tests/bodies/vonage/mms_image.json");
const MMS_CONTENT: &str = include_str!("../../../../tests/bodies/vonage/mms_content.json");
const UNSUPPORTED: &str = include_str!("../../../../tests/bodies/vonage/unsupported.json");
const WHATSAPP: &str = include_str!("../../../../tests/bodies/vonage/whatsapp.json");
const VERSION_0_1: &str = include_str!("../../../../tests/bodies/vonage/version_0_1.json");
const DELIVERED: &str = include_str!("../../../../tests/bodies/vonage/delivered.json");
const UNDELIVERABLE: &str = include_str!("../../../../tests/bodies/vonage/undeliverable.json");
const UNKNOWN_STATUS: &str = include_str!("../../../../tests/bodies/vonage/unknown_status.json");

#[test]
fn a_text_is_parsed_completely() {
    let expected = Inbound {
        carrier_id: "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "Hello gateway".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    assert_eq!(item_of(SMS), InboundItem::Message(expected));
}

#[test]
fn a_text_in_any_script_is_unchanged() {
    let text = |body: &str| message_of(body).text;
    assert_eq!(text(UNICODE), "Grüße 👋 😀 你好 \"a=b&c\"\nZeile 2");
    assert_eq!(message_of(UNICODE).segments, Some(2));
    // Half a character is replaced, and does not lose the rest.
    assert_eq!(text(&SMS.replace("Hello gateway", "Hello \\ud83d")), "Hello \u{fffd}");
    assert_eq!(text(&SMS.replace("Hello gateway", "")), "");
    assert_eq!(text(&SMS.replace("Hello gateway", " \\u0000\\t ")), " \0\t ");
}

#[test]
fn a_message_with_photos_has_all_of_them_and_the_caption_as_text() {
    let medium = |id: &str| InboundMedia {
        url: format!("https://api-us.nexmo.com/v3/media/{id}-974c-458b-aafa-45fc48a4d976"),
        content_type: None,
    };
    for (body, text) in [(MMS_IMAGE, "look"), (MMS_CONTENT, "two of them")] {
        let message = message_of(body);
        assert_eq!(message.text, text);
        assert!(message.media == [medium("1b456509"), medium("2c456509")], "{body}");
    }
    for kind in ["audio", "video", "vcard", "file"] {
        let message = message_of(&MMS_IMAGE.replace("image", kind));
        assert_eq!(message.media.len(), 2, "{kind}");
    }
    let both = MMS_IMAGE.replace("\"image\":{", "\"text\":\"see\",\"image\":{");
    assert_eq!(message_of(&both).text, "see\nlook");
}

#[test]
fn numbers_without_plus_and_short_codes_are_senders() {
    let from = |written: &str| message_of(&SMS.replace("\"14155550101\"", &format!("\"{written}\""))).from;
    assert_eq!(from("14155550101"), Address::read("+14155550101"));
    assert_eq!(from("+14155550101"), Address::read("+14155550101"));
    assert_eq!(from("72975"), Address::ShortCode("72975".into()));
    for name in ["Acme", "0014155550101", "04155550101"] {
        assert_eq!(from(name), Address::Name(name.into()));
    }
}

#[test]
fn a61_a_receipt_has_our_message_id_as_client_ref() {
    let message = MessageId::new(Day(20_414), Position(7), 1);
    let delivered = DELIVERED.replace("msg_00000000000000000000007", &message.to_string());
    let expected = |about| {
        InboundItem::Receipt(Receipt {
            about,
            carrier_id: "3f2b1c0d-9e8f-4a7b-8c6d-5e4f3a2b1c0d".into(),
            status: "delivered".into(),
            state: ReceiptState::Delivered,
            carrier_code: None,
            detail: None,
            segments: Some(2),
        })
    };
    assert_eq!(item_of(&delivered), expected(ReceiptRef::Ours(message)));
    let refs = format!("\"client_ref\":\"{message}\",");
    for other in ["", "\"client_ref\":\"42\",", "\"client_ref\":42,", "\"client_ref\":null,"] {
        assert_eq!(item_of(&delivered.replace(&refs, other)), expected(ReceiptRef::CarrierOnly), "{other}");
    }
}

#[test]
fn a54_every_status_maps_to_a_state() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, Unreachable};
    use ReceiptState::{Delivered, Expired, Failed, Sent, Undelivered};

    for (status, code, expected) in [
        ("submitted", "", Sent),
        ("delivered", "", Delivered),
        ("read", "", Delivered),
        ("undeliverable", "1180", Undelivered(Unreachable)),
        ("undeliverable", "1190", Undelivered(NumberInvalid)),
        ("undeliverable", "1230", Undelivered(CarrierError)),
        ("undeliverable", "1360", Expired),
        ("undeliverable", "9999", Undelivered(CarrierError)),
        ("rejected", "1210", Failed(Blocked)),
        ("rejected", "1240", Failed(OptedOut)),
        ("rejected", "1070", Failed(CarrierRejected)),
        ("rejected", "1000", Failed(CarrierError)),
        ("rejected", "1360", Expired),
        ("rejected", "", Failed(CarrierRejected)),
    ] {
        let error = if code.is_empty() { "null".to_owned() } else { format!("{{\"title\":\"{code}\"}}") };
        let (before, _) = UNDELIVERABLE.split_once("{\"type\"").unwrap();
        let body = format!("{before}{error}}}").replace("undeliverable", status);
        let InboundItem::Receipt(receipt) = item_of(&body) else { panic!("no receipt of {status}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, status), "{status} {code}");
        assert_eq!(receipt.carrier_code.as_deref().unwrap_or_default(), code);
        assert_eq!(receipt.detail.is_some(), !matches!(code, "" | "9999"), "{status} {code}");
    }
}

#[test]
fn a58_an_unknown_event_is_ignored_with_its_name() {
    for (body, kind) in [
        (UNKNOWN_STATUS, "teleported"),
        (WHATSAPP, "whatsapp"),
        (UNSUPPORTED, "unsupported"),
        (&UNKNOWN_STATUS.replace("teleported", "on\\nerror \\\"x"), "onerrorx"),
        (&UNSUPPORTED.replace("unsupported", &"x".repeat(99)), &"x".repeat(32)),
    ] {
        assert_eq!(item_of(body), InboundItem::Ignored { kind: kind.to_owned() });
    }
}

#[test]
fn a58_a_webhook_that_cannot_be_parsed_is_quarantined_unchanged() {
    let id = "\"message_uuid\":\"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab\",";
    for (from, to, problem) in [
        (id, "", "message_uuid is missing"),
        (id, "\"message_uuid\":null,", "message_uuid is missing"),
        (id, "\"message_uuid\":\"\",", "message_uuid is invalid"),
        (id, "\"message_uuid\":\"a b\",", "message_uuid is invalid"),
        (id, &format!("\"message_uuid\":\"{}\",", "a".repeat(65)), "message_uuid is invalid"),
        (id, &format!("{id}{id}"), "the body is not a webhook in JSON"),
        (id, "\"message_uuid\":7,", "the body is not a webhook in JSON"),
        ("\"from\":\"14155550101\",", "", "from is missing"),
        ("\"from\":\"14155550101\"", "\"from\":\"\"", "from is invalid"),
        ("\"from\":\"14155550101\"", "\"from\":14155550101", "from is invalid"),
        ("\"to\":\"14155550199\",", "", "to is missing"),
        ("\"to\":\"14155550199\"", "\"to\":\"Acme\"", "to is invalid"),
        ("\"to\":\"14155550199\"", "\"to\":\"004155550199\"", "to is invalid"),
        ("\"text\":\"Hello gateway\",", "", "text is missing"),
        ("\"text\":\"Hello gateway\"", "\"text\":null", "text is missing"),
        ("\"text\":\"Hello gateway\"", "\"text\":[1]", "the body is not a webhook in JSON"),
        ("\"text\"", "\"status\":\"\",\"text\"", "status is invalid"),
        ("\"text\"", "\"message_type\":\"image\",\"text\"", "url is missing"),
        ("\"text\"", "\"message_type\":\"image\",\"image\":{\"url\":\"\"},\"text\"", "url is invalid"),
        ("\"none\"}", "\"none\"", "the body is not a webhook in JSON"),
        ("{\"channel\"", "[{\"channel\"", "the body is not a webhook in JSON"),
    ] {
        assert!(SMS.contains(from), "{from}");
        assert_unreadable(&post(SMS.replacen(from, to, 1)), problem);
    }
    assert_unreadable(&post(DELIVERED.replace("\"message_uuid\"", "\"uuid\"")), "message_uuid is missing");
    let media = "{\"url\":\"https://api-us.nexmo.com/m\"},".repeat(33);
    let many = MMS_CONTENT.replace("[{", &format!("[{media}{{"));
    assert_unreadable(&post(many), "url is invalid");
    assert_unreadable(&post("{}"), "message_uuid is missing");
    let latin_1 = SMS.replace("Hello gateway", "caf?").into_bytes();
    let latin_1: Vec<u8> = latin_1.into_iter().map(|byte| if byte == b'?' { 0xE9 } else { byte }).collect();
    assert_unreadable(&post(latin_1), "text is not UTF-8");
}

#[test]
fn a_webhook_of_version_0_1_says_what_to_change() {
    let unreadable = vonage().parse(&post(VERSION_0_1)).unwrap_err();
    assert!(unreadable.problem.contains("set the Messages API of the application to v1"), "{unreadable}");
}

#[test]
fn a_webhook_of_another_account_or_application_is_quarantined() {
    let of = |api_key: &str, application: &str| {
        let claims = serde_json::json!({ "api_key": api_key, "application_id": application });
        let token = signed(&Secret::new(SECRET), &serde_json::json!({ "alg": "HS256" }), &claims);
        vonage().parse(&with_authorization(&format!("Bearer {token}"), SMS))
    };
    assert!(of("a1b2c3d4", APPLICATION).is_ok());
    assert!(of("a1b2c3d4", &APPLICATION.to_uppercase()).is_ok());
    let problem = of("b1b2c3d4", APPLICATION).unwrap_err().problem;
    assert_eq!(problem, "api_key of the token differs from api_key in the configuration");
    let problem = of("a1b2c3d4", "aaaaaaaa-bbbb-cccc-dddd-000000000000").unwrap_err().problem;
    assert_eq!(problem, "application_id of the token differs from application_id in the configuration");

    // What was quarantined has no token, and is read when an administrator replays it.
    let unreadable = of("b1b2c3d4", APPLICATION).unwrap_err();
    let replayed = Webhook::quarantined(unreadable.raw.to_vec(), Some(&unreadable.request));
    assert!(matches!(vonage().parse(&replayed).unwrap()[..], [InboundItem::Message(_)]));
}

#[test]
fn an_empty_body_is_unreadable_and_its_query_is_not_read() {
    let mut hook = post("");
    hook.path_and_query = "/m?message_uuid=a&from=14155550101&to=14155550199&text=hi".to_owned();
    assert_unreadable(&hook, "the body is not a webhook in JSON");
}

/// The item of a webhook, which must pass verification.
#[track_caller]
fn item_of(body: &str) -> InboundItem {
    let hook = post(body.to_owned());
    assert_eq!(vonage().verify(&hook, NOW), Ok(()));
    let mut items = vonage().parse(&hook).unwrap();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[track_caller]
fn message_of(body: &str) -> Inbound {
    match item_of(body) {
        InboundItem::Message(message) => message,
        other => panic!("{other:?} is not a message"),
    }
}

/// Checks that the webhook verifies and is unreadable, with its raw bytes and a problem without content.
#[track_caller]
fn assert_unreadable(hook: &Webhook, problem: &str) {
    assert_eq!(vonage().verify(hook, NOW), Ok(()));
    let unreadable = vonage().parse(hook).unwrap_err();
    assert_eq!((unreadable.problem.as_str(), &*unreadable.raw), (problem, hook.content()));
}
