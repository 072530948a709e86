//! Checks the gateway's guarantees (I1 to I6) after a test run.
//!
//! Invariant: it relies on what the simulated carriers and the platform saw, and of the gateway's own statements only
//! on message states (I5). It reads records only, so it can be run again, and it is tested with worlds in which each
//! guarantee is violated: a checker that cannot fail proves nothing.
//!
//! Requirements for a run:
//! * Texts from phones are identified by (from, to, text), so mark each one (`Phone::marked`). `message.late` carries
//!   no text; late events are counted by (from, to) and can stand for missing texts of that pair.
//! * Sends are identified by the message id in their `StatusCallback`; without one by (from, to, text).
//! * The gateway is idle: nothing is in flight any more.
//! * No text is dropped by a setting (`drop_non_us_inbound`) or quarantined: both leave no event to count.

#[cfg(test)]
mod tests;
mod violation;

pub use self::violation::Violation;

use super::carrier::{CarrierRecord, News, Post, PostAnswer, Webhook};
use super::platform::{AcceptedSend, Delivery, PlatformRecord};
use crate::model::E164;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Everything known about a run from outside.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Webhooks of all carriers, including forgeries, with the gateway's responses.
    pub webhooks: Vec<Webhook>,
    /// Sends read by the carriers.
    pub posts: Vec<Post>,
    /// Events in the order of arrival at the platform, including repeats and those it did not accept.
    pub deliveries: Vec<Delivery>,
    /// Events visible in `/v1/events` but not yet pushed. They count as kept (I1).
    pub waiting: Vec<Delivery>,
    /// Sends answered with 202, each with the final state shown by the gateway.
    pub sends: Vec<AcceptedSend>,
    /// Entries beyond the records' limits. A run with any is rejected.
    pub unrecorded: u64,
    /// The run was shorter than the deadline for a receipt (10 minutes, 72 hours): a message with an unclear
    /// response, or whose last receipt the gateway has not acknowledged, may still be `sending` or `sent`.
    pub receipts_may_be_due: bool,
}

impl Observed {
    /// Combines the records of carriers and platform and the accepted sends of a run.
    pub fn new(carriers: Vec<CarrierRecord>, platform: PlatformRecord, sends: Vec<AcceptedSend>) -> Self {
        let mut observed =
            Self { deliveries: platform.deliveries, sends, unrecorded: platform.unrecorded, ..Self::default() };
        for carrier in carriers {
            observed.webhooks.extend(carrier.webhooks);
            observed.posts.extend(carrier.posts);
            observed.unrecorded += carrier.unrecorded;
        }
        observed
    }
}

/// Every violated guarantee; empty if all were kept.
pub fn check(observed: &Observed) -> Vec<Violation> {
    let mut violations = Vec::new();
    if observed.unrecorded > 0 {
        violations.push(Violation::RecordIncomplete { unrecorded: observed.unrecorded });
    }
    let reported = Reported::gather(observed);
    texts_arrive_once(observed, &reported, &mut violations);
    receipts_are_backed(observed, &reported, &mut violations);
    events_keep_their_bytes(observed, &mut violations);
    calls_are_in_order(observed, &mut violations);
    sends_end_once(observed, &reported, &mut violations);
    sends_reach_the_carrier_once(observed, &mut violations);
    cancelled_messages_are_not_sent(observed, &reported, &mut violations);
    let forged = observed.webhooks.iter().filter(|webhook| !webhook.genuine && webhook.acknowledged());
    violations.extend(forged.map(|webhook| Violation::ForgeryAcknowledged { sid: webhook.sid.clone() }));
    let replied = observed.webhooks.iter().filter(|webhook| webhook.replied);
    violations.extend(replied.map(|webhook| Violation::TextInAcknowledgement { sid: webhook.sid.clone() }));
    violations
}

type Pair = (E164, E164);

/// What the platform received (or could pull), each event once.
#[derive(Default)]
struct Reported {
    /// Number of `message.received` events by pair and text.
    received: HashMap<(Pair, String), usize>,
    /// Number of `message.late` events by pair.
    late: HashMap<Pair, usize>,
    /// Outbound messages the platform has events of, each with its reported final states, in order.
    ended: BTreeMap<String, Vec<Final>>,
}

/// A final state of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Final {
    Delivered,
    Undelivered,
    Failed,
    Cancelled,
    Expired,
    Unconfirmed,
}

impl Final {
    fn read(state: &str) -> Option<Self> {
        Some(match state {
            "delivered" => Self::Delivered,
            "undelivered" => Self::Undelivered,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            "expired" => Self::Expired,
            "unconfirmed" => Self::Unconfirmed,
            _ => return None,
        })
    }

    /// A receipt may still replace `unconfirmed` and `expired` (A54); nothing else is replaced.
    fn gives_way_to(self, next: Self) -> bool {
        let by_receipt = matches!(next, Self::Delivered | Self::Undelivered | Self::Failed);
        matches!(self, Self::Unconfirmed | Self::Expired) && by_receipt
    }
}

impl Reported {
    fn gather(observed: &Observed) -> Self {
        let mut reported = Self::default();
        let mut seen = HashSet::new();
        let kept = observed.deliveries.iter().filter(|delivery| delivery.taken).chain(&observed.waiting);
        for delivery in kept.filter(|delivery| seen.insert(delivery.id.as_str())) {
            let event = delivery.json();
            let data = &event["data"];
            match delivery.kind.as_str() {
                "message.received" => {
                    if let Some(pair) = pair(data) {
                        let text = data["text"].as_str().unwrap_or_default().to_owned();
                        *reported.received.entry((pair, text)).or_default() += 1;
                    }
                }
                "message.late" => {
                    if let Some(pair) = pair(data) {
                        *reported.late.entry(pair).or_default() += 1;
                    }
                }
                kind => reported.outbound_event(kind, data),
            }
        }
        reported
    }

    fn outbound_event(&mut self, kind: &str, data: &Value) {
        let Some(state) = kind.strip_prefix("message.") else { return };
        let Some(id) = data["id"].as_str() else { return };
        self.ended.entry(id.to_owned()).or_default().extend(Final::read(state));
    }
}

fn pair(data: &Value) -> Option<Pair> {
    Some((data["from"].as_str()?.parse().ok()?, data["to"].as_str()?.parse().ok()?))
}

/// Texts of one pair as the carriers recorded them.
#[derive(Default)]
struct Received<'a> {
    /// Text → sids acknowledged by the gateway, and all sids posted with a valid signature.
    by_text: BTreeMap<&'a str, (BTreeSet<&'a str>, BTreeSet<&'a str>)>,
}

/// I1: an acknowledged text has its event. I2: an event has its text, posted with a valid signature. A53: each text
/// has one event.
fn texts_arrive_once(observed: &Observed, reported: &Reported, violations: &mut Vec<Violation>) {
    let mut by_pair: BTreeMap<Pair, Received<'_>> = BTreeMap::new();
    for webhook in observed.webhooks.iter().filter(|webhook| webhook.genuine) {
        let News::Text { from, to, text, .. } = &webhook.news else { continue };
        let sids = by_pair.entry((*from, *to)).or_default().by_text.entry(text).or_default();
        sids.1.insert(&webhook.sid);
        if webhook.acknowledged() {
            sids.0.insert(&webhook.sid);
        }
    }
    for (pair, texts) in &by_pair {
        let late = reported.late.get(pair).copied().unwrap_or(0);
        let mut missing: Vec<&str> = Vec::new();
        // A received text leaves one webhook fewer that a late event can stand for.
        let mut left_for_late = 0;
        for (text, (acknowledged, shown)) in &texts.by_text {
            let received = reported.received.get(&(*pair, (*text).to_owned())).copied().unwrap_or(0);
            missing.extend(acknowledged.iter().skip(received));
            left_for_late += shown.len().saturating_sub(received);
            if received > shown.len() {
                violations.push(Violation::DuplicateEvents {
                    from: pair.0,
                    to: pair.1,
                    webhooks: shown.len(),
                    events: received,
                });
            }
        }
        if missing.len() > late {
            let sids = missing.iter().map(|sid| (*sid).to_owned()).collect();
            violations.push(Violation::Lost { from: pair.0, to: pair.1, missing: missing.len() - late, sids });
        }
        if late > left_for_late {
            violations.push(Violation::DuplicateEvents {
                from: pair.0,
                to: pair.1,
                webhooks: left_for_late,
                events: late,
            });
        }
    }
    let unsent_text = |pair: &Pair, text: &str| by_pair.get(pair).is_none_or(|texts| !texts.by_text.contains_key(text));
    for ((pair, _), events) in reported.received.iter().filter(|((pair, text), _)| unsent_text(pair, text)) {
        violations.push(Violation::UnsentText { from: pair.0, to: pair.1, events: *events });
    }
    for (pair, events) in reported.late.iter().filter(|(pair, _)| !by_pair.contains_key(pair)) {
        violations.push(Violation::UnsentText { from: pair.0, to: pair.1, events: *events });
    }
}

/// I2 for receipts: `delivered` and `undelivered` are reported only if the carrier posted them.
fn receipts_are_backed(observed: &Observed, reported: &Reported, violations: &mut Vec<Violation>) {
    let mut posted: HashSet<(&str, Option<Final>)> = HashSet::new();
    for webhook in observed.webhooks.iter().filter(|webhook| webhook.genuine) {
        if let News::Receipt { status, message_id: Some(id), .. } = &webhook.news {
            posted.insert((id, Final::read(status)));
        }
    }
    for (id, finals) in &reported.ended {
        // Some carriers have one word for what failed and what was not delivered.
        let posted = |state| posted.contains(&(id.as_str(), Some(state)));
        let unbacked = |state: &&Final| match state {
            Final::Delivered => !posted(Final::Delivered),
            Final::Undelivered => !posted(Final::Undelivered) && !posted(Final::Failed),
            _ => false,
        };
        if finals.iter().any(|state| unbacked(&state)) {
            violations.push(Violation::UnbackedReceipt { message: id.clone() });
        }
    }
}

/// I3: an event has the same bytes each time it is delivered, and contains its own id.
fn events_keep_their_bytes(observed: &Observed, violations: &mut Vec<Violation>) {
    let mut first: HashMap<&str, &Delivery> = HashMap::new();
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    for delivery in &observed.deliveries {
        let known = first.entry(&delivery.id).or_insert(delivery);
        if known.bytes != delivery.bytes && reported.insert(&delivery.id) {
            violations.push(Violation::BytesChanged { event: delivery.id.clone() });
        }
    }
    for delivery in first.values().filter(|delivery| delivery.json()["id"] != *delivery.id) {
        violations.push(Violation::IdDiffers { event: delivery.id.clone() });
    }
}

/// I4: the events of a call that the platform accepted, each once, are numbered 1, 2, 3 … in order of arrival.
fn calls_are_in_order(observed: &Observed, violations: &mut Vec<Violation>) {
    let mut seen = HashSet::new();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    let mut broken: HashSet<&str> = HashSet::new();
    for delivery in observed.deliveries.iter().filter(|delivery| delivery.taken) {
        let Some(call) = delivery.call_id.as_deref() else { continue };
        if !seen.insert(delivery.id.as_str()) || broken.contains(call) {
            continue;
        }
        let expected = next.entry(call).or_insert(1);
        if delivery.call_sequence == Some(*expected) {
            *expected += 1;
        } else {
            // One violation per call: after the first, everything else is out of order too.
            broken.insert(call);
            violations.push(Violation::OutOfOrder {
                call: call.to_owned(),
                expected: *expected,
                came: delivery.call_sequence,
            });
        }
    }
}

/// I5: every outbound message gets one final state, and the platform is notified.
fn sends_end_once(observed: &Observed, reported: &Reported, violations: &mut Vec<Violation>) {
    let shown: HashMap<&str, Option<&str>> =
        observed.sends.iter().map(|send| (send.id.as_str(), send.state.as_deref())).collect();
    let excused = if observed.receipts_may_be_due { still_waiting(observed) } else { HashSet::new() };
    let nothing = Vec::new();
    let ours: BTreeSet<&str> = reported.ended.keys().map(String::as_str).chain(shown.keys().copied()).collect();
    for id in ours {
        let finals = reported.ended.get(id).unwrap_or(&nothing);
        let message = || id.to_owned();
        if finals.windows(2).any(|two| !two[0].gives_way_to(two[1])) {
            violations.push(Violation::EndedTwice { message: message() });
        }
        match (finals.last(), shown.get(id).copied().flatten()) {
            (None, state) => {
                if let Some(state) = state.filter(|state| Final::read(state).is_some()) {
                    violations.push(Violation::FinalStateNotReported { message: message(), state: state.to_owned() });
                } else if !excused.contains(id) {
                    violations.push(Violation::NeverEnded { message: message(), state: state.map(str::to_owned) });
                }
            }
            (Some(last), Some(state)) if Final::read(state) != Some(*last) => {
                violations.push(Violation::FinalStateNotReported { message: message(), state: state.to_owned() });
            }
            (Some(_), _) => {}
        }
    }
}

/// Messages that the carrier may have accepted and whose last receipt the gateway has not acknowledged.
fn still_waiting(observed: &Observed) -> HashSet<&str> {
    let settled: HashSet<&str> = (observed.webhooks.iter().filter(|webhook| webhook.genuine && webhook.acknowledged()))
        .filter_map(|webhook| match &webhook.news {
            News::Receipt { status, message_id, .. } => Final::read(status).and(message_id.as_deref()),
            News::Text { .. } => None,
        })
        .collect();
    let open = observed.posts.iter().filter(|post| !matches!(post.answer, PostAnswer::No { .. }));
    open.filter_map(|post| post.message_id.as_deref()).filter(|id| !settled.contains(id)).collect()
}

/// Identifies posts of the same message: a message id, or without one the pair and the text.
type Attempted<'a> = (Option<&'a str>, Option<(Pair, &'a str)>);

/// I6: a message is not posted again unless the carrier refused it.
fn sends_reach_the_carrier_once(observed: &Observed, violations: &mut Vec<Violation>) {
    let mut posts: BTreeMap<Attempted<'_>, Vec<&Post>> = BTreeMap::new();
    for post in &observed.posts {
        let id = post.message_id.as_deref();
        let otherwise = id.is_none().then_some(((post.from, post.to), &*post.text));
        posts.entry((id, otherwise)).or_default().push(post);
    }
    for ((message, _), posts) in posts {
        let refused = |post: &&&Post| matches!(post.answer, PostAnswer::No { .. });
        let after_the_noes = posts.len() - posts.iter().take_while(refused).count();
        if after_the_noes > 1 {
            let (from, to) = (posts[0].from, posts[0].to);
            violations.push(Violation::SentAgain { message: message.map(str::to_owned), from, to, posts: posts.len() });
        }
        if posts.iter().any(|post| (post.from, post.to, &post.text) != (posts[0].from, posts[0].to, &posts[0].text)) {
            violations.push(Violation::SentDifferently { message: message.map(str::to_owned) });
        }
    }
}

/// I5: a message reported as cancelled was never accepted by a carrier, whatever its response was.
fn cancelled_messages_are_not_sent(observed: &Observed, reported: &Reported, violations: &mut Vec<Violation>) {
    let taken: HashSet<&str> = (observed.posts.iter().filter(|post| post.sid.is_some()))
        .filter_map(|post| post.message_id.as_deref())
        .collect();
    for (id, finals) in &reported.ended {
        if finals.contains(&Final::Cancelled) && taken.contains(id.as_str()) {
            violations.push(Violation::SentAfterCancel { message: id.clone() });
        }
    }
}
