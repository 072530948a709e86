//! The carrier's send API: `Messages.json`.

use super::super::dice::SeededRng;
use super::super::segments;
use super::super::wire::{Cut, Reply, cut_in_the_middle, read_body, reply};
use super::behaviour::{Arrival, Ending, Fate, RetryAfter};
use super::hooks::{self, Taken};
use super::record::{Malformed, Post, PostAnswer};
use super::{Arrived, CarrierCore, RECEIPTS_WAITING_MAX, look_ups, now};
use crate::model::E164;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Maximum length of a text.
const TEXT_MAX_CHARACTERS: usize = 1_600;
/// How long a response is delayed for receipts that are to come first.
const RECEIPTS_FIRST_MAX: Duration = Duration::from_secs(2);

/// Answers a request at the account's URLs.
pub(super) async fn serve(core: &Arc<CarrierCore>, request: Request<Incoming>) -> Result<Reply, Cut> {
    let (head, body) = request.into_parts();
    if !knows_us(core, &head.headers) {
        return Ok(malformed(core, StatusCode::UNAUTHORIZED, 20_003, "Authenticate"));
    }
    let account = format!("/2010-04-01/Accounts/{}/", core.settings.account_sid);
    match (&head.method, head.uri.path().strip_prefix(&account)) {
        (&Method::POST, Some("Messages.json")) => take(core, body).await,
        (&Method::GET, Some("Messages.json")) => Ok(list(core, head.uri.query().unwrap_or_default())),
        (&Method::GET, Some("IncomingPhoneNumbers.json")) => {
            look_ups::answer(core, head.uri.query().unwrap_or_default()).await
        }
        _ => Ok(malformed(core, StatusCode::NOT_FOUND, 20_404, "The requested resource was not found")),
    }
}

/// Whether a request has the account's credentials.
pub(super) fn knows_us(core: &CarrierCore, headers: &HeaderMap) -> bool {
    let expected = STANDARD.encode(format!("{}:{}", core.settings.account_sid, core.settings.auth_token));
    let offered = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    offered.and_then(|offered| offered.strip_prefix("Basic ")) == Some(&expected)
}

/// An error in the carrier's format.
pub(super) fn problem(status: StatusCode, code: u32, message: &str) -> Reply {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({ "code": code, "message": message, "more_info": more_info, "status": status.as_u16() });
    let mut answer = json_reply(status, &body);
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Twilio API\""));
    }
    answer
}

/// A send, as parsed from its form.
struct Send {
    from: E164,
    to: E164,
    text: String,
    media: usize,
    callback: Option<String>,
}

async fn take(core: &Arc<CarrierCore>, body: Incoming) -> Result<Reply, Cut> {
    let request = arrives(core)?;
    let body = read_body(body).await?;
    let send = match read(core, &body) {
        Ok(send) => send,
        Err((code, message)) => return Ok(malformed(core, StatusCode::BAD_REQUEST, code, message)),
    };
    let (sid, fate) = decide(core, &send, request);

    // Receipts have a task of their own: the message is delivered even if the gateway disconnects before the
    // response. They are posted once this future is done, answered or dropped, unless they are to come first.
    let (answered, answering) = tokio::sync::oneshot::channel::<()>();
    if fate.taken {
        let taken = Taken { sid: sid.clone(), from: send.from, to: send.to, callback: send.callback.clone() };
        let receipts = hooks::send_receipts(core, taken, fate, answering);
        if let (true, Some(receipts)) = (fate.receipts_before_answer, receipts) {
            let _ = tokio::time::timeout(RECEIPTS_FIRST_MAX, receipts).await;
        }
    }
    tokio::time::sleep(fate.delay).await;
    let message = message_json(core, &sid, &send);
    let accepted = || json_reply(StatusCode::CREATED, &message);
    match fate.ending {
        Ending::Accept => Ok(accepted()),
        Ending::ServerError => Ok(problem(StatusCode::INTERNAL_SERVER_ERROR, 20_500, "Internal Server Error")),
        Ending::TooMany { retry_after } => Ok(too_many(retry_after)),
        Ending::Refuse { status, code } => {
            let status = StatusCode::from_u16(status).expect("a behaviour has valid statuses");
            Ok(problem(status, code, refusal(code)))
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
        Ending::WithoutSid => Ok(json_reply(StatusCode::CREATED, &json!({ "status": "queued" }))),
        Ending::Odd(quirk) => Ok(quirk.answer(accepted(), message.to_string().as_bytes())),
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

/// Parses the form. Error codes absent from the data sheet are from general knowledge of Twilio.
fn read(core: &CarrierCore, body: &[u8]) -> Result<Send, (u32, &'static str)> {
    let (mut from, mut to, mut text, mut media, mut callback) = (None, None, String::new(), 0, None);
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "From" => from = Some(value.into_owned()),
            "To" => to = Some(value.into_owned()),
            "Body" => text = value.into_owned(),
            "MediaUrl" => media += 1,
            "StatusCallback" => callback = Some(value.into_owned()),
            _ => {}
        }
    }
    let to = to.ok_or((21_604, "A 'To' phone number is required."))?;
    let to = to.parse().map_err(|_| (21_211, "The 'To' number is not a valid phone number."))?;
    let from = from.ok_or((21_603, "A 'From' phone number is required."))?;
    let from = from.parse().ok().filter(|from| core.state().numbers.get(from).is_some_and(|there| there.sms));
    let from = from.ok_or((21_606, "The 'From' phone number provided is not a valid message-capable phone number"))?;
    if text.is_empty() && media == 0 {
        return Err((21_619, "A text message body or media urls must be specified."));
    }
    if text.chars().count() > TEXT_MAX_CHARACTERS {
        return Err((21_617, "The concatenated message body exceeds the 1600 character limit"));
    }
    if callback.as_deref().is_some_and(|callback| url::Url::parse(callback).is_err()) {
        return Err((21_609, "The 'StatusCallback' URL is not a valid URL."));
    }
    Ok(Send { from, to, text, media, callback })
}

/// Decides what happens to a send, which is the `request`-th request, records it, and delivers it to the phone. From
/// here on it cannot be undone.
fn decide(core: &CarrierCore, send: &Send, request: u64) -> (String, Fate) {
    let mut state = core.state();
    let (from, to) = (send.from.to_string(), send.to.to_string());
    let about = ["send", &*from, &*to, &*send.text];
    let nth = state.nth(&about, core.settings.record_max);
    let mut dice = SeededRng::of(core.settings.seed, &about, nth);
    let sid = format!("{}{}", if send.media == 0 { "SM" } else { "MM" }, dice.hex());

    let behaviour = state.behaviours.get(&send.to).unwrap_or(&state.behaviour);
    let mut fate = behaviour.fate(&mut dice);
    if behaviour.is_out(core.settings.seed, request) {
        fate = Fate { ending: Ending::ServerError, taken: false, ..fate };
    }
    if state.opted_out.contains(&(send.from, send.to)) {
        fate = Fate { ending: Ending::Refuse { status: 400, code: 21_610 }, taken: false, ..fate };
    }
    if state.receipts_waiting >= RECEIPTS_WAITING_MAX {
        fate = Fate { ending: Ending::TooMany { retry_after: Some(RetryAfter::Secs(1)) }, taken: false, ..fate };
    }
    let answer = match fate.ending {
        Ending::Accept => PostAnswer::Accepted,
        Ending::ServerError => PostAnswer::No { status: 500, code: 20_500 },
        Ending::TooMany { .. } => PostAnswer::No { status: 429, code: 20_429 },
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
        message_id: send.callback.as_deref().and_then(message_id),
        answer,
        sid: fate.taken.then(|| sid.clone()),
    });
    if fate.taken && fate.arrival == Arrival::Delivered {
        state.arrive(send.to, Arrived { from: send.from, text: send.text.clone().into() });
    }
    drop(state);
    core.news.notify_waiters();
    (sid, fate)
}

/// The gateway's id of a message, found in the callback URL: `msg_` followed by letters and digits.
pub(super) fn message_id(callback: &str) -> Option<String> {
    let from = callback.find("msg_")?;
    let letters = callback[from + 4..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    (letters > 0).then(|| callback[from..from + 4 + letters].to_owned())
}

fn message_json(core: &CarrierCore, sid: &str, send: &Send) -> Value {
    let account = &core.settings.account_sid;
    json!({
        "sid": sid, "account_sid": account, "status": "queued", "direction": "outbound-api",
        "from": send.from.to_string(), "to": send.to.to_string(), "body": send.text,
        "num_segments": segments::count(&send.text).to_string(), "num_media": send.media.to_string(),
        "error_code": null, "error_message": null, "price": null, "price_unit": "USD",
        "date_created": date(), "date_updated": date(), "date_sent": null,
        "messaging_service_sid": null, "api_version": "2010-04-01",
        "uri": format!("/2010-04-01/Accounts/{account}/Messages/{sid}.json"),
    })
}

/// The accepted messages that match the query, newest first: this is how a lost response is looked up.
fn list(core: &CarrierCore, query: &str) -> Reply {
    const PAGE: usize = 50;
    let parameter =
        |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value);
    let (from, to) = (parameter("From"), parameter("To"));
    let state = core.state();
    let fits = |post: &&Post| {
        post.sid.is_some()
            && from.as_ref().is_none_or(|from| post.from.to_string() == **from)
            && to.as_ref().is_none_or(|to| post.to.to_string() == **to)
    };
    let entry = |post: &Post| {
        let (from, to) = (post.from.to_string(), post.to.to_string());
        json!({ "sid": post.sid, "from": from, "to": to, "body": &*post.text, "status": "sent", "direction": "outbound-api" })
    };
    let messages: Vec<Value> = state.recorder.record.posts.iter().rev().filter(fits).take(PAGE).map(entry).collect();
    json_reply(StatusCode::OK, &json!({ "messages": messages, "page": 0, "page_size": PAGE, "next_page_uri": null }))
}

/// Refuses a request that is not a valid send, and records it.
fn malformed(core: &CarrierCore, status: StatusCode, code: u32, message: &str) -> Reply {
    core.state().recorder.malformed(Malformed { at: now(), status: status.as_u16(), code });
    core.news.notify_waiters();
    problem(status, code, message)
}

pub(super) fn too_many(retry_after: Option<RetryAfter>) -> Reply {
    let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, 20_429, "Too Many Requests");
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

pub(super) fn json_reply(status: StatusCode, body: &Value) -> Reply {
    reply(status, "application/json;charset=utf-8", Bytes::from(body.to_string()))
}

/// The current time in RFC 2822 format: `Sat, 22 Nov 2025 06:00:00 +0000`.
fn date() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&now).expect("this year has four digits")
}
