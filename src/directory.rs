//! Floor 4: the directory as one document: parsed, checked, rendered and compared.
//!
//! It is what `offhook serve --seed FILE` loads into a gateway without a directory, what `offhook directory export`
//! writes and `apply` applies.
//!
//! Invariant: a [`Document`] satisfies every rule of `rules::directory`. Unknown fields are problems, except for the
//! read-only fields of the API's responses, so that an export can be a seed. All problems are reported at once, each
//! with its place and the fix. A `verification` in the document is trusted only if the gateway has no directory yet, and
//! until its carrier was asked.

mod differences;
mod known;
mod opt_outs;
pub mod render;
pub mod resources;
#[cfg(test)]
mod tests;

pub use differences::Differences;
pub use known::{Applied, Exported, Known};
pub use opt_outs::block;

use crate::journal::{BODIES_MAX, FRAME_BYTES_MAX};
use crate::json::{Fields, Findings, Problem, parse};
use crate::machine::keys::encode_row;
use crate::model::{Change, Directory, E164};
use crate::rules;
use crate::rules::opt_out::Block;
use crate::rules::refusal::Code;

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

/// The largest document that is read. An export takes about 480 bytes per number.
pub const DOCUMENT_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The changes of a document are journaled as one frame, with all fields of each resource, however short the document
/// is. The rest of the frame is for opt-outs, and for who changed what.
const CHANGES_MAX_BYTES: usize = FRAME_BYTES_MAX / 2;

/// Maximum number of opt-outs that are added at once: each takes one of the frame's bodies, whose number is limited.
const OPT_OUTS_MAX: usize = BODIES_MAX;

/// Parses and checks a document. On failure returns all its problems, in the order in which they were found, with their
/// lines and columns.
pub fn read(text: &str, onto: Onto<'_>) -> Result<Document, Vec<Problem>> {
    checked(text.as_bytes(), onto, |findings| findings.problems_in(text))
}

/// The same for a request's body; the problems have no lines and columns, which would take a second pass over it.
pub fn read_body(body: &[u8], onto: Onto<'_>) -> Result<Document, Vec<Problem>> {
    checked(body, onto, Findings::problems)
}

fn checked(
    text: &[u8],
    onto: Onto<'_>,
    problems: impl FnOnce(Findings) -> Vec<Problem>,
) -> Result<Document, Vec<Problem>> {
    let findings = Findings::of("the document");
    let document = parse_document(text, onto.before, &findings)?;
    let directory = &document.directory;
    let nothing = Directory::default();
    let before = onto.before.unwrap_or(&nothing);
    fits(before, directory, &findings);
    let mut violations = rules::directory::check(before, directory, onto.force);
    violations.extend(rules::directory::check_accounts(directory, onto.accounts));
    violations.into_iter().for_each(|violation| findings.violation(violation, None));
    let problems = problems(findings);
    if problems.is_empty() { Ok(document) } else { Err(problems) }
}

/// Parses a document. Values that cannot be read are recorded and replaced by their defaults.
fn parse_document(text: &[u8], before: Option<&Directory>, findings: &Findings) -> Result<Document, Vec<Problem>> {
    if text.starts_with("\u{feff}".as_bytes()) {
        let detail = "the document begins with a byte order mark: send UTF-8 without one".to_owned();
        return Err(vec![Problem { field: String::new(), code: Code::MalformedJson, detail, place: Some((1, 1)) }]);
    }
    let tree = parse(text, findings).map_err(|error| vec![Problem::syntax(&error)])?;
    let root = Fields::root(&tree, findings);
    let directory = Directory::new(
        resources::settings(&root.section("settings")),
        resources::numbers(&root.section("numbers"), before.map(|before| &*before.numbers)),
        resources::queues(&root.section("queues")),
        resources::presets(&root.section("presets")),
        resources::accounts(&root.section("accounts")),
    );
    let opt_outs = opt_outs::opt_outs(&root);
    root.no_other_fields(&[]);
    Ok(Document { directory, opt_outs })
}

/// Why a document cannot be loaded as a seed, which is one frame, with the fix.
pub fn too_many_opt_outs(document: &Document) -> Option<String> {
    let people = document.opt_outs.len();
    (people > OPT_OUTS_MAX).then(|| {
        format!(
            "`opt_outs` has {people} numbers: keep {OPT_OUTS_MAX} here, and add the others afterwards with `offhook \
             directory apply`"
        )
    })
}

/// Why a rendered document could not be read back, with the fix.
fn too_large(text: &str) -> Option<String> {
    let bytes = text.len();
    (bytes > DOCUMENT_MAX_BYTES).then(|| {
        format!(
            "it has {bytes} bytes; the maximum is {DOCUMENT_MAX_BYTES}: remove whitespace, for example with `jq -c .`"
        )
    })
}

fn fits(before: &Directory, after: &Directory, findings: &Findings) {
    let changes = encode_row(&Change::from_to(before, after)).len();
    if changes > CHANGES_MAX_BYTES {
        let problem = format!(
            "changes {changes} bytes, counting every field of the resources that it changes; the maximum at once is \
             {CHANGES_MAX_BYTES}: apply it in parts, first with some of its numbers, queues or presets, then with all"
        );
        findings.note("", Code::BodyTooLarge, &problem);
    }
}
