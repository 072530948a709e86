//! Why a message is not sent yet, and when it is due (A67).

use super::lane::Lane;
use crate::model::{MessageId, MessageState, Timestamp};
use serde::{Deserialize, Serialize};

/// What a message waits for. If two causes delay it until the same time, the one listed first here is reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// An operator suspended its number or account. Reported before all else.
    Suspended,
    /// The carrier asked for a pause, fails, or has too many requests in flight (A64).
    CarrierPause,
    /// The daily cap is reached.
    DailyCap,
    /// The rate limit of the account, which its numbers share.
    AccountRate,
    /// The rate limit of its number (A28).
    NumberRate,
    /// The backoff after a failed attempt.
    Retry,
    /// An earlier message: to the same number (A63), of a higher priority (A21), or older.
    EarlierMessage,
    /// The message was sent, and its receipt has not arrived yet.
    Receipt,
}

/// How long a number or an account stays suspended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Suspended {
    /// It is not.
    #[default]
    No,
    /// Until this time.
    Until(Timestamp),
    /// Until an operator resumes it.
    UntilResumed,
}

/// Further constraints on a message. Times in the past have no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// The suspension of its number or account, the longer one of both.
    pub suspended: Suspended,
    /// The end of the pause of its lane or account.
    pub paused_until: Option<Timestamp>,
    /// The end of the day, if earlier messages use up the daily cap of its number or account.
    pub day_ends_at: Option<Timestamp>,
    /// When the account's bucket has enough tokens for it, after the messages before it.
    pub account_free_at: Option<Timestamp>,
    /// Whether the account has the maximum number of requests in flight. When one completes is unknown.
    pub account_full: bool,
}

/// Why a message is not sent yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Explained {
    /// Its place in its lane (1 is next); `None` if it is in no lane.
    pub position: Option<usize>,
    /// The cause that delays it longest; `None` if nothing delays it.
    pub waiting_for: Option<WaitingFor>,
    /// The earliest time it is sent, if the messages before it are sent as early as possible; `None` if it is in no
    /// lane, or waits for an operator.
    pub due_at: Option<Timestamp>,
}

/// Explains why a message in `state` is not sent yet. `lane` is used only if the message is queued. A pause is compared
/// by its own end, even if other messages of the lane are sent first when it is over.
pub fn explain(id: MessageId, state: MessageState, lane: &Lane<'_>, held: &Held, now: Timestamp) -> Explained {
    match state {
        MessageState::Queued => queued(id, lane, held, now).unwrap_or_default(),
        // An attempt whose response was lost stays in state sending; a receipt may still settle it.
        MessageState::Sending | MessageState::Sent => {
            Explained { waiting_for: Some(WaitingFor::Receipt), ..Explained::default() }
        }
        MessageState::Received
        | MessageState::Delivered
        | MessageState::Undelivered
        | MessageState::Failed
        | MessageState::Cancelled
        | MessageState::Expired
        | MessageState::Unconfirmed => Explained::default(),
    }
}

fn queued(id: MessageId, lane: &Lane<'_>, held: &Held, now: Timestamp) -> Option<Explained> {
    let text = lane.texts.iter().find(|text| text.id == id)?;
    let alone = lane.turn(id, now)?;
    let bounds = [
        (held.paused_until, WaitingFor::CarrierPause),
        (held.day_ends_at, WaitingFor::DailyCap),
        (held.account_free_at, WaitingFor::AccountRate),
        // A bucket with enough tokens when its turn comes does not delay it.
        (Some(alone.starts_at).filter(|starts_at| *starts_at > alone.at), WaitingFor::NumberRate),
        (text.not_before, WaitingFor::Retry),
        (alone.behind, WaitingFor::EarlierMessage),
    ];
    let mut holding: Vec<_> =
        bounds.into_iter().filter_map(|(until, what)| Some((until.filter(|until| *until > now)?, what))).collect();
    holding.sort_by_key(|(until, what)| (std::cmp::Reverse(*until), *what));
    // When the carrier will answer is unknown, so this is reported only if no cause with a known time applies.
    let in_flight = lane.texts.iter().any(|other| other.started && other.theirs == text.theirs);
    let unanswered = in_flight.then_some(WaitingFor::EarlierMessage);
    let unanswered = held.account_full.then_some(WaitingFor::CarrierPause).or(unanswered);

    let resumed_at = match held.suspended {
        Suspended::No => Some(now),
        Suspended::Until(until) => Some(until),
        Suspended::UntilResumed => None,
    };
    let turn = lane.turn(id, held.paused_until.max(resumed_at).unwrap_or_default().max(now))?;
    // A retried text that is next is reported as waiting for its next attempt, even if the bucket, from which its last
    // attempt was taken, fills later.
    let tried = turn.position == 1 && text.not_before.is_some();
    let holds = holding.first().map(|(_, what)| match what {
        WaitingFor::NumberRate if tried => WaitingFor::Retry,
        what => *what,
    });
    let suspended = (held.suspended != Suspended::No).then_some(WaitingFor::Suspended);
    let due_at = [Some(turn.starts_at), held.day_ends_at, held.account_free_at].into_iter().max().flatten();
    Some(Explained {
        position: Some(turn.position),
        waiting_for: suspended.or(holds).or(unanswered),
        due_at: resumed_at.and(due_at),
    })
}

#[cfg(test)]
mod tests {
    use super::super::lane::Waiting;
    use super::*;
    use crate::model::{Day, Kind, Limits, Position};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    fn at(secs: u64) -> Timestamp {
        NOW + Duration::from_secs(secs)
    }

    fn id(nth: u64) -> MessageId {
        MessageId::new(Day(1), Position(nth), 0)
    }

    /// The nth text, each to a different number.
    fn text(nth: u64) -> Waiting {
        Waiting {
            id: id(nth),
            kind: Kind::Custom,
            theirs: format!("+1206555{nth:04}").parse().unwrap(),
            segments: 1,
            not_before: None,
            expires_at: at(120),
            started: false,
        }
    }

    /// The same, after a failed attempt.
    fn retry(nth: u64, not_before: Timestamp) -> Waiting {
        Waiting { not_before: Some(not_before), ..text(nth) }
    }

    /// A text to the number of the first.
    fn to_the_first(nth: u64) -> Waiting {
        Waiting { theirs: text(1).theirs, ..text(nth) }
    }

    /// Checks what the last text waits for: position, cause, and due time in seconds from now. The bucket has been
    /// filling for `filled` seconds at one segment per second, up to five.
    #[track_caller]
    fn check(texts: &[Waiting], filled: u64, held: Held, expected: (usize, Option<WaitingFor>, u64)) {
        let limits = Limits { burst: 5, ..Limits::default() };
        let lane = Lane { texts, limits: &limits, empty_at: NOW - Duration::from_secs(filled) };
        let last = texts.last().unwrap().id;
        let explained = explain(last, MessageState::Queued, &lane, &held, NOW);
        let (position, waiting_for, secs) = expected;
        assert_eq!(explained, Explained { position: Some(position), waiting_for, due_at: Some(at(secs)) });
    }

    #[test]
    fn a67_a_text_that_is_sent_now_waits_for_nothing() {
        check(&[text(1)], 1, Held::default(), (1, None, 0));
        check(&[text(1), text(2)], 2, Held::default(), (2, None, 0));
        check(&[retry(1, NOW)], 1, Held::default(), (1, None, 0));
    }

    #[test]
    fn a67_the_number_rate_is_reported_if_the_bucket_delays_a_text_at_its_turn() {
        check(&[text(1)], 0, Held::default(), (1, Some(WaitingFor::NumberRate), 1));
        check(&[text(1), text(2), text(3)], 0, Held::default(), (3, Some(WaitingFor::NumberRate), 3));
        check(&[text(1), text(2), text(3)], 2, Held::default(), (3, Some(WaitingFor::NumberRate), 1));
    }

    #[test]
    fn a67_a_retry_waits_for_its_backoff_or_the_bucket_whichever_is_later() {
        check(&[retry(1, at(4))], 1, Held::default(), (1, Some(WaitingFor::Retry), 4));
        check(&[text(1), text(2), retry(3, at(2))], 0, Held::default(), (3, Some(WaitingFor::NumberRate), 3));
    }

    #[test]
    fn f07_a_failed_text_that_is_next_waits_for_its_retry_not_the_rate() {
        check(&[retry(1, at(1))], 0, Held::default(), (1, Some(WaitingFor::Retry), 1));
        let of_two = Waiting { segments: 2, ..retry(1, at(1)) };
        check(&[of_two], 0, Held::default(), (1, Some(WaitingFor::Retry), 2));
        check(&[text(1), retry(2, at(1))], 0, Held::default(), (2, Some(WaitingFor::NumberRate), 2));
    }

    #[test]
    fn a67_an_earlier_message_is_reported_if_the_bucket_is_not_the_cause() {
        // The retry of the same pair is sent first, regardless of the bucket.
        check(&[retry(1, at(4)), to_the_first(2)], 5, Held::default(), (2, Some(WaitingFor::EarlierMessage), 4));
        // A text that expires before the bucket has enough for it leaves the tokens to later ones.
        let too_long = Waiting { segments: 5, expires_at: at(1), ..text(1) };
        check(&[too_long, text(2)], 3, Held::default(), (1, Some(WaitingFor::EarlierMessage), 1));
    }

    #[test]
    fn a67_a_text_waits_for_an_unanswered_one_of_its_pair_if_nothing_else() {
        let in_flight = Waiting { started: true, ..text(1) };
        check(&[in_flight, to_the_first(2)], 5, Held::default(), (1, Some(WaitingFor::EarlierMessage), 0));
        check(&[in_flight, to_the_first(2)], 0, Held::default(), (1, Some(WaitingFor::NumberRate), 1));
        check(&[in_flight, text(2)], 5, Held::default(), (1, None, 0));
    }

    #[test]
    fn a67_a_full_account_is_reported_if_no_cause_with_a_known_time_applies() {
        let full = Held { account_full: true, ..Held::default() };
        check(&[text(1)], 1, full, (1, Some(WaitingFor::CarrierPause), 0));
        check(&[text(1)], 0, full, (1, Some(WaitingFor::NumberRate), 1));
    }

    #[test]
    fn a67_the_longest_delay_is_reported() {
        let held = |pause, cap, account| Held {
            suspended: Suspended::No,
            paused_until: Some(at(pause)),
            day_ends_at: Some(at(cap)),
            account_free_at: Some(at(account)),
            account_full: false,
        };
        for (held, named, secs) in [
            (held(9, 8, 7), WaitingFor::CarrierPause, 9),
            (held(8, 9, 7), WaitingFor::DailyCap, 9),
            (held(8, 7, 9), WaitingFor::AccountRate, 9),
            (held(2, 2, 2), WaitingFor::Retry, 3),
            (held(0, 0, 0), WaitingFor::Retry, 3),
        ] {
            check(&[retry(1, at(3))], 1, held, (1, Some(named), secs));
        }
    }

    #[test]
    fn a67_of_equal_delays_the_wider_scope_is_reported() {
        let account_full = false;
        let all = Held {
            suspended: Suspended::No,
            paused_until: Some(at(2)),
            day_ends_at: Some(at(2)),
            account_free_at: Some(at(2)),
            account_full,
        };
        let no_pause = Held { paused_until: None, ..all };
        let no_cap = Held { day_ends_at: None, ..no_pause };
        let texts = [text(1), retry(2, at(2))];
        for (held, named) in
            [(all, WaitingFor::CarrierPause), (no_pause, WaitingFor::DailyCap), (no_cap, WaitingFor::AccountRate)]
        {
            check(&texts, 0, held, (2, Some(named), 2));
        }
        // The bucket has a segment for the retry exactly when its backoff ends, so the backoff is the cause.
        check(&texts, 0, Held::default(), (2, Some(WaitingFor::Retry), 2));
        let behind = [retry(1, at(2)), Waiting { not_before: Some(at(2)), ..to_the_first(2) }];
        check(&behind, 5, Held::default(), (2, Some(WaitingFor::Retry), 2));
    }

    #[test]
    fn a67_after_a_pause_a_text_is_due_after_those_before_it() {
        let paused = Held { paused_until: Some(at(30)), ..Held::default() };
        let texts: Vec<_> = (1..=7).map(text).collect();
        // The bucket has five segments by then, and two more after two seconds.
        check(&texts, 0, paused, (7, Some(WaitingFor::CarrierPause), 32));
    }

    #[test]
    fn a67_a_suspension_is_reported_before_all_else_and_due_when_it_ends() {
        let longer = Held { day_ends_at: Some(at(90)), ..Held::default() };
        check(
            &[text(1)],
            1,
            Held { suspended: Suspended::Until(at(30)), ..Held::default() },
            (1, Some(WaitingFor::Suspended), 30),
        );
        check(
            &[text(1)],
            1,
            Held { suspended: Suspended::Until(at(30)), ..longer },
            (1, Some(WaitingFor::Suspended), 90),
        );
        let limits = Limits::default();
        let lane = Lane { texts: &[text(1)], limits: &limits, empty_at: NOW };
        let held = Held { suspended: Suspended::UntilResumed, ..Held::default() };
        let explained = explain(id(1), MessageState::Queued, &lane, &held, NOW);
        let expected = Explained { position: Some(1), waiting_for: Some(WaitingFor::Suspended), due_at: None };
        assert_eq!(explained, expected);
    }

    #[test]
    fn a67_a_sent_text_waits_for_its_receipt_and_a_final_one_for_nothing() {
        let lane = Lane { texts: &[], limits: &Limits::none(), empty_at: NOW };
        let explained = |state| explain(id(1), state, &lane, &Held::default(), NOW);
        for state in [MessageState::Sending, MessageState::Sent] {
            assert_eq!(explained(state), Explained { waiting_for: Some(WaitingFor::Receipt), ..Explained::default() });
        }
        for state in [
            MessageState::Received,
            MessageState::Delivered,
            MessageState::Undelivered,
            MessageState::Failed,
            MessageState::Cancelled,
            MessageState::Expired,
            MessageState::Unconfirmed,
        ] {
            assert_eq!(explained(state), Explained::default());
        }
    }
}
