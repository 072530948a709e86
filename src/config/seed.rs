//! The directory as one document: what `offhook serve --seed FILE` loads into a gateway without a directory, what
//! `offhook directory export` writes and `apply` applies.
//!
//! Invariant: a [`Seed`] satisfies every rule of `rules::directory`. Unknown fields are problems, except for the
//! read-only fields of the API's responses, so that an export can be a seed. All problems are reported at once, each
//! with path and fix. A `verification` in the document is trusted.
//!
//! ```no_run
//! match offhook::config::seed::load(std::path::Path::new("directory.json"), &["main".to_owned()]) {
//!     Ok(seed) => println!("{} numbers", seed.directory.numbers.len()),
//!     Err(problems) => println!("{problems}"),
//! }
//! ```

mod document;
mod fields;
mod findings;
mod opt_outs;
mod resources;
#[cfg(test)]
mod tests;
mod written;

pub use written::{document_of, reach};

use crate::config::encoding;
use crate::config::problems::{Problem, Problems};
use crate::journal::FRAME_BYTES_MAX;
use crate::model::{Change, Directory, E164};
use crate::rules;
use crate::rules::opt_out::Block;
use fields::Fields;
use findings::Findings;
use opt_outs::OPT_OUTS_MAX;
use std::fs::File;
use std::io::{Error, Read as _, Result as IoResult};
use std::path::Path;

/// The content of a document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seed {
    /// Numbers, queues, presets and settings; they satisfy all rules.
    pub directory: Directory,
    /// Blocked people and the extent of each block; each person once, in order.
    pub opt_outs: Vec<(E164, Block)>,
}

/// What a document is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Onto<'a> {
    /// The current directory; some rules restrict how it may change.
    pub before: &'a Directory,
    /// Names of the configured accounts.
    pub accounts: &'a [String],
    /// The global outbound number may be assigned (A38).
    pub force: bool,
}

/// The largest document that is read. An export takes about 480 bytes per number, so seventeen thousand numbers fit,
/// or twenty-six thousand without whitespace.
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A directory is journaled as one frame, with all fields of each resource, however short the document is. The rest
/// of the frame is for opt-outs, whose records are about as long as their JSON, or for the ids of deleted resources.
const RECORD_MAX_BYTES: usize = FRAME_BYTES_MAX - FILE_MAX_BYTES as usize;

/// Reads and validates a file for a gateway without a directory. `accounts` are the names of the configured accounts.
pub fn load(file: &Path, accounts: &[String]) -> Result<Seed, Problems> {
    load_onto(file, Onto { before: &Directory::default(), accounts, force: false })
}

/// Reads and validates a file for a gateway that may have a directory. A number without `verification` in the
/// document keeps its current verification, within its account.
pub fn load_onto(file: &Path, onto: Onto<'_>) -> Result<Seed, Problems> {
    match contents(file).map(encoding::text) {
        Ok(Ok(text)) => checked(&text, file, onto),
        Ok(Err(wrong)) => Err(Problems::of_file(file, wrong)),
        Err(error) => {
            let text = format!(
                "cannot be read ({error}): pass the path of a directory document, as in \
                    config/directory.example.json"
            );
            Err(Problems::new(file, vec![Problem { place: None, text }]))
        }
    }
}

/// Validates a document that is not a file; problems are printed without a file name.
pub fn read(text: &str, accounts: &[String]) -> Result<Seed, Problems> {
    checked(text, Path::new(""), Onto { before: &Directory::default(), accounts, force: false })
}

/// Why an exported document could not be read back, with the fix.
pub fn too_large(text: &str, seed: &Seed) -> Option<String> {
    let people = seed.opt_outs.len();
    if people > OPT_OUTS_MAX {
        return Some(format!("it has {people} opt-outs; the maximum is {OPT_OUTS_MAX}: remove the others from it"));
    }
    let bytes = text.len();
    (bytes as u64 > FILE_MAX_BYTES).then(|| {
        format!("it has {bytes} bytes; the maximum is {FILE_MAX_BYTES}: remove whitespace, for example with `jq -c .`")
    })
}

/// The limit also applies to pipes, whose length is unknown in advance.
fn contents(file: &Path) -> IoResult<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(Error::other(format!("larger than {FILE_MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn checked(text: &str, file: &Path, onto: Onto<'_>) -> Result<Seed, Problems> {
    let findings = Findings::default();
    let document = document::parse(text, &findings).map_err(|problem| Problems::new(file, vec![problem]))?;
    let root = Fields::root(&document, &findings);

    let directory = Directory::new(
        resources::settings(&root.section("settings")),
        resources::numbers(&root.section("numbers"), &onto.before.numbers),
        resources::queues(&root.section("queues")),
        resources::presets(&root.section("presets")),
        resources::accounts(&root.section("accounts")),
    );
    let opt_outs = opt_outs::opt_outs(&root);
    root.no_other_fields(&[]);
    fits(&directory, &findings);
    let mut breaches = rules::directory::check(onto.before, &directory, onto.force);
    breaches.extend(rules::directory::check_accounts(&directory, onto.accounts));
    breaches.into_iter().for_each(|breach| findings.breach(breach));

    let problems = findings.problems(file);
    if problems.is_empty() { Ok(Seed { directory, opt_outs }) } else { Err(problems) }
}

fn fits(directory: &Directory, findings: &Findings) {
    let record = postcard::to_stdvec(&Change::all_of(directory)).map_or(usize::MAX, |record| record.len());
    if record > RECORD_MAX_BYTES {
        let problem = format!(
            "is {record} bytes with every field of its resources; the maximum is {RECORD_MAX_BYTES}: remove numbers, \
             queues or presets"
        );
        findings.note("", problem);
    }
}
