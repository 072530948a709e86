//! Sinch's Conversation API and its callbacks: <https://developers.sinch.com/docs/conversation/>. Its messages go over
//! the channels SMS and MMS.

use super::project::{PROJECT, error};
use super::*;
use percent_encoding::percent_decode_str;

const APP: &str = "01JD3S8B6YCMRNR0GGM94H80AC";
/// Maximum characters of a text, and of the mark that receipts repeat.
const TEXT_MAX: usize = 1_600;
const METADATA_MAX: usize = 1_024;

pub(in super::super) struct Conversation;

impl Dialect for Conversation {
    fn habits(&self) -> Habits {
        habits()
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        ulid(dice)
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!("api = \"conversation\"\nregion = \"us\"\nmms = true\napp_id = \"{APP}\"\n{}", keys()),
            secrets: vec![("sinch-key", KEY_SECRET.to_owned()), ("sinch-webhook", WEBHOOK_SECRET.to_owned())],
        }
    }

    fn admits(&self, core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        let sends = head.uri.path().ends_with("/messages:send");
        if holds_token(core, head) || (!sends && offered == basic()) { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy();
        if head.method == Method::POST && path == format!("/v1/projects/{PROJECT}/messages:send") {
            return Ok(Route::Send);
        }
        of_project(core, head)
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |message| Refused::new(StatusCode::BAD_REQUEST, NUMBER_INVALID, message);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad("the body is no JSON"))?;
        if body["app_id"] != APP {
            return Err(Refused::not_found());
        }
        let identities = body.pointer("/recipient/identified_by/channel_identities").and_then(Value::as_array);
        let identity = identities.filter(|all| all.len() == 1).map(|all| &all[0]);
        let identity = identity.filter(|one| one["channel"] == "SMS").and_then(|one| any_number(&one["identity"]));
        let to = identity.ok_or_else(|| bad("invalid recipient: one SMS identity is needed"))?;
        let from = any_number(&body["channel_properties"]["SMS_SENDER"]).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad("invalid SMS_SENDER"))?;
        let text = body.pointer("/message/text_message/text").and_then(Value::as_str).unwrap_or_default();
        if text.is_empty() || text.chars().count() > TEXT_MAX {
            return Err(bad("invalid text_message"));
        }
        let reference = body["message_metadata"].as_str().map(str::to_owned);
        if reference.as_deref().is_some_and(|metadata| metadata.len() > METADATA_MAX) {
            return Err(bad("message_metadata is too long"));
        }
        let own = body["callback_url"].as_str().filter(|url| !url.is_empty()).map(str::to_owned);
        if own.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
            return Err(bad("invalid callback_url"));
        }
        let callback = Some(own.unwrap_or_else(|| core.text_url(from)));
        Ok(Send { from, to, text: text.to_owned(), media: 0, callback, reference })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, _send: &Send) -> Reply {
        json_reply(StatusCode::OK, &json!({ "message_id": id, "accepted_time": utc(TIME) }))
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::OK, &json!({ "accepted_time": utc(TIME) }))
    }

    fn problem(&self, status: StatusCode, _code: u32, message: &str) -> Reply {
        error(status, message)
    }

    fn token(&self, token: &str, valid: Duration) -> Reply {
        token_reply(token, valid)
    }

    /// A message has one medium, so each further one is a message of its own.
    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let contents: Vec<Value> = match &*text.media {
            [] => vec![json!({ "text_message": { "text": text.text } })],
            [(_, first), others @ ..] => {
                let first = match text.text {
                    "" => json!({ "media_message": { "url": first } }),
                    caption => json!({ "media_card_message": { "url": first, "caption": caption } }),
                };
                let others = others.iter().map(|(_, url)| json!({ "media_message": { "url": url } }));
                std::iter::once(first).chain(others).collect()
            }
        };
        let channel = if text.media.is_empty() { "SMS" } else { "MMS" };
        let message = |(nth, content): (usize, Value)| {
            let id = match nth {
                0 => text.id.to_owned(),
                nth => ulid(&mut SeededRng::of(core.settings.seed, &["medium", text.id], nth as u64)),
            };
            let message = json!({
                "id": id, "direction": "TO_APP", "contact_message": content,
                "channel_identity": identity(channel, text.from), "conversation_id": "", "contact_id": "",
                "metadata": "", "accept_time": utc(TIME), "sender_id": digits(text.to), "processing_mode": "DISPATCH",
                "injected": false,
            });
            event(core.text_url(text.to), "message", message)
        };
        contents.into_iter().enumerate().map(message).collect()
    }

    fn receipt(&self, _core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let status = match receipt.status {
            "sent" => "QUEUED_ON_CHANNEL",
            "delivered" => "DELIVERED",
            _ => "FAILED",
        };
        let mut report = json!({
            "message_id": taken.sid, "conversation_id": "", "status": status,
            "channel_identity": identity("SMS", taken.to), "contact_id": "", "metadata": taken.reference,
            "processing_mode": "DISPATCH",
        });
        if let Some(code) = receipt.code {
            report["reason"] = json!({
                "code": reason(code), "description": "The underlying channel reported an error",
                "sub_code": "UNSPECIFIED_SUB_CODE", "channel_code": own_code(code).to_string(),
            });
        }
        Some(event(taken.callback.clone()?, "message_delivery_report", report))
    }

    fn post(&self, core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        posted(core, elements, about)
    }
}

/// A callback, whose subject is in the field `name`.
fn event(url: String, name: &str, subject: Value) -> Element {
    let mut content = json!({
        "app_id": APP, "project_id": PROJECT, "accepted_time": utc(TIME), "event_time": utc(TIME),
        "message_metadata": "", "correlation_id": "",
    });
    content[name] = subject;
    Element { url, content: Content::Json(content) }
}

fn identity(channel: &str, number: E164) -> Value {
    json!({ "channel": channel, "identity": digits(number), "app_id": "" })
}

/// Why a message failed, for one of the simulator's codes.
fn reason(code: u32) -> &'static str {
    match code {
        OPTED_OUT => "RECIPIENT_NOT_OPTED_IN",
        NUMBER_INVALID => "RECIPIENT_INVALID_CHANNEL_IDENTITY",
        LANDLINE => "RECIPIENT_NOT_REACHABLE",
        FILTERED => "DELIVERY_REJECTED_DUE_TO_POLICY",
        _ => "CHANNEL_FAILURE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callbacks_are_written_as_documented() {
        let carrier = testing::carrier(Kind::SinchConversation).await;
        let written = |words, media| -> Vec<Value> {
            let elements = Conversation.text(&carrier.core, &testing::text(words, media));
            elements.iter().map(|element| element.content.json()).collect()
        };
        let text = &written("Hi!", Vec::new())[0];
        let message = &text["message"];
        assert_eq!((&text["app_id"], &message["id"]), (&json!(APP), &json!("id-1")));
        assert_eq!(message["contact_message"], json!({ "text_message": { "text": "Hi!" } }));
        assert_eq!(message["channel_identity"], json!({ "channel": "SMS", "identity": "12065550142", "app_id": "" }));
        assert_eq!(message["sender_id"], "12065550100");

        let photo = |nth: u8| ("image/png".to_owned(), format!("https://media.example.com/{nth}.png"));
        let photos = written("caption text", vec![photo(1), photo(2)]);
        let card = json!({ "url": "https://media.example.com/1.png", "caption": "caption text" });
        assert_eq!(photos[0]["message"]["contact_message"], json!({ "media_card_message": card }));
        assert_eq!(photos[0]["message"]["channel_identity"]["channel"], "MMS");
        let further = &photos[1]["message"];
        assert_eq!(further["contact_message"]["media_message"]["url"], "https://media.example.com/2.png");
        assert_ne!(further["id"], photos[0]["message"]["id"]);

        let taken = testing::taken(Some("https://gw.example.com/h"));
        let receipt = Receipt { taken: &taken, status: "failed", code: Some(LANDLINE) };
        let report = &Conversation.receipt(&carrier.core, &receipt).unwrap().content.json()["message_delivery_report"];
        assert_eq!((&report["status"], &report["metadata"]), (&json!("FAILED"), &json!("msg_00g4q7")));
        assert_eq!(report["reason"]["code"], "RECIPIENT_NOT_REACHABLE");
    }

    #[tokio::test]
    async fn sends_are_read_as_documented() {
        let carrier = testing::carrier(Kind::SinchConversation).await;
        let head = testing::head(Method::POST, "/");
        let body = |app: &str, channel: &str, sender: &str, text: &str| {
            let identity = json!({ "channel": channel, "identity": "+12065550142" });
            json!({
                "app_id": app, "recipient": { "identified_by": { "channel_identities": [identity] } },
                "message": { "text_message": { "text": text } }, "channel_properties": { "SMS_SENDER": sender },
                "message_metadata": "msg_00g4q7",
            })
        };
        let read = |body: Value| Conversation.read(&carrier.core, &head, body.to_string().as_bytes());
        let send = read(body(APP, "SMS", testing::OURS, "Hello")).ok().unwrap();
        assert_eq!((send.from.to_string(), send.to.to_string()), (testing::OURS.to_owned(), testing::PHONE.to_owned()));
        assert_eq!((&*send.text, send.reference.as_deref()), ("Hello", Some("msg_00g4q7")));
        let wrong = [
            body("another", "SMS", testing::OURS, "Hello"),
            body(APP, "RCS", testing::OURS, "Hello"),
            body(APP, "SMS", "+12065550999", "Hello"),
            body(APP, "SMS", testing::OURS, ""),
        ];
        for body in wrong {
            assert!(read(body.clone()).is_err(), "{body}");
        }
    }
}
