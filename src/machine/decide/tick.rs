//! Time passed (A7, A54, A60).

use super::call::{ClosingMessage, hang_up};
use super::draft::Draft;
use super::outbound;
use crate::machine::command::Reply;
use crate::machine::event::{CallChange, CallShown, Event};
use crate::machine::rows::Table;
use crate::machine::state::{CallRow, Message, Sweep, Timer};
use crate::machine::view::{Queries, View, days_before};
use crate::model::{CallId, Day, MessageId, MessageState, Month, Timestamp};

/// Timers done in one go; the next tick goes on. Each writes a few hundred bytes into the frame.
const TIMERS_MAX: usize = 256;

/// Months the memory of people may reach back, and one more.
const MONTHS_MAX: u16 = 14;

/// Days of messages and answers that the first tick of all looks for; from then on it is known where they begin.
const DAYS_MAX: u16 = 60;

/// Days that what is known of a message is kept at least, whatever the retention of its text: for 72 hours a receipt may
/// still say what became of it, and then it is given up on (A54).
const MESSAGE_DAYS_MIN: u32 = 4;

/// Rows the daily sweep looks at in one tick.
const SWEPT_MAX: usize = 256;

/// Does what is due: calls whose lease ran out end, sends nobody answered are given up on, people we have not heard of
/// for long are forgotten.
pub(super) fn tick<V: View>(draft: &mut Draft<'_, V>) -> Reply {
    // The view shows a message as it was before this tick; two timers may be about one.
    let mut given_up = Vec::new();
    let due = draft.view.due(draft.now(), TIMERS_MAX);
    // After a long rest there may be more: nobody is forgotten while something of theirs is still to end.
    let all_is_done = due.len() < TIMERS_MAX;
    for (due, timer) in due {
        match timer {
            Timer::Lease(id) => lease(draft, due, &id),
            Timer::Unknown(id) => unknown(draft, due, id, &mut given_up),
        }
    }
    if all_is_done {
        forget(draft);
        sweep(draft);
    }
    Reply::Done
}

/// Carries leases over a jump of the clock from `from` to `to`: those that ran out by nothing else end as much later.
pub(super) fn carry<V: View>(draft: &mut Draft<'_, V>, from: Timestamp, to: Timestamp) -> Reply {
    for id in draft.view.leases(from, to, TIMERS_MAX) {
        let Some(mut call) = draft.live_call(&id).filter(|call| call.ended.is_none()) else { continue };
        let lease_was = Some(call.lease_until);
        call.lease_until = call.lease_until + to.since(from);
        let shown = CallShown { call, refusal: None, custom_allowed: false };
        draft.record(Event::CallStored(Box::new(CallChange { shown, lease_was, live: false, party_was: None })));
    }
    Reply::Done
}

/// Drops the months that neither a contact (A23) nor a landline (A18) may be remembered from any more, the days whose
/// messages are past their retention, and those whose answers no key may ask for again. A day goes only once no message of
/// it waits or is under way, however long the gateway rested.
fn forget<V: View>(draft: &mut Draft<'_, V>) {
    let settings = &draft.directory().settings;
    let days = settings.contact_memory_days.max(settings.landline_memory_days);
    let kept_from = days_before(draft.now(), days).day().month();
    let oldest = Month(kept_from.0.saturating_sub(MONTHS_MAX));
    let first = draft.view.remembered_since().map_or(oldest, |since| since.max(oldest));
    let mut tables: Vec<_> = (first.0..kept_from.0).map(|month| Table::Contacts(Month(month))).collect();
    let kept_from = messages_from(draft);
    let oldest_open = draft.view.open_page(&[], 1).first().map_or(kept_from, |(_, id, _)| id.day());
    let messages = days_of(draft.view.messages_since(), kept_from.min(oldest_open));
    tables.extend(messages.map(Table::Messages));
    // An answer is repeated for 24 hours.
    let answers = days_of(draft.view.answers_since(), days_before(draft.now(), 1).day());
    tables.extend(answers.map(Table::Idempotency));
    if !tables.is_empty() {
        draft.record(Event::Forgotten { tables });
    }
}

/// The oldest day whose messages are still known.
fn messages_from<V: View>(draft: &Draft<'_, V>) -> Day {
    days_before(draft.now(), draft.directory().settings.retention_days.max(MESSAGE_DAYS_MIN)).day()
}

/// The days up to `kept_from` that are not forgotten yet.
fn days_of(since: Option<Day>, kept_from: Day) -> impl Iterator<Item = Day> {
    let first = since.unwrap_or(Day(kept_from.0.saturating_sub(DAYS_MAX)));
    (first.0..kept_from.0).map(Day)
}

/// Once a day, page by page: forgets calls that ended before the oldest day whose messages are kept, ends that were heard
/// of no call and that no call can meet any more (A8), and webhooks nobody could read whose bytes are not kept either.
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
    let page = draft.view.calls_page(after.as_ref(), SWEPT_MAX);
    let after = (page.len() == SWEPT_MAX).then(|| page.last().map(|(call, _)| call.clone())).flatten();
    let calls = page.into_iter().filter(|(_, row)| is_over(row)).map(|(call, _)| call).collect();
    let quarantined = draft.view.quarantined(SWEPT_MAX).into_iter();
    let quarantined = quarantined.take_while(|(_, at)| at.day() < kept_from).map(|(position, _)| position).collect();
    draft.record(Event::Swept { calls, quarantined, reached: Sweep { day: today, after } });
}

fn lease<V: View>(draft: &mut Draft<'_, V>, due: Timestamp, id: &CallId) {
    let Some(call) = draft.live_call(id) else {
        // Left where it is it would stand in front of all others, and some hundreds of them would be all that is looked at.
        draft.record(Event::LeaseDone { due, call: id.clone() });
        return;
    };
    // Calls that live at the same time share no row of a pair (A1), so all of them can end in one tick.
    if call.ended.is_some() || call.lease_until > draft.now() {
        return;
    }
    hang_up(draft, call, Some("lease_expired".to_owned()), ClosingMessage::None);
}

fn unknown<V: View>(draft: &mut Draft<'_, V>, due: Timestamp, id: MessageId, given_up_now: &mut Vec<MessageId>) {
    let now = draft.now();
    let given_up = |message: &Message| match message.state {
        MessageState::Sending => true,
        // It may have been unknown before a receipt said that the carrier has it; then this timer is not the one.
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
