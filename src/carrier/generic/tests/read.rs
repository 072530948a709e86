//! Webhooks by their description.

use super::*;
use crate::model::{
    Address, Day, FailureCode, Inbound, InboundMedia, MessageId, Position, Receipt, ReceiptRef, ReceiptState,
};

const SMS: &str = body!("sms.json");
const STATUS: &str = body!("status.json");

#[test]
fn a_text_is_parsed_completely_from_json_and_from_a_form() {
    let expected = Inbound {
        carrier_id: "m-1".into(),
        from: Address::read("+14155550101"),
        to: Address::read("+14155550199"),
        text: "Grüße 👋 \"a\"".into(),
        media: vec![],
        segments: Some(1),
        keyword: None,
        part: None,
    };
    assert_eq!(items(SMS), [InboundItem::Message(expected.clone())]);
    let expected = Inbound { carrier_id: "8001".into(), text: "Grüße a=b&c".into(), segments: Some(2), ..expected };
    let by_post = posted("/carriers/main/messages", body!("sms.form"));
    let by_get = Webhook { method: Method::GET, ..posted(concat!("/carriers/main/messages?", body!("sms.form")), "") };
    for hook in [by_post, by_get] {
        assert_eq!(posting().parse(&hook), Ok(vec![InboundItem::Message(expected.clone())]));
    }
}

#[test]
fn media_are_read_from_a_list_and_from_numbered_fields() {
    let urls = |items: &[InboundItem]| match items {
        [InboundItem::Message(message)] => {
            let url = |medium: &InboundMedia| medium.url.clone();
            (message.text.clone(), message.media.iter().map(url).collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    let expected = ["https://media.acme.io/a.jpg", "https://media.acme.io/b.mp4"].map(str::to_owned);
    assert_eq!(urls(&items(body!("mms.json"))), (String::new(), expected.to_vec()));
    let expected = ["https://api.acme.io/a.jpg", "https://api.acme.io/b.jpg"].map(str::to_owned);
    for form in [body!("mms.form"), &body!("mms.form").replace("Media1", "Media0").replace("Media2", "Media1")] {
        let found = posting().parse(&posted("/m", form.to_owned())).unwrap();
        assert_eq!(urls(&found), (String::new(), expected.to_vec()));
    }
}

#[test]
fn a46_only_words_that_the_carrier_answers_are_keywords() {
    for (text, keyword) in [("stop", Some("STOP")), (" Help ", Some("HELP")), ("please stop", None), ("quit", None)] {
        let body = SMS.replace("Grüße 👋 \\\"a\\\"", text);
        let [InboundItem::Message(message)] = &items(&body)[..] else { panic!() };
        assert_eq!((message.text.as_str(), message.keyword.as_deref()), (text, keyword));
    }
}

#[test]
fn a61_a_receipt_has_our_message_id_where_the_description_says_or_in_its_url() {
    let message = MessageId::new(Day(20_414), Position(7), 1);
    let about = |items: Vec<InboundItem>| match &items[..] {
        [InboundItem::Receipt(receipt)] => receipt.about,
        other => panic!("{other:?}"),
    };
    assert_eq!(about(items(&STATUS.replace("REF", &message.to_string()))), ReceiptRef::Ours(message));
    assert_eq!(about(items(STATUS)), ReceiptRef::CarrierOnly);
    let path = format!("/carriers/main/receipts/?message={message}");
    let found = posting().parse(&posted(&path, body!("receipt.form"))).unwrap();
    assert_eq!(
        found,
        [InboundItem::Receipt(Receipt {
            about: ReceiptRef::Ours(message),
            carrier_id: "9001".into(),
            status: "UNDELIV".into(),
            state: ReceiptState::Undelivered(FailureCode::OptedOut),
            carrier_code: Some("7".into()),
            detail: Some("the recipient sent STOP to this number and must text START first".into()),
            segments: None,
        })]
    );
}

#[test]
fn a54_words_and_codes_map_to_states() {
    use FailureCode::{CarrierError, CarrierRejected, OptedOut};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    for (word, code, expected) in [
        ("accepted", "0", Queued),
        ("out", "0", Sent),
        ("ok", "0", Delivered),
        ("old", "0", Expired),
        ("dead", "0", Undelivered(CarrierError)),
        ("dead", "21", Undelivered(OptedOut)),
        ("dead", "22", Expired),
        ("dead", "\"23\"", Undelivered(CarrierError)),
        ("no", "0", Failed(CarrierRejected)),
        ("no", "21", Failed(OptedOut)),
        ("no", "24", Failed(CarrierRejected)),
        ("no", "null", Failed(CarrierRejected)),
    ] {
        let body = STATUS.replace("dead", word).replace("22", code);
        let [InboundItem::Receipt(receipt)] = &items(&body)[..] else { panic!("{word}") };
        assert_eq!((receipt.state, receipt.status.as_str()), (expected, word), "{word} {code}");
    }
    let unknown = items(&STATUS.replace("dead", "tele ported"));
    assert_eq!(unknown, [InboundItem::Ignored { kind: "teleported".into() }]);
}

#[test]
fn a58_an_unknown_kind_is_ignored_and_a_bad_element_is_quarantined_alone() {
    assert_eq!(items(body!("unknown.json")), [InboundItem::Ignored { kind: "typing".into() }]);
    assert_eq!(items(body!("empty.json")), []);
    let found = items(body!("one_bad.json"));
    let [InboundItem::Message(_), InboundItem::Unreadable { raw, problem, request }, InboundItem::Message(last)] =
        &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((problem.as_str(), last.carrier_id.as_str()), ("sms.from is missing", "m-3"));
    let alone: serde_json::Value = serde_json::from_slice(raw).unwrap();
    assert_eq!(alone["data"]["events"].as_array().map(Vec::len), Some(1));
    let again = Webhook::quarantined(raw.clone(), request.as_deref());
    assert_eq!(signing().parse(&again), Ok(vec![found[1].clone()]));
}

#[test]
fn a58_what_is_needed_and_missing_is_named_by_its_path() {
    for (from, to, problem) in [
        ("\"type\":\"inbound\",", "", "type is missing"),
        ("\"id\":\"m-1\",", "", "sms.id is missing"),
        ("\"m-1\"", "\"m 1\"", "sms.id is invalid"),
        ("\"m-1\"", "true", "sms.id is invalid"),
        ("\"+14155550101\"", "\"\"", "sms.from is invalid"),
        ("[\"+14155550199\"]", "[]", "sms.to.0 is missing"),
        ("[\"+14155550199\"]", "[\"Acme\"]", "sms.to.0 is invalid"),
        ("\"text\":", "\"txt\":", "sms.text is missing"),
        ("\"parts\":1", "\"media\":[{\"uri\":\"x\"}]", "sms.media is invalid"),
        ("\"parts\":1", "\"media\":[{\"url\":\"\"}]", "sms.media is invalid"),
        ("\"parts\":1", "\"media\":7", "sms.media is invalid"),
    ] {
        assert!(SMS.contains(from), "{from}");
        let found = items(&SMS.replacen(from, to, 1));
        assert!(
            matches!(&found[..], [InboundItem::Unreadable { problem: p, .. }] if p == problem),
            "{problem}: {found:?}"
        );
    }
    for (body, problem) in [
        ("", "the body is not JSON"),
        ("{", "the body is not JSON"),
        ("[]", "data.events is missing"),
        ("{\"data\":{}}", "data.events is missing"),
        ("{\"data\":{\"events\":7}}", "data.events is not a list"),
        ("{\"data\":{\"events\":{}}}", "data.events is not a list"),
    ] {
        assert_eq!(signing().parse(&signed(body)).unwrap_err().problem, problem, "{body}");
    }
    for (form, problem) in [
        ("", "Receiver is missing"),
        ("MsgId=1&Receiver=14155550199&Text=a", "Sender is missing"),
        ("MsgId=1&Receiver=14155550199&Sender=1&Text=%FF", "a value is not UTF-8"),
        ("MsgId=1&Receiver=14155550199&Sender=14155550101&Text=a&Text=b", "Text is invalid"),
        ("MsgId=1&Receiver=14155550199&Sender=14155550101", "Text is missing"),
    ] {
        assert_eq!(posting().parse(&posted("/m", form)).unwrap_err().problem, problem, "{form}");
    }
    let many = format!("{{\"data\":{{\"events\":[{}]}}}}", vec!["{}"; 20_000].join(","));
    assert_eq!(signing().parse(&signed(many)).unwrap_err().problem, "it has more than 16384 elements");
}

#[test]
fn without_a_list_everything_is_one_item_or_a_list() {
    let mut settings = json();
    settings.webhook.items = None;
    let dialect = Generic::new(settings).unwrap();
    let item = &SMS[SMS.find('[').unwrap() + 1..SMS.rfind(']').unwrap()];
    for (body, count) in [(item.to_owned(), 1), (format!("[{item},{item}]"), 2), ("[]".to_owned(), 0)] {
        let found = dialect.parse(&signed(body)).unwrap();
        assert!(found.len() == count && found.iter().all(|item| matches!(item, InboundItem::Message(_))));
    }
    let numbers = item.replace("\"m-1\"", "17").replace("\"+14155550101\"", "24273");
    let [InboundItem::Message(message)] = &dialect.parse(&signed(numbers)).unwrap()[..] else { panic!() };
    assert_eq!((message.carrier_id.as_str(), &message.from), ("17", &Address::ShortCode("24273".into())));
}

/// The items of a webhook, which must pass verification.
#[track_caller]
fn items(body: &str) -> Vec<InboundItem> {
    let hook = signed(body.to_owned());
    assert_eq!(signing().verify(&hook, NOW), Ok(()));
    signing().parse(&hook).unwrap()
}
