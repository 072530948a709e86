//! Checks of the events that endpoints received against the journal.

use super::world::{World, violation};
use offhook::machine::event::CommittedFrame;
use offhook::machine::show;
use offhook::machine::view::Queries;
use offhook::model::Position;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// A replay to an endpoint: its range, the watermark then, and when, in true time, it was requested.
pub(crate) struct Replay {
    pub(crate) endpoint: usize,
    pub(crate) range: Range<Position>,
    pub(crate) watermark: Position,
    pub(crate) at_ms: u64,
}

impl World {
    /// Requests a replay to an endpoint from a random position on.
    pub(crate) fn request_replay(&mut self, endpoint: usize) {
        let from = Position(1 + self.rng.below(self.running().next().0));
        let replay = self.gateway().replay(endpoint, from);
        let at_ms = self.time.elapsed_ms();
        self.replays.extend(replay.map(|(range, watermark)| Replay { endpoint, range, watermark, at_ms }));
    }
}

/// Every event before an endpoint's watermark is delivered or its call is parked, and a watermark never goes back.
pub(crate) fn i1_watermarks_only_pass_delivered_or_parked_events(world: &mut World) {
    let reads = world.gateway.as_ref().expect("the gateway is running").reads();
    for endpoint in &mut world.endpoints {
        let progress = reads.ask(|view| {
            let parked_calls: HashMap<_, _> = view.parked(endpoint.name).into_iter().collect();
            (view.watermark(endpoint.name).unwrap_or(Position(1)), parked_calls)
        });
        let (watermark, parked_calls) = progress.expect("the in-memory index is readable");
        if watermark < endpoint.watermark {
            violation("I1", format!("the watermark went back from {} to {}", endpoint.watermark.0, watermark.0));
        }
        let before = world.frames.iter().filter(|frame| frame.position < watermark);
        for header in
            before.flat_map(|frame| show::event_headers(frame)).filter(|header| endpoint.filter.takes(header.kind))
        {
            let parked = || parked_calls.get(&*header.thread()).is_some_and(|from| *from <= header.id.position());
            if !endpoint.acknowledged.contains(&header.id.to_string()) && !parked() {
                violation("I1", format!("{} {} is before the watermark but not acknowledged", header.id, header.kind));
            }
        }
        endpoint.watermark = watermark;
    }
}

/// Each replay requested of the last process delivered its events again, or gave up on them after repeated refusals.
/// Returns whether there was any.
pub(crate) fn a65_replays_are_delivered(world: &World, frames: &[Arc<CommittedFrame>]) -> bool {
    let mut any = false;
    for (index, endpoint) in world.endpoints.iter().enumerate() {
        let wanted = frames
            .iter()
            .flat_map(|frame| show::event_headers(frame))
            .filter(|header| endpoint.filter.takes(header.kind));
        for header in wanted {
            let (id, position) = (header.id.to_string(), header.id.position());
            let replays =
                || world.replays.iter().filter(|replay| replay.endpoint == index && replay.range.contains(&position));
            // Undelivered events come for the first time instead, and those past the watermark may come anyway. Events
            // not delivered by the current process were delivered by an earlier one.
            let known_ms = endpoint.known_ms.get(&id).copied();
            let due =
                |replay: &&Replay| position < replay.watermark && known_ms.is_none_or(|known| known < replay.at_ms);
            let least = replays().filter(due).count();
            let delivered = endpoint.replayed.get(&id).copied().unwrap_or(0);
            if !(least..=replays().count()).contains(&delivered) {
                violation(
                    "A65",
                    format!("{} got {id} {delivered} times by replay, expected at least {least}", endpoint.name),
                );
            }
            any |= least > 0;
        }
    }
    any
}

/// Each endpoint has the journal's events for it, byte for byte, and none that was lost with a process.
pub(crate) fn i1_i2_endpoints_have_exactly_the_journals_events(world: &World, frames: &[Arc<CommittedFrame>]) {
    for endpoint in &world.endpoints {
        let all = frames.iter().flat_map(|frame| show::rendered(frame));
        let wanted = all.filter(|event| endpoint.filter.takes(event.kind));
        let expected: BTreeMap<String, Vec<u8>> = wanted.map(|event| (event.id.to_string(), event.body)).collect();
        for (id, body) in &expected {
            match endpoint.events.get(id) {
                None => violation("I1", format!("{id} never reached {}", endpoint.name)),
                Some(received) if received != body => {
                    violation("I3", format!("{id} has different bytes at {}", endpoint.name))
                }
                // An event received but not acknowledged must be delivered again.
                Some(_) if !endpoint.acknowledged.contains(id) => {
                    violation(
                        "I1",
                        format!("{} has not acknowledged {id}, and it is not delivered again", endpoint.name),
                    );
                }
                Some(_) => {}
            }
        }
        if let Some(id) = endpoint.events.keys().find(|id| !expected.contains_key(*id)) {
            violation("I2", format!("{} got {id}, which is in no frame or not for it", endpoint.name));
        }
    }
}
