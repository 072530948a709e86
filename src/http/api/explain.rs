//! Why a message is not sent yet (A67).

use super::messages::{message_id, no_message};
use super::{Answered, Api, Asked, storage_failed};
use crate::http::answer::json;
use crate::index::SCAN_MAX_ROWS;
use crate::machine::state::{Attempt, AttemptOutcome, Message, Open};
use crate::machine::view::{Ask, View, open_key};
use crate::model::{Direction, MessageId, MessageState, Timestamp};
use crate::rules::explain::{Explained, Held, explain};
use crate::rules::lane::{Lane, Waiting};
use axum::http::StatusCode;
use serde_json::{Value, json as object};

/// Open messages looked at, of all lanes together. Past that a message's place in its lane is not told.
const LOOKED_AT_MAX: usize = 20_000;

/// `GET /v1/messages/{message_id}/explain`.
pub(super) async fn one(api: &Api, asked: Asked) -> Answered {
    let id = message_id(&asked)?;
    let document = api
        .look(move |reads, now| {
            let document = reads.ask(|view| document(view, id, LOOKED_AT_MAX, now));
            document.map_err(|failed| storage_failed(&failed))?.ok_or_else(no_message)
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

/// What is told of a message, if there is one; of open messages so many are looked at.
pub(super) fn document(view: &impl View, id: MessageId, looked_at_max: usize, now: Timestamp) -> Option<Value> {
    let mut message = view.message(id)?;
    let mut own = None;
    if message.state == MessageState::Queued {
        own = view.typed::<Open>(&open_key(id)).filter(|open| !open.started);
        if own.is_none() {
            // It has just left its lane, and its row knows for where.
            message = view.message(id)?;
        }
    }
    let (texts, all) = own.map_or((Vec::new(), true), |own| texts(view, id, &own, looked_at_max));
    let limits = view.directory().numbers.get(&message.ours).map(|number| number.limits.clone()).unwrap_or_default();
    let lane = Lane { texts: &texts, limits: &limits, empty_at: view.lane(message.ours).empty_at };
    let told = explain(id, message.state, &lane, &Held::default(), now);
    let mut document = object!({
        "state": message.state,
        "lane": (message.direction == Direction::Outbound).then(|| message.ours.to_string()),
        "position": told.position.filter(|_| all),
        "waiting_for": told.waiting_for,
        "due_at": told.due_at.map(|due_at| due_at.to_string()),
        "attempts": message.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "timeline": timeline(&message, &told),
    });
    if !all {
        let note =
            "too many messages are open to look at all of them: others may go before it, and it is due no earlier";
        document["position_note"] = object!(note);
    }
    Some(document)
}

/// The message and the others of its lane, and whether these are all.
fn texts(view: &impl View, id: MessageId, own: &Open, looked_at_max: usize) -> (Vec<Waiting>, bool) {
    let mut texts = vec![own.waiting(id)];
    let (mut from, mut looked_at) = (Vec::new(), 0);
    while looked_at < looked_at_max {
        let page = view.open_page(&from, SCAN_MAX_ROWS.min(looked_at_max - looked_at));
        let Some((last, ..)) = page.last() else { return (texts, true) };
        // The first key after this one.
        from = last.iter().copied().chain([0]).collect();
        looked_at += page.len();
        let others = page.iter().filter(|(_, other, open)| open.ours == own.ours && *other != id);
        texts.extend(others.map(|(_, other, open)| open.waiting(*other)));
    }
    (texts, view.open_page(&from, 1).is_empty())
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
        (AttemptOutcome::NeverWritten, _) => {
            "the carrier could not be reached, and nothing was written to it".to_owned()
        }
        (AttemptOutcome::Unknown, None) => {
            "the carrier did not answer: it may have the message, so it is not sent again".to_owned()
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
