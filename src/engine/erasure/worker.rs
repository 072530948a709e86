//! The thread that erases people while the gateway runs.
//!
//! Invariant: it works in small steps with rests, and the engine waits for none of them but the exchange of the index.
//! What fails for a passing reason, such as a full disk, is repeated from the beginning, which is harmless.

use super::{Erasures, GoesOn, Replacement, replace};
use crate::engine::compaction::Spare;
use crate::engine::core::EngineFailed;
use crate::engine::queue::{Handle, SubmitError};
use crate::engine::reads::Reads;
use crate::index::{Place, Replaced};
use crate::journal::snapshot::{SnapshotFailed, Snapshots};
use crate::journal::{Eraser, JournalFailed, JournalReader};
use crate::machine::command::Command;
use crate::machine::erasure::ErasureState;
use crate::model::Position;
use crate::observe;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use std::sync::Arc;
use std::sync::mpsc::{self, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The nice value of the thread: below everything else that answers somebody.
const NICE: i32 = 10;

/// The pause after each step, as a multiple of the step's duration.
const REST_FACTOR: u32 = 1;

/// The longest pause between two steps.
const REST_MAX: Duration = Duration::from_millis(200);

/// How often the thread looks for erasures without being asked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long after a failure the work is repeated.
pub const AGAIN_AFTER: Duration = Duration::from_secs(15);

/// How long the engine may take until it decides a command of an erasure.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is checked whether the engine has ended.
const ANSWER_EVERY: Duration = Duration::from_millis(20);

/// What the thread works on.
pub struct ErasureParts {
    /// The engine.
    pub handle: Handle,
    /// Committed rows.
    pub reads: Reads,
    /// Erases from the journal.
    pub eraser: Arc<dyn Eraser>,
    /// Reads the journal.
    pub journal: Arc<dyn JournalReader>,
    /// The snapshots.
    pub snapshots: Arc<Snapshots>,
    /// Where the next index is made; `None` for one without files.
    pub place: Option<Place>,
    /// Free bytes above the low-water mark.
    pub spare: Spare,
    /// Deletes media of people who are in no row any more; fails with a reason for the log.
    pub sweep_media: SweepMedia,
    /// How long after a failure the work is repeated.
    pub again_after: Duration,
}

/// Deletes media that no row lists.
pub type SweepMedia = Box<dyn Fn() -> Result<(), String> + Send>;

/// Tells the thread that there is an erasure; cheap to clone.
#[derive(Clone)]
pub struct ErasureHandle {
    ask: Sender<()>,
}

impl ErasureHandle {
    /// A handle of a thread that is not started, and the requests that it would get.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (ask, requests) = bounded(1);
        (Self { ask }, requests)
    }

    /// Makes the thread look for erasures now.
    pub fn ask(&self) {
        // A full channel means that it was already asked; a closed one that the gateway stops.
        let _sent = self.ask.try_send(());
    }
}

/// The thread.
pub struct ErasureWorker {
    /// Stops the thread when dropped.
    stop: Sender<()>,
    thread: JoinHandle<()>,
    handle: ErasureHandle,
    ended: CancellationToken,
}

impl ErasureWorker {
    /// Starts the thread.
    pub fn start(parts: ErasureParts) -> std::io::Result<Self> {
        let (handle, requests) = ErasureHandle::new();
        let (stop, stopping) = bounded(0);
        let ended = CancellationToken::new();
        let end_guard = ended.clone().drop_guard();
        let thread = thread::Builder::new().name("erasure".to_owned()).spawn(move || {
            // Dropped when the thread ends, even by a panic.
            let _end_guard = end_guard;
            // Linux applies this to the thread only. It also works without it.
            let _ignored = rustix::process::setpriority_process(None, NICE);
            Worker { parts, stopping }.run(&requests);
        })?;
        Ok(Self { stop, thread, handle, ended })
    }

    /// A handle to make it look for erasures.
    pub fn handle(&self) -> ErasureHandle {
        self.handle.clone()
    }

    /// A token that is cancelled when the thread ends, for any reason.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Stops the thread within one step. An erasure that is not done is completed by the next start. Blocks. Returns
    /// false if the thread panicked.
    pub fn stop(self) -> bool {
        drop(self.stop);
        self.thread.join().is_ok()
    }
}

struct Worker {
    parts: ErasureParts,
    stopping: Receiver<()>,
}

/// Why erasures were not completed.
enum NotDone {
    /// The thread stops.
    Stopping,
    /// It is tried again.
    Later(String),
    /// Data is damaged, so that repeating it is of no use.
    Failed(EngineFailed),
}

impl From<EngineFailed> for NotDone {
    fn from(failed: EngineFailed) -> Self {
        match failed {
            EngineFailed::Journal(JournalFailed::Interrupted) | EngineFailed::Snapshot(SnapshotFailed::Interrupted) => {
                Self::Stopping
            }
            damaged if damaged.is_damage() => Self::Failed(damaged),
            other => Self::Later(other.to_string()),
        }
    }
}

impl From<SubmitError> for NotDone {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Stopped => Self::Stopping,
            SubmitError::Busy | SubmitError::TooLate => Self::Later(error.to_string()),
        }
    }
}

impl Worker {
    fn run(self, requests: &Receiver<()>) {
        let mut not_before = Instant::now();
        loop {
            select! {
                recv(self.stopping) -> _ => return,
                recv(requests) -> _ => {}
                default(LOOK_EVERY) => {}
            }
            if Instant::now() < not_before {
                continue;
            }
            match self.erase() {
                Ok(()) => {}
                Err(NotDone::Stopping) => return,
                Err(NotDone::Later(why)) => {
                    observe::erasure_delayed(&why);
                    not_before = Instant::now() + self.parts.again_after;
                }
                Err(NotDone::Failed(failed)) => observe::erasure_failed(&failed.to_string()),
            }
        }
    }

    /// Completes all erasures that run.
    fn erase(&self) -> Result<(), NotDone> {
        let parts = &self.parts;
        let Some(mut erasures) = Erasures::running(&parts.reads)? else { return Ok(()) };
        let began = Instant::now();
        if !erasures.are_complete() {
            match self.erase_everywhere(&mut erasures) {
                Ok(()) => {}
                Err(NotDone::Failed(failed)) => {
                    self.submit(erasures.end(ErasureState::Failed))?;
                    return Err(NotDone::Failed(failed));
                }
                Err(not_done) => return Err(not_done),
            }
        }
        (parts.sweep_media)().map_err(NotDone::Later)?;
        let ends = erasures.end(ErasureState::Done);
        let count = ends.len();
        self.submit(ends)?;
        observe::erasures_done(count, began.elapsed());
        Ok(())
    }

    fn erase_everywhere(&self, erasures: &mut Erasures) -> Result<(), NotDone> {
        let parts = &self.parts;
        let mut goes_on = self.goes_on();
        self.submit(erasures.begin())?;
        erasures.erase_from_journal(parts.eraser.as_ref(), &mut goes_on)?;
        self.has_room(parts.snapshots.latest().map_err(EngineFailed::from)?.map_or(0, |latest| latest.bytes))?;
        erasures.erase_from_snapshot(parts.journal.as_ref(), &parts.snapshots, &mut goes_on)?;
        if let Some(place) = &parts.place {
            self.has_room(place.bytes())?;
            self.replace_index(place, erasures, &mut goes_on)?;
        }
        // Without the number it cannot be counted again what was erased.
        self.submit(erasures.begin())?;
        erasures.erase_numbers(parts.eraser.as_ref())?;
        Ok(())
    }

    fn replace_index(&self, place: &Place, erasures: &Erasures, goes_on: GoesOn<'_>) -> Result<(), NotDone> {
        let parts = &self.parts;
        let journal = parts.journal.as_ref();
        let from = parts.reads.follow().committed();
        let mut beside = replace::copy(place, &erasures.filter(journal, from)?, goes_on)?;
        let applied = replace::catch_up(journal, &mut beside, from, goes_on)?;
        self.exchange(beside, applied, erasures.frames())?.remove().map_err(EngineFailed::from)?;
        Ok(())
    }

    /// Lets the engine put the index in the current one's place.
    fn exchange(
        &self,
        beside: crate::index::Beside,
        applied: Position,
        erasures: Vec<Position>,
    ) -> Result<Replaced, NotDone> {
        let (answer, answered) = sync_channel(1);
        let replacement = Replacement { beside, applied, erasures, answer };
        let handle = &self.parts.handle;
        handle.replace_index(replacement, PATIENCE)?;
        loop {
            match answered.recv_timeout(ANSWER_EVERY) {
                Ok(replaced) => return Ok(replaced?),
                Err(mpsc::RecvTimeoutError::Timeout) if handle.has_ended() => return Err(NotDone::Stopping),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(NotDone::Later("the engine did not come to exchange the index".to_owned()));
                }
            }
        }
    }

    fn submit(&self, commands: Vec<Command>) -> Result<(), NotDone> {
        for command in commands {
            self.parts.handle.submit_blocking(command, PATIENCE)?;
        }
        Ok(())
    }

    fn has_room(&self, needed: u64) -> Result<(), NotDone> {
        match (self.parts.spare)() {
            Some(spare) if spare < needed => Err(NotDone::Later(format!(
                "it may need {} MiB, but {} MiB are free above the low-water mark: free space on the disk of data_dir",
                needed.div_ceil(1 << 20),
                spare >> 20
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Rests between steps; returns whether to continue.
    fn goes_on(&self) -> impl FnMut() -> bool {
        let stopping = self.stopping.clone();
        let mut since = Instant::now();
        move || {
            let rest = since.elapsed().saturating_mul(REST_FACTOR).min(REST_MAX);
            let goes_on = stopping.recv_timeout(rest) == Err(RecvTimeoutError::Timeout);
            since = Instant::now();
            goes_on
        }
    }
}
