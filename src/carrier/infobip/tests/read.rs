//! Bodies as Infobip sends them.

use super::*;
use crate::model::{Address, FailureCode, Inbound, InboundMedia, Receipt, ReceiptRef, ReceiptState};
use serde_json::{Value, json};

fn items(body: impl Into<Bytes>) -> Vec<InboundItem> {
    infobip().parse(&post("/carriers/main/messages", body)).unwrap()
}

/// The only item of a body.
fn item(body: impl Into<Bytes>) -> InboundItem {
    let mut items = items(body);
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn text(body: impl Into<Bytes>) -> Inbound {
    match item(body) {
        InboundItem::Message(message) => message,
        other => panic!("{other:?} is not a message"),
    }
}

fn receipt(body: impl Into<Bytes>) -> Receipt {
    match item(body) {
        InboundItem::Receipt(receipt) => receipt,
        other => panic!("{other:?} is not a receipt"),
    }
}

fn problem(body: impl Into<Bytes>) -> String {
    match item(body) {
        InboundItem::Unreadable { problem, .. } => problem,
        other => panic!("{other:?} is readable"),
    }
}

/// A body whose first element has changes.
fn changed(body: &str, changes: &Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        body["results"][0][name] = value.clone();
    }
    body.to_string()
}

#[test]
fn a_text_is_parsed_completely() {
    let expected = Inbound {
        carrier_id: "817790313235066447".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "QUIZ Grüße 👋".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    assert!(text(body!("sms")) == expected);
    assert_eq!(text(changed(body!("sms"), &json!({ "text": null }))).text, "Grüße 👋");
    assert_eq!(text(changed(body!("sms"), &json!({ "smsCount": "many", "price": 1 }))).segments, None);
}

#[test]
fn an_mms_has_its_media_and_its_texts_in_order() {
    let message = text(body!("mms"));
    assert_eq!(message.text, "look\nand this");
    let medium = |id: u32, kind: &str| InboundMedia {
        url: format!("https://xyz123.api.infobip.com/mms/1/content/{id}"),
        content_type: Some(kind.into()),
    };
    assert!(message.media == [medium(123_456, "image/jpeg"), medium(123_457, "video/3gpp")]);
    for part in [json!({ "contentType": "image/jpeg" }), json!({ "contentType": "image/jpeg", "url": "" }), json!(7)] {
        assert_eq!(problem(changed(body!("mms"), &json!({ "message": [part] }))), "message is invalid", "{part}");
    }
}

#[test]
fn one_bad_element_of_an_array_is_quarantined_by_itself() {
    let items = items(body!("batch"));
    assert_eq!(items.len(), 8);
    assert!(matches!(&items[0], InboundItem::Message(message) if message.text == "one"));
    assert!(matches!(&items[2], InboundItem::Message(message) if message.from == Address::ShortCode("24273".into())));
    assert!(items[3] == items[0], "the same element twice is deduplicated later");
    assert!(matches!(&items[6], InboundItem::Ignored { kind } if kind == "BLOCK"));
    assert!(matches!(&items[7], InboundItem::Receipt(receipt) if receipt.state == ReceiptState::Sent));
    assert!(
        matches!(&items[4], InboundItem::Message(message) if message.text == "half \u{fffd}"),
        "half a pair is read"
    );
    for (place, expected) in [(1, "to is missing"), (5, "text is missing")] {
        let InboundItem::Unreadable { raw, problem, request } = &items[place] else { panic!("{place} is readable") };
        assert_eq!(problem, expected, "{place}");
        // Read again by itself, it is the same item.
        let again = Webhook::quarantined(raw.clone(), request.as_deref());
        assert!(infobip().parse(&again).unwrap() == [items[place].clone()], "{place}");
    }
}

#[test]
fn arrays_of_none_to_10_000_are_read() {
    assert_eq!(items(body!("empty")), []);
    let whole: Value = serde_json::from_str(body!("sms")).unwrap();
    let body = |count| json!({ "results": vec![&whole["results"][0]; count] }).to_string();
    for count in [1, 500, 10_000] {
        let items = items(body(count));
        assert!(items.len() == count && items.iter().all(|item| matches!(item, InboundItem::Message(_))), "{count}");
    }
}

#[test]
fn a58_what_is_not_an_array_of_results_is_unreadable() {
    let cut = &body!("sms")[..200];
    for body in ["", "{}", "[]", "null", "<xml/>", "{\"results\":{}}", "{\"results\":null}", cut, "\u{feff}{}"] {
        let unreadable = infobip().parse(&post("/m", body.to_owned())).unwrap_err();
        assert!(unreadable.problem.contains("set the number's format to JSON"), "{}", unreadable.problem);
        assert_eq!(unreadable.raw, body.as_bytes());
    }
    assert_eq!(problem(body!("missing_field")), "messageId is missing");
    for (name, value, expected) in [
        ("messageId", json!(""), "messageId is invalid"),
        ("messageId", json!(7), "messageId is invalid"),
        ("messageId", json!("a b"), "messageId is invalid"),
        ("messageId", json!("x".repeat(65)), "messageId is invalid"),
        ("from", json!(null), "from is missing"),
        ("from", json!(""), "from is invalid"),
        ("to", json!("Acme"), "to is invalid"),
        ("text", json!(["a"]), "text is invalid"),
    ] {
        assert_eq!(problem(changed(body!("sms"), &json!({ name: value }))), expected, "{name}");
    }
    let neither = json!({ "text": null, "cleanText": null });
    assert_eq!(problem(changed(body!("sms"), &neither)), "text is missing");
    assert_eq!(problem(r#"{"results":[{}]}"#), "text is missing");
}

#[test]
fn numbers_are_read_however_they_are_written() {
    let from = |number: &str| text(changed(body!("sms"), &json!({ "from": number }))).from;
    assert_eq!(from("+14155550101"), Address::read("+14155550101"));
    assert_eq!(from("24273"), Address::ShortCode("24273".into()));
    for name in ["0014155550101", "04155550101", "Acme"] {
        assert_eq!(from(name).number(), None, "{name}");
    }
}

#[test]
fn unknown_kinds_are_ignored() {
    let kinds: Vec<_> = items(body!("unknown_kind")).into_iter().map(|item| format!("{item:?}")).collect();
    assert_eq!(kinds, ["ignored \"BLOCK\"", "ignored \"seen\"", "ignored \"FORWARDED_TO_MOON\""]);
}

#[test]
fn a_webhook_of_another_application_is_quarantined() {
    let of_shop = Infobip::new(Settings { application_id: Some("shop".into()), ..account() });
    let parsed = |body: String| of_shop.parse(&post("/m", body)).unwrap().remove(0);
    for (body, changes) in [
        (body!("sms"), json!({ "applicationId": "other" })),
        (body!("delivered"), json!({ "platform": { "applicationId": "other" } })),
    ] {
        let InboundItem::Unreadable { problem, .. } = parsed(changed(body, &changes)) else { panic!("{changes}") };
        assert_eq!(problem, "applicationId differs from application_id in the configuration");
    }
    for application in [json!("shop"), json!(null), json!("")] {
        let item = parsed(changed(body!("sms"), &json!({ "applicationId": application })));
        assert!(matches!(item, InboundItem::Message(_)), "{application}");
    }
}

#[test]
fn a46_keywords_are_infobips_only_where_its_blocklist_answers_them() {
    let on = Infobip::new(Settings { keywords_on: true, ..account() });
    let keyword = |infobip: &Infobip, keyword: &str| {
        let body = changed(body!("sms"), &json!({ "text": "stop", "keyword": keyword }));
        match infobip.parse(&post("/m", body)).unwrap().remove(0) {
            InboundItem::Message(message) => message.keyword,
            other => panic!("{other:?} is not a message"),
        }
    };
    for (word, class) in
        [("STOP", Some("STOP")), ("stopall", Some("STOP")), ("Start", Some("START")), ("INFO", Some("HELP"))]
    {
        assert_eq!(keyword(&on, word).as_deref(), class, "{word}");
        assert_eq!(keyword(&infobip(), word), None, "{word}");
    }
    for word in ["", "QUIZ"] {
        assert_eq!(keyword(&on, word), None, "{word:?}: Infobip recognised no keyword that it answers");
    }
}

#[test]
fn a61_a_receipt_has_our_own_message_id() {
    let expected = |about, carrier_id: String| Receipt {
        about,
        carrier_id,
        status: "DELIVERED_TO_HANDSET".into(),
        state: ReceiptState::Delivered,
        carrier_code: None,
        detail: None,
        segments: Some(2),
    };
    let with = |id: &str| receipt(changed(body!("delivered"), &json!({ "messageId": id })));
    let ours = message().to_string();
    assert_eq!(with(&ours), expected(ReceiptRef::Ours(message()), ours.clone()));
    let second = format!("{ours}.1");
    assert_eq!(with(&second), expected(ReceiptRef::Ours(message()), second));
    assert_eq!(with("gw-01J9"), expected(ReceiptRef::CarrierOnly, "gw-01J9".into()));
}

#[test]
fn a54_every_status_of_infobip_maps_to_a_state() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, Unreachable};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (group, id, error, permanent, expected) in [
        (0, 1, 0, None, Queued),
        (1, 26, 0, None, Queued),
        (1, 3, 0, None, Sent),
        (1, 7, 0, None, Sent),
        (3, 5, 0, None, Delivered),
        (3, 2, 0, None, Sent),
        (4, 15, 0, None, Expired),
        (4, 29, 0, None, Sent),
        (2, 9, 1, Some(true), Undelivered(NumberInvalid)),
        (2, 9, 5, Some(false), Undelivered(Unreachable)),
        (2, 9, 27, Some(true), Undelivered(CarrierRejected)),
        (2, 9, 256, Some(false), Undelivered(Unreachable)),
        (2, 9, 573, Some(true), Undelivered(OptedOut)),
        (2, 9, 2_052, Some(true), Undelivered(OptedOut)),
        (2, 9, 561, None, Undelivered(Blocked)),
        (2, 9, 4_101, Some(true), Expired),
        (2, 9, 9_999, Some(true), Undelivered(CarrierRejected)),
        (2, 9, 9_999, Some(false), Undelivered(CarrierError)),
        (2, 31, 0, None, Undelivered(CarrierError)),
        (2, 4, 0, None, Failed(CarrierRejected)),
        (2, 4, 375, Some(true), Failed(Blocked)),
        (5, 14, 0, None, Failed(OptedOut)),
        (5, 12, 0, None, Failed(CarrierRejected)),
        (5, 21, 0, None, Failed(CarrierError)),
        (5, 52, 0, None, Failed(NumberInvalid)),
        (5, 777, 0, None, Failed(CarrierRejected)),
    ] {
        let changes = json!({
            "status": { "groupId": group, "id": id, "name": "NAME" },
            "error": { "id": error, "permanent": permanent },
        });
        let receipt = receipt(changed(body!("undelivered"), &changes));
        assert_eq!(receipt.state, expected, "group {group}, id {id}, error {error}");
    }
    let receipt = receipt(body!("undelivered"));
    assert_eq!((receipt.carrier_code.as_deref(), receipt.status.as_str()), (Some("1"), "UNDELIVERABLE_NOT_DELIVERED"));
    assert_eq!(receipt.detail.as_deref(), Some("the number is not in use; ask for another"));
}

#[test]
fn a_status_may_lack_its_name_or_its_group() {
    let status = |status: Value| receipt(changed(body!("delivered"), &json!({ "status": status })));
    let bare = status(json!({ "groupId": 5, "id": 14 }));
    assert_eq!((bare.status.as_str(), bare.state), ("status-14", ReceiptState::Failed(FailureCode::OptedOut)));
    let named = status(json!({ "groupName": "delivered", "id": 5 }));
    assert_eq!((named.status.as_str(), named.state), ("delivered", ReceiptState::Delivered));
}
