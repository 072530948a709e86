//! Messages: send, cancel, read; transcripts and estimates.

use super::calls::{AGENT_MAX_CHARACTERS, call_id, no_call};
use super::fields;
use super::idempotency::replayed;
use super::page::{document as page_document, invalid_cursor};
use super::{Answered, Api, ApiRequest, openapi, storage_failed, storage_unavailable, unexpected_reply};
use crate::engine::Reads;
use crate::http::answer::json;
use crate::json::{Fields, Invalid, name};
use crate::machine::command::{Command, Content, Reply, Send};
use crate::machine::event::Event;
use crate::machine::show::{self, Text};
use crate::machine::state::{CallRow, Message};
use crate::machine::view::{Queries, View};
use crate::model::{MessageId, Position, SmartAction, TEXT_MAX_CHARACTERS, measure};
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use serde_json::{Value, json as object};
use std::collections::VecDeque;

/// Fields of a send request.
pub(super) const FIELDS: &[&str] = &["preset", "language", "text", "agent", "smart_action", "client_ref", "force"];

/// Media fields of other APIs. We send no media (R11), so these get a specific refusal.
const MEDIA: [&str; 2] = ["media", "media_urls"];

/// Fields of an estimate request.
pub(super) const ESTIMATE_FIELDS: &[&str] = &["text"];

/// Maximum length of a `client_ref`, in characters.
const CLIENT_REF_MAX: usize = 64;

const SMART_ACTIONS: &[(&str, SmartAction)] = &[
    ("photo", SmartAction::Photo),
    ("video", SmartAction::Video),
    ("screenshot", SmartAction::Screenshot),
    ("text_input", SmartAction::TextInput),
    ("verification", SmartAction::Verification),
];

/// Maximum number of a call's messages scanned for a page: over four hours at one a second. The transcript of a longer
/// call shows the latest ones and sets `oldest_left_out`.
const TRANSCRIPT_MAX: usize = 20_000;

/// `POST /v1/calls/{call_id}/messages`: an agent texts the caller (R7).
#[utoipa::path(
    post,
    path = "/v1/calls/{call_id}/messages",
    operation_id = "send_message",
    summary = "Sends a message to the caller.",
    params(openapi::CallPath, openapi::KeyHeader),
    request_body = openapi::MessageSend,
    responses((
        status = 202,
        description = "The message is queued.",
        body = openapi::Message,
        headers(("Idempotent-Replay" = String, description = "true if this repeats an earlier response.")),
    ))
)]
pub(super) async fn send(api: &Api, request: ApiRequest) -> Answered {
    let send = read_send(&request)?;
    let (key, texts) = (send.key, request.client.texts);
    match api.decide(Command::Send(send), key).await? {
        Reply::Message { message, text } => {
            let text = text.as_deref().map_or(Text::Expired, Text::Is);
            Ok(json(StatusCode::ACCEPTED, &show::message(&message, text.shown_to(texts))))
        }
        Reply::Again(position) => send_again(api, position, texts).await.map(replayed),
        _ => Err(unexpected_reply("send")),
    }
}

fn read_send(request: &ApiRequest) -> Result<Send, Refusal> {
    let call = call_id(request)?;
    let key = request.key()?;
    let send = fields::read(&request.body, &[FIELDS, &MEDIA].concat(), &[], |fields| {
        let nothing = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        for name in MEDIA {
            if fields.value_or_null(name).is_some_and(|value| !nothing(value)) {
                let detail = "media cannot be sent to callers: send a text with a link";
                fields.problem(name, Code::OutboundMediaUnsupported, detail);
            }
        }
        Some(Send {
            call,
            content: content(fields)?,
            agent: fields.word_or_null("agent", AGENT_MAX_CHARACTERS),
            smart_action: fields.choice_or_null("smart_action", SMART_ACTIONS),
            client_ref: fields.parsed_or_null("client_ref", client_ref),
            force: fields.flag("force", false).then(|| request.client.actor.clone()),
            key,
        })
    })?;
    if send.force.is_some() {
        request.require_admin()?;
    }
    Ok(send)
}

/// Parses a reference of the platform's own.
fn client_ref(text: &str) -> Result<String, Invalid> {
    let fits = (1..=CLIENT_REF_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(text.to_owned());
    }
    let problem = format!("not a reference: use 1 to {CLIENT_REF_MAX} visible ASCII characters, or leave it out");
    Err(Invalid::new(problem))
}

fn content(fields: &Fields<'_>) -> Option<Content> {
    let language = fields.parsed_or_null("language", name);
    match (fields.parsed_or_null("preset", name), fields.text_or_null("text")) {
        (Some(preset), None) => Some(Content::Preset(preset, language)),
        (None, Some(text)) => Some(Content::Text(text.to_owned())),
        (None, None) => {
            if fields.value_or_null("preset").is_none() && fields.value_or_null("text").is_none() {
                fields.missing("preset", "the id of a preset, or send `text` instead");
            }
            None
        }
        (Some(_), Some(_)) => {
            let detail = "`preset` and `text` are mutually exclusive: send one of them";
            fields.problem("preset", Code::InvalidField, detail);
            None
        }
    }
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn send_again(api: &Api, position: Position, texts: bool) -> Answered {
    let frame = api.frame(position).await?;
    let queued = frame.events.iter().find_map(|event| match &event.event {
        Event::MessageQueued { message, text, .. } => Some((message, text)),
        _ => None,
    });
    let (message, text) = queued.ok_or_else(storage_unavailable)?;
    let text = text.kept().map_or(Text::Expired, |text| Text::Is(text));
    Ok(json(StatusCode::ACCEPTED, &show::message(message, text.shown_to(texts))))
}

/// `GET /v1/messages/{message_id}`.
#[utoipa::path(
    get,
    path = "/v1/messages/{message_id}",
    operation_id = "get_message",
    summary = "Gets a message.",
    params(openapi::MessagePath),
    responses((status = 200, description = "The message.", body = openapi::Message))
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    let (id, texts) = (message_id(&request)?, request.client.texts);
    let document = api
        .query(move |reads, _| {
            let found = reads.ask(|view| view.message(id)).map_err(|failed| storage_failed(&failed))?;
            document(reads, &found.ok_or_else(no_message)?, texts)
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

pub(super) fn message_id(request: &ApiRequest) -> Result<MessageId, Refusal> {
    request.param("message_id").parse().map_err(|_| no_message())
}

pub(super) fn no_message() -> Refusal {
    Refusal::new(Code::NotFound, "no such message: use an id from a response or an event")
}

/// A message with its text, which is only in the journal. It is not read for an actor that may not see texts.
pub(super) fn document(reads: &Reads, message: &Message, texts: bool) -> Result<Value, Refusal> {
    if !texts {
        return Ok(show::message(message, Text::Hidden));
    }
    let text = reads.text(message.id).map_err(|failed| storage_failed(&failed))?;
    Ok(show::message(message, text.as_deref().map_or(Text::Expired, Text::Is)))
}

/// `DELETE /v1/messages/{message_id}`: cancels a message that is still queued.
#[utoipa::path(
    delete,
    path = "/v1/messages/{message_id}",
    operation_id = "cancel_message",
    summary = "Cancels a message that is still queued.",
    params(openapi::MessagePath),
    responses((status = 200, description = "The cancelled message.", body = openapi::Message))
)]
pub(super) async fn cancel(api: &Api, request: ApiRequest) -> Answered {
    let (command, texts) = (Command::Cancel(message_id(&request)?), request.client.texts);
    match api.decide(command, None).await? {
        Reply::Message { message, .. } => {
            let id = message.id;
            // The message is already cancelled, so a failure to read its text must not fail the response.
            let text = api.query(move |reads, _| reads.text(id).map_err(|failed| storage_failed(&failed))).await;
            let text = match &text {
                Ok(text) => text.as_deref().map_or(Text::Expired, Text::Is),
                Err(_) => Text::LeftOut,
            };
            Ok(json(StatusCode::OK, &show::message(&message, text.shown_to(texts))))
        }
        _ => Err(unexpected_reply("cancel")),
    }
}

/// `GET /v1/calls/{call_id}/messages`: the transcript, oldest first.
#[utoipa::path(
    get,
    path = "/v1/calls/{call_id}/messages",
    operation_id = "list_messages",
    summary = "Lists the messages of a call, oldest first.",
    params(openapi::CallPath, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::Transcript))
)]
pub(super) async fn transcript(api: &Api, request: ApiRequest) -> Answered {
    let (id, texts) = (call_id(&request)?, request.client.texts);
    let page = request.query.page()?;
    let after = page.after.map(|after| after.parse::<MessageId>().map_err(|_| invalid_cursor())).transpose()?;
    api.query(move |reads, now| {
        let found = reads.ask(|view| {
            let last = match view.call(&id).filter(|row| row.is_valid(now))? {
                CallRow::Call(call) => call.last_message,
                CallRow::EndedBeforeStart(_) => None,
            };
            Some(transcript_page(view, last, after, page.limit, TRANSCRIPT_MAX))
        });
        let found = found.map_err(|failed| storage_failed(&failed))?.ok_or_else(no_call)?;
        let items = found.messages.iter().map(|message| document(reads, message, texts));
        let items: Vec<_> = items.collect::<Result<_, _>>()?;
        let next = found.messages.last().filter(|_| found.more).map(|last| last.id.to_string());
        let mut page = page_document(&items, next.as_deref());
        page["oldest_left_out"] = object!(found.oldest_left_out);
        Ok(json(StatusCode::OK, &page))
    })
    .await
}

/// A page of a transcript.
pub(super) struct TranscriptPage {
    pub(super) messages: Vec<Message>,
    pub(super) more: bool,
    /// There are older messages, which no page shows.
    pub(super) oldest_left_out: bool,
}

/// The oldest `limit` messages after `after`, among the latest `walked_max` of a call. Messages are linked backwards,
/// so the walk starts at the latest.
pub(super) fn transcript_page(
    view: &impl View,
    last: Option<MessageId>,
    after: Option<MessageId>,
    limit: usize,
    walked_max: usize,
) -> TranscriptPage {
    let (mut newer, mut walked, mut at) = (VecDeque::new(), 0, last);
    let (mut more, mut oldest_left_out) = (false, false);
    while let Some(id) = at.filter(|id| after.is_none_or(|after| *id > after)) {
        if walked == walked_max {
            oldest_left_out = true;
            break;
        }
        let Some(message) = view.message(id) else { break };
        walked += 1;
        at = message.previous;
        newer.push_front(message);
        if newer.len() > limit {
            newer.pop_back();
            more = true;
        }
    }
    TranscriptPage { messages: newer.into(), more, oldest_left_out }
}

/// `POST /v1/estimate`: encoding and segments of a text (R46).
#[utoipa::path(
    post,
    path = "/v1/estimate",
    operation_id = "estimate",
    summary = "Estimates encoding and segments of a text.",
    params(openapi::KeyHeader),
    request_body = openapi::EstimateAsk,
    responses((status = 200, description = "The estimate.", body = openapi::Estimate))
)]
pub(super) async fn estimate(_: &Api, request: ApiRequest) -> Answered {
    request.key()?;
    let measured = fields::read(&request.body, ESTIMATE_FIELDS, &[], |fields| {
        fields.required_text("text", "the text to estimate").map(measure)
    })?;
    let document = object!({
        "encoding": measured.encoding,
        "characters": measured.characters,
        "units": measured.units,
        "segments": measured.segments,
        "over_limit": measured.characters > TEXT_MAX_CHARACTERS,
        "warnings": measured.warnings(),
    });
    Ok(json(StatusCode::OK, &document))
}
