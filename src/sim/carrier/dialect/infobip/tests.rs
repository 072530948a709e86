//! Bodies and signatures, against the data sheet.

use super::*;
use crate::sim::carrier::{Carrier, CarrierSettings};

/// RFC 4231, case 2.
#[test]
fn signature_is_an_hmac_sha256_in_hexadecimal() {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
}

#[test]
fn time_has_an_offset_without_colon() {
    let time = timestamp();
    assert_eq!((time.len(), &time[10..11], &time[19..20], &time[23..]), (28, "T", ".", "+0000"), "{time}");
}

#[test]
fn ids_are_long_numbers() {
    for nth in 0..100 {
        let id = Infobip.id(&mut SeededRng::of(1, &["id"], nth), false);
        assert!(id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    }
}

#[tokio::test]
async fn bodies_are_as_the_data_sheet_shows_them() {
    let carrier = Carrier::start(CarrierSettings::of(Kind::Infobip)).await.unwrap();
    let core = &carrier.core;
    let text = |media| Text {
        id: "817790313235066447",
        from: "+14155550101".parse().unwrap(),
        to: "+14155550199".parse().unwrap(),
        text: "look",
        media,
        keyword: None,
    };
    let item = |media| {
        let mut item = Infobip.text(core, &text(media)).remove(0).content.json();
        item["receivedAt"] = "now".into();
        item
    };
    let price = json!({ "pricePerMessage": 0, "currency": "EUR" });
    let sms = json!({
        "messageId": "817790313235066447", "from": "14155550101", "to": "14155550199", "receivedAt": "now",
        "text": "look", "cleanText": "look", "keyword": "", "smsCount": 1, "price": price, "entityId": null,
        "applicationId": null, "campaignReferenceId": null,
    });
    assert_eq!(item(Vec::new()), sms);
    let message = json!([
        { "contentType": "image/jpeg", "url": "https://media.example.com/123456" },
        { "contentType": "text/plain", "value": "look" },
    ]);
    let mms = item(vec![("image/jpeg".to_owned(), "https://media.example.com/123456".to_owned())]);
    assert_eq!((&mms["message"], &mms["text"]), (&message, &Value::Null));

    let about = About { id: "1", status: "received", genuine: true };
    let [one, other] = [Content::Json(sms), Content::Json(mms)];
    let posted = Infobip.post(core, "https://sms.example.com/carriers/main/messages", &[&one, &other], about);
    let body: Value = serde_json::from_slice(&posted.body).unwrap();
    assert_eq!((body["results"].as_array().unwrap().len(), &body["messageCount"]), (2, &2.into()));
}

#[tokio::test]
async fn send_of_the_data_sheet_is_read_and_a_repeated_id_is_rejected() {
    let carrier = Carrier::start(CarrierSettings::of(Kind::Infobip)).await.unwrap();
    let head = http::Request::new(()).into_parts().0;
    let body = json!({
        "messages": [{
            "sender": "12065550100", "destinations": [{ "to": "14155550101", "messageId": "gw-01J9" }],
            "content": { "text": "Hello", "transliteration": "NONE" },
            "options": { "validityPeriod": { "amount": 24, "timeUnit": "HOURS" } },
            "webhooks": { "delivery": { "url": "https://sms.example.com/r", "intermediateReport": false, "notify": true } },
        }],
        "options": { "includeSmsCountInResponse": true },
    });
    let read = |body: &Value| Infobip.read(&carrier.core, &head, body.to_string().as_bytes());
    let send = read(&body).ok().unwrap();
    assert_eq!((send.reference.as_deref(), &*send.text), (Some("gw-01J9"), "Hello"));
    let reply: Value = serde_json::from_slice(&Infobip.repeated(&send).unwrap().into_body().whole()).unwrap();
    assert_eq!(reply["messages"][0]["status"]["id"], 23);

    for (at, value) in [
        ("/messages/0/sender", json!("14155550199")),
        ("/messages/0/destinations/0/to", json!("+14155550101")),
        ("/messages/0/content/text", json!("")),
        ("/messages/0/options/validityPeriod/amount", json!(49)),
        ("/messages/0/webhooks/delivery/url", json!("/r")),
    ] {
        let mut body = body.clone();
        *body.pointer_mut(at).unwrap() = value;
        assert_eq!(read(&body).err().map(|refused| refused.status.as_u16()), Some(400), "{at}");
    }
}
