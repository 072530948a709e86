//! Work that is due because time passed (A7, A54, A60).

use super::call::{ClosingMessage, hang_up};
use super::draft::Draft;
use super::{outbound, parts, receipt, suspend};
use crate::machine::command::Reply;
use crate::machine::event::{CallChange, CallShown, Event};
use crate::machine::rows::Table;
use crate::machine::state::{CallRow, Message, Sweep, Timer};
use crate::machine::view::{AuditQueries, CARRIER_ID_DAYS, Queries, SendingQueries, UsageQueries, View, days_before};
use crate::model::{CallId, Day, MessageId, MessageState, Month, Timestamp};
use std::collections::HashMap;

/// Maximum number of timers per tick; the next tick continues. Each writes a few hundred bytes into the frame.
const TIMERS_MAX: usize = 256;

/// Maximum number of months that contacts are remembered, plus one.
const MONTHS_MAX: u16 = 14;

/// Minimum number of days that the audit is kept, whatever the retention of texts.
const AUDIT_DAYS_MIN: u32 = 90;

/// Days of messages and answers that the very first tick checks; later ones know the first day that is kept.
const DAYS_MAX: u16 = 60;

/// Minimum number of days that a message's row is kept, whatever the retention of its text: a receipt may come within
/// 72 hours, after which the message becomes `unconfirmed` (A54).
const MESSAGE_DAYS_MIN: u32 = 4;

/// How many days usage counters are kept at least; whole months are dropped. A report can compare a month with the one of
/// the year before.
const USAGE_DAYS: u32 = 400;

/// Rows that the daily sweep examines per tick.
const SWEPT_MAX: usize = 256;

/// Does what is due: ends calls whose lease expired, marks unanswered sends as unconfirmed, drops old contacts.
pub(super) fn tick<V: View>(draft: &mut Draft<'_, V>) -> Reply {
    // The view shows messages as they were before this tick, and two timers may concern the same message.
    let mut given_up = Vec::new();
    let due = draft.view.due(draft.now(), TIMERS_MAX);
    // After a long downtime more timers may be due: nothing is dropped while some are left.
    let all_is_done = due.len() < TIMERS_MAX;
    let mut dropped: HashMap<String, u32> = HashMap::new();
    let mut long_texts = 0;
    for (due, timer) in due {
        match timer {
            Timer::Lease(id) => lease(draft, due, &id),
            Timer::Unknown(id) => unknown(draft, due, id, &mut given_up),
            Timer::LongText(text) => {
                // A message is decided from the state before it, so each has a tick of its own.
                long_texts += 1;
                if long_texts == 1 {
                    parts::due(draft, due, text);
                }
            }
            Timer::KeptReceipt(id) => {
                let before = dropped.entry(id.account.clone()).or_default();
                receipt::drop_kept(draft, id, due, *before);
                *before += 1;
            }
        }
    }
    suspend::end_due(draft);
    if all_is_done && long_texts <= 1 {
        drop_expired(draft);
        sweep(draft);
    }
    if long_texts > 1 { Reply::More } else { Reply::Done }
}

/// Extends leases that expired only because the clock jumped from `from` to `to`, by the length of the jump.
pub(super) fn carry<V: View>(draft: &mut Draft<'_, V>, from: Timestamp, to: Timestamp) -> Reply {
    for id in draft.view.leases(from, to, TIMERS_MAX) {
        let Some(mut call) = draft.live_call(&id).filter(|call| call.ended.is_none()) else { continue };
        let lease_was = Some(call.lease_until);
        call.lease_until = call.lease_until + to.since(from);
        let shown = CallShown { call, refusal: None, custom_allowed: false };
        let change = CallChange { shown, lease_was, live: false, party_was: None, session_was: None };
        draft.record(Event::CallStored(Box::new(change)));
    }
    Reply::Done
}

/// Drops the months whose contacts (A23), landlines (A18) and usage counters are too old, the days whose messages or media are past their
/// retention, and those whose idempotency keys have expired. A day of messages is kept while one of them is queued or
/// in flight, however long the gateway was down.
fn drop_expired<V: View>(draft: &mut Draft<'_, V>) {
    let settings = &draft.directory().settings;
    let days = settings.contact_memory_days.max(settings.landline_memory_days);
    let kept_from = days_before(draft.now(), days).day().month();
    let oldest = Month(kept_from.0.saturating_sub(MONTHS_MAX));
    let first = draft.view.remembered_since().map_or(oldest, |since| since.max(oldest));
    let mut tables: Vec<_> = (first.0..kept_from.0).map(|month| Table::Contacts(Month(month))).collect();
    // The first tick drops a month that does not exist: from then on it is known which are kept.
    let audited_from = days_before(draft.now(), settings.retention_days.max(AUDIT_DAYS_MIN)).day().month();
    let first = draft.view.audited_since().unwrap_or(audited_from.previous());
    tables.extend((first.0..audited_from.0).map(|month| Table::Audit(Month(month))));
    let kept_from = messages_from(draft);
    let oldest_open = draft.view.oldest_open().map_or(kept_from, |id| id.day());
    let messages = days_of(draft.view.messages_since(), kept_from.min(oldest_open));
    tables.extend(messages.map(Table::Messages));
    // A medium is found by its message, so it goes with that at the latest.
    let media_from = days_before(draft.now(), settings.media_retention_days).day().max(messages_from(draft));
    tables.extend(days_of(draft.view.media_since(), media_from).map(Table::Media));
    let carrier_ids = days_of(draft.view.carrier_ids_since(), days_before(draft.now(), CARRIER_ID_DAYS.into()).day());
    tables.extend(carrier_ids.map(Table::CarrierIds));
    // Answers are repeated for 24 hours.
    let answers = days_of(draft.view.answers_since(), days_before(draft.now(), 1).day());
    tables.extend(answers.map(Table::Idempotency));
    let kept_from = days_before(draft.now(), USAGE_DAYS).day().month();
    let usage = (kept_from.0.saturating_sub(MONTHS_MAX)..kept_from.0).map(Month);
    tables.extend(usage.filter(|month| draft.view.has_usage(*month)).map(Table::Usage));
    if !tables.is_empty() {
        draft.record(Event::Forgotten { tables });
    }
}

/// Returns the oldest day whose messages are kept.
fn messages_from<V: View>(draft: &Draft<'_, V>) -> Day {
    days_before(draft.now(), draft.directory().settings.retention_days.max(MESSAGE_DAYS_MIN)).day()
}

/// Returns the days before `kept_from` that are not dropped yet.
fn days_of(since: Option<Day>, kept_from: Day) -> impl Iterator<Item = Day> {
    let first = since.unwrap_or(Day(kept_from.0.saturating_sub(DAYS_MAX)));
    (first.0..kept_from.0).map(Day)
}

/// Once a day, page by page: deletes calls that ended before the oldest day whose messages are kept, ends without a
/// start that are no longer valid (A8), and quarantined webhooks whose raw bytes are past their retention.
fn sweep<V: View>(draft: &mut Draft<'_, V>) {
    let today = draft.now().day();
    let after = match draft.view.swept().filter(|sweep| sweep.day == today) {
        Some(Sweep { after: None, .. }) => return,
        Some(Sweep { after, .. }) => after,
        None => None,
    };
    let kept_from = messages_from(draft);
    let is_over = |row: &CallRow| match row {
        CallRow::Call(call) => call.ended.as_ref().is_some_and(|ended| ended.at.day() < kept_from),
        CallRow::EndedBeforeStart(ended) => ended.at < days_before(draft.now(), 1),
    };
    let page: Vec<_> = draft.view.calls_after(after.as_ref()).take(SWEPT_MAX).collect();
    let after = (page.len() == SWEPT_MAX).then(|| page.last().map(|(call, _)| call.clone())).flatten();
    let (calls, times) = page.into_iter().filter(|(_, row)| is_over(row)).map(|(call, row)| (call, row.at())).unzip();
    let quarantined = draft.view.quarantined(None).take(SWEPT_MAX);
    let quarantined = quarantined.take_while(|(_, entry)| entry.at.day() < kept_from);
    let quarantined = quarantined.map(|(position, _)| position).collect();
    draft.record(Event::Swept { calls, quarantined, reached: Sweep { day: today, after }, times });
}

fn lease<V: View>(draft: &mut Draft<'_, V>, due: Timestamp, id: &CallId) {
    let Some(call) = draft.live_call(id) else {
        // If it were kept, it would stay first among the due timers, and enough of them would block all others.
        draft.record(Event::LeaseDone { due, call: id.clone() });
        return;
    };
    // Calls that are live at the same time never share a contact's row (A1), so all of them can end in one tick.
    if call.ended.is_some() || call.lease_until > draft.now() {
        return;
    }
    hang_up(draft, call, Some("lease_expired".to_owned()), ClosingMessage::None);
}

fn unknown<V: View>(draft: &mut Draft<'_, V>, due: Timestamp, id: MessageId, given_up_now: &mut Vec<MessageId>) {
    let now = draft.now();
    let given_up = |message: &Message| match message.state {
        MessageState::Sending => true,
        // A receipt may have arrived after the outcome was unknown; then a later timer applies.
        MessageState::Sent => message.unconfirmed_at().is_some_and(|until| until <= now),
        _ => false,
    };
    if let Some(message) = draft.view.message(id).filter(given_up)
        && !given_up_now.contains(&id)
    {
        given_up_now.push(id);
        outbound::change(draft, message, MessageState::Unconfirmed);
    }
    draft.record(Event::TimerDone { due, message: id });
}
