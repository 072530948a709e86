//! Floor 4: the directory as one document: parsed, checked, rendered and compared.
//!
//! It is what `offhook serve --seed FILE` loads into a gateway without a directory, what `offhook directory export`
//! writes and `apply` applies.
//!
//! Invariant: a [`Document`] satisfies every rule of `rules::directory`. Unknown fields are problems, except for the
//! read-only fields of the API's responses, so that an export can be a seed. All problems are reported at once, each
//! with its place and the fix. A `verification` in the document is trusted only if the gateway has no directory yet; the
//! carrier is asked about it all the same.

mod differences;
mod opt_outs;
pub mod render;
mod resources;
#[cfg(test)]
mod tests;

pub use differences::Differences;

use crate::journal::FRAME_BYTES_MAX;
use crate::json::{Fields, Findings, Problem, parse};
use crate::machine::keys::encode_row;
use crate::model::{Change, Directory, E164};
use crate::rules;
use crate::rules::opt_out::Block;
use crate::rules::refusal::Code;
use opt_outs::OPT_OUTS_MAX;

/// The content of a document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// Numbers, queues, presets and settings; they satisfy all rules.
    pub directory: Directory,
    /// Blocked people and the extent of each block; each person once, in order.
    pub opt_outs: Vec<(E164, Block)>,
}

/// What a document is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Onto<'a> {
    /// The current directory; some rules restrict how it may change. A number keeps its current verification, within
    /// its account. `None` for a gateway without a directory: then the document's verifications are used.
    pub before: Option<&'a Directory>,
    /// Names of the configured accounts.
    pub accounts: &'a [String],
    /// The global outbound number may be assigned (A38).
    pub force: bool,
}

/// The largest document that is read. An export takes about 480 bytes per number, so seventeen thousand numbers fit,
/// or twenty-six thousand without whitespace.
pub const DOCUMENT_MAX_BYTES: usize = 8 * 1024 * 1024;

/// A directory is journaled as one frame, with all fields of each resource, however short the document is. The rest
/// of the frame is for opt-outs, whose records are about as long as their JSON, or for the ids of deleted resources.
const RECORD_MAX_BYTES: usize = FRAME_BYTES_MAX - DOCUMENT_MAX_BYTES;

/// Parses and checks a document. On failure returns all its problems, in the order in which they were found.
pub fn read(text: &str, onto: Onto<'_>) -> Result<Document, Vec<Problem>> {
    let findings = Findings::of("the document");
    let tree = parse(text.as_bytes(), &findings).map_err(|error| vec![Problem::syntax(&error)])?;
    let root = Fields::root(&tree, &findings);

    let directory = Directory::new(
        resources::settings(&root.section("settings")),
        resources::numbers(&root.section("numbers"), onto.before.map(|before| &before.numbers)),
        resources::queues(&root.section("queues")),
        resources::presets(&root.section("presets")),
        resources::accounts(&root.section("accounts")),
    );
    let opt_outs = opt_outs::opt_outs(&root);
    root.no_other_fields(&[]);
    fits(&directory, &findings);
    let nothing = Directory::default();
    let mut violations = rules::directory::check(onto.before.unwrap_or(&nothing), &directory, onto.force);
    violations.extend(rules::directory::check_accounts(&directory, onto.accounts));
    violations.into_iter().for_each(|violation| findings.violation(violation));

    let problems = findings.problems_in(text);
    if problems.is_empty() { Ok(Document { directory, opt_outs }) } else { Err(problems) }
}

/// Why a rendered document could not be read back, with the fix.
pub fn too_large(text: &str, document: &Document) -> Option<String> {
    let people = document.opt_outs.len();
    if people > OPT_OUTS_MAX {
        return Some(format!("it has {people} opt-outs; the maximum is {OPT_OUTS_MAX}: remove the others from it"));
    }
    let bytes = text.len();
    (bytes > DOCUMENT_MAX_BYTES).then(|| {
        format!(
            "it has {bytes} bytes; the maximum is {DOCUMENT_MAX_BYTES}: remove whitespace, for example with `jq -c .`"
        )
    })
}

fn fits(directory: &Directory, findings: &Findings) {
    let record = encode_row(&Change::all_of(directory)).len();
    if record > RECORD_MAX_BYTES {
        let problem = format!(
            "is {record} bytes with every field of its resources; the maximum is {RECORD_MAX_BYTES}: remove numbers, \
             queues or presets"
        );
        findings.note("", Code::BodyTooLarge, &problem);
    }
}
