//! Lanes: how long each number's queue is, what it waits for, and which messages wait.

use super::directory::{ready_since, tokens};
use super::messages::document as message_document;
use super::page::{Page, document as page_document};
use super::{Answered, Api, ApiRequest, openapi, storage_failed};
use crate::http::answer::json;
use crate::machine::lanes::Lanes;
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{E164, MessageId, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use serde_json::{Value, json as object};
use std::cmp::Reverse;

/// Maximum number of open messages scanned, of all lanes together.
const SCANNED_MAX: usize = 20_000;

/// `GET /v1/lanes`.
#[utoipa::path(
    get,
    path = "/v1/lanes",
    operation_id = "list_lanes",
    summary = "Lists the outbound queues of our numbers, and what the next text of each waits for.",
    params(openapi::LaneSort, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::LanePage))
)]
pub(super) async fn lanes(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?.keyed::<E164>()?;
    let by_age = match request.query.value("sort") {
        None | Some("number") => false,
        Some("oldest") => true,
        Some(_) => return Err(Refusal::new(Code::InvalidField, "`sort` must be one of number, oldest")),
    };
    let document = api
        .query(move |reads, now| {
            let found = reads.ask(|view| {
                let directory = view.directory();
                let ready = ready_since(view, now);
                let mut numbers: Vec<_> = directory.numbers.keys().copied().collect();
                if by_age {
                    numbers.sort_by_key(|number| {
                        let since = ready.get(number).copied();
                        (Reverse(since.map(|since| now.since(since))), *number)
                    });
                }
                let lanes = Lanes::of(view, SCANNED_MAX);
                let (shown, next) = part(&numbers, &page, |number| number.to_string());
                let items: Vec<_> =
                    shown.iter().map(|number| lane(view, &lanes, *number, ready.get(number).copied(), now)).collect();
                page_document(&items, next.as_deref())
            });
            found.map_err(|failed| storage_failed(&failed))
        })
        .await?;
    Ok(json(StatusCode::OK, &document))
}

fn lane(view: &impl View, lanes: &Lanes, number: E164, ready: Option<Timestamp>, now: Timestamp) -> Value {
    let directory = view.directory();
    let row = view.lane(number);
    let status = lanes.status(view, number, now);
    object!({
        "number": number.to_string(),
        "account": directory.account_of(number),
        "queued": row.queued_segments,
        "oldest_ready_ms": ready.map(|since| now.since(since).as_millis()),
        "tokens": tokens(&directory.limits_of(number), row.empty_at, now),
        "waiting_for": status.waiting_for,
        "until": status.until.map(|until| until.to_string()),
    })
}

/// `GET /v1/messages`: the messages that wait, in the order in which they leave their lanes.
#[utoipa::path(
    get,
    path = "/v1/messages",
    operation_id = "list_queued_messages",
    summary = "Lists the messages that wait, in the order in which they are sent. The order may change between pages.",
    params(openapi::QueuedFilter, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::MessagePage))
)]
pub(super) async fn queued(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?.keyed::<MessageId>()?;
    match request.query.value("state") {
        Some("queued") => {}
        Some(_) => {
            let detail = "`state` must be queued; messages in other states are in the transcripts of their calls";
            return Err(Refusal::new(Code::InvalidField, detail));
        }
        None => return Err(Refusal::new(Code::InvalidField, "`state` is missing: it must be queued")),
    }
    let number = request.query.number("number")?;
    let texts = request.client.texts;
    api.query(move |reads, now| {
        let found = reads.ask(|view| {
            if number.is_some_and(|number| !view.directory().numbers.contains_key(&number)) {
                let detail = "`number` is not one of our numbers: GET /v1/numbers lists them";
                return Err(Refusal::new(Code::NumberNotFound, detail));
            }
            let order = Lanes::of(view, SCANNED_MAX).in_order(view, number, now);
            let (shown, next) = part(&order, &page, MessageId::to_string);
            let messages: Vec<_> = shown.iter().filter_map(|id| view.message(*id)).collect();
            Ok((messages, next))
        });
        let (messages, next) = found.map_err(|failed| storage_failed(&failed))??;
        let items = messages.iter().map(|message| message_document(reads, message, texts));
        let items: Vec<_> = items.collect::<Result<_, _>>()?;
        Ok(json(StatusCode::OK, &page_document(&items, next.as_deref())))
    })
    .await
}

/// The requested part of a list whose order changes as time passes, and the key of its last item if there are more.
///
/// If the last item of the page before has left the list, so have those that were before it, as a rule: then the list is
/// shown from its beginning.
fn part<'a, T>(all: &'a [T], page: &Page, key: impl Fn(&T) -> String) -> (&'a [T], Option<String>) {
    let after = page.after.as_ref().and_then(|after| all.iter().position(|item| key(item) == *after));
    let rest = &all[after.map_or(0, |after| after + 1)..];
    let shown = &rest[..rest.len().min(page.limit)];
    let next = shown.last().filter(|_| rest.len() > shown.len()).map(key);
    (shown, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_after_the_last_item_of_the_one_before_unless_that_has_left() {
        let all = ["a", "b", "c", "d"];
        let page = |after: Option<&str>| {
            let page = Page { limit: 2, after: after.map(str::to_owned) };
            let (shown, next) = part(&all, &page, ToString::to_string);
            (shown.to_vec(), next)
        };
        assert_eq!(page(None), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(page(Some("b")), (vec!["c", "d"], None));
        assert_eq!(page(Some("d")), (vec![], None));
        assert_eq!(page(Some("sent")), (vec!["a", "b"], Some("b".to_owned())));
    }
}
