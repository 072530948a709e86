//! Who changed the directory and operated the gateway (A72).

use super::page::{invalid_cursor, list as page_of};
use super::{Answered, Api, ApiRequest, openapi, storage_failed};
use crate::engine::{FollowFailed, Reads};
use crate::journal::JournalFailed;
use crate::machine::event::Event;
use crate::machine::show;
use crate::machine::state::Audited;
use crate::machine::view::{AuditQueries, View};
use crate::model::{EventId, Timestamp};
use serde_json::Value;

/// Maximum number of entries scanned for one page. A selective filter yields short pages with a cursor, not a slow
/// response.
const SCANNED_MAX: usize = 2_000;

/// The filter of the list.
struct Filter {
    since: Option<Timestamp>,
    actor: Option<String>,
    resource: Option<String>,
}

/// `GET /v1/audit`.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit",
    summary = "Lists who changed the directory and operated the gateway, the newest first.",
    params(openapi::AuditFilter, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::AuditPage))
)]
pub(super) async fn list(api: &Api, request: ApiRequest) -> Answered {
    let query = &request.query;
    let page = query.page()?;
    let filter = Filter {
        since: query.time("since")?,
        actor: query.value("actor").map(str::to_owned),
        resource: query.value("resource").map(str::to_owned),
    };
    let before = page.after.map(|after| after.parse().map_err(|_| invalid_cursor())).transpose()?;
    api.query(move |reads, now| {
        let found = reads.ask(|view| search(view, &filter, before, page.limit, now));
        let Found { entries, next } = found.map_err(|failed| storage_failed(&failed))?;
        let items: Result<Vec<_>, _> = entries.into_iter().map(|(id, audited)| shown(reads, id, audited)).collect();
        let items = items.map_err(|failed| storage_failed(&failed))?;
        Ok(page_of(&items, next.map(|next| next.to_string()).as_deref()))
    })
    .await
}

/// Shows an entry. What is too large for its row is read from its frame, for as long as the journal keeps that.
fn shown(reads: &Reads, id: EventId, mut audited: Audited) -> Result<Value, FollowFailed> {
    if audited.entry.kept().is_some_and(|entry| entry.before.is_none() && entry.after.is_none()) {
        let frame = match reads.follow().frame(id.position()) {
            Err(FollowFailed::Journal(JournalFailed::Gone { .. })) => None,
            read => read?,
        };
        let event = frame.as_ref().and_then(|frame| frame.events.get(usize::from(id.index())));
        if let Some(Event::Audited { entry, .. }) = event.map(|event| &event.event) {
            audited.entry = entry.clone();
        }
    }
    Ok(show::audit_entry(&audited))
}

/// A page of entries, and the entry that the next page continues after.
struct Found {
    entries: Vec<(EventId, Audited)>,
    next: Option<EventId>,
}

/// Scans a bounded number of entries.
fn search(view: &impl View, filter: &Filter, before: Option<EventId>, limit: usize, now: Timestamp) -> Found {
    let (mut entries, mut last) = (Vec::new(), before);
    // The journal's time may be a little ahead of the clock.
    let newest = now.day().month().next();
    let recent =
        view.audited(newest, before).take_while(|(_, audited)| filter.since.is_none_or(|since| audited.at >= since));
    for (scanned, (id, audited)) in recent.enumerate() {
        let matches = filter.matches(&audited);
        if scanned == SCANNED_MAX || matches && entries.len() == limit {
            return Found { entries, next: last };
        }
        entries.extend(matches.then_some((id, audited)));
        last = Some(id);
    }
    Found { entries, next: None }
}

impl Filter {
    fn matches(&self, audited: &Audited) -> bool {
        let is_below = |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
        let is = |wanted: &String| {
            let acted_on = audited.entry.kept().map(|entry| &entry.resource);
            acted_on.is_some_and(|found| found == wanted || is_below(found, wanted))
        };
        self.actor.as_ref().is_none_or(|actor| *actor == show::actor_name(&audited.actor))
            && self.resource.as_ref().is_none_or(is)
    }
}
