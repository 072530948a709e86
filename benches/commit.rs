//! How many inbound messages a second the one writer makes durable: `cargo bench --bench commit`.
//!
//! The path is the engine's own, without its queue: decide, append, fdatasync, rows, claims. `--messages N` says how
//! many messages are stored before the second part, `--quick` makes everything small, and `OFFHOOK_BENCH_DIR` chooses
//! the disk. `--beside` measures instead what commits lose while segments are folded into a snapshot beside them.

use offhook::engine::{CompactionOptions, Compactor, Core, EngineFailed, WallClock};
use offhook::index::{CLAIMS_MAX, Claims, Index, Owner, SledIndex};
use offhook::journal::snapshot::{Origin, Snapshots};
use offhook::journal::{FileJournal, HookedJournal, Journal, Operation, Options};
use offhook::machine::command::{Command, PutCall, Reply};
use offhook::machine::rows::ROWS_VERSION;
use offhook::machine::rows::{Key, Rows, RowsFailed, ScannedRow, Table, Write};
use offhook::model::{
    Actor, Address, CallId, Caller, Directory, E164, Inbound, InboundItem, IntakeOutcome, Limits, Number, Phase,
    Position, Purpose, Queue, Settings, Timestamp, Verification, VerificationState,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Calls that live all the time, each of another caller. A million messages are a hundred to each.
const CALLS: u64 = 10_000;

/// Queues, each with a number of its own.
const QUEUES: u64 = 20;

/// Sizes of the batches that are measured, and how many batches of each.
const BATCHES: [(usize, usize); 3] = [(1, 3_000), (64, 1_000), (256, 250)];

/// With `--quick` only one batch in so many.
const QUICK: usize = 10;

/// Messages stored before the second part.
const MESSAGES: u64 = 1_000_000;

/// The same with `--quick`.
const MESSAGES_QUICK: u64 = 20_000;

/// Commits of one part beside a fold, their size, and how many pairs of parts there are: one with a fold and one without.
const BESIDE: (usize, usize, usize) = (1_500, 16, 4);

/// The same with `--quick`.
const BESIDE_QUICK: (usize, usize, usize) = (200, 16, 2);

/// Bytes of a segment beside a fold with `--quick`: none of the usual size would be closed.
const SEGMENT_BYTES_QUICK: u64 = 1024 * 1024;

/// Rounds of the lone fdatasync, of which the middle one is told.
const SYNCS: usize = 301;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let asked = arguments.iter().position(|argument| argument == "--messages").map(|at| arguments.get(at + 1));
    let messages = match asked {
        Some(number) => number.ok_or("--messages needs a number behind it")?.parse()?,
        None if quick => MESSAGES_QUICK,
        None => MESSAGES,
    };
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let home = tempfile::Builder::new().prefix("offhook-commit-").tempdir_in(root)?;

    println!("A command counts as done when its frame is in the journal's file and fdatasync has returned, its rows");
    println!("can be read in sled, and its claim is in memory and, unsynced, in the day's file.");
    println!("Inbound messages of {CALLS} live calls; one process, one thread commits, no network.\n");
    for bytes in [512, 32 * 1024] {
        println!("fdatasync alone after {bytes:>5} bytes: {:.3} ms (median)", ms(fdatasync(home.path(), bytes)?));
    }
    let beside = arguments.iter().any(|argument| argument == "--beside");
    let small = Options { segment_bytes: SEGMENT_BYTES_QUICK };
    let options = if quick && beside { small } else { Options::default() };
    let mut bench = Bench::open(home.path(), options)?;
    bench.start_calls()?;
    if beside {
        bench.fill(messages)?;
        return bench.beside_a_fold(home.path(), if quick { BESIDE_QUICK } else { BESIDE });
    }
    println!(
        "\n{:>9} {:>5} {:>10} {:>8} {:>8} {:>7} {:>8} {:>8}   of which µs each",
        "stored", "batch", "commands/s", "p50 ms", "p99 ms", "rows", "journal", "CPU µs"
    );
    println!(
        "{:>9} {:>5} {:>10} {:>8} {:>8} {:>7} {:>8} {:>8}   decide  append    sync    rows",
        "", "", "", "a batch", "a batch", "each", "B each", "each"
    );
    let batches = BATCHES.map(|(size, count)| (size, if quick { count / QUICK } else { count }));
    for (size, count) in batches {
        bench.measure(size, count)?;
    }
    bench.fill(messages)?;
    for (size, count) in batches {
        bench.measure(size, count)?;
    }
    Ok(())
}

/// The median of writing `bytes` into reserved space and making them durable.
fn fdatasync(directory: &Path, bytes: usize) -> Result<Duration, Box<dyn Error>> {
    let file = File::create(directory.join("alone"))?;
    let length = (bytes * SYNCS) as u64;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length)?;
    file.sync_all()?;
    let block = vec![7; bytes];
    let mut took = Vec::with_capacity(SYNCS);
    for round in 0..SYNCS {
        file.write_all_at(&block, (round * bytes) as u64)?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[SYNCS / 2])
}

/// The commit path on a disk, with its stages watched.
struct Bench {
    core: Core,
    watch: Arc<Watch>,
    identity: [u8; 16],
    journal: PathBuf,
    stored: u64,
}

impl Bench {
    fn open(home: &Path, options: Options) -> Result<Self, Box<dyn Error>> {
        let watch = Arc::new(Watch::default());
        let path = home.join("journal");
        let journal = FileJournal::open(&path, options)?;
        let identity = journal.identity();
        let opened = SledIndex::open(&home.join("index"), Owner { journal: identity, rows_version: ROWS_VERSION })?;
        let today = (Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH)?).day();
        let claims = Claims::open(&home.join("claims"), identity, today, CLAIMS_MAX)?;
        let times = Arc::clone(&watch);
        let journal = HookedJournal::new(journal, move |operation, run| match operation {
            Operation::Append => times.time(APPEND, run),
            Operation::Sync => times.time(SYNC, run),
        });
        let index = WatchedIndex { inner: opened.index, watch: Arc::clone(&watch) };
        let clock = Box::new(WallClock::new());
        let (core, _) = Core::recover(Box::new(journal), Box::new(index), claims, clock)?;
        Ok(Self { core, watch, identity, journal: path, stored: 0 })
    }

    fn start_calls(&mut self) -> Result<(), EngineFailed> {
        let seed = Command::Seed { directory: Box::new(directory()), opt_outs: Vec::new() };
        self.core.commit([Command::GatewayStarted, seed])?;
        for first in (0..CALLS).step_by(256) {
            let replies = self.core.commit((first..CALLS.min(first + 256)).map(put_call))?;
            assert!(replies.iter().all(|reply| matches!(reply, Reply::Call { created: true, .. })), "calls are taken");
        }
        Ok(())
    }

    /// Stores messages until there are `messages`.
    fn fill(&mut self, messages: u64) -> Result<(), EngineFailed> {
        while self.stored < messages {
            let size = usize::try_from((messages - self.stored).min(256)).unwrap_or(256);
            self.commit(size)?;
        }
        Ok(())
    }

    fn commit(&mut self, size: usize) -> Result<Duration, EngineFailed> {
        let commands: Vec<Command> = (self.stored..).take(size).map(text).collect();
        let began = Instant::now();
        let replies = self.core.commit(commands)?;
        let took = began.elapsed();
        assert!(
            replies.iter().all(|reply| *reply == Reply::InboundItem(IntakeOutcome::Attached)),
            "messages join their calls"
        );
        self.stored += size as u64;
        Ok(took)
    }

    /// Times batches with nothing beside them and with a fold, in turns, and prints the 99th of a hundred of both.
    fn beside_a_fold(
        &mut self,
        home: &Path,
        (count, size, pairs): (usize, usize, usize),
    ) -> Result<(), Box<dyn Error>> {
        println!("\n{count} batches of {size} each time, p50 and p99 of a batch in ms\n");
        println!("{:>9} {:>9}   {:>9} {:>9}   {:>9}", "alone", "", "beside", "a fold", "as long");
        let origin = Origin { journal: self.identity, rows_version: ROWS_VERSION };
        let mut together = [Vec::new(), Vec::new()];
        for pair in 0..pairs {
            let mut lines = [[0.0; 2]; 2];
            for (folds, line) in lines.iter_mut().enumerate() {
                // A directory of its own, so that each fold begins from nothing and lasts.
                let snapshots = Arc::new(Snapshots::open(&home.join(format!("snapshot-{pair}")), origin)?);
                let folding = if folds == 1 {
                    let options = CompactionOptions { at_bytes: 0, ..CompactionOptions::default() };
                    let folding = Compactor::start(self.core.journal(), snapshots, options, Box::new(|| None))?;
                    folding.handle().ask();
                    Some(folding)
                } else {
                    None
                };
                let mut took: Vec<Duration> = (0..count).map(|_| self.commit(size)).collect::<Result<_, _>>()?;
                if let Some(folding) = folding {
                    if folding.handle().covers() > Position(0) {
                        println!("(the fold ended before the commits: store more with --messages)");
                    }
                    folding.stop();
                }
                together[folds].extend(took.iter().copied());
                took.sort_unstable();
                *line = [ms(took[count / 2]), ms(took[(count * 99 / 100).min(count - 1)])];
            }
            let [[p50, p99], [p50_beside, p99_beside]] = lines;
            println!("{p50:>9.3} {p99:>9.3}   {p50_beside:>9.3} {p99_beside:>9.3}   {:>9.2}", p99_beside / p99);
        }
        let [alone, beside] = together.map(|mut took| {
            took.sort_unstable();
            ms(took[(took.len() * 99 / 100).min(took.len() - 1)])
        });
        println!(
            "\np99 of all: {alone:.3} ms alone, {beside:.3} ms beside a fold: {:.2} times as long",
            beside / alone
        );
        Ok(())
    }

    /// Measures `count` batches of `size` and prints a line.
    fn measure(&mut self, size: usize, count: usize) -> Result<(), Box<dyn Error>> {
        // So that what the last part left to sled's threads is not charged to this one.
        std::thread::sleep(Duration::from_millis(1_500));
        let (stored, before, watched, cpu) = (self.stored, written(&self.journal)?, self.watch.seen(), cpu_time()?);
        let mut took: Vec<Duration> = (0..count).map(|_| self.commit(size)).collect::<Result<_, _>>()?;
        let whole: Duration = took.iter().sum();
        let cpu = cpu_time()?.saturating_sub(cpu);
        let seen = self.watch.seen();
        let commands = (size * count) as f64;
        let each = |all: f64| all / commands;
        let stage = |at: usize| each((seen[at] - watched[at]) as f64 / 1e3);
        let (append, sync, rows) = (stage(APPEND), stage(SYNC), stage(ROWS));
        took.sort_unstable();
        println!(
            "{stored:>9} {size:>5} {:>10.0} {:>8.3} {:>8.3} {:>7.2} {:>8.0} {:>8.1}   {:>6.1} {append:>7.1} {sync:>7.1} {rows:>7.1}",
            commands / whole.as_secs_f64(),
            ms(took[count / 2]),
            ms(took[(count * 99 / 100).min(count - 1)]),
            each((seen[WRITES] - watched[WRITES]) as f64),
            each((written(&self.journal)? - before) as f64),
            each(cpu.as_secs_f64() * 1e6),
            each(whole.as_secs_f64() * 1e6) - append - sync - rows,
        );
        Ok(())
    }
}

/// Bytes of the journal in `directory`. The last segment is reserved whole and zero where nothing is written yet.
fn written(directory: &Path) -> Result<u64, Box<dyn Error>> {
    let segments = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut segments: Vec<_> =
        segments.into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    segments.sort();
    let Some(last) = segments.pop() else { return Ok(0) };
    let mut bytes = fs::read(last)?.iter().rposition(|byte| *byte != 0).map_or(0, |at| at as u64 + 1);
    for segment in segments {
        bytes += fs::metadata(segment)?.len();
    }
    Ok(bytes)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The process's CPU time, its own and the kernel's for it, to a hundredth of a second.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold spaces: state is the first, user time the 12th and system time the 13th.
    let (_, rest) = stat.rsplit_once(')').ok_or("/proc/self/stat has another form")?;
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
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

fn queue_id(queue: u64) -> offhook::model::QueueId {
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

/// The `n`-th text. Calls write in turns that look random: the step has no factor in common with their number.
fn text(n: u64) -> Command {
    let call = n.wrapping_mul(7_919) % CALLS;
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

/// Nanoseconds of each stage, and rows written, by these places.
#[derive(Default)]
struct Watch([AtomicU64; 4]);

const APPEND: usize = 0;
const SYNC: usize = 1;
const ROWS: usize = 2;
const WRITES: usize = 3;

impl Watch {
    fn time<T>(&self, stage: usize, act: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = act();
        self.add(stage, u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        done
    }

    fn add(&self, place: usize, more: u64) {
        self.0[place].fetch_add(more, Ordering::Relaxed);
    }

    fn seen(&self) -> [u64; 4] {
        std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed))
    }
}

struct WatchedIndex {
    inner: SledIndex,
    watch: Arc<Watch>,
}

impl Index for WatchedIndex {
    fn applied(&self) -> Position {
        self.inner.applied()
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        self.watch.add(WRITES, writes.len() as u64);
        self.watch.time(ROWS, || self.inner.write(writes, position))
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        self.inner.reader()
    }

    fn tables(&self) -> Vec<Table> {
        self.inner.tables()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        self.inner.start_over()
    }

    fn close(self: Box<Self>) -> Result<(), RowsFailed> {
        Box::new(self.inner).close()
    }
}

impl Rows for WatchedIndex {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.inner.get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.inner.scan(table, prefix, from, limit)
    }
}
