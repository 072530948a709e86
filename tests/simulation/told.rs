//! What the platform's endpoints were told, against the journal.

use super::world::{World, violation};
use offhook::machine::event::CommittedFrame;
use offhook::machine::show;
use offhook::machine::view::Queries;
use offhook::model::Position;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// What an endpoint is to be told once more, and when, in true time, somebody asked for it.
pub(crate) struct OnceMore {
    pub(crate) place: usize,
    pub(crate) told: Range<Position>,
    pub(crate) watermark: Position,
    pub(crate) at_ms: u64,
}

impl World {
    /// An endpoint is to be told once more what it was told from somewhere on.
    pub(crate) fn somebody_asks_again(&mut self, place: usize) {
        let from = Position(1 + self.dice.below(self.living().next().0));
        let told = self.gateway().replay(place, from);
        let at_ms = self.time.elapsed_ms();
        self.replays.extend(told.map(|(told, watermark)| OnceMore { place, told, watermark, at_ms }));
    }
}

/// Whatever is before an endpoint's watermark it has, or the call is parked; and a watermark never goes back.
pub(crate) fn i1_watermarks_stand_before_all_that_is_undelivered(world: &mut World) {
    let reads = world.gateway.as_ref().expect("somebody lives").reads();
    for endpoint in &mut world.endpoints {
        let standing = reads.ask(|view| {
            let parked: HashMap<_, _> = view.parked(endpoint.name, None, usize::MAX).into_iter().collect();
            (view.watermark(endpoint.name).unwrap_or(Position(1)), parked)
        });
        let (watermark, parked) = standing.expect("the index in memory can be read");
        if watermark < endpoint.watermark {
            violation("I1", format!("the watermark went back from {} to {}", endpoint.watermark.0, watermark.0));
        }
        let before = world.stories.iter().filter(|story| story.position < watermark);
        for head in before.flat_map(|story| show::event_headers(story)).filter(|head| endpoint.filter.takes(head.kind))
        {
            let left = || parked.get(&*head.thread()).is_some_and(|from| *from <= head.id.position());
            if !endpoint.thanked.contains(&head.id.to_string()) && !left() {
                violation("I1", format!("{} {} is before the watermark and nobody thanked for it", head.id, head.kind));
            }
        }
        endpoint.watermark = watermark;
    }
}

/// Each time that somebody asked for something once more in the last life, what was known to be delivered came once more,
/// or was refused so often that it was given up. Returns whether there was such a thing.
pub(crate) fn a65_what_was_asked_for_once_more_came_once_more(world: &World, stories: &[Arc<CommittedFrame>]) -> bool {
    let mut asked = false;
    for (place, endpoint) in world.endpoints.iter().enumerate() {
        let wanted =
            stories.iter().flat_map(|story| show::event_headers(story)).filter(|head| endpoint.filter.takes(head.kind));
        for head in wanted {
            let (id, position) = (head.id.to_string(), head.id.position());
            let asks = || world.replays.iter().filter(|ask| ask.place == place && ask.told.contains(&position));
            // What waits to be delivered comes for the first time instead, and what was delivered past the watermark may
            // come anyhow. Of what no process of this life delivered the one before has known.
            let known_ms = endpoint.known_ms.get(&id).copied();
            let knew = |ask: &&OnceMore| position < ask.watermark && known_ms.is_none_or(|known| known < ask.at_ms);
            let least = asks().filter(knew).count();
            let came = endpoint.again.get(&id).copied().unwrap_or(0);
            if !(least..=asks().count()).contains(&came) {
                violation(
                    "A65",
                    format!("{} is to hear {id} {least} times more and heard it {came} times", endpoint.name),
                );
            }
            asked |= least > 0;
        }
    }
    asked
}

/// What the journal tells an endpoint it has, byte for byte; and it heard of nothing that was lost with a process.
pub(crate) fn i1_i2_endpoints_have_the_journals_events_and_no_others(world: &World, stories: &[Arc<CommittedFrame>]) {
    for endpoint in &world.endpoints {
        let all = stories.iter().flat_map(|story| show::told(story));
        let wanted = all.filter(|told| endpoint.filter.takes(told.kind));
        let told: BTreeMap<String, Vec<u8>> = wanted.map(|event| (event.id.to_string(), event.body)).collect();
        for (id, body) in &told {
            match endpoint.events.get(id) {
                None => violation("I1", format!("{id} never reached {}", endpoint.name)),
                Some(there) if there != body => violation("I3", format!("{id} has other bytes at {}", endpoint.name)),
                // Whoever has it and did not say so is told again.
                Some(_) if !endpoint.thanked.contains(id) => {
                    violation("I1", format!("{} never thanked for {id}, and is not told of it again", endpoint.name));
                }
                Some(_) => {}
            }
        }
        if let Some(id) = endpoint.events.keys().find(|id| !told.contains_key(*id)) {
            violation("I2", format!("{} heard of {id}, which is in no frame, or not for it", endpoint.name));
        }
    }
}
