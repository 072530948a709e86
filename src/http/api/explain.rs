//! Explains why a message has not been sent yet (A67).

use super::messages::{message_id, no_message};
use super::{Answered, Api, ApiRequest, openapi, storage_failed};
use crate::http::answer::json;
use crate::machine::explain::{Explanation, explain_message};
use crate::machine::state::{Attempt, Message};
use crate::model::{AttemptOutcome, Direction, MessageState, Timestamp};
use crate::rules::explain::Explained;
use axum::http::StatusCode;
use serde_json::{Value, json as object};

/// Maximum number of open messages scanned, of all lanes together. With more, a message's position is not reported.
const SCANNED_MAX: usize = 20_000;

/// `GET /v1/messages/{message_id}/explain`.
#[utoipa::path(
    get,
    path = "/v1/messages/{message_id}/explain",
    operation_id = "explain_message",
    summary = "Explains why a message has not been sent yet, and when it is due.",
    params(openapi::MessagePath),
    responses((
        status = 200,
        description = "What the message waits for, its attempts, and its timeline.",
        body = openapi::Explanation,
    ))
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    let id = message_id(&request)?;
    let document = api
        .query(move |reads, now| {
            let found = reads
                .ask(|view| explain_message(view, id, SCANNED_MAX, now))
                .map_err(|failed| storage_failed(&failed))?;
            found.as_ref().map(document).ok_or_else(no_message)
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

pub(super) fn document(explanation: &Explanation) -> Value {
    let Explanation { message, explained, all, cause, suspension } = explanation;
    let mut document = object!({
        "state": message.state,
        "lane": (message.direction == Direction::Outbound).then(|| message.ours.to_string()),
        "position": explained.position.filter(|_| *all),
        "waiting_for": explained.waiting_for,
        "reason": cause.as_ref().map(|cause| &cause.detail),
        "due_at": explained.due_at.map(|due_at| due_at.to_string()),
        "attempts": message.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "timeline": timeline(message, explained),
    });
    if let Some(suspension) = suspension {
        document["suspended_because"] = object!(suspension.reason.kept());
    }
    if !all {
        let note = "too many open messages to scan them all: others may go first, and due_at is the earliest time";
        document["position_note"] = object!(note);
    }
    document
}

fn attempt(attempt: &Attempt) -> Value {
    object!({
        "at": attempt.at.to_string(),
        "outcome": attempt.outcome,
        "status": attempt.status,
        "detail": describe_attempt(attempt),
    })
}

/// Describes an attempt's outcome, for people.
fn describe_attempt(attempt: &Attempt) -> String {
    let status = attempt.status.map(|status| status.to_string());
    let answered = |what: &str| match &status {
        Some(status) => format!("the carrier answered {status}: {what}"),
        None => format!("the carrier answered: {what}"),
    };
    match (attempt.outcome, attempt.status) {
        (AttemptOutcome::Open, _) => "sent to the carrier, no answer yet".to_owned(),
        (AttemptOutcome::Sent, _) => answered("it accepted the message"),
        (AttemptOutcome::Refused, None) => "refused before it was sent to the carrier".to_owned(),
        (AttemptOutcome::Refused, Some(_)) => answered("it refused the message permanently"),
        (AttemptOutcome::Later, Some(429)) => answered("it asked us to wait"),
        (AttemptOutcome::Later, _) => answered("a temporary refusal, the message was not accepted"),
        (AttemptOutcome::AccountRefused, _) => answered("it refused the account, the message was not accepted"),
        (AttemptOutcome::NeverWritten, _) => "the carrier could not be reached, nothing was sent".to_owned(),
        (AttemptOutcome::Unknown, None) => {
            "the answer was lost: the carrier may have the message, so it is not sent again".to_owned()
        }
        (AttemptOutcome::Unknown, Some(_)) => {
            answered("an unclear answer, it may have the message, so it is not sent again")
        }
    }
}

/// The timeline, oldest first: past events, the current state, and scheduled events. The row does not hold the time of
/// the current state.
fn timeline(message: &Message, explained: &Explained) -> Vec<Value> {
    let entry = |at: Option<Timestamp>, event: &str, detail: &str| {
        let at = at.map(|at| at.to_string());
        object!({ "at": at, "event": event, "detail": detail })
    };
    let inbound = message.direction == Direction::Inbound;
    let mut timeline = vec![if inbound {
        entry(Some(message.created_at), "received", "received from the carrier")
    } else {
        let detail = if message.suspended {
            "queued while its number or account was suspended".to_owned()
        } else {
            format!("queued, with an estimated wait of {} ms", message.estimated_wait_ms)
        };
        entry(Some(message.created_at), "accepted", &detail)
    }];
    let attempts = message.attempts.iter();
    timeline.extend(attempts.map(|attempt| entry(Some(attempt.at), "attempt", &describe_attempt(attempt))));
    if let Some(detail) = describe_state(message) {
        timeline.push(entry(None, message.state.word(), &detail));
    }
    let mut scheduled = Vec::new();
    match message.state {
        MessageState::Queued => {
            scheduled.push((Some(message.expires_at), "expires", "not sent after this time"));
            scheduled.extend(explained.due_at.map(|due_at| (Some(due_at), "due", "the earliest time it is sent")));
        }
        MessageState::Sent => {
            scheduled.push((message.unconfirmed_at(), "expires", "unconfirmed if no receipt has arrived by then"));
        }
        _ => {}
    }
    scheduled.sort_unstable();
    timeline.extend(scheduled.into_iter().map(|(at, event, detail)| entry(at, event, detail)));
    timeline
}

/// Describes the state of a message that left its lane, for people.
fn describe_state(message: &Message) -> Option<String> {
    Some(match message.state {
        MessageState::Received | MessageState::Queued | MessageState::Sending => return None,
        MessageState::Sent => "the carrier accepted it, no receipt yet".to_owned(),
        MessageState::Delivered => "a receipt confirmed delivery".to_owned(),
        MessageState::Unconfirmed => "no receipt arrived in time".to_owned(),
        MessageState::Undelivered | MessageState::Failed | MessageState::Cancelled | MessageState::Expired => {
            let failure = message.failure.as_ref()?;
            match &failure.carrier_code {
                Some(code) => format!("{} (the carrier's code: {code})", failure.detail),
                None => failure.detail.clone(),
            }
        }
    })
}
