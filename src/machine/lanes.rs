//! What waits in the lanes, in which order, and for what.

use super::explain::{Others, held, suspension};
use super::view::{SendingQueries, View};
use crate::model::{E164, MessageId, MessageState, Timestamp};
use crate::rules::explain::{WaitingFor, explain};
use crate::rules::lane::{Lane, Waiting};
use std::collections::BTreeMap;

/// The open messages of all lanes.
pub struct Lanes {
    texts: BTreeMap<E164, Vec<Waiting>>,
}

/// What the next text of a lane waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LaneStatus {
    /// The cause that delays it longest; `suspended` also if no text waits.
    pub waiting_for: Option<WaitingFor>,
    /// When it is sent at the earliest, or the suspension ends; `None` if that is unknown or no text waits.
    pub until: Option<Timestamp>,
}

impl Lanes {
    /// The oldest open messages, at most `examined_max` over all lanes.
    pub fn of(view: &impl View, examined_max: usize) -> Self {
        let mut texts: BTreeMap<E164, Vec<Waiting>> = BTreeMap::new();
        for (id, open) in view.open().take(examined_max) {
            texts.entry(open.ours).or_default().push(open.waiting(id));
        }
        Self { texts }
    }

    /// The messages that wait, in the order in which they leave their lanes: of one lane, or of all by time.
    pub fn in_order(&self, view: &impl View, number: Option<E164>, now: Timestamp) -> Vec<MessageId> {
        let wanted = self.texts.keys().copied().filter(|ours| number.is_none_or(|number| number == *ours));
        let mut order: Vec<_> = wanted.flat_map(|ours| self.order_of(view, ours, now)).collect();
        // A stable sort: the lane's own order stays among texts of the same time.
        order.sort_by_key(|(at, _)| *at);
        order.into_iter().map(|(_, id)| id).collect()
    }

    fn order_of(&self, view: &impl View, ours: E164, now: Timestamp) -> Vec<(Timestamp, MessageId)> {
        let texts = self.texts.get(&ours).map_or(&[][..], Vec::as_slice);
        let limits = view.directory().limits_of(ours);
        Lane { texts, limits: &limits, empty_at: view.lane(ours).empty_at }.in_order(now)
    }

    /// What the next text of a lane waits for.
    pub fn status(&self, view: &impl View, ours: E164, now: Timestamp) -> LaneStatus {
        let directory = view.directory();
        let account = directory.account_of(ours).unwrap_or_default();
        if let Some(suspension) = suspension(view, ours, account) {
            return LaneStatus { waiting_for: Some(WaitingFor::Suspended), until: suspension.until };
        }
        let Some((_, first)) = self.order_of(view, ours, now).first().copied() else { return LaneStatus::default() };
        let lane = self.texts.get(&ours).cloned().unwrap_or_default();
        let Some(segments) = lane.iter().find(|text| text.id == first).map(|text| text.segments) else {
            return LaneStatus::default();
        };
        let mut others = Others { lane, before: 0, before_at_account: 0, in_flight: 0, all: true };
        let of_account = self.texts.iter().filter(|(other, _)| directory.account_of(**other) == Some(account));
        for text in of_account.flat_map(|(_, texts)| texts) {
            if text.started {
                others.in_flight += 1;
            } else if text.id < first {
                others.before_at_account += u32::from(text.segments);
            }
        }
        let held = held(view, ours, segments, account, &others, now);
        let limits = directory.limits_of(ours);
        let lane = Lane { texts: &others.lane, limits: &limits, empty_at: view.lane(ours).empty_at };
        let explained = explain(first, MessageState::Queued, &lane, &held, now);
        LaneStatus { waiting_for: explained.waiting_for, until: explained.due_at }
    }
}
