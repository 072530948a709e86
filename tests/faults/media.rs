//! `kill -9` while media are under way: none is lost, none is announced twice, and nothing stays that is not listed.

use crate::kills::Moments;
use crate::load::{ours, theirs, world};
use crate::process::{Outside, SOON, TOKEN, offhook, said, wire};
use bytes::Bytes;
use offhook::sim::carrier::{Behaviour, MediumAnswer, SentMedium};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often it is killed unless `OFFHOOK_MEDIA_KILLS` says otherwise.
const KILLS: usize = 6;

/// A kill comes so long after the gateway is ready, or after its process began.
const AFTER_READY_MS: u64 = 900;
const AFTER_BEGIN_MS: u64 = 150;

/// People who send media, each in a call of their own.
const CALLERS: usize = 4;

/// Between two messages of one person.
const THINKS: Duration = Duration::from_millis(150);

/// Sizes of the files: less and more than what is written at once.
const SIZES: [usize; 5] = [900, 20_000, 300_000, 2_000, 700_000];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a51_kills_while_media_are_under_way_lose_none_and_announce_none_twice() {
    let kills: usize = std::env::var("OFFHOOK_MEDIA_KILLS")
        .map_or(KILLS, |text| text.parse().expect("OFFHOOK_MEDIA_KILLS is a count"));
    let began = Instant::now();
    let world = world().await;
    // Each webhook comes twice at once.
    world.carrier.set_behaviour(Behaviour { webhook_copies: 1, ..Behaviour::default() });
    let gateway = world.start().await;
    let load = Load::begin(&world).await;
    let mut gateway = Some(gateway);
    let (mut moments, mut pending) = (Moments::new(0x0ff4_0051), 0);
    for nth in 0..kills {
        let killed = match gateway.take() {
            Some(running) => running,
            None => {
                let mut starting = world.home.start();
                // Every third dies while it starts.
                if nth % 3 == 2 {
                    moments.wait(AFTER_BEGIN_MS).await;
                    starting.kill();
                    starting = world.home.start();
                }
                starting.ready().await;
                starting
            }
        };
        moments.wait(AFTER_READY_MS).await;
        killed.kill();
        pending += usize::from(load.sent() > settled(&world));
    }
    let store = world.home.data().join("media");
    leave_orphans(&store);
    let gateway = world.start().await;
    let sent = load.end().await;
    let media: usize = sent.values().map(Vec::len).sum();
    let count = judge(&world, &sent, media).await;
    assert_stored_exactly(&store, sent.values().flatten().filter(|one| one.good).map(|one| &one.bytes)).await;
    println!(
        "{kills} kills in {:.1?}, {pending} with media under way: {media} media, {count} requests",
        began.elapsed()
    );
    assert!(media > 10 * kills && pending * 2 >= kills, "there was hardly any load: {media} {pending}");
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let verified = offhook(&["journal", "verify", world.home.data().to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

/// A medium that a caller sent.
#[derive(Clone)]
struct Sent {
    bytes: Bytes,
    /// Whether the carrier gives it out in the end.
    good: bool,
}

/// The media of each message that was acknowledged, by its text.
type AllSent = BTreeMap<String, Vec<Sent>>;

struct Load {
    stop: CancellationToken,
    people: JoinSet<()>,
    sent: Arc<Mutex<AllSent>>,
}

impl Load {
    async fn begin(world: &Arc<Outside>) -> Self {
        let (stop, sent, mut people) = (CancellationToken::new(), Arc::<Mutex<AllSent>>::default(), JoinSet::new());
        for caller in 0..CALLERS {
            let body = json!({ "caller": theirs(caller).to_string(), "queue": format!("queue-{}", caller % 4), "agent": "a-1" });
            assert_eq!(world.client.put_call(&call(caller), &body).await.unwrap().status, 201);
            let (world, stop, sent) = (Arc::clone(world), stop.clone(), Arc::clone(&sent));
            people.spawn(async move {
                let phone = world.carrier.phone(theirs(caller));
                let mut nth = 0;
                while !stop.is_cancelled() {
                    let (text, media) = (format!("photo {nth} of {caller}"), media_of(caller, nth));
                    let (media, remembered) = media.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
                    let webhook = phone.media(ours(caller % 4), &text, media).await;
                    assert!(webhook.acknowledged(), "the carrier repeats until it is acknowledged");
                    sent.lock().unwrap().insert(text, remembered);
                    tokio::time::sleep(THINKS).await;
                    nth += 1;
                }
            });
        }
        Self { stop, people, sent }
    }

    /// How many media were acknowledged so far.
    fn sent(&self) -> usize {
        self.sent.lock().unwrap().values().map(Vec::len).sum()
    }

    /// Everybody stops once their last message is acknowledged.
    async fn end(mut self) -> AllSent {
        self.stop.cancel();
        while let Some(ended) = self.people.join_next().await {
            ended.expect("everything was acknowledged");
        }
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

fn call(caller: usize) -> String {
    format!("c-{caller}")
}

/// One to three files of a message, with what the carrier does before it gives them out.
fn media_of(caller: usize, nth: usize) -> Vec<(SentMedium, Sent)> {
    let one = |place: usize| {
        let number = u32::try_from((caller * 10_000 + nth) * 10 + place).unwrap();
        let first = [b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01".as_slice(), &number.to_be_bytes()].concat();
        let size = SIZES[(nth + place) % SIZES.len()];
        let bytes: Bytes = first.iter().copied().chain((first.len()..size).map(|at| (at * 31 % 251) as u8)).collect();
        let answers = match (caller + nth + place) % 7 {
            0 => vec![MediumAnswer::status_of(500)],
            1 => vec![MediumAnswer::Cut(size / 2)],
            2 | 3 => vec![MediumAnswer::Slow { pieces: 10, wait: Duration::from_millis(20) }],
            4 if place == 0 => vec![MediumAnswer::status_of(404); 1_000],
            _ => Vec::new(),
        };
        let good = answers.len() < 1_000;
        (SentMedium::new("image/jpeg", bytes.clone()).answered(answers), Sent { bytes, good })
    };
    (0..=nth % 3).map(one).collect()
}

/// How many media events the platform has.
fn settled(world: &Outside) -> usize {
    let record = world.platform.record();
    let media = record.deliveries.iter().filter(|event| event.kind.starts_with("media."));
    media.map(|event| &event.id).collect::<BTreeSet<_>>().len()
}

/// Each medium was announced once, as what the carrier gave out, and is served so. Returns the carrier's count of requests.
async fn judge(world: &Outside, sent: &AllSent, media: usize) -> usize {
    let within = SOON * 4;
    let received = world.platform.wait_for_all(sent.len(), within, |event| event.kind == "message.received").await;
    let received = received.unwrap_or_else(|late| panic!("{late}\n{}", world.home.log()));
    let announced = world.platform.wait_for_all(media, within, |event| event.kind.starts_with("media.")).await;
    announced.unwrap_or_else(|late| panic!("{late}\n{}", world.home.log()));
    for caller in 0..CALLERS {
        assert_eq!(world.client.end_call(&call(caller), "agent_hangup").await.unwrap().status, 200);
        let ended = |event: &Delivery| event.kind == "call.ended" && event.call_id.as_deref() == Some(&*call(caller));
        world.platform.wait_for(SOON, ended).await.unwrap();
    }
    // Events of a call come in order, so by now all came that there are.
    let announced = world.platform.wait_for_all(media, SOON, |event| event.kind.starts_with("media.")).await.unwrap();
    let mut by_medium = BTreeMap::<String, Vec<Value>>::new();
    for event in announced.iter().map(Delivery::json) {
        by_medium.entry(text(&event["data"]["medium"]["id"])).or_default().push(event);
    }
    let mut messages = BTreeSet::new();
    for message in received.iter().map(|event| event.json()["data"].clone()) {
        let said = text(&message["text"]);
        assert!(messages.insert(said.clone()), "{said} was taken in twice");
        let expected = &sent[&said];
        let shown = message["media"].as_array().unwrap();
        assert_eq!(shown.len(), expected.len());
        for (medium, expected) in shown.iter().zip(expected) {
            let id = text(&medium["id"]);
            let [event] = &by_medium.get(&id).map_or(&[][..], Vec::as_slice) else {
                panic!("{id} of {said:?} was not announced once: {:?}", by_medium.get(&id));
            };
            check(world, &id, event, expected).await;
        }
    }
    assert_eq!(messages.len(), sent.len());
    world.carrier.record().fetches.len()
}

async fn check(world: &Outside, id: &str, event: &Value, expected: &Sent) {
    if !expected.good {
        assert_eq!((&event["type"], &event["data"]["medium"]["reason"]), (&json!("media.failed"), &json!("not_found")));
        return;
    }
    assert_eq!(event["type"], "media.ready", "{event}");
    assert_eq!(event["data"]["medium"]["sha256"], hex(&expected.bytes));
    let token = format!("Authorization: Bearer {TOKEN}");
    let answer = wire::ask(world.home.doors.platform, "GET", &format!("/v1/media/{id}"), &[&token], b"").await.unwrap();
    assert_eq!((answer.status, answer.bytes == expected.bytes), (200, true), "{}", answer.head);
}

/// What crashes at other moments leave: a file that was not named yet, and two that were not recorded.
fn leave_orphans(store: &Path) {
    let days = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let day = days.filter(|path| !path.ends_with("aside")).max().expect("a day with media");
    fs::write(store.join("aside/0123456789abcdef-7"), "half a file").unwrap();
    fs::write(day.join(hex(b"orphan")), "orphan").unwrap();
    let before = store.join("2020-01-02");
    fs::create_dir_all(&before).unwrap();
    fs::write(before.join(hex(b"old orphan")), "old orphan").unwrap();
}

/// The store has these files, no others, and nothing aside, soon.
async fn assert_stored_exactly<'a>(store: &Path, files: impl Iterator<Item = &'a Bytes>) {
    let expected: BTreeSet<String> = files.map(|bytes| hex(bytes)).collect();
    let until = Instant::now() + SOON;
    loop {
        let found: BTreeSet<String> =
            files_below(store).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        if found == expected {
            return;
        }
        let (more, less) = (found.difference(&expected), expected.difference(&found));
        assert!(
            Instant::now() < until,
            "too many: {:?}, missing: {:?}",
            more.collect::<Vec<_>>(),
            less.collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
