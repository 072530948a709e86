//! Why a message is not sent yet, and when it is due (A67).

use super::lane::Lane;
use crate::model::{MessageId, MessageState, Timestamp};
use serde::{Deserialize, Serialize};

/// What a message waits for. Where two hold it until the same moment, the one that stands first here is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// The carrier wants its number left alone for a while, fails, or owes too many answers (A64).
    CarrierPause,
    /// The day's segments are used up.
    DailyCap,
    /// The limit of the account, which its numbers share.
    AccountRate,
    /// The limit of its number (A28).
    NumberRate,
    /// The wait after an attempt that came to nothing.
    Retry,
    /// One that goes before it: to the same number (A63), of a higher priority (A21), or older.
    EarlierMessage,
    /// It went out, and nobody has said yet what became of it.
    Receipt,
}

/// What else may hold a message. A time that has passed holds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Its whole lane rests until then, or its account is left alone.
    pub paused_until: Option<Timestamp>,
    /// The segments of the day are used up with those before it, its number's or its account's; the next begins then.
    pub day_ends_at: Option<Timestamp>,
    /// The account's bucket has what it needs then, those before it paid.
    pub account_free_at: Option<Timestamp>,
    /// The carrier owes the account as many answers as it may. When they come nobody knows.
    pub account_full: bool,
}

/// Why a message is not sent yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Explained {
    /// Its place in its lane, 1 is next; none where it waits in none.
    pub position: Option<usize>,
    /// What holds it longest; none where nothing does.
    pub waiting_for: Option<WaitingFor>,
    /// The earliest it goes out, if those before it go as soon as they can; none where it waits in no lane.
    pub due_at: Option<Timestamp>,
}

/// Says it of a message in `state` by its lane, which needs to be told only of one that is queued. A pause is named by its
/// own end, also where others of the lane go first when it is over.
pub fn explain(id: MessageId, state: MessageState, lane: &Lane<'_>, held: &Held, now: Timestamp) -> Explained {
    match state {
        MessageState::Queued => queued(id, lane, held, now).unwrap_or_default(),
        // An attempt whose answer was lost shows as sending; a receipt may still tell.
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
        // A bucket that has what it needs when its turn comes does not hold it.
        (Some(alone.starts_at).filter(|starts_at| *starts_at > alone.at), WaitingFor::NumberRate),
        (text.not_before, WaitingFor::Retry),
        (alone.behind, WaitingFor::EarlierMessage),
    ];
    let mut holding: Vec<_> =
        bounds.into_iter().filter_map(|(until, what)| Some((until.filter(|until| *until > now)?, what))).collect();
    holding.sort_by_key(|(until, what)| (std::cmp::Reverse(*until), *what));
    // When the carrier answers nobody knows, so this holds it where nothing that has a time does.
    let on_its_way = lane.texts.iter().any(|other| other.started && other.theirs == text.theirs);
    let unanswered = on_its_way.then_some(WaitingFor::EarlierMessage);
    let unanswered = held.account_full.then_some(WaitingFor::CarrierPause).or(unanswered);

    let turn = lane.turn(id, held.paused_until.unwrap_or_default().max(now))?;
    // What was tried and is next waits for its next attempt, even if the bucket, which paid for the last one, fills later.
    let tried = turn.position == 1 && text.not_before.is_some();
    let holds = holding.first().map(|(_, what)| match what {
        WaitingFor::NumberRate if tried => WaitingFor::Retry,
        what => *what,
    });
    Some(Explained {
        position: Some(turn.position),
        waiting_for: holds.or(unanswered),
        due_at: [Some(turn.starts_at), held.day_ends_at, held.account_free_at].into_iter().max().flatten(),
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

    /// The nth text, to a number of its own.
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

    /// The same, after an attempt that came to nothing.
    fn retry(nth: u64, not_before: Timestamp) -> Waiting {
        Waiting { not_before: Some(not_before), ..text(nth) }
    }

    /// The second text to the number of the first.
    fn to_the_first(nth: u64) -> Waiting {
        Waiting { theirs: text(1).theirs, ..text(nth) }
    }

    /// What holds the last of the texts: position, what, and until when in seconds from now; the bucket has `filled`
    /// seconds of a segment a second, five at most.
    #[track_caller]
    fn check(texts: &[Waiting], filled: u64, held: Held, expected: (usize, Option<WaitingFor>, u64)) {
        let limits = Limits { burst: 5, ..Limits::default() };
        let lane = Lane { texts, limits: &limits, empty_at: NOW - Duration::from_secs(filled) };
        let last = texts.last().unwrap().id;
        let told = explain(last, MessageState::Queued, &lane, &held, NOW);
        let (position, waiting_for, secs) = expected;
        assert_eq!(told, Explained { position: Some(position), waiting_for, due_at: Some(at(secs)) });
    }

    #[test]
    fn a67_nothing_holds_a_text_that_goes_now() {
        check(&[text(1)], 1, Held::default(), (1, None, 0));
        check(&[text(1), text(2)], 2, Held::default(), (2, None, 0));
        check(&[retry(1, NOW)], 1, Held::default(), (1, None, 0));
    }

    #[test]
    fn a67_the_bucket_of_the_number_is_named_where_it_is_what_a_text_waits_for_when_its_turn_comes() {
        check(&[text(1)], 0, Held::default(), (1, Some(WaitingFor::NumberRate), 1));
        check(&[text(1), text(2), text(3)], 0, Held::default(), (3, Some(WaitingFor::NumberRate), 3));
        check(&[text(1), text(2), text(3)], 2, Held::default(), (3, Some(WaitingFor::NumberRate), 1));
    }

    #[test]
    fn a67_a_retry_waits_for_its_time_and_then_for_the_bucket_if_that_takes_longer() {
        check(&[retry(1, at(4))], 1, Held::default(), (1, Some(WaitingFor::Retry), 4));
        check(&[text(1), text(2), retry(3, at(2))], 0, Held::default(), (3, Some(WaitingFor::NumberRate), 3));
    }

    #[test]
    fn f07_a_text_that_failed_and_is_next_waits_for_its_next_attempt_and_no_rate() {
        check(&[retry(1, at(1))], 0, Held::default(), (1, Some(WaitingFor::Retry), 1));
        let of_two = Waiting { segments: 2, ..retry(1, at(1)) };
        check(&[of_two], 0, Held::default(), (1, Some(WaitingFor::Retry), 2));
        check(&[text(1), retry(2, at(1))], 0, Held::default(), (2, Some(WaitingFor::NumberRate), 2));
    }

    #[test]
    fn a67_an_earlier_message_is_named_where_the_bucket_would_not_hold_the_text() {
        // The retry of its own pair goes first, whatever the bucket has by then.
        check(&[retry(1, at(4)), to_the_first(2)], 5, Held::default(), (2, Some(WaitingFor::EarlierMessage), 4));
        // One that is too old before the bucket has enough for it leaves the bucket to those behind it.
        let too_long = Waiting { segments: 5, expires_at: at(1), ..text(1) };
        check(&[too_long, text(2)], 3, Held::default(), (1, Some(WaitingFor::EarlierMessage), 1));
    }

    #[test]
    fn a67_who_is_behind_an_unanswered_text_of_its_pair_waits_for_that_where_nothing_else_holds_it() {
        let under_way = Waiting { started: true, ..text(1) };
        check(&[under_way, to_the_first(2)], 5, Held::default(), (1, Some(WaitingFor::EarlierMessage), 0));
        check(&[under_way, to_the_first(2)], 0, Held::default(), (1, Some(WaitingFor::NumberRate), 1));
        check(&[under_way, text(2)], 5, Held::default(), (1, None, 0));
    }

    #[test]
    fn a67_an_account_whose_carrier_owes_too_many_answers_holds_what_nothing_with_a_time_does() {
        let full = Held { account_full: true, ..Held::default() };
        check(&[text(1)], 1, full, (1, Some(WaitingFor::CarrierPause), 0));
        check(&[text(1)], 0, full, (1, Some(WaitingFor::NumberRate), 1));
    }

    #[test]
    fn a67_what_holds_longest_is_what_is_named() {
        let held = |pause, cap, account| Held {
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
    fn a67_of_what_holds_as_long_the_wider_is_named() {
        let account_full = false;
        let all =
            Held { paused_until: Some(at(2)), day_ends_at: Some(at(2)), account_free_at: Some(at(2)), account_full };
        let no_pause = Held { paused_until: None, ..all };
        let no_cap = Held { day_ends_at: None, ..no_pause };
        let texts = [text(1), retry(2, at(2))];
        for (held, named) in
            [(all, WaitingFor::CarrierPause), (no_pause, WaitingFor::DailyCap), (no_cap, WaitingFor::AccountRate)]
        {
            check(&texts, 0, held, (2, Some(named), 2));
        }
        // The bucket has a segment for the retry at the very moment its time comes: that it must wait till then is why.
        check(&texts, 0, Held::default(), (2, Some(WaitingFor::Retry), 2));
        let behind = [retry(1, at(2)), Waiting { not_before: Some(at(2)), ..to_the_first(2) }];
        check(&behind, 5, Held::default(), (2, Some(WaitingFor::Retry), 2));
    }

    #[test]
    fn a67_when_a_pause_ends_those_before_a_text_go_first_and_it_is_due_after_them() {
        let paused = Held { paused_until: Some(at(30)), ..Held::default() };
        let texts: Vec<_> = (1..=7).map(text).collect();
        // Five are in the bucket by then, and two more seconds bring two.
        check(&texts, 0, paused, (7, Some(WaitingFor::CarrierPause), 32));
    }

    #[test]
    fn a67_what_went_out_waits_for_its_receipt_and_what_is_final_for_nothing() {
        let lane = Lane { texts: &[], limits: &Limits::none(), empty_at: NOW };
        let told = |state| explain(id(1), state, &lane, &Held::default(), NOW);
        for state in [MessageState::Sending, MessageState::Sent] {
            assert_eq!(told(state), Explained { waiting_for: Some(WaitingFor::Receipt), ..Explained::default() });
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
            assert_eq!(told(state), Explained::default());
        }
    }
}
