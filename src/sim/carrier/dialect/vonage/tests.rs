//! Bodies, against the data sheet.

use super::*;
use crate::sim::carrier::{Carrier, CarrierSettings};

async fn carrier() -> Carrier {
    Carrier::start(CarrierSettings::of(Kind::Vonage)).await.unwrap()
}

#[tokio::test]
async fn texts_and_photos_are_as_the_data_sheet_shows_them() {
    let carrier = carrier().await;
    let body = |text, media| {
        let text = Text {
            id: "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
            from: "+14155550101".parse().unwrap(),
            to: "+14155550199".parse().unwrap(),
            text,
            media,
            keyword: None,
        };
        let mut body = Vonage.text(&carrier.core, &text).remove(0).content.json();
        assert_eq!(body["timestamp"].as_str().map(str::len), Some("2025-11-22T06:00:00.000Z".len()));
        body["timestamp"] = "now".into();
        body
    };
    let sms = json!({
        "channel": "sms", "message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "to": "14155550199",
        "from": "14155550101", "timestamp": "now", "message_type": "text", "text": "Hello gateway",
        "sms": { "num_messages": "1", "total_count": "1", "keyword": "HELLO" },
        "usage": { "currency": "EUR", "price": "0.0057" }, "origin": { "network_code": "310260" },
    });
    assert_eq!(body("Hello gateway", Vec::new()), sms);

    let media = ["a", "b"].map(|name| ("image/jpeg".to_owned(), format!("https://api-us.example.com/v3/media/{name}")));
    let mms = body("look", media.to_vec());
    assert_eq!((&mms["channel"], &mms["message_type"]), (&"mms".into(), &"image".into()));
    assert_eq!((&mms["image"]["url"], &mms["image"]["caption"]), (&media[0].1.clone().into(), &"look".into()));
    assert_eq!(mms["content"], json!([{ "type": "file", "url": media[1].1 }]));
}

#[tokio::test]
async fn receipt_repeats_the_mark_and_has_the_segments() {
    let carrier = carrier().await;
    let taken = Taken {
        sid: "u".to_owned(),
        from: "+12065550100".parse().unwrap(),
        to: "+14155550101".parse().unwrap(),
        text: "x".repeat(161).into(),
        callback: None,
        reference: Some("gw-1".to_owned()),
    };
    let receipt = |status, code| {
        let element = Vonage.receipt(&carrier.core, &Receipt { taken: &taken, status, code }).unwrap();
        assert_eq!(element.url, "https://sms.example.com/carriers/main/receipts");
        element.content.json()
    };
    let states = ["sent", "delivered", "undelivered", "failed"].map(|status| receipt(status, None)["status"].clone());
    assert_eq!(states, ["submitted", "delivered", "undeliverable", "rejected"].map(Value::from));
    let failed = receipt("failed", Some(LANDLINE));
    assert_eq!((&failed["client_ref"], &failed["sms"]["count_total"]), (&"gw-1".into(), &"2".into()));
    assert_eq!(failed["error"]["title"], 1_250);
}

#[tokio::test]
async fn send_of_the_data_sheet_is_read_and_others_are_refused() {
    let carrier = carrier().await;
    let head = http::Request::new(()).into_parts().0;
    let body = json!({
        "message_type": "text", "channel": "sms", "to": "14155550101", "from": "12065550100", "text": "Café at 8?",
        "client_ref": "gw-01J9", "webhook_url": "https://gw.example.com/hooks/vonage/acct1/status", "webhook_version": "v1",
        "sms": { "encoding_type": "auto" },
    });
    let read = |body: &Value| Vonage.read(&carrier.core, &head, body.to_string().as_bytes());
    let send = read(&body).ok().unwrap();
    assert_eq!((send.reference.as_deref(), &*send.text), (Some("gw-01J9"), "Café at 8?"));

    for (name, value, status) in [
        ("to", json!("+14155550101"), 422),
        ("from", json!("14155550199"), 403),
        ("text", json!(""), 422),
        ("text", json!("x".repeat(3_201)), 422),
        ("ttl", json!(19), 422),
        ("client_ref", json!("x".repeat(101)), 422),
        ("channel", json!("whatsapp"), 422),
    ] {
        let mut body = body.clone();
        body[name] = value;
        assert_eq!(read(&body).err().map(|refused| refused.status.as_u16()), Some(status), "{name}");
    }
}
