//! The outcome of a webhook, as the metrics count it.
use crate::model::IntakeOutcome;
use crate::observe::WebhookOutcome;

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
