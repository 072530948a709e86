//! The loop's body: decide, write, sync, apply. One thread, no sockets; a simulation drives it as it is.

use super::clock::{Clock, Step};
use super::erase::{Erased, Finding};
use super::known::{Known, Overlay};
use super::mend::Mending;
use super::reads::Reads;
use super::rebuild;
use super::tail::{Follow, Tail};
use crate::index::{Claims, Index, SCAN_MAX_ROWS, fits};
use crate::journal::snapshot::{SnapshotFailed, Snapshots};
use crate::journal::{Journal, JournalFailed, JournalReader, Record};
use crate::machine::apply::{apply, directory_from};
use crate::machine::command::{At, Command, Reply};
use crate::machine::erase::Person;
use crate::machine::event::CommittedFrame;
use crate::machine::rows::{RowsFailed, Table};
use crate::machine::view::kind;
use crate::machine::{decide, record};
use crate::model::{Day, Directory, Position, Timestamp};
use crate::observe;
use crate::rules::refusal::{Code, Refusal};
use std::cell::RefCell;
use std::sync::{Arc, RwLock};

/// Commands of one batch, which share one sync.
pub const BATCH_MAX_COMMANDS: usize = 512;

/// Bytes of records after which a batch is written, whatever still waits.
const BATCH_MAX_BYTES: usize = 1024 * 1024;

/// The engine cannot go on. Nothing since the last answer may be acknowledged; the process stops and recovers from disk.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineFailed {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// The index; it is rebuilt at the next start.
    #[error(transparent)]
    Index(#[from] RowsFailed),
    /// A record that cannot be read.
    #[error("the journal's record at position {} cannot be used: {why}", .position.0)]
    Record {
        /// Which.
        position: Position,
        /// Why.
        why: record::Unreadable,
    },
    /// The snapshot that rows were to come from.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFailed),
    /// The index knows of frames that the journal does not have, though it is written only after they are synced.
    #[error(
        "the index reaches to position {}, and the journal only to {}: frames are missing that had been acknowledged",
        .index.0, .last.0
    )]
    Ahead {
        /// The last position the index knows.
        index: Position,
        /// The journal's last.
        last: Position,
    },
    /// What stood before the journal's first position is nowhere to be had.
    #[error(
        "the journal begins at position {}, and what was before that is not known ({why}): put back a good copy of the \
         snapshot or of the journal's older segments; without either the gateway can only begin anew, in an empty \
         data_dir with --seed", .oldest.0
    )]
    Lost {
        /// The first position still kept.
        oldest: Position,
        /// What is wrong with the snapshot.
        why: String,
    },
}

/// What recovery found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The last position of the journal.
    pub last: Position,
    /// Rows that came from a snapshot.
    pub loaded: u64,
    /// Frames whose rows had to be written again.
    pub replayed: u64,
}

/// What may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forget {
    /// What stands before this was not taken in time, and is told to nobody any more.
    pub told_from: Position,
    /// What stands before this need not be kept, as far as whole segments go.
    pub kept_from: Position,
}

/// Journal, index, claims and directory, kept in step.
pub struct Core {
    journal: Box<dyn Journal>,
    pub(super) reader: Arc<dyn JournalReader>,
    pub(super) index: Box<dyn Index>,
    pub(super) claims: Claims,
    pub(super) mending: Option<Mending>,
    directory: Arc<Directory>,
    shared_directory: Arc<RwLock<Arc<Directory>>>,
    pub(super) clock: Box<dyn Clock>,
    tail: Arc<Tail>,
    batch: Batch,
    /// The day whose claims are taken in; with a new one the oldest are forgotten.
    today: Day,
}

/// What was decided and is not yet durable.
#[derive(Default)]
struct Batch {
    stories: Vec<(usize, CommittedFrame)>,
    records: Vec<Record>,
    bytes: usize,
    overlay: Overlay,
}

impl Core {
    /// The same as `recover_with` where no snapshot is ever made.
    pub fn recover(
        journal: Box<dyn Journal>,
        index: Box<dyn Index>,
        claims: Claims,
        clock: Box<dyn Clock>,
    ) -> Result<(Self, Recovered), EngineFailed> {
        Self::recover_with(None, journal, index, claims, clock)
    }

    /// Brings the index up to the journal's end, and is ready for commands. Where the index is empty, or ends before
    /// the journal begins, its rows come from the latest snapshot first.
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
            tail: Arc::new(Tail::new(last)),
            shared_directory: Arc::new(RwLock::new(Arc::clone(&directory))),
            journal,
            reader,
            index,
            claims,
            mending: None,
            directory,
            clock,
            batch: Batch::default(),
            today: latest.day(),
        };
        Ok((core, Recovered { last, loaded, replayed }))
    }

    /// A reading end of what is committed.
    pub fn follow(&self) -> Follow {
        Follow::new(&self.tail, Arc::clone(&self.reader))
    }

    /// The day it is.
    pub fn today(&mut self) -> Day {
        self.clock.now().day()
    }

    /// A reading end of the journal, which shares no place in it with others.
    pub fn journal(&self) -> Arc<dyn JournalReader> {
        self.journal.reader()
    }

    /// A reading end of rows.
    pub fn reads(&self) -> Reads {
        Reads::new(self.index.reader(), Arc::clone(&self.shared_directory), self.follow())
    }

    /// Decides the commands in order, makes what follows durable, and says what to answer.
    ///
    /// After an error nothing is answered: the caller stops.
    pub fn commit(&mut self, commands: impl IntoIterator<Item = Command>) -> Result<Vec<Reply>, EngineFailed> {
        self.look_after_the_index()?;
        let now = self.clock.now();
        if let Some(step) = self.clock.jumped() {
            self.carry_leases(step, now)?;
        }
        if let Some(Step { from, to }) = self.clock.gained() {
            // What a lane owes is owed in true time.
            self.decide(Command::CarryDebts { from, to }, now)?;
        }
        let mut replies = Vec::new();
        for command in commands {
            if matches!(command, Command::Tick) && self.clock.is_doubted() {
                // Leases, and what is kept for so many days, end a little later rather than by a clock that is wrong.
                replies.push(Reply::Done);
                continue;
            }
            replies.push(self.decide(command, now)?);
            if self.batch.bytes >= BATCH_MAX_BYTES {
                self.flush(now)?;
            }
        }
        self.flush(now)?;
        Ok(replies)
    }

    /// Time jumped. Before anything is decided at the new time, no lease is over for that alone.
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

    /// Where what is decided next will stand.
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
            failed: RefCell::new(None),
        };
        let decision = decide(&known, command.clone(), At { time: now, position });
        if let Some(why) = known.failed.into_inner() {
            // Nothing followed from it: it is decided once more with the rows there should have been.
            self.mend(RowsFailed(why))?;
            return self.decide(command, now);
        }
        if decision.events.is_empty() {
            return Ok(decision.reply);
        }
        let story = CommittedFrame { position, at: now, events: decision.events };
        let writes = apply(&story);
        if let Err(too_long) = fits(&writes) {
            // Said before anything is written; a frame whose rows do not fit would stop every later start.
            observe::command_too_large(&too_long);
            let detail = format!("this is more than the gateway keeps of one thing ({too_long}): make it smaller");
            return Ok(Reply::Refused(Refusal::new(Code::BodyTooLarge, detail)));
        }
        let (meta, bodies) = record::encode(now, &story.events);
        let bytes = meta.len() + bodies.iter().map(Vec::len).sum::<usize>();
        self.learn(&story);
        self.batch.overlay.lay(writes);
        self.batch.records.push(Record { meta, bodies });
        self.batch.stories.push((bytes, story));
        self.batch.bytes += bytes;
        Ok(decision.reply)
    }

    /// What the next decision must know of this one besides rows.
    fn learn(&mut self, story: &CommittedFrame) {
        for event in &story.events {
            self.batch.overlay.claims.extend(rebuild::claim_of(&event.fact));
            if let Some(directory) = event.fact.directory_after(&self.directory) {
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
        let last = Position(self.journal.next().0 - 1);
        if let Err(failed) = self.index.write(&writes, last) {
            // The batch is in the journal, and its rows come from there.
            self.mend(failed)?;
        }
        for (_, story) in &batch.stories {
            rebuild::insert_claims(&mut self.claims, story);
        }
        self.claims.flush_batch(last, now.day())?;
        if self.today != now.day() && !self.clock.is_doubted() {
            self.today = now.day();
            self.claims.expire(self.today)?;
        }
        let mut shared = self.shared_directory.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !Arc::ptr_eq(&shared, &self.directory) {
            *shared = Arc::clone(&self.directory);
        }
        drop(shared);
        self.tail.push(batch.stories.into_iter());
        observe::journal_position(last.0);
        Ok(())
    }

    /// Tells nobody of what stands before `told_from`, and drops segments all of which stands before `kept_from`. Not
    /// while the clock may be wrong, by which it was found that they are old.
    pub fn forget(&mut self, Forget { told_from, kept_from }: Forget) -> Result<(), EngineFailed> {
        if self.clock.is_doubted() {
            return Ok(());
        }
        self.tail.tell_from(told_from);
        Ok(self.journal.forget_before(kept_from)?)
    }

    /// Erases somebody from the journal, once `Command::Erase` was answered with `Done`. Index, snapshots and what
    /// followers hold in memory remember until they are made anew from it.
    pub fn erase(&mut self, person: &Person) -> Result<Erased, EngineFailed> {
        let mut finding = Finding::of(person);
        let erased = self.journal.erase(&mut |frame| finding.which(frame));
        finding.done(erased?)
    }

    /// The clean stop: the index and the claims are made durable, so that the next start need not rebuild.
    pub fn close(self) -> Result<(), EngineFailed> {
        self.claims.close()?;
        self.index.close()?;
        Ok(())
    }
}

fn load_directory(index: &dyn Index) -> Result<Directory, RowsFailed> {
    let mut rows = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = index.scan(Table::State, &[kind::DIRECTORY], &from, SCAN_MAX_ROWS)?;
        let full = page.len() == SCAN_MAX_ROWS;
        if let Some((last, _)) = page.last() {
            // The first key after this one.
            from = last.iter().copied().chain([0]).collect();
        }
        rows.extend(page);
        if !full {
            return Ok(directory_from(rows.into_iter()).unwrap_or_default());
        }
    }
}
