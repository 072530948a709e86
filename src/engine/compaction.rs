//! Compacts closed segments into a snapshot, throttled and in the background.
//!
//! Invariant: compaction reads the journal and the previous snapshot, never the index, so nothing waits for it. A
//! position is reported as covered only once its snapshot is on the disk.

use super::clock::{Clock, WallClock};
use crate::journal::snapshot::{Snapshot, SnapshotFailed, Snapshots, Throttle};
use crate::journal::{JournalFailed, JournalReader};
use crate::machine::apply::apply;
use crate::machine::record;
use crate::model::{Position, Timestamp};
use crate::observe::{self, NewSnapshot};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Bytes of frames read at a time.
const READ_BYTES: usize = 256 * 1024;

/// Maximum sorted runs of one compaction, each of which is an open file. The rest is compacted in another round.
const RUNS_MAX: usize = 64;

/// The longest pause between two steps.
const REST_MAX: Duration = Duration::from_secs(1);

/// The nice value of the thread, below everything else.
const NICE: i32 = 15;

/// When segments are compacted, and how.
#[derive(Clone, Copy, Debug)]
pub struct CompactionOptions {
    /// Compaction starts at this many bytes of closed uncompacted segments.
    pub at_bytes: u64,
    /// Bytes of writes that are sorted in memory at a time.
    pub run_bytes: usize,
    /// The pause after each step, as a multiple of the step's duration. With 3, compaction uses at most a quarter of a
    /// core and of the disk, and writes some 50 MB/s.
    pub rest_factor: u32,
    /// How often the size of closed segments is checked.
    pub look_every: Duration,
    /// How long compaction is not retried after a failure, even on request.
    pub again_after: Duration,
}

/// Free bytes above the low-water mark on the disk of the snapshots; `None` if unknown.
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

/// Why no new snapshot was made. The previous one still exists.
#[derive(Debug, thiserror::Error)]
pub enum CompactionFailed {
    /// The previous snapshot cannot be used, or the new one cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFailed),
    /// The journal cannot be read, or its frames after the previous snapshot are gone.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// A record cannot be read.
    #[error("the journal record at position {} is unusable: {why}", .position.0)]
    Record {
        /// The record's position.
        position: Position,
        /// Why it is unreadable.
        why: record::Unreadable,
    },
    /// The disk has too little free space for another snapshot beside the existing one.
    #[error(
        "a snapshot may need {} MiB, but {} MiB are free above the low-water mark: free space on the disk of data_dir",
        needed.div_ceil(1 << 20), spare >> 20
    )]
    NoRoom {
        /// Bytes the snapshot may need.
        needed: u64,
        /// Free bytes above the low-water mark.
        spare: u64,
    },
}

/// Compacts closed segments into the next snapshot; returns `None` if the previous one covers them all. If the previous
/// one is unusable and the journal is complete, compaction starts from the journal's beginning.
pub fn compact(
    journal: &dyn JournalReader,
    snapshots: &Snapshots,
    options: &CompactionOptions,
    throttle: Throttle<'_>,
) -> Result<Option<Snapshot>, CompactionFailed> {
    match compact_onto(true, journal, snapshots, options, throttle) {
        Err(CompactionFailed::Snapshot(unusable)) if unusable.is_unusable() && journal.bounds().0 == Position(1) => {
            tracing::warn!(%unusable, "snapshot unusable: making a new one from the whole journal");
            compact_onto(false, journal, snapshots, options, throttle)
        }
        done => done,
    }
}

fn compact_onto(
    latest: bool,
    journal: &dyn JournalReader,
    snapshots: &Snapshots,
    options: &CompactionOptions,
    throttle: Throttle<'_>,
) -> Result<Option<Snapshot>, CompactionFailed> {
    let mut compaction = snapshots.compact(latest, options.run_bytes)?;
    let last = journal.closed_after(compaction.covered()).last;
    let mut covers = compaction.covered();
    let mut at = Timestamp::default();
    if covers >= last {
        return Ok(None);
    }
    while covers < last && compaction.runs() < RUNS_MAX {
        let frames = journal.read(covers.next(), READ_BYTES)?;
        for frame in frames.into_iter().take_while(|frame| frame.position <= last) {
            let position = frame.position;
            let frame = record::decode(position, &frame.meta, frame.bodies)
                .map_err(|why| CompactionFailed::Record { position, why })?;
            compaction.add(apply(&frame), throttle)?;
            (covers, at) = (position, frame.at);
        }
        if !throttle() {
            return Err(SnapshotFailed::Interrupted.into());
        }
    }
    Ok(Some(compaction.finish(covers, at, throttle)?))
}

/// The compaction thread.
pub struct Compactor {
    /// Stops the thread when dropped.
    stop: Sender<()>,
    thread: JoinHandle<()>,
    handle: CompactionHandle,
    ended: CancellationToken,
}

/// Requests snapshots and reports their coverage; cheap to clone.
#[derive(Clone)]
pub struct CompactionHandle {
    ask: Sender<()>,
    covers: Arc<AtomicU64>,
}

impl CompactionHandle {
    /// The last position covered by a snapshot on the disk: a rebuild needs no frame up to it. `Position(0)` if there
    /// is no usable snapshot.
    pub fn covers(&self) -> Position {
        Position(self.covers.load(Ordering::Acquire))
    }

    /// Requests compaction of all closed segments now, regardless of their size.
    pub fn ask(&self) {
        // A full channel means that it was already requested; a closed one that the gateway stops.
        let _sent = self.ask.try_send(());
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
        let (ask, requests) = bounded(1);
        let (stop, stopping) = bounded(0);
        // Set before the handle exists, because a reader that sees no coverage would request an unneeded snapshot.
        let covers = snapshots.latest().ok().flatten().map_or(0, |latest| latest.covers.0);
        let handle = CompactionHandle { ask, covers: Arc::new(AtomicU64::new(covers)) };
        let ended = CancellationToken::new();
        let end_guard = ended.clone().drop_guard();
        let covers = Arc::clone(&handle.covers);
        let thread = thread::Builder::new().name("compaction".to_owned()).spawn(move || {
            // Dropped when the thread ends, even by a panic.
            let _end_guard = end_guard;
            // Linux applies this to the thread only. Compaction also works without it.
            let _ignored = rustix::process::setpriority_process(None, NICE);
            Worker { journal, snapshots, options, spare, covers, stopping, clock: WallClock::new() }.run(&requests);
        })?;
        Ok(Self { stop, thread, handle, ended })
    }

    /// A handle to request snapshots.
    pub fn handle(&self) -> CompactionHandle {
        self.handle.clone()
    }

    /// A token that is cancelled when the thread ends, for any reason.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops the thread within one step, a few milliseconds on a responsive disk, and discards an unfinished snapshot.
    /// Blocks. Returns false if the thread panicked.
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
    fn run(mut self, requests: &Receiver<()>) {
        let mut at = None;
        match self.snapshots.latest() {
            Ok(latest) => at = latest.map(|latest| self.publish(&latest)),
            // Reported and counted again once there is something to compact.
            Err(unusable) => tracing::warn!(%unusable, "the existing snapshot cannot be used"),
        }
        let mut not_before = Instant::now();
        let mut requested = false;
        loop {
            requested |= select! {
                recv(self.stopping) -> _ => return,
                recv(requests) -> _ => true,
                default(self.options.look_every) => false,
            };
            let closed = self.journal.closed_after(self.covered());
            observe::uncompacted(closed.bytes);
            // Requests are repeated every few seconds, so without the delay a failing compaction would run all the
            // time.
            if (requested || closed.bytes >= self.options.at_bytes) && Instant::now() >= not_before {
                requested = false;
                match self.compact() {
                    Ok(made) => at = made.or(at),
                    Err(CompactionFailed::Snapshot(SnapshotFailed::Interrupted)) => return,
                    Err(error) => {
                        observe::snapshot_failed(&error.to_string());
                        if matches!(&error, CompactionFailed::Snapshot(unusable) if unusable.is_unusable()) {
                            // It no longer counts as coverage.
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

    /// Compacts until no closed segment is left. Returns the journal's time at the snapshot.
    fn compact(&mut self) -> Result<Option<Timestamp>, CompactionFailed> {
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
                // Other writers may fill the disk meanwhile; then the unfinished snapshot is discarded to free its
                // space.
                low = (self.spare)() == Some(0);
                since = Instant::now();
                goes_on && !low
            };
            let made = compact(self.journal.as_ref(), &self.snapshots, &self.options, &mut throttle);
            let made = match made {
                Err(CompactionFailed::Snapshot(SnapshotFailed::Interrupted)) if low => {
                    return Err(CompactionFailed::NoRoom { needed, spare: 0 });
                }
                made => made?,
            };
            let Some(snapshot) = made else { return Ok(at) };
            at = Some(self.publish(&snapshot));
            observe::snapshot_made(&NewSnapshot {
                position: snapshot.covers.0,
                rows: snapshot.count,
                bytes: snapshot.bytes,
                took: began.elapsed(),
            });
            observe::uncompacted(self.journal.closed_after(snapshot.covers).bytes);
        }
    }

    /// Bytes the next snapshot may need beside the previous one: the previous one's size plus the uncompacted bytes.
    fn needed(&self) -> u64 {
        let latest = self.snapshots.latest().ok().flatten().map_or(0, |latest| latest.bytes);
        match self.journal.closed_after(self.covered()).bytes {
            0 => 0,
            uncompacted => latest + uncompacted,
        }
    }

    fn has_room(&self, needed: u64) -> Result<(), CompactionFailed> {
        match (self.spare)() {
            Some(spare) if spare < needed => Err(CompactionFailed::NoRoom { needed, spare }),
            Some(_) | None => Ok(()),
        }
    }

    fn covered(&self) -> Position {
        Position(self.covers.load(Ordering::Acquire))
    }

    /// Publishes the snapshot's coverage; returns the journal's time there.
    fn publish(&self, snapshot: &Snapshot) -> Timestamp {
        self.covers.store(snapshot.covers.0, Ordering::Release);
        observe::snapshot(snapshot.covers.0, snapshot.bytes);
        snapshot.at
    }
}
