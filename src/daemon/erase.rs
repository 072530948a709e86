//! Erases a person's data from a stopped gateway: their number and message texts.
//!
//! Invariant: once this returns without an error, no file of the data directory contains the number or the texts.
//! Their opt-out is kept as a fingerprint. An interrupted erasure is completed by repeating it, and no gateway starts
//! before that.

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
use crate::machine::erase::Person;
use crate::machine::fingerprint::ErasureKey;
use crate::model::E164;
use std::io;
use std::path::{Path, PathBuf};

/// Nothing was erased, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum EraseFailed {
    /// The gateway is running.
    #[error(
        "{} is in use by {}: a running gateway locks its directory: stop it, erase, and start it again",
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
}

/// Erases a person.
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
    let replies = core.commit([Command::Erase { who, key: ErasureKey(key) }]).map_err(EraseFailed::unfinished)?;
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
    // Index rows contain personal data, and its files keep deleted rows. The next start rebuilds it from the journal.
    SledIndex::remove(&data_dir.join(open::INDEX)).map_err(EraseFailed::unfinished)?;
    begun::done(data_dir).map_err(|error| EraseFailed::cut_off(&error))?;
    Ok(erased)
}

impl EraseFailed {
    fn unfinished(failed: impl Into<EngineFailed>) -> Self {
        Self::Unfinished(failed.into().to_string())
    }

    fn cut_off(error: &io::Error) -> Self {
        Self::Unfinished(format!("the erasure's marker file: {error}"))
    }
}
