//! Closed segments become a snapshot, in the background and in no hurry.
//!
//! Invariant: it reads the journal and the snapshot before, never the index, so nothing waits for it; and what is said to
//! be covered is on the disk.

use super::clock::{Clock, WallClock};
use crate::journal::snapshot::{Snapshot, SnapshotFailed, Snapshots, Throttle};
use crate::journal::{JournalFailed, JournalReader};
use crate::machine::apply::apply;
use crate::machine::record;
use crate::model::{Position, Timestamp};
use crate::observe::{self, Folded};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Bytes of frames read at a time.
const READ_BYTES: usize = 256 * 1024;

/// Runs of one fold: each is a file that is open. What is beyond them is folded in another round.
const RUNS_MAX: usize = 64;

/// The longest rest between two steps.
const REST_MAX: Duration = Duration::from_secs(1);

/// How nice its thread is: everything else comes first.
const NICE: i32 = 15;

/// When segments are folded, and how.
#[derive(Clone, Copy, Debug)]
pub struct CompactionOptions {
    /// Bytes of closed segments that are not folded, from which on they are.
    pub at_bytes: u64,
    /// Bytes of writes that are sorted in memory.
    pub run_bytes: usize,
    /// How many times as long as it has worked it rests after each step. With 3 it takes at most a quarter of a core
    /// and of the disk, and writes some 50 MB/s.
    pub rest_factor: u32,
    /// How often it looks whether there is enough.
    pub look_every: Duration,
    /// How long a fold is not tried again once it has failed, whoever asks.
    pub again_after: Duration,
}

/// Free bytes of the disk that snapshots are on, above the mark from which on nothing new may take its room; `None` where it
/// does not say.
pub type Spare = Box<dyn Fn() -> Option<u64> + Send>;

impl Default for CompactionOptions {
    fn default() -> Self {
        Self {
            at_bytes: 512 * 1024 * 1024,
            run_bytes: 32 * 1024 * 1024,
            rest_factor: 3,
            look_every: Duration::from_secs(5),
            again_after: Duration::from_secs(60),
        }
    }
}

/// Why there is no new snapshot. The one before is still there.
#[derive(Debug, thiserror::Error)]
pub enum FoldFailed {
    /// The snapshot before cannot be used, or the new one not be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFailed),
    /// The journal cannot be read, or its frames after the snapshot before are gone.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// A record cannot be read.
    #[error("the journal's record at position {} cannot be used: {why}", .position.0)]
    Record {
        /// Which.
        position: Position,
        /// Why.
        why: record::Unreadable,
    },
    /// The disk has no room for another snapshot beside the one there is.
    #[error(
        "a snapshot may take {} MiB, and {} MiB are free above the low-water mark: make room on the disk of data_dir",
        needed.div_ceil(1 << 20), spare >> 20
    )]
    NoRoom {
        /// Bytes it may take.
        needed: u64,
        /// Bytes there are.
        spare: u64,
    },
}

/// Folds what stands in closed segments into the next snapshot; `None` where all of it is in the one before. Where that
/// cannot be used and the journal is still whole, it begins from nothing.
pub fn fold(
    journal: &dyn JournalReader,
    snapshots: &Snapshots,
    options: &CompactionOptions,
    throttle: Throttle<'_>,
) -> Result<Option<Snapshot>, FoldFailed> {
    match fold_upon(true, journal, snapshots, options, throttle) {
        Err(FoldFailed::Snapshot(unusable)) if unusable.is_unusable() && journal.bounds().0 == Position(1) => {
            tracing::warn!(%unusable, "the snapshot is made anew from the whole journal");
            fold_upon(false, journal, snapshots, options, throttle)
        }
        done => done,
    }
}

fn fold_upon(
    latest: bool,
    journal: &dyn JournalReader,
    snapshots: &Snapshots,
    options: &CompactionOptions,
    throttle: Throttle<'_>,
) -> Result<Option<Snapshot>, FoldFailed> {
    let mut fold = snapshots.fold(latest, options.run_bytes)?;
    let last = journal.closed_after(fold.covered()).last;
    let mut covers = fold.covered();
    let mut at = Timestamp::default();
    if covers >= last {
        return Ok(None);
    }
    while covers < last && fold.runs() < RUNS_MAX {
        let frames = journal.read(covers.next(), READ_BYTES)?;
        for frame in frames.into_iter().take_while(|frame| frame.position <= last) {
            let position = frame.position;
            let story = record::decode(position, &frame.meta, frame.bodies)
                .map_err(|why| FoldFailed::Record { position, why })?;
            fold.add(apply(&story), throttle)?;
            (covers, at) = (position, story.at);
        }
        if !throttle() {
            return Err(SnapshotFailed::Interrupted.into());
        }
    }
    Ok(Some(fold.finish(covers, at, throttle)?))
}

/// The thread that folds.
pub struct Compactor {
    /// Dropped, it tells the thread to stop.
    stop: Sender<()>,
    thread: JoinHandle<()>,
    handle: CompactionHandle,
    ended: CancellationToken,
}

/// Asks for a snapshot and says what there is of it; cheap to clone.
#[derive(Clone)]
pub struct CompactionHandle {
    ask: Sender<()>,
    covers: Arc<AtomicU64>,
}

impl CompactionHandle {
    /// The last position whose rows are in a snapshot on the disk: a rebuild needs no frame up to there. `Position(0)`
    /// where there is no snapshot that can be used.
    pub fn covers(&self) -> Position {
        Position(self.covers.load(Ordering::Acquire))
    }

    /// Asks that everything in closed segments be folded now, however little it is.
    pub fn ask(&self) {
        // A full channel says that it was asked before; a closed one that the gateway stops.
        let _asked = self.ask.try_send(());
    }
}

impl Compactor {
    /// Starts the thread.
    pub fn start(
        journal: Arc<dyn JournalReader>,
        snapshots: Arc<Snapshots>,
        options: CompactionOptions,
        spare: Spare,
    ) -> std::io::Result<Self> {
        let (ask, asked) = bounded(1);
        let (stop, stopping) = bounded(0);
        // Known before anybody looks: who finds nothing covered asks for a snapshot that is not needed.
        let covers = snapshots.latest().ok().flatten().map_or(0, |latest| latest.covers.0);
        let handle = CompactionHandle { ask, covers: Arc::new(AtomicU64::new(covers)) };
        let ended = CancellationToken::new();
        let told = ended.clone().drop_guard();
        let covers = Arc::clone(&handle.covers);
        let thread = thread::Builder::new().name("fold".to_owned()).spawn(move || {
            // Dropped when the thread ends, even by a panic.
            let _told = told;
            // Linux takes this for the thread alone. Without it the work is done all the same.
            let _as_it_was = rustix::process::setpriority_process(None, NICE);
            Worker { journal, snapshots, options, spare, covers, stopping, clock: WallClock::new() }.run(&asked);
        })?;
        Ok(Self { stop, thread, handle, ended })
    }

    /// Asks for snapshots.
    pub fn handle(&self) -> CompactionHandle {
        self.handle.clone()
    }

    /// Ends when the thread does, for whatever reason.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops it within a step, a few milliseconds on a disk that answers; a snapshot in the making is thrown away.
    /// Blocks. Returns whether it had ended well.
    pub fn stop(self) -> bool {
        drop(self.stop);
        self.thread.join().is_ok()
    }
}

struct Worker {
    journal: Arc<dyn JournalReader>,
    snapshots: Arc<Snapshots>,
    options: CompactionOptions,
    spare: Spare,
    covers: Arc<AtomicU64>,
    stopping: Receiver<()>,
    clock: WallClock,
}

impl Worker {
    fn run(mut self, asked: &Receiver<()>) {
        let mut at = None;
        match self.snapshots.latest() {
            Ok(latest) => at = latest.map(|latest| self.publish(&latest)),
            // Said again, and counted, once there is something to fold.
            Err(unusable) => tracing::warn!(%unusable, "there is a snapshot, and it cannot be used"),
        }
        let mut not_before = Instant::now();
        let mut is_asked = false;
        loop {
            is_asked |= select! {
                recv(self.stopping) -> _ => return,
                recv(asked) -> _ => true,
                default(self.options.look_every) => false,
            };
            let closed = self.journal.closed_after(self.covered());
            observe::unfolded(closed.bytes);
            // Whoever asks asks again every few seconds: what failed would be all that is done.
            if (is_asked || closed.bytes >= self.options.at_bytes) && Instant::now() >= not_before {
                is_asked = false;
                match self.fold() {
                    Ok(made) => at = made.or(at),
                    Err(FoldFailed::Snapshot(SnapshotFailed::Interrupted)) => return,
                    Err(error) => {
                        observe::fold_failed(&error.to_string());
                        if matches!(&error, FoldFailed::Snapshot(unusable) if unusable.is_unusable()) {
                            // Nobody may count on it any more.
                            self.covers.store(0, Ordering::Release);
                        }
                        not_before = Instant::now() + self.options.again_after;
                    }
                }
            }
            if let Some(at) = at {
                observe::snapshot_age(self.clock.now().since(at));
            }
        }
    }

    /// Folds until nothing of the closed segments is left. Returns the journal's time in the snapshot.
    fn fold(&mut self) -> Result<Option<Timestamp>, FoldFailed> {
        let mut at = None;
        loop {
            let began = Instant::now();
            let needed = self.needed();
            self.has_room(needed)?;
            let mut low = false;
            let mut since = Instant::now();
            let mut throttle = || {
                let rest = since.elapsed().saturating_mul(self.options.rest_factor).min(REST_MAX);
                let goes_on = self.stopping.recv_timeout(rest) == Err(RecvTimeoutError::Timeout);
                // Others fill the disk as well. What was begun goes, and leaves them its room.
                low = (self.spare)() == Some(0);
                since = Instant::now();
                goes_on && !low
            };
            let made = fold(self.journal.as_ref(), &self.snapshots, &self.options, &mut throttle);
            let made = match made {
                Err(FoldFailed::Snapshot(SnapshotFailed::Interrupted)) if low => {
                    return Err(FoldFailed::NoRoom { needed, spare: 0 });
                }
                made => made?,
            };
            let Some(snapshot) = made else { return Ok(at) };
            at = Some(self.publish(&snapshot));
            observe::folded(&Folded {
                position: snapshot.covers.0,
                rows: snapshot.count,
                bytes: snapshot.bytes,
                took: began.elapsed(),
            });
            observe::unfolded(self.journal.closed_after(snapshot.covers).bytes);
        }
    }

    /// Bytes the next snapshot may take until the one before is gone: all that is in that one, and what is to be folded.
    fn needed(&self) -> u64 {
        let latest = self.snapshots.latest().ok().flatten().map_or(0, |latest| latest.bytes);
        match self.journal.closed_after(self.covered()).bytes {
            0 => 0,
            unfolded => latest + unfolded,
        }
    }

    fn has_room(&self, needed: u64) -> Result<(), FoldFailed> {
        match (self.spare)() {
            Some(spare) if spare < needed => Err(FoldFailed::NoRoom { needed, spare }),
            Some(_) | None => Ok(()),
        }
    }

    fn covered(&self) -> Position {
        Position(self.covers.load(Ordering::Acquire))
    }

    /// Says what is covered; returns the journal's time there.
    fn publish(&self, snapshot: &Snapshot) -> Timestamp {
        self.covers.store(snapshot.covers.0, Ordering::Release);
        observe::snapshot(snapshot.covers.0, snapshot.bytes);
        snapshot.at
    }
}
