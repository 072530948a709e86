//! Why a message is not sent yet, by the rows as they are (A67).

use super::state::{CapOwner, Message, Open};
use super::view::{Queries, View, open_key};
use crate::model::{Limits, MessageId, MessageState, Timestamp};
use crate::rules::breaker::{Cause, room};
use crate::rules::explain::{Explained, Held, explain};
use crate::rules::lane::{Lane, Waiting};
use crate::rules::rate;

/// Rows of open messages read at a time.
const PAGE: usize = 500;

/// What is known of a message that somebody waits for.
pub struct Why {
    /// The message.
    pub message: Message,
    /// What holds it, and until when.
    pub told: Explained,
    /// Whether all open messages were looked at; if not, others may go before it as well.
    pub all: bool,
    /// Why its account fails, where it does and the message waits for it.
    pub cause: Option<Cause>,
}

/// Says it of a message, if there is one. Of open messages, all lanes together, `looked_at_max` are looked at.
pub fn why(view: &impl View, id: MessageId, looked_at_max: usize, now: Timestamp) -> Option<Why> {
    let mut message = view.message(id)?;
    let mut own = None;
    if message.state == MessageState::Queued {
        own = view.typed::<Open>(&open_key(id)).filter(|open| !open.started);
        if own.is_none() {
            // It has just left its lane, and its row knows for where.
            message = view.message(id)?;
        }
    }
    let Some(own) = own else {
        let nowhere = Lane { texts: &[], limits: &Limits::none(), empty_at: now };
        let told = explain(id, message.state, &nowhere, &Held::default(), now);
        return Some(Why { message, told, all: true, cause: None });
    };
    let directory = view.directory();
    let account = directory.numbers.get(&own.ours).map_or(&message.account, |number| &number.account);
    let limits = directory.numbers.get(&own.ours).map(|number| number.limits.clone()).unwrap_or_default();
    let others = Others::of(view, id, &own, account, looked_at_max);
    let held = held(view, &own, &limits, account, &others, now);
    let lane = Lane { texts: &others.lane, limits: &limits, empty_at: view.lane(own.ours).empty_at };
    let told = explain(id, message.state, &lane, &held, now);
    let cause = view.trouble(account).map(|_| view.cause(account).unwrap_or_default());
    Some(Why { message, told, all: others.all, cause })
}

/// The open messages that have to do with one of them.
struct Others {
    /// Those of its lane, itself among them.
    lane: Vec<Waiting>,
    /// Segments of older ones that wait in its lane.
    before: u32,
    /// Segments of older ones that wait for its account.
    before_at_account: u32,
    /// Requests of its account that are not answered.
    on_their_way: usize,
    /// Whether all were looked at.
    all: bool,
}

impl Others {
    fn of(view: &impl View, id: MessageId, own: &Open, account: &str, looked_at_max: usize) -> Self {
        let numbers = &view.directory().numbers;
        let mut others =
            Self { lane: vec![own.waiting(id)], before: 0, before_at_account: 0, on_their_way: 0, all: true };
        let (mut from, mut looked_at) = (Vec::new(), 0);
        while looked_at < looked_at_max {
            let page = view.open_page(&from, PAGE.min(looked_at_max - looked_at));
            let Some((last, ..)) = page.last() else { return others };
            // The first key after this one.
            from = last.iter().copied().chain([0]).collect();
            looked_at += page.len();
            for (_, other, open) in page.iter().filter(|(_, other, _)| *other != id) {
                let older = if *other < id && !open.started { u32::from(open.segments) } else { 0 };
                if open.ours == own.ours {
                    others.lane.push(open.waiting(*other));
                    others.before += older;
                }
                if numbers.get(&open.ours).is_some_and(|number| number.account == account) {
                    others.before_at_account += older;
                    others.on_their_way += usize::from(open.started);
                }
            }
        }
        others.all = view.open_page(&from, 1).is_empty();
        others
    }
}

/// What holds a message besides its lane, by the arithmetic of the wait that is promised at accept.
fn held(view: &impl View, own: &Open, limits: &Limits, account: &str, others: &Others, now: Timestamp) -> Held {
    let of_account = view.directory().accounts.get(account).map(|account| &account.limits);
    let day = |whose: CapOwner, limits: &Limits, before: u32| {
        let count = view.day_count(&whose).with(limits, before, now);
        rate::cap_allows(limits, count, u32::from(own.segments), now)
    };
    let own_day = day(CapOwner::Number(own.ours), limits, others.before);
    let its_day = of_account.map(|limits| day(CapOwner::Account(account.to_owned()), limits, others.before_at_account));
    let rests = view.pause(own.ours).map(|pause| pause.until);
    let paused = view.trouble(account).and_then(|trouble| trouble.paused);
    let left_alone = paused.map(|paused| paused.until);
    let paused_until = rests.max(left_alone);
    let from = paused_until.unwrap_or_default().max(now);
    Held {
        paused_until,
        account_full: others.on_their_way >= room(paused.is_some()),
        day_ends_at: Some(own_day).max(its_day),
        account_free_at: of_account.map(|limits| {
            let empty_at = view.account_lane(account).empty_at;
            from + rate::wait(limits, empty_at, others.before_at_account, own.segments, from)
        }),
    }
}
