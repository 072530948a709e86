//! Bodies as Vonage sends them.

use super::*;
use crate::model::decode_with_surrogates;
use crate::model::{Address, Day, FailureCode, Inbound, MessageId, Part, Position, Receipt, ReceiptRef, ReceiptState};

const UNICODE: &str = include_str!("../../../../tests/bodies/vonage_sms/unicode.json");
const PART_1: &str = include_str!("../../../../tests/bodies/vonage_sms/part_1.json");
const PART_2: &str = include_str!("../../../../tests/bodies/vonage_sms/part_2.json");
const BINARY: &str = include_str!("../../../../tests/bodies/vonage_sms/binary.json");
const DELIVERED: &str = include_str!("../../../../tests/bodies/vonage_sms/delivered.form");
const FAILED: &str = include_str!("../../../../tests/bodies/vonage_sms/failed.json");
const UNKNOWN_STATUS: &str = include_str!("../../../../tests/bodies/vonage_sms/unknown_status.form");

#[test]
fn a_text_is_parsed_completely_from_json_a_form_and_a_query() {
    let expected = |text: &str| {
        InboundItem::Message(Inbound {
            carrier_id: "0A0000000123ABCD1".into(),
            from: Address::read("+14155550101"),
            to: Address::read("+14155550199"),
            text: text.into(),
            media: vec![],
            segments: None,
            keyword: None,
            part: None,
        })
    };
    assert_eq!(item_of(&post(SMS)), expected("Hello gateway"));
    assert_eq!(item_of(&post(UNICODE)), expected("café 😀 你好"));
    assert_eq!(item_of(&post(SMS_FORM)), expected("Grüße 👋 a=b&c"));
    assert_eq!(item_of(&fetch(SMS_FORM)), expected("Grüße 👋 a=b&c"));
    assert_eq!(item_of(&post(SMS.replace("Hello gateway", ""))), expected(""));
    // A number is what it is written as.
    assert_eq!(item_of(&post(SMS.replace("\"14155550101\"", "14155550101"))), expected("Hello gateway"));
    let untyped = Webhook { headers: HeaderMap::new(), ..post(SMS_FORM) };
    assert_eq!(item_of(&untyped), expected("Grüße 👋 a=b&c"));
}

#[test]
fn a_part_has_its_place_and_half_a_character_that_the_next_part_completes() {
    let part = |body: &str| {
        let message = message_of(&post(body.to_owned()));
        assert_eq!(message.text, "");
        message.part.expect("it is a part")
    };
    let (first, second) = (part(PART_1), part(PART_2));
    assert_eq!((first.reference.as_str(), first.number, first.total), ("108", 1, 2));
    assert_eq!((second.reference.as_str(), second.number, second.total), ("108", 2, 2));
    assert!(first.content.ends_with(b"\xED\xA0\xBD") && second.content.starts_with(b"\xED\xB8\x80"));
    let joined = decode_with_surrogates(&[first.content, second.content].concat());
    let whole = "The first half ends in half a smile 😀 and the second begins with the rest";
    assert_eq!(joined.as_deref(), Some(whole));

    let form = |rest: &str| part_of(&post(format!("{SMS_FORM}&concat=true&concat-ref=7{rest}")));
    let content = "Grüße 👋 a=b&c".as_bytes().to_vec();
    assert_eq!(form("&concat-total=255&concat-part=255"), Part::new("7", 255, 255, content.clone()));
    assert_eq!(form("&concat-total=2&concat-part=1"), Part::new("7", 1, 2, content));
}

#[test]
fn parts_that_make_no_sense_are_texts_by_themselves() {
    for (total, number) in [
        ("2", "3"),
        ("0", "0"),
        ("2", "0"),
        ("1", "1"),
        ("256", "1"),
        ("300", "299"),
        ("-2", "1"),
        ("two", "1"),
        ("2", ""),
        ("99999999999999999999", "1"),
    ] {
        let query = format!("{SMS_FORM}&concat=true&concat-ref=7&concat-total={total}&concat-part={number}");
        let message = message_of(&fetch(&query));
        assert_eq!((message.part, message.text.as_str()), (None, "Grüße 👋 a=b&c"), "{number} of {total}");
    }
    for without in ["&concat=true", "&concat=true&concat-total=2", "&concat=false&concat-total=2&concat-part=1"] {
        assert_eq!(message_of(&fetch(&format!("{SMS_FORM}{without}"))).part, None, "{without}");
    }
    let long = format!("{SMS_FORM}&concat=true&concat-ref={}&concat-total=2&concat-part=1", "7".repeat(33));
    assert_eq!(message_of(&post(long)).part, None);
    // Half a character of a text by itself is replaced.
    let alone = message_of(&post(PART_1.replace("\"concat-part\":\"1\"", "\"concat-part\":\"3\"")));
    assert_eq!(alone.text, "The first half ends in half a smile \u{fffd}");
}

#[test]
fn a61_a_receipt_has_our_message_id_as_client_ref() {
    let message = MessageId::new(Day(20_414), Position(7), 1);
    let delivered = DELIVERED.replace("msg_00000000000000000000007", &message.to_string());
    let expected = |about| {
        InboundItem::Receipt(Receipt {
            about,
            carrier_id: "0A0000000123ABCD1".into(),
            status: "delivered".into(),
            state: ReceiptState::Delivered,
            carrier_code: None,
            detail: None,
            segments: None,
        })
    };
    assert_eq!(item_of(&fetch(&delivered)), expected(ReceiptRef::PartOf(message)));
    assert_eq!(item_of(&post(delivered.clone())), expected(ReceiptRef::PartOf(message)));
    for other in ["", "&client-ref=42", "&client-ref="] {
        let body = delivered.replace(&format!("&client-ref={message}"), other);
        assert_eq!(item_of(&post(body)), expected(ReceiptRef::CarrierOnly), "{other}");
    }
}

#[test]
fn a54_every_status_maps_to_a_state() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, Unreachable};
    use ReceiptState::{Delivered, Expired, Failed, Sent, Undelivered};

    for (status, code, expected) in [
        ("accepted", "0", Sent),
        ("buffered", "0", Sent),
        ("unknown", "1", Sent),
        ("delivered", "0", Delivered),
        ("expired", "1", Expired),
        ("failed", "2", Undelivered(Unreachable)),
        ("failed", "3", Undelivered(NumberInvalid)),
        ("failed", "6", Undelivered(Blocked)),
        ("failed", "8", Undelivered(CarrierError)),
        ("failed", "9", Undelivered(OptedOut)),
        ("failed", "98", Undelivered(CarrierError)),
        ("failed", "", Undelivered(CarrierError)),
        ("rejected", "9", Failed(OptedOut)),
        ("rejected", "11", Failed(CarrierRejected)),
        ("rejected", "soon", Failed(CarrierRejected)),
    ] {
        let body = FAILED.replace("\"err-code\":\"2\"", &format!("\"err-code\":\"{code}\""));
        let body = body.replace("\"failed\"", &format!("\"{status}\""));
        let InboundItem::Receipt(receipt) = item_of(&post(body)) else { panic!("no receipt of {status}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, status), "{status} {code}");
        let expected_code = code.parse::<u16>().ok().filter(|code| *code > 0).map(|code| code.to_string());
        assert_eq!(receipt.carrier_code, expected_code, "{status} {code}");
    }
}

#[test]
fn a58_an_unknown_event_is_ignored_with_its_name() {
    for (body, kind) in [
        (UNKNOWN_STATUS.to_owned(), "teleported"),
        (UNKNOWN_STATUS.replace("teleported", "on%0Aerror+%22x"), "onerrorx"),
        (BINARY.to_owned(), "binary"),
    ] {
        assert_eq!(item_of(&post(body)), InboundItem::Ignored { kind: kind.to_owned() });
    }
}

#[test]
fn a58_a_webhook_that_cannot_be_parsed_is_quarantined_unchanged() {
    for (from, to, problem) in [
        ("&messageId=0A0000000123ABCD1", "", "messageId is missing"),
        ("messageId=0A0000000123ABCD1", "messageId=", "messageId is invalid"),
        ("messageId=0A0000000123ABCD1", "messageId=a+b", "messageId is invalid"),
        ("&msisdn=14155550101", "", "msisdn is missing"),
        ("msisdn=14155550101", "msisdn=", "msisdn is invalid"),
        ("&to=14155550199", "", "to is missing"),
        ("to=14155550199", "to=Acme", "to is invalid"),
        ("to=14155550199", "to=004155550199", "to is invalid"),
        ("&text=Gr%C3%BC%C3%9Fe+%F0%9F%91%8B+a%3Db%26c", "", "text is missing"),
        ("Gr%C3%BC%C3%9Fe", "Gr%FC%DFe", "text is not UTF-8"),
        ("type=unicode", "status=", "status is invalid"),
        ("a1b2c3d4", "b1b2c3d4", "api-key differs from api_key in the configuration"),
    ] {
        assert!(SMS_FORM.contains(from), "{from}");
        assert_unreadable(&post(SMS_FORM.replacen(from, to, 1)), problem);
    }
    // A part that can never be decoded is not kept as one.
    let latin_1 = SMS_FORM.replace("Gr%C3%BC", "Gr%FC") + "&concat=true&concat-ref=7&concat-total=2&concat-part=1";
    assert_unreadable(&post(latin_1), "text is not UTF-8");
    // What cannot be verified is never parsed, and parsing it is an error.
    for body in ["", "{}", "{\"text\":{}}", "[1]", "{\"text\":[\"x\"]}"] {
        let mut hook = unsigned(body);
        hook.headers.insert("content-type", "application/json".parse().unwrap());
        assert!(vonage().parse(&hook).is_err(), "{body}");
    }
    let mut hook = unsigned(SMS_FORM);
    hook.headers.insert("content-type", "text/plain".parse().unwrap());
    let problem = vonage().parse(&hook).unwrap_err().problem;
    assert_eq!(problem, "the body is neither a form nor an object in JSON");
}

#[test]
fn what_was_quarantined_is_read_again() {
    for hook in [post(SMS), post(SMS_FORM), fetch(SMS_FORM)] {
        let unreadable = hook.unreadable("x");
        let again = Webhook::quarantined(unreadable.raw.to_vec(), Some(&unreadable.request));
        assert_eq!(vonage().parse(&again), vonage().parse(&hook));
    }
}

/// The item of a webhook, which must pass verification.
#[track_caller]
fn item_of(hook: &Webhook) -> InboundItem {
    assert_eq!(vonage().verify(hook, NOW), Ok(()));
    let mut items = vonage().parse(hook).unwrap();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[track_caller]
fn message_of(hook: &Webhook) -> Inbound {
    match item_of(hook) {
        InboundItem::Message(message) => message,
        other => panic!("{other:?} is not a message"),
    }
}

#[track_caller]
fn part_of(hook: &Webhook) -> Option<Box<Part>> {
    message_of(hook).part
}

/// Checks that the webhook verifies and is unreadable, with its raw bytes and a problem without content.
#[track_caller]
fn assert_unreadable(hook: &Webhook, problem: &str) {
    assert_eq!(vonage().verify(hook, NOW), Ok(()));
    let unreadable = vonage().parse(hook).unwrap_err();
    assert_eq!((unreadable.problem.as_str(), &*unreadable.raw), (problem, hook.content()));
}
