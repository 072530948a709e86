//! Verification of our numbers with their carriers (R30).

use super::idempotency::replayed;
use super::{
    Answered, Api, ApiRequest, fields, openapi, outcome_unknown, overloaded, storage_unavailable, unexpected_reply,
};
use crate::http::answer::json;
use crate::machine::command::{Command, Reply};
use crate::machine::event::Event;
use crate::machine::event::VerifiedNumber;
use crate::machine::show;
use crate::model::{E164, Position};
use crate::observe::NotReady;
use crate::rules::refusal::{Code, Refusal};
use crate::work::NotAsked;
use axum::http::StatusCode;
use std::pin::pin;
use std::time::Duration;

/// Fields of the request.
pub(super) const VERIFY_FIELDS: &[&str] = &["numbers"];

/// Maximum number of numbers in a request.
pub(super) const NUMBERS_MAX: usize = 500;

/// How long carriers may take. With the time to store the answer, the request ends within 30 s.
const ASK_WITHIN: Duration = Duration::from_secs(24);

/// How often a request checks whether the gateway is shutting down.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// `POST /v1/numbers/verify`: asks each number's carrier about it now.
#[utoipa::path(
    post,
    path = "/v1/numbers/verify",
    operation_id = "verify_numbers",
    summary = "Asks the carriers about numbers, and returns within 30 s what is known of each, in the same order. A \
               number without an answer by then keeps its state, and has a reason.",
    params(openapi::KeyHeader),
    request_body = openapi::VerifyAsk,
    responses((status = 200, description = "The results.", body = openapi::VerifyResults))
)]
pub(super) async fn verify(api: &Api, request: ApiRequest) -> Answered {
    let key = request.key()?;
    let numbers = fields::read(&request.body, VERIFY_FIELDS, &[], |fields| {
        fields.require("numbers", "an array of 1 to 500 numbers, as in [\"+12065550100\"]");
        let numbers: Vec<E164> = fields.list("numbers", crate::json::number)?;
        if fields.is_empty("numbers") || numbers.len() > NUMBERS_MAX {
            fields.note("numbers", format!("has {} numbers: send 1 to {NUMBERS_MAX}", numbers.len()));
        }
        Some(numbers)
    })?;
    api.takes_work()?;
    let held = key.map(|key| api.in_flight.hold(key)).transpose()?;
    if let Some(key) = key
        && let Some(position) = api.answered(key).await?
    {
        return again(api, position).await.map(replayed);
    }
    let results = ask(api, numbers).await?;
    let answer = json(StatusCode::OK, &show::verified(&results));
    // The carriers' answers are stored; without this one the request is repeated.
    let command = Command::NumbersVerified { results, key, by: request.client.actor.clone() };
    let stored = api.submit(command, held).await.map_err(|_| outcome_unknown())?;
    if stored == Reply::Done { Ok(answer) } else { Err(unexpected_reply("numbers verified")) }
}

/// Asks the carriers, unless the gateway begins to shut down: that does not wait for them.
async fn ask(api: &Api, numbers: Vec<E164>) -> Result<Vec<VerifiedNumber>, Refusal> {
    let mut asking = pin!(api.verifier.verify(numbers, ASK_WITHIN));
    loop {
        let answered = tokio::time::timeout(CHECK_EVERY, asking.as_mut()).await;
        match answered {
            Ok(Ok(results)) => return Ok(results),
            Ok(Err(NotAsked::TooMany)) => return Err(overloaded()),
            Ok(Err(NotAsked::Stopping)) => return Err(draining()),
            Err(_) if api.readiness.holds(NotReady::Draining) => return Err(draining()),
            Err(_) => {}
        }
    }
}

fn draining() -> Refusal {
    Refusal::new(Code::Draining, "shutting down; what carriers answered so far is kept, retry")
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn again(api: &Api, position: Position) -> Answered {
    let frame = api.frame(position).await?;
    let found = frame.events.iter().find_map(|event| match &event.event {
        Event::NumbersVerified { results } => results.kept(),
        _ => None,
    });
    found.map(|results| json(StatusCode::OK, &show::verified(results))).ok_or_else(storage_unavailable)
}
