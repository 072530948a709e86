//! Calls: the platform says when they start, change and end.

use super::fields::{Fields, missing, no_number};
use super::idempotency::replayed;
use super::page::{list as page_of, no_cursor};
use super::{Answered, Api, ApiRequest, storage_failed, storage_unavailable, unexpected_reply};
use crate::engine::Urgency;
use crate::http::answer::json;
use crate::index::SCAN_MAX_ROWS;
use crate::machine::command::{Command, PutCall, Reply};
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::rows::Table;
use crate::machine::show;
use crate::machine::state::CallRow;
use crate::machine::view::{Queries, View, decode_row, kind, state_key};
use crate::model::{
    self, Attestation, CALL_TYPE_FORM, CallId, CallType, Caller, E164, Phase, Position, QueueId, Timestamp,
};
use crate::observe::NotReady;
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use std::sync::Arc;

/// What a call is put with.
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

/// What our answers show besides.
const READ_ONLY: &[&str] =
    &["id", "state", "sms", "our_number", "started_at", "ended_at", "end_reason", "lease_until", "usage"];

/// What a call is ended with.
pub(super) const END_FIELDS: &[&str] = &["reason"];

/// Characters of the platform's names of its agents. Rows stay small with them.
pub(super) const AGENT_MAX_CHARACTERS: usize = 128;

/// Characters of a reason.
const REASON_MAX_CHARACTERS: usize = 128;

/// Rows looked at for one page. A filter that few calls pass gives short pages with a cursor rather than a long wait.
const LOOKED_AT_MAX: usize = 2_000;

/// `PUT /v1/calls/{call_id}`: starts or changes a call.
pub(super) async fn put(api: &Api, asked: ApiRequest) -> Answered {
    let put = read_put(call_id(&asked)?, &asked.body)?;
    // Where the disk has little room no call begins; what the platform says of one that did is still heard.
    if api.readiness.holds(NotReady::LowDisk) && !api.knows(put.call.clone()).await? {
        return Err(storage_unavailable());
    }
    match api.decide(Command::PutCall(put), Urgency::Ordinary, None).await? {
        Reply::Call { created, shown } => {
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            Ok(json(status, &show::call(&shown)))
        }
        Reply::EndedBeforeStart { call, ended } => Ok(json(StatusCode::OK, &show::ended_before_start(&call, &ended))),
        _ => Err(unexpected_reply("put_call")),
    }
}

/// The platform's name of the call in the path.
pub(super) fn call_id(asked: &ApiRequest) -> Result<CallId, Refusal> {
    CallId::read(asked.param("call_id")).ok_or_else(|| {
        Refusal::new(Code::InvalidField, "`call_id` in the path must be 1 to 128 of A-Z a-z 0-9 _ . : -")
    })
}

fn read_put(call: CallId, body: &[u8]) -> Result<PutCall, Refusal> {
    let fields = Fields::read(body, FIELDS, READ_ONLY)?;
    let caller_must_be = "an E.164 number, or a withheld form like anonymous";
    if !fields.stands("caller") {
        return Err(missing("caller", caller_must_be));
    }
    fields.not_null(&["phase", "call_type", "wait_sms_consent"])?;
    // Null is a caller who withholds their number (A16).
    let caller = fields.text("caller")?.unwrap_or_default();
    Ok(PutCall {
        call,
        caller: Caller::read(caller).ok_or_else(|| no_number("caller"))?,
        queue: fields.name("queue")?.ok_or_else(|| missing("queue", "the name of a queue"))?,
        language: fields.name("language")?,
        phase: fields
            .one_of("phase", &[("waiting", Phase::Waiting), ("connected", Phase::Connected)])?
            .unwrap_or_default(),
        agent: fields.stands("agent").then(|| fields.word("agent", AGENT_MAX_CHARACTERS)).transpose()?,
        call_type: fields.text("call_type")?.map(call_type).transpose()?.unwrap_or_else(|| "inbound_ivr".to_owned()),
        wait_sms_consent: fields.flag("wait_sms_consent")?.unwrap_or(false),
        version: fields.integer("version")?,
        alternative: fields.text("alternative")?.map(alternative).transpose()?,
        attestation: fields
            .one_of("attestation", &[("A", Attestation::A), ("B", Attestation::B), ("C", Attestation::C)])?,
    })
}

/// A keypad's spelling of "anonymous" looks like a number and would text a stranger (A16).
fn alternative(text: &str) -> Result<E164, Refusal> {
    Caller::read(text).and_then(Caller::number).ok_or_else(|| no_number("alternative"))
}

fn call_type(text: &str) -> Result<CallType, Refusal> {
    let detail = || format!("`call_type` must be {CALL_TYPE_FORM}");
    model::call_type(text).ok_or_else(|| Refusal::new(Code::InvalidField, detail()))
}

/// `POST /v1/calls/{call_id}/end`: the call is over, whatever the reason (R51).
pub(super) async fn end(api: &Api, asked: ApiRequest) -> Answered {
    let call = call_id(&asked)?;
    let key = asked.key()?;
    let reason = if asked.body.is_empty() {
        None
    } else {
        Fields::read(&asked.body, END_FIELDS, &[])?.word("reason", REASON_MAX_CHARACTERS)?
    };
    let command = Command::EndCall { call: call.clone(), reason, key };
    match api.decide(command, Urgency::Urgent, key).await? {
        Reply::Call { shown, .. } => Ok(json(StatusCode::OK, &show::call(&shown))),
        Reply::EndedBeforeStart { call, ended } => Ok(json(StatusCode::OK, &show::ended_before_start(&call, &ended))),
        Reply::Again(position) => end_again(api, call, position).await.map(replayed),
        _ => Err(unexpected_reply("end_call")),
    }
}

/// The answer given before, from the frame that holds it.
async fn end_again(api: &Api, call: CallId, position: Position) -> Answered {
    let story = api.story(position).await?;
    for event in &story.events {
        match &event.fact {
            Event::Answered { call: Some(shown), .. } => return Ok(json(StatusCode::OK, &show::call(shown))),
            Event::EndRecorded { call, ended } => {
                return Ok(json(StatusCode::OK, &show::ended_before_start(call, ended)));
            }
            _ => {}
        }
    }
    // The end had been heard before that request too, and the frame holds only that it was answered.
    one_call(api, call).await
}

impl Api {
    /// Whether there is such a call.
    async fn knows(&self, id: CallId) -> Result<bool, Refusal> {
        self.look(move |reads, now| {
            let found = reads.ask(|view| view.call(&id).is_some_and(|row| row.stands(now)));
            found.map_err(|failed| storage_failed(&failed))
        })
        .await
    }

    /// What was committed at `position`.
    pub(super) async fn story(&self, position: Position) -> Result<Arc<CommittedFrame>, Refusal> {
        self.look(move |reads, _| {
            let story = reads.follow().story(position).map_err(|failed| {
                tracing::error!(%failed, "an answer to repeat could not be read");
                storage_unavailable()
            })?;
            story.ok_or_else(storage_unavailable)
        })
        .await
    }
}

/// `GET /v1/calls/{call_id}`.
pub(super) async fn one(api: &Api, asked: ApiRequest) -> Answered {
    one_call(api, call_id(&asked)?).await
}

async fn one_call(api: &Api, id: CallId) -> Answered {
    let document = api
        .look(move |reads, now| {
            let found = reads
                .ask(|view| view.call(&id).filter(|row| row.stands(now)).map(|row| document(view, &id, &row, now)));
            found.map_err(|failed| storage_failed(&failed))?.ok_or_else(no_call)
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

/// There is no such call.
pub(super) fn no_call() -> Refusal {
    Refusal::new(Code::CallNotFound, "there is no such call: start it with PUT /v1/calls/{id} first")
}

fn document(view: &impl View, id: &CallId, row: &CallRow, now: Timestamp) -> Value {
    match row {
        CallRow::Call(call) => show::call(&crate::machine::shown(view, call, now)),
        CallRow::EndedBeforeStart(ended) => show::ended_before_start(id, ended),
    }
}

/// Which calls are wanted.
struct Wanted {
    /// Those that live, those that ended, or both.
    active: Option<bool>,
    caller: Option<E164>,
    queue: Option<QueueId>,
}

/// `GET /v1/calls`.
pub(super) async fn list(api: &Api, asked: ApiRequest) -> Answered {
    let query = &asked.query;
    let page = query.page()?;
    let wanted = Wanted {
        active: query.value("state").map(active).transpose()?,
        caller: query.number("caller")?,
        queue: query.value("queue").map(queue).transpose()?,
    };
    let from = page.after.map(|after| Place::read(&after, &wanted).ok_or_else(no_cursor)).transpose()?;
    api.look(move |reads, now| {
        let found = reads.ask(|view| search(view, &wanted, from, page.limit, now));
        found.map_err(|failed| storage_failed(&failed))
    })
    .await
}

fn active(word: &str) -> Result<bool, Refusal> {
    match word {
        "active" => Ok(true),
        "ended" => Ok(false),
        _ => Err(Refusal::new(Code::InvalidField, "`state` must be active or ended; leave it out for both")),
    }
}

fn queue(text: &str) -> Result<QueueId, Refusal> {
    let read = QueueId::try_from(text.to_owned());
    read.map_err(|error| Refusal::new(Code::InvalidField, format!("`queue` is {error}")))
}

/// The rows that are walked through for a list, each in the order of the calls' names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Those of live calls in which this number is texted: few, and at hand.
    Live(E164),
    /// Those of all calls.
    All,
}

/// How far a list has come.
struct Place {
    rows: Rows,
    /// The last call that was looked at there.
    call: CallId,
}

impl Rows {
    fn prefix(self) -> Vec<u8> {
        match self {
            Self::Live(number) => state_key(kind::LIVE, &number.key()).bytes,
            Self::All => state_key(kind::CALL, &[]).bytes,
        }
    }
}

impl Place {
    /// In the names of calls there is no such sign.
    const IN_LIVE: char = '=';

    /// Reads where the page before ended.
    fn read(cursor: &str, wanted: &Wanted) -> Option<Self> {
        let (rows, call) = match cursor.strip_prefix(Self::IN_LIVE) {
            Some(call) => (wanted.first_rows(), call),
            None => (Rows::All, cursor),
        };
        Some(Self { rows, call: CallId::read(call)? })
    }

    fn cursor(&self) -> String {
        match self.rows {
            Rows::Live(_) => format!("{}{}", Self::IN_LIVE, self.call),
            Rows::All => self.call.to_string(),
        }
    }

    /// The first key that was not looked at.
    fn next(&self) -> Vec<u8> {
        [&self.rows.prefix(), self.call.as_str().as_bytes(), b"\0"].concat()
    }
}

/// Walks through rows, a bounded way at a time. Who asks for a caller's live calls has most of them at once; a call with
/// an alternative stands under the number that is texted, so it is found among all calls afterwards.
fn search(view: &impl View, wanted: &Wanted, place: Option<Place>, limit: usize, now: Timestamp) -> Response {
    let mut rows = place.as_ref().map_or_else(|| wanted.first_rows(), |place| place.rows);
    let mut from = place.as_ref().map(Place::next).unwrap_or_default();
    let (mut items, mut last, mut looked_at) = (Vec::new(), place, 0);
    loop {
        let prefix = rows.prefix();
        let found = view.rows(Table::State, &prefix, &from, SCAN_MAX_ROWS);
        let all = found.len() < SCAN_MAX_ROWS;
        looked_at += found.len();
        if let Some((key, _)) = found.last() {
            from = [key, &b"\0"[..]].concat();
        }
        for (key, row) in found {
            let id = key.get(prefix.len()..).and_then(|id| std::str::from_utf8(id).ok()).and_then(CallId::read);
            let Some(id) = id else { continue };
            let row = if rows == Rows::All { decode_row(&row) } else { view.call(&id) };
            let taken = row.filter(|row| wanted.takes(row, rows, now));
            if items.len() < limit {
                items.extend(taken.map(|row| document(view, &id, &row, now)));
                last = Some(Place { rows, call: id });
            } else if taken.is_some() {
                return page_of(&items, last.map(|last| last.cursor()).as_deref());
            }
        }
        if all && rows == Rows::All {
            return page_of(&items, None);
        }
        if looked_at >= LOOKED_AT_MAX {
            return page_of(&items, last.map(|last| last.cursor()).as_deref());
        }
        if all {
            (rows, from) = (Rows::All, Vec::new());
        }
    }
}

impl Wanted {
    /// Where a list begins.
    fn first_rows(&self) -> Rows {
        match (self.active, self.caller) {
            (Some(true), Some(caller)) => Rows::Live(caller),
            _ => Rows::All,
        }
    }

    /// Whether a call that stands in these rows is wanted, and has not been found in the first ones before.
    fn takes(&self, row: &CallRow, rows: Rows, now: Timestamp) -> bool {
        match row {
            CallRow::Call(call) => {
                let caller = call.caller.kept().and_then(|caller| caller.number());
                let found_before = rows == Rows::All
                    && matches!(self.first_rows(), Rows::Live(number) if call.party() == Some(number));
                self.active.is_none_or(|active| active == call.ended.is_none())
                    && (self.caller.is_none() || self.caller == caller)
                    && self.queue.as_ref().is_none_or(|queue| *queue == call.queue)
                    && !found_before
            }
            CallRow::EndedBeforeStart(_) => {
                row.stands(now) && self.active != Some(true) && self.caller.is_none() && self.queue.is_none()
            }
        }
    }
}
