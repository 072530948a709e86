//! Explains from the current rows why a message has not been sent yet (A67).

use super::keys::open_key;
use super::state::{CapOwner, Message, Open, Suspension};
use super::view::{Queries, SendingQueries, View};
use crate::model::{E164, Limits, MessageId, MessageState, Timestamp};
use crate::rules::breaker::{Cause, in_flight_max};
use crate::rules::explain::{Explained, Held, Suspended, explain};
use crate::rules::lane::{Lane, Waiting};
use crate::rules::rate;

/// An explanation of a message's state.
pub struct Explanation {
    /// The message.
    pub message: Message,
    /// What it is waiting for, and until when.
    pub explained: Explained,
    /// Whether all open messages were examined; if not, further ones may go before it.
    pub all: bool,
    /// Why its account fails, if it does and the message waits for it.
    pub cause: Option<Cause>,
    /// The suspension that the message waits for, if any.
    pub suspension: Option<Suspension>,
}

/// Explains a message's state; `None` if there is no such message. At most `examined_max` open messages are examined,
/// over all lanes.
pub fn explain_message(view: &impl View, id: MessageId, examined_max: usize, now: Timestamp) -> Option<Explanation> {
    let mut message = view.message(id)?;
    let mut own = None;
    if message.state == MessageState::Queued {
        own = view.typed::<Open>(&open_key(id)).filter(|open| !open.started);
        if own.is_none() {
            // It has just left its lane; its own row has the new state.
            message = view.message(id)?;
        }
    }
    let Some(own) = own else {
        let nowhere = Lane { texts: &[], limits: &Limits::none(), empty_at: now };
        let explained = explain(id, message.state, &nowhere, &Held::default(), now);
        return Some(Explanation { message, explained, all: true, cause: None, suspension: None });
    };
    let directory = view.directory();
    let account = directory.account_of(own.ours).unwrap_or(&message.account);
    let limits = directory.limits_of(own.ours);
    let others = Others::of(view, id, &own, account, examined_max);
    let held = held(view, own.ours, own.segments, account, &others, now);
    let lane = Lane { texts: &others.lane, limits: &limits, empty_at: view.lane(own.ours).empty_at };
    let explained = explain(id, message.state, &lane, &held, now);
    let cause = view.breaker(account).map(|_| view.cause(account).unwrap_or_default());
    let suspension = suspension(view, own.ours, account);
    Some(Explanation { message, explained, all: others.all, cause, suspension })
}

/// The suspension that lasts longest of a number's and its account's.
pub(super) fn suspension(view: &impl View, ours: E164, account: &str) -> Option<Suspension> {
    let ends = |suspension: &Suspension| suspension.until.map_or(u64::MAX, Timestamp::as_ms);
    view.suspensions_of(ours, account).into_iter().max_by_key(ends)
}

/// The other open messages that affect one message's wait.
pub(super) struct Others {
    /// The messages of its lane, including itself.
    pub(super) lane: Vec<Waiting>,
    /// Segments of older messages queued in its lane.
    pub(super) before: u32,
    /// Segments of older messages queued for its account.
    pub(super) before_at_account: u32,
    /// Requests of its account that are in flight.
    pub(super) in_flight: usize,
    /// Whether all open messages were examined.
    pub(super) all: bool,
}

impl Others {
    fn of(view: &impl View, id: MessageId, own: &Open, account: &str, examined_max: usize) -> Self {
        let directory = view.directory();
        let mut others = Self { lane: vec![own.waiting(id)], before: 0, before_at_account: 0, in_flight: 0, all: true };
        let mut open = view.open();
        for (other, open) in open.by_ref().take(examined_max).filter(|(other, _)| *other != id) {
            let older = if other < id && !open.started { u32::from(open.segments) } else { 0 };
            if open.ours == own.ours {
                others.lane.push(open.waiting(other));
                others.before += older;
            }
            if directory.account_of(open.ours) == Some(account) {
                others.before_at_account += older;
                others.in_flight += usize::from(open.started);
            }
        }
        others.all = open.next().is_none();
        others
    }
}

/// Computes what delays a message of `segments` besides its lane, as for the wait that is estimated at accept.
pub(super) fn held(
    view: &impl View,
    ours: E164,
    segments: u16,
    account: &str,
    others: &Others,
    now: Timestamp,
) -> Held {
    let limits = &view.directory().limits_of(ours);
    let of_account = view.directory().account_limits(account);
    let day = |owner: CapOwner, limits: &Limits, before: u32| {
        let count = view.day_count(&owner).with(limits, before, now);
        rate::cap_allows(limits, count, u32::from(segments), now)
    };
    let own_day = day(CapOwner::Number(ours), limits, others.before);
    let its_day = of_account.map(|limits| day(CapOwner::Account(account.to_owned()), limits, others.before_at_account));
    let lane_paused_until = view.pause(ours).map(|pause| pause.until);
    let paused = view.breaker(account).and_then(|breaker| breaker.paused);
    let account_paused_until = paused.map(|paused| paused.until);
    let paused_until = lane_paused_until.max(account_paused_until);
    let suspended = match suspension(view, ours, account) {
        None => Suspended::No,
        Some(Suspension { until: Some(until), .. }) => Suspended::Until(until),
        Some(Suspension { until: None, .. }) => Suspended::UntilResumed,
    };
    let resumed_at = if let Suspended::Until(until) = suspended { Some(until) } else { None };
    let from = paused_until.max(resumed_at).unwrap_or_default().max(now);
    Held {
        suspended,
        paused_until,
        account_full: others.in_flight >= in_flight_max(paused.is_some()),
        day_ends_at: Some(own_day).max(its_day),
        account_free_at: of_account.map(|limits| {
            let empty_at = view.account_lane(account).empty_at;
            from + rate::wait(limits, empty_at, others.before_at_account, segments, from)
        }),
    }
}
