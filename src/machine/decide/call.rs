//! Calls start, change and end (A7-A14, A19-A20, R51-R57).

use super::draft::{Draft, Live};
use super::lane::{self, NewText};
use super::{contact, usage};
use crate::machine::command::{IdempotencyKey, PutCall, Reply};
use crate::machine::event::{CallChange, Event};
use crate::machine::state::{Call, CallRow, Ended, Usage};
use crate::machine::view::{LIVE_MAX, Queries, View};
use crate::model::{
    Action, Actor, AuditEntry, CallId, ClosedReason, E164, FailureCode, Kind, MessageState, Phase, Session, Timestamp,
};
use crate::rules::language::system_text;
use crate::rules::receipt::failure;
use crate::rules::refusal::{Code, Refusal};
use serde_json::json;
use std::time::Duration;

/// Starts or updates a call.
pub(super) fn put<V: View>(draft: &mut Draft<'_, V>, put: PutCall) -> Reply {
    match draft.known_call(&put.call) {
        Some(CallRow::EndedBeforeStart(ended)) => Reply::EndedBeforeStart { call: put.call, ended },
        Some(CallRow::Call(call)) if call.ended.is_some() => ended(draft, &call),
        Some(CallRow::Call(call)) => update(draft, &call, put),
        None => start(draft, put),
    }
}

fn ended<V: View>(draft: &Draft<'_, V>, call: &Call) -> Reply {
    Reply::Call { created: false, shown: Box::new(draft.shown(call)) }
}

fn start<V: View>(draft: &mut Draft<'_, V>, put: PutCall) -> Reply {
    if let Err(refusal) = allowed(draft, &put) {
        return Reply::Refused(refusal);
    }
    let mut call = Call {
        id: put.call,
        caller: put.caller.into(),
        language: put.language.unwrap_or_else(|| draft.directory().language_of(&put.queue)),
        queue: put.queue,
        phase: put.phase,
        agent: put.agent.flatten(),
        call_type: put.call_type,
        wait_sms_consent: put.wait_sms_consent,
        version: put.version,
        alternative: put.alternative.into(),
        attestation: put.attestation,
        session: Session::None,
        closed_reason: None,
        our_number: None,
        started_at: draft.now(),
        ended: None,
        lease_until: lease(draft),
        usage: Usage::default(),
        last_sequence: 0,
        last_event_at: None,
        last_message: None,
        queued: Vec::new(),
    };
    if let Some(alternative) = put.alternative {
        audit_alternative(draft, &put.by, &call, None, Some(alternative));
    }
    let shown = draft.next_shown(&mut call);
    // A new call has no old timer to delete: naming the timer's own time makes `apply` write it.
    let lease_was = Some(call.lease_until);
    let change = CallChange { lease_was, live: true, party_was: None, session_was: None, shown: shown.clone() };
    draft.record_change(change, Event::CallStarted);
    Reply::Call { created: true, shown: Box::new(shown) }
}

fn allowed<V: View>(draft: &Draft<'_, V>, put: &PutCall) -> Result<(), Refusal> {
    let directory = draft.directory();
    if !directory.queues.contains_key(&put.queue) {
        return Err(Refusal::new(
            Code::QueueNotFound,
            format!("there is no queue {}: correct the name, or create the queue", put.queue),
        ));
    }
    if !directory.settings.call_types.contains(&put.call_type) {
        let types = directory.settings.call_types.join(", ");
        return Err(Refusal::new(
            Code::CallTypeOff,
            format!("calls of type {} may not text; allowed by the setting call_types: {types}", put.call_type),
        ));
    }
    Ok(())
}

fn lease<V: View>(draft: &Draft<'_, V>) -> Timestamp {
    draft.now() + Duration::from_secs(u64::from(draft.directory().settings.call_lease_minutes) * 60)
}

fn update<V: View>(draft: &mut Draft<'_, V>, before: &Call, put: PutCall) -> Reply {
    if before.caller.kept() != Some(&put.caller) {
        let detail = "the caller of a call cannot change: set `alternative` to text another number";
        return Reply::Refused(Refusal::new(Code::CallerDiffers, detail));
    }
    if matches!((before.version, put.version), (Some(known), Some(offered)) if offered < known) {
        return Reply::Call { created: false, shown: Box::new(draft.shown(before)) };
    }
    if let Err(refusal) = allowed(draft, &put) {
        return Reply::Refused(refusal);
    }
    let agent = put.agent.unwrap_or_else(|| before.agent.clone());
    let mut call = Call {
        language: put.language.unwrap_or_else(|| draft.directory().language_of(&put.queue)),
        queue: put.queue,
        phase: put.phase,
        call_type: put.call_type,
        wait_sms_consent: put.wait_sms_consent,
        version: put.version.or(before.version),
        alternative: put.alternative.into(),
        attestation: put.attestation,
        lease_until: lease(draft),
        ..before.clone()
    };
    call.agent = agent;
    let known = before.alternative.kept().copied().flatten();
    if known != put.alternative {
        audit_alternative(draft, &put.by, &call, known, put.alternative);
    }
    let party_changed = before.party() != call.party();
    if party_changed && pair_is_taken(draft, &call) {
        call.our_number = None;
    }
    // A12: clearing a set agent closes the session and becomes the closed reason, whatever it was before. The next
    // agent opens it again, and so does another number to text after a STOP, unless that number is opted out (A46).
    let agent_left = before.agent.is_some() && call.agent.is_none() && call.phase == Phase::Connected;
    let agent_came = call.agent.is_some() && call.closed_reason == Some(ClosedReason::NoAgent);
    let former_opted_out = party_changed && call.closed_reason == Some(ClosedReason::OptedOut);
    let closes = agent_left && call.session != Session::Closed;
    if agent_left {
        (call.session, call.closed_reason) = (Session::Closed, Some(ClosedReason::NoAgent));
    } else if agent_came || former_opted_out {
        let blocked = call.our_number.zip(call.party()).is_some_and(|(ours, party)| draft.opted_out(party, ours));
        (call.session, call.closed_reason) =
            if blocked { (Session::Closed, Some(ClosedReason::OptedOut)) } else { (Session::None, None) };
    }

    let seen = Call { lease_until: before.lease_until, version: before.version, ..call.clone() } != *before;
    let shown = if seen { draft.next_shown(&mut call) } else { draft.shown(&call) };
    let party_was = before.party().filter(|old| call.party() != Some(*old)).map(Into::into);
    let (lease_was, session_was) = (Some(before.lease_until), was(before.session, &call));
    let change = CallChange { shown: shown.clone(), lease_was, live: true, party_was, session_was };
    if seen {
        draft.record_change(change, Event::CallUpdated);
    } else {
        draft.record(Event::CallStored(Box::new(change)));
    }
    if closes || party_changed {
        contact::remember(draft, before, &call.language);
    }
    Reply::Call { created: false, shown: Box::new(shown) }
}

/// The session before, if it changed.
pub(super) fn was(before: Session, call: &Call) -> Option<Session> {
    (call.session != before).then_some(before)
}

/// Audits that a call got another number to text, or lost it: an agent confirmed it, and a stranger may be texted (A16).
/// The entry names the caller too, so that it is erased with either of them.
fn audit_alternative<V: View>(
    draft: &mut Draft<'_, V>,
    by: &Actor,
    call: &Call,
    before: Option<E164>,
    after: Option<E164>,
) {
    let caller = call.caller.kept().and_then(|caller| caller.number()).map(|number| number.to_string());
    let shown =
        |number: E164| json!({ "caller": caller, "alternative": number.to_string(), "agent": call.agent }).to_string();
    let resource = format!("calls/{}", call.id);
    let entry = AuditEntry { resource, before: before.map(shown), after: after.map(shown), ..AuditEntry::default() };
    draft.audit(by, Action::TextAlternative, entry);
}

/// Whether another call already uses this call's pair of our number and party (A1). If so, this call takes another
/// number with its next text.
fn pair_is_taken<V: View>(draft: &Draft<'_, V>, call: &Call) -> bool {
    let Some((ours, party)) = call.our_number.zip(call.party()) else { return false };
    let others = draft.live(party);
    others.len() >= LIVE_MAX || others.iter().any(|other| other.our_number == Some(ours) && other.call != call.id)
}

/// Ends a call at the platform's request (R51).
pub(super) fn end<V: View>(
    draft: &mut Draft<'_, V>,
    id: CallId,
    reason: Option<String>,
    key: Option<IdempotencyKey>,
) -> Reply {
    if let Some(key) = key {
        match draft.repeated(key) {
            Ok(None) => {}
            Ok(Some(again)) => return again,
            Err(refusal) => return Reply::Refused(refusal),
        }
    }
    let reply = match draft.known_call(&id) {
        Some(CallRow::EndedBeforeStart(ended)) => {
            // Recorded again unchanged, so that this frame holds the answer for repeats with the same key.
            if key.is_some() {
                draft.record(Event::EndRecorded { call: id.clone(), ended: ended.clone() });
            }
            Reply::EndedBeforeStart { call: id, ended }
        }
        Some(CallRow::Call(call)) if call.ended.is_some() => ended(draft, &call),
        Some(CallRow::Call(call)) => {
            let call = hang_up(draft, *call, reason, ClosingMessage::Closing);
            ended(draft, &call)
        }
        None => {
            let ended = Ended { at: draft.now(), reason };
            draft.record(Event::EndRecorded { call: id.clone(), ended: ended.clone() });
            Reply::EndedBeforeStart { call: id, ended }
        }
    };
    if let Some(IdempotencyKey { key, body }) = key {
        let call = match &reply {
            Reply::Call { shown, .. } => Some(shown.clone()),
            _ => None,
        };
        draft.record(Event::Answered { key, body, call });
    }
    reply
}

/// Whether a closing message may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosingMessage {
    /// If the rules allow it.
    Closing,
    /// Never: the lease expired, so the call may have ended long ago (A7).
    None,
}

/// Ends a live call: cancels queued texts (A19), notifies the platform, sends the closing message (R56) if the session
/// was open (A20), and stores the contact (A23).
pub(super) fn hang_up<V: View>(
    draft: &mut Draft<'_, V>,
    mut call: Call,
    reason: Option<String>,
    message: ClosingMessage,
) -> Call {
    let before = call.session;
    let was_open = before == Session::Open;
    let closing = if was_open && message == ClosingMessage::Closing { closing(draft, &call) } else { None };
    cancel_queued(draft, &mut call, FailureCode::CancelledCallEnded);

    call.ended = Some(Ended { at: draft.now(), reason });
    if was_open {
        (call.session, call.closed_reason) = (Session::Closed, Some(ClosedReason::CallEnded));
    }
    let shown = draft.next_shown(&mut call);
    let (lease_was, session_was) = (Some(call.lease_until), was(before, &call));
    let change = CallChange { shown, lease_was, live: true, party_was: None, session_was };
    draft.record_change(change, Event::CallEnded);

    contact::remember(draft, &call, &call.language);
    if let Some((ours, theirs, text)) = closing {
        let new =
            NewText { kind: Kind::Closing, ours, theirs, text, agent: None, smart_action: None, client_ref: None };
        lane::enqueue(draft, Some(&mut call), new);
        draft.store(call.clone(), Live::Same);
    }
    call
}

/// Returns the closing message, if one is to be sent. It is checked like any send at this moment (A36). A missing text is
/// recorded (A25).
fn closing<V: View>(draft: &mut Draft<'_, V>, call: &Call) -> Option<(E164, E164, String)> {
    let settings = &draft.directory().settings;
    if !settings.closing.enabled {
        return None;
    }
    let party = draft.party(call, false).ok()?;
    let ours = call.our_number?;
    let text = system_text(&settings.closing.texts, &call.language, settings);
    if text.is_none() {
        draft.record(Event::ClosingWithoutText { call: call.id.clone() });
    }
    Some((ours, party, text?.to_owned()))
}

/// Cancels the agent's queued texts (A19, A46).
pub(super) fn cancel_queued<V: View>(draft: &mut Draft<'_, V>, call: &mut Call, why: FailureCode) {
    for id in std::mem::take(&mut call.queued) {
        let Some(mut message) = draft.view.message(id).filter(|message| message.state == MessageState::Queued) else {
            continue;
        };
        message.state = MessageState::Cancelled;
        message.failure = Some(failure(why, None, None));
        let lane = lane::leave(draft, &message);
        usage::settled(draft, Some(call), &message, MessageState::Queued);
        draft.record_visible(call, |_| Event::MessageChanged { message: Box::new(message), lane: Some(lane) });
    }
}
