//! Verification of our numbers by their carriers (R15, R30-R32, A39, A40).

use super::draft::Draft;
use crate::machine::command::{IdempotencyKey, Reply};
use crate::machine::event::{Event, VerifiedNumber};
use crate::machine::show;
use crate::machine::view::View;
use crate::model::{Action, Actor, AuditEntry, Change, E164, Json, Number, Resource, Verification, VerificationState};
use crate::rules::refusal::{Code, Refusal};
use crate::rules::verification::{Said, judge};
use serde_json::{Value, json};

/// Stores a carrier's answer about one of our numbers. The number is a new version of itself only if the answer changes
/// what is known of it; the platform is notified if that changes its state (A39).
pub(super) fn checked<V: View>(
    draft: &mut Draft<'_, V>,
    number: E164,
    account: String,
    said: &Said,
    address: &str,
) -> Reply {
    let Some(known) = draft.directory().numbers.get(&number).filter(|known| known.account == account) else {
        let detail = "this number is not in the directory any more, or in another account: verify it again";
        return Reply::Refused(Refusal::new(Code::NotFound, detail));
    };
    let before = &known.verification;
    let verification = judge(said, address, draft.now());
    draft.record(Event::NumberChecked { number, account });
    if *before == (Verification { checked_at: before.checked_at, ..verification.clone() }) {
        return Reply::Verification(Box::new(verification));
    }
    let entry = Number { verification: verification.clone(), ..known.clone() };
    let shown = |entry: &Number| Some(Value::from(show::resources::number(entry)).to_string());
    let resource = Resource::Number(number);
    let audited = AuditEntry {
        resource: resource.to_string(),
        before: shown(known),
        after: shown(&entry),
        ..AuditEntry::default()
    };
    draft.record(match before.state == verification.state {
        false => Event::VerificationChanged { number, entry: Json(entry) },
        true => Event::DirectoryChanged { changes: vec![Change::Number(number, Some(Json(entry)))] },
    });
    draft.audit_change(&Actor::carrier(), Action::Change, Some(resource), audited);
    Reply::Verification(Box::new(verification))
}

/// Stores the answer to an administrator's request, and who asked.
pub(super) fn answered<V: View>(
    draft: &mut Draft<'_, V>,
    results: Vec<VerifiedNumber>,
    key: Option<IdempotencyKey>,
    by: &Actor,
) -> Reply {
    if let Some(IdempotencyKey { key, body }) = key {
        draft.record(Event::Answered { key, body, call: None });
    }
    // The row of an entry is small, and there may be 500 results: what a result changes has an entry of its own.
    let resource = match &results[..] {
        [only] => Resource::Number(only.number).to_string(),
        _ => "numbers".to_owned(),
    };
    let verified = results.iter().filter(|result| result.state == VerificationState::Verified).count();
    let after = json!({ "numbers": results.len(), "verified": verified }).to_string();
    draft.record(Event::NumbersVerified { results: results.into() });
    draft.audit(by, Action::Verify, AuditEntry { resource, after: Some(after), ..AuditEntry::default() });
    Reply::Done
}
