//! The OpenAPI document matches the implementation.

use super::shown;
use crate::http::api::routes::{OPENAPI, ROUTES};
use crate::http::api::{BODY_MAX_BYTES, calls, messages, replay};
use crate::http::world::{World, call};
use crate::rules::refusal::Code;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn the_document_has_exactly_the_routes_of_the_router() {
    let document = document();
    let of_the_router: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.path.to_owned(), format!("{:?}", route.verb).to_lowercase())).collect();
    let of_the_document: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, verbs)| verbs.as_object().unwrap().keys().map(|verb| (path.clone(), verb.clone())))
        .collect();
    assert_eq!(of_the_router, of_the_document);
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

#[test]
fn request_schemas_have_the_fields_that_are_read() {
    for (schema, expected) in [
        ("CallPut", calls::FIELDS),
        ("CallEnd", calls::END_FIELDS),
        ("MessageSend", messages::FIELDS),
        ("EstimateAsk", messages::ESTIMATE_FIELDS),
        ("ReplayAsk", replay::REPLAY_FIELDS),
    ] {
        assert_eq!(fields(schema), expected.iter().map(ToString::to_string).collect(), "{schema}");
    }
}

#[tokio::test]
async fn response_schemas_have_the_fields_that_are_returned() {
    let world = World::new();
    let put = shown(&world.put("/v1/calls/c-1", call()).await, 201);
    assert_eq!(fields("Call"), keys(&put));
    let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await, 202);
    let only_sometimes = ["text_expired", "before_hangup", "reply_blocked", "opt_out_keyword"].map(str::to_owned);
    assert_eq!(&fields("Message") - &BTreeSet::from(only_sometimes), keys(&sent));
    let explained = shown(&world.get(&format!("/v1/messages/{}/explain", sent["id"].as_str().unwrap())).await, 200);
    assert_eq!(&fields("Explanation") - &BTreeSet::from(["position_note".to_owned()]), keys(&explained));
    for (schema, path) in [
        ("Number", "/v1/numbers/+12065550100"),
        ("Queue", "/v1/queues/support"),
        ("Preset", "/v1/presets/en/welcome"),
        ("Settings", "/v1/settings"),
    ] {
        assert_eq!(fields(schema), keys(&shown(&world.get(path).await, 200)), "{schema}");
    }
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
    let answer = World::new().get("/v1/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json(), document());
}

#[test]
fn a_text_of_918_characters_fits_into_a_body_with_any_escaping() {
    // Twelve bytes for each character outside the basic plane.
    assert!(918 * "\\ud83d\\ude00".len() + 1_000 < BODY_MAX_BYTES);
}

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

fn fields(schema: &str) -> BTreeSet<String> {
    keys(&document()["components"]["schemas"][schema]["properties"])
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}
