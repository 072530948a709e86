//! Changes of the directory by administrators, and of numbers' verification by carriers (R14-R32, A36-A42).

use super::draft::Draft;
use super::lane;
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::view::{Queries, View};
use crate::model::{Change, Directory, E164, Json, Number, Verification};
use crate::rules::directory::check;
use crate::rules::opt_out::Block;
use crate::rules::refusal::{Code, Refusal};

/// Maximum number of violations named in one refusal; the rest show once these are corrected.
const VIOLATIONS_SHOWN: usize = 20;

/// Loads a directory into a gateway that has none. The caller checked it against the rules.
pub(super) fn seed<V: View>(draft: &mut Draft<'_, V>, directory: &Directory, opt_outs: Vec<(E164, Block)>) -> Reply {
    if draft.view.has_directory() {
        return Reply::SeedRefused;
    }
    draft.record(Event::DirectoryChanged { changes: Change::all_of(directory) });
    if !opt_outs.is_empty() {
        let opt_outs = opt_outs.into_iter().map(|(number, block)| (number.into(), block)).collect();
        draft.record(Event::OptOutsLoaded { opt_outs });
    }
    Reply::Done
}

/// Applies changes to resources: all of them, or none if one breaks a rule. Live sessions keep their numbers (A37);
/// changed settings apply from the next send (A36).
pub(super) fn change<V: View>(draft: &mut Draft<'_, V>, changes: &[Change], force: bool) -> Reply {
    let before = draft.directory();
    let mut after = before.clone();
    changes.iter().for_each(|change| after.change(change));
    let violations = check(before, &after, force);
    if let Some(first) = violations.first() {
        let shown: Vec<_> = violations.iter().take(VIOLATIONS_SHOWN).map(ToString::to_string).collect();
        let more = violations.len().saturating_sub(VIOLATIONS_SHOWN);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        return Reply::Refused(Refusal::new(first.code, shown.join("; ") + &more));
    }
    // Resources that stay as they are keep their versions.
    let changes = Change::from_to(before, &after);
    if !changes.is_empty() {
        draft.record(Event::DirectoryChanged { changes });
        lane::relimit(draft, before, &after);
    }
    Reply::Done
}

/// Stores the verification that a carrier reported for one of our numbers. The platform is notified if its state
/// changed (A39).
pub(super) fn verified<V: View>(draft: &mut Draft<'_, V>, number: E164, verification: Verification) -> Reply {
    let Some(known) = draft.directory().numbers.get(&number) else {
        return Reply::Refused(Refusal::new(Code::NotFound, "this number is not in the directory: add it first"));
    };
    let changed = known.verification.state != verification.state;
    let entry = Number { verification, ..known.clone() };
    if changed {
        draft.record(Event::VerificationChanged { number, entry: Json(entry) });
    } else {
        draft.record(Event::DirectoryChanged { changes: vec![Change::Number(number, Some(Json(entry)))] });
    }
    Reply::Done
}
