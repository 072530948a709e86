//! What must hold in true time, whatever the wall's clock showed: limits and ages.

use super::checks::facts;
use super::world::{World, violation};
use offhook::machine::event::{CommittedFrame, Event};
use offhook::model::{E164, Kind, LocalDay, MessageId, MessageState, local_day};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// At most max(burst, largest message) + rate × window segments start in any window of true time.
pub(crate) fn i8_no_number_is_over_its_limit(world: &World, stories: &[Arc<CommittedFrame>]) {
    let mut starts: BTreeMap<E164, Vec<(u64, u64)>> = BTreeMap::new();
    for (story, event) in facts(stories) {
        if let Event::SendStarted { message, .. } = &event.fact {
            let at = world.decided_ms[&story.position.0];
            starts.entry(message.ours).or_default().push((at, u64::from(message.segments)));
        }
    }
    let directory = world.living().reads().directory();
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
                        format!("{ours:?} began {sum} segments within {ms} ms from {begin} at {rate}/1000 per s"),
                    );
                }
            }
        }
    }
}

/// No more segments start on a day, as the cap's zone and the journal's time tell it, than the cap of the number allows,
/// or that of its account.
pub(crate) fn no_number_is_over_its_days_cap(world: &World, stories: &[Arc<CommittedFrame>]) {
    let directory = world.living().reads().directory();
    let mut days: BTreeMap<(String, LocalDay), (u32, u32)> = BTreeMap::new();
    for (story, event) in facts(stories) {
        let Event::SendStarted { message, .. } = &event.fact else { continue };
        let number = &directory.numbers[&message.ours];
        let account = directory.accounts.get(&number.account).map(|account| (number.account.clone(), &account.limits));
        for (whose, limits) in [(message.ours.to_string(), &number.limits)].into_iter().chain(account) {
            let Some(cap) = limits.segments_per_day else { continue };
            let (day, _) = local_day(&limits.day_zone, story.at);
            days.entry((whose, day)).or_insert((0, cap)).0 += u32::from(message.segments);
        }
    }
    if let Some(((whose, day), (sum, cap))) = days.iter().find(|(_, (sum, cap))| sum > cap) {
        violation("I8", format!("{whose} began {sum} segments on {day:?}, and its cap is {cap}"));
    }
}

/// A text of ours is in its lane for no longer than it may be, not counting the time in which nobody could look at it.
/// In particular a clock that is set back by an hour holds nothing back for an hour (G13).
pub(crate) fn no_text_waits_beyond_its_time(world: &World, stories: &[Arc<CommittedFrame>]) {
    let mut queued: HashMap<MessageId, (u64, Kind)> = HashMap::new();
    for (story, event) in facts(stories) {
        let at = world.decided_ms[&story.position.0];
        let left = match &event.fact {
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
        let still: u64 =
            world.still_ms.iter().map(|(from, to)| (*to).min(at).saturating_sub((*from).max(*since))).sum();
        // The machine is told once a second that a text is too old; one whose attempt is under way is known to be only
        // when that is answered.
        let allowed = most + still + if left.attempts.is_empty() { 1_000 } else { 20_000 };
        if at - since > allowed {
            violation("G13", format!("{} was in its lane for {} ms and may for {allowed}", left.id, at - since));
        }
    }
}
