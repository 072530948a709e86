//! How a carrier behaves.

mod named;

use super::super::dice::SeededRng;
use super::quirk::Quirk;
use std::time::Duration;

/// Sends of an outage: more than the consecutive failures that make a gateway pause an account, since responses can
/// overtake each other.
pub const OUTAGE_SENDS: u64 = 10;

/// A carrier's behaviour. By default it responds at once, delivers everything, and posts receipts in order.
///
/// Each `f64` is a probability from 0 to 1, drawn for every send by a generator seeded with the carrier's seed, the
/// two numbers, the text and how often that was sent before. The first that occurs, in the order of the fields, wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Delay before the response to a send.
    pub delay: Duration,
    /// Maximum additional random delay per send.
    pub delay_spread: Duration,

    /// Closes the connection after the head of a request, without reading the body. The message is not accepted.
    /// (Drawn by the request count, since nothing else is known of such requests.)
    pub cut_unread: f64,
    /// Answers 500 to [`OUTAGE_SENDS`] consecutive sends and accepts none of them. (Drawn by the request count, too.)
    pub outage: f64,
    /// Answers 500 and does not accept the message.
    pub server_error: f64,
    /// Answers 429 and does not accept the message.
    pub too_many: f64,
    /// `Retry-After` of a 429, if any.
    pub retry_after: Option<RetryAfter>,
    /// A 429 has a random `Retry-After` of [`RetryAfter::ALL`], or none, regardless of `retry_after`.
    pub any_retry_after: bool,
    /// Answers `refuse_status` with `refuse_code`.
    pub refuse: f64,
    /// The carrier's error code of a refusal: 21610 is "opted out".
    pub refuse_code: u32,
    /// The status of a refusal: 400, or 401, 403 and 404 if the account is refused.
    pub refuse_status: u16,

    /// Reads the request and closes the connection.
    pub cut_read: f64,
    /// Reads the request and never responds.
    pub silent: f64,
    /// Closes the connection in the middle of its response.
    pub cut_answer: f64,
    /// Answers 200 with an HTML page.
    pub html: f64,
    /// Answers 201 with JSON without a message id.
    pub without_sid: f64,
    /// Responds with a quirk.
    pub odd: f64,
    /// Which quirk; a random one of [`Quirk::ALL`] if `None`.
    pub quirk: Option<Quirk>,
    /// Probability that a send with an ambiguous response was accepted anyway, and reaches the phone.
    pub unclear_taken: f64,

    /// The message does not reach the phone: receipt `undelivered` with `undelivered_code`.
    pub undelivered: f64,
    /// 30006 is a landline.
    pub undelivered_code: u32,
    /// The message fails at the carrier: receipt `failed` with `failed_code`.
    pub failed: f64,
    /// 30007 is "filtered".
    pub failed_code: u32,

    /// Delay before each receipt: at least until the response to the send is on its way.
    pub receipt_delay: Duration,
    /// No receipts are posted for this message.
    pub receipts_missing: f64,
    /// The last receipt is posted first.
    pub receipts_reordered: f64,
    /// The receipts are posted before the response to the send.
    pub receipts_before_answer: f64,

    /// Every webhook is posted this many additional times, concurrently. Only the general behaviour counts.
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
            quirk: None,
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
    /// Some of everything that can go wrong, for fault runs; three sends in four still succeed.
    #[cfg(feature = "test-support")]
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

    /// Whether the `request`-th request falls into an outage.
    pub(super) fn is_out(&self, seed: u64, request: u64) -> bool {
        SeededRng::of(seed, &["outage"], request / OUTAGE_SENDS).chance(self.outage)
    }

    /// What happens to one send.
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
            (self.odd, Ending::Odd(self.quirk.unwrap_or(any))),
        ];
        // Every number is drawn every time, so that raising one probability does not change the other faults.
        let fell: Vec<bool> = chances.iter().map(|(chance, _)| dice.chance(*chance)).collect();
        let ending = fell.iter().position(|fell| *fell).map_or(Ending::Accept, |at| chances[at].1);
        let unclear_taken = dice.chance(self.unclear_taken);
        let taken = match ending {
            Ending::Accept => true,
            Ending::ServerError | Ending::TooMany { .. } | Ending::Refuse { .. } => false,
            Ending::CutRead | Ending::Silent | Ending::CutAnswer | Ending::Html | Ending::WithoutSid => unclear_taken,
            Ending::Odd(quirk) => quirk.takes().unwrap_or(unclear_taken),
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

/// What happens to one send, decided before anything is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) ending: Ending,
    /// Whether the message is delivered to the phone.
    pub(super) taken: bool,
    pub(super) arrival: Arrival,
    pub(super) receipt_delay: Duration,
    pub(super) receipts_missing: bool,
    pub(super) receipts_reordered: bool,
    pub(super) receipts_before_answer: bool,
}

/// How the exchange of a send ends.
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

/// Forms of a `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Secs(u32),
    /// The date that many seconds ahead, truncated to whole seconds.
    Date(u32),
    /// Neither of the two.
    Text(&'static str),
}

impl RetryAfter {
    /// The forms a carrier on a bad day chooses from, besides none: short waits, in each notation.
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

/// The final state of an accepted message.
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
    fn default_behaviour_accepts_and_delivers_everything() {
        for fate in fates(&Behaviour::default()) {
            assert_eq!((fate.ending, fate.taken, fate.arrival), (Ending::Accept, true, Arrival::Delivered));
        }
    }

    #[test]
    fn same_seed_gives_the_same_faults() {
        assert_eq!(fates(&Behaviour::bad_day()), fates(&Behaviour::bad_day()));
    }

    #[test]
    fn bad_day_has_every_fault_and_mostly_succeeds() {
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
    fn bad_day_has_outages_of_consecutive_sends() {
        let out: Vec<bool> = (0..2_000).map(|request| Behaviour::bad_day().is_out(42, request)).collect();
        let stretches = out.chunks(usize::try_from(OUTAGE_SENDS).unwrap());
        assert!(stretches.clone().any(|stretch| stretch.iter().all(|out| *out)));
        assert!(stretches.clone().all(|stretch| stretch.iter().all(|out| *out == stretch[0])));
        assert!(!(0..2_000).any(|request| Behaviour::default().is_out(42, request)));
    }

    #[test]
    fn refused_message_never_reaches_the_phone() {
        let behaviour = Behaviour { server_error: 0.3, too_many: 0.3, refuse: 0.9, ..Behaviour::default() };
        assert!(fates(&behaviour).iter().all(|fate| fate.taken == (fate.ending == Ending::Accept)));
    }
}
