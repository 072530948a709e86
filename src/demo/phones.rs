//! Phones for the console's playground, below `/demo`: their inboxes, texts and photos from them, and the carrier's moods.

use crate::model::E164;
use crate::sim::carrier::{Arrived, Behaviour, Remote, SentMedium};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// The phones that are there from the start. The scenarios use others, so that these have had no auto-reply yet.
const PHONES: [&str; 2] = ["+12065550152", "+12065550153"];
/// Further ones are numbered from this on.
const FURTHER: u32 = 2_000;
const PHONES_MAX: usize = 50;
/// Messages that a phone shows.
const INBOX_MAX: usize = 500;
/// A file from a browser.
const FILE_MAX_BYTES: usize = 5 << 20;
/// A request: a file in base64, and a little more.
const BODY_MAX_BYTES: usize = 7 << 20;
/// How late a receipt comes where receipts are late.
const LATE: Duration = Duration::from_secs(20);

/// A text on a phone's screen.
struct Shown {
    /// `in`: it came; `out`: it was sent from here.
    direction: &'static str,
    from: E164,
    to: E164,
    text: String,
    media: usize,
    at: jiff::Timestamp,
}

/// Clones share the phones.
#[derive(Clone)]
struct Phones {
    carrier: Remote,
    inboxes: Arc<Mutex<BTreeMap<E164, VecDeque<Shown>>>>,
    mood: Arc<Mutex<Value>>,
}

/// The routes, over phones at this carrier.
pub(super) fn router(carrier: Remote) -> Router {
    let first = PHONES.map(|number| (number.parse().expect("these are numbers"), VecDeque::new()));
    let mood = json!({ "delay_ms": 0, "answer": "ok", "receipts": "normal" });
    let phones =
        Phones { carrier, inboxes: Arc::new(Mutex::new(BTreeMap::from(first))), mood: Arc::new(Mutex::new(mood)) };
    tokio::spawn(phones.clone().follow());
    Router::new()
        .route("/demo/phones", get(list).post(add))
        .route("/demo/phones/{number}/inbox", get(inbox))
        .route("/demo/phones/{number}/texts", post(text))
        .route("/demo/carrier", get(mood_now).put(set_mood))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX_BYTES))
        .fallback(async || problem(StatusCode::NOT_FOUND, "not_found", "the demo has no such address"))
        .with_state(phones)
}

impl Phones {
    fn inboxes(&self) -> MutexGuard<'_, BTreeMap<E164, VecDeque<Shown>>> {
        self.inboxes.lock().expect("nothing panics while it holds this lock")
    }

    /// Shows what arrives, for as long as the carrier runs.
    async fn follow(self) {
        let mut arrivals = self.carrier.arrivals();
        loop {
            match arrivals.recv().await {
                Ok((phone, Arrived { from, text })) => {
                    self.show(phone, "in", (from, phone), text.to_string(), 0);
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Adds to a phone's screen, if there is such a phone.
    fn show(&self, phone: E164, direction: &'static str, (from, to): (E164, E164), text: String, media: usize) {
        if let Some(inbox) = self.inboxes().get_mut(&phone) {
            inbox.push_back(Shown { direction, from, to, text, media, at: jiff::Timestamp::now() });
            if inbox.len() > INBOX_MAX {
                inbox.pop_front();
            }
        }
    }
}

async fn list(State(phones): State<Phones>) -> Response {
    let items: Vec<Value> = phones.inboxes().keys().map(|number| json!({ "number": number.to_string() })).collect();
    answer(StatusCode::OK, &json!({ "items": items, "next_cursor": null }))
}

async fn add(State(phones): State<Phones>) -> Response {
    let mut inboxes = phones.inboxes();
    if inboxes.len() >= PHONES_MAX {
        return problem(StatusCode::CONFLICT, "invalid_field", "there are fifty phones: use one of them");
    }
    let number = format!("+1206555{}", FURTHER + u32::try_from(inboxes.len()).unwrap_or_default());
    let number: E164 = number.parse().expect("it is a number");
    inboxes.insert(number, VecDeque::new());
    answer(StatusCode::CREATED, &json!({ "number": number.to_string() }))
}

async fn inbox(State(phones): State<Phones>, Path(number): Path<String>) -> Response {
    let inboxes = phones.inboxes();
    let Some(inbox) = number.parse().ok().and_then(|number: E164| inboxes.get(&number)) else { return no_phone() };
    let item = |shown: &Shown| {
        json!({
            "direction": shown.direction,
            "from": shown.from.to_string(),
            "to": shown.to.to_string(),
            "text": shown.text,
            "media": shown.media,
            "at": shown.at.to_string(),
        })
    };
    answer(StatusCode::OK, &json!({ "items": inbox.iter().map(item).collect::<Vec<_>>(), "next_cursor": null }))
}

async fn text(State(phones): State<Phones>, Path(number): Path<String>, body: Bytes) -> Response {
    let Some(phone) = number.parse().ok().filter(|number| phones.inboxes().contains_key(number)) else {
        return no_phone();
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return problem(StatusCode::BAD_REQUEST, "malformed_json", "send {\"to\", \"text\", \"photos\", \"video\"}");
    };
    let Some(to) = body["to"].as_str().and_then(|to| to.parse::<E164>().ok()) else {
        let detail = "to is missing: the number that is texted, as in +12065550100";
        return problem(StatusCode::BAD_REQUEST, "invalid_field", detail);
    };
    let media = match media(&body) {
        Ok(media) => media,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, "invalid_field", detail),
    };
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    if text.is_empty() && media.is_empty() {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "text_empty", "write something, or send a photo");
    }
    phones.show(phone, "out", (phone, to), text.clone(), media.len());
    let webhook = phones.carrier.phone(phone).media(to, &text, media).await;
    if webhook.acknowledged() {
        return answer(StatusCode::ACCEPTED, &json!({ "id": webhook.sid }));
    }
    let detail = format!("the gateway did not take it: its answers were {:?}", webhook.answers);
    problem(StatusCode::BAD_GATEWAY, "internal", &detail)
}

/// The photos, the video and the file of a request.
fn media(body: &Value) -> Result<Vec<SentMedium>, &'static str> {
    /// The first bytes of an mp4 file, which is all that is looked at here.
    const VIDEO: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08free";
    let photos = body["photos"].as_u64().unwrap_or_default();
    if photos > 10 {
        return Err("photos: send at most ten at once");
    }
    let mut media = vec![SentMedium::photo(); usize::try_from(photos).unwrap_or_default()];
    if body["video"] == true {
        media.push(SentMedium::new("video/mp4", VIDEO));
    }
    if let Some(data) = body.pointer("/file/data").and_then(Value::as_str) {
        let bytes = STANDARD.decode(data).map_err(|_| "file.data is not base64")?;
        if bytes.len() > FILE_MAX_BYTES {
            return Err("the file is larger than 5 MB: choose a smaller one");
        }
        let content_type = body.pointer("/file/content_type").and_then(Value::as_str).unwrap_or_default();
        media.push(SentMedium::new(content_type, bytes));
    }
    Ok(media)
}

async fn mood_now(State(phones): State<Phones>) -> Response {
    answer(StatusCode::OK, &phones.mood.lock().expect("nothing panics while it holds this lock"))
}

async fn set_mood(State(phones): State<Phones>, body: Bytes) -> Response {
    let Ok(mood) = serde_json::from_slice::<Value>(&body) else {
        let detail = "send {\"delay_ms\", \"answer\", \"receipts\"}";
        return problem(StatusCode::BAD_REQUEST, "malformed_json", detail);
    };
    let delay = Duration::from_millis(mood["delay_ms"].as_u64().unwrap_or_default().min(60_000));
    let usual = Behaviour { delay, ..Behaviour::default() };
    let answered = match mood["answer"].as_str() {
        None | Some("ok") => usual,
        Some("429") => Behaviour { too_many: 1.0, ..usual },
        Some("503") => Behaviour { server_error: 1.0, ..usual },
        Some("cut") => Behaviour { cut_read: 1.0, ..usual },
        Some(_) => {
            return problem(StatusCode::BAD_REQUEST, "invalid_field", "answer must be ok, 429, 503 or cut");
        }
    };
    let behaviour = match mood["receipts"].as_str() {
        None | Some("normal") => answered,
        Some("late") => Behaviour { receipt_delay: LATE, ..answered },
        Some("none") => Behaviour { receipts_missing: 1.0, ..answered },
        Some(_) => {
            return problem(StatusCode::BAD_REQUEST, "invalid_field", "receipts must be normal, late or none");
        }
    };
    phones.carrier.set_behaviour(behaviour);
    *phones.mood.lock().expect("nothing panics while it holds this lock") = mood.clone();
    answer(StatusCode::OK, &mood)
}

fn no_phone() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "there is no such phone: add it first")
}

fn answer(status: StatusCode, document: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let document = json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
}
