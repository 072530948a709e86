//! Erases a person's data from a stopped gateway, and completes erasures that were interrupted.
//!
//! Invariant: an erasure is journaled before anything is erased, so one that is interrupted is completed by the next
//! start before anything is served, but for media: those are swept beside it, as the store may not be reachable. Once it
//! is done, no file of the data directory contains the number or the texts, and no medium of that person is in the store.
//! Their opt-out is kept as a fingerprint.

pub(super) mod begun;
#[cfg(test)]
mod tests;

use super::open::{self, OpenFailed, Recovered};
use super::{media, private};
use crate::config::Config;
use crate::engine::{Core, EngineFailed, Erasures};
use crate::index::SledIndex;
use crate::journal::{Lock, LockFailed};
use crate::machine::command::{Command, Reply};
use crate::machine::erasure::{Erased, ErasureState};
use crate::machine::fingerprint::ErasureKey;
use crate::machine::view::PeopleQueries as _;
use crate::model::{Actor, E164};
use crate::observe;
use crate::work::media::NotSwept;
use crate::work::media::store::MediaConfig;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Nothing was erased, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum EraseFailed {
    /// The gateway is running.
    #[error(
        "{} is in use by {}, which is not a gateway that can be asked: stop it, then erase",
        data_dir.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Running {
        /// The data directory.
        data_dir: PathBuf,
        /// The process, if known.
        pid: Option<u32>,
    },
    /// There is no gateway data in the directory.
    #[error("there is no journal in {}: check that it is the gateway's data_dir", .0.display())]
    NoJournal(PathBuf),
    /// The data cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenFailed),
    /// The erasure is not allowed now.
    #[error("{0}")]
    Refused(String),
    /// The disk failed during the erasure.
    #[error("{0}. It is unknown how much data of the person is left: run the erasure again")]
    Unfinished(String),
    /// The media store failed after everything else was erased.
    #[error(
        "{0}. The number and the texts are erased, but photos and videos of the person may be left: when the store works, \
         run the erasure again, or start the gateway, which completes it"
    )]
    MediaLeft(NotSwept),
}

/// Erases a person.
pub fn erase(config: &Config, who: E164) -> Result<Erased, EraseFailed> {
    erase_from(&config.data_dir, &config.media, who)
}

fn erase_from(data_dir: &Path, media: &MediaConfig, who: E164) -> Result<Erased, EraseFailed> {
    if !data_dir.join(open::JOURNAL).exists() {
        return Err(EraseFailed::NoJournal(data_dir.to_owned()));
    }
    let lock = Lock::take(data_dir).map_err(|failed| match failed {
        LockFailed::Held { directory, pid } => EraseFailed::Running { data_dir: directory, pid },
        other => EraseFailed::Open(other.into()),
    })?;
    private::tighten(data_dir);
    begun::may_begin(data_dir, who)?;
    let mut recovered = open::recover_locked(lock, data_dir)?;
    let key = fresh_key()?;
    let command = Command::Erase { who, key, idempotency: None, by: Actor::command_line() };
    let replies = recovered.core.commit([command]).map_err(EraseFailed::unfinished)?;
    let id = match replies.into_iter().next() {
        Some(Reply::Erasure(erasure)) => erasure.id,
        Some(Reply::Refused(refusal)) => {
            recovered.core.close().map_err(OpenFailed::from)?;
            return Err(EraseFailed::Refused(refusal.detail));
        }
        _ => return Err(EraseFailed::Unfinished("the reply does not match the command (bug)".to_owned())),
    };
    let began = Instant::now();
    let erased = erase_data(recovered, data_dir).map_err(|failed| EraseFailed::Unfinished(failed.to_string()))?;
    // The lock is held until the core is closed.
    let Recovered { lock: _lock, mut core, .. } = erased;
    let ended = end(&mut core, media, began);
    let erasure = core.reads().ask(|view| view.erasure(id)).map_err(EraseFailed::unfinished)?;
    core.close().map_err(EraseFailed::unfinished)?;
    ended?;
    match erasure {
        Some(erasure) if erasure.state == ErasureState::Done => {
            begun::done(data_dir).map_err(|error| EraseFailed::cut_off(&error))?;
            Ok(erasure.erased)
        }
        _ => Err(EraseFailed::Unfinished("the data is damaged: the line above says where".to_owned())),
    }
}

/// A random key for fingerprints of erased numbers.
fn fresh_key() -> Result<ErasureKey, OpenFailed> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| OpenFailed::Directory(io::Error::other(error)))?;
    Ok(ErasureKey(key))
}

/// Erases everything but media for the erasures that run: those of this command, and those that were interrupted. If data
/// is damaged, they end as failed. Otherwise they run on until media are swept.
pub(super) fn erase_data(mut recovered: Recovered, data_dir: &Path) -> Result<Recovered, OpenFailed> {
    let Some(mut erasures) = Erasures::running(&recovered.core.reads())? else { return Ok(recovered) };
    if !erasures.are_complete() {
        recovered.core.commit(erasures.begin())?;
        if let Err(failed) = erase_files(&mut erasures, &recovered) {
            if !failed.is_damage() {
                return Err(failed.into());
            }
            observe::erasure_failed(&failed.to_string());
            recovered.core.commit(erasures.end(ErasureState::Failed))?;
            return Ok(recovered);
        }
        // Rows contain personal data, and the index's files keep deleted rows: it is rebuilt from the erased journal.
        let Recovered { lock, core, .. } = recovered;
        core.close()?;
        SledIndex::remove(&data_dir.join(open::INDEX))?;
        recovered = open::recover_locked(lock, data_dir)?;
        // A process erases only in frames that one of its own records as durable.
        recovered.core.commit(erasures.begin())?;
        erasures.erase_numbers(recovered.core.eraser().as_ref())?;
    }
    Ok(recovered)
}

/// Ends the erasures that run, once the media that nothing lists are deleted.
fn end(core: &mut Core, config: &MediaConfig, began: Instant) -> Result<(), EraseFailed> {
    let Some(erasures) = Erasures::running(&core.reads()).map_err(EraseFailed::unfinished)? else { return Ok(()) };
    media::sweep_stopped(config, &core.reads()).map_err(EraseFailed::MediaLeft)?;
    let ends = erasures.end(ErasureState::Done);
    let count = ends.len();
    core.commit(ends).map_err(EraseFailed::unfinished)?;
    observe::erasures_done(count, began.elapsed());
    Ok(())
}

fn erase_files(erasures: &mut Erasures, recovered: &Recovered) -> Result<(), EngineFailed> {
    let Recovered { core, snapshots, .. } = recovered;
    erasures.erase_from_journal(core.eraser().as_ref(), &mut || true)?;
    erasures.erase_from_snapshot(core.journal().as_ref(), snapshots, &mut || true)
}

impl EraseFailed {
    fn unfinished(failed: impl Into<EngineFailed>) -> Self {
        Self::Unfinished(failed.into().to_string())
    }

    fn cut_off(error: &io::Error) -> Self {
        Self::Unfinished(format!("the erasure's marker file: {error}"))
    }
}
