//! Agents' sends (R7, R39-R50).

use super::draft::{Draft, Live};
use super::lane::{self, NewText};
use crate::machine::command::{Content, IdempotencyKey, Reply, Send};
use crate::machine::event::Event;
use crate::machine::state::{Call, CallRow};
use crate::machine::view::{PeopleQueries, View};
use crate::model::{Action, AuditEntry, Kind, Language, PresetId};
use crate::rules::refusal::{Code, Refusal};
use crate::rules::sending;
use std::time::Duration;

/// Maximum number of queued texts per call. The call's row lists them all.
const QUEUED_MAX: usize = 100;

/// Checks a send in the order the contract requires, queues it, and binds the call to its number.
pub(super) fn send<V: View>(draft: &mut Draft<'_, V>, send: Send) -> Reply {
    match queue(draft, send) {
        Ok(reply) => reply,
        Err(refusal) => Reply::Refused(refusal),
    }
}

fn queue<V: View>(draft: &mut Draft<'_, V>, send: Send) -> Result<Reply, Refusal> {
    if let Some(again) = send.key.map(|key| draft.repeated(key)).transpose()?.flatten() {
        return Ok(again);
    }
    if let Content::Text(text) = &send.content {
        sending::shape(text)?;
    }
    let mut call = match draft.known_call(&send.call) {
        Some(CallRow::Call(call)) => call,
        Some(CallRow::EndedBeforeStart(_)) => {
            return Err(Refusal::new(Code::CallEnded, "the call has ended: no more texts can be sent"));
        }
        None => {
            let detail = "there is no such call: start it with PUT /v1/calls/{id} first";
            return Err(Refusal::new(Code::CallNotFound, detail));
        }
    };
    let party = draft.party(&call, send.force.is_some())?;
    let (kind, text) = content(draft, &call, &send)?;
    let ours = draft.number(&call, party, sending::needs(send.smart_action))?;
    if call.queued.len() >= QUEUED_MAX {
        let detail = format!("{QUEUED_MAX} texts of this call are already queued: retry when some have been sent");
        return Err(Refusal { retry_after_ms: Some(1_000), ..Refusal::new(Code::RateLimited, detail) });
    }
    let new = NewText {
        kind,
        ours,
        theirs: party,
        text: text.clone(),
        agent: send.agent,
        smart_action: send.smart_action,
        client_ref: send.client_ref,
    };
    let estimate = lane::estimate(draft, &new);
    in_time(draft, estimate.wait)?;

    let forced = send.force.filter(|_| draft.view.landline(party, draft.now()));
    let newly_bound = call.our_number.replace(ours) != Some(ours);
    let message = lane::enqueue_estimated(draft, Some(&mut call), new, estimate);
    call.queued.push(message.id);
    if let Some(by) = forced {
        let entry = AuditEntry { resource: format!("messages/{}", message.id), ..AuditEntry::default() };
        draft.audit(&by, Action::SendToLandline, entry);
    }
    draft.store(*call, if newly_bound { Live::Updated } else { Live::Same });
    if let Some(IdempotencyKey { key, body }) = send.key {
        draft.record(Event::Answered { key, body, call: None });
    }
    Ok(Reply::Message { message: Box::new(message), text: Some(text) })
}

fn content<V: View>(draft: &Draft<'_, V>, call: &Call, send: &Send) -> Result<(Kind, String), Refusal> {
    let (kind, text) = match &send.content {
        Content::Preset(id, language) => (Kind::Preset, preset(draft, call, id, language.as_ref())?),
        Content::Text(text) => {
            sending::custom(&draft.directory().settings)?;
            (Kind::Custom, text.clone())
        }
    };
    Ok((if send.smart_action.is_some() { Kind::SmartAction } else { kind }, text))
}

fn preset<V: View>(
    draft: &Draft<'_, V>,
    call: &Call,
    id: &PresetId,
    language: Option<&Language>,
) -> Result<String, Refusal> {
    sending::preset(draft.directory(), language.unwrap_or(&call.language), id).map(str::to_owned)
}

/// Refuses a text whose estimated wait exceeds the setting `max_wait_ms` (A29).
///
/// A text whose number or account is suspended without an end is accepted: the wait is unknown, and it expires as always.
fn in_time<V: View>(draft: &Draft<'_, V>, wait: Option<Duration>) -> Result<(), Refusal> {
    let most = Duration::from_millis(draft.directory().settings.max_wait_ms);
    let Some(wait) = wait.filter(|wait| *wait > most) else { return Ok(()) };
    let beyond = u64::try_from((wait - most).as_millis()).unwrap_or(u64::MAX);
    let detail = format!(
        "this text would wait {} ms for its number or account, more than the allowed {} ms: retry later",
        wait.as_millis(),
        most.as_millis()
    );
    Err(Refusal { retry_after_ms: Some(beyond), ..Refusal::new(Code::RateLimited, detail) })
}
