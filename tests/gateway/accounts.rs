//! Accounts of all carriers in one gateway, and webhooks as each of their carriers makes them.

use crate::process::accounts::{
    BANDWIDTH, GENERIC, INFOBIP, PLIVO, PUBLIC_URL, SECRETS, SEED, SINCH, VONAGE, VONAGE_SMS, section,
};
use crate::process::{Outside, wire};
use crate::shared::OURS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use offhook::carrier::{Webhook, plivo, sinch, telnyx, twilio, vonage, vonage_sms};
use offhook::model::{Secret, Timestamp};
use offhook::sim::carrier::{AUTH_TOKEN, CarrierSettings};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A carrier, which is also the name of the account there. `main` is the simulated Twilio.
pub(crate) const CARRIERS: [&str; 9] =
    ["main", "bandwidth", "telnyx", "vonage", "vonage_sms", "plivo", "sinch", "infobip", "generic"];

/// Adds an account of every carrier to the configuration, for the next start.
pub(crate) fn add(world: &Outside) {
    for (file, secret) in SECRETS {
        world.home.write(file, secret);
    }
    let sections: String = CARRIERS[1..].iter().map(|carrier| section(carrier, carrier)).collect();
    world.home.configure(|text| text.replacen("[[account]]", &format!("{sections}[[account]]"), 1));
}

pub(crate) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The path for an account's messages.
pub(crate) fn messages(account: &str) -> String {
    format!("/carriers/{account}/messages")
}

/// A text as a carrier delivers it. `from` is as the carrier writes numbers, and `text` is JSON.
pub(crate) fn text(carrier: &str, id: &str, from: &str, text: &str) -> Vec<u8> {
    let without_plus = OURS.trim_start_matches('+');
    let form = |fields: &[(&str, &str)]| {
        let words: String = serde_json::from_str(text).unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields.iter().map(|(name, value)| (*name, if *value == "{text}" { &*words } else { value })));
        form.finish()
    };
    let body = match carrier {
        "main" => form(&[("MessageSid", id), ("From", from), ("To", OURS), ("Body", "{text}"), ("NumMedia", "0")]),
        "bandwidth" => format!("[{}]", bandwidth(id, from, text)),
        "telnyx" => format!(
            r#"{{"data":{{"event_type":"message.received","id":"e-{id}","payload":{{"id":"{id}","direction":"inbound",
            "from":{{"phone_number":"{from}"}},"to":[{{"phone_number":"{OURS}"}}],"text":{text},"media":[],"type":"SMS",
            "parts":1,"record_type":"message"}},"record_type":"event"}}}}"#
        ),
        "vonage" => format!(
            r#"{{"channel":"sms","message_uuid":"{id}","to":"{without_plus}","from":"{from}",
            "timestamp":"2026-11-30T06:00:00.000Z","text":{text},"message_type":"text"}}"#
        ),
        "vonage_sms" => unsigned_vonage_sms(id, from, text, ""),
        "plivo" => {
            form(&[("MessageUUID", id), ("From", from), ("To", without_plus), ("Text", "{text}"), ("Type", "sms")])
        }
        "sinch" => format!(
            r#"{{"type":"mo_text","id":"{id}","from":"{from}","to":"{without_plus}","body":{text},
            "received_at":"2026-11-30T06:00:00.000Z"}}"#
        ),
        "infobip" => format!(r#"{{"results":[{}]}}"#, infobip(id, from, text)),
        "generic" => {
            format!(r#"{{"events":[{{"type":"inbound","id":"{id}","from":"{from}","to":"{OURS}","text":{text}}}]}}"#)
        }
        other => panic!("{other}"),
    };
    body.into_bytes()
}

/// An element of Bandwidth's array.
pub(crate) fn bandwidth(id: &str, from: &str, text: &str) -> String {
    format!(
        r#"{{"time":"2026-11-30T06:00:00.502180Z","type":"message-received","to":"{OURS}","message":{{"id":"{id}",
        "owner":"{OURS}","direction":"in","to":["{OURS}"],"from":"{from}","text":{text},"segmentCount":1}}}}"#
    )
}

/// An element of Infobip's results.
pub(crate) fn infobip(id: &str, from: &str, text: &str) -> String {
    let to = OURS.trim_start_matches('+');
    format!(r#"{{"messageId":"{id}","from":"{from}","to":"{to}","text":{text},"receivedAt":"x","smsCount":1}}"#)
}

/// A text of Vonage's SMS API with further fields, to be signed.
pub(crate) fn unsigned_vonage_sms(id: &str, from: &str, text: &str, more: &str) -> String {
    let (to, now) = (OURS.trim_start_matches('+'), now());
    format!(
        r#"{{"msisdn":"{from}","to":"{to}","messageId":"{id}","text":{text},"type":"unicode","api-key":"a1b2c3d5",
        "timestamp":"{now}","nonce":"n-{id}"{more}}}"#
    )
}

/// Numbers as the carrier writes them.
pub(crate) fn written(carrier: &str, number: &str) -> String {
    let with_plus = matches!(carrier, "main" | "bandwidth" | "telnyx" | "generic");
    if with_plus { number.to_owned() } else { number.trim_start_matches('+').to_owned() }
}

/// The header lines and the body with which the carrier posts this to that path.
pub(crate) fn signed(carrier: &str, path: &str, body: &[u8]) -> (Vec<String>, Vec<u8>) {
    let secret = |secret: &str| Secret::new(secret);
    let basic =
        |user: &str, password: &str| format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut body = body.to_vec();
    let is_form = matches!(carrier, "main" | "plivo");
    let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut head = vec![format!("Content-Type: {kind}")];
    match carrier {
        "main" => {
            let account = CarrierSettings::default();
            let url = format!("{}{path}", account.public_url);
            let signature = twilio::sign(&secret(AUTH_TOKEN), &url, &body);
            head.push(format!("X-Twilio-Signature: {signature}"));
        }
        "bandwidth" => head.push(basic("bw", BANDWIDTH)),
        "telnyx" => {
            let time = now().to_string();
            head.extend(telnyx_signed(&time, &body));
        }
        "vonage" => {
            let authorization = vonage::sign(&secret(VONAGE), "a1b2c3d4", &body, Timestamp::from_ms(now() * 1_000));
            head.push(format!("Authorization: {authorization}"));
        }
        "vonage_sms" => body = vonage_sms_signed(path, &body),
        "plivo" => {
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind.parse().unwrap())]);
            let hook = Webhook {
                method: Method::POST,
                path_and_query: path.to_owned(),
                headers,
                body: Bytes::from(body.clone()),
            };
            let signature = plivo::sign_v3(&secret(PLIVO), PUBLIC_URL, &hook, "nonce-1");
            head.push(format!("X-Plivo-Signature-V3: {signature}"));
            head.push("X-Plivo-Signature-V3-Nonce: nonce-1".to_owned());
        }
        "sinch" => {
            let lines = sinch::sign(&secret(SINCH), &body, "nonce-1", &now().to_string());
            head.extend(lines.map(|(name, value)| format!("{name}: {value}")));
        }
        "infobip" => head.push(basic("ib", INFOBIP)),
        "generic" => head.push(format!("Authorization: Bearer {GENERIC}")),
        other => panic!("{other}"),
    }
    (head, body)
}

/// Telnyx's signature at a time.
pub(crate) fn telnyx_signed(time: &str, body: &[u8]) -> [String; 2] {
    let signature = telnyx::sign(&SEED, time, body);
    [format!("Telnyx-Timestamp: {time}"), format!("Telnyx-Signature-Ed25519: {signature}")]
}

/// A token with these claims as Vonage makes it, by this head.
pub(crate) fn vonage_token(head: &Value, claims: &Value) -> String {
    vonage::signed(&Secret::new(VONAGE), head, claims)
}

fn vonage_sms_signed(path: &str, body: &[u8]) -> Vec<u8> {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/json".parse().unwrap())]);
    let body = Bytes::copy_from_slice(body);
    let hook = Webhook { method: Method::POST, path_and_query: path.to_owned(), headers, body: body.clone() };
    let method = vonage_sms::SignatureMethod::HmacSha256;
    // What cannot be parsed cannot be signed.
    let sig = vonage_sms::sign(method, &Secret::new(VONAGE_SMS), &hook).unwrap_or_default();
    let cut = body.strip_suffix(b"}").unwrap_or(&body);
    [cut, json!({ "sig": sig }).to_string().replacen('{', ",", 1).as_bytes()].concat()
}

/// Posts what the carrier makes of this body to its account.
pub(crate) async fn post(world: &Outside, carrier: &str, body: &[u8]) -> wire::Answer {
    let path = messages(carrier);
    let (head, body) = signed(carrier, &path, body);
    post_with(world, &path, &head, &body).await
}

pub(crate) async fn post_with(world: &Outside, path: &str, head: &[String], body: &[u8]) -> wire::Answer {
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    wire::ask(world.home.doors.carriers, "POST", path, &head, body).await.unwrap()
}
