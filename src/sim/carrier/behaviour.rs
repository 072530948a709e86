//! How a carrier behaves today.

mod named;

use super::super::dice::SeededRng;
use super::quirk::Quirk;
use std::time::Duration;

/// Sends of an outage: more than the failures in a row that make a gateway pause an account, since answers overtake each
/// other.
pub const OUTAGE_SENDS: u64 = 10;

/// A carrier's behaviour. The default is a good one: answers at once, delivers everything, says so in order.
///
/// Each `f64` is a probability from 0 to 1, thrown for every send by dice seeded with the carrier's seed, the two
/// numbers, the text and how often that was sent before. The first in the order of the fields wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Waits before it answers a send.
    pub delay: Duration,
    /// Waits up to this much more, each send its own.
    pub delay_spread: Duration,

    /// Hangs up once it has the head of a request, without reading the body. Nothing is sent to the phone. (Thrown by
    /// the count of requests, since nothing else is known of them.)
    pub cut_unread: f64,
    /// Answers 500 to [`OUTAGE_SENDS`] sends one after another and takes none of them. (Thrown by the count of requests, too.)
    pub outage: f64,
    /// Answers 500 and does not take the message.
    pub server_error: f64,
    /// Answers 429 and does not take the message.
    pub too_many: f64,
    /// `Retry-After` of a 429, if any.
    pub retry_after: Option<RetryAfter>,
    /// A 429 has any `Retry-After` of [`RetryAfter::ALL`], or none, whatever `retry_after` says.
    pub any_retry_after: bool,
    /// Answers `refuse_status` with `refuse_code`.
    pub refuse: f64,
    /// The carrier's code in a refusal: 21610 is "opted out".
    pub refuse_code: u32,
    /// The status of a refusal: 400, or 401, 403 and 404 where it is the account that is refused.
    pub refuse_status: u16,

    /// Reads the request and hangs up.
    pub cut_read: f64,
    /// Reads the request and never answers.
    pub silent: f64,
    /// Hangs up in the middle of its answer.
    pub cut_answer: f64,
    /// Answers 200 with a page of HTML.
    pub html: f64,
    /// Answers 201 with JSON that names no message.
    pub without_sid: f64,
    /// Answers in an odd way.
    pub odd: f64,
    /// In which; any of [`Quirk::ALL`] where this says nothing.
    pub oddity: Option<Quirk>,
    /// Whether a send whose answer says neither yes nor no was taken nevertheless, and reaches the phone.
    pub unclear_taken: f64,

    /// The message does not reach the phone: receipt `undelivered` with `undelivered_code`.
    pub undelivered: f64,
    /// 30006 is a landline.
    pub undelivered_code: u32,
    /// The message fails at the carrier: receipt `failed` with `failed_code`.
    pub failed: f64,
    /// 30007 is "filtered".
    pub failed_code: u32,

    /// Waits before each receipt: at least so long that the answer to the send is on its way.
    pub receipt_delay: Duration,
    /// No receipts come for this message.
    pub receipts_missing: f64,
    /// The last receipt comes first.
    pub receipts_reordered: f64,
    /// The receipts come before the answer to the send.
    pub receipts_before_answer: f64,

    /// Every webhook is posted this many times more, at the same time. Only the mood towards everyone counts.
    pub webhook_copies: u32,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            delay_spread: Duration::ZERO,
            cut_unread: 0.0,
            outage: 0.0,
            server_error: 0.0,
            too_many: 0.0,
            retry_after: None,
            any_retry_after: false,
            refuse: 0.0,
            refuse_code: 21_610,
            refuse_status: 400,
            cut_read: 0.0,
            silent: 0.0,
            cut_answer: 0.0,
            html: 0.0,
            without_sid: 0.0,
            odd: 0.0,
            oddity: None,
            unclear_taken: 1.0,
            undelivered: 0.0,
            undelivered_code: 30_006,
            failed: 0.0,
            failed_code: 30_007,
            receipt_delay: Duration::from_millis(2),
            receipts_missing: 0.0,
            receipts_reordered: 0.0,
            receipts_before_answer: 0.0,
            webhook_copies: 0,
        }
    }
}

impl Behaviour {
    /// A little of everything that can go wrong, for fault runs; three sends in four still go well.
    pub fn bad_day() -> Self {
        Self {
            delay_spread: Duration::from_millis(20),
            server_error: 0.05,
            outage: 0.04,
            too_many: 0.03,
            any_retry_after: true,
            refuse: 0.02,
            cut_unread: 0.02,
            cut_read: 0.02,
            silent: 0.01,
            cut_answer: 0.02,
            html: 0.01,
            without_sid: 0.01,
            odd: 0.02,
            unclear_taken: 0.5,
            undelivered: 0.05,
            failed: 0.03,
            receipts_reordered: 0.2,
            receipts_before_answer: 0.2,
            webhook_copies: 1,
            ..Self::default()
        }
    }

    /// Whether the request that is the so many-th falls into an outage.
    pub(super) fn is_out(&self, seed: u64, request: u64) -> bool {
        SeededRng::of(seed, &["outage"], request / OUTAGE_SENDS).chance(self.outage)
    }

    /// What befalls one send.
    pub(super) fn fate(&self, dice: &mut SeededRng) -> Fate {
        let (any, any_retry_after) = (Quirk::any(dice), RetryAfter::any(dice));
        let retry_after = if self.any_retry_after { any_retry_after } else { self.retry_after };
        let chances = [
            (self.server_error, Ending::ServerError),
            (self.too_many, Ending::TooMany { retry_after }),
            (self.refuse, Ending::Refuse { status: self.refuse_status, code: self.refuse_code }),
            (self.cut_read, Ending::CutRead),
            (self.silent, Ending::Silent),
            (self.cut_answer, Ending::CutAnswer),
            (self.html, Ending::Html),
            (self.without_sid, Ending::WithoutSid),
            (self.odd, Ending::Odd(self.oddity.unwrap_or(any))),
        ];
        // Every die is thrown every time, so that raising one chance does not change what befalls the others.
        let fell: Vec<bool> = chances.iter().map(|(chance, _)| dice.chance(*chance)).collect();
        let ending = fell.iter().position(|fell| *fell).map_or(Ending::Accept, |at| chances[at].1);
        let unclear_taken = dice.chance(self.unclear_taken);
        let taken = match ending {
            Ending::Accept => true,
            Ending::ServerError | Ending::TooMany { .. } | Ending::Refuse { .. } => false,
            Ending::CutRead | Ending::Silent | Ending::CutAnswer | Ending::Html | Ending::WithoutSid => unclear_taken,
            Ending::Odd(oddity) => oddity.takes().unwrap_or(unclear_taken),
        };
        let (undelivered, failed) = (dice.chance(self.undelivered), dice.chance(self.failed));
        let arrival = match (undelivered, failed) {
            (true, _) => Arrival::Undelivered { code: self.undelivered_code },
            (false, true) => Arrival::Failed { code: self.failed_code },
            (false, false) => Arrival::Delivered,
        };
        let spread = u64::try_from(self.delay_spread.as_micros()).unwrap_or(u64::MAX);
        Fate {
            delay: self.delay + Duration::from_micros(dice.next() % spread.saturating_add(1)),
            ending,
            taken,
            arrival,
            receipt_delay: self.receipt_delay,
            receipts_missing: dice.chance(self.receipts_missing),
            receipts_reordered: dice.chance(self.receipts_reordered),
            receipts_before_answer: dice.chance(self.receipts_before_answer),
        }
    }
}

/// What befalls one send, decided before anything is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) ending: Ending,
    /// Whether the message goes on to the phone.
    pub(super) taken: bool,
    pub(super) arrival: Arrival,
    pub(super) receipt_delay: Duration,
    pub(super) receipts_missing: bool,
    pub(super) receipts_reordered: bool,
    pub(super) receipts_before_answer: bool,
}

/// How the conversation about a send ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Accept,
    ServerError,
    TooMany { retry_after: Option<RetryAfter> },
    Refuse { status: u16, code: u32 },
    CutRead,
    Silent,
    CutAnswer,
    Html,
    WithoutSid,
    Odd(Quirk),
}

/// When to come again, as a carrier may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds.
    Secs(u32),
    /// The date that is so many seconds ahead, without the rest of its last second.
    Date(u32),
    /// What is neither.
    Text(&'static str),
}

impl RetryAfter {
    /// Those that a carrier on a bad day chooses from, beside none: soon, and in each way of writing it.
    pub const ALL: [Self; 5] = [
        Self::Secs(1),
        Self::Date(2),
        Self::Text("Sun, 06 Nov 1994 08:49:37 GMT"),
        Self::Text("when the cows come home"),
        Self::Text("-30"),
    ];

    /// One of them, or none.
    fn any(dice: &mut SeededRng) -> Option<Self> {
        let nth = dice.next() % (Self::ALL.len() as u64 + 1);
        Self::ALL.get(usize::try_from(nth).expect("there are fewer than a hundred")).copied()
    }
}

/// How a message that was taken ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Delivered,
    Undelivered { code: u32 },
    Failed { code: u32 },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(behaviour: &Behaviour) -> Vec<Fate> {
        (0..400).map(|nth| behaviour.fate(&mut SeededRng::of(42, &["text"], nth))).collect()
    }

    #[test]
    fn a_default_mood_takes_and_delivers_everything() {
        for fate in fates(&Behaviour::default()) {
            assert_eq!((fate.ending, fate.taken, fate.arrival), (Ending::Accept, true, Arrival::Delivered));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_day() {
        assert_eq!(fates(&Behaviour::bad_day()), fates(&Behaviour::bad_day()));
    }

    #[test]
    fn a_bad_day_has_every_kind_of_bad_end_and_mostly_good_ones() {
        let day = Behaviour::bad_day();
        let fates: Vec<_> = (0..2_000).map(|nth| day.fate(&mut SeededRng::of(42, &["text"], nth))).collect();
        let accepted = fates.iter().filter(|fate| fate.ending == Ending::Accept).count();
        assert!((1_300..1_900).contains(&accepted), "{accepted}");
        let plain = [
            Ending::ServerError,
            Ending::Refuse { status: 400, code: 21_610 },
            Ending::CutRead,
            Ending::Silent,
            Ending::CutAnswer,
            Ending::Html,
            Ending::WithoutSid,
        ];
        let later =
            RetryAfter::ALL.into_iter().map(Some).chain([None]).map(|retry_after| Ending::TooMany { retry_after });
        for ending in plain.into_iter().chain(later) {
            assert!(fates.iter().any(|fate| fate.ending == ending), "{ending:?}");
        }
    }

    #[test]
    fn a_bad_day_has_outages_of_several_sends_in_a_row() {
        let out: Vec<bool> = (0..2_000).map(|request| Behaviour::bad_day().is_out(42, request)).collect();
        let stretches = out.chunks(usize::try_from(OUTAGE_SENDS).unwrap());
        assert!(stretches.clone().any(|stretch| stretch.iter().all(|out| *out)));
        assert!(stretches.clone().all(|stretch| stretch.iter().all(|out| *out == stretch[0])));
        assert!(!(0..2_000).any(|request| Behaviour::default().is_out(42, request)));
    }

    #[test]
    fn what_the_carrier_refused_never_goes_on_to_the_phone() {
        let behaviour = Behaviour { server_error: 0.3, too_many: 0.3, refuse: 0.9, ..Behaviour::default() };
        assert!(fates(&behaviour).iter().all(|fate| fate.taken == (fate.ending == Ending::Accept)));
    }
}
