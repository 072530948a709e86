//! A person is erased from a stopped gateway: their number, what they wrote and what they were written.
//!
//! Invariant: once this returns without an error, no file of the data directory says the number or the texts. That they
//! must not be texted outlives them, as a fingerprint. What was begun and not ended is done by doing it again, and no
//! gateway starts before.

pub(super) mod begun;
#[cfg(test)]
mod tests;

use super::open::{self, OpenFailed};
use super::private;
use crate::config::Config;
use crate::engine::{EngineFailed, Erased};
use crate::index::SledIndex;
use crate::journal::{Lock, LockFailed};
use crate::machine::command::{Command, Reply};
use crate::machine::erase::{Key, Person};
use crate::model::E164;
use std::io;
use std::path::{Path, PathBuf};

/// Nobody was erased, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum EraseFailed {
    /// The gateway runs.
    #[error(
        "{} is in use by {}: stop that gateway first, erase, and start it again",
        data_dir.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Running {
        /// Where its data are.
        data_dir: PathBuf,
        /// The process, where it could be read.
        pid: Option<u32>,
    },
    /// There is no gateway whose data these are.
    #[error("there is no journal in {}: is it the data_dir of the gateway?", .0.display())]
    NoJournal(PathBuf),
    /// The data cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenFailed),
    /// Something stands in the way.
    #[error("{0}")]
    Refused(String),
    /// The disk failed in the middle.
    #[error("{0}. How much of the person is left is not known: erase once more")]
    Unfinished(String),
}

/// Erases somebody.
pub fn erase(config: &Config, who: E164) -> Result<Erased, EraseFailed> {
    erase_from(&config.data_dir, who)
}

fn erase_from(data_dir: &Path, who: E164) -> Result<Erased, EraseFailed> {
    if !data_dir.join(open::JOURNAL).exists() {
        return Err(EraseFailed::NoJournal(data_dir.to_owned()));
    }
    let lock = Lock::take(data_dir).map_err(|failed| match failed {
        LockFailed::Held { directory, pid } => EraseFailed::Running { data_dir: directory, pid },
        other => EraseFailed::Open(other.into()),
    })?;
    private::tighten(data_dir);
    begun::may_begin(data_dir, who)?;
    let open::Recovered { lock: _lock, mut core, snapshots, .. } = open::recover_locked(lock, data_dir)?;
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| OpenFailed::Directory(io::Error::other(error)))?;
    let replies = core.commit([Command::Erase { who, key: Key(key) }]).map_err(EraseFailed::unfinished)?;
    if let Some(Reply::Refused(refusal)) = replies.into_iter().next() {
        core.close().map_err(OpenFailed::from)?;
        return Err(EraseFailed::Refused(refusal.detail));
    }
    begun::begin(data_dir, who).map_err(|error| EraseFailed::cut_off(&error))?;
    let person = Person::new(who);
    let erased = core.erase(&person).map_err(EraseFailed::unfinished)?;
    core.close().map_err(EraseFailed::unfinished)?;
    let rewritten = snapshots.rewrite(|table, key, row| person.row(table, key, row), &mut || true);
    rewritten.map_err(EraseFailed::unfinished)?;
    // Its rows name people, and its files keep rows that are gone. The next start makes it anew from the journal.
    SledIndex::remove(&data_dir.join(open::INDEX)).map_err(EraseFailed::unfinished)?;
    begun::done(data_dir).map_err(|error| EraseFailed::cut_off(&error))?;
    Ok(erased)
}

impl EraseFailed {
    fn unfinished(failed: impl Into<EngineFailed>) -> Self {
        Self::Unfinished(failed.into().to_string())
    }

    fn cut_off(error: &io::Error) -> Self {
        Self::Unfinished(format!("the mark of the erasure: {error}"))
    }
}
