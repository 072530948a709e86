//! The body of the engine's loop: decide, write, sync, apply. It uses no threads or sockets, so the simulation drives
//! it unchanged.

use super::clock::{Clock, Step};
use super::erasure::BeingErased;
use super::known::{Known, Overlay};
use super::reads::Reads;
use super::rebuild;
use super::repair::Repair;
use super::tail::{Follow, Tail};
use crate::index::{Claims, Index, Place, fits};
use crate::journal::snapshot::{SnapshotFailed, Snapshots};
use crate::journal::{BODIES_MAX, Eraser, FRAME_BYTES_MAX, Journal, JournalFailed, JournalReader, Record};
use crate::machine::apply::{apply, directory_from};
use crate::machine::command::{At, Command, Reply};
use crate::machine::erase::Person;
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::keys::{self, kind};
use crate::machine::rows::{PAGE_ROWS, RowsFailed, Table};
use crate::machine::{decide, record};
use crate::model::{Day, Directory, Position, Timestamp};
use crate::observe;
use crate::rules::refusal::{Code, Refusal};
use std::cell::RefCell;
use std::sync::{Arc, RwLock};

/// Maximum commands in one batch, which share one sync.
pub const BATCH_MAX_COMMANDS: usize = 512;

/// A batch is written once its records reach this size, even if more commands wait.
const BATCH_MAX_BYTES: usize = 1024 * 1024;

/// Maximum events of one command: their ids count them in 16 bits.
const EVENTS_MAX: usize = u16::MAX as usize;

/// The engine cannot continue. Nothing after the last reply may be acknowledged; the process must stop and recover from
/// disk.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineFailed {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// The index failed; it is rebuilt at the next start.
    #[error(transparent)]
    Index(#[from] RowsFailed),
    /// A record that cannot be read.
    #[error("the journal record at position {} is unusable: {why}", .position.0)]
    Record {
        /// The record's position.
        position: Position,
        /// Why it is unreadable.
        why: record::Unreadable,
    },
    /// The snapshot needed for a rebuild is unusable.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFailed),
    /// The index is ahead of the journal, although it is written only after the journal is synced.
    #[error(
        "the index is at position {}, but the journal ends at {}: acknowledged frames are missing",
        .index.0, .last.0
    )]
    Ahead {
        /// The index's last position.
        index: Position,
        /// The journal's last.
        last: Position,
    },
    /// The frames before the journal's first position are in no usable snapshot.
    #[error(
        "the journal begins at position {}, and the state before it is unknown ({why}): put back a good copy of the \
         snapshot or of the journal's older segments; without either, the gateway can only start with an empty \
         data_dir and --seed", .oldest.0
    )]
    Lost {
        /// The journal's first position.
        oldest: Position,
        /// Why no snapshot can be used.
        why: String,
    },
}

impl EngineFailed {
    /// Whether data is damaged, so that trying again is of no use.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Journal(JournalFailed::Damaged(_)) | Self::Record { .. } => true,
            Self::Snapshot(unusable) => unusable.is_unusable(),
            _ => false,
        }
    }
}

/// The result of recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The journal's last position.
    pub last: Position,
    /// The number of rows loaded from a snapshot.
    pub loaded: u64,
    /// The number of frames replayed into the index.
    pub replayed: u64,
}

/// What may be dropped for its age.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DropBefore {
    /// Events before this position were not delivered in time and are dropped.
    pub deliver_from: Position,
    /// Segments entirely before this position may be deleted.
    pub kept_from: Position,
}

/// Journal, index, claims and directory, kept in step.
pub struct Core {
    journal: Box<dyn Journal>,
    pub(super) reader: Arc<dyn JournalReader>,
    pub(super) index: Box<dyn Index>,
    pub(super) claims: Claims,
    pub(super) repair: Option<Repair>,
    directory: Arc<Directory>,
    shared_directory: Arc<RwLock<Arc<Directory>>>,
    pub(super) clock: Box<dyn Clock>,
    tail: Arc<Tail>,
    batch: Batch,
    /// The current day of claims; when it changes, the oldest claims expire.
    today: Day,
    /// People whose erasure began in this process and whose data is still in the index.
    being_erased: Vec<BeingErased>,
}

/// Decided commands that are not yet durable.
#[derive(Default)]
struct Batch {
    frames: Vec<(usize, CommittedFrame)>,
    records: Vec<Record>,
    bytes: usize,
    overlay: Overlay,
    /// Whose erasures its last frame begins.
    erased: Vec<BeingErased>,
}

impl Core {
    /// Like `recover_with`, without snapshots.
    #[cfg(feature = "test-support")]
    pub fn recover(
        journal: Box<dyn Journal>,
        index: Box<dyn Index>,
        claims: Claims,
        clock: Box<dyn Clock>,
    ) -> Result<(Self, Recovered), EngineFailed> {
        Self::recover_with(None, journal, index, claims, clock)
    }

    /// Brings the index up to the journal's end. If the index is empty, or ends before the journal begins, the latest
    /// snapshot is loaded first.
    pub fn recover_with(
        snapshots: Option<&Snapshots>,
        journal: Box<dyn Journal>,
        mut index: Box<dyn Index>,
        mut claims: Claims,
        mut clock: Box<dyn Clock>,
    ) -> Result<(Self, Recovered), EngineFailed> {
        let reader = journal.reader();
        let (_, end) = reader.bounds();
        let last = Position(end.0 - 1);
        let loaded = rebuild::load(snapshots, reader.as_ref(), index.as_mut(), &mut || {})?;
        claims.retain_before(end)?;
        let replayed = reader.count_from(index.applied().next());
        let latest = rebuild::replay(reader.as_ref(), index.as_mut(), &mut claims, reader.last(), &mut || {})?;
        clock.not_before(latest);

        let directory = Arc::new(load_directory(index.as_ref())?);
        let core = Self {
            tail: Arc::new(Tail::new(last, latest.day())),
            shared_directory: Arc::new(RwLock::new(Arc::clone(&directory))),
            journal,
            reader,
            index,
            claims,
            repair: None,
            directory,
            clock,
            batch: Batch::default(),
            today: latest.day(),
            being_erased: Vec::new(),
        };
        Ok((core, Recovered { last, loaded, replayed }))
    }

    /// A reader of committed frames.
    pub fn follow(&self) -> Follow {
        Follow::new(&self.tail, Arc::clone(&self.reader))
    }

    /// The current day.
    pub fn today(&mut self) -> Day {
        self.clock.now().day()
    }

    /// An independent reader of the journal.
    pub fn journal(&self) -> Arc<dyn JournalReader> {
        self.journal.reader()
    }

    /// A reader of rows.
    pub fn reads(&self) -> Reads {
        Reads::new(self.index.reader(), Arc::clone(&self.shared_directory), self.follow())
    }

    /// Decides the commands in order, makes their effects durable and returns the replies.
    ///
    /// # Errors
    /// After an error no command may be answered, and the caller must stop.
    pub fn commit(&mut self, commands: impl IntoIterator<Item = Command>) -> Result<Vec<Reply>, EngineFailed> {
        self.rebuild_index_if_failed()?;
        let now = self.clock.now();
        if let Some(step) = self.clock.jumped() {
            self.carry_leases(step, now)?;
        }
        if let Some(Step { from, to }) = self.clock.gained() {
            // Token buckets must not refill for time that did not pass.
            self.decide(Command::CarryDebts { from, to }, now)?;
        }
        let mut replies = Vec::new();
        for command in commands {
            if matches!(command, Command::Tick) && self.clock.is_untrusted() {
                // Leases and retention periods end a little later rather than by a wrong clock.
                replies.push(Reply::Done);
                continue;
            }
            replies.push(self.decide(command, now)?);
            // What follows an erasure is decided on rows without the person, and so not on those of its batch.
            if self.batch.bytes >= BATCH_MAX_BYTES || !self.batch.erased.is_empty() {
                self.flush(now)?;
            }
        }
        self.flush(now)?;
        Ok(replies)
    }

    /// Extends leases after a clock jump, before anything is decided at the new time, so that the jump ends none.
    fn carry_leases(&mut self, Step { from, to }: Step, now: Timestamp) -> Result<(), EngineFailed> {
        loop {
            let before = self.next_position();
            self.decide(Command::CarryLeases { from, to }, now)?;
            if self.next_position() == before {
                return Ok(());
            }
            if self.batch.bytes >= BATCH_MAX_BYTES {
                self.flush(now)?;
            }
        }
    }

    /// The position of the next decision.
    fn next_position(&self) -> Position {
        Position(self.journal.next().0 + self.batch.records.len() as u64)
    }

    fn decide(&mut self, command: Command, now: Timestamp) -> Result<Reply, EngineFailed> {
        let position = self.next_position();
        let known = Known {
            index: self.index.as_ref(),
            journal: self.reader.as_ref(),
            claims: &self.claims,
            overlay: &self.batch.overlay,
            directory: &self.directory,
            being_erased: &self.being_erased,
            failed: RefCell::new(None),
        };
        let decision = decide(&known, command.clone(), At { time: now, position });
        if let Some(why) = known.failed.into_inner() {
            // The decision had no effect yet: the index is rebuilt, and the command decided again.
            self.repair(RowsFailed(why))?;
            return self.decide(command, now);
        }
        if decision.events.is_empty() {
            return Ok(decision.reply);
        }
        let events = decision.events;
        let (meta, bodies) = record::encode(now, &events);
        let bytes = meta.len() + bodies.iter().map(Vec::len).sum::<usize>();
        let record = Record { meta, bodies };
        if events.len() > EVENTS_MAX || !record.fits() {
            let detail = format!(
                "too large to be written at once: {} events of {bytes} bytes in {} pieces; the maximum is {EVENTS_MAX} \
                 events of {FRAME_BYTES_MAX} bytes in {BODIES_MAX} pieces",
                events.len(),
                record.bodies.len()
            );
            observe::command_too_large(&detail);
            return Ok(Reply::Refused(Refusal::new(Code::BodyTooLarge, detail)));
        }
        let frame = CommittedFrame { position, at: now, events };
        let writes = apply(&frame);
        if let Err(too_long) = fits(&writes) {
            // Refused before anything is written, because a frame whose rows do not fit would make every later start
            // fail.
            observe::command_too_large(&too_long);
            let detail = format!("too large to store ({too_long}): make it smaller");
            return Ok(Reply::Refused(Refusal::new(Code::BodyTooLarge, detail)));
        }
        self.apply_to_context(&frame);
        self.batch.overlay.lay(writes);
        self.batch.records.push(record);
        self.batch.frames.push((bytes, frame));
        self.batch.bytes += bytes;
        Ok(decision.reply)
    }

    /// Applies the effects that the next decision needs besides rows: claims and the directory.
    fn apply_to_context(&mut self, frame: &CommittedFrame) {
        for event in &frame.events {
            self.batch.overlay.claims.extend(rebuild::claim_of(&event.event));
            if let Event::ErasureBegun { who, .. } = &event.event
                && let Some(who) = who.kept()
            {
                self.batch.erased.push(BeingErased::new(frame.position, Person::new(*who)));
            }
            if let Some(directory) = event.event.directory_after(&self.directory, frame.position) {
                self.directory = Arc::new(directory);
            }
        }
    }

    fn flush(&mut self, now: Timestamp) -> Result<(), EngineFailed> {
        if self.batch.records.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.journal.append(&batch.records, now)?;
        self.journal.sync()?;

        let writes = batch.overlay.into_writes();
        self.being_erased.iter_mut().for_each(|being| being.note(&writes));
        self.being_erased.extend(batch.erased);
        let last = Position(self.journal.next().0 - 1);
        let tail = Arc::clone(&self.tail);
        let mut publishing = tail.publication.publish();
        if let Err(failed) = self.index.write(&writes, last) {
            // The batch is in the journal, so the rebuild includes its rows. Readers do not wait for it.
            drop(publishing);
            self.repair(failed)?;
            publishing = tail.publication.publish();
        }
        for (_, frame) in &batch.frames {
            rebuild::insert_claims(&mut self.claims, frame);
        }
        self.claims.flush_batch(last, now.day())?;
        if self.today != now.day() && !self.clock.is_untrusted() {
            self.today = now.day();
            self.claims.expire(self.today)?;
        }
        let mut shared = self.shared_directory.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !Arc::ptr_eq(&shared, &self.directory) {
            *shared = Arc::clone(&self.directory);
        }
        drop(shared);
        tail.push(batch.frames.into_iter());
        drop(publishing);
        observe::journal_position(last.0);
        Ok(())
    }

    /// Ends delivery of events before `deliver_from`, and deletes segments entirely before `kept_from`. Does nothing
    /// while the clock is untrusted, because their age would be wrong.
    pub fn drop_before(&mut self, DropBefore { deliver_from, kept_from }: DropBefore) -> Result<(), EngineFailed> {
        if self.clock.is_untrusted() {
            return Ok(());
        }
        self.tail.end_delivery_before(deliver_from);
        Ok(self.journal.drop_before(kept_from)?)
    }

    /// Erases bodies from the journal.
    pub fn eraser(&self) -> Arc<dyn Eraser> {
        self.journal.eraser()
    }

    /// Where the next index can be made; `None` for one without files.
    pub fn index_place(&self) -> Option<Place> {
        self.index.place()
    }

    /// The index is without the people of these erasures; drops the frames in memory that have their data.
    pub(super) fn end_erasures(&mut self, erasures: &[Position]) {
        self.being_erased.retain(|being| !erasures.contains(&being.from));
        if let Some(last) = erasures.iter().max() {
            self.tail.forget_until(*last);
        }
    }

    /// Shuts down cleanly: makes the index and the claims durable, so that the next start need not rebuild.
    pub fn close(self) -> Result<(), EngineFailed> {
        self.claims.close()?;
        self.index.close()?;
        Ok(())
    }
}

fn load_directory(index: &dyn Index) -> Result<Directory, RowsFailed> {
    let mut rows = Vec::new();
    for page in keys::pages(Vec::new(), |from| index.scan(Table::State, &[kind::DIRECTORY], from, PAGE_ROWS)) {
        rows.extend(page?);
    }
    Ok(directory_from(rows.into_iter()).unwrap_or_default())
}
