//! The cost of sending: lanes, accounts, daily caps, and pauses that carriers ask for (A28-A31, A64).

use super::draft::Draft;
use crate::machine::command::{Reply, Settled, SettledAs};
use crate::machine::event::Event;
use crate::machine::state::{CapOwner, Lane, Message, Pause};
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{Directory, E164, Limits, MessageId, Timestamp};
use crate::rules::breaker::{self, Cause, Reason};
use crate::rules::{rate, retry};
use std::time::Duration;

/// Returns the limits of a number; the defaults if it is no longer ours.
pub(super) fn limits<V: View>(draft: &Draft<'_, V>, ours: E164) -> Limits {
    draft.directory().numbers.get(&ours).map(|number| number.limits.clone()).unwrap_or_default()
}

/// Returns the limits of an account, if it has any.
pub(super) fn account_limits<'a>(directory: &'a Directory, account: &str) -> Option<&'a Limits> {
    let limits = &directory.accounts.get(account)?.limits;
    (limits.millisegments_per_second.is_some() || limits.segments_per_day.is_some()).then_some(limits)
}

/// Returns how long a text of `segments` would wait at the end of its lane: for the number, its account, their daily
/// caps, and the carrier's pauses.
pub(super) fn wait<V: View>(draft: &Draft<'_, V>, ours: E164, account: &str, segments: u16) -> Duration {
    let now = draft.now();
    let lane_paused_until = draft.view.pause(ours).map(|pause| pause.until);
    let account_paused = draft.view.trouble(account).and_then(|trouble| trouble.paused);
    let account_paused_until = account_paused.map(|paused| paused.until);
    // Nothing is sent before the carrier's pause ends, so earlier texts are scheduled from then.
    let from = lane_paused_until.max(account_paused_until).unwrap_or_default().max(now);
    let own = limits(draft, ours);
    let lane = draft.lane(ours);
    let mut waits = vec![
        from.since(now) + rate::wait(&own, lane.empty_at, lane.queued_segments, segments, from),
        until(day(draft, &CapOwner::Number(ours), &own, lane.queued_segments, segments), now),
    ];
    if let Some(limits) = account_limits(draft.directory(), account) {
        let lane = draft.account_lane(account);
        waits.push(from.since(now) + rate::wait(limits, lane.empty_at, lane.queued_segments, segments, from));
        let whose = CapOwner::Account(account.to_owned());
        waits.push(until(day(draft, &whose, limits, lane.queued_segments, segments), now));
    }
    waits.into_iter().max().unwrap_or_default()
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    at.since(now)
}

fn day<V: View>(draft: &Draft<'_, V>, whose: &CapOwner, limits: &Limits, queued: u32, segments: u16) -> Timestamp {
    if limits.segments_per_day.is_none() {
        return draft.now();
    }
    let count = draft.view.day_count(whose).with(limits, queued, draft.now());
    rate::cap_allows(limits, count, u32::from(segments), draft.now())
}

/// When the buckets of a lane and of its account are empty after paying for a message, as computed by the dispatcher.
#[derive(Clone, Copy)]
pub(super) struct Paid {
    pub(super) lane_empty_at: Timestamp,
    pub(super) account_empty_at: Timestamp,
}

/// Charges a starting text to its lane and, where they are limited, to its account and the daily caps.
pub(super) fn pay<V: View>(draft: &mut Draft<'_, V>, message: &Message, paid: Paid) -> Lane {
    let (now, segments) = (draft.now(), message.segments);
    let own = limits(draft, message.ours);
    count(draft, CapOwner::Number(message.ours), &own, segments);
    if let Some(limits) = account_limits(draft.directory(), &message.account).cloned() {
        draft.change_account_lane(&message.account, |lane| {
            lane.empty_at = rate::empty_after(&limits, lane.empty_at, segments, now).max(paid.account_empty_at);
        });
        count(draft, CapOwner::Account(message.account.clone()), &limits, segments);
    }
    draft.change_lane(message.ours, &message.account, |lane| {
        lane.queued_segments = lane.queued_segments.saturating_sub(u32::from(segments));
        lane.empty_at = rate::empty_after(&own, lane.empty_at, segments, now).max(paid.lane_empty_at);
    })
}

fn count<V: View>(draft: &mut Draft<'_, V>, whose: CapOwner, limits: &Limits, segments: u16) {
    if limits.segments_per_day.is_some() {
        let count = draft.view.day_count(&whose).with(limits, u32::from(segments), draft.now());
        draft.record(Event::DayCounted { whose, count });
    }
}

/// Updates pauses after an attempt that began at `began` and may be retried at `next`: a lane is paused when the
/// carrier asks to retry later, an account when it fails repeatedly or is rejected. The first other answer ends either
/// (A64).
pub(super) fn update_pauses<V: View>(
    draft: &mut Draft<'_, V>,
    message: &Message,
    settled: &Settled,
    began: Timestamp,
    next: Option<Timestamp>,
) {
    let ours = message.ours;
    let pause = draft.view.pause(ours);
    // Requests in flight when the carrier asked for the pause do not show whether it is over.
    let knows = pause.is_none_or(|pause| pause.until <= began);
    if let SettledAs::Later { retry_after } = settled.outcome {
        let laters = pause.map_or(0, |pause| pause.laters) + u32::from(knows);
        let until = draft.now() + retry::rest(laters).max(retry_after.unwrap_or_default());
        let until = until.max(next.unwrap_or_default()).max(pause.map(|pause| pause.until).unwrap_or_default());
        draft.record(Event::LanePaused { ours, pause: Some(Pause { until, laters }) });
    } else if matches!(settled.outcome, SettledAs::Sent { .. } | SettledAs::Refused { .. }) && pause.is_some() && knows
    {
        draft.record(Event::LanePaused { ours, pause: None });
    }
    let reason = match settled.outcome {
        SettledAs::NeverWritten | SettledAs::Unknown => Some(Reason::CarrierFailing),
        SettledAs::Later { .. } => settled.status.filter(|status| *status >= 500).map(|_| Reason::CarrierFailing),
        SettledAs::AccountRefused => Some(Reason::CredentialsRefused),
        // The carrier was not asked: the gateway stopped, or has no such account.
        SettledAs::Interrupted => return,
        SettledAs::Sent { .. } | SettledAs::Refused { .. } => None,
    };
    let account = message.account.clone();
    let fact = match reason {
        Some(reason) => Some(failure_event(draft, account, reason, settled, began)),
        None => recovery_event(draft, account, began),
    };
    fact.into_iter().for_each(|fact| draft.record(fact));
}

/// Returns the event for a request that began at `began` and failed for a reason other than its text.
fn failure_event<V: View>(
    draft: &Draft<'_, V>,
    account: String,
    reason: Reason,
    settled: &Settled,
    began: Timestamp,
) -> Event {
    let (before, cause_before) = (draft.view.trouble(&account), draft.view.cause(&account));
    let paused_before = before.as_ref().and_then(|before| before.paused);
    let trouble = match reason {
        Reason::CarrierFailing => breaker::failed(before, began, draft.now()),
        Reason::CredentialsRefused => breaker::refused(before, began, draft.now()),
    };
    let refused_before =
        cause_before.filter(|cause| cause.reason == Reason::CredentialsRefused && paused_before.is_some());
    let new = Cause { reason, detail: settled.detail.clone().unwrap_or_else(|| reason.detail().to_owned()) };
    let (cause, differs) = match refused_before {
        // A cause that needs the operator stays until the carrier accepts something.
        Some(before) if reason == Reason::CarrierFailing => (before, false),
        // Only a probe sent after the rejection can replace it as the cause.
        Some(before) if paused_before.is_some_and(|paused| began < paused.until) => (before, false),
        Some(before) => {
            let differs = before != new;
            (new, differs)
        }
        None => (new, reason == Reason::CredentialsRefused),
    };
    if trouble.paused.is_some() && (paused_before.is_none() || differs) {
        Event::AccountHeld { account, trouble, cause }
    } else {
        Event::AccountFailing { account, trouble, cause }
    }
}

/// Returns the event for a request that began at `began` and got a regular answer.
fn recovery_event<V: View>(draft: &Draft<'_, V>, account: String, began: Timestamp) -> Option<Event> {
    let before = draft.view.trouble(&account)?;
    let Some(paused) = before.paused else { return Some(Event::AccountFailed { account, trouble: None }) };
    // A text accepted before the carrier rejected the account does not show that it accepts more.
    let refused = draft.view.cause(&account).is_some_and(|cause| cause.reason == Reason::CredentialsRefused);
    (!refused || paused.since < began).then_some(Event::AccountResumed { account })
}

/// Makes paused accounts try again at once, since the operator may have fixed the cause.
pub(super) fn try_accounts<V: View>(draft: &mut Draft<'_, V>) {
    for (account, trouble, cause) in draft.view.failing_accounts() {
        let Some(trouble) = breaker::tried_at_once(&trouble, draft.now()) else { continue };
        draft.record(Event::AccountFailing { account, trouble, cause: cause.unwrap_or_default() });
    }
}

/// Adapts lanes and accounts to changed limits: levels and debts are kept, and the queue of an account that becomes
/// limited is counted.
pub(super) fn relimit<V: View>(draft: &mut Draft<'_, V>, before: &Directory, after: &Directory) {
    let now = draft.now();
    for (number, entry) in &after.numbers {
        let Some(was) = before.numbers.get(number).filter(|was| was.limits != entry.limits) else { continue };
        let lane = draft.view.lane(*number);
        let empty_at = rate::empty_with(&was.limits, &entry.limits, lane.empty_at, now);
        draft.record(Event::LaneStored { ours: *number, lane: Lane { empty_at, ..lane } });
    }
    let moved: Vec<_> = after
        .numbers
        .iter()
        .filter(|(number, entry)| before.numbers.get(number).is_some_and(|was| was.account != entry.account))
        .flat_map(|(number, entry)| [before.numbers[number].account.as_str(), entry.account.as_str()])
        .collect();
    for (name, account) in &after.accounts {
        let was = before.accounts.get(name).map_or_else(Limits::none, |was| was.limits.clone());
        let changed = was != account.limits || moved.contains(&name.as_str());
        if !changed || account_limits(after, name).is_none() {
            continue;
        }
        let lane = draft.view.account_lane(name);
        let empty_at = rate::empty_with(&was, &account.limits, lane.empty_at, now);
        let lane = Lane { empty_at, queued_segments: waiting(draft, name) };
        draft.record(Event::AccountLaneStored { account: name.clone(), lane });
    }
}

/// Counts the segments queued for an account from its messages.
fn waiting<V: View>(draft: &Draft<'_, V>, account: &str) -> u32 {
    let waits = |id: &MessageId| draft.view.message(*id).is_some_and(|message| message.account == account);
    let waiting = draft.view.open().filter(|(id, open)| !open.started && waits(id));
    waiting.map(|(_, open)| u32::from(open.segments)).sum()
}

/// Shifts debts after the clock jumped from `from` to `to`: what was owed at `from` is owed at `to`.
pub(super) fn carry<V: View>(draft: &mut Draft<'_, V>, from: Timestamp, to: Timestamp) -> Reply {
    let gain = to.since(from);
    for (ours, lane) in draft.view.lanes_in_debt(from) {
        draft.record(Event::LaneStored { ours, lane: Lane { empty_at: lane.empty_at + gain, ..lane } });
    }
    for (account, lane) in draft.view.accounts_in_debt(from) {
        draft.record(Event::AccountLaneStored { account, lane: Lane { empty_at: lane.empty_at + gain, ..lane } });
    }
    Reply::Done
}
