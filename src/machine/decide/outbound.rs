//! Outbound texts from the queue to the carrier (A19-A21, A27, A46, A60, A64).

use super::draft::{Draft, Live};
use super::lane::{self, Paid};
use super::{contact, inbound, opt_out as opting_out, pause, receipt, usage};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::state::{Attempt, Call, Message};
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{
    AttemptOutcome, E164, FailureCode, Kind, MessageId, MessageState, OptOutBy, Outcome, Phase, Session, Settled,
    Timestamp,
};
use crate::rules::correlation::Belongs;
use crate::rules::receipt::failure;
use crate::rules::refusal::{Code, Refusal};
use crate::rules::{non_us, opt_out, retry};
use std::time::Duration;

/// How long an attempt without a response stays `sending` before it is `unconfirmed` (A60).
const UNKNOWN_FOR: Duration = Duration::from_secs(10 * 60);

/// Starts an attempt for which the dispatcher has a permit. All rules are checked again in the step that records the
/// attempt: the call may have ended, the caller may have sent STOP, the text may have expired.
pub(super) fn start<V: View>(draft: &mut Draft<'_, V>, id: MessageId, paid: Paid) -> Reply {
    let Some(mut message) = queued(draft, id) else { return Reply::NotStarted };
    let mut call = draft.call_of(&message);
    if message.expires_at <= draft.now() {
        drop_queued(draft, call, message, MessageState::Expired, FailureCode::TooLate);
        return Reply::NotStarted;
    }
    if let Err(code) = may_still_go(draft, &message, call.as_ref()) {
        drop_queued(draft, call, message, MessageState::Cancelled, code);
        return Reply::NotStarted;
    }
    if !draft.view.suspensions_of(message.ours, &message.account).is_empty() {
        return Reply::Suspended;
    }
    let first = message.attempts.is_empty();
    message.state = MessageState::Sending;
    message.not_before = None;
    message.attempts.push(Attempt { at: draft.now(), outcome: AttemptOutcome::Open, status: None });

    // The first attempt counts as usage (R4).
    if first {
        usage::sent(draft, call.as_mut(), &mut message);
    }
    let lane = lane::pay(draft, &message, paid);
    draft.record(Event::SendStarted { message: Box::new(message.clone()), lane });
    if let Some(call) = &mut call {
        let opens = begin(call, &message);
        draft.store(call.clone(), if opens { Live::Opened } else { Live::Same });
    }
    Reply::Started { message: Box::new(message) }
}

/// Updates the call: the first attempt opens the session (A20).
fn begin(call: &mut Call, message: &Message) -> bool {
    call.queued.retain(|queued| *queued != message.id);
    let opens = call.session == Session::None && call.ended.is_none();
    if opens {
        call.session = Session::Open;
    }
    opens
}

fn queued<V: View>(draft: &Draft<'_, V>, id: MessageId) -> Option<Message> {
    draft.view.message(id).filter(|message| message.state == MessageState::Queued)
}

/// Checks whether the text may still be sent.
fn may_still_go<V: View>(draft: &Draft<'_, V>, message: &Message, call: Option<&Call>) -> Result<(), FailureCode> {
    let theirs = message.theirs.kept().and_then(|address| address.number()).ok_or(FailureCode::NumberInvalid)?;
    match message.kind {
        Kind::Preset | Kind::Custom | Kind::SmartAction => agents_text(draft, message, call, theirs),
        Kind::Closing | Kind::AutoReply | Kind::HelpReply => system_text(draft, message, theirs),
        Kind::OptOutConfirmation => confirmation(draft, message, theirs),
        Kind::Inbound => Ok(()),
    }
}

/// An opt-out's confirmation is sent only while the opt-out is in force: after a START it would be wrong.
fn confirmation<V: View>(draft: &Draft<'_, V>, message: &Message, theirs: E164) -> Result<(), FailureCode> {
    let phase = draft.call_of(message).map_or(Phase::Connected, |call| call.phase);
    if !opt_out::may_answer(theirs, phase, &draft.directory().settings) {
        return Err(FailureCode::Blocked);
    }
    if draft.opted_out(theirs, message.ours) { Ok(()) } else { Err(FailureCode::CancelledByRequest) }
}

fn agents_text<V: View>(
    draft: &Draft<'_, V>,
    message: &Message,
    call: Option<&Call>,
    theirs: E164,
) -> Result<(), FailureCode> {
    let call = call.ok_or(FailureCode::CancelledCallEnded)?;
    // The agent may have confirmed another number meanwhile (A16), but the text still goes to the previous one, so that
    // one is checked.
    if draft.opted_out(theirs, message.ours) {
        return Err(FailureCode::OptedOut);
    }
    if non_us::blocked(theirs, call.phase, &draft.directory().settings.non_us) {
        return Err(FailureCode::Blocked);
    }
    // A text accepted before the last agent left is still sent. A landline was checked at accept, and may have been
    // forced.
    let mut as_open = call.clone();
    if as_open.ended.is_none() && as_open.closed_reason == Some(crate::model::ClosedReason::NoAgent) {
        as_open.session = Session::Open;
    }
    match draft.party(&as_open, true) {
        Ok(_) => Ok(()),
        Err(Refusal { code: Code::CallEnded, .. }) => Err(FailureCode::CancelledCallEnded),
        Err(Refusal { code: Code::OptedOut | Code::SessionClosed, .. }) => Err(FailureCode::OptedOut),
        Err(_) => Err(FailureCode::Blocked),
    }
}

fn system_text<V: View>(draft: &Draft<'_, V>, message: &Message, theirs: E164) -> Result<(), FailureCode> {
    let settings = &draft.directory().settings;
    if draft.opted_out(theirs, message.ours) {
        return Err(FailureCode::OptedOut);
    }
    let phase = draft.call_of(message).map_or(Phase::Connected, |call| call.phase);
    if !settings.in_call_sms || non_us::blocked(theirs, phase, &settings.non_us) {
        return Err(FailureCode::Blocked);
    }
    // A27: while the auto-reply was queued, a call started that the same text would join now, so no auto-reply is sent.
    // Other calls do not matter: a person who texts another queue's number (A3) or a closed session (A12) is on a call,
    // too.
    let would_join = matches!(inbound::belongs(draft, theirs, message.ours), Belongs::To(_));
    if message.kind == Kind::AutoReply && would_join {
        return Err(FailureCode::CancelledByRequest);
    }
    Ok(())
}

/// Removes a queued text from its lane without sending it.
fn drop_queued<V: View>(
    draft: &mut Draft<'_, V>,
    mut call: Option<Call>,
    mut message: Message,
    state: MessageState,
    code: FailureCode,
) -> Message {
    message.state = state;
    message.failure = Some(failure(code, None, None));
    message.not_before = None;
    let lane = lane::leave(draft, &message);
    if let Some(call) = &mut call {
        call.queued.retain(|queued| *queued != message.id);
    }
    usage::settled(draft, call.as_mut(), &message, MessageState::Queued);
    draft.record_in(call.as_mut(), Event::MessageChanged { message: Box::new(message.clone()), lane: Some(lane) });
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
    message
}

/// Expires a queued text.
pub(super) fn expire<V: View>(draft: &mut Draft<'_, V>, id: MessageId) -> Reply {
    if let Some(message) = queued(draft, id).filter(|message| message.expires_at <= draft.now()) {
        let call = draft.call_of(&message);
        drop_queued(draft, call, message, MessageState::Expired, FailureCode::TooLate);
    }
    Reply::Done
}

/// Cancels a queued text on request.
pub(super) fn cancel<V: View>(draft: &mut Draft<'_, V>, id: MessageId) -> Reply {
    let Some(message) = draft.view.message(id) else {
        return Reply::Refused(Refusal::new(Code::NotFound, "there is no such message"));
    };
    if message.state != MessageState::Queued {
        let detail = format!("the message is already {}: only a queued message can be cancelled", message.state.word());
        return Reply::Refused(Refusal::new(Code::NotQueued, detail));
    }
    let call = draft.call_of(&message);
    let message = drop_queued(draft, call, message, MessageState::Cancelled, FailureCode::CancelledByRequest);
    Reply::Message { message: Box::new(message), text: None }
}

/// Records the outcome of an attempt.
pub(super) fn settle<V: View>(draft: &mut Draft<'_, V>, id: MessageId, attempt: u32, settled: Settled) -> Reply {
    let Some(mut message) = draft.view.message(id) else { return Reply::Done };
    let latest = message.attempts.len() == attempt as usize;
    let Some(open) = message.attempts.last_mut().filter(|last| latest && last.outcome == AttemptOutcome::Open) else {
        return Reply::Done;
    };
    open.outcome = settled.outcome.kind();
    open.status = settled.status;
    let began = open.at;
    let next = match &settled.outcome {
        Outcome::Later { retry_after } => Some(retry::next_attempt(id, attempt, *retry_after, draft.now())),
        Outcome::NeverWritten => Some(retry::next_attempt(id, attempt, None, draft.now())),
        _ => None,
    };
    pause::update(draft, &message, &settled, began, next);
    match settled.outcome {
        Outcome::Sent { carrier_id, segments } => {
            message.carrier_id = Some(carrier_id);
            message.segments = segments.filter(|segments| *segments > 0).unwrap_or(message.segments);
            let message = if message.state == MessageState::Sending {
                change(draft, message, MessageState::Sent)
            } else {
                draft.record(Event::MessageStored { message: Box::new(message.clone()) });
                message
            };
            receipt::apply_kept(draft, message);
        }
        // A receipt came first, and is more precise.
        _ if message.state != MessageState::Sending => {
            draft.record(Event::MessageStored { message: Box::new(message) });
        }
        Outcome::Refused { code, carrier_code } => {
            if let (FailureCode::Landline, Some(number)) = (code, message.theirs.kept().and_then(|a| a.number())) {
                contact::landline(draft, number);
            }
            message.failure = Some(failure(code, carrier_code.as_deref(), settled.detail));
            let in_call = message.call.clone();
            let pair = message.theirs.kept().and_then(|address| address.number()).map(|theirs| (theirs, message.ours));
            change(draft, message, MessageState::Failed);
            if let (FailureCode::OptedOut, Some((theirs, ours))) = (code, pair) {
                opting_out::stop(draft, theirs, ours, OptOutBy::Carrier, in_call);
            }
        }
        Outcome::Later { .. } | Outcome::NeverWritten => {
            if let Some(next) = next {
                postpone(draft, message, Some(next));
            }
        }
        // The text is not at fault: it waits for its account only.
        Outcome::AccountRefused => postpone(draft, message, None),
        Outcome::Unknown | Outcome::Interrupted => {
            let until = draft.now() + UNKNOWN_FOR;
            draft.record(Event::SendUnknown { message: Box::new(message), until });
        }
    }
    Reply::Done
}

/// Changes the state of a message that left its lane, and notifies the platform. Returns the message as it is then.
pub(super) fn change<V: View>(draft: &mut Draft<'_, V>, mut message: Message, state: MessageState) -> Message {
    let before = std::mem::replace(&mut message.state, state);
    let mut call = draft.call_of(&message);
    usage::settled(draft, call.as_mut(), &message, before);
    draft.record_in(call.as_mut(), Event::MessageChanged { message: Box::new(message.clone()), lane: None });
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
    message
}

/// Puts a message back into its lane after a failed attempt, to retry at `next` or as soon as its account may send. If
/// it would expire first, or its call has ended, it is dropped instead.
fn postpone<V: View>(draft: &mut Draft<'_, V>, mut message: Message, next: Option<Timestamp>) {
    let mut call = draft.call_of(&message);
    let agents = matches!(message.kind, Kind::Preset | Kind::Custom | Kind::SmartAction);
    let over = agents && call.as_ref().is_none_or(|call| call.ended.is_some());
    let ended = if over {
        Some((MessageState::Cancelled, FailureCode::CancelledCallEnded))
    } else if next.unwrap_or(draft.now()) >= message.expires_at {
        Some((MessageState::Expired, FailureCode::TooLate))
    } else {
        None
    };
    if let Some((state, code)) = ended {
        message.failure = Some(failure(code, None, None));
        change(draft, message, state);
        return;
    }
    message.state = MessageState::Queued;
    message.not_before = next;
    let segments = u32::from(message.segments);
    let lane = draft.change_lane(message.ours, &message.account, |lane| lane.queued_segments += segments);
    let id = message.id;
    draft.record(Event::SendPostponed { message: Box::new(message), lane });
    if let Some(mut call) = call.take().filter(|_| agents) {
        call.queued.push(id);
        draft.store(call, Live::Same);
    }
}
