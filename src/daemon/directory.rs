//! Exports, diffs and applies the directory of a stopped gateway as one document.
//!
//! Invariant: a document is applied whole or not at all, except for opt-outs: they are only added, never removed,
//! because a person may have said STOP after the document was written. Only the changes are recorded: the gateway was
//! not started, so rate limits are unaffected.

use super::open::{self, OpenFailed};
use crate::config::{Config, Problems, seed};
use crate::directory::{Applied, Differences, Document, Exported, Known};
use crate::engine::{Core, EngineFailed};
use crate::journal::{Lock, LockFailed};
use crate::machine::command::{ApplyDocument, Command, Reply};
use crate::model::Actor;
use std::path::{Path, PathBuf};

/// People listed by one command. Events about their calls go into the same frame, which has space for some tens of
/// thousands.
const LISTED_AT_ONCE: usize = 10_000;

/// The directory was not exported, compared or applied. Nothing was changed, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFailed {
    /// The gateway is running, so it has to be asked.
    #[error(
        "{} is in use by {}",
        data_dir.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Running {
        /// The data directory.
        data_dir: PathBuf,
        /// The process, if known.
        pid: Option<u32>,
    },
    /// There is no directory to export.
    #[error(
        "the gateway in {} has no directory yet: create one with `offhook directory apply` or `serve --seed`",
        .0.display()
    )]
    NoDirectory(PathBuf),
    /// The data cannot be opened or read.
    #[error(transparent)]
    Open(#[from] OpenFailed),
    /// All problems of the document.
    #[error(transparent)]
    Document(#[from] Problems),
    /// The document is valid, but its effects do not fit in a frame.
    #[error("{0}")]
    Refused(String),
    /// The disk failed while the document was being applied.
    #[error("{0}. It is unknown how much of the document was applied: apply it again, which adds what is missing")]
    Unfinished(EngineFailed),
}

/// Exports the directory as a document.
pub fn export(config: &Config) -> Result<Exported, DirectoryFailed> {
    let known = look(config)?.filter(|known| known.has_directory);
    Ok(known.ok_or_else(|| DirectoryFailed::NoDirectory(config.data_dir.clone()))?.export())
}

/// The changes that `apply` would make, and whether it needs `force` (A38). Changes nothing.
pub fn diff(config: &Config, document: &Path) -> Result<(Differences, bool), DirectoryFailed> {
    let known = look(config)?.unwrap_or_default();
    let after = seed::load_onto(document, known.onto(&config.account_names(), true))?;
    Ok((known.differences(&after), known.needs_force(&after)))
}

/// Applies the document to the directory, and adds its opt-outs. `force` permits assigning the global outbound number
/// (A38).
pub fn apply(config: &Config, document: &Path, force: bool) -> Result<Applied, DirectoryFailed> {
    let (_lock, mut core) = recover(config)?;
    let applied = change(&mut core, config, document, force);
    // After an engine failure the files are left as they are; the next start repairs them.
    if matches!(applied, Err(DirectoryFailed::Unfinished(_))) {
        return applied;
    }
    core.close().map_err(DirectoryFailed::Unfinished)?;
    applied
}

fn change(core: &mut Core, config: &Config, document: &Path, force: bool) -> Result<Applied, DirectoryFailed> {
    let known = known(core)?;
    let after = seed::load_onto(document, known.onto(&config.account_names(), force))?;
    let differences = known.differences(&after);
    if differences.is_empty() {
        return Ok(Applied { differences, position: None });
    }
    let Document { directory, mut opt_outs } = after;
    let rest = opt_outs.split_off(LISTED_AT_ONCE.min(opt_outs.len()));
    let by = Actor::command_line();
    let document = ApplyDocument { directory, opt_outs, force, expected: None, by: by.clone() };
    commit(core, Command::ApplyDocument(Box::new(document)))?;
    for people in rest.chunks(LISTED_AT_ONCE) {
        commit(core, Command::ListOptOuts { listed: people.to_vec(), by: by.clone() })?;
    }
    Ok(Applied { differences, position: Some(core.follow().committed()) })
}

fn commit(core: &mut Core, command: Command) -> Result<(), DirectoryFailed> {
    let replies = core.commit([command]).map_err(DirectoryFailed::Unfinished)?;
    match replies.into_iter().next() {
        Some(Reply::Refused(refusal)) => Err(DirectoryFailed::Refused(refusal.detail)),
        _ => Ok(()),
    }
}

fn known(core: &Core) -> Result<Known, OpenFailed> {
    Ok(core.reads().ask(|view| Known::of(view))?)
}

/// The state of a stopped gateway; `None` if none ever ran here, and then nothing is created.
fn look(config: &Config) -> Result<Option<Known>, DirectoryFailed> {
    if !config.data_dir.join(open::JOURNAL).exists() {
        return Ok(None);
    }
    let (_lock, core) = recover(config)?;
    let known = known(&core)?;
    core.close().map_err(OpenFailed::from)?;
    Ok(Some(known))
}

fn recover(config: &Config) -> Result<(Lock, Core), DirectoryFailed> {
    open::recover(&config.data_dir).map(|found| (found.lock, found.core)).map_err(|failed| match failed {
        OpenFailed::Lock(LockFailed::Held { directory, pid }) => DirectoryFailed::Running { data_dir: directory, pid },
        other => DirectoryFailed::Open(other),
    })
}
