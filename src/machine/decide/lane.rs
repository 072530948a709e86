//! Lanes and buckets: how long a text waits, what it costs, and how it enters and leaves its lane (A28-A31).

use super::draft::Draft;
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::state::{Call, CapOwner, Lane, Message};
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{
    Address, Agent, Change, Direction, Directory, E164, Json, Kind, Limits, Measured, MessageId, MessageState,
    SmartAction, Timestamp, measure,
};
use crate::rules::{rate, retry};
use std::time::Duration;

/// A new outbound text that passed all checks.
pub(super) struct NewText {
    pub(super) kind: Kind,
    pub(super) ours: E164,
    pub(super) theirs: E164,
    pub(super) text: String,
    pub(super) agent: Option<Agent>,
    pub(super) smart_action: Option<SmartAction>,
    pub(super) client_ref: Option<String>,
}

/// A new text's account, size and wait.
pub(super) struct Estimate {
    account: String,
    measured: Measured,
    /// `None` while its number or account is suspended without an end.
    pub(super) wait: Option<Duration>,
    suspended: bool,
}

/// Estimates how long a new text would wait at the end of its lane.
pub(super) fn estimate<V: View>(draft: &Draft<'_, V>, new: &NewText) -> Estimate {
    let account = draft.directory().account_of(new.ours).unwrap_or_default().to_owned();
    let measured = measure(&new.text);
    let suspensions = draft.view.suspensions_of(new.ours, &account);
    let ends: Option<Vec<_>> = suspensions.iter().map(|suspension| suspension.until).collect();
    let from = ends.map(|ends| ends.into_iter().max().unwrap_or_default());
    let wait = from.map(|from| wait(draft, new.ours, &account, measured.segments, from));
    Estimate { account, measured, wait, suspended: !suspensions.is_empty() }
}

/// Queues a text in its number's lane and notifies the platform. The caller must store the call, whose last message it
/// is.
pub(super) fn enqueue<V: View>(draft: &mut Draft<'_, V>, call: Option<&mut Call>, new: NewText) -> Message {
    let estimate = estimate(draft, &new);
    enqueue_estimated(draft, call, new, estimate)
}

/// Like `enqueue`, for a text whose wait is already estimated.
pub(super) fn enqueue_estimated<V: View>(
    draft: &mut Draft<'_, V>,
    call: Option<&mut Call>,
    new: NewText,
    estimate: Estimate,
) -> Message {
    let Estimate { account, measured, wait, suspended } = estimate;
    let estimated_wait_ms = wait.filter(|_| !suspended).unwrap_or_default().as_millis();
    let lane = draft.change_lane(new.ours, &account, |lane| lane.queued_segments += u32::from(measured.segments));
    let message = Message {
        id: draft.next_message(),
        call: call.as_ref().map(|call| call.id.clone()),
        direction: Direction::Outbound,
        kind: new.kind,
        state: MessageState::Queued,
        account,
        ours: new.ours,
        theirs: Address::from(new.theirs).into(),
        agent: new.agent,
        smart_action: new.smart_action,
        encoding: measured.encoding,
        segments: measured.segments,
        estimated_wait_ms: u64::try_from(estimated_wait_ms).unwrap_or(u64::MAX),
        media: Vec::new(),
        created_at: draft.now(),
        expires_at: draft.now() + retry::send_ttl(new.kind),
        failure: None,
        attempts: Vec::new(),
        not_before: None,
        carrier_id: None,
        reply_blocked: false,
        keyword: None,
        previous: call.as_ref().and_then(|call| call.last_message),
        counted: None,
        suspended,
        client_ref: new.client_ref,
        incomplete: false,
        reconciled: false,
    };
    let event = Event::MessageQueued { message: Box::new(message.clone()), text: new.text.into(), lane };
    match call {
        Some(call) => {
            call.last_message = Some(message.id);
            draft.record_visible(call, |_| event);
        }
        None => draft.record(event),
    }
    message
}

/// Removes the queued `message` from its lane and returns the lane.
pub(super) fn leave<V: View>(draft: &mut Draft<'_, V>, message: &Message) -> Lane {
    let segments = u32::from(message.segments);
    draft.change_lane(message.ours, &message.account, |lane| {
        lane.queued_segments = lane.queued_segments.saturating_sub(segments);
    })
}

/// Returns how long a text of `segments` would wait at the end of its lane: for the number, its account, their daily
/// caps, the carrier's pauses, and until `resumed_at`, when the last suspension ends.
fn wait<V: View>(draft: &Draft<'_, V>, ours: E164, account: &str, segments: u16, resumed_at: Timestamp) -> Duration {
    let now = draft.now();
    let lane_paused_until = draft.view.pause(ours).map(|pause| pause.until);
    let account_paused = draft.view.breaker(account).and_then(|breaker| breaker.paused);
    let account_paused_until = account_paused.map(|paused| paused.until);
    // Nothing is sent before the carrier's pause ends, so earlier texts are scheduled from then.
    let from = lane_paused_until.max(account_paused_until).unwrap_or_default().max(resumed_at).max(now);
    let own = draft.directory().limits_of(ours);
    let lane = draft.lane(ours);
    let mut waits = vec![
        from.since(now) + rate::wait(&own, lane.empty_at, lane.queued_segments, segments, from),
        until(day(draft, &CapOwner::Number(ours), &own, lane.queued_segments, segments), now),
    ];
    if let Some(limits) = draft.directory().account_limits(account) {
        let lane = draft.account_lane(account);
        waits.push(from.since(now) + rate::wait(limits, lane.empty_at, lane.queued_segments, segments, from));
        let owner = CapOwner::Account(account.to_owned());
        waits.push(until(day(draft, &owner, limits, lane.queued_segments, segments), now));
    }
    waits.into_iter().max().unwrap_or_default()
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    at.since(now)
}

fn day<V: View>(draft: &Draft<'_, V>, owner: &CapOwner, limits: &Limits, queued: u32, segments: u16) -> Timestamp {
    if limits.segments_per_day.is_none() {
        return draft.now();
    }
    let count = draft.view.day_count(owner).with(limits, queued, draft.now());
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
    let own = draft.directory().limits_of(message.ours);
    count(draft, CapOwner::Number(message.ours), &own, segments);
    if let Some(limits) = draft.directory().account_limits(&message.account).cloned() {
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

fn count<V: View>(draft: &mut Draft<'_, V>, owner: CapOwner, limits: &Limits, segments: u16) {
    if limits.segments_per_day.is_some() {
        let count = draft.view.day_count(&owner).with(limits, u32::from(segments), draft.now());
        draft.record(Event::DayCounted { owner, count });
    }
}

/// Adapts lanes and accounts to changed limits: levels and debts are kept, and the queue of an account that becomes
/// limited is counted.
pub(super) fn relimit<V: View>(draft: &mut Draft<'_, V>, before: &Directory, after: &Directory, changes: &[Change]) {
    let now = draft.now();
    let numbers = || {
        changes.iter().filter_map(|change| match change {
            Change::Number(number, Some(Json(entry))) => Some((number, entry, before.numbers.get(number)?)),
            _ => None,
        })
    };
    for (number, entry, was) in numbers().filter(|(_, entry, was)| was.limits != entry.limits) {
        let lane = draft.view.lane(*number);
        let empty_at = rate::empty_with(&was.limits, &entry.limits, lane.empty_at, now);
        draft.record(Event::LaneStored { ours: *number, lane: Lane { empty_at, ..lane } });
    }
    let moved: Vec<_> = numbers()
        .filter(|(_, entry, was)| was.account != entry.account)
        .flat_map(|(_, entry, was)| [was.account.as_str(), entry.account.as_str()])
        .collect();
    for (name, account) in &after.accounts {
        let was = before.accounts.get(name).map_or_else(Limits::none, |was| was.limits.clone());
        let changed = was != account.limits || moved.contains(&name.as_str());
        if !changed || after.account_limits(name).is_none() {
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
