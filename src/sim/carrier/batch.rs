//! Webhooks with several elements: what comes at the same time is posted together.

use super::CarrierCore;
use super::dialect::{About, Content, Element};
use super::hooks::post;
use crate::sim::wire::{Answer, NoAnswer};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an element waits for others.
const GATHER: Duration = Duration::from_millis(10);

/// An element that waits, and where its response goes.
pub(super) struct Waiting {
    content: Content,
    answer: oneshot::Sender<Result<Answer, NoAnswer>>,
}

/// Posts an element together with others for the same URL. All get the same response.
pub(super) async fn post_together(
    core: &CarrierCore,
    element: &Element,
    about: About<'_>,
    max: usize,
) -> Result<Answer, NoAnswer> {
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting { content: element.content.clone(), answer };
    let first = {
        let mut state = core.state();
        let others = state.batches.entry(element.url.clone()).or_default();
        others.push(waiting);
        others.len() == 1
    };
    if first {
        tokio::time::sleep(GATHER).await;
        let mut gathered = core.state().batches.remove(&element.url).unwrap_or_default();
        while !gathered.is_empty() {
            let batch: Vec<Waiting> = gathered.drain(..gathered.len().min(max)).collect();
            let contents: Vec<&Content> = batch.iter().map(|waiting| &waiting.content).collect();
            let result = post(core, &element.url, &contents, about).await;
            for waiting in batch {
                // An error is an attempt that was abandoned meanwhile.
                let _ = waiting.answer.send(result.clone());
            }
        }
    }
    answered.await.unwrap_or(Err(NoAnswer::NotConnected))
}
