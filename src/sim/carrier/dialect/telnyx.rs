//! Telnyx's messaging API v2 and its webhooks of version 2: <https://developers.telnyx.com/docs/messaging>.

mod signature;

use self::signature::{pair, signature};
use super::notation::{unix_secs, utc, uuid};
use super::*;
use crate::sim::segments;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use ring::signature::KeyPair as _;
use serde_json::json;

/// Authorizes sends, look-ups, and requests for media.
const API_KEY: &str = "KEY0192F7A3C5D1486EB0937C2A5F4D8E61_q7RtXw2LmZ9vYbKc4NdHs1";
/// The private key of webhooks, and that of a forger.
const SEED: [u8; 32] = *b"the simulated carrier's own seed";
const FORGED_SEED: [u8; 32] = *b"a seed that only a forger may us";
/// The messaging profile of all numbers whose texts go where they should.
const PROFILE: &str = "4001907d-31c5-4b7e-9f02-6a1d58e0c3b4";
const ORGANIZATION: &str = "47a530f8-4362-4526-829b-bcee17fd9f7a";

/// As in `2025-11-22T06:00:00.088+00:00`.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3f+00:00";
/// Maximum parts of a text.
const PARTS_MAX: u32 = 10;
const MEDIA_MAX: usize = 10;

/// All of them are whole texts, in any case.
const KEYWORDS: Keywords = Keywords {
    numbers: "+",
    stop: &["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"],
    start: &["START", "UNSTOP"],
    stopped: "You have successfully been unsubscribed, you will not receive any more messages from this number. Reply \
              START to resubscribe.",
    started: "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP \
              to unsubscribe.",
};

pub(super) struct Telnyx;

impl Dialect for Telnyx {
    fn habits(&self) -> Habits {
        Habits {
            waits: Duration::from_secs(2),
            resend: Resend { again: Again::Not2xx, attempts_max: 3, spacing: Duration::from_millis(200) },
            keywords: Some(KEYWORDS),
            media_secured: true,
            ..Habits::default()
        }
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        uuid(dice)
    }

    fn keys(&self) -> Keys {
        let public_key = STANDARD.encode(pair(&SEED).public_key());
        Keys {
            lines: format!("api_key_file = \"telnyx\"\npublic_keys = [\"{public_key}\"]\n"),
            secrets: vec![("telnyx", API_KEY.to_owned())],
        }
    }

    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        if offered.strip_prefix("Bearer ") == Some(API_KEY) { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        match (&head.method, &*steps) {
            (&Method::POST, ["v2", "messages"]) => Ok(Route::Send),
            (&Method::GET, ["v2", "phone_numbers", "messaging"]) => {
                let wanted = parameter(head, "filter[phone_number]");
                let wanted = wanted.and_then(|wanted| wanted.parse().ok());
                let data: Vec<Value> = wanted.and_then(|wanted| number(core, wanted)).into_iter().collect();
                let meta = json!({
                    "page_number": 1, "page_size": 20, "total_pages": data.len(), "total_results": data.len(),
                });
                Ok(Route::LookUp(wanted, json_reply(StatusCode::OK, &json!({ "data": data, "meta": meta }))))
            }
            (&Method::GET, ["v2", "phone_numbers", wanted, "messaging"]) => {
                let wanted = wanted.parse().ok();
                let found = wanted.and_then(|wanted| number(core, wanted));
                Ok(Route::LookUp(wanted, self.found(found)))
            }
            (&Method::GET, ["v2", "messaging_profiles", id]) => Ok(Route::LookUp(None, self.found(profile(core, id)))),
            _ => Err(Refused::not_found()),
        }
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |code, message| Refused::new(StatusCode::BAD_REQUEST, code, message);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad(10_015, "The request is no JSON"))?;
        let text = |at: &str| body[at].as_str().map(str::to_owned);
        let to = text("to").and_then(|to| to.parse().ok());
        let to = to.ok_or_else(|| bad(NUMBER_INVALID, "The 'to' address is invalid"))?;
        let from = text("from").and_then(|from| from.parse().ok()).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad(40_305, "The 'from' address is invalid for the messaging profile"))?;
        let media = body["media_urls"].as_array().map_or(0, Vec::len);
        let words = text("text").unwrap_or_default();
        if words.is_empty() && media == 0 {
            return Err(bad(40_316, "The message has no content"));
        }
        if media > MEDIA_MAX {
            return Err(bad(40_317, "The message has more than ten media"));
        }
        if segments::count(&words) > PARTS_MAX {
            return Err(bad(40_302, "The message is too long"));
        }
        let own = text("webhook_url");
        if own.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
            return Err(bad(10_003, "The URL is invalid"));
        }
        // The profile's own URLs are the default.
        let callback = own.filter(|_| body["use_profile_webhooks"] != true).unwrap_or_else(|| core.text_url(from));
        Ok(Send { from, to, text: words, media, callback: Some(callback), reference: None })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, send: &Send) -> Reply {
        let valid_until = jiff::Timestamp::now() + Duration::from_secs(3_600);
        let mut message = outbound(id, send.from, send.to, &send.text, "queued");
        message["valid_until"] = valid_until.strftime(TIME).to_string().into();
        message["wait_seconds"] = 0.0.into();
        message["errors"] = json!([]);
        json_reply(StatusCode::OK, &json!({ "data": message }))
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::OK, &json!({ "data": { "record_type": "message", "direction": "outbound" } }))
    }

    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply {
        let code = own_code(code);
        let meta = json!({ "url": format!("https://developers.telnyx.com/docs/overview/errors/{code}") });
        let error = json!({ "code": code.to_string(), "title": message, "detail": message, "meta": meta });
        json_reply(status, &json!({ "errors": [error] }))
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let now = utc(TIME);
        let media: Vec<Value> = (text.media.iter())
            .map(|(kind, url)| json!({ "url": url, "content_type": kind, "size": null, "hash_sha256": null }))
            .collect();
        let url = core.text_url(text.to);
        let payload = json!({
            "record_type": "message", "direction": "inbound", "id": text.id,
            "type": if media.is_empty() { "SMS" } else { "MMS" },
            "messaging_profile_id": profile_id(core, text.to), "organization_id": ORGANIZATION,
            "from": {
                "phone_number": text.from.to_string(), "carrier": "T-Mobile USA", "line_type": "Wireless",
                "status": "webhook_delivered",
            },
            "to": [{
                "phone_number": text.to.to_string(), "carrier": "Telnyx", "line_type": "Wireless",
                "status": "webhook_delivered",
            }],
            "cc": [],
            "text": (!text.text.is_empty() || media.is_empty()).then_some(text.text), "subject": null,
            "encoding": encoding(text.text), "parts": segments::count(text.text),
            "num_chars": text.text.chars().count(), "autoresponse_type": text.keyword, "media": media,
            "received_at": now, "sent_at": null, "completed_at": null, "valid_until": null,
            "cost": { "amount": "0.0000", "currency": "USD" }, "cost_breakdown": null, "tags": [], "errors": [],
            "tcr_campaign_id": null, "tcr_campaign_billable": false, "tcr_campaign_registered": null,
            "webhook_url": url, "webhook_failover_url": null,
        });
        vec![event(core, url, "message.received", text.id, &payload)]
    }

    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let (kind, status) = match receipt.status {
            "sent" => ("message.sent", "sent"),
            "delivered" => ("message.finalized", "delivered"),
            "undelivered" => ("message.finalized", "delivery_failed"),
            _ => ("message.finalized", "sending_failed"),
        };
        let now = utc(TIME);
        let mut payload = outbound(&taken.sid, taken.from, taken.to, &taken.text, status);
        let errors = receipt.code.map(|code| json!({ "code": own_code(code).to_string(), "title": "Not delivered" }));
        payload["errors"] = errors.into_iter().collect();
        payload["sent_at"] = now.as_str().into();
        payload["completed_at"] = if kind == "message.sent" { Value::Null } else { now.into() };
        payload["messaging_profile_id"] = profile_id(core, taken.from).into();
        Some(event(core, taken.callback.clone()?, kind, &taken.sid, &payload))
    }

    fn post(&self, _core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let body: String = elements.iter().map(|event| event.json().to_string()).collect();
        let time = unix_secs().to_string();
        let seed = if about.genuine { &SEED } else { &FORGED_SEED };
        Posted {
            content_type: "application/json",
            headers: vec![
                ("user-agent", "telnyx-webhooks".to_owned()),
                ("telnyx-signature-ed25519", signature(&pair(seed), &time, &body)),
                ("telnyx-timestamp", time),
            ],
            body: body.into(),
        }
    }
}

impl Telnyx {
    /// One resource, or 404.
    fn found(&self, resource: Option<Value>) -> Reply {
        let Refused { status, code, message } = Refused::not_found();
        match resource {
            Some(resource) => json_reply(StatusCode::OK, &json!({ "data": resource })),
            None => self.problem(status, code, message),
        }
    }
}

/// Telnyx's code for one of the simulator's.
fn own_code(code: u32) -> u32 {
    match code {
        OPTED_OUT => 40_300,
        NUMBER_INVALID => 40_310,
        TOO_MANY => 10_011,
        SERVER_ERROR => 10_007,
        LANDLINE => 40_001,
        20_005 | 30_002 => 40_314,
        21_408 => 40_309,
        30_003 => 40_008,
        FILTERED => 40_015,
        20_003 => 10_009,
        20_404 => 10_005,
        other => other,
    }
}

/// A webhook. The id of its event depends only on what it is about, so that repeats have it too.
fn event(core: &CarrierCore, url: String, kind: &str, about: &str, payload: &Value) -> Element {
    let id = uuid(&mut SeededRng::of(core.settings.seed, &["event", kind, about], 0));
    let content = json!({
        "data": {
            "event_type": kind, "id": id, "occurred_at": utc(TIME), "record_type": "event",
            "payload": payload,
        },
        "meta": { "attempt": 1, "delivered_to": url },
    });
    Element { url, content: Content::Json(content) }
}

/// A sent message, as in answers and receipts.
fn outbound(id: &str, from: E164, to: E164, text: &str, status: &str) -> Value {
    json!({
        "record_type": "message", "direction": "outbound", "id": id, "type": "SMS", "organization_id": ORGANIZATION,
        "from": { "phone_number": from.to_string(), "carrier": "Telnyx", "line_type": "Wireless" },
        "to": [{
            "phone_number": to.to_string(), "carrier": "T-MOBILE USA, INC.", "line_type": "Wireless", "status": status,
        }],
        "text": text, "encoding": encoding(text), "parts": segments::count(text), "media": [], "tags": [],
    })
}

fn encoding(text: &str) -> &'static str {
    if segments::is_gsm(text) { "GSM-7" } else { "UCS-2" }
}

/// What `…/phone_numbers/{number}/messaging` says.
fn number(core: &CarrierCore, wanted: E164) -> Option<Value> {
    let (_, there) = core.numbers().into_iter().find(|(number, _)| *number == wanted)?;
    let feature = |has: bool| {
        has.then(|| json!({ "domestic_two_way": true, "international_inbound": true, "international_outbound": true }))
    };
    Some(json!({
        "record_type": "messaging_settings", "id": "1293384261075731499", "phone_number": wanted.to_string(),
        "type": "long-code", "country_code": "US", "messaging_profile_id": profile_id(core, wanted),
        "features": { "sms": feature(there.sms), "mms": feature(there.mms) },
        "eligible_messaging_products": ["A2P"], "messaging_product": "A2P", "traffic_type": "A2P",
        "health": { "inbound_outbound_ratio": 0.43, "message_count": 122, "spam_ratio": 0.06, "success_ratio": 0.94 },
    }))
}

/// The messaging profile of a number. One whose texts go elsewhere has a profile of its own.
fn profile_id(core: &CarrierCore, number: E164) -> String {
    let elsewhere = core.numbers().into_iter().any(|(other, there)| other == number && there.sms_url.is_some());
    let digits = number.to_string().split_off(1);
    if elsewhere { format!("{}{digits:0>12}", &PROFILE[..24]) } else { PROFILE.to_owned() }
}

/// What `messaging_profiles/{id}` says.
fn profile(core: &CarrierCore, id: &str) -> Option<Value> {
    let (number, _) = core.numbers().into_iter().find(|(number, _)| profile_id(core, *number) == id)?;
    Some(json!({
        "record_type": "messaging_profile", "id": id, "name": "Callers", "enabled": true,
        "webhook_url": core.text_url(number), "webhook_failover_url": hook_url(core, "receipts"),
        "webhook_api_version": "2", "whitelisted_destinations": ["US"], "number_pool_settings": null,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, UnparsedPublicKey};

    #[test]
    fn signature_is_of_the_key_in_the_configuration() {
        let signed = |seed| STANDARD.decode(signature(&pair(seed), "1763791200", "{}")).unwrap();
        let keys = Telnyx.keys().lines;
        let key = keys.split('"').nth(3).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, STANDARD.decode(key).unwrap());
        assert!(key.verify(b"1763791200|{}", &signed(&SEED)).is_ok());
        assert!(key.verify(b"1763791200|{}", &signed(&FORGED_SEED)).is_err());
    }

    #[tokio::test]
    async fn webhooks_are_written_as_in_the_data_sheet() {
        let carrier = testing::carrier(Kind::Telnyx).await;
        let photo = ("image/jpeg".to_owned(), "https://media.example.com/a.jpg".to_owned());
        let texts = Telnyx.text(&carrier.core, &testing::text("look", vec![photo]));
        let event = texts[0].content.json();
        let payload = &event["data"]["payload"];
        assert_eq!(event["data"]["event_type"], "message.received");
        assert_eq!(
            (&payload["id"], &payload["type"], &payload["text"]),
            (&json!("id-1"), &json!("MMS"), &json!("look"))
        );
        assert_eq!(payload["from"]["phone_number"], testing::PHONE);
        assert_eq!(payload["to"][0]["phone_number"], testing::OURS);
        assert_eq!(payload["media"][0]["url"], "https://media.example.com/a.jpg");
        assert_eq!(event["meta"]["delivered_to"], texts[0].url);

        let taken = testing::taken(Some("https://gw.example.com/h"));
        let receipt = Receipt { taken: &taken, status: "undelivered", code: Some(LANDLINE) };
        let event = Telnyx.receipt(&carrier.core, &receipt).unwrap().content.json();
        let payload = &event["data"]["payload"];
        assert_eq!(event["data"]["event_type"], "message.finalized");
        assert_eq!(payload["to"][0]["status"], "delivery_failed");
        assert_eq!(payload["errors"][0]["code"], "40001");
    }

    #[test]
    fn times_and_problems_are_written_as_in_the_data_sheet() {
        let time: jiff::Timestamp = "2025-11-22T06:00:00.088Z".parse().unwrap();
        assert_eq!(time.strftime(TIME).to_string(), "2025-11-22T06:00:00.088+00:00");
        let problem = Telnyx.problem(StatusCode::BAD_REQUEST, OPTED_OUT, "Blocked due to STOP message");
        let error = &testing::json(&problem)["errors"][0];
        assert_eq!((&error["code"], &error["title"]), (&json!("40300"), &json!("Blocked due to STOP message")));
    }
}
