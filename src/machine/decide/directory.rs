//! An administrator changes the directory, and carriers tell of numbers (R14-R32, A36-A42).

use super::draft::Draft;
use super::permit;
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::view::{Queries, View};
use crate::model::{Change, Directory, E164, Json, Number, Verification};
use crate::rules::directory::check;
use crate::rules::opt_out::Block;
use crate::rules::refusal::{Code, Refusal};

/// Breaches told in one refusal; who corrects these sees the others.
const BREACHES_TOLD: usize = 20;

/// Loads a directory into a gateway that has none. The rules were checked by who read it.
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

/// Changes resources together: all of them, or none where a rule would be broken. Sessions that live keep their numbers
/// (A37); switches hold from the next send on (A36).
pub(super) fn change<V: View>(draft: &mut Draft<'_, V>, changes: Vec<Change>, force: bool) -> Reply {
    let before = draft.directory();
    let mut after = before.clone();
    changes.iter().for_each(|change| after.change(change));
    let breaches = check(before, &after, force);
    if let Some(first) = breaches.first() {
        let told: Vec<_> = breaches.iter().take(BREACHES_TOLD).map(ToString::to_string).collect();
        let more = breaches.len().saturating_sub(BREACHES_TOLD);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        return Reply::Refused(Refusal::new(first.code, told.join("; ") + &more));
    }
    if after != *before {
        draft.record(Event::DirectoryChanged { changes });
        permit::relimit(draft, before, &after);
    }
    Reply::Done
}

/// A carrier was asked about a number of ours. The platform hears where it may be used now and could not before, or the
/// reverse (A39).
pub(super) fn verified<V: View>(draft: &mut Draft<'_, V>, number: E164, verification: Verification) -> Reply {
    let Some(known) = draft.directory().numbers.get(&number) else {
        return Reply::Refused(Refusal::new(Code::NotFound, "this is none of our numbers: add it first"));
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
