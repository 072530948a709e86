//! What the platform's endpoints were told, against the journal.

use super::world::{World, breach};
use offhook::machine::event::Story;
use offhook::machine::show;
use offhook::machine::view::Ask;
use offhook::model::Position;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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
            breach("I1", format!("the watermark went back from {} to {}", endpoint.watermark.0, watermark.0));
        }
        let before = world.stories.iter().filter(|story| story.position < watermark);
        for head in before.flat_map(|story| show::heads(story)).filter(|head| endpoint.filter.takes(head.kind)) {
            let left = || parked.get(&*head.thread()).is_some_and(|from| *from <= head.id.position());
            if !endpoint.events.contains_key(&head.id.to_string()) && !left() {
                breach("I1", format!("{} {} is before the watermark and was never delivered", head.id, head.kind));
            }
        }
        endpoint.watermark = watermark;
    }
}

/// What the journal tells an endpoint it has, byte for byte; and it heard of nothing that was lost with a process.
pub(crate) fn i1_i2_endpoints_have_the_journals_events_and_no_others(world: &World, stories: &[Arc<Story>]) {
    for endpoint in &world.endpoints {
        let all = stories.iter().flat_map(|story| show::told(story));
        let wanted = all.filter(|told| endpoint.filter.takes(told.kind));
        let told: BTreeMap<String, Vec<u8>> = wanted.map(|event| (event.id.to_string(), event.body)).collect();
        for (id, body) in &told {
            match endpoint.events.get(id) {
                None => breach("I1", format!("{id} never reached {}", endpoint.name)),
                Some(there) if there != body => breach("I3", format!("{id} has other bytes at {}", endpoint.name)),
                Some(_) => {}
            }
        }
        if let Some(id) = endpoint.events.keys().find(|id| !told.contains_key(*id)) {
            breach("I2", format!("{} heard of {id}, which is in no frame, or not for it", endpoint.name));
        }
    }
}
