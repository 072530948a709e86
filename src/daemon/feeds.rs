//! Where the endpoints' feeds resume, and undelivered events of removed endpoints.

use super::open::OpenFailed;
use crate::engine::{Core, Reads};
use crate::machine::command::Command;
use crate::machine::show;
use crate::machine::view::Queries;
use crate::model::Position;
use crate::observe;
use crate::work::feed::Start;
use std::collections::HashMap;

/// Where each endpoint's feed resumes. A new endpoint starts at the journal's end, which is recorded at once so that
/// a crash before its first delivery loses nothing.
pub(super) fn open(core: &mut Core, endpoints: &[String]) -> Result<HashMap<String, Start>, OpenFailed> {
    let mut feeds = HashMap::new();
    for name in endpoints {
        let reads = core.reads();
        let start = match reads.ask(|view| view.watermark(name))? {
            Some(watermark) => Start { watermark, parked: reads.ask(|view| view.parked(name))? },
            None => {
                let watermark = reads.follow().committed().next();
                let parked = Vec::new();
                core.commit([Command::AdvanceFeed { endpoint: name.clone(), watermark, parked }])?;
                Start { watermark, parked: Vec::new() }
            }
        };
        feeds.insert(name.clone(), start);
    }
    warn_about_removed_endpoints(&core.reads(), endpoints)?;
    Ok(feeds)
}

/// Checks that all undelivered events are readable. A gateway that found out later would stop during operation, after
/// each start.
pub(super) fn can_be_read(core: &Core, feeds: &HashMap<String, Start>) -> Result<(), OpenFailed> {
    const BYTES: usize = 1 << 20;
    let undelivered =
        feeds.values().flat_map(|start| start.parked.iter().map(|(_, from)| *from).chain([start.watermark]));
    let journal = core.journal();
    let (oldest, end) = journal.bounds();
    let Some(mut next) = undelivered.min().map(|first| first.max(oldest)) else { return Ok(()) };
    while next < end {
        let Some(last) = journal.read(next, BYTES)?.pop() else { break };
        next = last.position.next();
    }
    Ok(())
}

/// Warns about endpoints that were removed from the configuration or renamed and have undelivered events, which
/// nothing delivers now.
fn warn_about_removed_endpoints(reads: &Reads, endpoints: &[String]) -> Result<(), OpenFailed> {
    let follow = reads.follow();
    let known = reads.ask(|view| view.watermarks())?;
    for (name, watermark) in known.into_iter().filter(|(name, _)| !endpoints.contains(name)) {
        let parked = reads.ask(|view| view.parked(&name))?;
        let first = parked.iter().map(|(_, from)| *from).fold(watermark, Position::min);
        let lag = follow.count_from(first);
        if lag > 0 {
            observe::endpoint_missing(&name, lag, parked.len(), cursor_before(reads, first).as_deref());
        }
    }
    Ok(())
}

/// The cursor to pull from in order to get everything still kept from `first` on; `None` if the beginning cannot be
/// read.
fn cursor_before(reads: &Reads, first: Position) -> Option<String> {
    let follow = reads.follow();
    let first = first.max(follow.oldest());
    let story = follow.frame(first).ok()??;
    Some(show::cursor(show::before(story.at.day(), first)))
}
