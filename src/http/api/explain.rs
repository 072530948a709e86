//! Why a message is not sent yet (A67).

use super::messages::{message_id, no_message};
use super::{Answered, Api, ApiRequest, storage_failed};
use crate::http::answer::json;
use crate::machine::state::{Attempt, AttemptOutcome, Message};
use crate::machine::why::{Why, why};
use crate::model::{Direction, MessageState, Timestamp};
use crate::rules::explain::Explained;
use axum::http::StatusCode;
use serde_json::{Value, json as object};

/// Open messages looked at, of all lanes together. Past that a message's place in its lane is not told.
const LOOKED_AT_MAX: usize = 20_000;

/// `GET /v1/messages/{message_id}/explain`.
pub(super) async fn one(api: &Api, asked: ApiRequest) -> Answered {
    let id = message_id(&asked)?;
    let document = api
        .look(move |reads, now| {
            let found =
                reads.ask(|view| why(view, id, LOOKED_AT_MAX, now)).map_err(|failed| storage_failed(&failed))?;
            found.as_ref().map(document).ok_or_else(no_message)
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

pub(super) fn document(why: &Why) -> Value {
    let Why { message, told, all, cause } = why;
    let mut document = object!({
        "state": message.state,
        "lane": (message.direction == Direction::Outbound).then(|| message.ours.to_string()),
        "position": told.position.filter(|_| *all),
        "waiting_for": told.waiting_for,
        "reason": cause.as_ref().map(|cause| &cause.detail),
        "due_at": told.due_at.map(|due_at| due_at.to_string()),
        "attempts": message.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "timeline": timeline(message, told),
    });
    if !all {
        let note =
            "too many messages are open to look at all of them: others may go before it, and it is due no earlier";
        document["position_note"] = object!(note);
    }
    document
}

fn attempt(attempt: &Attempt) -> Value {
    object!({
        "at": attempt.at.to_string(),
        "outcome": attempt.outcome,
        "status": attempt.status,
        "detail": became_of(attempt),
    })
}

/// What became of an attempt, for people.
fn became_of(attempt: &Attempt) -> String {
    let status = attempt.status.map(|status| status.to_string());
    let answered = |what: &str| match &status {
        Some(status) => format!("the carrier answered {status}: {what}"),
        None => format!("the carrier answered: {what}"),
    };
    match (attempt.outcome, attempt.status) {
        (AttemptOutcome::Open, _) => "the carrier has been asked and has not answered yet".to_owned(),
        (AttemptOutcome::Sent, _) => answered("it took the message"),
        (AttemptOutcome::Refused, None) => "it was refused before the carrier was asked".to_owned(),
        (AttemptOutcome::Refused, Some(_)) => answered("it refuses the message for good"),
        (AttemptOutcome::Later, Some(429)) => answered("it wants us to wait"),
        (AttemptOutcome::Later, _) => answered("not now, and it did not take the message"),
        (AttemptOutcome::AccountRefused, _) => answered("it refuses the account, and did not take the message"),
        (AttemptOutcome::NeverWritten, _) => {
            "the carrier could not be reached, and nothing was written to it".to_owned()
        }
        (AttemptOutcome::Unknown, None) => {
            "no answer is known: the carrier may have the message, so it is not sent again".to_owned()
        }
        (AttemptOutcome::Unknown, Some(_)) => {
            answered("that says nothing, and it may have the message, so it is not sent again")
        }
    }
}

/// What the row knows, oldest first: what happened, what became of it, and what is to come. When a message came to its
/// state is not among that.
fn timeline(message: &Message, told: &Explained) -> Vec<Value> {
    let entry = |at: Option<Timestamp>, event: &str, detail: &str| object!({ "at": at.map(|at| at.to_string()), "event": event, "detail": detail });
    let inbound = message.direction == Direction::Inbound;
    let mut timeline = vec![if inbound {
        entry(Some(message.created_at), "received", "taken in from the carrier")
    } else {
        let detail = format!("queued, with an estimated wait of {} ms", message.estimated_wait_ms);
        entry(Some(message.created_at), "accepted", &detail)
    }];
    timeline.extend(message.attempts.iter().map(|attempt| entry(Some(attempt.at), "attempt", &became_of(attempt))));
    if let Some(detail) = ended(message) {
        timeline.push(entry(None, message.state.word(), &detail));
    }
    let mut to_come = Vec::new();
    match message.state {
        MessageState::Queued => {
            to_come.push((Some(message.expires_at), "expires", "from then on it is too late to send it"));
            to_come.extend(told.due_at.map(|due_at| (Some(due_at), "due", "the earliest it goes out")));
        }
        MessageState::Sent => {
            to_come.push((message.unconfirmed_at(), "expires", "without a receipt until then it is unconfirmed"));
        }
        _ => {}
    }
    to_come.sort_unstable();
    timeline.extend(to_come.into_iter().map(|(at, event, detail)| entry(at, event, detail)));
    timeline
}

/// What became of a message that left its lane, for people.
fn ended(message: &Message) -> Option<String> {
    Some(match message.state {
        MessageState::Received | MessageState::Queued | MessageState::Sending => return None,
        MessageState::Sent => "the carrier has it, and no receipt says yet what became of it".to_owned(),
        MessageState::Delivered => "a receipt says that it arrived".to_owned(),
        MessageState::Unconfirmed => "nobody said what became of it".to_owned(),
        MessageState::Undelivered | MessageState::Failed | MessageState::Cancelled | MessageState::Expired => {
            let failure = message.failure.as_ref()?;
            match &failure.carrier_code {
                Some(code) => format!("{} (the carrier's code: {code})", failure.detail),
                None => failure.detail.clone(),
            }
        }
    })
}
