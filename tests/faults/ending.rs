//! How a run is judged: everything drains, then the one checker looks at what everybody saw.

use crate::attempts;
use crate::load::{CALLERS, CANARY, Promised, numbers};
use crate::process::{Gateway, Outside, TOKEN, nothing_for};
use offhook::journal::{FileJournal, Journal as _, Options};
use offhook::machine::event::Event;
use offhook::machine::record;
use offhook::model::{E164, Position};
use offhook::sim::carrier::{ACCOUNT_SID, AUTH_TOKEN, Carrier, CarrierRecord, News};
use offhook::sim::checker::{self, Violation};
use offhook::sim::platform::{AcceptedSend, Delivery, PlatformSettings};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long everything may take to drain once faults have stopped: the longest life of a system text is a minute.
const DRAINS_IN: Duration = Duration::from_secs(90);

/// Webhooks the carrier posts once more at the end, word for word.
const REPEATED: usize = 64;

/// What a run was, in numbers.
#[derive(Debug)]
#[expect(dead_code, reason = "it is there to be printed, all of it")]
pub(crate) struct Summary {
    texts_acknowledged: usize,
    webhooks: usize,
    events: usize,
    deliveries: usize,
    sends: usize,
    posts: usize,
    calls_ended: usize,
    /// Attempts cut off by a kill, of which the gateway cannot know what became. They are not repeated.
    unknown: usize,
    /// Those of them that the carrier never read.
    unread: usize,
}

/// Waits until nothing is broken any more that draining may mend, and panics with what is left. The gateway runs.
pub(crate) async fn judge(world: &Outside, promised: &Promised, kills: usize) -> Summary {
    repeat_some(world).await;
    let until = Instant::now() + DRAINS_IN;
    while !violations(world, promised).await.0.is_empty() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Duplicates come late: wait a moment, and check once more.
    nothing_for(Duration::from_secs(1)).await;
    let (violations, summary) = violations(world, promised).await;
    let shown: Vec<_> = violations.iter().take(20).map(|violation| format!("{violation}")).collect();
    assert!(violations.is_empty(), "{} promises were broken:\n{}\n{summary:?}", violations.len(), shown.join("\n"));
    // A kill cuts off what is in the air: at most a text to each caller and one of the call before. Nothing else may.
    assert!(summary.unknown <= kills * 2 * CALLERS, "{} attempts are unknown after {kills} kills", summary.unknown);
    no_canary("the log", &world.home.log());
    summary
}

/// The carrier repeats what was acknowledged long ago (G5).
async fn repeat_some(world: &Outside) {
    for carrier in world.carriers() {
        let record = carrier.record();
        let every = record.webhooks.len() / REPEATED + 1;
        for webhook in record.webhooks.iter().filter(|webhook| webhook.acknowledged()).step_by(every) {
            let repeated = carrier.repeat(webhook).await;
            assert!(repeated.acknowledged(), "a repeat was not acknowledged: {:?}", repeated.answers);
        }
    }
}

/// What the journal says of attempts: none after STOP, none over a limit (I7, I8). The gateway has stopped.
#[track_caller]
pub(crate) fn judge_the_journal(world: &Outside) {
    const BYTES: usize = 1 << 20;
    let journal = FileJournal::open(&world.home.data().join("journal"), Options::default()).unwrap().reader();
    let (mut next, end) = journal.bounds();
    let mut stories = Vec::new();
    while next < end {
        for frame in journal.read(next, BYTES).unwrap() {
            next = Position(frame.position.0 + 1);
            stories.push(record::decode(frame.position, &frame.meta, frame.bodies).unwrap());
        }
    }
    assert!(stories.len() > 100, "there is hardly anything in the journal");
    let said = |word: fn(&Event) -> bool| attempts::facts(&stories).filter(|(_, event)| word(event)).count();
    let stops = said(|event| matches!(event, Event::OptedOut { .. }));
    let starts = said(|event| matches!(event, Event::OptedIn { .. }));
    let paused = said(|event| matches!(event, Event::AccountPaused { .. }));
    println!("in the journal: {stops} STOP and {starts} START, and the account was paused {paused} times");
    assert!(stops > 0, "no caller sent STOP, so opt-outs are not shown");
    let violations = attempts::check(&stories);
    assert!(
        violations.is_empty(),
        "{} promises were broken: {:?}",
        violations.len(),
        &violations[..violations.len().min(20)]
    );
}

/// Memory, descriptors and disk after all that (I9).
#[track_caller]
pub(crate) fn stays_within_its_caps(gateway: &Gateway, world: &Outside) {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap().count();
    let disk_mb = bytes_below(&world.home.data()) >> 20;
    let resident_mb = gateway.resident_kb() >> 10;
    println!("{resident_mb} MB resident, {descriptors} descriptors, {disk_mb} MB on the disk");
    // One segment of the journal is reserved, and another after a torn end.
    assert!(resident_mb < 400 && descriptors < 1_000 && disk_mb < 512);
}

fn bytes_below(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let bytes = entries.map(|entry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => bytes_below(&entry.path()),
        metadata => metadata.blocks() * 512,
    });
    bytes.sum()
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Promise(#[from] Violation),
    #[error("the end of {0} was acknowledged and never delivered")]
    EndLost(String),
    #[error("{0} events came with a bad signature")]
    BadSignatures(usize),
    #[error("{0} requests to the carrier were malformed")]
    Malformed(usize),
    #[error("the agent's texts of {0} reached the carrier in another order")]
    Overtaken(String),
}

async fn violations(world: &Outside, promised: &Promised) -> (Vec<Broken>, Summary) {
    let sends = states(world).await;
    let (carriers, platform) = (world.carriers().map(Carrier::record).collect::<Vec<_>>(), world.platform.record());
    let mut broken = Vec::new();
    if !platform.refused.is_empty() {
        broken.push(Broken::BadSignatures(platform.refused.len()));
    }
    let malformed: usize = carriers.iter().map(|carrier| carrier.malformed.len()).sum();
    if malformed > 0 {
        broken.push(Broken::Malformed(malformed));
    }
    let ends: HashSet<&str> = platform
        .deliveries
        .iter()
        .filter(|delivery| delivery.taken && delivery.kind == "call.ended")
        .filter_map(|delivery| delivery.call_id.as_deref())
        .collect();
    let lost = promised.ended.iter().filter(|call| !ends.contains(call.as_str()));
    broken.extend(lost.map(|call| Broken::EndLost(call.clone())));

    broken.extend(carriers.iter().flat_map(overtaken).map(Broken::Overtaken));

    let mut summary = Summary {
        texts_acknowledged: promised.acknowledged,
        webhooks: carriers.iter().map(|carrier| carrier.webhooks.len()).sum(),
        events: platform.deliveries.iter().map(|delivery| &delivery.id).collect::<HashSet<_>>().len(),
        deliveries: platform.deliveries.len(),
        sends: sends.len(),
        posts: carriers.iter().map(|carrier| carrier.posts.len()).sum(),
        calls_ended: promised.ended.len(),
        unknown: 0,
        unread: 0,
    };
    // A receipt that names the carrier's id only finds its message once the carrier's answer did, which a kill may cut off.
    let naming = world.carriers().filter(|carrier| carrier.receipts_name_messages()).map(Carrier::record);
    let settled: HashSet<String> = naming.flat_map(|record| settled_by_receipt(&record)).collect();
    let posts = carriers.iter().flat_map(|carrier| &carrier.posts);
    let posted: HashSet<String> = posts.filter_map(|post| post.message_id.clone()).collect();
    let mut seen = checker::Observed::new(carriers, platform, sends);
    seen.receipts_may_be_due = true;
    for violation in checker::check(&seen) {
        match &violation {
            // Killed between the record of the attempt and the carrier's answer to it: whether anything was written, and
            // the answer is unknown. It waits for a receipt and becomes `unconfirmed` after ten minutes.
            Violation::NeverEnded { message, state: Some(state) }
                if state == "sending" && !settled.contains(message) =>
            {
                summary.unknown += 1;
                summary.unread += usize::from(!posted.contains(message));
            }
            _ => broken.push(violation.into()),
        }
    }
    (broken, summary)
}

/// Calls of whose texts a later one went to the carrier first. An agent waits for each to be accepted, and says in it
/// which of the call's it is.
fn overtaken(carrier: &CarrierRecord) -> impl Iterator<Item = String> {
    let mut last: HashMap<(E164, &str), u32> = HashMap::new();
    let mut seen = HashSet::new();
    let mut overtaken = BTreeSet::new();
    for post in carrier.posts.iter().filter(|post| seen.insert(post.message_id.as_deref())) {
        let Some((call, nth)) = post.text.split_once(" number ") else { continue };
        let nth = nth.parse().expect("agents count");
        if last.insert((post.to, call), nth).is_some_and(|before| before > nth) {
            overtaken.insert(call.to_owned());
        }
    }
    overtaken.into_iter()
}

/// Messages of which the gateway has acknowledged how they ended.
fn settled_by_receipt(carrier: &CarrierRecord) -> HashSet<String> {
    let acknowledged = carrier.webhooks.iter().filter(|webhook| webhook.genuine && webhook.acknowledged());
    acknowledged
        .filter_map(|webhook| match &webhook.news {
            News::Receipt { status: "delivered" | "undelivered" | "failed", message_id, .. } => message_id.clone(),
            News::Receipt { .. } | News::Text { .. } => None,
        })
        .collect()
}

/// Accepted sends, and the gateway's own texts that were delivered as events, with the states the gateway shows now.
/// Many are asked for at once.
async fn states(world: &Outside) -> Vec<AcceptedSend> {
    const ASKERS: usize = 8;
    let delivered = world.platform.record().deliveries;
    let delivered = delivered.iter().filter(|delivery| delivery.kind == "message.queued").map(Delivery::json);
    let delivered = delivered.filter_map(|event| event["data"]["id"].as_str().map(str::to_owned));
    let ids: BTreeSet<String> = world.client.accepted().into_iter().map(|send| send.id).chain(delivered).collect();
    let ids: Vec<String> = ids.into_iter().collect();
    let mut asking = JoinSet::new();
    for ids in ids.chunks(ids.len().div_ceil(ASKERS).max(1)) {
        let (client, ids) = (world.client.clone(), ids.to_vec());
        asking.spawn(async move {
            let mut sends = Vec::with_capacity(ids.len());
            for id in ids {
                let answer = client.message(&id).await.expect("the gateway runs");
                assert_eq!(answer.status, 200, "{id} is {}", answer.code());
                sends.push(AcceptedSend { id, state: Some(answer.text("/state").to_owned()) });
            }
            sends
        });
    }
    asking.join_all().await.concat()
}

/// No number, text, token or secret of the run stands in what was written for people (I10, G38).
#[track_caller]
pub(crate) fn no_canary(what: &str, output: &str) {
    let secrets = PlatformSettings::default().secrets;
    let basic = base64(&format!("{ACCOUNT_SID}:{AUTH_TOKEN}"));
    let mut canaries = numbers();
    canaries.extend([CANARY.to_owned(), TOKEN.to_owned(), AUTH_TOKEN.to_owned(), basic]);
    canaries.extend(secrets.iter().map(|secret| secret.trim_start_matches("whsec_").to_owned()));
    let found = output.lines().filter(|line| canaries.iter().any(|canary| line.contains(canary.as_str())));
    let found: Vec<_> = found.take(5).collect();
    assert!(found.is_empty(), "{what} tells of people:\n{}", found.join("\n"));
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
