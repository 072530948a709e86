//! Which queues hold a number.

use super::{Queue, QueueId};
use crate::model::number::E164;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// The queues that hold a number, in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holders {
    /// Those with it as an inbound number: one at most, by the rules (R19).
    pub inbound: Vec<QueueId>,
    /// Those with it as an outbound number (R22).
    pub outbound: Vec<QueueId>,
}

/// A lazily built index. A cache, so it is ignored when directories are compared.
#[derive(Clone, Debug, Default)]
pub(super) struct HoldersByNumber(OnceLock<Arc<HashMap<E164, Holders>>>);

impl HoldersByNumber {
    pub(super) fn of(&self, number: E164, queues: &BTreeMap<QueueId, Queue>) -> Option<&Holders> {
        self.0.get_or_init(|| Arc::new(by_number(queues))).get(&number)
    }
}

fn by_number(queues: &BTreeMap<QueueId, Queue>) -> HashMap<E164, Holders> {
    let mut found: HashMap<E164, Holders> = HashMap::new();
    for (id, queue) in queues {
        for number in &queue.inbound_numbers {
            found.entry(*number).or_default().inbound.push(id.clone());
        }
        for number in &queue.outbound_numbers {
            found.entry(*number).or_default().outbound.push(id.clone());
        }
    }
    found
}

impl PartialEq for HoldersByNumber {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for HoldersByNumber {}
