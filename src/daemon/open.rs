//! Opens what the disk holds, and brings it up to date. Blocks.

use super::erase::begun;
use super::evidence::{self, CLAIMS, Found};
use super::room::{self, Room};
use super::{clock, feeds, loss, private};
use crate::config::seed::Seed;
use crate::engine::{Clock as _, Core, EngineFailed, WallClock};
use crate::index::{CLAIMS_MAX, Claims, Looked, Owner, SCAN_MAX_ROWS, Trust, WhyRebuilt};
use crate::journal::snapshot::{Origin, SnapshotFailed, Snapshots};
use crate::journal::{FileJournal, Journal, JournalFailed, JournalReader, Lock, LockFailed, Options, SEGMENT_BYTES};
use crate::machine::command::{Command, Reply};
use crate::machine::record;
use crate::machine::rows::RowsFailed;
use crate::machine::view::{Queries, ROWS_VERSION};
use crate::model::{Day, Position, Timestamp};
use crate::observe::{self, RebuildReason};
use crate::work::feed::Start;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The journal's place in the data directory.
pub(super) const JOURNAL: &str = "journal";

/// The index's place there.
pub(super) const INDEX: &str = "index";

/// The snapshots' place there.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// What that place was called before.
const SNAPSHOTS_BEFORE: &str = "snapshot";

/// The data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailed {
    /// Another process uses the directory, or it cannot be written.
    #[error(transparent)]
    Lock(#[from] LockFailed),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// The directory of snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFailed),
    /// The index or the claims.
    #[error(transparent)]
    Index(#[from] RowsFailed),
    /// Recovery.
    #[error(transparent)]
    Engine(#[from] EngineFailed),
    /// The directory itself.
    #[error("{0}")]
    Directory(#[from] io::Error),
    /// Somebody was being erased. A gateway that started now would carry on what is left of them.
    #[error(
        "a person was being erased from {}, and that was cut off: run `offhook erase +1NUMBER --config FILE` with the \
         same number once more, then start again", .data_dir.display()
    )]
    ErasureCutOff {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// A loss was being accepted, and the platform was not told of it yet.
    #[error(
        "`offhook journal accept-loss` was cut off in {0}: run `offhook journal accept-loss {0}` once more, then start again",
        .data_dir.display()
    )]
    LossCutOff {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Any of these, on a disk that is full.
    #[error("{} is on a full disk: make {} MiB free there and start again ({why})", directory.display(), START_BYTES >> 20)]
    Full {
        /// The data directory.
        directory: PathBuf,
        /// What did not work.
        why: Box<OpenFailed>,
    },
}

/// Free room with which a start does not fail for want of it: a segment of the journal, and as much for the index.
const START_BYTES: u64 = 2 * SEGMENT_BYTES;

/// With less than this free a disk counts as full.
const FULL_BYTES: u64 = 1024 * 1024;

impl OpenFailed {
    /// Says what to do, where the reason is a disk without room.
    fn on_the_disk_of(self, directory: &Path) -> Self {
        match Room::of(directory) {
            // What is no file system of a disk has no room at all, and is not full.
            Ok(room) if room.total > 0 && room.free < FULL_BYTES => {
                Self::Full { directory: directory.to_owned(), why: Box::new(self) }
            }
            _ => self,
        }
    }
}

/// What was opened for a gateway that starts.
pub(super) struct Opened {
    pub(super) core: Core,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) lock: Lock,
    /// What time it is, by the same clocks as the core's.
    pub(super) clock: WallClock,
    /// Where each endpoint's feed goes on.
    pub(super) feeds: HashMap<String, Start>,
    pub(super) seed_refused: bool,
}

/// Takes the directory, and closes it to other users.
pub(super) fn lock(data_dir: &Path) -> Result<Lock, OpenFailed> {
    let lock = Lock::take(data_dir).map_err(|failed| OpenFailed::from(failed).on_the_disk_of(data_dir))?;
    private::tighten(data_dir);
    Ok(lock)
}

/// Recovers what is there, notes the start, and loads the seed if there is no directory yet.
pub(super) fn open(
    lock: Lock,
    data_dir: &Path,
    seed: Option<Seed>,
    endpoints: &[String],
) -> Result<Opened, OpenFailed> {
    open_or_fail(lock, data_dir, seed, endpoints).map_err(|failed| failed.on_the_disk_of(data_dir))
}

fn open_or_fail(lock: Lock, data_dir: &Path, seed: Option<Seed>, endpoints: &[String]) -> Result<Opened, OpenFailed> {
    let Recovered { lock, mut core, snapshots, clock } = recover_with(lock, data_dir)?;
    core.commit([Command::GatewayStarted])?;
    let seed_refused = match seed {
        None => false,
        Some(seed) => !load(&mut core, seed)?,
    };
    let feeds = feeds::open(&mut core, endpoints)?;
    feeds::can_be_read(&core, &feeds)?;
    Ok(Opened { core, snapshots: Arc::new(snapshots), lock, clock, feeds, seed_refused })
}

/// Loads a seed; `false` where there is a directory, and nothing was changed.
fn load(core: &mut Core, seed: Seed) -> Result<bool, OpenFailed> {
    let Seed { directory, opt_outs } = seed;
    let replies = core.commit([Command::Seed { directory: Box::new(directory), opt_outs }])?;
    match replies.into_iter().next() {
        Some(Reply::Refused(refusal)) => Err(OpenFailed::Directory(io::Error::other(refusal.detail))),
        Some(Reply::SeedRefused) => Ok(false),
        _ => Ok(true),
    }
}

/// What the disk holds, brought up to date.
pub(super) struct Recovered {
    /// To be held until the core is closed or dropped.
    pub(super) lock: Lock,
    pub(super) core: Core,
    pub(super) snapshots: Snapshots,
    /// What time it is, by the same clocks as the core's.
    pub(super) clock: WallClock,
}

/// Takes the directory, opens journal, snapshots, index and claims, and fills in what the index lacks. Nothing is noted.
pub(super) fn recover(data_dir: &Path) -> Result<Recovered, OpenFailed> {
    recover_with(lock(data_dir)?, data_dir)
}

/// The same in a directory that was taken.
fn recover_with(lock: Lock, data_dir: &Path) -> Result<Recovered, OpenFailed> {
    if begun::is_begun(data_dir) {
        return Err(OpenFailed::ErasureCutOff { data_dir: data_dir.to_owned() });
    }
    if loss::is_begun(data_dir) {
        return Err(OpenFailed::LossCutOff { data_dir: data_dir.to_owned() });
    }
    recover_locked(lock, data_dir)
}

/// The same also amid an erasure.
pub(super) fn recover_locked(lock: Lock, data_dir: &Path) -> Result<Recovered, OpenFailed> {
    let began = Instant::now();
    if let Some(bytes) = room::for_a_start(data_dir)? {
        observe::ballast_given_up(bytes);
    }
    rename_snapshots(data_dir)?;
    let Found { index, known, covers } = evidence::gather(data_dir)?;
    let journal = FileJournal::open_with(&data_dir.join(JOURNAL), Options::default(), &known)?;
    if let Some(cut) = journal.cut() {
        tracing::warn!(?cut, "the journal's torn end was cut: nothing in it had been acknowledged");
    }
    let recovered = recover_from(lock, data_dir, journal, index, began)?;
    begins_where_it_may(data_dir, recovered.core.journal().as_ref(), covers)?;
    Ok(recovered)
}

/// That no segment is missing at the journal's beginning: what retention drops is in a snapshot.
fn begins_where_it_may(data_dir: &Path, journal: &dyn JournalReader, covers: Position) -> Result<(), JournalFailed> {
    let before = journal.last_before_oldest();
    if before <= covers {
        return Ok(());
    }
    let data_dir = data_dir.display();
    Err(JournalFailed::Damaged(format!(
        "the journal in {data_dir} begins at position {}, and the segments before it are missing: no snapshot reaches \
         beyond position {}. Put them back, or give up what is in them with `offhook journal accept-loss {data_dir}`, which \
         tells the platform",
        journal.bounds().0.0,
        covers.0
    )))
}

/// The same with a journal and an index that were found.
pub(super) fn recover_from(
    lock: Lock,
    data_dir: &Path,
    journal: FileJournal,
    index: Looked,
    began: Instant,
) -> Result<Recovered, OpenFailed> {
    let identity = journal.identity();
    let origin = Origin { journal: identity, rows_version: ROWS_VERSION };
    let snapshots = Snapshots::open(&snapshots_place(data_dir), origin)?;
    let opened = index.open(Owner { journal: identity, rows_version: ROWS_VERSION })?;
    let mut clock = clock::begin(data_dir, last_time(&journal)?);
    // By a clock that may be wrong no day is over.
    let today = if clock.is_doubted() { Day::default() } else { clock.now().day() };
    let claims = Claims::open(&data_dir.join(CLAIMS), identity, today, CLAIMS_MAX)?;
    let (journal, index, time) = (Box::new(journal), Box::new(opened.index), Box::new(clock.clone()));
    let (core, recovered) = Core::recover_with(Some(&snapshots), journal, index, claims, time)?;
    // A new gateway has nothing to rebuild.
    if let Trust::Fresh(why) = opened.trust.clone()
        && recovered.loaded + recovered.replayed > 0
    {
        observe::index_rebuilt(reason(&why), began.elapsed());
    }
    watermarks_are_within(&core)?;
    tracing::info!(
        position = recovered.last.0,
        loaded = recovered.loaded,
        replayed = recovered.replayed,
        ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "recovered"
    );
    Ok(Recovered { lock, core, snapshots, clock })
}

/// The time of the journal's last record; none in an empty one.
fn last_time(journal: &FileJournal) -> Result<Option<Timestamp>, OpenFailed> {
    let reader = journal.reader();
    let last = reader.last();
    if last == Position(0) {
        return Ok(None);
    }
    let Some(frame) = reader.read(last, 1)?.into_iter().next() else { return Ok(None) };
    let position = frame.position;
    let story = record::decode(position, &frame.meta, frame.bodies);
    Ok(Some(story.map_err(|why| EngineFailed::Record { position, why })?.at))
}

/// No endpoint has been told of more than the journal holds.
fn watermarks_are_within(core: &Core) -> Result<(), OpenFailed> {
    let reads = core.reads();
    let end = reads.follow().committed().next();
    let known = reads.ask(|view| view.watermarks(SCAN_MAX_ROWS))?;
    match known.into_iter().find(|(_, watermark)| *watermark > end) {
        Some((endpoint, watermark)) => Err(JournalFailed::Damaged(format!(
            "endpoint {endpoint} has taken events up to position {}, and the journal ends at {}: frames are missing that \
             had been acknowledged. Put a good copy of the journal's last segments back, or give up what is lost with \
             `offhook journal accept-loss`",
            watermark.0 - 1,
            end.0 - 1
        ))
        .into()),
        None => Ok(()),
    }
}

/// Where the snapshots are.
pub(super) fn snapshots_place(data_dir: &Path) -> PathBuf {
    data_dir.join(SNAPSHOTS)
}

/// What an earlier release left under another name gets its name: there may be nothing else of what the journal has
/// forgotten. The name is durable before anything is written there.
fn rename_snapshots(data_dir: &Path) -> io::Result<()> {
    let (place, before) = (data_dir.join(SNAPSHOTS), data_dir.join(SNAPSHOTS_BEFORE));
    if before.is_dir() && !place.exists() {
        fs::rename(&before, &place)?;
        File::open(data_dir)?.sync_all()?;
        tracing::info!("the directory of snapshots has its new name");
    }
    Ok(())
}

fn reason(why: &WhyRebuilt) -> RebuildReason {
    match why {
        WhyRebuilt::Missing | WhyRebuilt::Unfinished => RebuildReason::Missing,
        WhyRebuilt::OtherVersion => RebuildReason::OtherVersion,
        WhyRebuilt::OtherJournal => RebuildReason::OtherJournal,
        WhyRebuilt::UncleanStop => RebuildReason::UncleanStop,
        WhyRebuilt::FailedBefore | WhyRebuilt::DoesNotOpen(_) => RebuildReason::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_of_an_earlier_release_are_found_under_their_new_name() {
        let home = tempfile::tempdir().unwrap();
        let (place, before) = (home.path().join("snapshots"), home.path().join("snapshot"));
        drop(recover(home.path()).unwrap());
        assert!(place.is_dir() && !before.exists());

        fs::rename(&place, &before).unwrap();
        fs::write(before.join("kept"), "a snapshot").unwrap();
        drop(recover(home.path()).unwrap());
        assert_eq!(fs::read(place.join("kept")).unwrap(), b"a snapshot");
        assert!(!before.exists());

        // Where both are there nobody knows which is right, and none is touched.
        fs::create_dir(&before).unwrap();
        drop(recover(home.path()).unwrap());
        assert!(place.join("kept").exists() && before.exists());
    }
}
