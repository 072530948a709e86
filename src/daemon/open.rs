//! Opens the data on disk and brings it up to date. Blocks.

use super::disk_space::{self, DiskSpace};
use super::erase::{self, begun};
use super::evidence::{self, CLAIMS, Found};
use super::{clock, feeds, loss, private};
use crate::directory::Document;
use crate::engine::{Clock as _, Core, EngineFailed, WallClock, wall};
use crate::index::{CLAIMS_MAX, Claims, FoundIndex, Owner, Trust, WhyRebuilt};
use crate::journal::snapshot::{Origin, SnapshotFailed, Snapshots};
use crate::journal::{FileJournal, Journal, JournalFailed, JournalReader, Lock, LockFailed, Options, SEGMENT_BYTES};
use crate::machine::command::{BeginReconciliation, Command, Reply};
use crate::machine::record;
use crate::machine::rows::ROWS_VERSION;
use crate::machine::rows::RowsFailed;
use crate::machine::state::Gateway;
use crate::machine::view::Queries;
use crate::model::{Day, Position, Timestamp};
use crate::observe::{self, RebuildReason};
use crate::work::feed::Start;
use crate::work::reconcile::down_since;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The journal's path in the data directory.
pub(super) const JOURNAL: &str = "journal";

/// The index's path there.
pub(super) const INDEX: &str = "index";

/// The snapshots' path there.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// The former name of the snapshots' path.
const SNAPSHOTS_BEFORE: &str = "snapshot";

/// The data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailed {
    /// Another process uses the directory, or it is not writable.
    #[error(transparent)]
    Lock(#[from] LockFailed),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// The directory of snapshots cannot be opened.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFailed),
    /// The index or the claims cannot be opened.
    #[error(transparent)]
    Index(#[from] RowsFailed),
    /// Recovery failed.
    #[error(transparent)]
    Engine(#[from] EngineFailed),
    /// The directory itself cannot be used.
    #[error("{0}")]
    Directory(#[from] io::Error),
    /// An erasure by a version that did not journal them was interrupted. A gateway started now would continue with the
    /// remaining data of that person.
    #[error(
        "an erasure by an earlier version of offhook in {} was interrupted: run `offhook erase +1NUMBER --config FILE` again with the \
         same number, then start the gateway", .data_dir.display()
    )]
    ErasureCutOff {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The acceptance of a loss was interrupted before the platform was notified.
    #[error(
        "`offhook journal accept-loss` was interrupted in {0}: run `offhook journal accept-loss {0}` again, then \
         start the gateway",
        .data_dir.display()
    )]
    LossCutOff {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Any of these on a full disk.
    #[error("{} is on a full disk: free {} MiB there and start again ({why})", directory.display(), START_BYTES >> 20)]
    Full {
        /// The data directory.
        directory: PathBuf,
        /// The error.
        why: Box<OpenFailed>,
    },
}

/// Free space needed for a start: a segment of the journal, and as much for the index.
const START_BYTES: u64 = 2 * SEGMENT_BYTES;

/// A disk with less free space than this counts as full.
const FULL_BYTES: u64 = 1024 * 1024;

impl OpenFailed {
    /// Adds the fix if the cause is a full disk.
    fn on_the_disk_of(self, directory: &Path) -> Self {
        match DiskSpace::of(directory) {
            // A pseudo file system like /proc reports no space at all, and is not full.
            Ok(space) if space.total > 0 && space.free < FULL_BYTES => {
                Self::Full { directory: directory.to_owned(), why: Box::new(self) }
            }
            _ => self,
        }
    }
}

/// What the configuration names.
pub(super) struct Names {
    /// The endpoints.
    pub(super) endpoints: Vec<String>,
    /// The accounts whose carriers have a list of messages.
    pub(super) listing: Vec<String>,
}

/// The opened data of a starting gateway.
pub(super) struct Opened {
    pub(super) core: Core,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) lock: Lock,
    /// The current time, by the same clocks as the core's.
    pub(super) clock: WallClock,
    /// Where each endpoint's feed resumes.
    pub(super) feeds: HashMap<String, Start>,
    pub(super) seed_refused: bool,
}

/// Locks the directory, and removes other users' access to it.
pub(super) fn lock(data_dir: &Path) -> Result<Lock, OpenFailed> {
    let lock = Lock::take(data_dir).map_err(|failed| OpenFailed::from(failed).on_the_disk_of(data_dir))?;
    private::tighten(data_dir);
    Ok(lock)
}

/// Recovers the data, records the start, and loads the seed if there is no directory yet.
pub(super) fn open(lock: Lock, data_dir: &Path, seed: Option<Document>, names: &Names) -> Result<Opened, OpenFailed> {
    open_or_fail(lock, data_dir, seed, names).map_err(|failed| failed.on_the_disk_of(data_dir))
}

fn open_or_fail(lock: Lock, data_dir: &Path, seed: Option<Document>, names: &Names) -> Result<Opened, OpenFailed> {
    let noted = clock::last_noted(data_dir);
    let Recovered { lock, mut core, snapshots, clock } = recover_with(lock, data_dir)?;
    let last_seen = last_seen(&core, noted);
    core.commit([Command::GatewayStarted])?;
    let seed_refused = match seed {
        None => false,
        Some(seed) => !load(&mut core, seed)?,
    };
    let feeds = feeds::open(&mut core, &names.endpoints)?;
    feeds::can_be_read(&core, &feeds)?;
    reconcile_after_downtime(&mut core, last_seen, clock.clone().now(), &names.listing)?;
    Ok(Opened { core, snapshots: Arc::new(snapshots), lock, clock, feeds, seed_refused })
}

/// When a gateway on this data was last seen to run: at the time it saved, or else at the end of the journal, which commands
/// on the data of a stopped gateway extend. `None` if no gateway ever started.
fn last_seen(core: &Core, noted: Option<Timestamp>) -> Option<Timestamp> {
    let reads = core.reads();
    reads.ask(|view| view.gateway()).ok().filter(|gateway| *gateway != Gateway::default())?;
    let last = reads.follow().frame(reads.follow().committed()).ok().flatten()?;
    Some(noted.unwrap_or(last.at))
}

/// Records that the lists of these accounts are to be read, if the gateway was down.
fn reconcile_after_downtime(
    core: &mut Core,
    last_seen: Option<Timestamp>,
    now: Timestamp,
    listing: &[String],
) -> Result<(), EngineFailed> {
    let Some(since) = down_since(last_seen, now) else { return Ok(()) };
    // The journal's time may differ from that of the carrier.
    let since = wall() - now.since(since);
    let begin = |account: &String| {
        let account = account.clone();
        Command::BeginReconciliation(BeginReconciliation { account, since, by: None, key: None })
    };
    core.commit(listing.iter().map(begin))?;
    observe::was_down(since, listing.len());
    Ok(())
}

/// Loads a seed; `false` if there is a directory already, which stays unchanged.
fn load(core: &mut Core, seed: Document) -> Result<bool, OpenFailed> {
    let Document { directory, opt_outs } = seed;
    let replies = core.commit([Command::Seed { directory: Box::new(directory), opt_outs }])?;
    match replies.into_iter().next() {
        Some(Reply::Refused(refusal)) => Err(OpenFailed::Directory(io::Error::other(refusal.detail))),
        Some(Reply::SeedRefused) => Ok(false),
        _ => Ok(true),
    }
}

/// The data on disk, brought up to date.
pub(super) struct Recovered {
    /// The lock must be held until the core is closed or dropped.
    pub(super) lock: Lock,
    pub(super) core: Core,
    pub(super) snapshots: Snapshots,
    /// The current time, by the same clocks as the core's.
    pub(super) clock: WallClock,
}

/// Locks the directory, opens journal, snapshots, index and claims, and completes the index. Records nothing.
pub(super) fn recover(data_dir: &Path) -> Result<Recovered, OpenFailed> {
    recover_with(lock(data_dir)?, data_dir)
}

/// The same in a directory that is locked already.
fn recover_with(lock: Lock, data_dir: &Path) -> Result<Recovered, OpenFailed> {
    if begun::is_begun(data_dir) {
        return Err(OpenFailed::ErasureCutOff { data_dir: data_dir.to_owned() });
    }
    if loss::is_begun(data_dir) {
        return Err(OpenFailed::LossCutOff { data_dir: data_dir.to_owned() });
    }
    erase::erase_data(recover_locked(lock, data_dir)?, data_dir)
}

/// The same, even if an erasure was interrupted.
pub(super) fn recover_locked(lock: Lock, data_dir: &Path) -> Result<Recovered, OpenFailed> {
    let began = Instant::now();
    if let Some(bytes) = disk_space::for_a_start(data_dir)? {
        observe::ballast_given_up(bytes);
    }
    rename_snapshots(data_dir)?;
    let Found { index, known, covers } = evidence::gather(data_dir)?;
    let journal = FileJournal::open_with(&data_dir.join(JOURNAL), Options::default(), &known)?;
    if let Some(cut) = journal.cut() {
        tracing::warn!(?cut, "truncated an incomplete write at the journal's end; nothing in it had been acknowledged");
    }
    let recovered = recover_from(lock, data_dir, journal, index, began)?;
    begins_where_it_may(data_dir, recovered.core.journal().as_ref(), covers)?;
    Ok(recovered)
}

/// Checks that no segment is missing at the journal's beginning: segments dropped by retention are in a snapshot.
fn begins_where_it_may(data_dir: &Path, journal: &dyn JournalReader, covers: Position) -> Result<(), JournalFailed> {
    let before = journal.last_before_oldest();
    if before <= covers {
        return Ok(());
    }
    let data_dir = data_dir.display();
    Err(JournalFailed::Damaged(format!(
        "the journal in {data_dir} begins at position {}, and the segments before it are missing: no snapshot goes \
         beyond position {}. Restore them, or accept their loss with `offhook journal accept-loss {data_dir}`, which \
         notifies the platform",
        journal.bounds().0.0,
        covers.0
    )))
}

/// The same with an opened journal and index.
pub(super) fn recover_from(
    lock: Lock,
    data_dir: &Path,
    journal: FileJournal,
    index: FoundIndex,
    began: Instant,
) -> Result<Recovered, OpenFailed> {
    let identity = journal.identity();
    let origin = Origin { journal: identity, rows_version: ROWS_VERSION };
    let snapshots = Snapshots::open(&snapshots_place(data_dir), origin)?;
    let opened = index.open(Owner { journal: identity, rows_version: ROWS_VERSION })?;
    let mut clock = clock::begin(data_dir, last_time(&journal)?);
    // An unsynchronised clock must not end a day.
    let today = if clock.is_untrusted() { Day::default() } else { clock.now().day() };
    let claims = Claims::open(&data_dir.join(CLAIMS), identity, today, CLAIMS_MAX)?;
    let (journal, index, time) = (Box::new(journal), Box::new(opened.index), Box::new(clock.clone()));
    let (core, recovered) = Core::recover_with(Some(&snapshots), journal, index, claims, time)?;
    // A new gateway has no index to rebuild.
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

/// The time of the journal's last record; `None` if it is empty.
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

/// Checks that no endpoint has received events beyond the journal's end.
fn watermarks_are_within(core: &Core) -> Result<(), OpenFailed> {
    let reads = core.reads();
    let end = reads.follow().committed().next();
    let known = reads.ask(|view| view.watermarks())?;
    match known.into_iter().find(|(_, watermark)| *watermark > end) {
        Some((endpoint, watermark)) => Err(JournalFailed::Damaged(format!(
            "endpoint {endpoint} has received events up to position {}, but the journal ends at {}: acknowledged \
             frames are missing. Restore a good copy of the journal's last segments, or accept the loss with \
             `offhook journal accept-loss`",
            watermark.0 - 1,
            end.0 - 1
        ))
        .into()),
        None => Ok(()),
    }
}

/// The directory of snapshots.
pub(super) fn snapshots_place(data_dir: &Path) -> PathBuf {
    data_dir.join(SNAPSHOTS)
}

/// Renames the snapshot directory of an earlier release: its snapshots may be the only copy of data that the journal
/// has dropped. The rename is durable before anything is written there.
fn rename_snapshots(data_dir: &Path) -> io::Result<()> {
    let (place, before) = (data_dir.join(SNAPSHOTS), data_dir.join(SNAPSHOTS_BEFORE));
    if before.is_dir() && !place.exists() {
        fs::rename(&before, &place)?;
        File::open(data_dir)?.sync_all()?;
        tracing::info!("renamed the snapshot directory to its new name");
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
    fn snapshots_of_an_earlier_release_are_renamed() {
        let home = tempfile::tempdir().unwrap();
        let (place, before) = (home.path().join("snapshots"), home.path().join("snapshot"));
        drop(recover(home.path()).unwrap());
        assert!(place.is_dir() && !before.exists());

        fs::rename(&place, &before).unwrap();
        fs::write(before.join("kept"), "a snapshot").unwrap();
        drop(recover(home.path()).unwrap());
        assert_eq!(fs::read(place.join("kept")).unwrap(), b"a snapshot");
        assert!(!before.exists());

        // If both exist it is unclear which is right, so neither is touched.
        fs::create_dir(&before).unwrap();
        drop(recover(home.path()).unwrap());
        assert!(place.join("kept").exists() && before.exists());
    }
}
