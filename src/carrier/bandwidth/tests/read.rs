//! Bodies as Bandwidth sends them.

use super::*;
use crate::carrier::array::ELEMENTS_MAX;
use crate::model::{
    Address, Day, FailureCode, Inbound, InboundMedia, MessageId, Position, Receipt, ReceiptRef, ReceiptState,
};
use serde_json::{Value, json};

const SMS: &str = body!("sms.json");
const FAILED: &str = body!("failed.json");

#[test]
fn a_text_is_parsed_completely_in_an_array_or_alone() {
    let expected = Inbound {
        carrier_id: "14762070468292kw2fuqty55yp2b2".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "Grüße 👋 \"a\" & b".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    for body in [SMS, body!("object.json")] {
        assert_eq!(items(body), [InboundItem::Message(expected.clone())]);
    }
}

#[test]
fn half_a_surrogate_pair_does_not_make_a_message_unreadable() {
    let [InboundItem::Message(message)] = &items(&SMS.replace("👋", "\\ud83d"))[..] else { panic!("no message") };
    assert_eq!(message.text, "Grüße \u{fffd} \"a\" & b");
}

#[test]
fn a_message_to_a_group_is_for_its_owner_and_has_its_media_without_their_layout() {
    let [InboundItem::Message(message)] = &items(body!("mms.json"))[..] else { panic!("no message") };
    let medium = |file: &str| InboundMedia {
        url: format!("https://messaging.bandwidth.com/api/v2/users/9900000/media/14762070468292kw2fuqty55yp2b2/{file}"),
        content_type: None,
    };
    assert!(message.media == [medium("1/a.jpg"), medium("2/b%20c.mp4")]);
    assert_eq!((message.text.as_str(), &message.to), ("", &Address::read("+14155550199")));
    let [InboundItem::Message(message)] = &items(&SMS.replace("\"owner\":\"+14155550199\",", ""))[..] else { panic!() };
    assert_eq!(message.to, Address::read("+14155550199"), "without an owner it is for the event's number");
}

#[test]
fn a_message_may_come_from_a_short_code_and_says_no_keyword() {
    let stop = SMS.replace("+14155550101", "24273").replace(r#"Grüße 👋 \"a\" & b"#, "STOP");
    let [InboundItem::Message(message)] = &items(&stop)[..] else { panic!("no message") };
    assert_eq!((&message.from, message.text.as_str()), (&Address::ShortCode("24273".into()), "STOP"));
    assert_eq!(message.keyword, None, "Bandwidth answers no keyword, so the gateway does");
}

#[test]
fn a61_a_receipt_has_our_message_id_in_its_tag() {
    let message = MessageId::new(Day(20_414), Position(7), 1);
    let expected = |about| {
        InboundItem::Receipt(Receipt {
            about,
            carrier_id: "1593110555875xo7watq5px6rbe5d".into(),
            status: "message-delivered".into(),
            state: ReceiptState::Delivered,
            carrier_code: None,
            detail: None,
            segments: Some(1),
        })
    };
    let delivered = |tag: &str| body!("delivered.json").replace("\"TAG\"", tag);
    let ours = format!("\"{message}\"");
    assert_eq!(items(&delivered(&ours)), [expected(ReceiptRef::Ours(message))]);
    for other in ["\"another program's\"", "\"\"", "null"] {
        assert_eq!(items(&delivered(other)), [expected(ReceiptRef::CarrierOnly)], "{other}");
    }
}

#[test]
fn a54_every_type_and_code_maps_to_a_state() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, Unreachable};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (kind, code, expected) in [
        ("message-sending", "null", Queued),
        ("message-sent", "null", Sent),
        ("message-delivered", "null", Delivered),
        ("message-read", "null", Delivered),
        ("message-failed", "4303", Undelivered(NumberInvalid)),
        ("message-failed", "\"4403\"", Failed(CarrierRejected)),
        ("message-failed", "4360", Expired),
        ("message-failed", "4475", Failed(OptedOut)),
        ("message-failed", "4775", Failed(OptedOut)),
        ("message-failed", "4702", Undelivered(Unreachable)),
        ("message-failed", "4720", Undelivered(NumberInvalid)),
        ("message-failed", "4770", Failed(Blocked)),
        ("message-failed", "4781", Failed(CarrierError)),
        ("message-failed", "5600", Failed(CarrierError)),
        ("message-failed", "9902", Sent),
        ("message-failed", "4998", Failed(CarrierRejected)),
        ("message-failed", "9999", Failed(CarrierError)),
        ("message-failed", "null", Failed(CarrierError)),
        ("message-failed", "[]", Failed(CarrierError)),
    ] {
        let body = FAILED.replace("message-failed", kind).replace("4770", code);
        let [InboundItem::Receipt(receipt)] = &items(&body)[..] else { panic!("no receipt of {kind}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, kind), "{kind} {code}");
        let code = code.trim_matches('"').parse::<u32>().ok().map(|code| code.to_string());
        assert_eq!(receipt.carrier_code, code, "{kind}");
    }
    let handed_on = FAILED
        .replace("message-failed", "message-delivered")
        .replace("destination-spam-detected", "Delivered to carrier");
    assert!(matches!(&items(&handed_on)[..], [InboundItem::Receipt(Receipt { state: Sent, .. })]));
}

#[test]
fn a58_an_unknown_type_is_ignored_with_its_name() {
    let ignored = |kind: &str| vec![InboundItem::Ignored { kind: kind.into() }];
    assert_eq!(items(body!("unknown.json")), ignored("suggestion-response"));
    assert_eq!(items(&SMS.replace("message-received", "tele\\nported \\u0007!")), ignored("teleported"));
    assert_eq!(items(r#"[{"type":"message-teleported"}]"#), ignored("message-teleported"));
    assert_eq!(items(body!("empty.json")), []);
}

#[test]
fn a58_one_bad_element_is_quarantined_alone_and_is_read_again() {
    let found = items(body!("one_bad.json"));
    let [InboundItem::Message(first), bad, InboundItem::Message(third)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.carrier_id.as_str(), third.carrier_id.as_str()), ("first", "third"));
    let InboundItem::Unreadable { raw, problem, request } = bad else { panic!("{bad:?}") };
    assert_eq!(problem, "message.id is invalid");
    let alone: Vec<Value> = serde_json::from_slice(raw).unwrap();
    assert_eq!((alone.len(), &alone[0]["message"]["id"]), (1, &json!(7)));
    // Once it is readable, as after an update of this program, a replay has the one item.
    let mended = String::from_utf8(raw.clone())
        .unwrap()
        .replace("\"id\": 7", "\"id\":\"x\"")
        .replace("\"id\":7", "\"id\":\"x\"");
    let again = Webhook::quarantined(mended.into(), request.as_deref());
    assert!(
        matches!(&bandwidth().parse(&again).unwrap()[..], [InboundItem::Message(message)] if message.carrier_id == "x")
    );
}

#[test]
fn a58_what_is_needed_and_missing_is_quarantined_with_a_problem_that_names_it() {
    assert_problem(body!("missing_field.json"), "message.from is missing");
    for (from, to, problem) in [
        ("\"type\":\"message-received\",", "", "type is missing"),
        ("\"message-received\"", "7", "type is invalid"),
        ("\"id\":\"14762070468292kw2fuqty55yp2b2\",", "", "message.id is missing"),
        ("14762070468292kw2fuqty55yp2b2", "", "message.id is invalid"),
        ("14762070468292kw2fuqty55yp2b2", "a b", "message.id is invalid"),
        ("\"from\":\"+14155550101\"", "\"from\":[]", "message.from is invalid"),
        ("\"from\":\"+14155550101\"", "\"from\":\"\"", "message.from is invalid"),
        ("\"owner\":\"+14155550199\"", "\"owner\":\"Acme\"", "message.owner is invalid"),
        ("\"owner\":\"+14155550199\"", "\"owner\":{}", "message.owner is invalid"),
        ("\"direction\":\"in\"", "\"direction\":\"out\"", "message.direction is invalid"),
        ("\"text\":\"Grüße 👋 \\\"a\\\" & b\"", "\"text\":null", "message.text is missing"),
        ("\"text\":\"Grüße 👋 \\\"a\\\" & b\"", "\"text\":7", "message.text is invalid"),
        ("\"segmentCount\":1", "\"media\":\"https://x\"", "message.media is invalid"),
        ("\"segmentCount\":1", "\"media\":[\"\"]", "message.media is invalid"),
        ("\"segmentCount\":1", "\"segmentCount\":1e999", "an element is not valid JSON"),
        (
            APPLICATION,
            "00000000-9669-4e07-948d-329f4b722ee2",
            "message.applicationId differs from application_id in the configuration",
        ),
    ] {
        assert!(SMS.contains(from), "{from}");
        assert_problem(&SMS.replacen(from, to, 1), problem);
    }
    let receipt = |from, to| FAILED.replacen(from, to, 1);
    assert_problem(&receipt("\"id\"", "\"ID\""), "message.id is missing");
    assert_problem(&receipt("\"direction\":\"out\"", "\"direction\":\"in\""), "message.direction is invalid");
    let other = receipt(APPLICATION, "00000000-9669-4e07-948d-329f4b722ee2");
    assert_problem(&other, "message.applicationId differs from application_id in the configuration");
    for element in ["7", "[]", "null", "\"x\"", "{}", "[{\"type\":\"message-received\"}]"] {
        assert_problem(&format!("[{element}]"), "type is missing");
    }
    let media = vec!["\"https://x\""; 33].join(",");
    let many = SMS.replace("\"segmentCount\":1", &format!("\"media\":[{media}]"));
    assert_problem(&many, "message.media is invalid");
}

#[test]
fn a58_a_body_that_is_not_json_is_quarantined_whole() {
    for body in ["", " ", "{", "[", "[{}", "[1,]", "<xml/>", "a=b", "[]x", "{}{}"] {
        let unreadable = bandwidth().parse(&post(body)).unwrap_err();
        assert_eq!((unreadable.problem.as_str(), &*unreadable.raw), ("the body is not JSON", body.as_bytes()));
    }
    let latin1 = Bytes::copy_from_slice(&[SMS.as_bytes(), b"\xff"].concat());
    assert_eq!(bandwidth().parse(&post(latin1)).unwrap_err().problem, "the body is not JSON");
    let deep = "[".repeat(100_000);
    assert!(bandwidth().parse(&post(deep)).is_err());
}

#[test]
fn an_array_of_any_length_keeps_its_order_unless_no_event_could_be_so_short() {
    let array = |count: usize| {
        let event = |nth: usize| SMS[1..SMS.len() - 1].replace("14762070468292kw2fuqty55yp2b2", &format!("id-{nth}"));
        format!("[{}]", (0..count).map(event).collect::<Vec<_>>().join(","))
    };
    for count in [0, 1, 500, 10_000] {
        let found = items(&array(count));
        let in_order = |(nth, item): (usize, &InboundItem)| matches!(item, InboundItem::Message(message) if message.carrier_id == format!("id-{nth}"));
        assert!(found.len() == count && found.iter().enumerate().all(in_order), "{count}");
    }
    let same = format!("[{0},{0}]", &SMS[1..SMS.len() - 1]);
    assert_eq!(items(&same).len(), 2, "claims deduplicate them");
    let nothing = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    assert_eq!(items(&nothing(ELEMENTS_MAX)).len(), ELEMENTS_MAX, "each is quarantined");
    let unreadable = bandwidth().parse(&post(nothing(ELEMENTS_MAX + 1))).unwrap_err();
    assert_eq!(unreadable.problem, "it has more than 16384 elements");
}

/// The items of a webhook, which must pass verification.
#[track_caller]
fn items(body: &str) -> Vec<InboundItem> {
    let hook = post(body.to_owned());
    assert_eq!(bandwidth().verify(&hook, NOW), Ok(()));
    bandwidth().parse(&hook).unwrap()
}

/// Checks that the only element of the body is quarantined unchanged.
#[track_caller]
fn assert_problem(body: &str, expected: &str) {
    let found = items(body);
    let [InboundItem::Unreadable { raw, problem, .. }] = &found[..] else { panic!("{expected}: {found:?}") };
    assert_eq!((problem.as_str(), std::str::from_utf8(raw).unwrap()), (expected, body));
}
