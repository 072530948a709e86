//! Sends to the carrier: what happens to each, whatever the dialect.

use super::super::dice::SeededRng;
use super::super::segments;
use super::super::wire::{Cut, Reply, cut_in_the_middle, read_body, reply};
use super::behaviour::{Arrival, Ending, Fate, RetryAfter};
use super::dialect::{OPTED_OUT, Refused, Route, SERVER_ERROR, Send, TOO_MANY, Taken, message_id};
use super::record::{Malformed, Post, PostAnswer};
use super::{Arrived, CarrierCore, RECEIPTS_WAITING_MAX, hooks, look_ups, now, tokens};
use http::header::{HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;

/// How long a response is delayed for receipts that are to come first.
const RECEIPTS_FIRST_MAX: Duration = Duration::from_secs(2);

/// What a carrier says to too many requests.
const TOO_MANY_TEXT: &str = "Too Many Requests";

/// Answers a request at the account's URLs.
pub(super) async fn serve(core: &Arc<CarrierCore>, request: Request<Incoming>) -> Result<Reply, Cut> {
    let (head, body) = request.into_parts();
    match core.dialect.admits(core, &head).and_then(|()| core.dialect.route(core, &head)) {
        Ok(Route::Send) => take(core, &head, body).await,
        Ok(Route::LookUp(number, answer)) => look_ups::answer(core, number, answer).await,
        Ok(Route::Token) => tokens::answer(core).await,
        Ok(Route::Other(answer)) => Ok(answer),
        Err(refused) => Ok(malformed(core, &refused)),
    }
}

async fn take(core: &Arc<CarrierCore>, head: &Parts, body: Incoming) -> Result<Reply, Cut> {
    let request = arrives(core)?;
    let body = read_body(body).await?;
    let send = match core.dialect.read(core, head, &body) {
        Ok(send) => send,
        Err(refused) => {
            note(core, &refused);
            return Ok(core.dialect.refuse(None, refused.status, refused.code, refused.message));
        }
    };
    if let Some(answer) = repeated(core, &send) {
        return Ok(answer);
    }
    let (sid, fate) = decide(core, &send, request);

    // Receipts have a task of their own: the message is delivered even if the gateway disconnects before the
    // response. They are posted once this future is done, answered or dropped, unless they are to come first.
    let (answered, answering) = tokio::sync::oneshot::channel::<()>();
    if fate.taken {
        let receipts = hooks::send_receipts(core, taken(&sid, &send), fate, answering);
        if let (true, Some(receipts)) = (fate.receipts_before_answer, receipts) {
            let _ = tokio::time::timeout(RECEIPTS_FIRST_MAX, receipts).await;
        }
    }
    tokio::time::sleep(fate.delay).await;
    let accepted = || core.dialect.accepted(core, &sid, &send);
    match fate.ending {
        Ending::Accept => Ok(accepted()),
        Ending::ServerError => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(core.dialect.refuse(Some(&send), status, SERVER_ERROR, "Internal Server Error"))
        }
        Ending::TooMany { retry_after } => {
            let answer = core.dialect.refuse(Some(&send), StatusCode::TOO_MANY_REQUESTS, TOO_MANY, TOO_MANY_TEXT);
            Ok(with_wait(answer, retry_after))
        }
        Ending::Refuse { status, code } => {
            let status = StatusCode::from_u16(status).expect("a behaviour has valid statuses");
            Ok(core.dialect.refuse(Some(&send), status, code, refusal(code)))
        }
        Ending::CutRead => Err(Cut),
        Ending::Silent => {
            drop(answered);
            std::future::pending().await
        }
        Ending::CutAnswer => Ok(cut_in_the_middle(accepted())),
        Ending::Html => {
            Ok(reply(StatusCode::OK, "text/html", "<!DOCTYPE html><title>Please wait</title><p>Maintenance."))
        }
        Ending::WithoutSid => Ok(core.dialect.without_id()),
        Ending::Odd(quirk) => Ok(quirk.answer(accepted())),
    }
}

fn taken(sid: &str, send: &Send) -> Taken {
    Taken {
        sid: sid.to_owned(),
        from: send.from,
        to: send.to,
        text: send.text.as_str().into(),
        callback: send.callback.clone(),
        reference: send.reference.clone(),
    }
}

/// Counts a request of which only the head is known, and may cut its connection.
fn arrives(core: &CarrierCore) -> Result<u64, Cut> {
    let mut state = core.state();
    state.requests += 1;
    let mut dice = SeededRng::of(core.settings.seed, &["unread"], state.requests);
    if dice.chance(state.behaviour.cut_unread) {
        state.recorder.record.unread += 1;
        core.news.notify_waiters();
        return Err(Cut);
    }
    Ok(state.requests)
}

/// Decides what happens to a send, which is the `request`-th request, records it, and delivers it to the phone. From
/// here on it cannot be undone.
fn decide(core: &CarrierCore, send: &Send, request: u64) -> (String, Fate) {
    let mut state = core.state();
    let (from, to) = (send.from.to_string(), send.to.to_string());
    let about = ["send", &*from, &*to, &*send.text];
    let nth = state.nth(&about, core.settings.record_max);
    let mut dice = SeededRng::of(core.settings.seed, &about, nth);
    let sid = core.dialect.id(&mut dice, send.media > 0);

    let behaviour = state.behaviours.get(&send.to).unwrap_or(&state.behaviour);
    let mut fate = behaviour.fate(&mut dice);
    if behaviour.is_out(core.settings.seed, request) {
        fate = Fate { ending: Ending::ServerError, taken: false, ..fate };
    }
    if state.opted_out.contains(&(send.from, send.to)) {
        fate = Fate { ending: Ending::Refuse { status: 400, code: OPTED_OUT }, taken: false, ..fate };
    }
    if matches!(fate.ending, Ending::Refuse { code: OPTED_OUT, .. }) && !core.dialect.habits().refuses_opted_out {
        fate = Fate { ending: Ending::Accept, taken: true, arrival: Arrival::Failed { code: OPTED_OUT }, ..fate };
    }
    if state.receipts_waiting >= RECEIPTS_WAITING_MAX {
        fate = Fate { ending: Ending::TooMany { retry_after: Some(RetryAfter::Secs(1)) }, taken: false, ..fate };
    }
    let answer = match fate.ending {
        Ending::Accept => PostAnswer::Accepted,
        Ending::ServerError => PostAnswer::No { status: 500, code: SERVER_ERROR },
        Ending::TooMany { .. } => PostAnswer::No { status: 429, code: TOO_MANY },
        Ending::Refuse { status, code } => PostAnswer::No { status, code },
        Ending::Odd(quirk) => quirk.post_answer(),
        Ending::CutRead | Ending::Silent | Ending::CutAnswer | Ending::Html | Ending::WithoutSid => PostAnswer::Unclear,
    };
    state.recorder.post(Post {
        at: now(),
        from: send.from,
        to: send.to,
        text: send.text.clone().into(),
        segments: segments::count(&send.text),
        callback: send.callback.clone(),
        reference: send.reference.clone(),
        message_id: message_id(send.callback.as_deref(), send.reference.as_deref()),
        answer,
        sid: fate.taken.then(|| sid.clone()),
    });
    if let Some(mark) = send.reference.as_ref().filter(|_| fate.taken) {
        if state.marks.len() >= core.settings.record_max {
            state.marks.clear();
        }
        state.marks.insert(mark.clone());
    }
    if fate.taken && fate.arrival == Arrival::Delivered {
        state.arrive(send.to, Arrived { from: send.from, text: send.text.clone().into() });
    }
    drop(state);
    core.news.notify_waiters();
    (sid, fate)
}

/// The response to a send whose mark was accepted before, if this carrier notices that. The message is not sent again.
fn repeated(core: &CarrierCore, send: &Send) -> Option<Reply> {
    let answer = core.dialect.repeated(send)?;
    let mut state = core.state();
    if !send.reference.as_ref().is_some_and(|mark| state.marks.contains(mark)) {
        return None;
    }
    state.recorder.record.repeats += 1;
    drop(state);
    core.news.notify_waiters();
    Some(answer)
}

/// Refuses a request that is not a valid send, and records it.
fn malformed(core: &CarrierCore, refused: &Refused) -> Reply {
    note(core, refused);
    core.dialect.problem(refused.status, refused.code, refused.message)
}

fn note(core: &CarrierCore, refused: &Refused) {
    core.state().recorder.malformed(Malformed { at: now(), status: refused.status.as_u16(), code: refused.code });
    core.news.notify_waiters();
}

pub(super) fn too_many(core: &CarrierCore, retry_after: Option<RetryAfter>) -> Reply {
    let answer = core.dialect.problem(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, TOO_MANY_TEXT);
    with_wait(answer, retry_after)
}

fn with_wait(mut answer: Reply, retry_after: Option<RetryAfter>) -> Reply {
    if let Some(retry_after) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, retry_after.value());
    }
    answer
}

impl RetryAfter {
    fn value(self) -> HeaderValue {
        match self {
            Self::Secs(secs) => secs.into(),
            Self::Date(secs) => {
                let at = jiff::Timestamp::now() + Duration::from_secs(secs.into());
                let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at);
                date.ok().and_then(|date| date.parse().ok()).expect("this year has four digits")
            }
            Self::Text(text) => HeaderValue::from_static(text),
        }
    }
}

fn refusal(code: u32) -> &'static str {
    match code {
        20_003 => "Authenticate",
        20_005 => "Account not active",
        20_404 => "The requested resource was not found",
        30_002 => "Account suspended",
        21_211 => "The 'To' number is not a valid phone number.",
        21_408 => "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
        21_610 => "Attempt to send to unsubscribed recipient",
        21_611 => "This 'From' number has exceeded the maximum number of queued messages",
        21_614 => "'To' number is not a valid mobile number",
        _ => "The message could not be sent",
    }
}
