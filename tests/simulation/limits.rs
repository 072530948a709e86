//! Limits and ages that must hold in true time, whatever the wall clock shows.

use super::checks::events;
use super::world::{World, violation};
use offhook::machine::event::{CommittedFrame, Event};
use offhook::model::{E164, Kind, LocalDay, MessageId, MessageState, local_day};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// At most max(burst, largest message) + rate × window segments start in any window of true time.
pub(crate) fn i8_no_number_exceeds_its_rate(world: &World, frames: &[Arc<CommittedFrame>]) {
    let mut starts: BTreeMap<E164, Vec<(u64, u64)>> = BTreeMap::new();
    for (frame, event) in events(frames) {
        if let Event::SendStarted { message, .. } = &event.event {
            let at = world.decided_ms[&frame.position.0];
            starts.entry(message.ours).or_default().push((at, u64::from(message.segments)));
        }
    }
    let directory = world.running().reads().directory();
    for (ours, starts) in starts {
        let limits = &directory.numbers[&ours].limits;
        let Some(rate) = limits.millisegments_per_second.map(u64::from) else { continue };
        let largest = starts.iter().map(|(_, segments)| *segments).max().unwrap_or(0).max(u64::from(limits.burst));
        for (place, (begin, _)) in starts.iter().enumerate() {
            let mut sum = 0;
            for (at, segments) in &starts[place..] {
                sum += segments;
                let allowed = largest * 1_000_000 + rate * (at - begin);
                if sum * 1_000_000 > allowed {
                    let ms = at - begin;
                    violation(
                        "I8",
                        format!("{ours:?} started {sum} segments within {ms} ms from {begin} at {rate}/1000 per s"),
                    );
                }
            }
        }
    }
}

/// On no day, by the cap's time zone and the journal's clock, do more segments start than the daily cap of the number
/// or its account allows.
pub(crate) fn no_number_exceeds_its_daily_cap(world: &World, frames: &[Arc<CommittedFrame>]) {
    let directory = world.running().reads().directory();
    let mut days: BTreeMap<(String, LocalDay), (u32, u32)> = BTreeMap::new();
    for (frame, event) in events(frames) {
        let Event::SendStarted { message, .. } = &event.event else { continue };
        let number = &directory.numbers[&message.ours];
        let account = directory.accounts.get(&number.account).map(|account| (number.account.clone(), &account.limits));
        for (owner, limits) in [(message.ours.to_string(), &number.limits)].into_iter().chain(account) {
            let Some(cap) = limits.segments_per_day else { continue };
            let (day, _) = local_day(&limits.day_zone, frame.at);
            days.entry((owner, day)).or_insert((0, cap)).0 += u32::from(message.segments);
        }
    }
    if let Some(((owner, day), (sum, cap))) = days.iter().find(|(_, (sum, cap))| sum > cap) {
        violation("I8", format!("{owner} started {sum} segments on {day:?}, over its cap of {cap}"));
    }
}

/// No outbound text is queued longer than allowed, not counting time without a working process. In particular, a clock
/// set back by an hour delays nothing by an hour (G13).
pub(crate) fn no_text_is_queued_past_its_expiry(world: &World, frames: &[Arc<CommittedFrame>]) {
    let mut queued: HashMap<MessageId, (u64, Kind)> = HashMap::new();
    for (frame, event) in events(frames) {
        let at = world.decided_ms[&frame.position.0];
        let left = match &event.event {
            Event::MessageQueued { message, .. } => {
                queued.insert(message.id, (at, message.kind));
                continue;
            }
            Event::SendStarted { message, .. } => message,
            Event::MessageChanged { message, .. } if message.state == MessageState::Expired => message,
            _ => continue,
        };
        let Some((since, kind)) = queued.get(&left.id) else {
            violation("order", format!("{} was never queued", left.id))
        };
        let most = match kind {
            Kind::Closing | Kind::AutoReply | Kind::OptOutConfirmation => 60_000,
            _ => 120_000,
        };
        let stalled: u64 =
            world.stalled_ms.iter().map(|(from, to)| (*to).min(at).saturating_sub((*from).max(*since))).sum();
        // Expiry is checked once a second; for a text in flight, only when its attempt is answered.
        let allowed = most + stalled + if left.attempts.is_empty() { 1_000 } else { 20_000 };
        if at - since > allowed {
            violation("G13", format!("{} was queued for {} ms, over {allowed} ms", left.id, at - since));
        }
    }
}
