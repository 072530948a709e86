//! What an erasure costs those who go on beside it: `cargo bench --bench erasure`.
//!
//! A million messages are stored, a few of them Ann's, whose call has ended; segments are folded into a snapshot. Then,
//! in a process of its own, so that memory is what a gateway has, others text all the time, and Ann is erased. The time
//! of a command is from its submission to the engine until it is answered, and so durable. What it is before the
//! erasure, in the same run, is the baseline. `--messages N` says how many, `--quick` makes it small, `--clients N` says
//! how many text at a time, and `OFFHOOK_BENCH_DIR` chooses the disk.

use offhook::engine::{
    AGAIN_AFTER, CompactionOptions, Core, Engine, ErasureParts, ErasureWorker, Handle, Reads, Stopped, WallClock,
    compact,
};
use offhook::index::{CLAIMS_MAX, Claims, Owner, SledIndex};
use offhook::journal::snapshot::{Origin, Snapshots};
use offhook::journal::{FileJournal, Journal, Options};
use offhook::machine::command::{Command, PutCall, Reply};
use offhook::machine::erasure::ErasureState;
use offhook::machine::fingerprint::ErasureKey;
use offhook::machine::rows::ROWS_VERSION;
use offhook::machine::view::PeopleQueries;
use offhook::model::{
    Actor, Address, CallId, Caller, Directory, E164, ErasureId, Inbound, InboundItem, IntakeOutcome, Limits, Number,
    Purpose, Queue, QueueId, Settings, Timestamp, Verification, VerificationState,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Messages stored before the erasure, and the same with `--quick`.
const MESSAGES: u64 = 1_000_000;
const MESSAGES_QUICK: u64 = 20_000;

/// Calls that live, each of another caller, and queues, each with a number of its own.
const CALLS: u64 = 10_000;
const QUEUES: u64 = 20;

/// Every so many-th message is Ann's.
const ANNS_EVERY: u64 = 997;

/// Commands of a batch while messages are stored.
const BATCH: usize = 512;

/// Others that text at a time, and how long each rests between two texts.
const CLIENTS: u64 = 16;
const RESTS: Duration = Duration::from_millis(10);

/// How long others are watched before and after the erasure; a tenth of it with `--quick`.
const WATCHED: Duration = Duration::from_secs(15);

/// Bytes of a segment with `--quick`: none of the usual size would be closed.
const SEGMENT_BYTES_QUICK: u64 = 1024 * 1024;

/// The longest that the engine may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rounds of the lone fdatasync, of which the middle one is told, and bytes of each.
const SYNCS: usize = 301;
const SYNC_BYTES: usize = 512;

/// Said to the process that erases what the first has made.
const ERASE: &str = "--erase";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).ok_or_else(|| format!("{name} needs a value behind it")))
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let count =
        |name: &str, usual: u64| after(name).map_or(Ok(usual), |text| Ok::<u64, Box<dyn Error>>(text?.parse()?));
    let messages = count("--messages", if quick { MESSAGES_QUICK } else { MESSAGES })?;
    let clients = count("--clients", CLIENTS)?;
    if let Some(home) = after(ERASE) {
        return beside(Path::new(home?), messages, clients, if quick { WATCHED / 10 } else { WATCHED });
    }
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let home = tempfile::Builder::new().prefix("offhook-erasure-").tempdir_in(root)?;
    generate(home.path(), messages, quick)?;
    println!("fdatasync alone after {SYNC_BYTES} bytes: {:.3} ms (median)", ms(fdatasync(home.path())?));
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--messages", &messages.to_string(), "--clients", &clients.to_string(), ERASE]).arg(home.path());
    let ended = command.args(quick.then_some("--quick")).status()?;
    if ended.success() { Ok(()) } else { Err(format!("the erasure: {ended}").into()) }
}

/// Stores messages of all, ends Ann's call, and folds what can be folded.
fn generate(home: &Path, messages: u64, quick: bool) -> Outcome<()> {
    let began = Instant::now();
    let options = if quick { Options { segment_bytes: SEGMENT_BYTES_QUICK } } else { Options::default() };
    let (mut core, snapshots) = open(home, options)?;
    let seed = Command::Seed { directory: Box::new(directory()), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed, put_call(CALLS)])?;
    for first in (0..CALLS).step_by(BATCH) {
        core.commit((first..CALLS.min(first + BATCH as u64)).map(put_call))?;
    }
    for first in (0..messages).step_by(BATCH) {
        let replies = core.commit((first..messages.min(first + BATCH as u64)).map(stored))?;
        assert!(replies.iter().all(|reply| *reply == Reply::InboundItem(IntakeOutcome::Attached)), "texts are taken");
    }
    core.commit([Command::EndCall { call: call_id(CALLS), reason: None, key: None }])?;
    let journal = core.journal();
    while compact(journal.as_ref(), &snapshots, &CompactionOptions::default(), &mut || true)?.is_some() {}
    let (covers, snapshot) = snapshots.latest()?.map_or((0, 0), |latest| (latest.covers.0, latest.bytes >> 20));
    core.close()?;
    let mib = |name: &str| bytes_below(&home.join(name)).map(|bytes| bytes >> 20);
    println!(
        "{messages} messages, {} of them of the erased person, made in {:.1} s; on the disk {} MiB of journal, {} of \
         index, {snapshot} of snapshot (to position {covers})",
        messages.div_ceil(ANNS_EVERY),
        began.elapsed().as_secs_f64(),
        mib("journal")?,
        mib("index")?,
    );
    Ok(())
}

/// Erases Ann while others text, and prints what that is to them.
fn beside(home: &Path, messages: u64, clients: u64, watched: Duration) -> Outcome<()> {
    let (core, snapshots) = open(home, Options::default())?;
    let (reads, eraser, journal, place) = (core.reads(), core.eraser(), core.journal(), core.index_place());
    let (engine, handle) = Engine::start(core)?;
    let worker = ErasureWorker::start(ErasureParts {
        handle: handle.clone(),
        reads: reads.clone(),
        eraser,
        journal,
        snapshots: Arc::new(snapshots),
        place,
        spare: Box::new(|| None),
        sweep_media: Box::new(|| Ok(())),
        again_after: AGAIN_AFTER,
    })?;
    let others = Others::begin(&handle, messages, clients);
    thread::sleep(watched);
    let resident = memory("VmRSS:")?;
    // From now on the peak is that of the erasure.
    fs::write("/proc/self/clear_refs", "5")?;
    let began = Instant::now();
    let id = request(&handle)?;
    worker.handle().ask();
    wait_for(&reads, id)?;
    let ended = Instant::now();
    let peak = memory("VmHWM:")?;
    thread::sleep(watched);
    let times = others.end();
    assert!(worker.stop() && matches!(engine.stop(), Stopped::Cleanly), "nothing failed");

    println!(
        "\nerased in {:.2} s beside {clients} others; {} MiB resident before, {} at most meanwhile",
        (ended - began).as_secs_f64(),
        resident >> 10,
        peak >> 10
    );
    println!("\n{:<8} {:>9} {:>9} {:>9} {:>9} {:>9}", "others", "texts", "texts/s", "p50 ms", "p99 ms", "max ms");
    print("before", &times, began - watched, began);
    print("during", &times, began, ended);
    print("after", &times, ended, ended + watched);
    // What is on the disk is removed by the process that made it.
    std::process::exit(0)
}

fn request(handle: &Handle) -> Outcome<ErasureId> {
    let who = caller(CALLS);
    let erase = Command::Erase { who, key: ErasureKey([7; 16]), idempotency: None, by: Actor::command_line() };
    match handle.submit_blocking(erase, PATIENCE)? {
        Reply::Erasure(erasure) => Ok(erasure.id),
        other => Err(format!("it was refused: {other:?}").into()),
    }
}

fn wait_for(reads: &Reads, id: ErasureId) -> Outcome<()> {
    loop {
        let erasure = reads.ask(|view| view.erasure(id))?.ok_or("it is gone")?;
        match erasure.state {
            ErasureState::Running => thread::sleep(Duration::from_millis(2)),
            ErasureState::Done => {
                println!("{} records, {} bodies erased", erasure.erased.records, erasure.erased.bodies);
                return Ok(());
            }
            ErasureState::Failed => return Err("it failed".into()),
        }
    }
}

/// When each text was submitted, and how long it took.
type Times = Vec<(Instant, Duration)>;

/// Others who text, each waiting for its answer.
struct Others {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<Times>>,
}

impl Others {
    fn begin(handle: &Handle, messages: u64, clients: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |nth: u64| {
            let (handle, stop) = (handle.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut times = Times::new();
                let mut next = messages + nth;
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let reply = handle.submit_blocking(text(next, next.wrapping_mul(7_919) % CALLS), PATIENCE);
                    assert_eq!(reply, Ok(Reply::InboundItem(IntakeOutcome::Attached)), "texts join their calls");
                    times.push((began, began.elapsed()));
                    next += clients;
                    thread::sleep(RESTS);
                }
                times
            })
        };
        let threads = (0..clients).map(client).collect();
        Self { stop, threads }
    }

    fn end(self) -> Times {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|client| client.join().expect("every text was taken")).collect()
    }
}

/// A line about the texts that were submitted within this time.
fn print(when: &str, times: &Times, from: Instant, until: Instant) {
    let within = times.iter().filter(|(began, _)| (from..until).contains(began));
    let mut took: Vec<Duration> = within.map(|(_, took)| *took).collect();
    took.sort_unstable();
    let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).map_or(0.0, ms);
    let rate = took.len() as f64 / (until - from).as_secs_f64();
    println!("{when:<8} {:>9} {rate:>9.0} {:>9.3} {:>9.3} {:>9.3}", took.len(), at(50), at(99), at(100));
}

fn open(home: &Path, options: Options) -> Outcome<(Core, Snapshots)> {
    let journal = FileJournal::open(&home.join("journal"), options)?;
    let identity = journal.identity();
    let snapshots = Snapshots::open(&home.join("snapshots"), Origin { journal: identity, rows_version: ROWS_VERSION })?;
    let index = SledIndex::open(&home.join("index"), Owner { journal: identity, rows_version: ROWS_VERSION })?.index;
    let today = (Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH)?).day();
    let claims = Claims::open(&home.join("claims"), identity, today, CLAIMS_MAX)?;
    let clock = Box::new(WallClock::new());
    let (core, _) = Core::recover_with(Some(&snapshots), Box::new(journal), Box::new(index), claims, clock)?;
    Ok((core, snapshots))
}

/// The median of writing into reserved space and making it durable.
fn fdatasync(directory: &Path) -> Outcome<Duration> {
    let file = File::create(directory.join("alone"))?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, (SYNC_BYTES * SYNCS) as u64)?;
    file.sync_all()?;
    let mut took = Vec::with_capacity(SYNCS);
    for round in 0..SYNCS {
        file.write_all_at(&[7; SYNC_BYTES], (round * SYNC_BYTES) as u64)?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[SYNCS / 2])
}

fn bytes_below(directory: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_below(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// Kilobytes, as the system counts them.
fn memory(which: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).ok_or("Linux counts it")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn ms(duration: impl std::borrow::Borrow<Duration>) -> f64 {
    duration.borrow().as_secs_f64() * 1e3
}

fn directory() -> Directory {
    let verification =
        Verification { state: VerificationState::Verified, sms: true, mms: true, ..Verification::default() };
    let number = |queue: u64| Number {
        label: format!("number {queue}"),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: Limits::default(),
        verification: verification.clone(),
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

/// The caller of a call; Ann is that of the call after all others.
fn caller(call: u64) -> E164 {
    E164::from_digits(&format!("1303{call:07}")).expect("it is a number")
}

fn call_id(call: u64) -> CallId {
    CallId::read(&format!("2f6c1a54-7c1e-4f0a-9d3e-{call:012}")).expect("it is a call id")
}

fn put_call(call: u64) -> Command {
    let agent = Some(Some(format!("agent-{}", call % 500)));
    let put = PutCall::new(call_id(call), Caller::Number(caller(call)), queue_id(call % QUEUES));
    Command::PutCall(PutCall { agent, ..put })
}

/// The `n`-th text that is stored.
fn stored(n: u64) -> Command {
    text(n, if n.is_multiple_of(ANNS_EVERY) { CALLS } else { n.wrapping_mul(7_919) % CALLS })
}

fn text(n: u64, call: u64) -> Command {
    Command::InboundItem {
        account: "main".to_owned(),
        item: InboundItem::Message(Inbound {
            carrier_id: format!("SM{:032x}", u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            from: Address::Number(caller(call)),
            to: Address::Number(ours(call % QUEUES)),
            text: format!("The meter shows {n} and the little wheel behind the glass goes on turning."),
            media: Vec::new(),
            segments: Some(1),
            keyword: None,
            part: None,
        }),
    }
}
