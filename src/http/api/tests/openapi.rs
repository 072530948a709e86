//! The OpenAPI document matches the implementation.

mod events;
mod schema;

use self::schema::{differences, resolve};
use super::links::ready;
use super::operate::quarantine;
use crate::http::api::openapi::OPENAPI;
use crate::http::api::routes::ROUTES;
use crate::http::api::{
    BODY_MAX_BYTES, calls, console_links, erasures, links, messages, opt_outs, reconcile, replay, suspend, verify,
};
use crate::http::test_gateway::{Answer, TestGateway, call, signed, text};
use crate::http::wall_clock;
use crate::model::Resource;
use crate::rules::directory;
use crate::rules::refusal::Code;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_document_has_exactly_the_routes_of_the_router() {
    let document = document();
    let mut found = BTreeSet::new();
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            // An annotation has the first, a route the second.
            for field in ["operationId", "security"] {
                assert!(!operation[field].is_null(), "{verb} {path}: annotation and route have another path or verb");
            }
            found.insert((path.clone(), verb.clone()));
        }
    }
    assert_eq!(found, routes());
}

/// Path and verb of every route.
fn routes() -> BTreeSet<(String, String)> {
    ROUTES.iter().map(|route| (route.path.to_owned(), route.verb.word().to_lowercase())).collect()
}

#[test]
fn the_document_has_the_scope_of_each_route() {
    let document = document();
    for route in ROUTES {
        let verb = format!("{:?}", route.verb).to_lowercase();
        let documented = document["paths"][route.path][verb]["description"].as_str().unwrap().to_owned();
        let expected = route.scope.map_or("Any token.".to_owned(), |scope| format!("Scope: {}.", scope.label()));
        assert_eq!(documented, expected, "{}", route.path);
    }
}

#[test]
fn f14_the_document_has_the_query_parameters_of_each_route() {
    let document = document();
    for route in ROUTES {
        let verb = format!("{:?}", route.verb).to_lowercase();
        let named = document["paths"][route.path][verb]["parameters"].as_array().cloned().unwrap_or_default();
        let resolved = named.iter().map(|parameter| match parameter["$ref"].as_str() {
            Some(to) => &document["components"]["parameters"][to.rsplit('/').next().unwrap()],
            None => parameter,
        });
        let query = resolved.filter(|parameter| parameter["in"] == "query");
        let mut found: Vec<_> = query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
        // Events read it only to refuse it with a hint.
        let mut expected: Vec<_> = route.query.iter().map(ToString::to_string).collect();
        expected.retain(|name| route.path != "/v1/events" || name != "cursor");
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", route.path);
    }
}

fn without<'a>(fields: &[&'a str], left_out: &[&str]) -> Vec<&'a str> {
    fields.iter().copied().filter(|field| !left_out.contains(field)).collect()
}

#[test]
fn request_schemas_have_the_fields_that_are_read() {
    let preset = Resource::Preset("en".to_owned().try_into().unwrap(), "welcome".to_owned().try_into().unwrap());
    for (schema, expected) in [
        ("CallPut", calls::FIELDS),
        ("CallEnd", calls::END_FIELDS),
        ("PresetSend", &without(messages::FIELDS, &["text"])),
        ("TextSend", &without(messages::FIELDS, &["preset", "language"])),
        ("EstimateAsk", messages::ESTIMATE_FIELDS),
        ("ReplayAsk", replay::REPLAY_FIELDS),
        ("NumberPut", directory::fields(&Resource::Number("+12065550100".parse().unwrap()))),
        ("QueuePut", directory::fields(&Resource::Queue("support".to_owned().try_into().unwrap()))),
        ("PresetPut", directory::fields(&preset)),
        ("SettingsPut", directory::fields(&Resource::Settings)),
        ("AccountPut", directory::fields(&Resource::Account("main".to_owned()))),
        ("SuspendAsk", suspend::SUSPEND_FIELDS),
        ("ReconcileAsk", reconcile::FIELDS),
        ("ConsoleLinkAsk", console_links::FIELDS),
        ("VerifyAsk", verify::VERIFY_FIELDS),
        ("Directory", &["settings", "numbers", "queues", "presets", "accounts", "opt_outs"]),
        ("ErasureAsk", erasures::FIELDS),
        ("LinkAsk", links::FIELDS),
    ] {
        assert_eq!(fields(schema, false), expected.iter().map(ToString::to_string).collect(), "{schema}");
    }
}

#[test]
fn the_schema_of_a_put_lists_the_fields_that_are_ignored() {
    for (schema, expected) in [("CallPut", calls::READ_ONLY), ("OptOutPut", opt_outs::READ_ONLY)] {
        assert_eq!(fields(schema, true), expected.iter().map(ToString::to_string).collect(), "{schema}");
    }
}

#[tokio::test]
async fn what_a_get_answers_fits_the_schema_of_the_put_and_is_accepted() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.put("/v1/opt-outs/+12065550143", json!({})).await;
    let document = document();
    let resources = [
        ("/v1/calls/{call_id}", "/v1/calls/c-1"),
        ("/v1/numbers/{e164}", "/v1/numbers/+12065550100"),
        ("/v1/queues/{queue_id}", "/v1/queues/support"),
        ("/v1/presets/{language}/{preset_id}", "/v1/presets/en/welcome"),
        ("/v1/settings", "/v1/settings"),
        ("/v1/accounts/{name}", "/v1/accounts/main"),
        ("/v1/directory", "/v1/directory"),
        ("/v1/opt-outs/{e164}", "/v1/opt-outs/+12065550143"),
    ];
    for (path, real) in resources {
        let found = world.get(real).await.json();
        let schema = &document["paths"][path]["put"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(differences(&document, schema, &found, ""), [""; 0], "{path}: {found}");
        let put = world.put(real, &found).await;
        assert_eq!(put.status, 200, "{path}: {}", put.body);
    }
    let puts = routes().into_iter().filter(|(_, verb)| verb == "put").map(|(path, _)| path);
    assert_eq!(puts.collect::<BTreeSet<_>>(), resources.map(|(path, _)| path.to_owned()).into());
}

/// Every route, with what makes it answer; each response is compared with the schema of its route and status.
#[tokio::test]
async fn responses_have_the_fields_of_their_schemas_on_every_route() {
    let world = TestGateway::new();
    let seen = BTreeSet::new();
    let seen = &RefCell::new(seen);
    let check = |verb: &str, path: &str, answer: Answer| {
        assert!((200..300).contains(&answer.status), "{verb} {path}: {}", answer.body);
        conforms(verb, path, &answer);
        let cursor = answer.header("offhook-cursor");
        assert_eq!(cursor.is_some(), verb == "get", "{verb} {path}");
        let opaque = |cursor: &str| cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        assert!(cursor.is_none_or(opaque), "{cursor:?}");
        seen.borrow_mut().insert((path.to_owned(), verb.to_owned()));
        serde_json::from_str::<Value>(&answer.body).unwrap_or_default()
    };
    let (one, messages) = ("/v1/calls/{call_id}", "/v1/calls/{call_id}/messages");
    check("put", one, world.put("/v1/calls/c-1", call()).await);
    check("put", one, world.put("/v1/calls/c-1", call()).await);
    check("get", one, world.get("/v1/calls/c-1").await);
    let sent = check("post", messages, world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await);
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    let medium = format!("/v1/media/{}", ready(&world, "SM2", b"GIF89a, as if").await);
    check("get", "/v1/media/{medium_id}", world.get(&medium).await);
    check("post", "/v1/media/{medium_id}/link", world.post(&format!("{medium}/link"), json!({})).await);
    check("get", messages, world.get("/v1/calls/c-1/messages").await);
    let message = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    check("get", "/v1/messages/{message_id}", world.get(&message).await);
    check("get", "/v1/messages/{message_id}/explain", world.get(&format!("{message}/explain")).await);
    check("delete", "/v1/messages/{message_id}", world.delete(&message).await);
    check("get", messages, world.get("/v1/calls/c-1/messages").await);
    check("post", "/v1/calls/{call_id}/end", world.post("/v1/calls/c-1/end", json!({})).await);
    // Ended before its start.
    check("post", "/v1/calls/{call_id}/end", world.post("/v1/calls/c-2/end", json!({})).await);
    check("get", one, world.get("/v1/calls/c-2").await);
    check("get", "/v1/calls", world.get("/v1/calls").await);
    check("post", "/v1/estimate", world.post("/v1/estimate", json!({ "text": "caffè ☕" })).await);
    check("get", "/v1/events", world.get("/v1/events").await);
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    check("post", "/v1/events/replay", world.post("/v1/events/replay", since).await);
    world.verify_numbers();
    let numbers = json!({ "numbers": ["+12065550100", "+12065550999"] });
    check("post", "/v1/numbers/verify", world.post("/v1/numbers/verify", numbers).await);
    let erasure = check("post", "/v1/erasures", world.post("/v1/erasures", json!({ "number": "+14155550107" })).await);
    let erasure = format!("/v1/erasures/{}", erasure["id"].as_str().unwrap());
    check("get", "/v1/erasures/{erasure_id}", world.get(&erasure).await);
    for (path, real) in [
        ("/v1/numbers", "/v1/numbers"),
        ("/v1/numbers/{e164}", "/v1/numbers/+12065550100"),
        ("/v1/queues", "/v1/queues"),
        ("/v1/queues/{queue_id}", "/v1/queues/support"),
        ("/v1/presets", "/v1/presets"),
        ("/v1/presets/{language}/{preset_id}", "/v1/presets/en/welcome"),
        ("/v1/settings", "/v1/settings"),
        ("/v1/audit", "/v1/audit"),
        ("/v1/me", "/v1/me"),
        ("/v1/reports/usage", "/v1/reports/usage?from=2020-01-01&to=2099-12-31&by=agent"),
        ("/v1/reports/usage", "/v1/reports/usage?from=2020-01-01&to=2099-12-31&by=call"),
        ("/v1/directory", "/v1/directory"),
        ("/v1/languages", "/v1/languages"),
        ("/v1/accounts", "/v1/accounts"),
        ("/v1/accounts/{name}", "/v1/accounts/main"),
        ("/v1/openapi.json", "/v1/openapi.json"),
    ] {
        check("get", path, world.get(real).await);
    }
    for (path, real) in
        [("/v1/health", "/v1/health"), ("/v1/lanes", "/v1/lanes?sort=oldest"), ("/v1/endpoints", "/v1/endpoints")]
    {
        check("get", path, world.get(real).await);
    }
    let suspension = json!({ "reason": "a test", "until": "2100-01-01T00:00:00Z" });
    for (what, real) in
        [("/v1/numbers/{e164}", "/v1/numbers/+12065550100"), ("/v1/accounts/{name}", "/v1/accounts/main")]
    {
        check("post", &format!("{what}/suspend"), world.post(&format!("{real}/suspend"), &suspension).await);
        if what.starts_with("/v1/numbers") {
            world.start_call("c-3").await;
            world.post(&format!("{real}/resume"), "").await;
            world.post("/v1/accounts/main/suspend", json!({ "reason": "a test" })).await;
            let held = world.post("/v1/calls/c-3/messages", json!({ "text": "hi" })).await;
            let held = format!("/v1/messages/{}/explain", check("post", messages, held)["id"].as_str().unwrap());
            check("get", "/v1/messages/{message_id}/explain", world.get(&held).await);
            check("get", "/v1/messages", world.get("/v1/messages?state=queued").await);
            check("get", "/v1/lanes", world.get("/v1/lanes").await);
        }
        check("post", &format!("{what}/resume"), world.post(&format!("{real}/resume"), "").await);
    }
    check("post", "/v1/console/links", world.post("/v1/console/links", json!({})).await);
    let since = json!({ "since": wall_clock().to_string() });
    let begun = world.post("/v1/accounts/main/reconcile", &since).await;
    check("post", "/v1/accounts/{name}/reconcile", begun);
    check("get", "/v1/accounts/{name}", world.get("/v1/accounts/main").await);
    let entry = "/v1/quarantine/{quarantine_id}";
    let real = format!("/v1/quarantine/{}", quarantine(&world, "SMq", "hi").await);
    check("get", "/v1/quarantine", world.get("/v1/quarantine").await);
    check("get", entry, world.get(&real).await);
    check("post", &format!("{entry}/replay"), world.post(&format!("{real}/replay"), "").await);
    let real = format!("/v1/quarantine/{}", quarantine(&world, "SMr", "hi").await);
    check("delete", entry, world.delete(&real).await);
    let opt_out = "/v1/opt-outs/{e164}";
    check("put", opt_out, world.put("/v1/opt-outs/+12065550143", json!({})).await);
    check("put", opt_out, world.put("/v1/opt-outs/+12065550143", json!({})).await);
    check("get", opt_out, world.get("/v1/opt-outs/+12065550143").await);
    check("get", "/v1/opt-outs", world.get("/v1/opt-outs").await);
    check("delete", opt_out, world.delete("/v1/opt-outs/+12065550143?reason=by+mail").await);
    let mut document = world.get("/v1/directory").await.json();
    document["settings"]["minimum_attestation"] = json!("B");
    document["queues"]["night"] = json!({ "name": "Night" });
    document["opt_outs"] = json!(["+12065550144"]);
    check("post", "/v1/directory/diff", world.post("/v1/directory/diff", &document).await);
    check("put", "/v1/directory", world.put("/v1/directory", &document).await);
    for (path, real, body) in [
        ("/v1/numbers/{e164}", "/v1/numbers/+12065550109", json!({ "label": "New", "account": "main" })),
        ("/v1/queues/{queue_id}", "/v1/queues/night", json!({ "name": "Night" })),
        (
            "/v1/presets/{language}/{preset_id}",
            "/v1/presets/fr/hello",
            json!({ "label": "Bonjour", "text": "Bonjour !" }),
        ),
    ] {
        for _ in 0..2 {
            check("put", path, world.put(real, &body).await);
        }
        let deleted = world.delete(real).await;
        assert_eq!((deleted.status, &*deleted.body), (204, ""));
        seen.borrow_mut().insert((path.to_owned(), "delete".to_owned()));
    }
    check("put", "/v1/settings", world.put("/v1/settings", json!({ "in_call_sms": true })).await);
    check("put", "/v1/accounts/{name}", world.put("/v1/accounts/main", json!({})).await);
    assert_eq!(*seen.borrow(), routes(), "a route without a response here");

    for (path, real) in [("/v1/calls/{call_id}", "/v1/calls/c-9"), ("/v1/calls", "/v1/calls?limit=0")] {
        conforms("get", path, &world.get(real).await);
    }
}

/// Asserts that a response is as documented for its route.
#[track_caller]
fn conforms(verb: &str, path: &str, answer: &Answer) {
    let document = document();
    let responses = &document["paths"][path][verb]["responses"];
    let found = responses.get(answer.status.to_string()).unwrap_or(&responses["default"]);
    let Some(content) = resolve(&document, found)["content"].as_object() else {
        assert_eq!((answer.status, &*answer.body), (204, ""), "{verb} {path}");
        return;
    };
    // Bytes of any type are described as one.
    let declared = answer.header("content-type").unwrap();
    let bytes = content.get("application/octet-stream").filter(|_| !declared.contains("json"));
    let schema = &bytes.unwrap_or_else(|| &content[declared])["schema"];
    let value = if bytes.is_some() { json!(answer.body) } else { answer.json() };
    let wrong = differences(&document, schema, &value, "");
    assert!(wrong.is_empty(), "{verb} {path}: {wrong:#?}\n{}", answer.body);
}

#[test]
fn the_document_in_docs_is_the_one_that_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("OFFHOOK_WRITE_DOCS").is_some() {
        std::fs::write(&file, OPENAPI.as_str()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let fix = "OFFHOOK_WRITE_DOCS=1 cargo test --lib openapi writes it";
    assert!(written == *OPENAPI, "docs/openapi.json differs from the annotations: {fix}");
}

#[test]
fn the_document_has_the_closed_list_of_codes() {
    let documented: Vec<_> =
        document()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap().clone();
    assert_eq!(documented, Code::ALL.iter().map(|code| json!(code.word())).collect::<Vec<_>>());
}

#[test]
fn every_reference_in_the_document_resolves() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
                }
                members.values().for_each(|value| walk(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    walk(&document(), &document());
}

#[tokio::test]
async fn the_document_is_served() {
    let answer = TestGateway::new().get("/v1/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json(), document());
}

#[test]
fn a_text_of_918_characters_fits_into_a_body_with_any_escaping() {
    // Twelve bytes for each character outside the basic plane.
    assert!(918 * "\\ud83d\\ude00".len() + 1_000 < BODY_MAX_BYTES);
}

fn document() -> Value {
    serde_json::from_str(&OPENAPI).unwrap()
}

/// The fields of a schema that are read-only, or those that are not.
fn fields(schema: &str, read_only: bool) -> BTreeSet<String> {
    let document = document();
    let fields = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
    let kept = fields.iter().filter(|(_, field)| (field["readOnly"] == true) == read_only);
    kept.map(|(name, _)| name.clone()).collect()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}
