//! A person is erased from a stopped gateway. Each test has a gateway of its own.

use crate::process::{Outside, SOON, offhook, said};
use crate::shared::{OURS, world};
use offhook::config::seed;
use offhook::engine::{CompactionOptions, Core, WallClock, compact};
use offhook::journal::snapshot::{Origin, Snapshots};
use offhook::journal::{FileJournal, Journal, Options};
use offhook::machine::command::{Command, Content, PutCall, Send};
use offhook::machine::keys::encode_row;
use offhook::machine::rows::ROWS_VERSION;
use offhook::model::{CallId, Caller, E164, Position};
use offhook::sim::platform::Delivery;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Who is erased.
pub(crate) const ANN: &str = "+14155550107";
/// Who stays.
pub(crate) const BOB: &str = "+14155550108";

/// A word in every text from and to Ann, and in no other.
pub(crate) const CANARY: &str = "nightingale";

#[tokio::test(flavor = "multi_thread")]
async fn erase_leaves_neither_number_nor_text_in_any_file_and_others_as_they_were() {
    let world = world().await;
    let gateway = world.start().await;
    talk(&world, ANN, "c-ann", CANARY).await;
    talk(&world, BOB, "c-bob", "sparrow").await;
    let late = world.carrier.phone(number(ANN));
    assert!(late.text(number(OURS), &format!("{CANARY} still there?")).await.acknowledged());
    late.wait_for_text(SOON, |text| text == "Nobody reads this.").await.unwrap();
    assert!(late.text(number(OURS), "STOP").await.acknowledged());
    world.platform.wait_for(SOON, |event| event.kind == "contact.opted_out").await.unwrap();
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let text = world.client.ask("GET".parse().unwrap(), "/v1/calls/c-ann/messages", None).await.unwrap();
    let text = text.text("/items/0/id").to_owned();

    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert!(traces(&world.home.data()).len() > 3, "it is looked for where it is: {:?}", traces(&world.home.data()));

    let erased = erase(&world, ANN);
    assert_eq!(erased.status.code(), Some(0), "{}", said(&erased));
    assert_eq!(traces(&world.home.data()), [], "{}", said(&erased));
    let verified = offhook(&["journal", "verify", world.home.data().to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    let again = erase(&world, ANN);
    assert!(said(&again).contains("erased: 0 "), "{}", said(&again));

    let exported = offhook(&["directory", "export", "--config", world.home.path("offhook.toml").to_str().unwrap()]);
    assert!(said(&exported).contains("1 opt-outs belong to erased people"), "{}", said(&exported));

    let gateway = world.start().await;
    assert_eq!(traces(&world.home.data()), [], "the index is rebuilt without her");
    check_that_the_call_stays_ended(&world, "c-ann", 1).await;
    let gone = world.client.message(&text).await.unwrap();
    assert_eq!((gone.status, &gone.json["text"], &gone.json["text_expired"]), (200, &json!(null), &json!(true)));
    assert_eq!((&gone.json["to"], gone.text("/from")), (&json!(null), OURS));
    let bob = world.client.call("c-bob").await.unwrap();
    assert_eq!((bob.status, bob.text("/caller")), (200, BOB));
    let texts = world.client.ask("GET".parse().unwrap(), "/v1/calls/c-bob/messages", None).await.unwrap();
    assert_eq!((texts.text("/items/0/text"), texts.text("/items/1/text")), ("sparrow to", "sparrow from"));

    check_that_stop_still_holds(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a70_a_late_word_about_an_erased_persons_call_begins_nothing() {
    let world = world().await;
    let gateway = world.start().await;
    talk(&world, ANN, "c-ann", CANARY).await;
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert_eq!(erase(&world, ANN).status.code(), Some(0));
    // The erasure removes the index, so that the first start rebuilds it; the second one does so again.
    for _ in 0..2 {
        let gateway = world.start().await;
        check_that_the_call_stays_ended(&world, "c-ann", 1).await;
        begin(&world, BOB, &format!("c-bob-{}", gateway.id())).await;
        let events = world.platform.record().deliveries;
        let began = |event: &&Delivery| event.kind == "call.started" && event.call_id.as_deref() == Some("c-ann");
        let began: BTreeSet<_> = events.iter().filter(began).map(|event| &event.id).collect();
        assert_eq!(began.len(), 1, "it began once");
        assert_eq!(gateway.terminate().await.code(), Some(0));
        assert_eq!(traces(&world.home.data()), []);
        fs::remove_dir_all(world.home.data().join("index")).unwrap();
    }
}

/// The call's id is taken, by a call that has ended and says nothing of the person (A70).
pub(crate) async fn check_that_the_call_stays_ended(world: &Outside, call: &str, received: u64) {
    let body = json!({ "caller": ANN, "queue": "support", "agent": "a-2" });
    let late = world.client.put_call(call, &body).await.unwrap();
    let shown = world.client.call(call).await.unwrap();
    let ended = world.client.end_call(call, "agent_hangup").await.unwrap();
    for answer in [&late, &shown, &ended] {
        assert_eq!((answer.status, answer.text("/state")), (200, "ended"), "{}", answer.json);
        assert_eq!((&answer.json["caller"], &answer.json["alternative"]), (&json!(null), &json!(null)));
        assert_eq!(answer.json["usage"]["received"], json!(received), "{}", answer.json);
        assert!(answer.json["ended_at"].is_string() && answer.json["sms"]["can_send"] == json!(false));
    }
    assert_eq!(world.client.send_text(call, "hello", "a-1").await.unwrap().code(), "call_ended");
    let texts = world.client.ask("GET".parse().unwrap(), &format!("/v1/calls/{call}/messages"), None).await.unwrap();
    for text in texts.json["items"].as_array().unwrap() {
        assert_eq!((&text["text"], &text["text_expired"]), (&json!(null), &json!(true)), "{text}");
    }
}

/// An erased person who sent STOP is not texted; START opts them in again.
pub(crate) async fn check_that_stop_still_holds(world: &Outside) {
    begin(world, ANN, "c-ann-2").await;
    assert_eq!(world.client.call("c-ann-2").await.unwrap().text("/sms/refusal"), "opted_out");
    assert_eq!(world.client.send_text("c-ann-2", "hello", "a-1").await.unwrap().code(), "opted_out");
    assert!(world.carrier.phone(number(ANN)).text(number(OURS), "START").await.acknowledged());
    world.platform.wait_for(SOON, |event| event.kind == "contact.opted_in").await.unwrap();
    assert_eq!(world.client.send_text("c-ann-2", "hello", "a-1").await.unwrap().status, 202);
    begin(world, BOB, "c-bob-2").await;
    assert_eq!(world.client.send_text("c-bob-2", "hello", "a-1").await.unwrap().status, 202);
}

/// Segments close at 64 MiB or at midnight, so what a day leaves behind is made here in small, by the gateway's own parts:
/// when the last of its segments closed, Ann was on the phone and a text to her was queued.
#[tokio::test(flavor = "multi_thread")]
async fn erase_leaves_neither_number_nor_text_in_a_snapshot_from_the_middle_of_a_call() {
    let world = world().await;
    day_before(&world);
    let snapshot = world.home.data().join("snapshots");
    assert!(!traces(&snapshot).is_empty(), "it is looked for where it is");
    // The text may go out before the gateway says that it is ready, and no phone keeps what arrives before it is there.
    let phone = world.carrier.phone(number(ANN));
    let gateway = world.start().await;
    phone.wait_for_text(SOON, |text| text.contains(CANARY)).await.unwrap();
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    assert_eq!(world.client.end_call("c-ann", "agent_hangup").await.unwrap().status, 200);
    phone.wait_for_text(SOON, |text| text == "This conversation has ended.").await.unwrap();
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    assert_eq!(gateway.terminate().await.code(), Some(0));

    let erased = erase(&world, ANN);
    assert_eq!(erased.status.code(), Some(0), "{}", said(&erased));
    assert_eq!(traces(&world.home.data()), [], "{}", said(&erased));
    let gateway = world.start().await;
    assert_eq!(traces(&world.home.data()), []);
    check_that_the_call_stays_ended(&world, "c-ann", 0).await;
    assert_eq!(world.client.call("c-bob-0").await.unwrap().text("/caller"), BOB);
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_while_a_call_with_them_lives() {
    let world = world().await;
    let gateway = world.start().await;
    begin(&world, ANN, "c-ann").await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let refused = erase(&world, ANN);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("the call c-ann with this person is active: end it first"), "{}", said(&refused));
    let ours = erase(&world, OURS);
    assert!(said(&ours).contains("one of our own numbers"), "{}", said(&ours));

    let gateway = world.start().await;
    let call = world.client.call("c-ann").await.unwrap();
    assert_eq!((call.text("/caller"), call.text("/state")), (ANN, "active"));
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn erase_makes_nothing_where_no_gateway_ever_ran() {
    let world = world().await;
    let refused = erase(&world, ANN);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("check that it is the gateway's data_dir"), "{}", said(&refused));
    assert!(!world.home.data().exists());
    let unread = erase(&world, "4155550107");
    assert!(said(&unread).contains("like +12065550142"), "{}", said(&unread));
}

/// A call with a text each way, ended, and its closing message received.
pub(crate) async fn talk(world: &Outside, caller: &str, call: &str, word: &str) {
    begin(world, caller, call).await;
    let phone = world.carrier.phone(number(caller));
    let keyed = world.client.with_key(format!("of-{call}"));
    assert_eq!(keyed.send_text(call, &format!("{word} to"), "a-1").await.unwrap().status, 202);
    phone.wait_for_text(SOON, |text| text == format!("{word} to")).await.unwrap();
    assert!(phone.text(number(OURS), &format!("{word} from")).await.acknowledged());
    assert_eq!(keyed.end_call(call, "agent_hangup").await.unwrap().status, 200);
    phone.wait_for_text(SOON, |text| text == "This conversation has ended.").await.unwrap();
}

/// A data directory with a snapshot of a moment at which a text to Ann waits, and no index.
fn day_before(world: &Outside) {
    let data = world.home.data();
    let journal = FileJournal::open(&data.join("journal"), Options { segment_bytes: 1_000 }).unwrap();
    let origin = Origin { journal: journal.identity(), rows_version: ROWS_VERSION };
    let (mut core, _) = Core::in_memory(journal, WallClock::new());
    let document = fs::read_to_string(world.home.path("directory.json")).unwrap();
    let seed = seed::read(&document, &["main".to_owned()]).unwrap_or_else(|problems| panic!("{problems}"));
    let seed = Command::Seed { directory: Box::new(seed.directory), opt_outs: seed.opt_outs };
    let text = Command::Send(Send {
        call: CallId::read("c-ann").unwrap(),
        content: Content::Text(format!("{CANARY} to")),
        agent: Some("a-1".to_owned()),
        smart_action: None,
        client_ref: None,
        force: None,
        key: None,
    });
    core.commit([Command::GatewayStarted, seed, put_call("c-ann", ANN), text]).unwrap();
    for call in 0..20 {
        core.commit([put_call(&format!("c-bob-{call}"), BOB)]).unwrap();
    }
    let snapshots = Snapshots::open(&data.join("snapshots"), origin).unwrap();
    let made = compact(core.journal().as_ref(), &snapshots, &CompactionOptions::default(), &mut || true).unwrap();
    assert!(made.expect("there are segments to fold").covers > Position(4), "the text is in it");
}

fn put_call(call: &str, caller: &str) -> Command {
    Command::PutCall(PutCall {
        agent: Some(Some("a-1".to_owned())),
        ..PutCall::new(
            CallId::read(call).unwrap(),
            Caller::read(caller).unwrap(),
            "support".to_owned().try_into().unwrap(),
        )
    })
}

pub(crate) async fn begin(world: &Outside, caller: &str, call: &str) {
    let body = json!({ "caller": caller, "queue": "support", "agent": "a-1" });
    assert_eq!(world.client.put_call(call, &body).await.unwrap().status, 201);
}

pub(crate) fn erase(world: &Outside, who: &str) -> Output {
    offhook(&["erase", who, "--config", world.home.path("offhook.toml").to_str().unwrap()])
}

pub(crate) fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

/// Files with something of Ann in them, and what: her number in any form it is written in, or a word of hers.
pub(crate) fn traces(directory: &Path) -> Vec<(PathBuf, &'static str)> {
    let ann = number(ANN);
    let forms = [
        ("digits", ANN.trim_start_matches('+').as_bytes().to_vec()),
        ("without the country", ANN.trim_start_matches("+1").as_bytes().to_vec()),
        ("encoded", encode_row(&ann)),
        ("key", ann.key().to_vec()),
        ("text", CANARY.as_bytes().to_vec()),
    ];
    let mut traces = Vec::new();
    for path in files(directory) {
        let mut bytes = match fs::read(&path) {
            // A gateway that runs deletes files meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            read => read.unwrap(),
        };
        // A segment ends in megabytes of zeros.
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        let found = forms.iter().filter(|(_, form)| memchr::memmem::find(&bytes, form).is_some());
        traces.extend(found.map(|(name, _)| (path.clone(), *name)));
    }
    traces
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
