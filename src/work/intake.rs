//! What becomes of the items that a carrier delivers, by webhook or over a session.
//!
//! Invariant: `Ok` means that every item is on disk, and only then may the carrier be told so.

use super::media::MediaWaiting;
use crate::carrier::{Listed, Webhook};
use crate::engine::{Handle, SubmitError};
use crate::machine::command::{Command, Reply};
use crate::machine::urgency;
use crate::model::{InboundItem, IntakeOutcome};
use crate::observe::{self, NotReady, Readiness};
use std::time::{Duration, Instant};

/// Items submitted at a time: a batch of the engine, so that a long array leaves its queue to others.
const AT_ONCE: usize = 512;

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

/// What became of items, in order.
struct Taken {
    outcomes: Vec<IntakeOutcome>,
    /// Whether an item was not stored, because its rows would be too large.
    too_large: bool,
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
        let Taken { mut outcomes, too_large } = self.decide(account, items, within).await?;
        if too_large {
            let item = InboundItem::from(hook.unreadable("an item is too large to store"));
            outcomes.extend(self.decide(account, vec![item], within).await?.outcomes);
        }
        Ok(outcomes)
    }

    async fn decide(&self, account: &str, items: Vec<InboundItem>, within: Duration) -> Result<Taken, NotTaken> {
        // With low disk space, receipts are still accepted and new messages are not.
        if self.readiness.holds(NotReady::LowDisk) && items.iter().any(urgency::is_new) {
            return Err(NotTaken::LowDisk);
        }
        let has_media = |item: &InboundItem| matches!(item, InboundItem::Message(message) if !message.media.is_empty());
        let has_media = items.iter().any(has_media);
        let kinds: Vec<_> = items.iter().map(Item::of).collect();
        let replies = submit_in_order(&self.engine, account, items, within).await;

        let mut outcomes = Vec::with_capacity(replies.len());
        let mut too_large = false;
        for (kind, reply) in kinds.into_iter().zip(replies) {
            match reply.map_err(busy)? {
                Reply::InboundItem(outcome) => {
                    count(account, &kind, outcome);
                    outcomes.push(outcome);
                }
                _ => too_large = true,
            }
        }
        if has_media {
            self.media.notify();
        }
        Ok(Taken { outcomes, too_large })
    }

    /// Takes in a message from the carrier's list, which may be known. Returns whether it is new; `None` if it is too large
    /// to store.
    pub async fn take_in_listed(
        &self,
        account: &str,
        Listed { at, message, .. }: Listed,
        within: Duration,
    ) -> Result<Option<bool>, NotTaken> {
        if self.readiness.holds(NotReady::LowDisk) {
            return Err(NotTaken::LowDisk);
        }
        let has_media = !message.media.is_empty();
        let command = Command::ListedMessage { account: account.to_owned(), at, message: Box::new(message) };
        let Reply::InboundItem(outcome) = self.engine.submit(command, within).await.map_err(busy)? else {
            return Ok(None);
        };
        let is_new = outcome != IntakeOutcome::Duplicate;
        if is_new {
            observe::inbound_message(account, outcome);
            observe::reconciled_message(account);
        }
        if has_media {
            self.media.notify();
        }
        Ok(Some(is_new))
    }
}

/// Submits the items in order, until one is not decided.
pub async fn submit_in_order(
    engine: &Handle,
    account: &str,
    items: Vec<InboundItem>,
    within: Duration,
) -> Vec<Result<Reply, SubmitError>> {
    let give_up = Instant::now() + within;
    let mut replies = Vec::with_capacity(items.len());
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() && !replies.iter().any(Result::is_err) {
        let some = items.by_ref().take(AT_ONCE);
        let commands = some.map(|item| Command::InboundItem { account: account.to_owned(), item });
        let left = give_up.saturating_duration_since(Instant::now());
        replies.extend(engine.submit_many(commands, left).await);
    }
    replies
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
