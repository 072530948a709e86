//! What a start costs once there is much to know: `cargo bench --bench rebuild`.
//!
//! A million calls live and two million messages were received. Then the index is lost and rebuilt from snapshot and
//! journal; and, on its own, the process is killed and comes again with its index there, twice. Each start is a process of its
//! own, so that memory is what a gateway has. `--calls N` and `--messages N` say how many, `--quick` makes it small, and
//! `OFFHOOK_BENCH_DIR` chooses the disk.

use offhook::engine::{CompactionOptions, Core, WallClock, compact};
use offhook::index::{CLAIMS_MAX, Claims, Owner, SledIndex};
use offhook::journal::snapshot::{Origin, Snapshots};
use offhook::journal::{FileJournal, Journal, Options};
use offhook::machine::command::{Command, PutCall, Reply};
use offhook::machine::rows::ROWS_VERSION;
use offhook::machine::view::Queries;
use offhook::model::{
    Actor, Address, CallId, Caller, Directory, E164, Inbound, InboundItem, IntakeOutcome, Limits, Number, Phase,
    Purpose, Queue, QueueId, Settings, Timestamp, Verification, VerificationState,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Calls that live, each of another caller.
const CALLS: u64 = 1_000_000;

/// Messages, each of one of the calls.
const MESSAGES: u64 = 2_000_000;

/// Both with `--quick`.
const CALLS_QUICK: u64 = 10_000;
const MESSAGES_QUICK: u64 = 20_000;

/// Queues, each with a number of its own.
const QUEUES: u64 = 20;

/// Commands of a batch.
const BATCH: usize = 512;

/// Look-ups that are timed.
const LOOK_UPS: u64 = 100_000;

/// So many segments at least, whatever there is to write: the snapshot covers all but the last.
const SEGMENTS: u64 = 12;

/// The segments of the product, which are not exceeded.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Journal of one call or message, roughly.
const BYTES_EACH: u64 = 480;

/// Said to the processes that start on what the first has made.
const START: &str = "--start";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str| -> Result<Option<u64>, Box<dyn Error>> {
        let Some(at) = arguments.iter().position(|argument| argument == name) else { return Ok(None) };
        Ok(Some(arguments.get(at + 1).ok_or_else(|| format!("{name} needs a number behind it"))?.parse()?))
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let calls = number("--calls")?.unwrap_or(if quick { CALLS_QUICK } else { CALLS });
    let messages = number("--messages")?.unwrap_or(if quick { MESSAGES_QUICK } else { MESSAGES });
    if let Some(at) = arguments.iter().position(|argument| argument == START) {
        let home = arguments.get(at + 1).ok_or("--start needs a directory behind it")?;
        return start(Path::new(home), calls);
    }
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let home = tempfile::Builder::new().prefix("offhook-rebuild-").tempdir_in(root)?;
    println!("{calls} live calls, {messages} messages");
    generate(home.path(), calls, messages)?;
    let again = |what: &str| -> Result<(), Box<dyn Error>> {
        println!("\n{what}");
        let counts = ["--calls".to_owned(), calls.to_string(), START.to_owned(), home.path().display().to_string()];
        let ended = std::process::Command::new(std::env::current_exe()?).args(counts).status()?;
        if ended.success() { Ok(()) } else { Err(format!("{what}: {ended}").into()) }
    };
    again("after a kill, with the index there (goal: 3 s, 512 MB, look-ups under 1 ms)")?;
    // The first start reads all that sled has written since it was opened before; this one finds that done.
    again("after one more kill")?;
    fs::remove_dir_all(home.path().join("index"))?;
    again("without an index, from snapshot and journal (goal: 60 s)")?;
    fs::remove_dir_all(home.path().join("index"))?;
    fs::remove_dir_all(home.path().join("snapshots"))?;
    again("without an index, from the journal alone")
}

/// Fills a gateway with calls and messages, and folds what can be folded. It is not closed, as if it had been killed.
fn generate(home: &Path, calls: u64, messages: u64) -> Result<(), Box<dyn Error>> {
    let segment_bytes = ((calls + messages) * BYTES_EACH / SEGMENTS).min(SEGMENT_BYTES_MAX);
    let began = Instant::now();
    let Opened { mut core, snapshots, .. } = open(home, Options { segment_bytes })?;
    let seed = Command::Seed { directory: Box::new(directory()), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed])?;
    commit(&mut core, calls, put_call, |reply| matches!(reply, Reply::Call { created: true, .. }))?;
    commit(&mut core, messages, |nth| text(nth, calls), |reply| *reply == Reply::InboundItem(IntakeOutcome::Attached))?;
    println!("generated in {:.1} s", began.elapsed().as_secs_f64());
    let (journal, began) = (core.journal(), Instant::now());
    let mut latest = None;
    // A fold takes in so much and no more; the thread of the product goes on likewise.
    while let Some(made) = compact(journal.as_ref(), &snapshots, &CompactionOptions::default(), &mut || true)? {
        latest = Some(made);
    }
    let made = latest.ok_or("nothing to fold")?;
    println!(
        "folded without rests in {:.1} s: position {} of {}, {} rows, {} MB",
        began.elapsed().as_secs_f64(),
        made.covers.0,
        journal.bounds().1.0 - 1,
        made.count,
        made.bytes >> 20
    );
    Ok(())
}

fn commit(
    core: &mut Core,
    count: u64,
    command: impl Fn(u64) -> Command,
    expected: impl Fn(&Reply) -> bool,
) -> Result<(), Box<dyn Error>> {
    for first in (0..count).step_by(BATCH) {
        let replies = core.commit((first..count.min(first + BATCH as u64)).map(&command))?;
        assert!(replies.iter().all(&expected), "what is generated is taken");
    }
    Ok(())
}

/// Starts on what is there, looks calls up, and prints what both cost.
fn start(home: &Path, calls: u64) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let Opened { core, loaded, replayed, .. } = open(home, Options::default())?;
    let took = began.elapsed();
    println!(
        "  {:.2} s: {loaded} rows loaded, {replayed} frames replayed; {} MB resident, {} at most",
        took.as_secs_f64(),
        resident("VmRSS:")? >> 10,
        resident("VmHWM:")? >> 10
    );
    let reads = core.reads();
    let mut look_ups = Vec::new();
    for nth in 0..LOOK_UPS.min(calls * 10) {
        // A step that has no factor in common with their number visits calls in turns that look random.
        let theirs = caller(nth.wrapping_mul(7_919) % calls);
        let began = Instant::now();
        let live = reads.ask(|view| view.live(theirs).len())?;
        look_ups.push(began.elapsed());
        assert_eq!(live, 1, "every caller is on the phone");
    }
    look_ups.sort_unstable();
    let at = |percent: usize| look_ups[(look_ups.len() * percent / 100).min(look_ups.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "  a caller's call is found in {:.3} ms (median), {:.3} ms (p99); {} MB resident then",
        at(50),
        at(99),
        resident("VmRSS:")? >> 10
    );
    // Killed again, so that the next start finds what this one made.
    std::process::exit(0)
}

struct Opened {
    core: Core,
    snapshots: Snapshots,
    loaded: u64,
    replayed: u64,
}

fn open(home: &Path, options: Options) -> Result<Opened, Box<dyn Error>> {
    let journal = FileJournal::open(&home.join("journal"), options)?;
    let identity = journal.identity();
    let snapshots = Snapshots::open(&home.join("snapshots"), Origin { journal: identity, rows_version: ROWS_VERSION })?;
    let owner = Owner { journal: identity, rows_version: ROWS_VERSION };
    let index = SledIndex::open(&home.join("index"), owner)?.index;
    let today = (Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH)?).day();
    let claims = Claims::open(&home.join("claims"), identity, today, CLAIMS_MAX)?;
    let clock = Box::new(WallClock::new());
    let (core, recovered) = Core::recover_with(Some(&snapshots), Box::new(journal), Box::new(index), claims, clock)?;
    Ok(Opened { core, snapshots, loaded: recovered.loaded, replayed: recovered.replayed })
}

/// Kilobytes, as the system counts them.
fn resident(which: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).ok_or("Linux counts it")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn directory() -> Directory {
    let number = |queue: u64| Number {
        label: format!("number {queue}"),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: Limits::default(),
        verification: Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            ..Verification::default()
        },
    };
    let queue = |queue: u64| Queue {
        name: format!("Queue {queue}"),
        parent: None,
        in_call_sms: None,
        inbound_numbers: vec![ours(queue)],
        outbound_numbers: Vec::new(),
        default_outbound: None,
        language: None,
    };
    Directory::new(
        Settings { in_call_sms: true, ..Settings::default() },
        (0..QUEUES).map(|n| (ours(n), number(n))).collect(),
        (0..QUEUES).map(|n| (queue_id(n), queue(n))).collect(),
        BTreeMap::new(),
        BTreeMap::new(),
    )
}

fn queue_id(queue: u64) -> QueueId {
    format!("queue-{queue}").try_into().expect("it is a name")
}

fn ours(queue: u64) -> E164 {
    E164::from_digits(&format!("1206555{queue:04}")).expect("it is a number")
}

fn caller(call: u64) -> E164 {
    E164::from_digits(&format!("1303{call:07}")).expect("it is a number")
}

fn put_call(call: u64) -> Command {
    Command::PutCall(PutCall {
        call: CallId::read(&format!("2f6c1a54-7c1e-4f0a-9d3e-{call:012}")).expect("it is a call id"),
        caller: Caller::Number(caller(call)),
        queue: queue_id(call % QUEUES),
        language: None,
        phase: Phase::Connected,
        agent: Some(Some(format!("agent-{}", call % 500))),
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: false,
        version: None,
        alternative: None,
        attestation: None,
        by: Actor::named("platform".to_owned()),
    })
}

fn text(nth: u64, calls: u64) -> Command {
    let call = nth.wrapping_mul(7_919) % calls;
    Command::InboundItem {
        account: "main".to_owned(),
        item: InboundItem::Message(Inbound {
            carrier_id: format!("SM{:032x}", u128::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            from: Address::Number(caller(call)),
            to: Address::Number(ours(call % QUEUES)),
            text: format!("The meter shows {nth} and the little wheel behind the glass goes on turning."),
            media: Vec::new(),
            segments: Some(1),
            keyword: None,
            part: None,
        }),
    }
}
