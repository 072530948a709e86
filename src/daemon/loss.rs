//! Accepts the loss of journal frames: `offhook journal accept-loss`.
//!
//! Invariant: the loss is written to a note file before anything is changed, and the file is removed once the journal
//! contains an event about it. So an interrupted command is not forgotten: no gateway starts before it is run again.

use super::erase::begun;
use super::evidence::{self, Found};
use super::open::{self, INDEX, JOURNAL, OpenFailed, SNAPSHOTS};
use super::private;
use crate::engine::{Core, EngineFailed};
use crate::journal::{FileJournal, Journal as _, Lock, LockFailed, Lost, Options, Plan, epoch_after};
use crate::machine::command::Command;
use crate::machine::show;
use crate::model::{Day, EventId, Position};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The note file of a loss being accepted: a line `from until` for each range.
const NOTE: &str = "accepting-loss";

/// Nothing was accepted, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum AcceptFailed {
    /// The gateway is running.
    #[error("{0}")]
    Running(LockFailed),
    /// There is no gateway data in the directory.
    #[error("there is no data of a gateway in {}: check that it is the gateway's data_dir", .0.display())]
    NoData(PathBuf),
    /// The data cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenFailed),
    /// The disk failed during the command.
    #[error("{0}. Run the command again")]
    Unfinished(String),
}

/// Whether a loss is being accepted and the command was not completed.
pub(super) fn is_begun(data_dir: &Path) -> bool {
    data_dir.join(NOTE).exists()
}

/// Accepts the lost frames of the journal in `data_dir`, and nothing else. Returns the lost ranges, oldest first;
/// empty if nothing is missing.
pub fn accept(data_dir: &Path) -> Result<Vec<Lost>, AcceptFailed> {
    let data = [JOURNAL, INDEX, evidence::CLAIMS, SNAPSHOTS].map(|place| data_dir.join(place));
    if !data.iter().any(|place| place.is_dir()) {
        return Err(AcceptFailed::NoData(data_dir.to_owned()));
    }
    let began = Instant::now();
    let lock = Lock::take(data_dir).map_err(AcceptFailed::Running)?;
    private::tighten(data_dir);
    if begun::is_begun(data_dir) {
        return Err(OpenFailed::ErasureCutOff { data_dir: data_dir.to_owned() }.into());
    }
    let directory = data_dir.join(JOURNAL);
    let Found { index, mut known, covers } = evidence::gather(data_dir)?;
    let plan = Plan::of(&directory, &known).map_err(OpenFailed::from)?;
    if plan.identity().is_none() {
        return Err(AcceptFailed::NoData(data_dir.to_owned()));
    }
    let mut lost = noted(data_dir)?;
    lost.extend(plan.lost());
    note(data_dir, &lost).map_err(|error| AcceptFailed::unfinished(&error))?;
    plan.apply().map_err(|error| AcceptFailed::unfinished(&error))?;
    // Everything known beyond the journal's end is lost now.
    let last = std::mem::take(&mut known.last);
    let mut journal = FileJournal::open_with(&directory, Options::default(), &known).map_err(OpenFailed::from)?;
    let (reader, next) = (journal.reader(), journal.next());
    if reader.last_before_oldest() > covers {
        // Segments are missing at the beginning, and only the journal's first position shows it.
        lost.push(Lost { from: covers.next(), until: reader.bounds().0 });
        note(data_dir, &lost).map_err(|error| AcceptFailed::unfinished(&error))?;
    }
    if last >= next {
        let first = epoch_after(last);
        lost.push(Lost { from: next, until: first });
        note(data_dir, &lost).map_err(|error| AcceptFailed::unfinished(&error))?;
        journal.begin_epoch(first);
    }
    lost.sort_by_key(|lost| lost.from);
    lost.dedup();
    if lost.is_empty() {
        done(data_dir).map_err(|error| AcceptFailed::unfinished(&error))?;
        return Ok(lost);
    }
    let recovered = open::recover_from(lock, data_dir, journal, index, began)?;
    let open::Recovered { lock: _lock, mut core, snapshots, .. } = recovered;
    let today = core.today();
    let tell = lost.iter().map(|lost| loss_command(&core, *lost, today)).collect::<Result<Vec<_>, _>>()?;
    core.commit(tell).map_err(|error| AcceptFailed::unfinished(&error))?;
    // The index may contain data of the lost frames: an opt-out, the last number of a call's events.
    core.keep_in_snapshot(&snapshots).map_err(|error| AcceptFailed::unfinished(&error))?;
    core.close().map_err(|error| AcceptFailed::unfinished(&error))?;
    done(data_dir).map_err(|error| AcceptFailed::unfinished(&error))?;
    Ok(lost)
}

/// The command that records a loss. The day of the lost frames is unknown: it is taken from the frame before, or the
/// one after.
fn loss_command(core: &Core, Lost { from, until }: Lost, today: Day) -> Result<Command, OpenFailed> {
    let follow = core.follow();
    let day = |position| -> Result<Option<Day>, EngineFailed> {
        let frames = core.journal().read(position, 1)?;
        let frame = frames.into_iter().next().filter(|frame| frame.position == position);
        let story = frame.and_then(|frame| crate::machine::record::decode(position, &frame.meta, frame.bodies).ok());
        Ok(story.map(|story| story.at.day()))
    };
    let before = if from.0 > follow.oldest().0 { day(Position(from.0 - 1))? } else { None };
    let after = day(until)?;
    Ok(Command::JournalLost {
        from: show::before(before.or(after).unwrap_or(today), from),
        until: EventId::new(after.unwrap_or(today), until, 0),
    })
}

impl AcceptFailed {
    fn unfinished(error: &impl ToString) -> Self {
        Self::Unfinished(error.to_string())
    }
}

/// The ranges noted by an interrupted command.
fn noted(data_dir: &Path) -> Result<Vec<Lost>, AcceptFailed> {
    let text = match fs::read_to_string(data_dir.join(NOTE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(AcceptFailed::unfinished(&error)),
    };
    let line = |line: &str| {
        let (from, until) = line.split_once(' ')?;
        Some(Lost { from: Position(from.parse().ok()?), until: Position(until.parse().ok()?) })
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Notes the lost ranges; the note is on disk when this returns.
fn note(data_dir: &Path, lost: &[Lost]) -> io::Result<()> {
    let making = data_dir.join(format!("{NOTE}.new"));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&making)?;
    for lost in lost {
        writeln!(file, "{} {}", lost.from.0, lost.until.0)?;
    }
    file.sync_all()?;
    fs::rename(&making, data_dir.join(NOTE))?;
    File::open(data_dir)?.sync_all()
}

fn done(data_dir: &Path) -> io::Result<()> {
    fs::remove_file(data_dir.join(NOTE))?;
    File::open(data_dir)?.sync_all()
}
