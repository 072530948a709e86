//! What became of a webhook and of its items, as it is counted.

use crate::machine::command::Taken;
use crate::model::Heard;
use crate::observe::{self, AutoReplied, ReceiptOutcome, WebhookOutcome};
use crate::rules::auto_reply::Silence;

/// What an item is, once the item itself is on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Item {
    Message,
    Receipt,
    /// What could not be understood, without any of its content.
    Unreadable(String),
    Ignored,
}

impl Item {
    pub(super) fn of(heard: &Heard) -> Self {
        match heard {
            Heard::Message(_) => Self::Message,
            Heard::Receipt(_) => Self::Receipt,
            Heard::Unreadable { problem, .. } => Self::Unreadable(problem.clone()),
            Heard::Ignored { .. } => Self::Ignored,
        }
    }
}

/// Counts an item.
pub(super) fn count(account: &str, item: &Item, taken: Taken) {
    match taken {
        Taken::Attached => observe::inbound_message(account, observe::Taken::Joined),
        Taken::Replied => {
            observe::inbound_message(account, observe::Taken::Late);
            observe::auto_reply(AutoReplied::Queued);
        }
        Taken::Silent(why) => {
            observe::inbound_message(account, observe::Taken::Late);
            observe::auto_reply(silent(why));
        }
        Taken::Dropped => observe::inbound_message(account, observe::Taken::Dropped),
        Taken::Advanced => observe::receipt(account, ReceiptOutcome::Applied),
        Taken::Stale => observe::receipt(account, ReceiptOutcome::Stale),
        Taken::NoSuchMessage => observe::receipt(account, ReceiptOutcome::UnknownMessage),
        Taken::Quarantined(position) => {
            let problem = if let Item::Unreadable(problem) = item { problem } else { "" };
            observe::quarantined(account, problem, position.0);
        }
        Taken::Duplicate if *item == Item::Message => observe::inbound_message(account, observe::Taken::Duplicate),
        Taken::Duplicate if *item == Item::Receipt => observe::receipt(account, ReceiptOutcome::Stale),
        Taken::Duplicate | Taken::Ignored => {}
    }
}

fn silent(why: Silence) -> AutoReplied {
    match why {
        Silence::SwitchedOff => AutoReplied::Off,
        Silence::NoText => AutoReplied::NoText,
        Silence::NotOurs => AutoReplied::NotOurs,
        Silence::NoNumber => AutoReplied::NoNumber,
        Silence::OurOwnNumber => AutoReplied::OurOwnNumber,
        Silence::Keyword => AutoReplied::Keyword,
        Silence::OptedOut => AutoReplied::OptedOut,
        Silence::Echo => AutoReplied::Echo,
        Silence::NonUs => AutoReplied::NonUs,
        Silence::Stranger => AutoReplied::Stranger,
        Silence::Quiet => AutoReplied::Quiet,
        Silence::DayCap => AutoReplied::DayCap,
        Silence::StrangersCap => AutoReplied::StrangersCap,
    }
}

/// The one outcome of a webhook whose items ended like this.
pub(super) fn of(taken: &[Taken]) -> WebhookOutcome {
    if taken.iter().any(|taken| matches!(taken, Taken::Quarantined(_))) {
        WebhookOutcome::Unreadable
    } else if taken.iter().all(|taken| *taken == Taken::Ignored) {
        WebhookOutcome::Ignored
    } else if taken.iter().all(|taken| matches!(taken, Taken::Duplicate | Taken::Ignored)) {
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
    fn a_webhook_of_several_items_has_the_outcome_that_says_most() {
        for (taken, expected) in [
            (&[Taken::Attached][..], WebhookOutcome::Taken),
            (&[Taken::Duplicate, Taken::Stale], WebhookOutcome::Taken),
            (&[Taken::Duplicate, Taken::Ignored], WebhookOutcome::Duplicate),
            (&[Taken::Ignored], WebhookOutcome::Ignored),
            (&[], WebhookOutcome::Ignored),
            (&[Taken::Attached, Taken::Quarantined(Position(7))], WebhookOutcome::Unreadable),
        ] {
            assert_eq!(of(taken), expected, "{taken:?}");
        }
    }
}
