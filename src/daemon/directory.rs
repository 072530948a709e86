//! The whole directory of a stopped gateway as one document: written, compared, and replaced.
//!
//! Invariant: a document is applied whole or not at all, but for who must not be texted: people are added to those there
//! are, and nobody is taken off by a document, because who said STOP may have said it after it was written. Nothing is
//! noted but the changes themselves: the gateway did not start, so its buckets are none the emptier.

mod differences;

pub use differences::Differences;

use super::open::{self, OpenFailed};
use crate::config::seed::{self, Onto, Seed};
use crate::config::{Config, Problems};
use crate::engine::{Core, EngineFailed};
use crate::index::SCAN_MAX_ROWS;
use crate::journal::{Lock, LockFailed};
use crate::machine::command::{Command, Reply};
use crate::machine::view::{Queries, View};
use crate::model::{Change, Directory, E164, Position};
use crate::rules;
use crate::rules::opt_out::Block;
use std::path::{Path, PathBuf};

/// People listed by one command. Calls of theirs may be told of in the same frame, which has room for some tens of
/// thousands.
const LISTED_AT_ONCE: usize = 10_000;

/// The directory was not written, compared or replaced. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFailed {
    /// The gateway runs.
    #[error(
        "{} is in use by {}: a gateway that runs has its directory to itself. Stop it first, and start it again afterwards",
        data_dir.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Running {
        /// Where its data are.
        data_dir: PathBuf,
        /// The process, where it could be read.
        pid: Option<u32>,
    },
    /// There is nothing to write.
    #[error(
        "the gateway in {} has no directory yet: give it one by `offhook directory apply`, or by `serve --seed`",
        .0.display()
    )]
    NoDirectory(PathBuf),
    /// The data cannot be opened, or not be read.
    #[error(transparent)]
    Open(#[from] OpenFailed),
    /// Everything that is wrong with the document.
    #[error(transparent)]
    Document(#[from] Problems),
    /// The document is right, and what follows from it does not fit.
    #[error("{0}")]
    Refused(String),
    /// The disk failed while the document was being taken.
    #[error("{0}. How much of the document was taken is not known: apply it again, which takes what is missing")]
    Unfinished(EngineFailed),
}

/// What became of a document.
pub struct Applied {
    /// What it changed.
    pub differences: Differences,
    /// The last position of the journal with it; nothing where there was nothing to change.
    pub position: Option<Position>,
}

/// A directory as a document.
pub struct Exported {
    /// Lines of JSON.
    pub document: String,
    /// Why it cannot be loaded as it is, here or elsewhere, for a person.
    pub warnings: Vec<String>,
}

/// Writes the directory as a document.
pub fn export(config: &Config) -> Result<Exported, DirectoryFailed> {
    let Some(Known { seed, erased, .. }) = look(config)?.filter(|known| known.has_directory) else {
        return Err(DirectoryFailed::NoDirectory(config.data_dir.clone()));
    };
    let document = format!("{:#}\n", seed::document_of(&seed));
    let too_large = seed::too_large(&document, &seed);
    let too_large = too_large.map(|why| format!("this document cannot be applied as it is: {why}"));
    // A queue keeps a number that failed its verification (A39), and one that was forced upon it (A38).
    let elsewhere = rules::directory::check(&Directory::default(), &seed.directory, false);
    let elsewhere = elsewhere.iter().map(|breach| format!("a new gateway would not take this document: {breach}"));
    let erased = (erased > 0).then(|| {
        format!(
            "{erased} people who must not be texted were erased and have no number here: this gateway still knows them, \
             and no other does by this document"
        )
    });
    let warnings = too_large.into_iter().chain(elsewhere).chain(erased).collect();
    Ok(Exported { document, warnings })
}

/// What `apply` would change, and whether it would have to be forced (A38). Nothing is changed.
pub fn diff(config: &Config, document: &Path) -> Result<(Differences, bool), DirectoryFailed> {
    let known = look(config)?.unwrap_or_default();
    let after = known.read(document, config, true)?;
    let unforced = rules::directory::check(&known.seed.directory, &after.directory, false);
    Ok((known.differences(&after), !unforced.is_empty()))
}

/// Makes the directory what the document says, and adds its opt-outs to those there are. `force` passes the global
/// outbound number (A38).
pub fn apply(config: &Config, document: &Path, force: bool) -> Result<Applied, DirectoryFailed> {
    let (_lock, mut core) = recover(config)?;
    let applied = change(&mut core, config, document, force);
    // After a failure of its own the engine's files are left as they are, and the next start mends them.
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
    let Seed { directory, opt_outs } = after;
    if known.has_directory {
        let changes = Change::from_to(&known.seed.directory, &directory);
        commit(core, Command::ChangeDirectory { changes, force })?;
    } else {
        // People may have said STOP before there was a directory, so a seed's list, which replaces, is not for them.
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

/// What a gateway has.
#[derive(Default)]
struct Known {
    has_directory: bool,
    seed: Seed,
    /// Who must not be texted and was erased; they stand in no document.
    erased: usize,
}

impl Known {
    fn of(core: &Core) -> Result<Self, OpenFailed> {
        let reads = core.reads();
        let directory = Directory::clone(&reads.directory());
        let (has_directory, opt_outs, erased) =
            reads.ask(|view| (view.has_directory(), opt_outs(view), view.erased_opt_outs()))?;
        Ok(Self { has_directory, seed: Seed { directory, opt_outs }, erased })
    }

    /// Reads a document that is to take the place of this.
    fn read(&self, document: &Path, config: &Config, force: bool) -> Result<Seed, Problems> {
        let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
        seed::load_onto(document, Onto { before: &self.seed.directory, accounts: &accounts, force })
    }

    fn differences(&self, after: &Seed) -> Differences {
        Differences::between(self.has_directory, &self.seed, after)
    }
}

/// Everybody who must not be texted, in order.
fn opt_outs(view: &impl View) -> Vec<(E164, Block)> {
    let mut all = Vec::new();
    let mut from = Vec::new();
    loop {
        let page = view.opt_outs_page(&from, SCAN_MAX_ROWS);
        let Some((last, ..)) = page.last() else { return all };
        // The first key after this one.
        from = last.iter().copied().chain([0]).collect();
        all.extend(page.into_iter().map(|(_, number, known)| (number, known.block)));
    }
}

/// What a stopped gateway has; nothing where none ever ran, and then nothing is made either.
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
