//! What becomes of the items that a carrier delivers, by webhook or over a session.
//!
//! Invariant: `Ok` means that every item is on disk, and only then may the carrier be told so.

use super::media::MediaWaiting;
use crate::carrier::Webhook;
use crate::engine::{Handle, SubmitError};
use crate::machine::command::{Command, Reply};
use crate::machine::urgency;
use crate::model::{InboundItem, IntakeOutcome};
use crate::observe::{self, NotReady, Readiness};
use std::time::Duration;

/// Takes in what carriers deliver.
#[derive(Clone)]
pub struct Intake {
    engine: Handle,
    readiness: Readiness,
    media: MediaWaiting,
}

/// Why items were not all taken in. The carrier must deliver them again; those stored meanwhile are then duplicates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    /// Disk space is low, and nothing was stored.
    LowDisk,
    /// The engine was busy, too late or stopping.
    Busy,
}

impl Intake {
    /// For the engine that decides the items.
    pub fn new(engine: Handle, readiness: Readiness) -> Self {
        Self { engine, readiness, media: MediaWaiting::default() }
    }

    /// Says of messages with media that there is something to fetch.
    pub fn with_media(self, media: MediaWaiting) -> Self {
        Self { media, ..self }
    }

    /// Submits the items of an account in the carrier's order, and counts what became of each. An item that is too
    /// large to store is quarantined with all of them as the webhook they came in. An item waits for the engine at most
    /// `within`.
    pub async fn take_in(
        &self,
        account: &str,
        items: Vec<InboundItem>,
        hook: &Webhook,
        within: Duration,
    ) -> Result<Vec<IntakeOutcome>, NotTaken> {
        // With low disk space, receipts are still accepted and new messages are not.
        if self.readiness.holds(NotReady::LowDisk) && items.iter().any(urgency::is_new) {
            return Err(NotTaken::LowDisk);
        }
        let has_media = |item: &InboundItem| matches!(item, InboundItem::Message(message) if !message.media.is_empty());
        let has_media = items.iter().any(has_media);
        let kinds: Vec<_> = items.iter().map(Item::of).collect();
        let replies = self.submit(account, items, within).await;

        let mut outcomes = Vec::with_capacity(replies.len());
        let mut too_large = false;
        for (kind, reply) in kinds.into_iter().zip(replies) {
            match reply.map_err(busy)? {
                Reply::InboundItem(outcome) => {
                    count(account, &kind, outcome);
                    outcomes.push(outcome);
                }
                // Its rows would be too large, so it was refused whole.
                _ => too_large = true,
            }
        }
        if has_media {
            self.media.notify();
        }
        if too_large {
            let item = InboundItem::from(hook.unreadable("an item is too large to store"));
            let kind = Item::of(&item);
            let Some(Ok(Reply::InboundItem(outcome))) = self.submit(account, vec![item], within).await.pop() else {
                return Err(NotTaken::Busy);
            };
            count(account, &kind, outcome);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn submit(
        &self,
        account: &str,
        items: Vec<InboundItem>,
        within: Duration,
    ) -> Vec<Result<Reply, SubmitError>> {
        let commands = items.into_iter().map(|item| Command::InboundItem { account: account.to_owned(), item });
        self.engine.submit_many(commands, within).await
    }
}

fn busy(_: SubmitError) -> NotTaken {
    NotTaken::Busy
}

/// The kind of an item, kept after the item itself was submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    Message,
    Receipt,
    /// An item that could not be parsed; the problem, without its content.
    Unreadable(String),
    Ignored,
}

impl Item {
    fn of(item: &InboundItem) -> Self {
        match item {
            InboundItem::Message(_) => Self::Message,
            InboundItem::Receipt(_) => Self::Receipt,
            InboundItem::Unreadable { problem, .. } => Self::Unreadable(problem.clone()),
            InboundItem::Ignored { .. } => Self::Ignored,
        }
    }
}

/// Counts an item by its outcome.
fn count(account: &str, item: &Item, outcome: IntakeOutcome) {
    match (item, outcome) {
        (Item::Message, outcome) => observe::inbound_message(account, outcome),
        (Item::Receipt, outcome) => observe::receipt(account, outcome),
        (Item::Unreadable(problem), IntakeOutcome::Quarantined(position)) => {
            observe::quarantined(account, problem, position.0);
        }
        (Item::Unreadable(_) | Item::Ignored, _) => {}
    }
}
