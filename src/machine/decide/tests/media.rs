//! What becomes of media (A51): their events, in the call's order, and the rows that list them.

use super::steps::{end, erase, erasure_ended, photo, start, text, tick};
use super::*;
use crate::machine::state::{MediumState, StoredMedium};
use crate::model::MediaId;
use crate::rules::media::{MediaType, Unkept};

const DAY: u64 = 24 * 60 * 60;

#[test]
fn a51_a_photo_is_announced_in_its_calls_order_and_is_ready_in_the_transcript() {
    let mut world = world_with_photo();
    let (message, medium) = pending(&world)[0];
    world.run(2, text(ANN, SUPPORT, "did you get it?"));
    let decision = world.run(3, settle(message, medium, ready(0xab)));
    assert_eq!(decision.reply, Reply::MediumSettled(true));
    assert_eq!(decision.events[0].call_sequence, Some(4), "after the start and two messages");
    let event = last_event(&world);
    assert_eq!((event["type"].as_str(), event["call_id"].as_str()), (Some("media.ready"), Some("a")));
    let expected = serde_json::json!({ "message_id": message.to_string(), "medium": {
        "id": medium.to_string(), "state": "ready", "content_type": "image/jpeg", "bytes": 1_000,
        "sha256": "ab".repeat(32), "url": format!("/v1/media/{medium}") } });
    assert_eq!(event["data"], expected);
    let shown = show::message(&Queries::message(&world, message).unwrap(), show::Text::LeftOut);
    assert_eq!(shown["media"][0], expected["medium"]);
    assert_eq!(pending(&world), []);
    assert_eq!(world.message_of(medium).map(|message| message.id), Some(message));
}

#[test]
fn a51_a_photo_from_before_the_end_is_announced_after_it() {
    let mut world = world_with_photo();
    world.run(2, end("a"));
    let (message, medium) = pending(&world)[0];
    let failed = MediumState::Failed { reason: Unkept::UnsupportedMedia, found: Some("image/heic".to_owned()) };
    let decision = world.run(90, settle(message, medium, failed));
    assert_eq!(decision.events[0].call_sequence, Some(4), "after the end");
    let event = last_event(&world);
    assert_eq!((event["type"].as_str(), event["call_id"].as_str()), (Some("media.failed"), Some("a")));
    let medium = &event["data"]["medium"];
    assert_eq!((&medium["state"], &medium["reason"]), (&"failed".into(), &"unsupported_media".into()));
    assert_eq!(medium["detail"], "iPhone photo in HEIC: ask the caller to send it as JPEG");
}

#[test]
fn a51_a_medium_that_is_settled_stays_as_it_is() {
    let mut world = world_with_photo();
    let (message, medium) = pending(&world)[0];
    world.run(2, settle(message, medium, ready(1)));
    let later = MediumState::Failed { reason: Unkept::TooLate, found: None };
    let decision = world.run(3, settle(message, medium, later));
    assert_eq!((decision.reply, decision.events), (Reply::MediumSettled(false), Vec::new()));
}

#[test]
fn a_medium_of_an_erased_person_is_neither_pending_nor_kept_nor_settled() {
    let mut world = world_with_photo();
    world.run(2, photo(ANN, SUPPORT, "https://media.example/2"));
    let [(message, medium), (waiting, other)] = pending(&world)[..] else { panic!("two photos are pending") };
    world.run(3, settle(message, medium, ready(1)));
    world.run(4, end("a"));
    assert_eq!(kept(&world), 1);
    world.run(5, erase(ANN));
    let ended = erasure_ended(&world);
    world.run(5, ended);
    let person = crate::machine::erase::Person::new(ANN.parse().unwrap());
    world.rows = std::mem::take(&mut world.rows)
        .into_iter()
        .filter_map(|(key, row)| person.row(key.table, &key.bytes, row).map(|row| (key, row)))
        .collect();
    assert_eq!((pending(&world), kept(&world)), (Vec::new(), 0));
    let decision = world.run(6, settle(waiting, other, ready(2)));
    assert_eq!((decision.reply, decision.events), (Reply::MediumSettled(false), Vec::new()));
}

#[test]
fn media_are_dropped_after_their_days_and_not_before() {
    let mut world = world_with_photo();
    let (message, medium) = pending(&world)[0];
    world.run(2, settle(message, medium, ready(1)));
    world.run(3, end("a"));
    let days = u64::from(world.directory.settings.media_retention_days);
    assert_eq!(days, 7);
    world.run(days * DAY, tick());
    assert_eq!(kept(&world), 1);
    world.run((days + 1) * DAY, tick());
    assert_eq!(kept(&world), 0);
    assert_eq!(world.media_since(), Some(crate::model::Day(START.day().0 + 1)));
    assert!(Queries::message(&world, message).is_some(), "the message is kept longer");
}

/// A call with a photo that is to be fetched.
fn world_with_photo() -> TestMachine {
    let mut directory = directory();
    directory.settings.closing.texts.clear();
    let mut world = TestMachine::new(directory);
    world.run(0, start("a"));
    world.run(1, photo(ANN, SUPPORT, "https://media.example/1"));
    assert_eq!(pending(&world).len(), 1);
    world
}

fn pending(world: &TestMachine) -> Vec<(MessageId, MediaId)> {
    let messages = world.pending_media().map(|(id, _)| Queries::message(world, id).unwrap());
    let media = messages.flat_map(|message| {
        let media = message.media.into_iter().filter(|medium| medium.state == MediumState::Pending);
        media.map(|medium| (message.id, medium.id)).collect::<Vec<_>>()
    });
    media.collect()
}

fn kept(world: &TestMachine) -> usize {
    world.rows.keys().filter(|key| matches!(key.table, Table::Media(_))).count()
}

fn settle(message: MessageId, medium: MediaId, state: MediumState) -> Step {
    Step::Do(Command::SettleMedium { message, medium, state })
}

fn ready(byte: u8) -> MediumState {
    let day = START.day();
    MediumState::Ready(StoredMedium { media_type: MediaType::Jpeg, bytes: 1_000, sha256: [byte; 32], day })
}

/// The last event that the platform gets.
fn last_event(world: &TestMachine) -> Value {
    let event = world.journal.iter().flat_map(show::rendered).last().unwrap();
    serde_json::from_slice(&event.body).unwrap()
}
