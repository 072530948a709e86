//! Bodies as Plivo sends them.

use super::*;
use crate::model::{
    Address, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Receipt, ReceiptRef, ReceiptState,
};

const SMS: &str = body!("sms.form");
const FAILED: &str = body!("failed.form");
const OURS: &str = "msg_00000000000000000000007";

#[test]
fn a_text_of_plivo_is_parsed_completely() {
    let expected = Inbound {
        carrier_id: "b48d95dc-e3ac-11eb-a9c2-0242ac110005".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "here it is: 42".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    assert_eq!(item_of(&post("/m", SMS)), InboundItem::Message(expected.clone()));
    let minimal = Inbound { text: "hi".into(), segments: None, ..expected.clone() };
    assert_eq!(item_of(&post("/m", body!("minimal.form"))), InboundItem::Message(minimal));
    let get = Webhook { method: Method::GET, ..post(&format!("/m?{SMS}"), "") };
    assert_eq!(item_of(&get), InboundItem::Message(expected));
    let unicode = message(&post("/m", body!("unicode.form")));
    assert_eq!((unicode.text.as_str(), unicode.segments), ("Grüße 👋 \u{1f926}\u{1f3fd} 你好 a=b&c", Some(2)));
}

#[test]
fn a_message_with_photos_has_all_of_them_in_order_and_its_text_from_either_field() {
    let mms = body!("mms.form");
    let medium = |name: &str| InboundMedia {
        url: format!("https://media.plivo.com/Account/MAM2YZJMOTQ1NWY3ODQ5/Media/{name}"),
        content_type: None,
    };
    let parsed = message(&post("/m", mms));
    assert!(parsed.media == [medium("7b1d.jpg"), medium("8c2e.mp4")]);
    assert_eq!(parsed.text, "look");
    assert_eq!(message(&post("/m", mms.replace("Text=look", "Body=look"))).text, "look");
    assert_eq!(message(&post("/m", mms.replace("&Text=look", ""))).text, "");
    assert_eq!(message(&post("/m", mms.replace("Text=look", "Text="))).text, "");
}

#[test]
fn numbers_of_all_kinds_are_senders() {
    for (from, expected) in [
        ("14155550101", Address::read("+14155550101")),
        ("%2B14155550101", Address::read("+14155550101")),
        ("442071838750", Address::read("+442071838750")),
        ("72975", Address::ShortCode("72975".into())),
        ("Acme", Address::Name("Acme".into())),
        ("0014155550101", Address::Name("0014155550101".into())),
        ("04155550101", Address::Name("04155550101".into())),
    ] {
        assert_eq!(message(&post("/m", SMS.replace("14155550101", from))).from, expected, "{from}");
    }
}

#[test]
fn a46_keywords_that_plivo_answers_are_recognised_unless_off_or_abroad() {
    let keyword = |plivo: &Plivo, to: &str, words: &str| {
        let form = format!("MessageUUID=1&From=14155550101&To={to}&Type=sms&Text={words}");
        match plivo.parse(&post("/m", form)).unwrap().remove(0) {
            InboundItem::Message(message) => message.keyword,
            other => panic!("{other:?} is not a message"),
        }
    };
    let off = Plivo::new(Settings { keywords_off: true, ..account() });
    for (words, class) in [
        ("stop", "STOP"),
        ("Stop+all", "STOP"),
        ("UNSUB++", "STOP"),
        ("cancel", "STOP"),
        ("info", "HELP"),
        ("Help", "HELP"),
    ] {
        assert_eq!(keyword(&plivo(), "14155550199", words).as_deref(), Some(class), "{words}");
        assert_eq!(keyword(&plivo(), "18005550199", words).as_deref(), Some(class), "{words}");
        for nobody in ["442071838750", "72975"] {
            assert_eq!(keyword(&plivo(), nobody, words), None, "{words}");
        }
        assert_eq!(keyword(&off, "14155550199", words), None, "{words}");
    }
    for words in ["stop+it", "+stop", "stop.", "STOPALL", "arret", "START", "unstop", "yes", ""] {
        assert_eq!(keyword(&plivo(), "14155550199", words), None, "{words}: Plivo does not answer it, or it is START");
    }
    assert_eq!(message(&post("/m", body!("stop.form"))).keyword.as_deref(), Some("STOP"));
}

#[test]
fn a61_a_receipt_of_plivo_has_our_message_id_in_its_url() {
    let ours: MessageId = OURS.parse().unwrap();
    let expected = |about| Receipt {
        about,
        carrier_id: "b48d95dc-e3ac-11eb-a9c2-0242ac110005".into(),
        status: "delivered".into(),
        state: ReceiptState::Delivered,
        carrier_code: None,
        detail: None,
        segments: Some(1),
    };
    let delivered = body!("delivered.form");
    let item = |path: &str| item_of(&post(path, delivered));
    assert_eq!(item(&format!("/r?message={OURS}")), InboundItem::Receipt(expected(ReceiptRef::Ours(ours))));
    for other in ["/r", "/r?message=42", "/r?x=1"] {
        assert_eq!(item(other), InboundItem::Receipt(expected(ReceiptRef::CarrierOnly)));
    }
    assert_unreadable(
        &post(&format!("/r?message={OURS}&message=42"), delivered),
        "message occurs twice with different values",
    );
    // A part of a long text has an id of its own.
    let part = delivered.replace("&MessageUUID=b48d95dc", "&MessageUUID=c59e06ed").replace("1+of+1", "2+of+2");
    let InboundItem::Receipt(part) = item_of(&post("/r", part)) else { panic!("no receipt") };
    assert_eq!(part.carrier_id, "b48d95dc-e3ac-11eb-a9c2-0242ac110005");
    let without = delivered.replace("&ParentMessageUUID=b48d95dc-e3ac-11eb-a9c2-0242ac110005", "");
    assert!(
        matches!(item_of(&post("/r", without)), InboundItem::Receipt(receipt) if receipt.carrier_id == part.carrier_id)
    );
}

#[test]
fn a54_every_plivo_status_maps_to_a_state() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, Unreachable};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (status, code, expected) in [
        ("queued", "", Queued),
        ("sent", "", Sent),
        ("delivered", "000", Delivered),
        ("read", "000", Delivered),
        ("undelivered", "70", Undelivered(NumberInvalid)),
        ("undelivered", "80", Undelivered(Unreachable)),
        ("undelivered", "30", Failed(Blocked)),
        ("undelivered", "100", Failed(Blocked)),
        ("undelivered", "420", Expired),
        ("undelivered", "1000", Undelivered(CarrierError)),
        ("undelivered", "77", Undelivered(CarrierError)),
        ("undelivered", "", Undelivered(CarrierError)),
        ("failed", "200", Failed(OptedOut)),
        ("failed", "201", Failed(CarrierRejected)),
        ("failed", "420", Expired),
        ("failed", "450", Failed(CarrierRejected)),
        ("failed", "900", Failed(CarrierRejected)),
        ("failed", "951", Failed(CarrierRejected)),
        ("failed", "300", Failed(CarrierError)),
        ("failed", "", Failed(CarrierError)),
        ("rejected", "", Failed(CarrierRejected)),
        ("rejected", "30", Failed(Blocked)),
    ] {
        let form = FAILED.replace("Status=undelivered", &format!("Status={status}"));
        let form = form.replace("ErrorCode=080", &format!("ErrorCode={code}"));
        let InboundItem::Receipt(receipt) = item_of(&post("/r", form)) else { panic!("no receipt of {status}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, status), "{status} {code}");
        let expected_code = code.parse::<u32>().ok().filter(|code| *code > 0).map(|code| code.to_string());
        assert_eq!(receipt.carrier_code, expected_code, "{status} {code}");
    }
}

#[test]
fn a58_an_unknown_event_or_status_of_plivo_is_ignored_with_its_name() {
    for (form, expected) in [
        (body!("unknown.form").to_owned(), "teleported"),
        (body!("unknown.form").replace("teleported", "tele%0Aported+%22"), "teleported"),
        (body!("call.form").to_owned(), "StartApp"),
    ] {
        assert_eq!(item_of(&post("/m", form)), InboundItem::Ignored { kind: expected.into() });
    }
    let long = body!("unknown.form").replace("ported", &"d".repeat(5_000));
    assert!(matches!(item_of(&post("/m", long)), InboundItem::Ignored { kind } if kind.len() == 32));
}

#[test]
fn a58_a_message_of_plivo_that_cannot_be_parsed_is_quarantined_unchanged() {
    let id = "&MessageUUID=b48d95dc-e3ac-11eb-a9c2-0242ac110005";
    for (from, to, problem) in [
        (id, "", "MessageUUID is missing"),
        (id, "&MessageUUID=", "MessageUUID is invalid"),
        (id, "&MessageUUID=a+b", "MessageUUID is invalid"),
        (id, &format!("{id}&MessageUUID=2"), "MessageUUID occurs twice with different values"),
        ("From=14155550101&", "", "From is missing"),
        ("From=14155550101", "From=", "From is invalid"),
        ("From=14155550101", &format!("From={}", "a".repeat(65)), "From is invalid"),
        ("&To=14155550199", "", "To is missing"),
        ("To=14155550199", "To=Acme", "To is invalid"),
        ("&Text=here+it+is%3A+42", "", "Text is missing"),
        ("here+it", "%FF", "Text is not UTF-8"),
        ("Type=sms", "Type=whatsapp", "Type is neither sms nor mms"),
        ("Type=sms", "Type=mms&Media0=", "Media is invalid"),
        ("Type=sms", "Type=mms&Media0=a&Media0=b", "Media occurs twice with different values"),
        ("Type=sms", "Status=", "Status is invalid"),
    ] {
        assert!(SMS.contains(from), "{from}");
        assert_unreadable(&post("/m", SMS.replacen(from, to, 1)), problem);
    }
    assert_unreadable(&post("/m", body!("empty.form")), "MessageUUID is missing");
    assert_unreadable(&post("/m", body!("no_id.form")), "MessageUUID is missing");
    let media: String = (0..40).map(|number| format!("&Media{number}=https%3A%2F%2Fx")).collect();
    assert_unreadable(&post("/m", format!("{SMS}{media}")), "Media is invalid");
    assert_unreadable(&post("/r", FAILED.replace("MessageUUID", "X")), "MessageUUID is missing");
    let mut json = post("/m", "{}");
    json.headers.insert("content-type", "application/json".parse().unwrap());
    assert_unreadable(&json, "the body is not a form");
}

/// The item of a webhook, which must pass verification.
#[track_caller]
fn item_of(hook: &Webhook) -> InboundItem {
    assert_eq!(plivo().verify(hook, NOW), Ok(()));
    let mut items = plivo().parse(hook).unwrap();
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
fn assert_unreadable(hook: &Webhook, problem: &str) {
    assert_eq!(plivo().verify(hook, NOW), Ok(()));
    let unreadable = plivo().parse(hook).unwrap_err();
    assert_eq!((unreadable.problem.as_str(), &*unreadable.raw), (problem, hook.content()));
}
