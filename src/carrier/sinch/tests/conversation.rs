//! Bodies and responses of the Conversation API.

use super::*;
use crate::model::{Address, FailureCode, InboundMedia, Outcome, Receipt, ReceiptRef, ReceiptState};
use serde_json::{Value, json};

fn item(body: impl Into<Bytes>) -> InboundItem {
    let mut items = items(app(), body);
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn receipt(body: impl Into<Bytes>) -> Receipt {
    match item(body) {
        InboundItem::Receipt(receipt) => receipt,
        other => panic!("{other:?} is not a receipt"),
    }
}

/// A body with another value at a place.
fn with(body: &str, pointer: &str, value: Value) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    body.to_string()
}

#[test]
fn a_text_and_a_photo_are_parsed_completely() {
    let InboundItem::Message(message) = item(body!("conversation_text")) else { panic!("no message") };
    assert_eq!((message.carrier_id.as_str(), message.text.as_str()), ("01FC66621XXXXX119Z8PMV1QQA", "Grüße 👋"));
    assert_eq!((message.from, message.to), (Address::read("+14155550101"), Address::read("+14155550199")));
    let InboundItem::Message(message) = item(body!("conversation_media")) else { panic!("no message") };
    let url = "https://convapi-us1.s3.us-east-1.amazonaws.com/01EPRZJ0HXTDEH1BTYJT4417GE/1.png";
    assert!(message.text == "look" && message.media == [InboundMedia { url: url.into(), content_type: None }]);
    let media = json!({ "media_message": { "url": url } });
    let InboundItem::Message(message) = item(with(body!("conversation_media"), "/message/contact_message", media))
    else {
        panic!("no message")
    };
    assert_eq!((message.text.as_str(), message.media.len()), ("", 1));
}

#[test]
fn another_app_or_project_is_quarantined_and_another_channel_ignored() {
    for (pointer, expected) in [
        ("/app_id", "app_id differs from app_id in the configuration"),
        ("/project_id", "project_id differs from project_id in the configuration"),
        ("/message/contact_message", "message.contact_message is of an unknown kind"),
        ("/message/sender_id", "message.sender_id is invalid"),
        ("/message/id", "message.id is invalid"),
    ] {
        assert_eq!(problem(app(), with(body!("conversation_text"), pointer, json!("a b"))), expected);
    }
    for (pointer, expected) in
        [("/message/sender_id", "message.sender_id is missing"), ("/message/id", "message.id is missing")]
    {
        assert_eq!(problem(app(), with(body!("conversation_text"), pointer, json!(null))), expected);
    }
    assert_eq!(problem(app(), "{}"), "message is missing");
    assert_eq!(problem(app(), body!("mo_text")), "message is missing");
    let whatsapp = with(body!("conversation_text"), "/message/channel_identity/channel", json!("WHATSAPP"));
    assert_eq!(item(whatsapp), InboundItem::Ignored { kind: "WHATSAPP".into() });
    assert_eq!(
        item(body!("conversation_unknown")),
        InboundItem::Ignored { kind: "contact_create_notification".into() }
    );
}

#[test]
fn a54_a61_receipts_have_our_message_id_and_their_state() {
    use FailureCode::{CarrierError, NumberInvalid, OptedOut, Unreachable};
    use ReceiptState::{Delivered, Expired, Failed, Queued, Sent, Undelivered};

    let ours = with(body!("conversation_delivered"), "/message_delivery_report/metadata", json!(message().to_string()));
    let receipt_of_ours = receipt(ours);
    assert_eq!((receipt_of_ours.about, receipt_of_ours.state), (ReceiptRef::Ours(message()), Delivered));
    assert_eq!(receipt(body!("conversation_delivered")).about, ReceiptRef::CarrierOnly);
    for (status, state) in [("QUEUED_ON_CHANNEL", Sent), ("read", Delivered), ("SWITCHING_CHANNEL", Queued)] {
        let body = with(body!("conversation_delivered"), "/message_delivery_report/status", json!(status));
        assert_eq!(receipt(body).state, state, "{status}");
    }
    let unknown = with(body!("conversation_delivered"), "/message_delivery_report/status", json!("LOST"));
    assert_eq!(item(unknown), InboundItem::Ignored { kind: "LOST".into() });

    let failed = receipt(body!("conversation_failed"));
    assert_eq!((failed.state, failed.carrier_code.as_deref()), (Failed(OptedOut), Some("257")));
    for (reason, state) in [
        ("RECIPIENT_NOT_REACHABLE", Undelivered(Unreachable)),
        ("RECIPIENT_INVALID_CHANNEL_IDENTITY", Undelivered(NumberInvalid)),
        ("DELIVERY_TIMED_OUT", Expired),
        ("SOMETHING_NEW", Undelivered(CarrierError)),
    ] {
        let reasons = json!({ "code": reason });
        let receipt = receipt(with(body!("conversation_failed"), "/message_delivery_report/reason", reasons));
        assert_eq!((receipt.state, receipt.carrier_code.as_deref()), (state, Some(reason)));
    }
}

#[test]
fn a_send_needs_a_token_and_has_our_message_id_as_metadata() {
    let sinch = Sinch::new(app());
    let token = sinch.token_request().unwrap();
    assert_eq!(
        (token.uri().to_string().as_str(), token.method()),
        ("https://auth.sinch.com/oauth2/token", &Method::POST)
    );
    let request = sinch.request(&outbound(3_600), Some(&Secret::new("token-1")), NOW);
    let url = format!("https://us.conversation.api.sinch.com/v1/projects/{PROJECT}/messages:send");
    assert_eq!(
        (request.uri().to_string(), &request.headers()["authorization"]),
        (url, &"Bearer token-1".parse().unwrap())
    );
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let identity = json!([{ "channel": "SMS", "identity": "+14155550101" }]);
    assert_eq!(body["recipient"]["identified_by"]["channel_identities"], identity);
    assert_eq!((&body["app_id"], &body["ttl"]), (&json!(APP), &json!("3600s")));
    assert_eq!(body["message"], json!({ "text_message": { "text": "Café at 8?" } }));
    assert_eq!(body["channel_properties"], json!({ "SMS_SENDER": "+14155550199" }));
    assert_eq!(body["message_metadata"], message().to_string());
}

#[test]
fn responses_to_sends_have_their_class() {
    let outcome = |status, body: &str| Sinch::new(app()).outcome(&answer(status, body.to_owned()), NOW);
    let sent = Outcome::Sent { carrier_id: "01FC66621XXXXX119Z8PMV1QQC".into(), segments: None };
    assert_eq!(outcome(200, body!("conversation_sent")).unwrap().outcome, sent);
    assert_eq!(outcome(200, "{}").unwrap().outcome, Outcome::Unknown);
    assert!(outcome(401, "").is_err(), "with another token it may succeed");
    for status in [429, 500, 503] {
        assert_eq!(outcome(status, "").unwrap().outcome, Outcome::Later { retry_after: None }, "{status}");
    }
    for (status, says) in [(403, "access key"), (404, "app_id"), (302, "redirect")] {
        let settled = outcome(status, "").unwrap();
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status}");
        assert!(settled.detail.as_deref().is_some_and(|detail| detail.contains(says)), "{:?}", settled.detail);
    }
    let carrier_code = Some("INVALID_ARGUMENT".to_owned());
    let refused = Outcome::Refused { code: FailureCode::CarrierRejected, carrier_code };
    assert_eq!(outcome(400, body!("conversation_refused")).unwrap().outcome, refused);
}
