//! Journal records: encoding round trips, no personal data in the meta, erased bodies, and old versions.

use super::invariants::holds;
use super::steps::{
    answered_verification, by_id, delivered, end, erase_with_key, erasure_ended, failed_verification, gap, go, in_list,
    inbound, later, lost, photo, put, reconcile, refused, replay_quarantined, replayed, resume, say, say_with_key,
    send, sent, start, start_of, suspend, text, tick, unknown,
};
use super::*;
use crate::machine::command::Content;
use crate::machine::keys::{decode_row, encode_row};
use crate::machine::record::{self, Unreadable};
use crate::machine::state::{CapOwner, MediumState, Reconciliation, StoredMedium};
use crate::model::{Account, E164, FailureCode, Inbound, InboundItem, Limits, Part, RawRequest, ReceiptState};
use crate::rules::breaker::BreakerState;
use crate::rules::media::{MediaType, Unkept};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const URL: &str = "https://media.example/of-ann/1";
const RAW: &[u8] = b"{\"from\":\"+12065550142\",\"half a webhook";
const WORDS: &[&str] = &["where is my parcel?", "on its way to you", "by the way", "one more question"];

/// What was kept of the unreadable webhook, besides its content.
fn raw_request() -> RawRequest {
    RawRequest {
        method: "POST".to_owned(),
        path_and_query: "/carriers/main/messages?message=1".to_owned(),
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        in_query: false,
    }
}

/// A story in which every event happens.
pub(super) fn everything() -> TestMachine {
    let mut world = TestMachine::empty();
    let directory = with(|directory| {
        directory.settings.late_text = true;
        let limits = Limits { millisegments_per_second: Some(9_000), segments_per_day: Some(900), ..Limits::none() };
        directory.accounts.insert("main".to_owned(), Account { limits });
        let words = &mut directory.settings.opt_out;
        words.texts.insert(language("it"), "Non riceverai altri messaggi.".to_owned());
        words.help_texts.insert(language("en"), "This is Example. Call us at any time.".to_owned());
    });
    let seed = Command::Seed { directory: Box::new(directory), opt_outs: listed(&[ROMA]) };
    let unreadable = InboundItem::Unreadable {
        raw: RAW.to_vec(),
        problem: "no closing brace".to_owned(),
        request: Some(Box::new(raw_request())),
    };
    let feed = |parked: &[(&str, Option<u64>)]| {
        let parked = parked.iter().map(|(thread, position)| (thread.to_string(), position.map(Position)));
        Step::Do(Command::AdvanceFeed { endpoint: "main".to_owned(), watermark: Position(7), parked: parked.collect() })
    };
    let story = [
        (0, Step::Do(Command::GatewayStarted)),
        (0, Step::Do(seed)),
        (0, end("unheard")),
        (0, start("a")),
        (1, text(ANN, SUPPORT, WORDS[0])),
        (2, photo(ANN, SUPPORT, URL)),
        (3, put("a", |put| (put.language, put.alternative) = (Some(language("it")), BOB.parse().ok()))),
        (4, put("a", |put| put.language = Some(language("it")))),
        (5, say_with_key("a", WORDS[1], 7)),
        (6, go(1)),
        (7, later(1)),
        (8, go(1)),
        (9, unknown(1)),
        (10, send("a", Content::Text(WORDS[2].to_owned()), |send| send.client_ref = Some("ticket-7".to_owned()))),
        (11, go(2)),
        (12, delivered(2)),
        (13, sent(2)),
        (14, end("a")),
        (15, text(ANN, SUPPORT, WORDS[3])),
        (16, start_of("b", BOB)),
        (17, say("b", WORDS[2])),
        (18, go(5)),
        (19, refused(5, FailureCode::Landline)),
        (20, Step::Do(Command::InboundItem { account: "main".to_owned(), item: unreadable })),
        (21, feed(&[])),
        (21, feed(&[("a", Some(5)), ("b", Some(6))])),
        (21, feed(&[("a", None)])),
        (22, start_of("c", BOB)),
        (23, text(BOB, SUPPORT, "STOP")),
        (24, text(BOB, SUPPORT, "START")),
        (25, failed_verification(SHARED)),
        (
            26,
            Step::Change(|directory| {
                directory.numbers.values_mut().for_each(|number| number.limits.millisegments_per_second = Some(2_000));
            }),
        ),
        (27, start_of("d", "+12065550144")),
        (27, text("+12065550148", SUPPORT, WORDS[0])),
    ];
    for (secs, step) in story {
        world.run(secs, step);
    }
    for (secs, state) in [(27, ready()), (28, MediumState::Failed { reason: Unkept::TooLate, found: None })] {
        if secs == 28 {
            world.run(28, photo("+12065550144", SUPPORT, URL));
        }
        let (message, _) = world.pending_media().next().unwrap();
        let medium = Queries::message(&world, message).unwrap().media[0].id;
        world.run(secs, Step::Do(Command::SettleMedium { message, medium, state }));
    }
    // Unanswered attempts open the account's circuit breaker; a successful probe closes it.
    for nth in 1..=6 {
        world.run(27 + nth, say("d", WORDS[2]));
        let latest = world.queued.len();
        world.run(27 + nth, go(latest));
        world.run(27 + nth, if nth < 6 { unknown(latest) } else { sent(latest) });
    }
    world.run(35, Step::Change(|directory| directory.settings.closing.texts.clear()));
    world.run(36, end("d"));
    world.run(800, tick());
    world.run(801, erase_with_key(ROMA, 9));
    let ended = erasure_ended(&world);
    world.run(801, ended);
    world.run(802, gap("main", 1..7));
    world.run(803, replayed("main", 1..7));
    world.run(804, lost(3..5));
    world.run(804, answered_verification(SHARED));
    let account = || CapOwner::Account("main".to_owned());
    world.run(805, suspend(CapOwner::Number(SHARED.parse().unwrap()), Some(900)));
    world.run(806, suspend(account(), None));
    world.run(807, resume(account()));
    let quarantined: Vec<_> = world.quarantined(None).map(|(position, _)| position).collect();
    world.run(808, replay_quarantined(quarantined[0], inbound(BOB, SUPPORT, WORDS[3])));
    // Of a long text one part comes, and of a send the receipt before the answer.
    let part = Part::new("7", 1, 2, WORDS[2].as_bytes().to_vec());
    let first = Inbound { carrier_id: "p1".to_owned(), part, ..inbound(BOB, SUPPORT, "") };
    world.run(809, Step::Text(first.clone()));
    world.run(809, by_id("main", "SMout9", "delivered", ReceiptState::Failed(FailureCode::Blocked)));
    world.run(1_500, tick());
    let second = Inbound { carrier_id: "q1".to_owned(), part: first.part.clone(), ..first };
    world.run(1_501, Step::Text(second));
    world.run(1_501, by_id("main", "SMout10", "sent", ReceiptState::Sent));
    // The carrier's list is read, and has what never arrived.
    world.run(1_502, reconcile(1_400, Some(10)));
    world.run(1_502, start_of("e", BOB));
    let missed = inbound(BOB, SUPPORT, WORDS[1]);
    world.run(1_503, in_list(1_450, Inbound { carrier_id: "missed1".to_owned(), ..missed.clone() }));
    world.run(1_504, end("e"));
    world.run(1_505, in_list(1_451, Inbound { carrier_id: "missed2".to_owned(), ..missed }));
    let begun = Reconciliation { since: START + Duration::from_secs(1_400), at: START + Duration::from_secs(1_502) };
    world.run(1_506, Step::Do(Command::EndReconciliation { account: "main".to_owned(), ended: begun }));
    // Another one is not done yet.
    world.run(1_507, reconcile(1_401, None));
    // A lease of an unknown call, as an erasure may leave behind.
    let done = Event::LeaseDone { due: world.now, call: CallId::read("z").unwrap() };
    world.commit(vec![NumberedEvent { call_sequence: None, event: done }]);
    world
}

fn ready() -> MediumState {
    let (media_type, day) = (MediaType::Jpeg, START.day());
    MediumState::Ready(StoredMedium { media_type, bytes: 4_242, sha256: [7; 32], day })
}

/// The events of a journal, by name.
fn names(journal: &[CommittedFrame]) -> BTreeSet<&'static str> {
    journal.iter().flat_map(|frame| &frame.events).map(|event| event.event.name()).collect()
}

/// All events that this program writes. Only version 1 loaded a directory in one event.
fn written() -> BTreeSet<&'static str> {
    record::event_names().filter(|name| *name != "DirectoryLoaded").collect()
}

#[test]
fn every_event_survives_encoding_and_decoding() {
    let world = everything();
    assert_eq!(names(&world.journal), written(), "every event must happen to be tested");
    for frame in &world.journal {
        let (meta, bodies) = record::encode(frame.at, &frame.events);
        let read = record::decode(frame.position, &meta, bodies.into_iter().map(Some).collect()).unwrap();
        assert_eq!(&read, frame);
        assert_eq!(show::rendered(&read), show::rendered(frame), "rendered to the same bytes");
    }
    invariants::at_the_end(&world);
}

/// All personal data of the story, in every encoded form.
fn people() -> Vec<Vec<u8>> {
    let numbers = [ANN, BOB, ROMA].map(|number| number.parse::<E164>().unwrap());
    let digits = numbers.iter().map(|number| number.to_string().trim_start_matches('+').into());
    let varints = numbers.iter().map(encode_row);
    let keys = numbers.iter().map(|number| number.key().to_vec());
    let words = WORDS.iter().map(|words| words.as_bytes().to_vec());
    digits.chain(varints).chain(keys).chain(words).chain([URL.as_bytes().to_vec(), RAW.to_vec()]).collect()
}

/// The fields of events' data, by type; calls and messages have a schema instead. The optional ones come after `?`.
const DATA: &[(&str, &str)] = &[
    ("message.late", "at auto_replied from last_call_id to ? text reconciled"),
    ("media.ready", "medium message_id"),
    ("media.failed", "medium message_id"),
    ("contact.opted_out", "by contact keyword our_number ? call_id"),
    ("contact.opted_in", "by contact keyword our_number ? call_id"),
    ("number.verification_changed", "code number reason state"),
    ("account.paused", "account detail reason until"),
    ("account.resumed", "account detail reason until"),
    ("quarantine.added", "account id problem"),
    ("feed.gap", "endpoint from to"),
    ("journal.loss", "from to"),
    ("directory.changed", "by etag id resource"),
];

#[test]
fn a54_every_type_of_event_has_the_fields_of_the_contract() {
    let mut seen = BTreeSet::new();
    for frame in &everything().journal {
        for event in show::event_headers(frame).map(|header| header.render()) {
            let body: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
            let Some((_, fields)) = DATA.iter().find(|(kind, _)| *kind == event.kind) else { continue };
            let (required, optional) = fields.split_once(" ? ").unwrap_or((fields, ""));
            let optional: BTreeSet<_> = optional.split_whitespace().collect();
            let keys = body["data"].as_object().unwrap().keys().map(String::as_str);
            let found: BTreeSet<_> = keys.filter(|key| !optional.contains(key)).collect();
            assert_eq!(found, required.split_whitespace().collect(), "{body}");
            seen.insert(event.kind);
        }
    }
    assert_eq!(seen, DATA.iter().map(|(kind, _)| *kind).collect());
}

#[test]
fn a57_the_meta_holds_no_personal_data() {
    let people = people();
    let mut found_in_bodies = 0;
    for frame in everything().journal {
        let (meta, bodies) = record::encode(frame.at, &frame.events);
        let described = record::describe(&meta);
        assert!(described.contains(frame.events[0].event.name()), "{described}");
        for person in &people {
            assert!(!holds(&meta, person), "{person:?} in the meta of {frame:?}");
            assert!(!holds(described.as_bytes(), person), "{person:?} in {described}");
            found_in_bodies += bodies.iter().filter(|body| holds(body, person)).count();
        }
    }
    assert!(found_in_bodies > 20, "too little personal data found in the bodies: {found_in_bodies}");
}

#[test]
fn a57_debug_output_holds_no_personal_data() {
    let world = everything();
    let mut printed = format!("{:?}", world.journal);
    for step in [say("a", WORDS[1]), text(ANN, SUPPORT, WORDS[0]), start("a")] {
        let mut world = TestMachine::new(directory());
        world.run(0, start("a"));
        let command = step.command(&mut world);
        let at = At { time: START, position: world.next() };
        printed.push_str(&format!("{command:?} {:?}", decide(&world, command.clone(), at)));
    }
    for person in people() {
        assert!(!holds(printed.as_bytes(), &person), "{:?} is printed", String::from_utf8_lossy(&person));
    }
}

#[test]
fn an_erased_body_decodes_as_erased_and_its_rows_are_omitted() {
    let world = everything();
    let mut rows = BTreeMap::new();
    for frame in &world.journal {
        let (meta, bodies) = record::encode(frame.at, &frame.events);
        for erased in 0..bodies.len() {
            let mut kept: Vec<_> = bodies.iter().cloned().map(Some).collect();
            kept[erased] = None;
            let read = record::decode(frame.position, &meta, kept).unwrap();
            assert_ne!(&read, frame);
            let (_, again) = record::encode(read.at, &read.events);
            assert!(again[erased].is_empty(), "an erased body stays erased when it is encoded again");
            // With one body erased, neither rows nor rendering may fail.
            apply(&read);
            show::rendered(&read);
        }
        let erased = record::decode(frame.position, &meta, vec![None; bodies.len()]).unwrap();
        show::rendered(&erased);
        write(&mut rows, &apply(&erased));
    }
    for (key, row) in &rows {
        for person in people() {
            assert!(
                !holds(row, &person) && !holds(&key.bytes, &person),
                "a row keeps personal data that the journal erased"
            );
        }
    }
}

#[test]
fn a_gateway_works_after_all_bodies_are_erased() {
    let before = everything();
    let mut world = TestMachine::new(directory());
    for frame in &before.journal[2..] {
        let (meta, bodies) = record::encode(frame.at, &frame.events);
        let erased = record::decode(frame.position, &meta, vec![None; bodies.len()]).unwrap();
        write(&mut world.rows, &apply(&erased));
    }
    // Only replies are compared: the invariants do not apply to erased bodies.
    let at = At { time: START + std::time::Duration::from_secs(900), position: Position(1_000) };
    for (nth, step) in [start("b"), say("a", "x"), end("b"), text(BOB, SUPPORT, "hi"), tick()].into_iter().enumerate() {
        let command = step.command(&mut world);
        let decision = decide(&world, command, at);
        let expected = ["created", "refused call_ended", "ended before start", "replied", "done"][nth];
        assert_eq!(answer(&decision.reply), expected);
    }
    for id in before.queued {
        decide(&world, Command::StartSend { message: id, lane_empty_at: at.time, account_empty_at: at.time }, at);
        decide(&world, Command::Expire(id), at);
        decide(&world, Command::Cancel(id), at);
    }
}

#[test]
fn a_record_of_a_newer_version_is_refused_with_advice() {
    let (mut meta, bodies) = record::encode(START, &[]);
    meta[0] = record::VERSION + 1;
    let refused = record::decode(Position(1), &meta, bodies.into_iter().map(Some).collect()).unwrap_err();
    assert!(matches!(refused, Unreadable::Version(version) if version == record::VERSION + 1));
    assert!(refused.to_string().contains("run the newer program"));
    assert!(matches!(record::decode(Position(1), &[], Vec::new()), Err(Unreadable::Broken(_))));
}

#[test]
fn trailing_bytes_are_an_invalid_record() {
    let (mut meta, _) = record::encode(START, &[]);
    meta.push(0);
    assert!(matches!(record::decode(Position(1), &meta, Vec::new()), Err(Unreadable::Broken(_))));
}

#[test]
fn one_record_holds_more_opt_outs_than_a_u16_counts() {
    let opt_outs = (0..70_000)
        .map(|nth| (format!("+1206{nth:07}").parse::<E164>().unwrap().into(), Block::everywhere()))
        .collect();
    let event = Event::OptOutsLoaded { opt_outs };
    let events = [NumberedEvent { call_sequence: None, event }];
    let (meta, bodies) = record::encode(START, &events);
    let read = record::decode(Position(1), &meta, bodies.into_iter().map(Some).collect()).unwrap();
    assert_eq!(read.events, events);
}

/// A version's sample frames: position, meta, bodies.
type Sample = Vec<(Position, Vec<u8>, Vec<Vec<u8>>)>;

fn sample(version: u8) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/v{version}.bin"))
}

/// The bytes of a version's sample, and its frames.
fn read_sample(version: u8) -> (Sample, Vec<CommittedFrame>) {
    let frames: Sample = decode_row(&std::fs::read(sample(version)).unwrap()).unwrap();
    let decode = |(position, meta, bodies): &(Position, Vec<u8>, Vec<Vec<u8>>)| {
        record::decode(*position, meta, bodies.iter().cloned().map(Some).collect()).unwrap()
    };
    let decoded = frames.iter().map(decode).collect();
    (frames, decoded)
}

fn encoded(frames: &[CommittedFrame]) -> Sample {
    let encoded = |frame: &CommittedFrame| {
        let (meta, bodies) = record::encode(frame.at, &frame.events);
        (frame.position, meta, bodies)
    };
    frames.iter().map(encoded).collect()
}

/// To write the sample of a new version, run this once with `OFFHOOK_WRITE_SAMPLES` set. A sample that exists stays as
/// it is, because it stands for existing journals: remove it first if no release wrote its version.
#[test]
fn every_record_version_is_still_readable() {
    if std::env::var_os("OFFHOOK_WRITE_SAMPLES").is_some() && !sample(record::VERSION).exists() {
        std::fs::write(sample(record::VERSION), encode_row(&encoded(&everything().journal))).unwrap();
    }
    for version in 1..=record::VERSION {
        let (_, frames) = read_sample(version);
        let mut rows = BTreeMap::new();
        let mut kinds = Vec::new();
        for frame in &frames {
            write(&mut rows, &apply(frame));
            kinds.extend(show::rendered(frame).into_iter().map(|event| event.kind));
        }
        assert!(rows.len() > 20, "version {version}");
        assert!(kinds.iter().all(|kind| show::KINDS.contains(kind)), "an event type is missing in KINDS: {kinds:?}");
        for kind in ["call.started", "call.ended", "message.received", "message.late", "message.unconfirmed"] {
            assert!(kinds.contains(&kind), "{kind} in version {version}");
        }
    }
}

#[test]
fn the_sample_of_this_version_has_every_event() {
    let (_, frames) = read_sample(record::VERSION);
    assert_eq!(names(&frames), written(), "remove the sample if it is not released, and write it again");
}

#[test]
fn the_sample_of_this_version_is_written_byte_for_byte() {
    let (bytes, frames) = read_sample(record::VERSION);
    assert_eq!(encoded(&frames), bytes);
}

#[test]
fn version_5_merges_the_events_of_accounts_with_and_without_a_cause() {
    let account = || "main".to_owned();
    let (_, frames) = read_sample(4);
    let paused = frames.iter().flat_map(|frame| &frame.events).find_map(|event| match &event.event {
        Event::AccountPaused { cause, .. } => cause.clone(),
        _ => None,
    });
    assert!(paused.is_some(), "version 4 wrote the cause");
    // Number 33 of version 3: an account, and a breaker that never failed and is not paused.
    let meta = [&[3, 0, 1, 0, 33][..], &encode_row(&account()), &[0, 0]].concat();
    let frame = record::decode(Position(1), &meta, Vec::new()).unwrap();
    let event = Event::AccountPaused { account: account(), breaker: BreakerState::default(), cause: None };
    assert_eq!(frame.events, [NumberedEvent { call_sequence: None, event }]);
}

#[test]
fn f04_a70_every_version_keeps_the_ended_calls_of_erased_people() {
    for version in 1..=record::VERSION {
        let mut world = TestMachine::empty();
        for (position, meta, bodies) in read_sample(version).0 {
            let frame = record::decode(position, &meta, vec![None; bodies.len()]).unwrap();
            write(&mut world.rows, &apply(&frame));
        }
        let call = world.call("a");
        assert!(call.ended.is_some() && call.caller.kept().is_none(), "version {version}");
        assert!(call.last_sequence > 3 && call.usage.received > 0, "version {version}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_arbitrary_bytes_never_panics(
        meta in prop::collection::vec(any::<u8>(), 0..200),
        bodies in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0..5),
    ) {
        let mut meta = meta;
        if let Some(version) = meta.first_mut() {
            *version = record::VERSION;
        }
        let _ = record::decode(Position(1), &meta, bodies);
    }
}
