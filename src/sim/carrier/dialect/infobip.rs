//! Infobip's SMS API v3, its incoming texts and MMS, and its Numbers API: <https://www.infobip.com/docs/api/channels/sms>,
//! <https://www.infobip.com/docs/api/platform/numbers>. Which header its HMAC stands in is not documented: this is the
//! account of the example configuration.
//!
//! ```json
//! {"results":[{"messageId":"817790313235066447","from":"14155550101","to":"14155550199","text":"QUIZ Paris",
//!   "cleanText":"Paris","keyword":"QUIZ","receivedAt":"2025-11-22T06:00:00.000+0000","smsCount":1}],
//!  "messageCount":1,"pendingMessageCount":0}
//! ```

#[cfg(test)]
mod tests;

use super::notation::{digits, hex, number, utc};
use super::*;
use crate::sim::segments;
use hmac::{Hmac, Mac as _};
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;
use sha2::Sha256;

/// Authorizes sends, look-ups, and requests for media.
const API_KEY: &str = "7e1d4a90c35b2f68e1d4a90c35b2f687-2c9e5b17-40d3-4f8a-9b61-d07c3e58a412";
/// Signs webhooks, and forgeries.
const SECRET: &str = "kQ7vX2mN9rT4wZ8bL1cY5dH3";
const FORGED_SECRET: &str = "000000000000000000000000";
const SIGNATURE_HEADER: &str = "x-signature";

/// Limits of a send.
const PARTS_MAX: usize = 25;
const ID_MAX: usize = 200;
/// Maximum items in a webhook.
const BUCKET_MAX: usize = 100;
/// The longest validity, in each unit.
const VALIDITIES: [(&str, u64); 4] = [("SECONDS", 172_800), ("MINUTES", 2_880), ("HOURS", 48), ("DAYS", 2)];

/// What it makes of a text.
struct Status {
    group: (u32, &'static str),
    id: u32,
    name: &'static str,
}

impl Status {
    const PENDING: Self = Self { group: (1, "PENDING"), id: 26, name: "PENDING_ACCEPTED" };
    const DELIVERED: Self = Self { group: (3, "DELIVERED"), id: 5, name: "DELIVERED_TO_HANDSET" };
    const UNDELIVERABLE: Self = Self { group: (2, "UNDELIVERABLE"), id: 9, name: "UNDELIVERABLE_NOT_DELIVERED" };
    const REFUSED_BY_OPERATOR: Self =
        Self { group: (2, "UNDELIVERABLE"), id: 4, name: "UNDELIVERABLE_REJECTED_OPERATOR" };
    const REPEATED: Self = Self { group: REJECTED, id: 23, name: "REJECTED_DUPLICATE_MESSAGE_ID" };

    /// A refusal with this code of the simulator.
    fn refused(code: u32) -> Self {
        let (id, name) = match code {
            OPTED_OUT => (14, "REJECTED_DESTINATION"),
            NUMBER_INVALID => (52, "REJECTED_INVALID_DESTINATION"),
            21_408 => (6, "REJECTED_NETWORK"),
            other => (other, "REJECTED_BY_PLATFORM"),
        };
        Self { group: REJECTED, id, name }
    }

    fn json(&self) -> Value {
        json!({
            "groupId": self.group.0, "groupName": self.group.1, "id": self.id, "name": self.name,
            "description": self.name.replace('_', " ").to_lowercase(),
        })
    }
}

const REJECTED: (u32, &str) = (5, "REJECTED");

pub(super) struct Infobip;

impl Dialect for Infobip {
    /// Waits one minute and more between attempts, in short.
    fn habits(&self) -> Habits {
        Habits {
            resend: Resend { again: Again::Not2xx, attempts_max: 6, spacing: Duration::from_millis(200) },
            batch_max: BUCKET_MAX,
            media_secured: true,
            ..Habits::default()
        }
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        format!("8{:017}", dice.next() % 100_000_000_000_000_000)
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!(
                "api_key_file = \"infobip\"\n\
                 webhook_hmac = {{ header = \"{SIGNATURE_HEADER}\", algorithm = \"HMAC_SHA_256\", encoding = \"hex\", \
                 secret_files = [\"infobip-hmac\"] }}\nkeywords_on = false\n"
            ),
            secrets: vec![("infobip", API_KEY.to_owned()), ("infobip-hmac", SECRET.to_owned())],
        }
    }

    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        if offered == format!("App {API_KEY}") { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let forwarding = head.uri.path().strip_prefix("/numbers/2/numbers/").and_then(|rest| rest.split_once('/'));
        match (&head.method, head.uri.path(), forwarding) {
            (&Method::POST, "/sms/3/messages", _) => Ok(Route::Send),
            (&Method::GET, "/numbers/1/numbers", _) => {
                let wanted = parameter(head, "number").unwrap_or_default();
                Ok(Route::LookUp(number(&wanted), numbers(core, &wanted)))
            }
            (&Method::GET, _, Some((key, "sms" | "mms"))) => {
                let configurations = configurations(core, key).ok_or_else(Refused::not_found)?;
                Ok(Route::LookUp(None, json_reply(StatusCode::OK, &configurations)))
            }
            _ => Err(Refused::not_found()),
        }
    }

    /// Only requests with one text are understood.
    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |what| Refused::new(StatusCode::BAD_REQUEST, 400, what);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad("request.body: is not JSON"))?;
        let message = &body["messages"][0];
        let destination = &message["destinations"][0];
        if body.pointer("/messages/1").is_some() || message.pointer("/destinations/1").is_some() {
            return Err(bad("messages: this simulator takes one text at a time"));
        }
        let to = destination["to"].as_str().and_then(number);
        let to = to.ok_or_else(|| bad("messages[0].destinations[0].to: is not a number without plus"))?;
        let from = message["sender"].as_str().and_then(number).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad("messages[0].sender: is not your number"))?;
        let text = message["content"]["text"].as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| bad("messages[0].content.text: must not be empty"))?;
        if segments::parts(text).len() > PARTS_MAX {
            return Err(bad("messages[0].content.text: is longer than 25 parts"));
        }
        let validity = &message["options"]["validityPeriod"];
        let fits = |(unit, max): &(&str, u64)| {
            validity["timeUnit"] == *unit && validity["amount"].as_u64().is_some_and(|amount| amount <= *max)
        };
        if !validity.is_null() && !VALIDITIES.iter().any(fits) {
            return Err(bad("messages[0].options.validityPeriod: is longer than 48 hours"));
        }
        let reference = destination["messageId"].as_str().map(str::to_owned);
        if reference.as_deref().is_some_and(|id| id.is_empty() || id.len() > ID_MAX) {
            return Err(bad("messages[0].destinations[0].messageId: is empty or longer than 200 characters"));
        }
        let callback = message["webhooks"]["delivery"]["url"].as_str().map(str::to_owned);
        if callback.as_deref().is_some_and(|callback| url::Url::parse(callback).is_err()) {
            return Err(bad("messages[0].webhooks.delivery.url: is not a URL"));
        }
        Ok(Send { from, to, text: text.to_owned(), media: 0, callback, reference })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, send: &Send) -> Reply {
        let mut message = result(send, &Status::PENDING);
        message["messageId"] = send.reference.as_deref().unwrap_or(id).into();
        message["details"] = json!({ "messageCount": segments::count(&send.text) });
        json_reply(StatusCode::OK, &json!({ "bulkId": id, "messages": [message] }))
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::OK, &json!({ "messages": [{ "status": Status::PENDING.json() }] }))
    }

    /// A text is refused in a response with status 200.
    fn refuse(&self, send: Option<&Send>, status: StatusCode, code: u32, message: &str) -> Reply {
        match send {
            Some(send) if status == StatusCode::BAD_REQUEST => {
                let message = result(send, &Status::refused(code));
                json_reply(StatusCode::OK, &json!({ "bulkId": "2034072219640523072", "messages": [message] }))
            }
            _ => {
                let violation = message.split_once(": ");
                let violations: Vec<Value> = (violation.iter())
                    .map(|(property, violation)| json!({ "property": property, "violation": violation }))
                    .collect();
                let body = json!({
                    "errorCode": format!("E{}", status.as_u16()), "description": message,
                    "action": "Check the request.", "violations": violations, "resources": [],
                });
                json_reply(status, &body)
            }
        }
    }

    fn repeated(&self, send: &Send) -> Option<Reply> {
        let message = result(send, &Status::REPEATED);
        Some(json_reply(StatusCode::OK, &json!({ "messages": [message] })))
    }

    fn problem(&self, status: StatusCode, _code: u32, message: &str) -> Reply {
        let id = status.canonical_reason().unwrap_or_default().replace(' ', "_").to_uppercase();
        json_reply(status, &json!({ "requestError": { "serviceException": { "messageId": id, "text": message } } }))
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let mut item = json!({
            "messageId": text.id, "from": digits(text.from), "to": digits(text.to), "receivedAt": timestamp(),
        });
        if text.media.is_empty() {
            item["text"] = text.text.into();
            item["cleanText"] = text.text.into();
            item["keyword"] = "".into();
            item["smsCount"] = segments::count(text.text).into();
        } else {
            let medium = |(kind, url): &(String, String)| json!({ "contentType": kind, "url": url });
            let mut parts: Vec<Value> = text.media.iter().map(medium).collect();
            if !text.text.is_empty() {
                parts.push(json!({ "contentType": "text/plain", "value": text.text }));
            }
            item["userAgent"] = "iPhone_12".into();
            item["pairedMessageId"] = Value::Null;
            item["message"] = parts.into();
            item["group"] = json!([{ "to": digits(text.to) }]);
        }
        item["price"] = json!({ "pricePerMessage": 0, "currency": "EUR" });
        for unset in ["entityId", "applicationId", "campaignReferenceId"] {
            item[unset] = Value::Null;
        }
        vec![Element { url: core.text_url(text.to), content: Content::Json(item) }]
    }

    /// Only final reports, since a send does not ask for others.
    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let status = match receipt.status {
            "sent" => return None,
            "undelivered" => Status::UNDELIVERABLE,
            "failed" => Status::REFUSED_BY_OPERATOR,
            _ => Status::DELIVERED,
        };
        let item = json!({
            "bulkId": taken.sid, "messageId": taken.reference.as_ref().unwrap_or(&taken.sid),
            "to": digits(taken.to), "sender": digits(taken.from), "sentAt": timestamp(), "doneAt": timestamp(),
            "messageCount": segments::count(&taken.text), "mccMnc": "310260",
            "price": { "pricePerMessage": 0.0057, "currency": "EUR" },
            "status": status.json(), "error": error(receipt.code),
            "platform": { "entityId": null, "applicationId": null },
        });
        let url = taken.callback.clone().unwrap_or_else(|| hook_url(core, "receipts"));
        Some(Element { url, content: Content::Json(item) })
    }

    fn post(&self, _core: &CarrierCore, url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let results: Vec<Value> = elements.iter().map(|element| element.json()).collect();
        let mut body = json!({ "results": results });
        if url.contains("/messages") {
            body["messageCount"] = results.len().into();
            body["pendingMessageCount"] = 0.into();
        }
        let body = body.to_string();
        let secret = if about.genuine { SECRET } else { FORGED_SECRET };
        let signature = signature(secret, body.as_bytes());
        Posted {
            content_type: "application/json; charset=utf-8",
            headers: vec![(SIGNATURE_HEADER, signature)],
            body: body.into(),
        }
    }
}

/// What a response says of a text.
fn result(send: &Send, status: &Status) -> Value {
    json!({ "messageId": send.reference, "status": status.json(), "destination": digits(send.to) })
}

/// The error in a receipt.
fn error(code: Option<u32>) -> Value {
    let (group, group_name, id, name) = match code {
        None => (0, "OK", 0, "NO_ERROR"),
        Some(LANDLINE) => (1, "HANDSET_ERRORS", 11, "EC_TELESERVICE_NOT_PROVISIONED"),
        Some(FILTERED) => (3, "OPERATOR_ERRORS", 561, "EC_SPAM_CONTENT"),
        Some(OPTED_OUT) => (3, "OPERATOR_ERRORS", 573, "EC_BLOCKED_BY_USER"),
        Some(other) => (3, "OPERATOR_ERRORS", other, "EC_OTHER"),
    };
    json!({ "groupId": group, "groupName": group_name, "id": id, "name": name, "permanent": code.is_some() })
}

/// The account's numbers with these digits.
fn numbers(core: &CarrierCore, wanted: &str) -> Reply {
    let numbers: Vec<Value> = (core.numbers().into_iter())
        .filter(|(ours, _)| digits(*ours).contains(wanted))
        .map(|(ours, there)| {
            let capabilities = [("SMS", there.sms), ("MMS", there.mms), ("VOICE", true)];
            let capabilities: Vec<&str> = capabilities.into_iter().filter(|has| has.1).map(|has| has.0).collect();
            json!({
                "numberKey": number_key(ours), "number": digits(ours), "country": "US", "countryName": "United States",
                "type": "VIRTUAL_LONG_NUMBER", "capabilities": capabilities, "shared": false,
                "additionalSetupRequired": false, "reservationStatus": null, "applicationId": "default",
            })
        })
        .collect();
    json_reply(StatusCode::OK, &json!({ "numbers": numbers, "numberCount": numbers.len() }))
}

fn number_key(ours: E164) -> String {
    SeededRng::of(0, &["number key", &ours.to_string()], 0).hex().to_uppercase()
}

/// Where a number's texts go; `None` if there is no such number.
fn configurations(core: &CarrierCore, key: &str) -> Option<Value> {
    let (ours, there) = core.numbers().into_iter().find(|(ours, _)| number_key(*ours) == key)?;
    let configuration = json!({
        "key": SeededRng::of(0, &["configuration key", &ours.to_string()], 0).hex().to_uppercase(), "keyword": "",
        "action": {
            "type": "HTTP_FORWARD", "url": there.sms_url.unwrap_or_else(|| hook_url(core, "messages")),
            "httpMethod": "POST", "contentType": "JSON",
        },
        "useConversation": { "enabled": false }, "otherActions": [], "otherActionsDetails": [],
        "applicationId": "default",
    });
    Some(json!({ "configurations": [configuration], "totalCount": 1 }))
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}

fn timestamp() -> String {
    utc("%Y-%m-%dT%H:%M:%S%.3f+0000")
}
