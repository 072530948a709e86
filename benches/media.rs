//! Media from webhook to store, over HTTP: `cargo bench --bench media`.
//!
//! Runs the real binary beside a carrier that redirects to its storage, as Twilio does, and gives out files of any size.
//! Measured are the memory of eight fetches of 5 MiB, 1,000 media that are pending at a restart, 50 media a second, and
//! what fetching costs the acknowledgements of webhooks, in rounds with and without media that take turns. Eight media
//! are fetched at once and two of an account, so there are four accounts where eight are meant. `--quick` makes it
//! small; `memory`, `restart`, `sustained` and `beside` choose parts; `OFFHOOK_BENCH_DIR` chooses the disk.

#[path = "media/carrier.rs"]
mod carrier;
#[path = "gateway/gateway.rs"]
#[allow(dead_code, unreachable_pub, reason = "benches use different parts of it")]
mod gateway;
#[path = "media/platform.rs"]
mod platform;

use carrier::{Carrier, Pace};
use gateway::{API_TOKEN, Failed, Gateway, PATIENCE, Setup, account_sid, exchange, request, webhook};
use platform::Platform;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Accounts with which eight media are fetched at once.
const ACCOUNTS: usize = 4;

/// Callers on the phone; each message is of the next one.
const CALLS: usize = 200;

/// Connections over which messages come.
const CONNECTIONS: usize = 16;

/// A photo as phones send it by MMS.
const PHOTO_BYTES: usize = 300_000;

/// The largest medium that is kept (A50).
const LARGEST_BYTES: usize = 5 * 1024 * 1024;

/// Media a second.
const MEDIA_RATE: f64 = 50.0;

/// Texts a second whose acknowledgements are measured.
const TEXT_RATE: f64 = 500.0;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let parts: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let is_chosen = |part: &str| parts.is_empty() || parts.iter().any(|chosen| *chosen == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if is_chosen("memory") {
            println!("goal: under 2 MiB of memory for each fetch");
            for pace in [Pace::Full, Pace::Slow] {
                memory(pace, if quick { 16 } else { 64 }).await?;
            }
        }
        if is_chosen("restart") {
            println!("goal: 1,000 pending media are fetched within a minute of a restart");
            for accounts in [ACCOUNTS, 1] {
                restart(accounts, if quick { 100 } else { 1_000 }).await?;
            }
        }
        if is_chosen("sustained") {
            println!("goal: 50 media a second, sustained");
            for accounts in [ACCOUNTS, 1] {
                sustained(accounts, if quick { 2.0 } else { 60.0 }).await?;
            }
        }
        if is_chosen("beside") {
            println!("goal: acknowledgements at most 3 % slower while media are fetched");
            beside(if quick { (1, 2.0) } else { (25, 2.0) }).await?;
        }
        Ok(())
    })
}

/// Peak memory while eight media of the largest size are fetched all the time.
async fn memory(pace: Pace, count: usize) -> Result<(), Failed> {
    let world = World::start(ACCOUNTS).await?;
    // So that what a first fetch needs once, and threads, are there before.
    world.post(0..64, 1_000.0, |nth| world.mms(nth, 10_000)).await?;
    world.settled(64).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.carrier.set_pace(pace);
    world.gateway.forget_peak()?;
    let rest = world.gateway.memory_kb("VmRSS")?;
    let began = Instant::now();
    world.post(64..64 + count, 1_000.0, |nth| world.mms(nth, LARGEST_BYTES)).await?;
    world.settled(64 + count).await?;
    let (most, took) = (world.gateway.memory_kb("VmHWM")?, began.elapsed().as_secs_f64());
    println!(
        "  {count} media of 5 MiB, {pace:?} pace, {} at once at most, {took:.1} s: {} kB at rest, {} kB more at most, {} kB \
         for each of eight",
        world.carrier.most_at_once(),
        rest,
        most - rest,
        (most - rest) / 8
    );
    Ok(())
}

/// Media wait while the carrier gives nothing out; the gateway is killed and started again.
async fn restart(accounts: usize, count: usize) -> Result<(), Failed> {
    let mut world = World::start(accounts).await?;
    world.carrier.set_pace(Pace::Nothing);
    world.post(0..count, 400.0, |nth| world.mms(nth, PHOTO_BYTES)).await?;
    world.platform.received(count).await?;
    if world.platform.ready() > 0 {
        return Err("media were given out early".into());
    }
    let began = Instant::now();
    world.carrier.set_pace(Pace::Full);
    world.start_again().await?;
    let ready = began.elapsed().as_secs_f64();
    world.settled(count).await?;
    let all = began.elapsed().as_secs_f64();
    println!(
        "  {accounts} account(s), {count} media of 300 kB: all ready {all:.1} s after the kill, of which {ready:.1} s to \
         the start's end ({:.0}/s)",
        count as f64 / (all - ready)
    );
    Ok(())
}

/// Messages with a medium each come at a fixed rate.
async fn sustained(accounts: usize, secs: f64) -> Result<(), Failed> {
    let world = World::start(accounts).await?;
    let count = (secs * MEDIA_RATE) as usize;
    let began = Instant::now();
    world.post(0..count, MEDIA_RATE, |nth| world.mms(nth, PHOTO_BYTES)).await?;
    let behind = count - world.platform.ready();
    world.settled(count).await?;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let mut took = world.platform.took();
    let cpu = world.gateway.cpu()?.as_secs_f64() * 1e3 / count as f64;
    println!(
        "  {accounts} account(s), {count} media of 300 kB in {secs:.0} s: {rate:.1}/s, {behind} not ready when the last one \
         came; ready {:.0} ms after the message's own event (median), {:.0} ms p99, {:.0} ms at most; {cpu:.1} ms of CPU \
         for each message and medium",
        share(&mut took, 0.5),
        share(&mut took, 0.99),
        share(&mut took, 1.0)
    );
    Ok(())
}

/// Acknowledgements of texts while other messages have media, and while they have none.
async fn beside((rounds, secs): (usize, f64)) -> Result<(), Failed> {
    let world = World::start(ACCOUNTS).await?;
    let (mut nth, mut media) = (0, 0);
    let mut results: [Vec<[f64; 2]>; 2] = Default::default();
    for round in 0..=rounds {
        // Each goes first in every second round.
        for turn in 0..2 {
            let with = (round + turn) % 2 == 1;
            let (texts, others) = ((secs * TEXT_RATE) as usize, (secs * MEDIA_RATE) as usize);
            let (first_text, first_other) = (nth, nth + texts);
            nth += texts + others;
            let (took, posted) = tokio::join!(
                world.post(first_text..first_other, TEXT_RATE, |nth| world.text(nth)),
                world.post(first_other..nth, MEDIA_RATE, |nth| {
                    if with { world.mms(nth, PHOTO_BYTES) } else { world.text(nth) }
                }),
            );
            let mut took = took?;
            posted?;
            media += if with { others } else { 0 };
            world.settled(media).await?;
            let figures = [share(&mut took, 0.5), share(&mut took, 0.99)];
            // The first round warms up.
            if round > 0 || rounds == 1 {
                results[usize::from(with)].push(figures);
            }
        }
    }
    for (at, name) in [(0, "median"), (1, "p99")] {
        let of = |which: usize| share(&mut results[which].iter().map(|figures| figures[at]).collect::<Vec<_>>(), 0.5);
        let (without, with) = (of(0), of(1));
        let percent = (with / without - 1.0) * 100.0;
        println!(
            "  {name}, median of {rounds} rounds: {without:.3} ms without media, {with:.3} ms with ({percent:+.1} %)"
        );
    }
    Ok(())
}

/// The gateway between a carrier and a platform, and callers on the phone.
struct World {
    gateway: Gateway,
    carrier: Carrier,
    platform: Platform,
    accounts: usize,
    directory: String,
    home: TempDir,
}

impl World {
    async fn start(accounts: usize) -> Result<Self, Failed> {
        let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
        let home = tempfile::Builder::new().prefix("offhook-media-").tempdir_in(root)?;
        let (carrier, platform) = (Carrier::start().await?, Platform::start().await?);
        let directory = directory(accounts).to_string();
        let gateway = start(home.path(), &carrier, &platform, accounts, &directory).await?;
        let world = Self { gateway, carrier, platform, accounts, directory, home };
        for call in 0..CALLS {
            let body = json!({ "caller": caller(call), "queue": format!("queue-{}", call % accounts), "agent": "a-1" });
            let head = format!("Authorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n");
            let mut connection = TcpStream::connect(world.gateway.platform).await?;
            let put = request("PUT", &format!("/v1/calls/c{call}"), &head, &body.to_string());
            let answer = exchange(&mut connection, &put).await?;
            if answer.status != 201 {
                return Err(format!("the call was answered {}", answer.status).into());
            }
        }
        Ok(world)
    }

    /// Kills the gateway and starts it again.
    async fn start_again(&mut self) -> Result<(), Failed> {
        self.gateway.kill()?;
        self.gateway = start(self.home.path(), &self.carrier, &self.platform, self.accounts, &self.directory).await?;
        Ok(())
    }

    /// Posts messages at a fixed rate, and returns in milliseconds after what time each was acknowledged.
    async fn post(
        &self,
        which: std::ops::Range<usize>,
        per_second: f64,
        message: impl Fn(usize) -> Vec<u8>,
    ) -> Result<Vec<f64>, Failed> {
        let mut posting = JoinSet::new();
        let began = Instant::now();
        for connection in 0..CONNECTIONS {
            let mine = which.clone().skip(connection).step_by(CONNECTIONS);
            let due = |nth: usize| began + Duration::from_secs_f64((nth - which.start) as f64 / per_second);
            let mine: Vec<(Instant, Vec<u8>)> = mine.map(|nth| (due(nth), message(nth))).collect();
            posting.spawn(post(self.gateway.carriers, mine));
        }
        let mut took = Vec::new();
        while let Some(one) = posting.join_next().await {
            took.extend(one??);
        }
        Ok(took)
    }

    /// Waits until so many media are ready.
    async fn settled(&self, count: usize) -> Result<(), Failed> {
        let until = Instant::now() + PATIENCE;
        while self.platform.ready() < count {
            if self.platform.failed() > 0 || Instant::now() > until {
                let (ready, failed) = (self.platform.ready(), self.platform.failed());
                return Err(format!("of {count} media {ready} are ready, {failed} failed").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// The `nth` message, with a photo of this size.
    fn mms(&self, nth: usize, bytes: usize) -> Vec<u8> {
        self.message(nth, &[("MediaUrl0", &self.carrier.url(nth, bytes)), ("MediaContentType0", "image/jpeg")])
    }

    /// The `nth` message, without media.
    fn text(&self, nth: usize) -> Vec<u8> {
        self.message(nth, &[])
    }

    fn message(&self, nth: usize, media: &[(&str, &str)]) -> Vec<u8> {
        let account = nth % CALLS % self.accounts;
        let (sid, from, to) = (format!("MM{nth:032x}"), caller(nth % CALLS), ours(account));
        let (account_sid, text) = (account_sid(account), format!("The meter shows {nth:06}."));
        let count = (media.len() / 2).to_string();
        let mut parameters = vec![
            ("AccountSid", &*account_sid),
            ("Body", &text),
            ("From", &from),
            ("MessageSid", &sid),
            ("NumMedia", &count),
            ("NumSegments", "1"),
            ("SmsStatus", "received"),
            ("To", &to),
        ];
        parameters.extend(media);
        webhook(account, &mut parameters)
    }
}

async fn start(
    home: &Path,
    carrier: &Carrier,
    platform: &Platform,
    accounts: usize,
    directory: &str,
) -> Result<Gateway, Failed> {
    let setup = Setup {
        endpoint: platform.address,
        directory: Some(directory),
        accounts,
        carrier: carrier.address,
        more: ("", &[]),
    };
    Gateway::start_with(Path::new(env!("CARGO_BIN_EXE_offhook")), home, &setup).await
}

/// Posts each message when it is due; a message that is due while the one before it is not acknowledged goes after it.
async fn post(door: std::net::SocketAddr, messages: Vec<(Instant, Vec<u8>)>) -> Result<Vec<f64>, Failed> {
    let mut connection = TcpStream::connect(door).await?;
    connection.set_nodelay(true)?;
    let mut took = Vec::with_capacity(messages.len());
    for (due, message) in messages {
        tokio::time::sleep_until(due.into()).await;
        let began = Instant::now();
        match exchange(&mut connection, &message).await?.status {
            200 => took.push(began.elapsed().as_secs_f64() * 1e3),
            status => return Err(Failed::from(format!("a message was answered {status}"))),
        }
    }
    Ok(took)
}

/// The value below which this share of all is.
fn share(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default()
}

/// The caller's number in the `nth` call.
fn caller(nth: usize) -> String {
    format!("+1415556{nth:04}")
}

/// Our number at the `nth` account.
fn ours(account: usize) -> String {
    format!("+1206555{account:04}")
}

/// A queue with one number for each account.
fn directory(accounts: usize) -> Value {
    let verification = json!({ "state": "verified", "sms": true, "mms": true });
    let number = |nth: usize| json!({ "label": "Support", "account": gateway::account(nth), "limits": {}, "verification": verification });
    let queue = |nth: usize| json!({ "name": "Support", "inbound_numbers": [ours(nth)] });
    let numbers: Map<String, Value> = (0..accounts).map(|nth| (ours(nth), number(nth))).collect();
    let queues: Map<String, Value> = (0..accounts).map(|nth| (format!("queue-{nth}"), queue(nth))).collect();
    json!({
        "settings": { "in_call_sms": true, "call_lease_minutes": 600 },
        "numbers": numbers, "queues": queues, "presets": {}, "opt_outs": []
    })
}
