//! Photos and videos from a carrier that misbehaves, and into a store that does not work: each ends in a state with a
//! reason, and texts never wait.

use crate::erase::number;
use crate::media::{check_served, file, hex, medium, text};
use crate::process::{Outside, SOON, TOKEN, nothing_for, wire};
use crate::shared::{OURS, OnThePhone, on_the_phone, world};
use bytes::Bytes;
use http::Method;
use offhook::sim::carrier::{ListedAs, MediumAnswer, SentMedium};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";

/// More than is written to the disk at once.
const SIZE: usize = 300_000;

/// How a medium ends, after how many requests that had credentials at the carrier.
struct Expected {
    state: &'static str,
    reason: &'static str,
    requests: usize,
}

fn ready_after(requests: usize) -> Expected {
    Expected { state: "ready", reason: "", requests }
}

fn fails(reason: &'static str) -> Expected {
    Expected { state: "failed", reason, requests: 1 }
}

fn status(status: u16) -> MediumAnswer {
    MediumAnswer::status_of(status)
}

fn cases(elsewhere: &str) -> Vec<(&'static str, Vec<MediumAnswer>, Expected)> {
    use MediumAnswer::*;
    let to = |url: String| vec![Redirect(url)];
    vec![
        ("not authorized at first", vec![status(401)], ready_after(2)),
        ("forbidden at first", vec![status(403)], ready_after(2)),
        ("unknown", vec![status(404)], fails("not_found")),
        ("deleted", vec![status(410)], fails("not_found")),
        ("too many", vec![Status { status: 429, retry_after: Some(2) }], ready_after(2)),
        ("broken twice", vec![status(500), status(503)], ready_after(3)),
        ("in crumbs", vec![Slow { pieces: 20, wait: Duration::from_millis(30) }], ready_after(1)),
        ("cut in the middle", vec![Cut(SIZE / 2)], ready_after(2)),
        ("cut before the first byte", vec![Cut(0)], ready_after(2)),
        ("a byte too few", vec![Cut(SIZE - 1)], ready_after(2)),
        ("a length that is too long", vec![Length(SIZE + 1)], ready_after(2)),
        ("a length of a terabyte", vec![Length(1 << 40)], ready_after(2)),
        ("compressed", vec![Encoded("gzip")], ready_after(2)),
        ("endless", vec![Endless], fails("too_large")),
        ("empty", vec![Empty], ready_after(2)),
        ("in a loop", vec![Loop], ready_after(2)),
        ("to another host", to("https://files.example.com/a".to_owned()), fails("forbidden_address")),
        ("to another port", to(format!("http://{elsewhere}/a")), fails("forbidden_address")),
        ("to a file", to("file:///etc/passwd".to_owned()), fails("forbidden_address")),
        ("to a number", to(format!("http://2130706433:{}/a", port(elsewhere))), fails("forbidden_address")),
        ("silent", vec![Silent], ready_after(2)),
    ]
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a50_a51_whatever_the_carrier_does_ends_in_a_state_and_the_text_is_delivered() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cases = cases(&elsewhere.local_addr().unwrap().to_string());
    let files: Vec<Bytes> = (0..cases.len()).map(|nth| photo(nth, SIZE)).collect();
    for ((name, answers, _), bytes) in cases.iter().zip(&files) {
        let sent = vec![medium("image/jpeg", bytes).answered(answers.clone())];
        assert!(phone.media(OURS.parse().unwrap(), name, sent).await.acknowledged(), "{name}");
    }
    let received = of_kind(&world, &caller, "message.received", cases.len()).await;
    for (event, (name, ..)) in received.iter().zip(&cases) {
        assert_eq!((text(&event["data"]["text"]), text(&event["data"]["media"][0]["state"])), pair(name, "pending"));
    }
    let events = of_kind(&world, &caller, "media.", cases.len()).await;
    for (shown, ((name, answers, expected), bytes)) in
        transcript(&world, &caller).await.iter().zip(cases.iter().zip(&files))
    {
        let of = &shown["media"][0];
        assert_eq!((text(&of["state"]), text(&of["reason"])), pair(expected.state, expected.reason), "{name}: {of}");
        let event = events.iter().find(|event| event["data"]["message_id"] == shown["id"]).unwrap();
        assert_eq!(&event["data"]["medium"], of, "{name}: what is shown was announced");
        if expected.state == "ready" {
            check_served(&world, &text(&of["id"]), "image/jpeg", bytes).await;
        } else {
            assert!(text(&of["detail"]).len() > 20, "{name}: {of}");
        }
        assert_eq!(world.carrier.media_requests(bytes), expected.requests, "{name}: {answers:?}");
    }
    assert_no_connection(&elsewhere).await;
    assert!(world.carrier.record().fetches.iter().all(|fetch| !fetch.leaked_credentials));
    let stored = cases.iter().zip(&files).filter(|((.., expected), _)| expected.state == "ready");
    assert_stored_exactly(&store_of(&world), stored.map(|(_, bytes)| bytes)).await;
}

/// HTTP ends a file where its stated length does, so that is the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_ends_at_its_stated_length_whatever_follows() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let bytes = photo(0, SIZE);
    let sent = vec![medium("image/jpeg", &bytes).answered([MediumAnswer::Length(SIZE - 1_000)])];
    assert!(world.carrier.phone(caller.number).media(OURS.parse().unwrap(), "", sent).await.acknowledged());
    of_kind(&world, &caller, "media.ready", 1).await;
    let id = text(&transcript(&world, &caller).await[0]["media"][0]["id"]);
    check_served(&world, &id, "image/jpeg", &bytes.slice(..SIZE - 1_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_at_an_address_that_is_not_the_carriers_is_never_requested() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = elsewhere.local_addr().unwrap().port();
    let carrier = port(world.carrier.url()).to_owned();
    let path = "/2010-04-01/Accounts/AC11223344556677889900aabbccddeeff/Messages/MM1/Media/ME1";
    let mut urls = vec!["file:///etc/passwd".to_owned(), "nonsense".to_owned(), format!("//127.0.0.1:{other}{path}")];
    for host in [
        format!("127.0.0.1:{other}"),
        format!("localhost:{carrier}"),
        format!("127.0.0.1.:{carrier}"),
        format!("2130706433:{carrier}"),
        format!("0177.0.0.1:{carrier}"),
        format!("0x7f.1:{carrier}"),
        format!("[::ffff:127.0.0.1]:{carrier}"),
        format!("user:pass@127.0.0.1:{carrier}"),
        format!("127.0.0.1:{carrier}@127.0.0.1:{other}"),
        format!("127.0.0.1:{carrier}\\@127.0.0.1:{other}"),
        "169.254.169.254".to_owned(),
    ] {
        urls.push(format!("http://{host}{path}"));
    }
    urls.push(format!("https://127.0.0.1:{carrier}{path}"));
    let connections = world.carrier.connections();
    for url in &urls {
        let sent = vec![medium("image/jpeg", &photo(0, 2_000)).listed_as(ListedAs::Url(url.clone()))];
        assert!(phone.media(OURS.parse().unwrap(), url, sent).await.acknowledged(), "{url}");
    }
    of_kind(&world, &caller, "media.failed", urls.len()).await;
    for (shown, url) in transcript(&world, &caller).await.iter().zip(&urls) {
        assert_eq!((text(&shown["text"]), text(&shown["media"][0]["reason"])), pair(url, "forbidden_address"));
    }
    assert_no_connection(&elsewhere).await;
    assert_eq!(world.carrier.connections(), connections, "nor was the carrier asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a50_of_ten_media_the_bad_one_alone_fails_and_the_same_address_twice_is_two_media() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let files: Vec<Bytes> = (0..10).map(|nth| photo(nth, 5_000)).collect();
    let mut sent: Vec<SentMedium> = files.iter().map(|bytes| medium("image/jpeg", bytes)).collect();
    sent[4] = sent[4].clone().answered([status(404)]);
    assert!(phone.media(OURS.parse().unwrap(), "ten", sent).await.acknowledged());
    let twice = vec![SentMedium::photo(), SentMedium::photo().listed_as(ListedAs::Another(0))];
    assert!(phone.media(OURS.parse().unwrap(), "twice", twice).await.acknowledged());
    let events = of_kind(&world, &caller, "media.", 12).await;
    let sequences: Vec<u64> = events.iter().map(|event| event["call_sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (4..16).collect::<Vec<_>>(), "after the start and both messages, without a gap");
    let shown = transcript(&world, &caller).await;
    for (nth, (of, bytes)) in shown[0]["media"].as_array().unwrap().iter().zip(&files).enumerate() {
        if nth == 4 {
            assert_eq!((text(&of["state"]), text(&of["reason"])), pair("failed", "not_found"));
        } else {
            check_served(&world, &text(&of["id"]), "image/jpeg", bytes).await;
        }
    }
    let both = shown[1]["media"].as_array().unwrap();
    assert_ne!(both[0]["id"], both[1]["id"]);
    for of in both {
        check_served(&world, &text(&of["id"]), "image/jpeg", &SentMedium::photo().bytes).await;
    }
    let good = files.iter().enumerate().filter(|(nth, _)| *nth != 4).map(|(_, bytes)| bytes.clone());
    let good: Vec<Bytes> = good.chain([SentMedium::photo().bytes]).collect();
    assert_stored_exactly(&store_of(&world), &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a51_a_medium_is_announced_in_its_calls_order_after_the_call_has_ended() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let bytes = photo(0, 5_000);
    let sent = vec![
        medium("image/jpeg", &bytes).answered([status(500)]),
        medium("image/jpeg", &bytes).answered([status(500), status(404)]),
    ];
    assert!(world.carrier.phone(caller.number).media(OURS.parse().unwrap(), "look", sent).await.acknowledged());
    let until_the_end = caller.hangs_up(&world).await;
    let (last, message) = (until_the_end.last().unwrap().json(), &until_the_end[1]);
    assert_eq!(
        (&*message.kind, until_the_end.len(), text(&last["type"])),
        ("message.received", 3, "call.ended".to_owned())
    );
    let events = of_kind(&world, &caller, "media.", 2).await;
    let types: Vec<String> = events.iter().map(|event| text(&event["type"])).collect();
    assert_eq!(types, ["media.ready", "media.failed"]);
    let ended_at = last["call_sequence"].as_u64().unwrap();
    assert!(events.iter().all(|event| event["call_sequence"].as_u64().unwrap() > ended_at), "{events:?}");
    let id = text(&transcript(&world, &caller).await[0]["media"][0]["id"]);
    check_served(&world, &id, "image/jpeg", &bytes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_of_a_person_erased_meanwhile_no_medium_is_announced_or_stored() {
    let world = world().await;
    let gateway = world.start().await;
    let (ann, bob) = (on_the_phone(&world).await, on_the_phone(&world).await);
    let (shared, kept, late) = (photo(0, SIZE), photo(1, SIZE), photo(2, 4 * SIZE));
    let slowly = MediumAnswer::Slow { pieces: 40, wait: Duration::from_millis(200) };
    let of_ann = [&shared, &kept].map(|bytes| medium("image/jpeg", bytes));
    send(&world, &ann, of_ann.to_vec()).await;
    of_kind(&world, &ann, "media.ready", 2).await;
    send(&world, &ann, vec![medium("image/jpeg", &late).answered([slowly])]).await;
    let retried = medium("image/jpeg", &photo(3, SIZE)).answered([status(500), status(500)]);
    send(&world, &ann, vec![retried]).await;
    send(&world, &bob, vec![medium("image/jpeg", &shared)]).await;
    of_kind(&world, &bob, "media.ready", 1).await;
    let has_late = || has_bytes(&world.home.data(), &late[..1_000]);
    assert!(soon(has_late).await, "it is looked for where it is");
    let ids: Vec<String> = transcript(&world, &ann).await.iter().map(|shown| text(&shown["media"][0]["id"])).collect();
    ann.hangs_up(&world).await;

    erase(&world, &ann).await;
    assert!(!has_bytes(&world.home.data(), &kept[..1_000]), "what was stored is deleted once it is done");
    // Longer than the slow file and both retries take.
    for _ in 0..14 {
        assert!(!has_late(), "and so is what was on its way");
        nothing_for(Duration::from_millis(500)).await;
    }
    assert_stored_exactly(&store_of(&world), [&shared]).await;
    let events = of_kind(&world, &ann, "media.", 2).await;
    assert_eq!(events.len(), 2, "no more is announced: {events:?}");
    for id in &ids {
        let answer = get(&world, id).await;
        assert_eq!((answer.status, answer.body.contains("media_gone")), (410, true), "{}", answer.body);
    }
    let of_bob = text(&transcript(&world, &bob).await[0]["media"][0]["id"]);
    check_served(&world, &of_bob, "image/jpeg", &shared).await;
    gateway.kill();
    let _gateway = world.start().await;
    nothing_for(Duration::from_secs(1)).await;
    assert_stored_exactly(&store_of(&world), [&shared]).await;
}

/// Sends media; their text is "look".
pub(crate) async fn send(world: &Outside, caller: &OnThePhone, media: Vec<SentMedium>) {
    let phone = world.carrier.phone(caller.number);
    assert!(phone.media(number(OURS), "look", media).await.acknowledged());
}

/// Erases a person, whose last text may still be on its way, and waits until that is done.
async fn erase(world: &Outside, who: &OnThePhone) {
    let request = json!({ "number": who.number.to_string() });
    let until = Instant::now() + SOON;
    let mut id = None;
    loop {
        let answer = match &id {
            None => world.client.ask(Method::POST, "/v1/erasures", Some(&request)).await.unwrap(),
            Some(id) => world.client.ask(Method::GET, &format!("/v1/erasures/{id}"), None).await.unwrap(),
        };
        match answer.text("/state") {
            "done" => return,
            "running" => id = Some(answer.text("/id").to_owned()),
            _ => assert_eq!(answer.code(), "still_texting"),
        }
        assert!(Instant::now() < until, "{}", answer.json);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first `count` events of the call whose type begins so, in its order; more, if there are more.
pub(crate) async fn of_kind(world: &Outside, caller: &OnThePhone, kind: &str, count: usize) -> Vec<Value> {
    let ours = |event: &Delivery| event.kind.starts_with(kind) && event.call_id.as_deref() == Some(&*caller.call);
    let events = world.platform.wait_for_all(count, SOON, ours).await;
    let events = events.unwrap_or_else(|late| panic!("{kind}: {late}\n{}", world.home.log()));
    let mut events: Vec<Value> = events.iter().map(Delivery::json).collect();
    events.sort_by_key(|event| event["call_sequence"].as_u64());
    events
}

/// The messages of the call.
pub(crate) async fn transcript(world: &Outside, caller: &OnThePhone) -> Vec<Value> {
    let path = format!("/v1/calls/{}/messages", caller.call);
    let answer = world.client.ask(Method::GET, &path, None).await.unwrap();
    answer.json["items"].as_array().unwrap().clone()
}

pub(crate) async fn get(world: &Outside, id: &str) -> wire::Answer {
    let token = format!("Authorization: Bearer {TOKEN}");
    wire::ask(world.home.doors.platform, "GET", &format!("/v1/media/{id}"), &[&token], b"").await.unwrap()
}

/// A photo that no other test case has.
pub(crate) fn photo(nth: usize, size: usize) -> Bytes {
    let nth = u32::try_from(nth).unwrap().to_be_bytes();
    file(&[JPEG, &nth].concat(), size)
}

/// The store has these files, no others, and nothing aside, soon.
pub(crate) async fn assert_stored_exactly<'a>(store: &Path, files: impl IntoIterator<Item = &'a Bytes>) {
    let expected: BTreeSet<String> = files.into_iter().map(|bytes| hex(bytes)).collect();
    let until = Instant::now() + SOON;
    loop {
        let found = stored(store);
        if found == expected {
            return;
        }
        assert!(Instant::now() < until, "{found:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn store_of(world: &Outside) -> PathBuf {
    world.home.data().join("media")
}

/// The names of all files below.
pub(crate) fn stored(directory: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(stored(&entry.path()));
        } else {
            names.insert(entry.file_name().into_string().unwrap());
        }
    }
    names
}

/// Whether a file below has these bytes in it.
fn has_bytes(directory: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return has_bytes(&path, bytes);
        }
        // A file may be deleted meanwhile.
        fs::read(&path).is_ok_and(|content| memchr::memmem::find(&content, bytes).is_some())
    })
}

/// Whether it becomes so.
async fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + SOON;
    while !is_so() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_so()
}

async fn assert_no_connection(listener: &TcpListener) {
    let waited = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(waited.is_err(), "somebody connected where nobody may");
}

pub(crate) fn pair(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
