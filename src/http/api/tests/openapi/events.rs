//! Events and webhooks in the OpenAPI document.

use super::schema::{differences, resolve};
use super::{document, keys};
use crate::machine::event::{CommittedFrame, Event, NumberedEvent};
use crate::machine::keys::decode_row;
use crate::machine::record;
use crate::machine::show::{self, KINDS, RenderedEvent};
use crate::model::{MessageState, Position};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn kinds() -> BTreeSet<String> {
    KINDS.iter().map(ToString::to_string).collect()
}

#[test]
fn each_type_of_event_has_one_webhook_with_its_schema_and_the_signature_s_headers() {
    let document = document();
    assert_eq!((kinds().len(), kinds()), (KINDS.len(), keys(&document["webhooks"])));
    let mut schemas = BTreeSet::new();
    for (kind, path) in document["webhooks"].as_object().unwrap() {
        assert_eq!(keys(path), ["post".to_owned()].into(), "{kind}");
        let reference = &schema_of(&document, kind)["$ref"];
        assert!(schemas.insert(reference.as_str().unwrap()), "{kind} has the schema of another type");
        let schema = resolve(&document, schema_of(&document, kind));
        assert_eq!(schema["properties"]["type"], json!({ "type": "string", "const": kind }));
        let headers = path["post"]["parameters"].as_array().unwrap().iter().map(|header| resolve(&document, header));
        let headers: Vec<_> = headers.map(|header| header["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(headers, ["webhook-id", "webhook-timestamp", "webhook-signature"], "{kind}");
    }
}

#[test]
fn pulled_events_are_told_apart_by_their_type() {
    let document = document();
    let schema = &document["components"]["schemas"]["Event"];
    assert_eq!(document["components"]["schemas"]["EventPage"]["properties"]["items"]["items"], event());
    let stream = "/paths/~1v1~1events/get/responses/200/content/text~1event-stream/schema/contentSchema";
    assert_eq!(document.pointer(stream), Some(&event()));
    let mapping = schema["discriminator"]["mapping"].as_object().unwrap();
    let mut expected = kinds();
    expected.remove("feed.gap");
    assert_eq!(mapping.keys().cloned().collect::<BTreeSet<_>>(), expected, "all but the event of one endpoint");
    let targets: Vec<_> = mapping.values().map(|target| json!({ "$ref": target })).collect();
    assert_eq!(schema["oneOf"].as_array(), Some(&targets));
    for (kind, target) in mapping {
        assert_eq!(schema_of(&document, kind)["$ref"], *target);
    }
}

#[test]
fn events_of_every_type_have_the_fields_of_their_schema() {
    let document = document();
    let mut seen = BTreeSet::new();
    for event in story(true).iter().chain(&after_every_state()).flat_map(all) {
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        let wrong = differences(&document, schema_of(&document, event.kind), &body, "");
        assert!(wrong.is_empty(), "{wrong:#?}\n{body:#}");
        seen.insert(event.kind.to_owned());
        for other in KINDS.iter().filter(|other| **other != event.kind) {
            assert_ne!(differences(&document, schema_of(&document, other), &body, ""), [""; 0], "{other}: {body}");
        }
    }
    assert_eq!(seen, kinds());
}

#[test]
fn erased_events_and_those_without_texts_have_the_fields_of_their_schema() {
    let document = document();
    let mut hidden = 0;
    for event in story(true).iter().chain(&story(false)).flat_map(show::rendered) {
        for texts in [true, false] {
            let body: Value = serde_json::from_slice(&event.for_texts(texts)).unwrap();
            let wrong = differences(&document, &self::event(), &body, "");
            assert!(wrong.is_empty(), "{wrong:#?}\n{body:#}");
            hidden += u32::from(body["data"]["text_hidden"] == true);
        }
    }
    assert!(hidden > 5, "{hidden}");
}

fn event() -> Value {
    json!({ "$ref": "#/components/schemas/Event" })
}

/// The schema of the event that a webhook pushes.
fn schema_of<'a>(document: &'a Value, kind: &str) -> &'a Value {
    &document["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]["schema"]
}

/// All platform events of a frame, those for one endpoint included.
fn all(frame: &CommittedFrame) -> Vec<RenderedEvent> {
    show::event_headers(frame).map(|header| header.render()).collect()
}

/// The story in which every event happens, as this version records it; its people may be erased.
fn story(kept: bool) -> Vec<CommittedFrame> {
    let file = format!("{}/tests/records/v{}.bin", env!("CARGO_MANIFEST_DIR"), record::VERSION);
    let frames: Vec<(Position, Vec<u8>, Vec<Vec<u8>>)> = decode_row(&std::fs::read(file).unwrap()).unwrap();
    let decode = |(position, meta, bodies): (Position, Vec<u8>, Vec<Vec<u8>>)| {
        record::decode(position, &meta, bodies.into_iter().map(|body| kept.then_some(body)).collect()).unwrap()
    };
    frames.into_iter().map(decode).collect()
}

/// A message's change to every state of the platform's events, of which not all happen in the story.
fn after_every_state() -> Vec<CommittedFrame> {
    let story = story(true);
    let (frame, event) = story
        .iter()
        .find_map(|frame| {
            let changed = |event: &&NumberedEvent| matches!(event.event, Event::MessageChanged { .. });
            Some((frame, frame.events.iter().find(changed)?))
        })
        .unwrap();
    let states = [
        MessageState::Sent,
        MessageState::Delivered,
        MessageState::Undelivered,
        MessageState::Failed,
        MessageState::Cancelled,
        MessageState::Expired,
        MessageState::Unconfirmed,
    ];
    let after = |state| {
        let mut event = event.clone();
        let Event::MessageChanged { message, .. } = &mut event.event else { unreachable!() };
        message.state = state;
        CommittedFrame { events: vec![event], ..frame.clone() }
    };
    states.map(after).into()
}
