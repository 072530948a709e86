//! Requirements that other tests take for granted.

use super::steps::{Step, end, go, inbound, photo, preset, put, say, sent, start, start_in, text};
use super::*;
use crate::model::{InboundMedia, Session};
use serde_json::json;

const CLOSED: &str = "call.ended a closed call_ended hung_up";
const BYE: &str = "message.queued a closing 'Bye.'";

/// The platform's events of this type, oldest first, rendered only now.
fn events_of(world: &TestMachine, kind: &str) -> Vec<Value> {
    let events = world.journal.iter().flat_map(show::rendered).filter(|event| event.kind == kind);
    events.map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
}

#[test]
fn f03_a68_an_opt_out_is_ordered_by_contact_and_names_its_call() {
    let story = [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, text(ANN, SUPPORT, "STOP"))];
    let mut world = TestMachine::new(directory());
    story.into_iter().for_each(|(secs, step)| drop(world.run(secs, step)));
    let opted_out = &events_of(&world, "contact.opted_out")[0];
    assert_eq!((&opted_out["call_id"], &opted_out["call_sequence"]), (&Value::Null, &Value::Null));
    assert_eq!(opted_out["data"]["call_id"], "a");

    world.run(3, end("a"));
    world.run(4, text(ANN, SUPPORT, "START"));
    let opted_in = &events_of(&world, "contact.opted_in")[0];
    assert_eq!((&opted_in["call_id"], &opted_in["data"]["call_id"]), (&Value::Null, &Value::Null));
    let event_headers = || world.journal.iter().flat_map(show::event_headers);
    let threads: std::collections::BTreeSet<_> = event_headers()
        .filter(|header| header.kind.starts_with("contact."))
        .map(|header| header.thread().into_owned())
        .collect();
    assert_eq!(threads.len(), 1, "{threads:?}");
}

/// Events are ordered per thread. An event without a thread would be its own thread and thus unordered.
#[test]
fn f03_a68_every_event_outside_a_call_has_a_thread() {
    let facts = records::everything();
    let event_headers =
        facts.journal.iter().flat_map(show::event_headers).filter(|header| header.kind != "quarantine.added");
    for header in event_headers {
        assert_ne!(header.thread(), header.id.to_string(), "{} has no thread", header.kind);
    }
}

#[test]
fn r2_media_is_listed_in_its_message_and_counted_in_the_call() {
    let medium = |content_type: &str| InboundMedia {
        url: format!("https://media.example/{content_type}"),
        content_type: Some(content_type.to_owned()),
    };
    let types = ["image/jpeg", "video/mp4", "image/png"];
    let mut media = inbound(ANN, SUPPORT, "the meter");
    media.media = types.map(medium).to_vec();
    let world = check([(0, start("a")), (1, Step::Text(media))], &["attached", "message.received a 'the meter'"]);
    let received = &events_of(&world, "message.received")[0]["data"];
    let shown: Vec<_> = received["media"].as_array().unwrap().iter().map(|medium| &medium["content_type"]).collect();
    assert_eq!(shown, types);
    assert_eq!((world.call("a").usage.received, world.call("a").usage.media_received), (1, 3));
}

#[test]
fn r5_the_end_of_a_call_reports_its_usage() {
    let mut world = TestMachine::new(directory());
    let story = [
        (0, start("a")),
        (1, text(ANN, SUPPORT, "hi")),
        (2, photo(ANN, SUPPORT, "https://media.example/1")),
        (60, preset("a", "welcome")),
        (61, go(1)),
        (62, sent(1)),
        (63, say("a", &"x".repeat(161))),
        (64, go(2)),
        (65, say("a", "never sent")),
        (66, end("a")),
    ];
    for (secs, step) in story {
        world.run(secs, step);
    }
    let usage = json!({
        "preset_sent": 1, "custom_sent": 1, "smart_action_sent": 0, "system_sent": 0,
        "received": 2, "media_received": 1, "segments_sent": 3,
    });
    assert_eq!(events_of(&world, "call.ended")[0]["data"]["usage"], usage);
}

#[test]
fn r10_a_link_is_queued_unchanged() {
    let words = "Upload it at https://example.com/u?call=7&lang=en#photo";
    check([(0, start("a")), (1, say("a", words))], &["queued", &format!("message.queued a custom '{words}'")]);
}

#[test]
fn r48_an_agent_mixes_presets_and_custom_texts() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    then(&mut world, 10, preset("a", "welcome"), &["queued", "message.queued a preset 'Hello, this is your agent.'"]);
    then(&mut world, 11, text(ANN, SUPPORT, "and now?"), &["attached", "message.received a 'and now?'"]);
    then(&mut world, 12, say("a", "Read me the serial"), &["queued", "message.queued a custom 'Read me the serial'"]);
    then(
        &mut world,
        13,
        preset("a", "only-english"),
        &["queued", "message.queued a preset 'See https://example.com/en'"],
    );
    then(&mut world, 14, say("a", "Thanks!"), &["queued", "message.queued a custom 'Thanks!'"]);
}

#[test]
fn r63_switching_one_queue_off_leaves_the_others_on() {
    let support_off = with(|directory| {
        directory.queues.get_mut(&"support".to_owned().try_into().unwrap()).unwrap().in_call_sms = Some(false);
    });
    let mut world = check_in(support_off, [(0, start("a")), (1, say("a", "hi"))], &["refused queue_disabled"]);
    world.run(2, start_in("b", "sales"));
    then(&mut world, 3, say("b", "hi"), &["queued", "message.queued b custom 'hi'"]);
}

#[test]
fn a11_hold_mute_and_conference_do_not_affect_texts() {
    // Hold and mute are not in the API, so the platform repeats its last update.
    let mut world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, start("a"))], &["updated"]);
    let conference = put("a", |put| put.agent = Some(Some("agent-1 and agent-2".to_owned())));
    then(&mut world, 3, conference, &["updated", "call.updated a open"]);
    then(&mut world, 4, say("a", "still here"), &["queued", "message.queued a custom 'still here'"]);
    then(&mut world, 5, go(1), &["started"]);
    then(&mut world, 6, text(ANN, SUPPORT, "me too"), &["attached", "message.received a 'me too'"]);
}

#[test]
fn a13_no_agent_action_after_the_hang_up_reopens_the_session() {
    let mut world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))], &["ended", CLOSED, BYE]);
    for agent in [None, Some("agent-1".to_owned()), Some("agent-2".to_owned())] {
        then(&mut world, 3, put("a", |put| put.agent = Some(agent)), &["ended"]);
    }
    then(&mut world, 4, say("a", "one more thing"), &["refused call_ended"]);
    let late = ["replied", "message.late auto_replied after a", "message.queued auto_reply 'Call us.'"];
    then(&mut world, 5, text(ANN, SUPPORT, "what?"), &late);
    assert_eq!(world.call("a").session, Session::Closed);
}

#[test]
fn a55_events_rendered_late_keep_texts_before_and_after_the_end_apart() {
    let mut world = TestMachine::new(directory());
    for (secs, step) in
        [(0, start("a")), (1, text(ANN, SUPPORT, "before")), (2, end("a")), (3, text(ANN, SUPPORT, "after"))]
    {
        world.run(secs, step);
    }
    let [received] = &events_of(&world, "message.received")[..] else { panic!("one text belongs to the call") };
    assert_eq!((&received["call_id"], &received["data"]["text"]), (&json!("a"), &json!("before")));
    assert_eq!(received["data"]["before_hangup"], true);
    let [late] = &events_of(&world, "message.late")[..] else { panic!("one text is late") };
    assert_eq!((&late["call_id"], &late["data"]["text"]), (&Value::Null, &Value::Null));
}

#[test]
fn a65_parked_calls_are_stored_per_endpoint() {
    let mut world = TestMachine::new(directory());
    let mut advance = |endpoint: &str, parked: &[(&str, Option<u64>)]| {
        let parked = parked.iter().map(|(thread, at)| (thread.to_string(), at.map(Position))).collect();
        world.run(0, Step::Do(Command::AdvanceFeed { endpoint: endpoint.to_owned(), watermark: Position(9), parked }));
    };
    advance("main", &[("c-1", Some(3)), ("c-2", Some(4)), ("c-3", Some(5))]);
    advance("main-2", &[("c-1", Some(7))]);
    advance("main", &[("c-2", None), ("c-3", Some(8))]);
    let found = |endpoint: &str| {
        let parked = Queries::parked(&world, endpoint).into_iter();
        parked.map(|(thread, at)| format!("{thread} {}", at.0)).collect::<Vec<_>>()
    };
    assert_eq!(found("main"), ["c-1 3", "c-3 8"]);
    assert_eq!(found("main-2"), ["c-1 7"]);
}
