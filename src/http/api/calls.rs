//! Calls: the platform starts, changes and ends them.

use super::fields;
use super::idempotency::replayed;
use super::page::{invalid_cursor, list as page_of};
use super::{Answered, Api, ApiRequest, openapi, storage_failed, storage_unavailable, unexpected_reply};
use crate::http::answer::json;
use crate::json::{self, Invalid};
use crate::machine::command::{Command, PutCall, Reply};
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::show;
use crate::machine::state::CallRow;
use crate::machine::view::{Queries, View};
use crate::model::{Attestation, CallId, Caller, E164, InvalidNumber, Phase, Position, QueueId, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

/// Fields of a PUT.
pub(super) const FIELDS: &[&str] = &[
    "caller",
    "queue",
    "language",
    "phase",
    "agent",
    "call_type",
    "wait_sms_consent",
    "version",
    "alternative",
    "attestation",
];

/// Further fields of our responses, ignored in a PUT.
pub(super) const READ_ONLY: &[&str] = &[
    "id",
    "state",
    "sms",
    "our_number",
    "started_at",
    "ended_at",
    "end_reason",
    "lease_until",
    "last_event_at",
    "usage",
];

/// Fields of an end request.
pub(super) const END_FIELDS: &[&str] = &["reason"];

/// Maximum length of an agent's name, in characters. Keeps rows small.
pub(super) const AGENT_MAX_CHARACTERS: usize = 128;

/// Maximum length of an end reason, in characters.
const REASON_MAX_CHARACTERS: usize = 128;

/// Maximum number of rows scanned for one page. A selective filter yields short pages with a cursor, not a slow
/// response.
const SCANNED_MAX: usize = 2_000;

/// `PUT /v1/calls/{call_id}`: starts or changes a call.
#[utoipa::path(
    put,
    path = "/v1/calls/{call_id}",
    operation_id = "put_call",
    summary = "Starts or changes a call.",
    params(openapi::CallPath),
    request_body = openapi::CallPut,
    responses(
        (status = 201, description = "The call is new.", body = openapi::Call),
        (
            status = 200,
            description = "The call already existed. An ended call is returned unchanged.",
            body = openapi::Call,
        ),
    )
)]
pub(super) async fn put(api: &Api, request: ApiRequest) -> Answered {
    let put = read_put(&request)?;
    match api.decide(Command::PutCall(put), None).await? {
        Reply::Call { created, shown } => {
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            Ok(json(status, &show::call(&shown)))
        }
        Reply::EndedBeforeStart { call, ended } => Ok(json(StatusCode::OK, &show::ended_before_start(&call, &ended))),
        _ => Err(unexpected_reply("put_call")),
    }
}

/// The call id in the path.
pub(super) fn call_id(request: &ApiRequest) -> Result<CallId, Refusal> {
    CallId::read(request.param("call_id")).ok_or_else(|| {
        Refusal::new(Code::InvalidField, "`call_id` in the path must be 1 to 128 of A-Z a-z 0-9 _ . : -")
    })
}

fn read_put(request: &ApiRequest) -> Result<PutCall, Refusal> {
    let call = call_id(request)?;
    fields::read(&request.body, FIELDS, READ_ONLY, |fields| {
        fields.require("caller", "an E.164 number, or a withheld form like anonymous");
        // Null means a withheld number (A16).
        let withheld = || Caller::read("");
        let caller = fields.parsed_or_null("caller", |text| Ok(Caller::read(text).ok_or(InvalidNumber)?));
        Some(PutCall {
            call,
            caller: caller.or_else(withheld)?,
            queue: fields.required("queue", "the name of a queue", json::name)?,
            language: fields.parsed_or_null("language", json::name),
            phase: fields.choice(
                "phase",
                &[("waiting", Phase::Waiting), ("connected", Phase::Connected)],
                Phase::default(),
            ),
            agent: fields.has("agent").then(|| fields.word_or_null("agent", AGENT_MAX_CHARACTERS)),
            call_type: fields.parsed("call_type", json::call_type).unwrap_or_else(|| "inbound_ivr".to_owned()),
            wait_sms_consent: fields.flag("wait_sms_consent", false),
            version: fields.integer_or_null("version"),
            alternative: fields.parsed_or_null("alternative", alternative),
            attestation: fields
                .choice_or_null("attestation", &[("A", Attestation::A), ("B", Attestation::B), ("C", Attestation::C)]),
            by: request.client.actor.clone(),
        })
    })
}

/// Refuses withheld forms: a keypad's spelling of "anonymous" looks like a number and would text a stranger (A16).
fn alternative(text: &str) -> Result<E164, Invalid> {
    Ok(Caller::read(text).and_then(Caller::number).ok_or(InvalidNumber)?)
}

/// `POST /v1/calls/{call_id}/end`: ends the call (R51).
#[utoipa::path(
    post,
    path = "/v1/calls/{call_id}/end",
    operation_id = "end_call",
    summary = "Ends a call. Idempotent.",
    params(openapi::CallPath, openapi::KeyHeader),
    request_body = Option<openapi::CallEnd>,
    responses((
        status = 200,
        description = "The ended call.",
        body = openapi::Call,
        headers(("Idempotent-Replay" = String, description = "true if this repeats an earlier response.")),
    ))
)]
pub(super) async fn end(api: &Api, request: ApiRequest) -> Answered {
    let call = call_id(&request)?;
    let key = request.key()?;
    let reason = if request.body.is_empty() {
        None
    } else {
        fields::read(&request.body, END_FIELDS, &[], |fields| {
            Some(fields.word_or_null("reason", REASON_MAX_CHARACTERS))
        })?
    };
    let command = Command::EndCall { call: call.clone(), reason, key };
    match api.decide(command, key).await? {
        Reply::Call { shown, .. } => Ok(json(StatusCode::OK, &show::call(&shown))),
        Reply::EndedBeforeStart { call, ended } => Ok(json(StatusCode::OK, &show::ended_before_start(&call, &ended))),
        Reply::Again(position) => end_again(api, call, position).await.map(replayed),
        _ => Err(unexpected_reply("end_call")),
    }
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn end_again(api: &Api, call: CallId, position: Position) -> Answered {
    let frame = api.frame(position).await?;
    for event in &frame.events {
        match &event.event {
            Event::Answered { call: Some(shown), .. } => return Ok(json(StatusCode::OK, &show::call(shown))),
            Event::EndRecorded { call, ended } => {
                return Ok(json(StatusCode::OK, &show::ended_before_start(call, ended)));
            }
            _ => {}
        }
    }
    // The call had already ended before that request, so its frame holds no call.
    one_call(api, call).await
}

impl Api {
    /// Whether the call exists.
    pub(super) async fn call_exists(&self, id: CallId) -> Result<bool, Refusal> {
        self.query(move |reads, now| {
            let found = reads.ask(|view| view.call(&id).is_some_and(|row| row.is_valid(now)));
            found.map_err(|failed| storage_failed(&failed))
        })
        .await
    }

    /// The frame committed at `position`.
    pub(super) async fn frame(&self, position: Position) -> Result<Arc<CommittedFrame>, Refusal> {
        self.query(move |reads, _| {
            let frame = reads.follow().frame(position).map_err(|failed| {
                tracing::error!(%failed, "cannot read the stored response of an idempotency key");
                storage_unavailable()
            })?;
            frame.ok_or_else(storage_unavailable)
        })
        .await
    }
}

/// `GET /v1/calls/{call_id}`.
#[utoipa::path(
    get,
    path = "/v1/calls/{call_id}",
    operation_id = "get_call",
    summary = "Gets a call.",
    params(openapi::CallPath),
    responses((status = 200, description = "The call.", body = openapi::Call))
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    one_call(api, call_id(&request)?).await
}

async fn one_call(api: &Api, id: CallId) -> Answered {
    let document = api
        .query(move |reads, now| {
            let found = reads
                .ask(|view| view.call(&id).filter(|row| row.is_valid(now)).map(|row| document(view, &id, &row, now)));
            found.map_err(|failed| storage_failed(&failed))?.ok_or_else(no_call)
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

/// The call does not exist.
pub(super) fn no_call() -> Refusal {
    Refusal::new(Code::CallNotFound, "no such call: start it with PUT /v1/calls/{id} first")
}

fn document(view: &impl View, id: &CallId, row: &CallRow, now: Timestamp) -> Value {
    match row {
        CallRow::Call(call) => show::call(&crate::machine::shown(view, call, now)),
        CallRow::EndedBeforeStart(ended) => show::ended_before_start(id, ended),
    }
}

/// The filter of a list of calls.
struct Filter {
    /// Active calls, ended calls, or both.
    active: Option<bool>,
    caller: Option<E164>,
    queue: Option<QueueId>,
    agent: Option<String>,
    /// They started at this time or later.
    since: Option<Timestamp>,
    /// They started before this time.
    until: Option<Timestamp>,
}

/// `GET /v1/calls`.
#[utoipa::path(
    get,
    path = "/v1/calls",
    operation_id = "list_calls",
    summary = "Lists calls, the newest first.",
    params(openapi::CallFilter, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::CallPage))
)]
pub(super) async fn list(api: &Api, request: ApiRequest) -> Answered {
    let query = &request.query;
    let page = query.page()?;
    let filter = Filter {
        active: query.value("state").map(active).transpose()?,
        caller: query.number("caller")?,
        queue: query.value("queue").map(queue).transpose()?,
        agent: query.value("agent").map(str::to_owned),
        since: query.time("since")?,
        until: query.time("until")?,
    };
    if filter.since.zip(filter.until).is_some_and(|(since, until)| until < since) {
        return Err(Refusal::new(Code::InvalidField, "`until` is before `since`: swap them, or omit one"));
    }
    let from = page.after.map(|after| ListPosition::read(&after, &filter).ok_or_else(invalid_cursor)).transpose()?;
    api.query(move |reads, now| {
        let found = reads.ask(|view| search(view, &filter, from.as_ref(), page.limit, now));
        found.map_err(|failed| storage_failed(&failed))
    })
    .await
}

fn active(word: &str) -> Result<bool, Refusal> {
    match word {
        "active" => Ok(true),
        "ended" => Ok(false),
        _ => Err(Refusal::new(Code::InvalidField, "`state` must be active or ended; omit it for both")),
    }
}

fn queue(text: &str) -> Result<QueueId, Refusal> {
    let read = QueueId::try_from(text.to_owned());
    read.map_err(|error| Refusal::new(Code::InvalidField, format!("`queue` is {error}")))
}

/// A row range scanned for a list, the newest calls first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// The live calls in which this number is texted: few rows, found by prefix.
    Live(E164),
    /// All calls.
    All,
}

/// The position of a list: what its cursor encodes.
#[derive(Clone)]
struct ListPosition {
    rows: Rows,
    /// The time and the id of the last call scanned in that range.
    at: Timestamp,
    call: CallId,
}

impl ListPosition {
    /// Prefix of a cursor in the live range; times do not begin with it.
    const IN_LIVE: char = '=';

    /// Parses a cursor: the time in milliseconds, then the call.
    fn read(cursor: &str, filter: &Filter) -> Option<Self> {
        let (rows, rest) = match cursor.strip_prefix(Self::IN_LIVE) {
            Some(rest) => (filter.first_rows(), rest),
            None => (Rows::All, cursor),
        };
        let (at, call) = rest.split_once(':')?;
        Some(Self { rows, at: Timestamp::from_ms(at.parse().ok()?), call: CallId::read(call)? })
    }

    fn cursor(&self) -> String {
        let live = if self.rows == Rows::All { "" } else { "=" };
        format!("{live}{}:{}", self.at.as_ms(), self.call)
    }
}

/// Scans a bounded number of rows. The live calls of a caller are looked up by number first. A call with an alternative
/// number is stored under the number that is texted, so a scan of all calls follows.
fn search(
    view: &impl View,
    filter: &Filter,
    position: Option<&ListPosition>,
    limit: usize,
    now: Timestamp,
) -> Response {
    let first = position.map_or(filter.first_rows(), |position| position.rows);
    let after = position.map(|position| (position.at, &position.call));
    let live = match first {
        Rows::Live(number) => live_calls(view, number, after),
        Rows::All => Vec::new(),
    };
    let all = view.calls_by_time(filter.until, after.filter(|_| first == Rows::All));
    let all = all.take_while(|(at, _)| filter.since.is_none_or(|since| *at >= since));
    let calls = live.into_iter().map(|call| (first, call)).chain(all.map(|call| (Rows::All, call)));
    let (mut items, mut last) = (Vec::new(), position.cloned());
    for (scanned, (rows, (at, call))) in calls.enumerate() {
        let row = view.call(&call).filter(|row| row.at() == at && filter.matches(row, rows, now));
        if scanned == SCANNED_MAX || row.is_some() && items.len() == limit {
            return page_of(&items, last.map(|last| last.cursor()).as_deref());
        }
        if items.len() < limit {
            items.extend(row.map(|row| document(view, &call, &row, now)));
            last = Some(ListPosition { rows, at, call });
        }
    }
    page_of(&items, None)
}

/// The live calls in which a number is texted that come after `after`, in the order of the list by time.
fn live_calls(view: &impl View, number: E164, after: Option<(Timestamp, &CallId)>) -> Vec<(Timestamp, CallId)> {
    let calls = view.live_after(number, None).take(SCANNED_MAX);
    let calls = calls.filter_map(|live| Some((view.call(&live.call)?.at(), live.call)));
    let order = |at: Timestamp, call: &CallId| (Reverse(at), call.clone());
    let mut calls: Vec<_> = calls
        .filter(|(at, call)| after.is_none_or(|(after_at, after)| order(*at, call) > order(after_at, after)))
        .collect();
    calls.sort_unstable_by_key(|(at, call)| order(*at, call));
    calls
}

impl Filter {
    /// The range a list starts with.
    fn first_rows(&self) -> Rows {
        match (self.active, self.caller) {
            (Some(true), Some(caller)) => Rows::Live(caller),
            _ => Rows::All,
        }
    }

    /// Whether a call found in `rows` passes the filter and was not already listed from the first range.
    fn matches(&self, row: &CallRow, rows: Rows, now: Timestamp) -> bool {
        let in_time =
            self.since.is_none_or(|since| row.at() >= since) && self.until.is_none_or(|until| row.at() < until);
        in_time
            && match row {
                CallRow::Call(call) => {
                    let caller = call.caller.kept().and_then(|caller| caller.number());
                    let already_listed = rows == Rows::All
                        && call.ended.is_none()
                        && matches!(self.first_rows(), Rows::Live(number) if call.party() == Some(number));
                    self.active.is_none_or(|active| active == call.ended.is_none())
                        && (self.caller.is_none() || self.caller == caller)
                        && self.queue.as_ref().is_none_or(|queue| *queue == call.queue)
                        && (self.agent.is_none() || self.agent == call.agent)
                        && !already_listed
                }
                CallRow::EndedBeforeStart(_) => {
                    let unknown = self.caller.is_none() && self.queue.is_none() && self.agent.is_none();
                    row.is_valid(now) && self.active != Some(true) && unknown
                }
            }
    }
}
