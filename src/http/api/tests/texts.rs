//! A token with `texts = false` never gets a text, a medium or a raw webhook, by any route.

use super::links::ready;
use super::operate::quarantine;
use super::{check, quick, sample, shown};
use crate::http::api::routes::{ROUTES, Route, Verb};
use crate::http::test_gateway::{Answer, CALLER, SUPPORT, TestGateway, anonymous, call, form, signed, text};
use crate::http::wall_clock;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

/// A word that every text and raw webhook of these tests has, and nothing else.
const MARKER: &str = "kingfisher";

const SEND: &str = "/v1/calls/c-1/messages";

/// A gateway full of texts: sent and queued, received, after hang-up with the setting `late_text`, and a webhook in
/// quarantine. Also the id of a message that is still queued.
async fn full_of_texts() -> (TestGateway, String) {
    let world = TestGateway::with(|directory| directory.settings.late_text = true, &[SUPPORT]);
    world.start_call("c-0").await;
    assert_eq!(world.webhook(signed("/carriers/main/messages", &text("SM0", MARKER))).await.status, 200);
    assert_eq!(world.post("/v1/calls/c-0/messages", json!({ "text": MARKER })).await.status, 202);
    world.post("/v1/calls/c-0/end", json!({})).await;
    assert_eq!(world.webhook(signed("/carriers/main/messages", &text("SM1", MARKER))).await.status, 200);
    let unreadable =
        form(&[("MessageSid", "SM2"), ("From", CALLER), ("To", SUPPORT), ("Body", MARKER), ("NumMedia", "many")]);
    assert_eq!(world.webhook(signed("/carriers/main/messages", &unreadable)).await.status, 200);
    world.start_call("c-1").await;
    assert_eq!(world.webhook(signed("/carriers/main/messages", &text("SM3", MARKER))).await.status, 200);
    let queued = world.post(SEND, json!({ "text": MARKER })).await;
    (world, queued.json()["id"].as_str().unwrap().to_owned())
}

async fn ask(world: &TestGateway, token: &str, verb: &str, path: &str, body: &Value) -> Answer {
    let request = anonymous(verb, path).header("authorization", format!("Bearer {token}"));
    let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
    world.ask(request.body(body).unwrap()).await
}

/// A body with which a route that writes succeeds.
fn body_of(route: &Route) -> Value {
    match (route.verb, route.path) {
        (Verb::Get | Verb::Delete, _) => Value::Null,
        (_, "/v1/calls/{call_id}") => call(),
        (_, "/v1/calls/{call_id}/end" | "/v1/opt-outs/{e164}") => json!({}),
        (_, "/v1/calls/{call_id}/messages" | "/v1/estimate") => json!({ "text": MARKER }),
        (_, path) if path.ends_with("/suspend") => json!({ "reason": "a test" }),
        (_, path) if path.ends_with("/reconcile") => json!({ "since": wall_clock().to_string() }),
        (_, path) if path.ends_with("/resume") || path.starts_with("/v1/quarantine/") => json!({}),
        (_, "/v1/numbers/verify") => json!({ "numbers": [SUPPORT] }),
        (_, "/v1/media/{medium_id}/link" | "/v1/console/links") => json!({}),
        (_, "/v1/erasures") => json!({ "number": "+14155550107" }),
        (_, "/v1/events/replay") => json!({ "since": "2020-01-01T00:00:00Z" }),
        (_, "/v1/numbers/{e164}") => json!({ "label": "Support", "account": "main" }),
        (_, "/v1/queues/{queue_id}") => json!({ "name": "Support" }),
        (_, "/v1/presets/{language}/{preset_id}") => json!({ "label": "Welcome", "text": "Hello." }),
        (_, "/v1/settings") => json!({ "in_call_sms": true }),
        (_, "/v1/accounts/{name}") => json!({}),
        (_, path) => panic!("{path}: say here what its body may be"),
    }
}

#[tokio::test]
async fn a_token_without_texts_gets_none_by_any_route() {
    let (world, queued) = full_of_texts().await;
    let medium = ready(&world, "SM6", format!("GIF89a {MARKER}").as_bytes()).await.to_string();
    let unreadable = quarantine(&world, "SM5", MARKER).await;
    let readable = quarantine(&world, "SM4", MARKER).await;
    world.verify_numbers();
    let erasure = world.post("/v1/erasures", json!({ "number": "+14155550108" })).await.json();
    let mut with_texts = Vec::new();
    // What deletes, and what ends the call, comes last.
    let place = |route: &Route| (route.verb.writes(), route.path.ends_with("/end"), route.verb == Verb::Delete);
    let mut routes: Vec<_> = ROUTES.iter().collect();
    routes.sort_by_key(|route| place(route));
    for route in routes {
        let entry = if route.path.ends_with("/replay") { &readable } else { &unreadable };
        let path = route.path.replace("{message_id}", &queued).replace("{quarantine_id}", entry);
        let path = path.replace("{medium_id}", &medium);
        let mut path = sample(&path.replace("{erasure_id}", erasure["id"].as_str().unwrap()));
        match route.path {
            "/v1/reports/usage" => path.push_str("?from=2020-01-01&to=2099-12-31"),
            "/v1/messages" => path.push_str("?state=queued"),
            _ => {}
        }
        let verb = route.verb.word();
        let path = match route.path {
            "/v1/opt-outs/{e164}" if route.verb == Verb::Delete => format!("{path}?reason=x"),
            _ => path,
        };
        let body = match route.path {
            "/v1/directory" | "/v1/directory/diff" => world.get("/v1/directory").await.json(),
            _ => body_of(route),
        };
        let answer = ask(&world, "blind", verb, &path, &body).await;
        let expected = ["scope_missing", "still_texting", "queue_in_use"];
        assert!(answer.status < 300 || expected.contains(&&*answer.code()), "{verb} {path}: {}", answer.body);
        assert!(!answer.body.contains(MARKER), "{verb} {path}: {}", answer.body);
        let is_of_media = route.path.starts_with("/v1/media/");
        assert!(!is_of_media || answer.code() == "scope_missing", "{verb} {path}: {}", answer.body);
        if route.verb == Verb::Get && world.get(&path).await.body.contains(MARKER) {
            with_texts.push(route.path);
        }
    }
    let expected = [
        "/v1/calls/{call_id}/messages",
        "/v1/messages",
        "/v1/messages/{message_id}",
        "/v1/media/{medium_id}",
        "/v1/events",
        "/v1/quarantine/{quarantine_id}",
    ];
    assert!(expected.iter().all(|path| with_texts.contains(path)), "who may see texts finds them: {with_texts:?}");
}

#[tokio::test]
async fn a_hidden_text_is_null_and_said_to_be_hidden() {
    let world = quick();
    world.start_call("c-1").await;
    let with_key = async || {
        let request = anonymous("POST", SEND).header("authorization", "Bearer blind").header("idempotency-key", "k-1");
        world.ask(request.body(json!({ "text": MARKER }).to_string().into()).unwrap()).await
    };
    let sent = with_key().await;
    let repeated = with_key().await;
    assert_eq!(repeated.header("idempotent-replay"), Some("true"));
    let path = format!("/v1/messages/{}", sent.json()["id"].as_str().unwrap());
    let read = ask(&world, "blind", "GET", &path, &Value::Null).await;
    let listed = ask(&world, "blind", "GET", SEND, &Value::Null).await.json()["items"][0].clone();
    let cancelled = ask(&world, "blind", "DELETE", &path, &Value::Null).await;
    for message in [sent.json(), repeated.json(), read.json(), listed, cancelled.json()] {
        assert_eq!((&message["text"], &message["text_hidden"]), (&Value::Null, &json!(true)), "{message}");
        assert_eq!(message["segments"], 1, "the rest is shown: {message}");
    }
    let seen = shown(&world.get(&path).await, 200);
    assert_eq!((&seen["text"], seen.get("text_hidden")), (&json!(MARKER), None));
}

#[tokio::test]
async fn pulled_events_hide_texts_and_nothing_else() {
    let (world, _) = full_of_texts().await;
    let all = world.get("/v1/events").await.json()["items"].clone();
    let blind = ask(&world, "blind", "GET", "/v1/events", &Value::Null).await.json()["items"].clone();
    let mut hidden = Vec::new();
    for (mut one, mut other) in all.as_array().unwrap().iter().cloned().zip(blind.as_array().unwrap().iter().cloned()) {
        if one != other {
            hidden.push(one["type"].as_str().unwrap().to_owned());
            assert!(one["data"]["text"].take().is_string());
            let data = other["data"].as_object_mut().unwrap();
            assert_eq!(data.remove("text_hidden"), Some(json!(true)));
            assert_eq!(one, other, "only the text differs");
        }
    }
    hidden.sort_unstable();
    hidden.dedup();
    assert_eq!(hidden, ["message.late", "message.queued", "message.received"]);
    assert_eq!(all.as_array().map(Vec::len), blind.as_array().map(Vec::len));
}

#[tokio::test]
async fn a_stream_hides_texts() {
    let (world, _) = full_of_texts().await;
    let listen = |token: &str| {
        let request = anonymous("GET", "/v1/events").header("authorization", format!("Bearer {token}"));
        request.header("accept", "text/event-stream").body(Body::empty()).unwrap()
    };
    for (token, texts) in [("blind", false), ("everything", true)] {
        let mut body = world.open(listen(token)).await.into_body();
        let mut received = String::new();
        // The last text is that of the call c-1.
        while received.matches("message.queued").count() < 2 * 2 {
            let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.unwrap().unwrap().unwrap();
            received.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        assert_eq!((received.contains(MARKER), received.contains("text_hidden")), (texts, !texts), "{received}");
    }
}

#[tokio::test]
async fn presets_and_settings_are_no_peoples_texts() {
    let world = TestGateway::new();
    for path in ["/v1/presets", "/v1/presets/en/welcome", "/v1/settings"] {
        let (seen, blind) = (world.get(path).await, ask(&world, "blind", "GET", path, &Value::Null).await);
        assert_eq!((blind.status, blind.body), (200, seen.body));
    }
    check(&ask(&world, "nobody", "GET", "/v1/settings", &Value::Null).await, 401, "unauthorized");
}
