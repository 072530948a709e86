//! What sending costs: lanes, accounts, days, and what carriers make us wait for (A28-A31, A64).

use super::draft::Draft;
use crate::machine::command::{Reply, Settled, SettledAs};
use crate::machine::event::Event;
use crate::machine::state::{CapOwner, Lane, Message, Pause};
use crate::machine::view::{Queries, View};
use crate::model::{Directory, E164, Limits, Timestamp};
use crate::rules::breaker::{self, Cause, Reason};
use crate::rules::{rate, retry};
use std::time::Duration;

/// Rows read at a time.
const PAGE: usize = 500;

/// The limits of a number; those of a new one where it is ours no longer.
pub(super) fn limits<V: View>(draft: &Draft<'_, V>, ours: E164) -> Limits {
    draft.directory().numbers.get(&ours).map(|number| number.limits.clone()).unwrap_or_default()
}

/// The limits of an account, if it has any of its own.
pub(super) fn account_limits<'a>(directory: &'a Directory, account: &str) -> Option<&'a Limits> {
    let limits = &directory.accounts.get(account)?.limits;
    (limits.millisegments_per_second.is_some() || limits.segments_per_day.is_some()).then_some(limits)
}

/// How long a text of `segments` would wait if it were the last in its lane: for the number, its account, their days, and
/// what the carrier asked for.
pub(super) fn wait<V: View>(draft: &Draft<'_, V>, ours: E164, account: &str, segments: u16) -> Duration {
    let now = draft.now();
    let rests = draft.view.pause(ours).map(|pause| pause.until);
    let left_alone = draft.view.trouble(account).and_then(|trouble| trouble.paused).map(|paused| paused.until);
    // Nobody goes before the carrier wants to hear of us again, so those before it spend their time from then on.
    let from = rests.max(left_alone).unwrap_or_default().max(now);
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

/// When the buckets of a lane and of its account are empty, with a message paid for, by who gave the permits.
#[derive(Clone, Copy)]
pub(super) struct Paid {
    pub(super) lane_empty_at: Timestamp,
    pub(super) account_empty_at: Timestamp,
}

/// A text starts: its lane pays, and with it its account and their days where they are limited.
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

/// What the outcome of an attempt that began at `began`, and may be followed by one at `next`, says of the carrier: a lane
/// that heard "not now" rests, an account that fails time and again or is refused is left alone, and either is over with the
/// first answer that is none of these (A64).
pub(super) fn judge<V: View>(
    draft: &mut Draft<'_, V>,
    message: &Message,
    settled: &Settled,
    began: Timestamp,
    next: Option<Timestamp>,
) {
    let ours = message.ours;
    let pause = draft.view.pause(ours);
    // What was under way when the carrier asked for a rest says nothing of whether it is over.
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
        // Nobody asked the carrier: the gateway stopped, or has no such account.
        SettledAs::Interrupted => return,
        SettledAs::Sent { .. } | SettledAs::Refused { .. } => None,
    };
    let account = message.account.clone();
    let fact = match reason {
        Some(reason) => Some(fails(draft, account, reason, settled, began)),
        None => works(draft, account, began),
    };
    fact.into_iter().for_each(|fact| draft.record(fact));
}

/// A request that began at `began` failed, and it was not the text's fault.
fn fails<V: View>(draft: &Draft<'_, V>, account: String, reason: Reason, settled: &Settled, began: Timestamp) -> Event {
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
        // What somebody must act on stays the cause until the carrier takes something.
        Some(before) if reason == Reason::CarrierFailing => (before, false),
        // Only a probe can say something else than the refusal it follows.
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

/// The carrier answered a request that began at `began` as it should.
fn works<V: View>(draft: &Draft<'_, V>, account: String, began: Timestamp) -> Option<Event> {
    let before = draft.view.trouble(&account)?;
    let Some(paused) = before.paused else { return Some(Event::AccountFailed { account, trouble: None }) };
    // What the carrier took before it refused the account does not say that it takes more.
    let refused = draft.view.cause(&account).is_some_and(|cause| cause.reason == Reason::CredentialsRefused);
    (!refused || paused.since < began).then_some(Event::AccountResumed { account })
}

/// Accounts that are paused are tried at once, since somebody may have mended what was wrong.
pub(super) fn try_accounts<V: View>(draft: &mut Draft<'_, V>) {
    for (account, trouble, cause) in draft.view.failing_accounts(PAGE) {
        let Some(trouble) = breaker::tried_at_once(&trouble, draft.now()) else { continue };
        draft.record(Event::AccountFailing { account, trouble, cause: cause.unwrap_or_default() });
    }
}

/// What lanes and accounts hold under other limits: levels and debts are kept, and what waits for an account that is
/// limited from now on is counted.
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

/// Segments that wait for an account, by the messages themselves.
fn waiting<V: View>(draft: &Draft<'_, V>, account: &str) -> u32 {
    let (mut segments, mut from) = (0u32, Vec::new());
    loop {
        let page = draft.view.open_page(&from, PAGE);
        let full = page.len() == PAGE;
        for (key, id, open) in page {
            let waits = !open.started && draft.view.message(id).is_some_and(|message| message.account == account);
            segments += if waits { u32::from(open.segments) } else { 0 };
            from = key.into_iter().chain([0]).collect();
        }
        if !full {
            return segments;
        }
    }
}

/// Time went from `from` to `to` without passing: what is owed at `from` is owed at `to`.
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
