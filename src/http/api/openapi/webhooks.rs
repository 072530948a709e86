//! The webhooks: how events are pushed to the platform's endpoints. What is said of retries is what `work::feed` does.

use super::events::schema_name;
use crate::machine::show::{Data, EventType, TYPES};
use serde_json::{Map, Value, json};

/// Adds a webhook for each type of event.
pub(super) fn add(document: &mut Value) {
    let webhooks: Map<_, _> =
        TYPES.iter().map(|event| (event.name.to_owned(), json!({ "post": webhook(event) }))).collect();
    document["webhooks"] = webhooks.into();
    let components = &mut document["components"];
    for (key, header) in headers() {
        components["parameters"][key] = header;
    }
    for (_, key, meaning) in ANSWERS {
        components["responses"][key] = json!({ "description": meaning });
    }
}

/// The operation of a receiver.
fn webhook(event: &EventType) -> Value {
    let to = match event.data {
        Data::DirectoryChange => "Pushed only to endpoints that name the type in `events`.",
        Data::FeedGap => "Pushed only to the endpoint that it is about, whatever its `events` are.",
        _ => "Pushed to endpoints whose `events` include the type; all are included where `events` is left out.",
    };
    let responses: Map<_, _> =
        ANSWERS.iter().map(|(status, key, _)| ((*status).to_owned(), shared("responses", key))).collect();
    json!({
        "operationId": format!("on_{}", event.name.replace('.', "_")),
        "summary": event.about,
        "description": format!("{to} {DELIVERY}"),
        "parameters": headers().map(|(key, _)| shared("parameters", key)),
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": shared("schemas", &schema_name(event)) } },
        },
        "responses": responses,
    })
}

const DELIVERY: &str = "Delivered at least once and in order per call: the same id may come again. Redirects are not \
                        followed. An event is never given up: it is retried until it is taken, or past its \
                        retention, which feed.gap says.";

/// What a receiver's answers mean: status, key among the document's responses, description.
const ANSWERS: [(&str, &str, &str); 5] = [
    ("2XX", "Taken", "Taken, once the whole response has arrived: at most 64 kB, within 15 seconds."),
    ("410", "Gone", "The endpoint is gone: it is reported to the operator, and tried like one that is down."),
    (
        "429",
        "Later",
        "All deliveries to the endpoint pause for the time in Retry-After, at most a minute, or a second without \
         one. Then the event is retried.",
    ),
    (
        "503",
        "Down",
        "The endpoint is down, as with 502, 504 and no response within 15 seconds. One event is tried after 1, 2, 4 \
         and then every 5 seconds; once one is taken, the others follow.",
    ),
    (
        "default",
        "Refused",
        "Refused. While the endpoint takes other events, this one is retried after 5 seconds, 5 and 30 minutes, 2 and \
         5 hours, and then every 10 hours, each time up to a fifth sooner or later. Later events of the same call wait \
         for it, those of others do not. Where it takes none, it is down.",
    ),
];

/// The headers of a delivery, by the Standard Webhooks specification.
fn headers() -> [(&'static str, Value); 3] {
    [
        (
            "WebhookId",
            header("webhook-id", &json!({ "type": "string" }), "The event's id, by which repeats are recognised."),
        ),
        (
            "WebhookTimestamp",
            header(
                "webhook-timestamp",
                &json!({ "type": "integer" }),
                "When this attempt was made, in seconds since 1970. Refuse one more than five minutes off: a recorded \
                 request may be repeated by others.",
            ),
        ),
        (
            "WebhookSignature",
            header(
                "webhook-signature",
                &json!({ "type": "string", "pattern": "^v1,[A-Za-z0-9+/]+=*( v1,[A-Za-z0-9+/]+=*)*$" }),
                "One signature per signing key, separated by spaces: accept the request if one of them is right, so \
                 that keys can be changed. A signature is `v1,` and the base64 of the HMAC-SHA256 of `{webhook-id}.\
                 {webhook-timestamp}.{body}` over the body's bytes as they came. The key is the base64 after `whsec_` \
                 in the secret's file, decoded. Compare in constant time.",
            ),
        ),
    ]
}

fn shared(section: &str, key: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{key}") })
}

fn header(name: &str, schema: &Value, description: &str) -> Value {
    json!({ "name": name, "in": "header", "required": true, "schema": schema, "description": description })
}
