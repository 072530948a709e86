//! Exports, diffs and applies the directory of a stopped gateway as one document.
//!
//! Invariant: a document is applied whole or not at all, except for opt-outs: they are only added, never removed,
//! because a person may have said STOP after the document was written. Only the changes are recorded: the gateway was
//! not started, so rate limits are unaffected.

use super::open::{self, OpenFailed};
use crate::config::{Config, Problems, seed};
use crate::directory::{self, Differences, Document, Onto};
use crate::engine::{Core, EngineFailed};
use crate::journal::{Lock, LockFailed};
use crate::machine::command::{Command, Reply};
use crate::machine::view::{PeopleQueries, Queries};
use crate::model::{Actor, Change, Directory, Position};
use crate::rules;
use std::path::{Path, PathBuf};

/// People listed by one command. Events about their calls go into the same frame, which has space for some tens of
/// thousands.
const LISTED_AT_ONCE: usize = 10_000;

/// The directory was not exported, compared or applied. Nothing was changed, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFailed {
    /// The gateway is running.
    #[error(
        "{} is in use by {}: a running gateway locks its directory: stop it first, and start it again afterwards",
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

/// The result of applying a document.
pub struct Applied {
    /// The changes.
    pub differences: Differences,
    /// The journal's last position with the changes; `None` if nothing changed.
    pub position: Option<Position>,
}

/// A directory as a document.
pub struct Exported {
    /// JSON, in lines.
    pub document: String,
    /// Why it cannot be loaded as it is, here or elsewhere, for a person.
    pub warnings: Vec<String>,
}

/// Exports the directory as a document.
pub fn export(config: &Config) -> Result<Exported, DirectoryFailed> {
    let Some(Known { document: known, erased, .. }) = look(config)?.filter(|known| known.has_directory) else {
        return Err(DirectoryFailed::NoDirectory(config.data_dir.clone()));
    };
    let document = format!("{:#}\n", directory::render::document(&known));
    let too_large = directory::too_large(&document, &known);
    let too_large = too_large.map(|why| format!("this document cannot be applied as it is: {why}"));
    // A queue keeps a number whose verification failed later (A39), or that was assigned by force (A38).
    let elsewhere = rules::directory::check(&Directory::default(), &known.directory, false);
    let elsewhere = elsewhere.iter().map(|breach| format!("a new gateway would reject this document: {breach}"));
    let erased = (erased > 0).then(|| {
        format!(
            "{erased} opt-outs belong to erased people and have no number in this document: this gateway still keeps \
             them, but another gateway does not get them from it"
        )
    });
    let warnings = too_large.into_iter().chain(elsewhere).chain(erased).collect();
    Ok(Exported { document, warnings })
}

/// The changes that `apply` would make, and whether it needs `force` (A38). Changes nothing.
pub fn diff(config: &Config, document: &Path) -> Result<(Differences, bool), DirectoryFailed> {
    let known = look(config)?.unwrap_or_default();
    let after = known.read(document, config, true)?;
    let unforced = rules::directory::check(&known.document.directory, &after.directory, false);
    Ok((known.differences(&after), !unforced.is_empty()))
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
    let known = Known::of(core)?;
    let after = known.read(document, config, force)?;
    let differences = known.differences(&after);
    if differences.is_empty() {
        return Ok(Applied { differences, position: None });
    }
    let Document { directory, opt_outs } = after;
    if known.has_directory {
        let changes = Change::from_to(&known.document.directory, &directory);
        commit(core, Command::ChangeDirectory { changes, force, only_if: None, by: Actor::command_line() })?;
    } else {
        // People may have said STOP before there was a directory, so opt-outs must be added: loading them as a seed
        // would replace them.
        commit(core, Command::Seed { directory: Box::new(directory), opt_outs: Vec::new() })?;
    }
    for people in opt_outs.chunks(LISTED_AT_ONCE) {
        commit(core, Command::ListOptOuts(people.to_vec()))?;
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

/// The state of a gateway.
#[derive(Default)]
struct Known {
    has_directory: bool,
    document: Document,
    /// Opt-outs of erased people, which are in no document.
    erased: usize,
}

impl Known {
    fn of(core: &Core) -> Result<Self, OpenFailed> {
        let reads = core.reads();
        let directory = Directory::clone(&reads.directory());
        let (has_directory, opt_outs, erased) = reads.ask(|view| {
            let opt_outs = view.opt_outs().map(|(number, known)| (number, known.block)).collect();
            (view.has_directory(), opt_outs, view.erased_opt_outs())
        })?;
        Ok(Self { has_directory, document: Document { directory, opt_outs }, erased })
    }

    /// Reads and checks a document that is to replace this.
    fn read(&self, file: &Path, config: &Config, force: bool) -> Result<Document, Problems> {
        let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
        let before = self.has_directory.then_some(&self.document.directory);
        seed::load_onto(file, Onto { before, accounts: &accounts, force })
    }

    fn differences(&self, after: &Document) -> Differences {
        Differences::between(self.has_directory, &self.document, after)
    }
}

/// The state of a stopped gateway; `None` if none ever ran here, and then nothing is created.
fn look(config: &Config) -> Result<Option<Known>, DirectoryFailed> {
    if !config.data_dir.join(open::JOURNAL).exists() {
        return Ok(None);
    }
    let (_lock, core) = recover(config)?;
    let known = Known::of(&core)?;
    core.close().map_err(OpenFailed::from)?;
    Ok(Some(known))
}

fn recover(config: &Config) -> Result<(Lock, Core), DirectoryFailed> {
    open::recover(&config.data_dir).map(|found| (found.lock, found.core)).map_err(|failed| match failed {
        OpenFailed::Lock(LockFailed::Held { directory, pid }) => DirectoryFailed::Running { data_dir: directory, pid },
        other => DirectoryFailed::Open(other),
    })
}
