//! A gateway's directory and opt-outs as a document, and what another document would change.

use super::{Differences, Document, Onto, parse_document, render, too_large, too_many_opt_outs};
use crate::json::{Findings, Problem};
use crate::machine::view::{PeopleQueries, Queries, View};
use crate::model::{Directory, Position};
use crate::rules;

/// What a gateway knows.
#[derive(Default)]
pub struct Known {
    /// Whether a directory was ever loaded.
    pub has_directory: bool,
    /// The directory, and the opt-outs of people who were not erased. Rules may be broken that were forced (A38), or
    /// that a failed verification broke later (A39).
    pub document: Document,
    /// Opt-outs of erased people, which are in no document.
    pub erased: usize,
}

/// A directory as a document.
pub struct Exported {
    /// JSON, in lines.
    pub document: String,
    /// Why it cannot be loaded as it is, here or elsewhere, for a person.
    pub warnings: Vec<String>,
}

/// The result of applying a document.
pub struct Applied {
    /// The changes.
    pub differences: Differences,
    /// The journal's last position with the changes; `None` if nothing changed.
    pub position: Option<Position>,
}

impl Known {
    /// What a view shows.
    pub fn of(view: &(impl View + ?Sized)) -> Self {
        let opt_outs = view.opt_outs().map(|(number, known)| (number, known.block)).collect();
        let document = Document { directory: view.directory().clone(), opt_outs };
        Self { has_directory: view.has_directory(), document, erased: view.erased_opt_outs() }
    }

    /// Reads a document that a gateway rendered, which is not checked against the rules again.
    pub fn rendered(document: &str, erased: usize) -> Result<Self, Vec<Problem>> {
        let findings = Findings::of("the gateway's document");
        let document = parse_document(document.as_bytes(), None, &findings)?;
        let problems = findings.problems();
        if problems.is_empty() { Ok(Self { has_directory: true, document, erased }) } else { Err(problems) }
    }

    /// What a document that is to replace this one is checked against. `accounts` are the names of the configured
    /// accounts.
    pub fn onto<'a>(&'a self, accounts: &'a [String], force: bool) -> Onto<'a> {
        Onto { before: self.has_directory.then_some(&self.document.directory), accounts, force }
    }

    /// What applying `after` would change.
    pub fn differences(&self, after: &Document) -> Differences {
        Differences::between(self.has_directory, &self.document, after)
    }

    /// Whether `after`, which was read with `force`, needs it (A38).
    pub fn needs_force(&self, after: &Document) -> bool {
        !rules::directory::check(&self.document.directory, &after.directory, false).is_empty()
    }

    /// The document for a file.
    pub fn export(&self) -> Exported {
        let document = format!("{:#}\n", render::document(&self.document));
        let too_large = too_large(&document);
        let too_large = too_large.map(|why| format!("this document cannot be applied as it is: {why}"));
        let elsewhere = rules::directory::check(&Directory::default(), &self.document.directory, false);
        let elsewhere = elsewhere.iter().map(ToString::to_string).chain(too_many_opt_outs(&self.document));
        let elsewhere = elsewhere.map(|why| format!("a new gateway would reject this document: {why}"));
        let erased = self.erased;
        let erased = (erased > 0).then(|| {
            format!(
                "{erased} opt-outs belong to erased people and have no number in this document: this gateway still \
                 keeps them, but another gateway does not get them from it"
            )
        });
        let warnings = too_large.into_iter().chain(elsewhere).chain(erased).collect();
        Exported { document, warnings }
    }
}
