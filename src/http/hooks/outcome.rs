//! Outcomes of a webhook and its items, as the metrics count them.

use crate::machine::command::IntakeOutcome;
use crate::model::InboundItem;
use crate::observe::{self, AutoReplied, ReceiptOutcome, WebhookOutcome};
use crate::rules::auto_reply::NoReplyReason;

/// The kind of an item, kept after the item itself was submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Item {
    Message,
    Receipt,
    /// An item that could not be parsed; the problem, without its content.
    Unreadable(String),
    Ignored,
}

impl Item {
    pub(super) fn of(item: &InboundItem) -> Self {
        match item {
            InboundItem::Message(_) => Self::Message,
            InboundItem::Receipt(_) => Self::Receipt,
            InboundItem::Unreadable { problem, .. } => Self::Unreadable(problem.clone()),
            InboundItem::Ignored { .. } => Self::Ignored,
        }
    }
}

/// Counts an item by its outcome.
pub(super) fn count(account: &str, item: &Item, outcome: IntakeOutcome) {
    match outcome {
        IntakeOutcome::Attached => observe::inbound_message(account, observe::InboundOutcome::Joined),
        IntakeOutcome::Replied => {
            observe::inbound_message(account, observe::InboundOutcome::Late);
            observe::auto_reply(AutoReplied::Queued);
        }
        IntakeOutcome::Silent(why) => {
            observe::inbound_message(account, observe::InboundOutcome::Late);
            observe::auto_reply(silent(why));
        }
        IntakeOutcome::Dropped => observe::inbound_message(account, observe::InboundOutcome::Dropped),
        IntakeOutcome::Advanced => observe::receipt(account, ReceiptOutcome::Applied),
        IntakeOutcome::Stale => observe::receipt(account, ReceiptOutcome::Stale),
        IntakeOutcome::NoSuchMessage => observe::receipt(account, ReceiptOutcome::UnknownMessage),
        IntakeOutcome::Quarantined(position) => {
            let problem = if let Item::Unreadable(problem) = item { problem } else { "" };
            observe::quarantined(account, problem, position.0);
        }
        IntakeOutcome::Duplicate if *item == Item::Message => {
            observe::inbound_message(account, observe::InboundOutcome::Duplicate);
        }
        IntakeOutcome::Duplicate if *item == Item::Receipt => observe::receipt(account, ReceiptOutcome::Stale),
        IntakeOutcome::Duplicate | IntakeOutcome::Ignored => {}
    }
}

fn silent(why: NoReplyReason) -> AutoReplied {
    match why {
        NoReplyReason::SwitchedOff => AutoReplied::Off,
        NoReplyReason::NoText => AutoReplied::NoText,
        NoReplyReason::NotOurs => AutoReplied::NotOurs,
        NoReplyReason::NoNumber => AutoReplied::NoNumber,
        NoReplyReason::OurOwnNumber => AutoReplied::OurOwnNumber,
        NoReplyReason::Keyword => AutoReplied::Keyword,
        NoReplyReason::OptedOut => AutoReplied::OptedOut,
        NoReplyReason::Echo => AutoReplied::Echo,
        NoReplyReason::NonUs => AutoReplied::NonUs,
        NoReplyReason::Stranger => AutoReplied::Stranger,
        NoReplyReason::Quiet => AutoReplied::Quiet,
        NoReplyReason::DayCap => AutoReplied::DayCap,
        NoReplyReason::StrangersCap => AutoReplied::StrangersCap,
    }
}

/// The outcome of a webhook, from the outcomes of its items.
pub(super) fn of(outcomes: &[IntakeOutcome]) -> WebhookOutcome {
    if outcomes.iter().any(|outcome| matches!(outcome, IntakeOutcome::Quarantined(_))) {
        WebhookOutcome::Unreadable
    } else if outcomes.iter().all(|outcome| *outcome == IntakeOutcome::Ignored) {
        WebhookOutcome::Ignored
    } else if outcomes.iter().all(|outcome| matches!(outcome, IntakeOutcome::Duplicate | IntakeOutcome::Ignored)) {
        WebhookOutcome::Duplicate
    } else {
        WebhookOutcome::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;

    #[test]
    fn a_webhook_of_several_items_has_its_most_significant_outcome() {
        for (outcomes, expected) in [
            (&[IntakeOutcome::Attached][..], WebhookOutcome::Taken),
            (&[IntakeOutcome::Duplicate, IntakeOutcome::Stale], WebhookOutcome::Taken),
            (&[IntakeOutcome::Duplicate, IntakeOutcome::Ignored], WebhookOutcome::Duplicate),
            (&[IntakeOutcome::Ignored], WebhookOutcome::Ignored),
            (&[], WebhookOutcome::Ignored),
            (&[IntakeOutcome::Attached, IntakeOutcome::Quarantined(Position(7))], WebhookOutcome::Unreadable),
        ] {
            assert_eq!(of(outcomes), expected, "{outcomes:?}");
        }
    }
}
