//! Agents' sends (R7, R39-R50), and what all outbound texts have in common.

use super::call;
use super::draft::{Draft, Live};
use super::permit;
use crate::machine::command::{Content, IdempotencyKey, Reply, Send};
use crate::machine::event::Event;
use crate::machine::state::{Call, CallRow, Lane, Message};
use crate::machine::view::View;
use crate::model::{Address, Agent, Direction, E164, Kind, Language, MessageState, PresetId, SmartAction, measure};
use crate::rules::refusal::{Code, Refusal};
use crate::rules::{retry, sending};
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
    if let Some(again) = send.key.map(|key| repeated(draft, key)).transpose()?.flatten() {
        return Ok(again);
    }
    if let Content::Text(text) = &send.content {
        sending::shape(text)?;
    }
    let mut call = match call::known(draft, &send.call) {
        Some(CallRow::Call(call)) => call,
        Some(CallRow::EndedBeforeStart(_)) => {
            return Err(Refusal::new(Code::CallEnded, "the call has ended: no more texts can be sent"));
        }
        None => {
            let detail = "there is no such call: start it with PUT /v1/calls/{id} first";
            return Err(Refusal::new(Code::CallNotFound, detail));
        }
    };
    let party = draft.party(&call, send.force)?;
    let (kind, text) = content(draft, &call, &send)?;
    let ours = draft.number(&call, party, sending::needs(send.smart_action))?;
    if call.queued.len() >= QUEUED_MAX {
        let detail = format!("{QUEUED_MAX} texts of this call are already queued: retry when some have been sent");
        return Err(Refusal { retry_after_ms: Some(1_000), ..Refusal::new(Code::RateLimited, detail) });
    }
    in_time(draft, ours, &draft.account_of(ours), &text)?;

    let newly_bound = call.our_number.replace(ours) != Some(ours);
    let new =
        NewText { kind, ours, theirs: party, text: text.clone(), agent: send.agent, smart_action: send.smart_action };
    let message = enqueue(draft, Some(&mut call), new);
    call.queued.push(message.id);
    draft.store(*call, if newly_bound { Live::Updated } else { Live::Same });
    if let Some(IdempotencyKey { key, body }) = send.key {
        draft.record(Event::Answered { key, body, call: None });
    }
    Ok(Reply::Message { message: Box::new(message), text: Some(text) })
}

/// Returns the earlier answer to the same key, if there is one; refuses a key that was used with another body.
pub(super) fn repeated<V: View>(draft: &Draft<'_, V>, key: IdempotencyKey) -> Result<Option<Reply>, Refusal> {
    Ok(super::answered(draft.view, key, draft.now())?.map(Reply::Again))
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
fn in_time<V: View>(draft: &Draft<'_, V>, ours: E164, account: &str, text: &str) -> Result<(), Refusal> {
    let wait = permit::wait(draft, ours, account, measure(text).segments);
    let most = Duration::from_millis(draft.directory().settings.max_wait_ms);
    if wait <= most {
        return Ok(());
    }
    let beyond = u64::try_from((wait - most).as_millis()).unwrap_or(u64::MAX);
    let detail = format!(
        "this text would wait {} ms for its number or account, more than the allowed {} ms: retry later",
        wait.as_millis(),
        most.as_millis()
    );
    Err(Refusal { retry_after_ms: Some(beyond), ..Refusal::new(Code::RateLimited, detail) })
}

/// A new outbound text that passed all checks.
pub(super) struct NewText {
    pub(super) kind: Kind,
    pub(super) ours: E164,
    pub(super) theirs: E164,
    pub(super) text: String,
    pub(super) agent: Option<Agent>,
    pub(super) smart_action: Option<SmartAction>,
}

/// Queues a text in its number's lane and notifies the platform. The caller must store the call, whose last message it
/// is.
pub(super) fn enqueue<V: View>(draft: &mut Draft<'_, V>, call: Option<&mut Call>, new: NewText) -> Message {
    let measured = measure(&new.text);
    let account = draft.account_of(new.ours);
    let estimated = permit::wait(draft, new.ours, &account, measured.segments);
    let lane = draft.change_lane(new.ours, &account, |lane| lane.queued_segments += u32::from(measured.segments));
    let message = Message {
        id: draft.next_message(),
        call: call.as_ref().map(|call| call.id.clone()),
        direction: Direction::Outbound,
        kind: new.kind,
        state: MessageState::Queued,
        account,
        ours: new.ours,
        theirs: Address::from(new.theirs).into(),
        agent: new.agent,
        smart_action: new.smart_action,
        encoding: measured.encoding,
        segments: measured.segments,
        estimated_wait_ms: u64::try_from(estimated.as_millis()).unwrap_or(u64::MAX),
        media: Vec::new(),
        created_at: draft.now(),
        expires_at: draft.now() + retry::send_ttl(new.kind),
        failure: None,
        attempts: Vec::new(),
        not_before: None,
        carrier_id: None,
        reply_blocked: false,
        keyword: None,
        previous: call.as_ref().and_then(|call| call.last_message),
    };
    let fact = Event::MessageQueued { message: Box::new(message.clone()), text: new.text.into(), lane };
    match call {
        Some(call) => {
            call.last_message = Some(message.id);
            draft.record_visible(call, |_| fact);
        }
        None => draft.record(fact),
    }
    message
}

/// Removes the queued `message` from its lane and returns the lane.
pub(super) fn leave_lane<V: View>(draft: &mut Draft<'_, V>, message: &Message) -> Lane {
    let segments = u32::from(message.segments);
    draft.change_lane(message.ours, &message.account, |lane| {
        lane.queued_segments = lane.queued_segments.saturating_sub(segments);
    })
}
