//! The directory document that `offhook serve --seed FILE` loads into a gateway that has no directory yet.
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
mod resources;
#[cfg(test)]
mod tests;

use crate::config::problems::{Problem, Problems};
use crate::journal::BODIES_MAX;
use crate::model::{Directory, E164};
use crate::rules;
use crate::rules::opt_out::Block;
use fields::Fields;
use findings::Findings;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Error, Read as _, Result as IoResult};
use std::path::Path;

/// What a gateway without a directory begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed {
    /// Numbers, queues, presets and settings; all rules hold.
    pub directory: Directory,
    /// Who must not be texted, and from where; each once, in order.
    pub opt_outs: Vec<(E164, Block)>,
}

/// A directory is journaled as one frame. Its record is little longer than its JSON where that is as short as can be, so
/// that what is read here stays well below the 16 MiB of a frame; some twenty thousand numbers fit.
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Each opt-out names a person, so it is a body of the frame, and a frame has no more bodies.
const OPT_OUTS_MAX: usize = BODIES_MAX;

/// Reads and checks a file. `accounts` are the names of those that are configured.
pub fn load(file: &Path, accounts: &[String]) -> Result<Seed, Problems> {
    match contents(file) {
        Ok(text) => checked(&text, file, accounts),
        Err(error) => {
            let text =
                format!("cannot be read ({error}): name a directory document, as in config/directory.example.json");
            Err(Problems::new(file, vec![Problem { place: None, text }]))
        }
    }
}

/// Checks a document that is no file; its problems are printed without a file's name.
pub fn read(text: &str, accounts: &[String]) -> Result<Seed, Problems> {
    checked(text, Path::new(""), accounts)
}

/// The bound holds for pipes too, which say nothing of their length.
fn contents(file: &Path) -> IoResult<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(Error::other(format!("larger than {FILE_MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Error::other("not UTF-8"))
}

fn checked(text: &str, file: &Path, accounts: &[String]) -> Result<Seed, Problems> {
    let findings = Findings::default();
    let document = document::parse(text, &findings).map_err(|problem| Problems::new(file, vec![problem]))?;
    let root = Fields::root(&document, &findings);

    let directory = Directory::new(
        resources::settings(&root.section("settings")),
        resources::numbers(&root.section("numbers")),
        resources::queues(&root.section("queues")),
        resources::presets(&root.section("presets")),
        resources::accounts(&root.section("accounts")),
    );
    let opt_outs = opt_outs(&root, &findings);
    root.no_other_fields(&[]);
    let mut breaches = rules::directory::check(&Directory::default(), &directory, false);
    breaches.extend(rules::directory::check_accounts(&directory, accounts));
    breaches.into_iter().for_each(|breach| findings.breach(breach));

    let problems = findings.problems(file);
    if problems.is_empty() { Ok(Seed { directory, opt_outs }) } else { Err(problems) }
}

fn opt_outs(root: &Fields<'_>, findings: &Findings) -> Vec<(E164, Block)> {
    let distinct: BTreeSet<E164> = root.list("opt_outs", str::parse).unwrap_or_default().into_iter().collect();
    if distinct.len() > OPT_OUTS_MAX {
        let count = distinct.len();
        findings.note(
            "opt_outs",
            format!(
                "has {count} numbers: leave {OPT_OUTS_MAX} here, and PUT the others to /v1/opt-outs once it is loaded"
            ),
        );
    }
    distinct.into_iter().map(|number| (number, Block::everywhere())).collect()
}
