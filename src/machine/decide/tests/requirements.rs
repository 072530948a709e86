//! Requirements that other stories take for granted.

use super::steps::{Step, end, go, inbound, photo, preset, put, say, sent, start, start_in, text};
use super::*;
use crate::model::{InboundMedia, Session};
use serde_json::json;

const CLOSED: &str = "call.ended a closed call_ended hung_up";
const BYE: &str = "message.queued a closing 'Bye.'";

/// The documents of this type that the platform gets, oldest first, rendered only now.
fn told(world: &World, kind: &str) -> Vec<Value> {
    let told = world.journal.iter().flat_map(show::told).filter(|told| told.kind == kind);
    told.map(|told| serde_json::from_slice(&told.body).unwrap()).collect()
}

#[test]
fn f03_a68_an_opt_out_is_of_its_contact_s_order_and_names_the_call_it_was_said_in() {
    let story = [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, text(ANN, SUPPORT, "STOP"))];
    let mut world = World::new(directory());
    story.into_iter().for_each(|(secs, step)| drop(world.run(secs, step)));
    let opted_out = &told(&world, "contact.opted_out")[0];
    assert_eq!((&opted_out["call_id"], &opted_out["call_sequence"]), (&Value::Null, &Value::Null));
    assert_eq!(opted_out["data"]["call_id"], "a");

    world.run(3, end("a"));
    world.run(4, text(ANN, SUPPORT, "START"));
    let opted_in = &told(&world, "contact.opted_in")[0];
    assert_eq!((&opted_in["call_id"], &opted_in["data"]["call_id"]), (&Value::Null, &Value::Null));
    let event_headers = || world.journal.iter().flat_map(show::event_headers);
    let threads: std::collections::BTreeSet<_> = event_headers()
        .filter(|head| head.kind.starts_with("contact."))
        .map(|head| head.thread().into_owned())
        .collect();
    assert_eq!(threads.len(), 1, "{threads:?}");
}

/// What a fact is about says in which order it is told. One that is missing here is in none but its own.
#[test]
fn f03_a68_every_event_without_a_call_is_of_the_thread_of_what_it_is_about() {
    let facts = records::everything();
    let event_headers =
        facts.journal.iter().flat_map(show::event_headers).filter(|head| head.kind != "quarantine.added");
    for head in event_headers {
        assert_ne!(head.thread(), head.id.to_string(), "{} has no order: name its thread", head.kind);
    }
}

#[test]
fn r2_photos_videos_and_screenshots_are_told_with_their_message_and_counted_in_the_call() {
    let medium = |content_type: &str| InboundMedia {
        url: format!("https://media.example/{content_type}"),
        content_type: Some(content_type.to_owned()),
    };
    let types = ["image/jpeg", "video/mp4", "image/png"];
    let mut media = inbound(ANN, SUPPORT, "the meter");
    media.media = types.map(medium).to_vec();
    let world = check([(0, start("a")), (1, Step::Text(media))], &["attached", "message.received a 'the meter'"]);
    let received = &told(&world, "message.received")[0]["data"];
    let shown: Vec<_> = received["media"].as_array().unwrap().iter().map(|medium| &medium["content_type"]).collect();
    assert_eq!(shown, types);
    assert_eq!((world.call("a").usage.received, world.call("a").usage.media_received), (1, 3));
}

#[test]
fn r5_the_end_of_a_call_tells_how_much_was_texted_in_it() {
    let mut world = World::new(directory());
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
    assert_eq!(told(&world, "call.ended")[0]["data"]["usage"], usage);
}

#[test]
fn r10_a_link_to_a_web_page_is_queued_as_it_was_written() {
    let words = "Upload it at https://example.com/u?call=7&lang=en#photo";
    check([(0, start("a")), (1, say("a", words))], &["queued", &format!("message.queued a custom '{words}'")]);
}

#[test]
fn r48_between_presets_the_agent_writes_texts_of_their_own() {
    let mut world = World::new(directory());
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
fn r63_one_queue_is_switched_off_and_the_others_text_on() {
    let support_off = with(|directory| {
        directory.queues.get_mut(&"support".to_owned().try_into().unwrap()).unwrap().in_call_sms = Some(false);
    });
    let mut world = check_in(support_off, [(0, start("a")), (1, say("a", "hi"))], &["refused queue_disabled"]);
    world.run(2, start_in("b", "sales"));
    then(&mut world, 3, say("b", "hi"), &["queued", "message.queued b custom 'hi'"]);
}

#[test]
fn a11_on_hold_on_mute_and_in_conference_the_call_is_active_and_texts_go_both_ways() {
    // The platform has no word for hold and mute, so what it says then is what it said before.
    let mut world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, start("a"))], &["updated"]);
    let conference = put("a", |put| put.agent = Some(Some("agent-1 and agent-2".to_owned())));
    then(&mut world, 3, conference, &["updated", "call.updated a open"]);
    then(&mut world, 4, say("a", "still here"), &["queued", "message.queued a custom 'still here'"]);
    then(&mut world, 5, go(1), &["started"]);
    then(&mut world, 6, text(ANN, SUPPORT, "me too"), &["attached", "message.received a 'me too'"]);
}

#[test]
fn a13_nothing_an_agent_does_after_the_hang_up_opens_the_session_again() {
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
fn a55_however_late_the_platform_hears_it_is_told_what_came_before_the_end_and_nothing_of_what_came_after() {
    let mut world = World::new(directory());
    for (secs, step) in
        [(0, start("a")), (1, text(ANN, SUPPORT, "before")), (2, end("a")), (3, text(ANN, SUPPORT, "after"))]
    {
        world.run(secs, step);
    }
    let [received] = &told(&world, "message.received")[..] else { panic!("one text is of the call") };
    assert_eq!((&received["call_id"], &received["data"]["text"]), (&json!("a"), &json!("before")));
    assert_eq!(received["data"]["before_hangup"], true);
    let [late] = &told(&world, "message.late")[..] else { panic!("one text is late") };
    assert_eq!((&late["call_id"], &late["data"]["text"]), (&Value::Null, &Value::Null));
}

#[test]
fn a65_what_is_parked_is_kept_for_its_endpoint_and_found_in_pages() {
    let mut world = World::new(directory());
    let mut advance = |endpoint: &str, parked: &[(&str, Option<u64>)]| {
        let parked = parked.iter().map(|(thread, at)| (thread.to_string(), at.map(Position))).collect();
        world.run(0, Step::Do(Command::AdvanceFeed { endpoint: endpoint.to_owned(), watermark: Position(9), parked }));
    };
    advance("main", &[("c-1", Some(3)), ("c-2", Some(4)), ("c-3", Some(5))]);
    advance("main-2", &[("c-1", Some(7))]);
    advance("main", &[("c-2", None), ("c-3", Some(8))]);
    let found = |endpoint: &str, after, limit| {
        let page = Queries::parked(&world, endpoint, after, limit);
        page.into_iter().map(|(thread, at)| format!("{thread} {}", at.0)).collect::<Vec<_>>()
    };
    assert_eq!(found("main", None, 10), ["c-1 3", "c-3 8"]);
    assert_eq!(found("main", None, 1), ["c-1 3"]);
    assert_eq!(found("main", Some("c-1"), 10), ["c-3 8"]);
    assert_eq!(found("main-2", None, 10), ["c-1 7"]);
}
