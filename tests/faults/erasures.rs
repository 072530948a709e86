//! An erasure that is killed at any moment or system call: the next start completes it, and others lose nothing.

use crate::kills::Moments;
use crate::load::{ours, theirs, world};
use crate::process::{Gateway, Outside, SOON, offhook, said, wire};
use crate::stopped::{Kept, keep};
use crate::strace::{Armed, Doings, Fault, Site, can_be_traced, was_killed};
use crate::{snapshots, starts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::Method;
use offhook::machine::command::Command;
use offhook::machine::keys::encode_row;
use offhook::model::{Address, E164, Inbound, InboundItem};
use offhook::sim::carrier::{AUTH_TOKEN, Behaviour, CarrierSettings};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use sha1::Sha1;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often an erasure is killed before its end. `OFFHOOK_ERASURES` names another count, of system calls, too.
const KILLS: usize = 4;

/// System calls of an erasure at which it is killed, spread over all there are.
const CALLS: usize = 5;

/// A kill comes so long after the request at most, as a multiple of what an erasure takes that is left alone.
const LATE: f64 = 1.1;

/// Who is erased, who stays, and who texts meanwhile.
const ANN: usize = 3;
const BOB: usize = 5;
const CAROL: usize = 7;

/// A word in every text from and to Ann, and in no other; and one that forms write in another way.
const CANARY: &str = "nightingale";
const ACCENTED: &str = "rossignol élégant";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_an_erasure_that_is_killed_at_any_moment_is_completed_by_the_next_start() {
    let story = Story::new().await;
    let took = story.undisturbed(None).await;
    let (mut moments, mut unfinished) = (Moments::new(0x0ff4_0012), 0);
    let mut below = ((took.as_secs_f64() * LATE * 1e3) as u64).max(2);
    let kills = kills().unwrap_or(KILLS);
    for nth in 0..kills * 4 {
        let gateway = story.again().await;
        let carol = Carol::begins(&story.world);
        let id = story.request().await;
        moments.wait(below).await;
        gateway.kill();
        // Every third is killed at its next start as well, which completes it.
        if nth % 3 == 2 {
            let starting = story.world.home.start();
            moments.wait(below).await;
            starting.kill();
        }
        if traces(&story.world.home.data()).is_empty() {
            // A machine that was busy before may be faster now: the next comes earlier.
            below = (below / 2).max(2);
        } else {
            unfinished += 1;
        }
        story.completes(&id).await;
        carol.lost_nothing(&story.world).await;
        if unfinished == kills {
            break;
        }
    }
    println!("{unfinished} kills before the end, the last within {below} ms");
    assert!(unfinished > 0, "no kill came before the end, not even within {below} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_an_erasure_that_is_killed_at_any_system_call_is_completed_by_the_next_start() {
    if !can_be_traced("f04, an erasure") {
        return;
    }
    let story = Story::new().await;
    let mut doings = Doings::default();
    story.undisturbed(Some(&mut doings)).await;
    let all = doings.sites();
    assert!(all.len() > 20, "an erasure does more than that: {all:?}");
    let tried = starts::spread(&all, kills().unwrap_or(CALLS));
    let mut not_hit = Vec::new();
    for site in &tried {
        println!("killed at {} {}", site.call, site.nth);
        if !story.killed_at(&doings, site).await {
            not_hit.push(site);
        }
    }
    println!("killed at {} of {} calls, of which {not_hit:?} were not come to", tried.len(), all.len());
    // Which thread makes a call is not always the same.
    assert!(not_hit.len() * 2 <= tried.len(), "{not_hit:?} of {} calls were not come to", tried.len());
}

fn kills() -> Option<usize> {
    std::env::var("OFFHOOK_ERASURES").ok().map(|text| text.parse().expect("OFFHOOK_ERASURES is a count"))
}

/// Data with a snapshot from the middle of a call of Ann's, segments after it, and what all saw of Bob.
struct Story {
    world: Arc<Outside>,
    kept: Kept,
    bob: Vec<Value>,
}

impl Story {
    async fn new() -> Self {
        let world = world().await;
        world.carrier.set_behaviour(Behaviour::default());
        snapshots::days_of(&world, days_before());
        let gateway = world.start().await;
        for (nth, word) in [(ANN, CANARY), (BOB, "sparrow")] {
            talk(&world, nth, word).await;
        }
        quarantined(&world).await;
        world.carrier.wait_for_receipts(SOON).await.unwrap();
        world.platform.wait_for(SOON, |event: &Delivery| event.kind == "quarantine.added").await.unwrap();
        let bob = seen_of_bob(&world).await;
        assert_eq!(gateway.terminate().await.code(), Some(0));
        let found = traces(&world.home.data());
        let of = |part: &str| found.iter().any(|(path, _)| path.to_string_lossy().contains(part));
        assert!(of("/journal/") && of("/snapshots/") && of("/index/"), "it is looked for where it is: {found:?}");
        let kept = keep(&world);
        Self { world, kept, bob }
    }

    /// A gateway on the data as it was before any erasure.
    async fn again(&self) -> Gateway {
        self.kept.put_back();
        self.world.start().await
    }

    /// An erasure that nothing disturbs, noted by strace; returns how long it took.
    async fn undisturbed(&self, doings: Option<&mut Doings>) -> Duration {
        let gateway = self.again().await;
        let erased = async || {
            let began = Instant::now();
            let id = self.request().await;
            self.done(&id).await;
            began.elapsed()
        };
        let took = match doings {
            Some(doings) => doings.note(&self.world.home, gateway, erased).await,
            None => erased().await,
        };
        assert_eq!(traces(&self.world.home.data()), []);
        took
    }

    /// Returns whether the erasure came to this call.
    async fn killed_at(&self, doings: &Doings, site: &Site) -> bool {
        let mut gateway = self.again().await;
        let armed = Armed::with(&self.world.home, &gateway, &doings.paths(), Fault::Kill, site).await;
        let until = Instant::now() + SOON;
        let asked = self.try_to_request().await;
        let came = loop {
            match (gateway.ended(), &asked) {
                (Some(status), _) => {
                    assert!(was_killed(status), "{status}: {}", self.world.home.log());
                    break true;
                }
                (None, Some(id)) if self.state(id).await.as_deref() == Some("done") => break false,
                (None, _) => assert!(Instant::now() < until, "{}", self.world.home.log()),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        drop(armed);
        gateway.kill();
        if let Some(id) = asked {
            self.completes(&id).await;
        } else {
            // It was killed before it answered, so the client asks once more.
            let gateway = self.world.start().await;
            let id = self.request().await;
            self.done(&id).await;
            gateway.kill();
            self.completes(&id).await;
        }
        came
    }

    /// The next start completes the erasure; nothing is left of Ann, and everything of Bob.
    async fn completes(&self, id: &str) {
        let gateway = self.world.start().await;
        self.done(id).await;
        assert_eq!(traces(&self.world.home.data()), [], "{}", self.world.home.log());
        let call = self.world.client.call(&format!("c-{ANN}")).await.unwrap();
        assert_eq!((call.status, call.text("/state"), &call.json["caller"]), (200, "ended", &Value::Null));
        let events = self.world.client.events(None, 500).await.unwrap().json.to_string();
        assert!(!events.contains(CANARY) && !events.contains(&digits(ANN)), "pulled events are without her");
        assert_eq!(seen_of_bob(&self.world).await, self.bob, "others have what they had");
        let verified = offhook(&["journal", "verify", self.world.home.data().to_str().unwrap()]);
        assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
        gateway.kill();
        assert_eq!(traces(&self.world.home.data()), []);
    }

    async fn request(&self) -> String {
        self.try_to_request().await.expect("it answers")
    }

    /// The id of the erasure; `None` if the gateway ended before it answered.
    async fn try_to_request(&self) -> Option<String> {
        let body = json!({ "number": theirs(ANN).to_string() });
        let begun = self.world.client.ask(Method::POST, "/v1/erasures", Some(&body)).await.ok()?;
        assert_eq!(begun.status, 202, "{}", begun.json);
        Some(begun.text("/id").to_owned())
    }

    async fn state(&self, id: &str) -> Option<String> {
        let erasure = self.world.client.ask(Method::GET, &format!("/v1/erasures/{id}"), None).await.ok()?;
        Some(erasure.text("/state").to_owned())
    }

    async fn done(&self, id: &str) {
        let until = Instant::now() + SOON;
        loop {
            match self.state(id).await.as_deref() {
                Some("done") => return,
                state => assert_eq!(state, Some("running"), "{}", self.world.home.log()),
            }
            assert!(Instant::now() < until, "it runs on:\n{}", self.world.home.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The calls of days before, with texts, which are in segments that are folded: Ann is on the phone still.
fn days_before() -> Vec<Command> {
    let call = |nth: usize| snapshots::put_call(nth);
    let text = |from: usize, nth: usize, words: &str| Command::InboundItem {
        account: "main".to_owned(),
        item: InboundItem::Message(Inbound {
            carrier_id: format!("SM{from:016x}{nth:016x}"),
            from: Address::Number(theirs(from)),
            to: Address::Number(ours(0)),
            text: format!("{words} {nth}"),
            media: Vec::new(),
            segments: Some(1),
            keyword: None,
            part: None,
        }),
    };
    let ann = (0..4).map(|nth| text(ANN, nth, CANARY));
    let bob = (0..12).map(|nth| text(BOB, nth, "sparrow"));
    [call(ANN), call(BOB), call(CAROL)].into_iter().chain(ann).chain(bob).collect()
}

/// A text each way in the call of the days before, which then ends.
async fn talk(world: &Outside, nth: usize, word: &str) {
    let (phone, call) = (world.carrier.phone(theirs(nth)), format!("c-{nth}"));
    // Bob's texts stay, so they have nothing of hers.
    let words = if nth == ANN { format!("{word} {ACCENTED}") } else { word.to_owned() };
    let sent = world.client.send_text(&call, &words, "a-1").await.unwrap();
    assert_eq!(sent.status, 202, "{}", sent.json);
    phone.wait_for_text(SOON, |text| text.starts_with(word)).await.unwrap();
    assert!(phone.text(ours(0), &words).await.acknowledged());
    assert_eq!(world.client.end_call(&call, "agent_hangup").await.unwrap().status, 200);
    phone.wait_for_text(SOON, |text| text.contains("this conversation has ended")).await.unwrap();
    // A second kind of what is said after a call.
    assert!(phone.text(ours(0), &format!("{word} late")).await.acknowledged());
    phone.wait_for_text(SOON, |text| text.contains("nobody reads this")).await.unwrap();
}

/// A webhook from Ann that cannot be read, because it is of another account: it is kept as it came.
async fn quarantined(world: &Outside) {
    const PATH: &str = "/carriers/main/messages";
    let (from, to) = (theirs(ANN).to_string(), ours(0).to_string());
    let words = format!("{CANARY} {ACCENTED}");
    let fields = [
        ("AccountSid", "ACfeedfacefeedfacefeedfacefeedface"),
        ("Body", words.as_str()),
        ("From", from.as_str()),
        ("MessageSid", "SMfeedfacefeedfacefeedfacefeedface"),
        ("NumMedia", "0"),
        ("To", to.as_str()),
    ];
    let account = CarrierSettings::default();
    let signed = fields.iter().fold(format!("{}{PATH}", account.public_url), |all, (name, value)| all + name + value);
    let mut mac = Hmac::<Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = format!("X-Twilio-Signature: {}", STANDARD.encode(mac.finalize().into_bytes()));
    let form = "Content-Type: application/x-www-form-urlencoded";
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let answer =
        wire::ask(world.home.doors.carriers, "POST", PATH, &[form, &signature], body.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Bob's call, its texts and all its events, as the platform can read them.
async fn seen_of_bob(world: &Outside) -> Vec<Value> {
    let call = format!("c-{BOB}");
    let get = async |path: &str| {
        let answer = world.client.ask(Method::GET, path, None).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        answer.json
    };
    let mut seen = vec![get(&format!("/v1/calls/{call}")).await, get(&format!("/v1/calls/{call}/messages")).await];
    assert!(seen[1]["items"].as_array().is_some_and(|items| items.len() > 13), "{}", seen[1]);
    let events = get("/v1/events?limit=500").await;
    let of_bob = |event: &&Value| event["call_id"] == json!(call) || event.to_string().contains(&digits(BOB));
    seen.extend(events["items"].as_array().unwrap().iter().filter(of_bob).cloned());
    assert!(seen.len() > 15, "{seen:?}");
    seen
}

/// Somebody who texts all the time, in a call.
struct Carol {
    stop: Arc<AtomicBool>,
    texts: JoinHandle<usize>,
}

impl Carol {
    fn begins(world: &Arc<Outside>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (phone, stopped) = (world.carrier.phone(theirs(CAROL)), Arc::clone(&stop));
        let texts = tokio::spawn(async move {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                // This carrier repeats until it is acknowledged.
                assert!(phone.text(ours(0), &format!("wren {count}")).await.acknowledged());
                count += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            count
        });
        Self { stop, texts }
    }

    async fn lost_nothing(self, world: &Outside) {
        let gateway = world.start().await;
        self.stop.store(true, Ordering::Relaxed);
        let count = self.texts.await.unwrap();
        let call = world.client.call(&format!("c-{CAROL}")).await.unwrap();
        assert!(count > 0);
        assert_eq!((call.text("/state"), &call.json["usage"]["received"]), ("active", &json!(count)), "{}", call.json);
        gateway.kill();
    }
}

fn digits(nth: usize) -> String {
    theirs(nth).to_string().trim_start_matches("+1").to_owned()
}

/// Files with something of Ann in them, and what: her number in any form, or words of hers as they are or in a form.
fn traces(directory: &Path) -> Vec<(PathBuf, &'static str)> {
    let ann: E164 = theirs(ANN);
    let form: String = form_urlencoded::byte_serialize(ACCENTED.as_bytes()).collect();
    let forms = [
        ("digits", digits(ANN).into_bytes()),
        ("number", ann.to_string().into_bytes()),
        ("encoded", encode_row(&ann)),
        ("key", ann.key().to_vec()),
        ("word", CANARY.as_bytes().to_vec()),
        ("text", ACCENTED.as_bytes().to_vec()),
        ("text in a URL", ACCENTED.replace(' ', "%20").replace('é', "%C3%A9").into_bytes()),
        ("text in a form", form.into_bytes()),
    ];
    let mut traces = Vec::new();
    for path in files(directory) {
        // A gateway at work writes some files aside, and deletes them again.
        let mut bytes = match fs::read(&path) {
            Err(gone) if gone.kind() == ErrorKind::NotFound => continue,
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
    let entries = match fs::read_dir(directory) {
        Err(gone) if gone.kind() == ErrorKind::NotFound => return Vec::new(),
        read => read.unwrap().map(|entry| entry.unwrap().path()),
    };
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
