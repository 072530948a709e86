//! Resources that live calls and waiting texts use, which are not deleted.

use super::Violation;
use crate::model::{E164, QueueId, Resource};
use crate::rules::refusal::Code;

/// What calls and texts use of the directory at the moment. Read only where something is deleted.
pub struct LiveUse {
    /// The queue and the bound number of each live call.
    pub calls: Vec<(QueueId, Option<E164>)>,
    /// Our numbers in whose lanes texts wait.
    pub waiting: Vec<E164>,
}

/// A violation for each deleted number that is being texted from, and for each deleted queue that calls are in. A
/// preset is never in use: a text that waits has its own words.
pub fn in_use(deleted: &[Resource], live: &LiveUse) -> Vec<Violation> {
    deleted.iter().filter_map(|resource| deletion(resource, live)).collect()
}

fn deletion(resource: &Resource, live: &LiveUse) -> Option<Violation> {
    let (code, problem) = match resource {
        Resource::Number(number) => {
            let calls = live.calls.iter().filter(|(_, ours)| *ours == Some(*number)).count();
            (Code::StillTexting, texting(calls, live.waiting.contains(number))?)
        }
        Resource::Queue(id) => {
            let calls = live.calls.iter().filter(|(queue, _)| queue == id).count();
            let problem = format!("{} in it: delete it once they have ended", counted(calls, "is", "are")?);
            (Code::QueueInUse, problem)
        }
        Resource::Settings | Resource::Preset(..) | Resource::Account(_) => return None,
    };
    Some(Violation { resource: resource.clone(), field: String::new(), code, problem })
}

fn texting(calls: usize, waiting: bool) -> Option<String> {
    match (counted(calls, "texts", "text"), waiting) {
        (Some(calls), false) => Some(format!("{calls} from it: delete it once they have ended")),
        (Some(calls), true) => Some(format!("{calls} from it, and texts wait in its lane: delete it after both")),
        (None, true) => Some("texts wait in its lane: delete it once they are sent or cancelled".to_owned()),
        (None, false) => None,
    }
}

fn counted(calls: usize, one: &str, more: &str) -> Option<String> {
    match calls {
        0 => None,
        1 => Some(format!("1 live call {one}")),
        calls => Some(format!("{calls} live calls {more}")),
    }
}
