//! The directory as one document: what `offhook serve --seed FILE` loads into a gateway that has no directory yet, what
//! `offhook directory export` writes and `apply` brings a gateway to.
//!
//! Invariant: a [`Seed`] keeps every rule of `rules::directory`. Nothing in a document is ignored in silence but the
//! read-only fields of the API's answers, so that an export can be a seed; whatever is wrong with it is found at once,
//! each problem with its path and its way out. A number that carries `verification` is believed.
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

/// What a document says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seed {
    /// Numbers, queues, presets and settings; all rules hold.
    pub directory: Directory,
    /// Who must not be texted, and from where; each once, in order.
    pub opt_outs: Vec<(E164, Block)>,
}

/// What a document is to be loaded onto.
#[derive(Clone, Copy, Debug)]
pub struct Onto<'a> {
    /// The directory there is; some rules say what may become of it.
    pub before: &'a Directory,
    /// The names of the accounts that are configured.
    pub accounts: &'a [String],
    /// The global outbound number may be assigned (A38).
    pub force: bool,
}

/// The largest document that is read. An export has some 480 bytes for a number, so that those of seventeen thousand fit,
/// or of twenty-six thousand without the spaces.
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A directory is journaled as one frame, in which each resource stands with all its fields, however short the document
/// is. The rest of the frame is for opt-outs, whose record is hardly longer than their JSON, or for the names of what goes.
const RECORD_MAX_BYTES: usize = FRAME_BYTES_MAX - FILE_MAX_BYTES as usize;

/// Reads and checks a file for a gateway without a directory. `accounts` are the names of those that are configured.
pub fn load(file: &Path, accounts: &[String]) -> Result<Seed, Problems> {
    load_onto(file, Onto { before: &Directory::default(), accounts, force: false })
}

/// Reads a file and checks it for a gateway that may have a directory. A number that does not say what its carrier said
/// of it keeps what is known, within its account.
pub fn load_onto(file: &Path, onto: Onto<'_>) -> Result<Seed, Problems> {
    match contents(file).map(encoding::text) {
        Ok(Ok(text)) => checked(&text, file, onto),
        Ok(Err(wrong)) => Err(Problems::of_file(file, wrong)),
        Err(error) => {
            let text =
                format!("cannot be read ({error}): name a directory document, as in config/directory.example.json");
            Err(Problems::new(file, vec![Problem { place: None, text }]))
        }
    }
}

/// Checks a document that is no file; its problems are printed without a file's name.
pub fn read(text: &str, accounts: &[String]) -> Result<Seed, Problems> {
    checked(text, Path::new(""), Onto { before: &Directory::default(), accounts, force: false })
}

/// Why a written document could not be read back as it is, with the way out.
pub fn too_large(text: &str, seed: &Seed) -> Option<String> {
    let people = seed.opt_outs.len();
    if people > OPT_OUTS_MAX {
        return Some(format!("it has {people} opt-outs, and {OPT_OUTS_MAX} are read: leave the others out of it"));
    }
    let bytes = text.len();
    (bytes as u64 > FILE_MAX_BYTES).then(|| {
        format!("it has {bytes} bytes, and {FILE_MAX_BYTES} are read: write it without spaces, as `jq -c .` does")
    })
}

/// The bound holds for pipes too, which say nothing of their length.
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
            "is {record} bytes with every field of its resources, and at most {RECORD_MAX_BYTES} are kept: take numbers, \
             queues or presets out of it"
        );
        findings.note("", problem);
    }
}
