//! The one checker of what a gateway promises (I1 to I6), for every run that can go wrong.
//!
//! Invariant: it believes what the simulated carriers and the platform saw, and nothing the gateway says of itself but
//! the states of messages (I5). It reads records only, so it can be run again,
//! and it is tested with worlds in which each promise is broken: a checker that cannot fail shows nothing.
//!
//! What it needs of a run:
//! * Texts from phones are told apart by (from, to, text), so mark each (`Phone::marked`). `message.late` carries no
//!   text; late ones are counted by (from, to) and fill what is missing of that pair.
//! * Sends are told apart by the message id in their `StatusCallback`; one without it by (from, to, text).
//! * The gateway is quiet: everything that was going to happen has happened.
//! * No text is dropped by a setting (`drop_non_us_inbound`) or quarantined: neither leaves an event to count.

#[cfg(test)]
mod tests;
mod violation;

pub use self::violation::Violation;

use super::carrier::{CarrierRecord, News, Post, PostAnswer, Webhook};
use super::platform::{AcceptedSend, Delivery, PlatformRecord};
use crate::model::E164;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Everything that is known of a run, from outside.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Webhooks of all carriers, forgeries included, with the gateway's answers.
    pub webhooks: Vec<Webhook>,
    /// Sends the carriers read.
    pub posts: Vec<Post>,
    /// Events in the order they reached the platform, repeats and those it did not take included.
    pub deliveries: Vec<Delivery>,
    /// Events that wait where people can see them: pulled from `/v1/events`, not yet pushed. They count as kept (I1).
    pub waiting: Vec<Delivery>,
    /// Sends answered with 202, with the state the gateway shows for each at the end.
    pub sends: Vec<AcceptedSend>,
    /// What the records had no room for. Such a world is not believed.
    pub unrecorded: u64,
    /// The run was shorter than the wait for a receipt (10 minutes, 72 hours): a message whose answer was unclear, or
    /// of which the gateway has acknowledged no last receipt, may still be `sending` or `sent`.
    pub receipts_may_be_due: bool,
}

impl World {
    /// Puts a run together from the records of its carriers and its platform, and the sends it accepted.
    pub fn new(carriers: Vec<CarrierRecord>, platform: PlatformRecord, sends: Vec<AcceptedSend>) -> Self {
        let mut world =
            Self { deliveries: platform.deliveries, sends, unrecorded: platform.unrecorded, ..Self::default() };
        for carrier in carriers {
            world.webhooks.extend(carrier.webhooks);
            world.posts.extend(carrier.posts);
            world.unrecorded += carrier.unrecorded;
        }
        world
    }
}

/// Every promise that was broken; empty where all were kept.
pub fn check(world: &World) -> Vec<Violation> {
    let mut violations = Vec::new();
    if world.unrecorded > 0 {
        violations.push(Violation::RecordIncomplete { unrecorded: world.unrecorded });
    }
    let told = Told::gather(world);
    texts_arrive_once(world, &told, &mut violations);
    receipts_are_backed(world, &told, &mut violations);
    events_keep_their_bytes(world, &mut violations);
    calls_are_in_order(world, &mut violations);
    sends_end_once(world, &told, &mut violations);
    sends_reach_the_carrier_once(world, &mut violations);
    what_was_taken_back_stays_back(world, &told, &mut violations);
    let forged = world.webhooks.iter().filter(|webhook| !webhook.genuine && webhook.acknowledged());
    violations.extend(forged.map(|webhook| Violation::ForgeryThankedFor { sid: webhook.sid.clone() }));
    let spoke = world.webhooks.iter().filter(|webhook| webhook.replied);
    violations.extend(spoke.map(|webhook| Violation::SpokeInAnAcknowledgement { sid: webhook.sid.clone() }));
    violations
}

type Pair = (E164, E164);

/// What the platform was told (or could read), each event once.
#[derive(Default)]
struct Told {
    /// `message.received`: how many with this text.
    received: HashMap<(Pair, String), usize>,
    /// `message.late`: how many of this pair.
    late: HashMap<Pair, usize>,
    /// Messages of ours the platform heard of, and the last states it was told, in order.
    ended: BTreeMap<String, Vec<Final>>,
}

/// A state a message ends in.
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

    /// `unconfirmed` and `expired` give way to a receipt (A54); nothing else gives way.
    fn gives_way_to(self, next: Self) -> bool {
        let by_receipt = matches!(next, Self::Delivered | Self::Undelivered | Self::Failed);
        matches!(self, Self::Unconfirmed | Self::Expired) && by_receipt
    }
}

impl Told {
    fn gather(world: &World) -> Self {
        let mut told = Self::default();
        let mut seen = HashSet::new();
        let kept = world.deliveries.iter().filter(|delivery| delivery.taken).chain(&world.waiting);
        for delivery in kept.filter(|delivery| seen.insert(delivery.id.as_str())) {
            let event = delivery.json();
            let data = &event["data"];
            match delivery.kind.as_str() {
                "message.received" => {
                    if let Some(pair) = pair(data) {
                        let text = data["text"].as_str().unwrap_or_default().to_owned();
                        *told.received.entry((pair, text)).or_default() += 1;
                    }
                }
                "message.late" => {
                    if let Some(pair) = pair(data) {
                        *told.late.entry(pair).or_default() += 1;
                    }
                }
                kind => told.hear_of_ours(kind, data),
            }
        }
        told
    }

    fn hear_of_ours(&mut self, kind: &str, data: &Value) {
        let Some(state) = kind.strip_prefix("message.") else { return };
        let Some(id) = data["id"].as_str() else { return };
        self.ended.entry(id.to_owned()).or_default().extend(Final::read(state));
    }
}

fn pair(data: &Value) -> Option<Pair> {
    Some((data["from"].as_str()?.parse().ok()?, data["to"].as_str()?.parse().ok()?))
}

/// Texts of one pair as the carriers had them.
#[derive(Default)]
struct Heard<'a> {
    /// Text → sids the gateway has thanked for, and sids it was shown with a good signature.
    by_text: BTreeMap<&'a str, (BTreeSet<&'a str>, BTreeSet<&'a str>)>,
}

/// I1: what was thanked for is there. I2: what is there was said, with a good signature. A53: once.
fn texts_arrive_once(world: &World, told: &Told, violations: &mut Vec<Violation>) {
    let mut heard: BTreeMap<Pair, Heard<'_>> = BTreeMap::new();
    for webhook in world.webhooks.iter().filter(|webhook| webhook.genuine) {
        let News::Text { from, to, text, .. } = &webhook.news else { continue };
        let sids = heard.entry((*from, *to)).or_default().by_text.entry(text).or_default();
        sids.1.insert(&webhook.sid);
        if webhook.acknowledged() {
            sids.0.insert(&webhook.sid);
        }
    }
    for (pair, heard) in &heard {
        let late = told.late.get(pair).copied().unwrap_or(0);
        let mut missing: Vec<&str> = Vec::new();
        // A text that was received leaves one webhook fewer that a late event can stand for.
        let mut left_for_late = 0;
        for (text, (thanked, shown)) in &heard.by_text {
            let received = told.received.get(&(*pair, (*text).to_owned())).copied().unwrap_or(0);
            missing.extend(thanked.iter().skip(received));
            left_for_late += shown.len().saturating_sub(received);
            if received > shown.len() {
                violations.push(Violation::TakenTwice {
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
            violations.push(Violation::TakenTwice { from: pair.0, to: pair.1, webhooks: left_for_late, events: late });
        }
    }
    let never_said = |pair: &Pair, text: &str| heard.get(pair).is_none_or(|heard| !heard.by_text.contains_key(text));
    for ((pair, _), events) in told.received.iter().filter(|((pair, text), _)| never_said(pair, text)) {
        violations.push(Violation::NeverSaid { from: pair.0, to: pair.1, events: *events });
    }
    for (pair, events) in told.late.iter().filter(|(pair, _)| !heard.contains_key(pair)) {
        violations.push(Violation::NeverSaid { from: pair.0, to: pair.1, events: *events });
    }
}

/// I2 for receipts: `delivered` and `undelivered` are the carrier's words, so it must have said them.
fn receipts_are_backed(world: &World, told: &Told, violations: &mut Vec<Violation>) {
    let mut said: HashSet<(&str, Option<Final>)> = HashSet::new();
    for webhook in world.webhooks.iter().filter(|webhook| webhook.genuine) {
        if let News::Receipt { status, message_id: Some(id), .. } = &webhook.news {
            said.insert((id, Final::read(status)));
        }
    }
    for (id, finals) in &told.ended {
        let unbacked = |state: &&Final| {
            matches!(state, Final::Delivered | Final::Undelivered) && !said.contains(&(id.as_str(), Some(**state)))
        };
        if finals.iter().any(|state| unbacked(&state)) {
            violations.push(Violation::ReceiptNeverSaid { message: id.clone() });
        }
    }
}

/// I3: an event is the same bytes each time it comes, and says its own id.
fn events_keep_their_bytes(world: &World, violations: &mut Vec<Violation>) {
    let mut first: HashMap<&str, &Delivery> = HashMap::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for delivery in &world.deliveries {
        let known = first.entry(&delivery.id).or_insert(delivery);
        if known.bytes != delivery.bytes && told.insert(&delivery.id) {
            violations.push(Violation::BytesChanged { event: delivery.id.clone() });
        }
    }
    for delivery in first.values().filter(|delivery| delivery.json()["id"] != *delivery.id) {
        violations.push(Violation::IdDiffers { event: delivery.id.clone() });
    }
}

/// I4: the events of a call that the platform took, each once, are numbered 1, 2, 3 … as they came.
fn calls_are_in_order(world: &World, violations: &mut Vec<Violation>) {
    let mut seen = HashSet::new();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    let mut broken: HashSet<&str> = HashSet::new();
    for delivery in world.deliveries.iter().filter(|delivery| delivery.taken) {
        let Some(call) = delivery.call_id.as_deref() else { continue };
        if !seen.insert(delivery.id.as_str()) || broken.contains(call) {
            continue;
        }
        let expected = next.entry(call).or_insert(1);
        if delivery.call_sequence == Some(*expected) {
            *expected += 1;
        } else {
            // One breach a call: after the first, everything else is out of order too.
            broken.insert(call);
            violations.push(Violation::OutOfOrder {
                call: call.to_owned(),
                expected: *expected,
                came: delivery.call_sequence,
            });
        }
    }
}

/// I5: every message of ours ends, once, and the platform is told.
fn sends_end_once(world: &World, told: &Told, violations: &mut Vec<Violation>) {
    let shown: HashMap<&str, Option<&str>> =
        world.sends.iter().map(|send| (send.id.as_str(), send.state.as_deref())).collect();
    let excused = if world.receipts_may_be_due { still_waiting(world) } else { HashSet::new() };
    let nothing = Vec::new();
    let ours: BTreeSet<&str> = told.ended.keys().map(String::as_str).chain(shown.keys().copied()).collect();
    for id in ours {
        let finals = told.ended.get(id).unwrap_or(&nothing);
        let message = || id.to_owned();
        if finals.windows(2).any(|two| !two[0].gives_way_to(two[1])) {
            violations.push(Violation::EndedTwice { message: message() });
        }
        match (finals.last(), shown.get(id).copied().flatten()) {
            (None, state) => {
                if let Some(state) = state.filter(|state| Final::read(state).is_some()) {
                    violations.push(Violation::EndNotTold { message: message(), state: state.to_owned() });
                } else if !excused.contains(id) {
                    violations.push(Violation::NeverEnded { message: message(), state: state.map(str::to_owned) });
                }
            }
            (Some(last), Some(state)) if Final::read(state) != Some(*last) => {
                violations.push(Violation::EndNotTold { message: message(), state: state.to_owned() });
            }
            (Some(_), _) => {}
        }
    }
}

/// Messages the carrier may have taken and whose last receipt the gateway has not acknowledged.
fn still_waiting(world: &World) -> HashSet<&str> {
    let settled: HashSet<&str> = (world.webhooks.iter().filter(|webhook| webhook.genuine && webhook.acknowledged()))
        .filter_map(|webhook| match &webhook.news {
            News::Receipt { status, message_id, .. } => Final::read(status).and(message_id.as_deref()),
            News::Text { .. } => None,
        })
        .collect();
    let open = world.posts.iter().filter(|post| !matches!(post.answer, PostAnswer::No { .. }));
    open.filter_map(|post| post.message_id.as_deref()).filter(|id| !settled.contains(id)).collect()
}

/// What posts belong together: a message id, or, where there is none, the pair and the text.
type Attempted<'a> = (Option<&'a str>, Option<(Pair, &'a str)>);

/// I6: a carrier that did not say no is not asked again.
fn sends_reach_the_carrier_once(world: &World, violations: &mut Vec<Violation>) {
    let mut posts: BTreeMap<Attempted<'_>, Vec<&Post>> = BTreeMap::new();
    for post in &world.posts {
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

/// I5: a message the platform was told is cancelled was never taken by a carrier, whatever it answered.
fn what_was_taken_back_stays_back(world: &World, told: &Told, violations: &mut Vec<Violation>) {
    let taken: HashSet<&str> =
        (world.posts.iter().filter(|post| post.sid.is_some())).filter_map(|post| post.message_id.as_deref()).collect();
    for (id, finals) in &told.ended {
        if finals.contains(&Final::Cancelled) && taken.contains(id.as_str()) {
            violations.push(Violation::SentThoughTakenBack { message: id.clone() });
        }
    }
}
