//! Reports of usage (R4-R6): the counters of days by one of their keys, or the usage of calls.

use super::page::{Page, Query, invalid_cursor, list};
use super::{Answered, Api, ApiRequest, openapi, storage_failed};
use crate::http::answer::csv;
use crate::machine::state::{CallRow, USAGE_COLUMNS, Usage, UsageOf};
use crate::machine::view::{Queries, UsageQueries, View};
use crate::model::{CallId, Day};
use crate::rules::refusal::{Code, Refusal};
use axum::body::Body;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Maximum number of calls scanned at a time.
const SCANNED_MAX: usize = 2_000;

/// What the rows of a report are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Day,
    Queue,
    Agent,
    Number,
    Kind,
    Call,
}

impl By {
    const ALL: [Self; 6] = [Self::Day, Self::Queue, Self::Agent, Self::Number, Self::Kind, Self::Call];

    fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Queue => "queue",
            Self::Agent => "agent",
            Self::Number => "number",
            Self::Kind => "kind",
            Self::Call => "call",
        }
    }

    /// The row that a counter belongs to. No counter belongs to a call: calls count themselves.
    fn key(self, of: &UsageOf) -> Option<String> {
        match self {
            Self::Day => Some(of.day.to_string()),
            Self::Queue => of.queue.as_ref().map(|queue| queue.as_str().to_owned()),
            Self::Agent => of.agent.clone(),
            Self::Number => of.ours.map(|ours| ours.to_string()),
            Self::Kind => Some(of.kind.word().to_owned()),
            Self::Call => None,
        }
    }

    /// The cursor after a row. It names what the rows are, so that it fits no other report.
    fn cursor(self, key: Option<&str>) -> String {
        match key {
            None => format!("{}-", self.word()),
            Some(key) => format!("{}={key}", self.word()),
        }
    }

    /// The row of a cursor.
    fn read_cursor(self, cursor: &str) -> Result<Option<&str>, Refusal> {
        match cursor.strip_prefix(self.word()).map(|rest| rest.split_at_checked(1)) {
            Some(Some(("-", ""))) => Ok(None),
            Some(Some(("=", key))) if !key.is_empty() => Ok(Some(key)),
            _ => Err(invalid_cursor()),
        }
    }

    fn item(self, key: Option<&str>, counts: &Counts) -> Value {
        let mut item = json!({ self.word(): key });
        for (column, count) in USAGE_COLUMNS.iter().zip(counts) {
            item[*column] = json!(count);
        }
        item
    }
}

/// The sums of the columns.
type Counts = [u64; USAGE_COLUMNS.len()];

/// `GET /v1/reports/usage`.
#[utoipa::path(
    get,
    path = "/v1/reports/usage",
    operation_id = "report_usage",
    summary = "Reports usage by day, queue, agent, number, kind or call, as JSON or CSV. Days are UTC.",
    params(openapi::UsageQuery, openapi::PageQuery),
    responses((
        status = 200,
        description = "A page of rows, sorted by their key; in CSV, all rows below a line of names. A message counts on the \
                       day it is received or its first attempt starts; delivered and failed count for that day, too. By \
                       call: the calls that started on these days and are still kept.",
        content((openapi::UsagePage = "application/json"), (String = "text/csv; charset=utf-8")),
    ))
)]
pub(super) async fn usage(api: &Arc<Api>, request: ApiRequest) -> Answered {
    let query = &request.query;
    let days = days(query)?;
    let by = choice(query, "by", By::ALL.map(|by| (by.word(), by)))?;
    let in_csv = choice(query, "format", [("json", false), ("csv", true)])?;
    if in_csv && let Some(name) = ["limit", "cursor"].into_iter().find(|name| query.value(name).is_some()) {
        return Err(invalid(format!("`{name}` is for format=json: CSV is always whole; omit it")));
    }
    let mut page = query.page()?;
    if let Some(after) = &page.after {
        let key = by.read_cursor(after)?;
        if by == By::Call {
            page.after = key.map(str::to_owned);
        }
    }
    let name = format!("usage-by-{}-{}-{}.csv", by.word(), days.start(), days.end());
    match (by, in_csv) {
        (By::Call, false) => calls(api, days, page).await,
        (By::Call, true) => Ok(csv(&name, all_calls(Arc::clone(api), days).await?)),
        (by, false) => {
            let rows = rows(api, days, by).await?;
            let items = rows.iter().map(|(key, counts)| {
                let key = key.as_deref();
                (by.cursor(key), move || by.item(key, counts))
            });
            Ok(page.of(items))
        }
        (by, true) => {
            let rows = rows(api, days, by).await?;
            let mut text = header(by);
            rows.iter().for_each(|(key, counts)| line(&mut text, key.as_deref(), counts));
            Ok(csv(&name, Body::from(text)))
        }
    }
}

/// The days of a report, both included.
fn days(query: &Query) -> Result<RangeInclusive<Day>, Refusal> {
    let day = |name: &str, which: &str| {
        let text = query
            .value(name)
            .ok_or_else(|| invalid(format!("`{name}` is missing: give the {which} day, like 2026-11-30")))?;
        Day::parse(text).ok_or_else(|| {
            invalid(format!("`{name}` must be a date like 2026-11-30, from {} to {}", Day(0), Day::LAST))
        })
    };
    let (from, to) = (day("from", "first")?, day("to", "last")?);
    if from > to {
        return Err(invalid(format!(
            "`from` is after `to`: give the first day as `from`, and {from} or later as `to`"
        )));
    }
    Ok(from..=to)
}

/// The value of a parameter with few values, of which the first is the default.
fn choice<T: Copy, const N: usize>(query: &Query, name: &str, choices: [(&str, T); N]) -> Result<T, Refusal> {
    let Some(text) = query.value(name) else { return Ok(choices[0].1) };
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words = choices.map(|(word, _)| word);
        invalid(format!("`{name}` must be one of {}", words.join(", ")))
    })
}

fn invalid(detail: String) -> Refusal {
    Refusal::new(Code::InvalidField, detail)
}

/// The rows of a report, from the counters. Each month is a query of its own, so that a year does not hold one for long.
async fn rows(api: &Api, days: RangeInclusive<Day>, by: By) -> Result<BTreeMap<Option<String>, Counts>, Refusal> {
    let mut rows = BTreeMap::new();
    for month in (days.start().month().0..=days.end().month().0).map(crate::model::Month) {
        let days = days.clone();
        rows = api
            .query(move |reads, _| {
                let summed = reads.ask(|view| {
                    view.usage_in(month, days)
                        .for_each(|(of, usage)| add(rows.entry(by.key(&of)).or_default(), &usage));
                    rows
                });
                summed.map_err(|failed| storage_failed(&failed))
            })
            .await?;
    }
    Ok(rows)
}

fn add(counts: &mut Counts, usage: &Usage) {
    for (sum, count) in counts.iter_mut().zip(usage.columns()) {
        *sum += u64::from(count);
    }
}

/// A page of calls in JSON.
async fn calls(api: &Api, days: RangeInclusive<Day>, page: Page) -> Answered {
    let after = page.after.map(|after| CallId::read(&after).ok_or_else(invalid_cursor)).transpose()?;
    let found = read_calls(api, days, after, page.limit).await?;
    let items: Vec<_> = found.calls.iter().map(|(call, counts)| By::Call.item(Some(call.as_str()), counts)).collect();
    Ok(list(&items, found.next.map(|next| By::Call.cursor(Some(next.as_str()))).as_deref()))
}

/// All calls in CSV, read as the client takes them. Trouble after the first lines cuts the response.
async fn all_calls(api: Arc<Api>, days: RangeInclusive<Day>) -> Result<Body, Refusal> {
    let lines = |calls: &[(CallId, Counts)]| {
        let mut text = String::new();
        calls.iter().for_each(|(call, counts)| line(&mut text, Some(call.as_str()), counts));
        text
    };
    let found = read_calls(&api, days.clone(), None, SCANNED_MAX).await?;
    let first = header(By::Call) + &lines(&found.calls);
    if found.next.is_none() {
        return Ok(Body::from(first));
    }
    let further = stream::unfold(found.next, move |after| {
        let (api, days) = (Arc::clone(&api), days.clone());
        async move {
            let found = read_calls(&api, days, Some(after?), SCANNED_MAX).await;
            Some(match found {
                Ok(found) => (Ok(lines(&found.calls)), found.next),
                Err(refusal) => (Err(io::Error::other(refusal.detail)), None),
            })
        }
    });
    Ok(Body::from_stream(stream::once(async { Ok(first) }).chain(further)))
}

/// Calls with their usage, sorted by id.
struct Calls {
    calls: Vec<(CallId, Counts)>,
    /// The last call scanned, if there are more.
    next: Option<CallId>,
}

async fn read_calls(
    api: &Api,
    days: RangeInclusive<Day>,
    after: Option<CallId>,
    limit: usize,
) -> Result<Calls, Refusal> {
    api.query(move |reads, _| {
        let found = reads.ask(|view| scan_calls(view, &days, after.as_ref(), limit));
        found.map_err(|failed| storage_failed(&failed))
    })
    .await
}

/// Scans a bounded number of calls for at most `limit` that started on these days.
fn scan_calls(view: &impl View, days: &RangeInclusive<Day>, after: Option<&CallId>, limit: usize) -> Calls {
    let (mut calls, mut last) = (Vec::new(), None);
    for (scanned, (id, row)) in view.calls_after(after).enumerate() {
        if scanned == SCANNED_MAX || calls.len() == limit {
            return Calls { calls, next: last };
        }
        if let CallRow::Call(call) = row
            && days.contains(&call.started_at.day())
        {
            calls.push((id.clone(), call.usage.columns().map(u64::from)));
        }
        last = Some(id);
    }
    Calls { calls, next: None }
}

/// The first line of a report in CSV (RFC 4180).
fn header(by: By) -> String {
    format!("{},{}\r\n", by.word(), USAGE_COLUMNS.join(","))
}

fn line(text: &mut String, key: Option<&str>, counts: &Counts) {
    text.push_str(&cell(key.unwrap_or_default()));
    for count in counts {
        text.push(',');
        text.push_str(&count.to_string());
    }
    text.push_str("\r\n");
}

/// A cell of CSV. An apostrophe keeps spreadsheets from running a text as a formula.
fn cell(text: &str) -> Cow<'_, str> {
    let mut cell = Cow::Borrowed(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        cell = Cow::Owned(format!("'{text}"));
    }
    if cell.contains([',', '"', '\r', '\n']) {
        cell = Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")));
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_runs_in_no_spreadsheet_and_is_quoted_where_csv_needs_it() {
        for (text, expected) in [
            ("agent-17", "agent-17"),
            ("", ""),
            ("+12065550100", "'+12065550100"),
            ("=1+1", "'=1+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("Smith, \"Jo\"", "\"Smith, \"\"Jo\"\"\""),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("two\nlines", "\"two\nlines\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
