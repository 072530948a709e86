//! What goes on while things break: people who call, text and hang up; agents who answer; a carrier with a bad day.
//!
//! Invariant: clients retry. One that got no answer, or an answer that says to retry, asks again with the same body and
//! key, until the gateway has said what became of it. So everything it was ever asked is either acknowledged or
//! refused for good, and a checker can hold it to that.

use crate::process::{Outside, SOON};
use offhook::model::E164;
use offhook::sim::carrier::{Again, Behaviour, Carrier, CarrierSettings, Kind, Resend};
use offhook::sim::phone::Phone;
use offhook::sim::platform::{ApiAnswer, Client};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Stands in every text, so that a text that turned up where none belongs is found.
pub(crate) const CANARY: &str = "kingfisher";

/// People on the phone, each with an agent: 64 senders.
pub(crate) const CALLERS: usize = 32;

/// Our numbers, each the inbound number of a queue.
const NUMBERS: usize = 4;

/// Entries of each kind in a carrier's record.
const RECORD_MAX: usize = 4_000_000;

/// Texts of each side in a call.
const TEXTS: usize = 4;

/// Of so many callers one says STOP in every second call, and START in the next: among them some whose texts wait for the
/// slow number's limit when they do.
const STOPS_EVERY: usize = 5;

/// Which of a call's texts is that word.
const STOPS_AT: usize = 2;

/// A long text has at most so many letters more. The carriers' door takes bodies of 64 kB, so no text makes a larger frame:
/// 100 kB and more come of batches, which this carrier does not post.
const LETTERS_MAX: usize = 60_000;

/// What the first number may send: less than is asked of it.
const RATE: f64 = 4.0;
const BURST: u32 = 2;

/// How long a text may wait when it is accepted.
const MAX_WAIT_MS: u64 = 5_000;

/// Between two texts of one person.
const THINKS: Duration = Duration::from_millis(60);

/// Between two askings for the same.
const ASKS_AGAIN: Duration = Duration::from_millis(40);

/// The surroundings of a load. The gateway does not run yet.
pub(crate) async fn world() -> Arc<Outside> {
    let resend = Resend { again: Again::Not2xx, attempts_max: u32::MAX, spacing: ASKS_AGAIN };
    world_of(CarrierSettings { resend, ..CarrierSettings::default() }).await
}

/// The same with a carrier of the given behaviour.
pub(crate) async fn world_of(settings: CarrierSettings) -> Arc<Outside> {
    let numbers = (0..NUMBERS).map(ours).collect();
    let settings = CarrierSettings { numbers, record_max: RECORD_MAX, ..settings };
    let world = Outside::new(settings, &directory(&["main"; NUMBERS])).await;
    world.carrier.set_behaviour(bad_day());
    Arc::new(world)
}

/// The same with an account at each carrier that is simulated, of one number each.
pub(crate) async fn mixed_world() -> Arc<Outside> {
    let resend = Resend { again: Again::Not2xx, attempts_max: u32::MAX, spacing: ASKS_AGAIN };
    let settings = Kind::all().enumerate().map(|(nth, kind)| CarrierSettings {
        account: kind.name().to_owned(),
        numbers: vec![ours(nth)],
        resend,
        record_max: RECORD_MAX,
        ..CarrierSettings::of(kind)
    });
    let accounts: Vec<_> = Kind::all().map(Kind::name).collect();
    let mut settings = settings.collect::<Vec<_>>().into_iter();
    let first = settings.next().expect("there is a carrier");
    let (mut world, others) = Outside::with_more(first, settings.collect(), &directory(&accounts)).await;
    world.others = others;
    world.carriers().for_each(|carrier| carrier.set_behaviour(bad_day()));
    Arc::new(world)
}

/// The number that a caller texts, and its carrier.
fn line(world: &Outside, caller: usize) -> (usize, &Carrier) {
    if world.others.is_empty() {
        return (caller % NUMBERS, &world.carrier);
    }
    let nth = caller % (1 + world.others.len());
    (nth, world.carriers().nth(nth).expect("each number has a carrier"))
}

/// A little of everything a carrier does, but nothing that changes who may be texted: that is for callers to say. A request cut before it was read is
/// not among it: of that the carrier's record could not say which message it was.
fn bad_day() -> Behaviour {
    let day = Behaviour::bad_day();
    Behaviour { refuse_code: 30_007, undelivered_code: 30_005, cut_unread: 0.0, receipts_missing: 0.01, ..day }
}

/// A queue with a number for each of these accounts. One number is so slow that its limit counts, the others are not. Their labels are what
/// nobody who watches may read.
fn directory(accounts: &[&str]) -> Value {
    let (mut numbers, mut queues) = (json!({}), json!({}));
    for (nth, account) in accounts.iter().enumerate() {
        let (rate, burst) = if nth == 0 { (RATE, BURST) } else { (60.0, 30) };
        numbers[ours(nth).to_string()] = json!({
            "label": format!("Line {}", ours(nth)), "account": account,
            "limits": { "segments_per_second": rate, "burst": burst },
            "verification": { "state": "verified", "sms": true, "mms": true }
        });
        queues[queue(nth)] = json!({ "name": queue(nth), "inbound_numbers": [ours(nth).to_string()] });
    }
    let text = |text: &str| json!({ "en": format!("{CANARY}: {text}") });
    json!({
        "settings": {
            "in_call_sms": true,
            "max_wait_ms": MAX_WAIT_MS,
            "closing": { "enabled": true, "texts": text("this conversation has ended") },
            "auto_reply": { "enabled": true, "texts": text("nobody reads this") },
        },
        "numbers": numbers,
        "queues": queues,
        "presets": { "en": { "welcome": { "label": "Welcome", "text": format!("{CANARY}: you can text me here") } } },
        "opt_outs": [],
    })
}

/// Our numbers.
pub(crate) fn ours(nth: usize) -> E164 {
    format!("+120655501{nth:02}").parse().unwrap()
}

/// A caller's number.
pub(crate) fn theirs(nth: usize) -> E164 {
    format!("+141555501{nth:02}").parse().unwrap()
}

fn queue(nth: usize) -> String {
    format!("queue-{nth}")
}

/// Every number there is, as digits.
pub(crate) fn numbers() -> Vec<String> {
    let all = (0..NUMBERS.max(Kind::all().count())).map(ours).chain((0..CALLERS).map(theirs));
    all.map(|number| number.to_string().trim_start_matches("+1").to_owned()).collect()
}

/// What the gateway has promised, as those who asked it remember it.
#[derive(Default)]
pub(crate) struct Promised {
    /// Calls whose end it has acknowledged.
    pub ended: Vec<String>,
    /// The message that each key stands for.
    pub by_key: HashMap<String, String>,
    /// Texts it has acknowledged.
    pub acknowledged: usize,
}

/// A load at work.
pub(crate) struct Load {
    stop: CancellationToken,
    people: JoinSet<()>,
    promised: Arc<Mutex<Promised>>,
}

impl Load {
    /// Everybody begins, whether the gateway runs or not.
    pub(crate) fn start(world: &Arc<Outside>) -> Self {
        Self::with_letters(world, 0)
    }

    /// The same, and some callers write at length.
    pub(crate) fn of_long_texts(world: &Arc<Outside>) -> Self {
        Self::with_letters(world, LETTERS_MAX)
    }

    fn with_letters(world: &Arc<Outside>, letters_max: usize) -> Self {
        let (stop, promised) = (CancellationToken::new(), Arc::new(Mutex::new(Promised::default())));
        let mut people = JoinSet::new();
        for nth in 0..CALLERS {
            let (line, carrier) = line(world, nth);
            let phone = carrier.phone(theirs(nth));
            let (world, promised) = (Arc::clone(world), Arc::clone(&promised));
            let caller = Caller { nth, line, phone, letters_max, world, promised };
            let stop = stop.clone();
            people.spawn(async move {
                let mut call = 0;
                while !stop.is_cancelled() {
                    caller.calls(call).await;
                    call += 1;
                }
            });
        }
        Self { stop, people, promised }
    }

    /// Everybody ends the call they are in, with the gateway's answers to all they asked.
    pub(crate) async fn end(mut self) -> Promised {
        self.stop.cancel();
        while let Some(ended) = self.people.join_next().await {
            ended.expect("every answer was expected");
        }
        std::mem::take(&mut *self.promised.lock().unwrap())
    }
}

/// Somebody on the phone, and the agent at the other end.
struct Caller {
    nth: usize,
    /// Which of our numbers they text.
    line: usize,
    phone: Phone,
    letters_max: usize,
    world: Arc<Outside>,
    promised: Arc<Mutex<Promised>>,
}

impl Caller {
    async fn calls(&self, nth: usize) {
        let call = &*format!("c-{}-{nth}", self.nth);
        let client = &self.world.client;
        let body = json!({ "caller": self.phone.number().to_string(), "queue": queue(self.line), "agent": "a-1" });
        let begun = insist(client, call, Ask::Put(&body)).await;
        assert!(matches!(begun.status, 200 | 201), "a call was refused with {} {}", begun.status, begun.code());
        tokio::join!(self.texts(self.says(nth)), self.agent(call));
        let ended = insist(client, call, Ask::End).await;
        assert_eq!(ended.status, 200, "an end was refused with {}", ended.code());
        self.promised.lock().unwrap().ended.push(call.to_owned());
        self.text("after the hang-up").await;
    }

    /// The word that this caller says in a call of theirs.
    fn says(&self, nth: usize) -> Option<&'static str> {
        self.nth.is_multiple_of(STOPS_EVERY).then_some(if nth.is_multiple_of(2) { "STOP" } else { "START" })
    }

    async fn texts(&self, word: Option<&str>) {
        for nth in 0..TEXTS {
            match word.filter(|_| nth == STOPS_AT) {
                Some(word) => self.post(word).await,
                None => self.text(&format!("number {nth}")).await,
            }
            tokio::time::sleep(THINKS).await;
        }
    }

    async fn text(&self, text: &str) {
        self.post(&self.phone.marked(&format!("{CANARY} {text} {}", self.letters()))).await;
    }

    /// Returns when the carrier got its acknowledgement.
    async fn post(&self, text: &str) {
        let webhook = self.phone.text(ours(self.line), text).await;
        assert!(webhook.acknowledged(), "the carrier repeats until it is acknowledged");
        self.promised.lock().unwrap().acknowledged += 1;
    }

    /// More to read, of any length.
    fn letters(&self) -> String {
        let acknowledged = self.promised.lock().unwrap().acknowledged;
        "x".repeat((acknowledged * 7_919 + self.nth * 104_729) % (self.letters_max + 1))
    }

    async fn agent(&self, call: &str) {
        for nth in 0..TEXTS {
            let body = match nth {
                0 => json!({ "preset": "welcome", "agent": "a-1" }),
                _ => json!({ "text": format!("{CANARY} {call} number {nth}"), "agent": "a-1" }),
            };
            let key = format!("{call}-{nth}");
            self.send(call, &key, &body).await;
            tokio::time::sleep(THINKS).await;
            // A client that may have lost an answer asks once more, perhaps after a restart.
            if nth == 1 {
                self.send(call, &key, &body).await;
            }
        }
    }

    async fn send(&self, call: &str, key: &str, body: &Value) {
        let client = self.world.client.with_key(key);
        let answer = insist(&client, call, Ask::Send(body)).await;
        // A rate limit is an answer too, and so is an opt-out.
        let stopped = self.says(0).is_some() && matches!(answer.code(), "opted_out" | "session_closed");
        if answer.status == 429 || stopped {
            return;
        }
        assert_eq!(answer.status, 202, "a send was refused with {}", answer.code());
        let id = answer.text("/id").to_owned();
        let known = self.promised.lock().unwrap().by_key.insert(key.to_owned(), id.clone());
        assert!(known.as_ref().is_none_or(|known| *known == id), "one key, two messages: {known:?} and {id}");
    }
}

/// What is asked of the gateway for a call.
enum Ask<'a> {
    Put(&'a Value),
    Send(&'a Value),
    End,
}

/// Asks until the gateway has said what became of it.
async fn insist(client: &Client, call: &str, ask: Ask<'_>) -> ApiAnswer {
    let until = Instant::now() + SOON * 2;
    loop {
        let answer = match ask {
            Ask::Put(body) => client.put_call(call, body).await,
            Ask::Send(body) => client.send(call, body).await,
            Ask::End => client.end_call(call, "agent_hangup").await,
        };
        if let Some(answer) = answer.ok().filter(|answer| !come_again(answer)) {
            return answer;
        }
        assert!(Instant::now() < until, "no answer for a minute");
        tokio::time::sleep(ASKS_AGAIN).await;
    }
}

fn come_again(answer: &ApiAnswer) -> bool {
    matches!(answer.status, 503 | 504) || answer.code() == "idempotency_in_progress"
}
