//! Bodies as Twilio sends them.

use super::*;
use crate::model::{
    Address, Day, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Position, Receipt, ReceiptRef,
    ReceiptState,
};

const SMS: &str = include_str!("../bodies/sms.form");
const MMS: &str = include_str!("../bodies/mms.form");
const STOP: &str = include_str!("../bodies/stop.form");
const DELIVERED: &str = include_str!("../bodies/delivered.form");
const UNDELIVERED: &str = include_str!("../bodies/undelivered.form");
const UNKNOWN_STATUS: &str = include_str!("../bodies/unknown_status.form");
const UNKNOWN_EVENT: &str = include_str!("../bodies/unknown_event.form");

#[test]
fn a_text_is_parsed_completely() {
    let expected = Inbound {
        carrier_id: "SM2b7f0c4ad6e94f1e8a5d3c9b70e1f264".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "Grüße 👋 a=b&c".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    assert_eq!(item_of(&post("/carriers/main/messages", SMS)), InboundItem::Message(expected));
}

#[test]
fn a_message_with_only_photos_has_all_of_them_and_an_empty_text() {
    let medium = |id: &str, kind: &str| InboundMedia {
        url: format!(
            "https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages/MM2b7f0c4ad6e94f1e8a5d3c9b70e1f264/Media/{id}"
        ),
        content_type: Some(kind.into()),
    };
    let InboundItem::Message(message) = item_of(&post("/carriers/main/messages", MMS)) else { panic!("no message") };
    assert_eq!((message.text.as_str(), message.segments), ("", Some(1)));
    let expected = [
        medium("ME0a1b2c3d4e5f60718293a4b5c6d7e8f9", "image/jpeg"),
        medium("ME1b2c3d4e5f60718293a4b5c6d7e8f90a", "video/3gpp"),
    ];
    assert!(message.media == expected);
}

#[test]
fn a46_a_keyword_reported_by_twilio_is_parsed() {
    let InboundItem::Message(message) = item_of(&post("/m", STOP)) else { panic!("no message") };
    assert_eq!((message.text.as_str(), message.keyword.as_deref()), ("STOP", Some("STOP")));
    let other = STOP.replace("Type=STOP", "Type=JUMP").replace("Body=STOP", "Body=arret");
    let InboundItem::Message(message) = item_of(&post("/m", other)) else { panic!() };
    assert_eq!(message.keyword, None);
}

#[test]
fn a46_keywords_that_twilio_answers_unreported_are_recognised_unless_off() {
    let form = |words| format!("MessageSid=SM1&From=%2B14155550101&To=%2B14155550199&Body={words}");
    let keyword = |dialect: &Twilio, words| match &dialect.parse(&post("/m", form(words))).unwrap()[0] {
        InboundItem::Message(message) => message.keyword.clone(),
        other => panic!("{other:?} is not a message"),
    };
    let off = Twilio::new(Settings { keywords_off: true, ..account() });
    for (words, class) in [("stop", Some("STOP")), ("+Cancel+", Some("STOP")), ("INFO", Some("HELP"))] {
        assert_eq!(keyword(&twilio(), words).as_deref(), class, "{words}");
        assert_eq!(keyword(&off, words), None, "{words}");
    }
    for words in ["stop.", "arret", "please+stop", "START", "yes"] {
        assert_eq!(keyword(&twilio(), words), None, "{words}: Twilio does not answer it, or it is a START word");
    }
}

#[test]
fn a_text_may_arrive_by_get_and_from_a_short_code() {
    let query = "/m?MessageSid=SM1&Body=hi+there&From=72975&To=%2B14155550199";
    let InboundItem::Message(message) = item_of(&fetch(query)) else { panic!("no message") };
    assert_eq!((message.text.as_str(), message.from), ("hi there", Address::ShortCode("72975".into())));
}

#[test]
fn a61_a_receipt_has_our_message_id_in_its_url() {
    let message = MessageId::new(Day(20_414), Position(7), 1);
    let expected = |about| {
        InboundItem::Receipt(Receipt {
            about,
            carrier_id: "SM9d01e7b35c2f4688b0a7c4e6f8135792".into(),
            status: "delivered".into(),
            state: ReceiptState::Delivered,
            carrier_code: None,
            detail: None,
            segments: None,
        })
    };
    let ours = format!("/carriers/main/receipts?message={message}");
    assert_eq!(item_of(&post(&ours, DELIVERED)), expected(ReceiptRef::Ours(message)));
    for other in ["/carriers/main/receipts", "/carriers/main/receipts?message=42"] {
        assert_eq!(item_of(&post(other, DELIVERED)), expected(ReceiptRef::CarrierOnly));
    }
    assert_unreadable(&post(&format!("{ours}&message=42"), DELIVERED), "message occurs twice with different values");
}

#[test]
fn a54_every_twilio_status_maps_to_a_state() {
    use FailureCode::{Blocked, CancelledByRequest, CarrierError, CarrierRejected, Landline, NumberInvalid, OptedOut};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (status, code, expected) in [
        ("accepted", "", Queued),
        ("scheduled", "", Queued),
        ("queued", "", Queued),
        ("sending", "", Queued),
        ("sent", "", Sent),
        ("delivered", "", Delivered),
        ("read", "", Delivered),
        ("canceled", "", Failed(CancelledByRequest)),
        ("undelivered", "30003", Undelivered(FailureCode::Unreachable)),
        ("undelivered", "30004", Undelivered(Blocked)),
        ("undelivered", "30005", Undelivered(NumberInvalid)),
        ("undelivered", "30006", Undelivered(Landline)),
        ("undelivered", "30007", Undelivered(Blocked)),
        ("undelivered", "30008", Undelivered(CarrierError)),
        ("undelivered", "30036", Expired),
        ("undelivered", "", Undelivered(CarrierError)),
        ("undelivered", "soon", Undelivered(CarrierError)),
        ("failed", "30036", Expired),
        ("failed", "21610", Failed(OptedOut)),
        ("failed", "30034", Failed(CarrierRejected)),
        ("failed", "99999", Failed(CarrierRejected)),
        ("failed", "0", Failed(CarrierRejected)),
    ] {
        let form = UNDELIVERED.replace("=undelivered", &format!("={status}")).replace("30003", code);
        let InboundItem::Receipt(receipt) = item_of(&post("/m", form)) else { panic!("no receipt of {status}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, status), "{status} {code}");
        let expected_code = code.parse::<u32>().ok().filter(|code| *code > 0).map(|code| code.to_string());
        assert_eq!(receipt.carrier_code, expected_code, "{status} {code}");
    }
}

#[test]
fn a58_an_unknown_event_is_ignored_with_its_name() {
    for (form, expected) in [
        (UNKNOWN_STATUS.to_owned(), "teleported"),
        (UNKNOWN_EVENT.to_owned(), "onConversationAdded"),
        (UNKNOWN_EVENT.replace("onC", "on%0Aerror+%22"), "onerroronversationAdded"),
    ] {
        assert_eq!(item_of(&post("/m", form)), InboundItem::Ignored { kind: expected.into() });
    }
    let long = UNKNOWN_EVENT.replace("Added", &"d".repeat(5_000));
    assert!(matches!(item_of(&post("/m", long)), InboundItem::Ignored { kind } if kind.len() == 32));
}

#[test]
fn a58_a_message_that_cannot_be_parsed_is_quarantined_unchanged() {
    let sid = "&MessageSid=SM2b7f0c4ad6e94f1e8a5d3c9b70e1f264";
    for (from, to, problem) in [
        (sid, "", "MessageSid is missing"),
        (sid, "&MessageSid=", "MessageSid is invalid"),
        (sid, &format!("&MessageSid={}", "S".repeat(65)), "MessageSid is invalid"),
        (sid, &format!("{sid}&MessageSid=SM2"), "MessageSid occurs twice with different values"),
        (sid, "&MessageSid=%FF", "MessageSid is not UTF-8"),
        ("&From=%2B14155550101", "", "From is missing"),
        ("From=%2B14155550101", "From=", "From is invalid"),
        ("From=%2B14155550101", &format!("From={}", "a".repeat(65)), "From is invalid"),
        ("&To=%2B14155550199", "", "To is missing"),
        ("To=%2B14155550199", "To=4155550199", "To is invalid"),
        ("To=%2B14155550199", "To=whatsapp%3A%2B14155550199", "To is invalid"),
        ("NumMedia=0", "NumMedia=1", "NumMedia is invalid"),
        ("NumMedia=0", "NumMedia=0&MediaUrl0=https%3A%2F%2Fx", "NumMedia is invalid"),
        ("NumMedia=0", "NumMedia=one&MediaUrl0=https%3A%2F%2Fx", "NumMedia is invalid"),
        ("NumMedia=0", "NumMedia=2&MediaUrl1=https%3A%2F%2Fx", "NumMedia is invalid"),
        ("NumMedia=0", "NumMedia=1&MediaUrl0=", "MediaUrl is invalid"),
        ("NumMedia=0", "NumMedia=1&MediaUrl0=a&MediaUrl0=b", "MediaUrl occurs twice with different values"),
        ("&Body=Gr%C3%BC%C3%9Fe+%F0%9F%91%8B+a%3Db%26c", "", "Body is missing"),
        ("Gr%C3%BC", "Gr%C3", "Body is not UTF-8"),
        ("SmsStatus=received", "SmsStatus=", "MessageStatus is invalid"),
        (SID, "AC00000000000000000000000000000000", "AccountSid differs from account_sid in the configuration"),
    ] {
        assert!(SMS.contains(from));
        assert_unreadable(&post("/m", SMS.replacen(from, to, 1)), problem);
    }
    assert_unreadable(&post("/m", ""), "MessageSid is missing");
    let media: String = (0..40).map(|number| format!("&MediaUrl{number}=https%3A%2F%2Fx")).collect();
    assert_unreadable(&post("/m", SMS.replace("NumMedia=0", &format!("NumMedia=40{media}"))), "MediaUrl is invalid");
    assert_unreadable(&post("/m", DELIVERED.replace("MessageSid", "X")), "MessageSid is missing");
}

#[test]
fn an_invalid_media_count_is_ignored_if_there_are_no_media() {
    for count in ["", "NumMedia=", "NumMedia=none"] {
        let form = SMS.replace("NumMedia=0", count);
        assert!(matches!(item_of(&post("/m", form)), InboundItem::Message(_)), "{count}");
    }
}

#[test]
fn a58_a_body_that_is_not_a_form_is_quarantined_unchanged() {
    // `printf '{}' | sha256sum`
    let path = "/m?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let mut hook = Webhook { body: "{}".into(), ..post(path, "") };
    hook.headers.insert("content-type", "application/json".parse().unwrap());
    assert_unreadable(&hook, "the body is not a form");
}

/// The item of a webhook, which must pass verification.
#[track_caller]
fn item_of(hook: &Webhook) -> InboundItem {
    assert_eq!(twilio().verify(hook, NOW), Ok(()));
    let mut items = twilio().parse(hook).unwrap();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

/// Checks that the webhook verifies and is unreadable, with its raw bytes and a problem without content.
#[track_caller]
fn assert_unreadable(hook: &Webhook, problem: &str) {
    assert_eq!(twilio().verify(hook, NOW), Ok(()));
    let unreadable = twilio().parse(hook).unwrap_err();
    assert_eq!((unreadable.problem.as_str(), &*unreadable.raw), (problem, hook.content()));
    assert_eq!(format!("{unreadable:?}"), format!("unreadable: {problem}"));
}
