//! Which media are fetched now.
//!
//! Invariant: at most [`IN_FLIGHT_MAX`] fetches run at once, [`ACCOUNT_IN_FLIGHT_MAX`] of one account and one of a
//! message, so that what a message's media may still have of its limit is known. A medium is tried again until
//! [`TRIES_FOR`] of trying have passed; time in which our own store fails is not counted.

use crate::model::{MediaId, MessageId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Maximum number of fetches in flight.
pub(super) const IN_FLIGHT_MAX: usize = 8;

/// Maximum number of fetches in flight at one account.
pub(super) const ACCOUNT_IN_FLIGHT_MAX: usize = 2;

/// How long a medium is tried (A51).
pub(super) const TRIES_FOR: Duration = Duration::from_secs(120);

/// The waits before the second and each further try; the last one repeats.
const WAITS: [Duration; 7] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(30),
];

/// A medium of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct MediumOf {
    /// The message.
    pub(super) message: MessageId,
    /// The medium.
    pub(super) medium: MediaId,
}

/// A fetch to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Begun {
    /// The medium.
    pub(super) of: MediumOf,
    /// Whether it is given up if this one does not succeed.
    pub(super) is_last: bool,
}

/// How a fetch ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// It is recorded what became of the medium.
    Settled,
    /// The carrier may give it out later.
    Later {
        /// The wait that the carrier requests.
        retry_after: Option<Duration>,
    },
    /// Our store or the engine did not take it.
    NotStored,
}

/// The media to fetch. Times are elapsed times of the worker.
#[derive(Default, Debug)]
pub(super) struct Fetches {
    wanted: BTreeMap<MediumOf, Wanted>,
    /// Fetches in flight of each account.
    accounts: BTreeMap<String, usize>,
    /// Messages with a fetch in flight.
    messages: BTreeSet<MessageId>,
}

#[derive(Debug)]
struct Wanted {
    account: String,
    /// When the fetch in flight began.
    in_flight: Option<Duration>,
    tries: usize,
    not_before: Duration,
    /// When it is given up; set by the first try.
    until: Option<Duration>,
}

impl Fetches {
    /// Adds a medium, unless it is known.
    pub(super) fn want(&mut self, of: MediumOf, account: &str) {
        self.wanted.entry(of).or_insert_with(|| Wanted {
            account: account.to_owned(),
            in_flight: None,
            tries: 0,
            not_before: Duration::ZERO,
            until: None,
        });
    }

    /// How many media are to be fetched.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// The fetches to begin now, the oldest media first.
    pub(super) fn next(&mut self, now: Duration) -> Vec<Begun> {
        let mut begun = Vec::new();
        for (of, wanted) in &mut self.wanted {
            let of_account = self.accounts.get(&wanted.account).copied().unwrap_or_default();
            let is_free = self.messages.len() < IN_FLIGHT_MAX
                && of_account < ACCOUNT_IN_FLIGHT_MAX
                && !self.messages.contains(&of.message);
            if !is_free || wanted.in_flight.is_some() || wanted.not_before > now {
                continue;
            }
            wanted.in_flight = Some(now);
            let until = *wanted.until.get_or_insert(now + TRIES_FOR);
            wanted.tries += 1;
            let is_last = now + wait(wanted.tries) >= until;
            *self.accounts.entry(wanted.account.clone()).or_default() += 1;
            self.messages.insert(of.message);
            begun.push(Begun { of: *of, is_last });
        }
        begun
    }

    /// A fetch that [`Self::next`] returned has ended.
    pub(super) fn ended(&mut self, of: MediumOf, ended: Ended, now: Duration) {
        let Some(wanted) = self.wanted.get_mut(&of) else { return };
        let Some(began) = wanted.in_flight.take() else { return };
        self.messages.remove(&of.message);
        if let Some(count) = self.accounts.get_mut(&wanted.account) {
            *count -= 1;
        }
        match ended {
            Ended::Settled => drop(self.wanted.remove(&of)),
            Ended::Later { retry_after } => {
                // After a longer wait than is left, there is one more try.
                wanted.not_before = now + retry_after.unwrap_or_default().max(wait(wanted.tries));
            }
            Ended::NotStored => {
                wanted.not_before = now + wait(wanted.tries);
                wanted.until = wanted.until.map(|until| until + (wanted.not_before - began));
            }
        }
    }

    /// When [`Self::next`] may have more to begin; `None` if only the end of a fetch or a new medium changes that.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let is_free = |of: &MediumOf, wanted: &Wanted| {
            let of_account = self.accounts.get(&wanted.account).copied().unwrap_or_default();
            wanted.in_flight.is_none() && of_account < ACCOUNT_IN_FLIGHT_MAX && !self.messages.contains(&of.message)
        };
        if self.messages.len() >= IN_FLIGHT_MAX {
            return None;
        }
        self.wanted.iter().filter(|(of, wanted)| is_free(of, wanted)).map(|(_, wanted)| wanted.not_before).min()
    }
}

/// The wait after this many tries.
fn wait(tries: usize) -> Duration {
    WAITS[tries.saturating_sub(1).min(WAITS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Day, Position};

    const LATER: Ended = Ended::Later { retry_after: None };

    #[test]
    fn a51_eight_media_are_fetched_at_once_two_of_an_account_and_one_of_a_message() {
        let mut fetches = Fetches::default();
        for nth in 0..20 {
            fetches.want(medium(nth, 0), &format!("account-{}", nth % 6));
        }
        let begun = next(&mut fetches, secs(0));
        assert_eq!(begun, (0..8).map(|nth| medium(nth, 0)).collect::<Vec<_>>(), "the oldest first");
        assert_eq!(next(&mut fetches, secs(1)), []);
        fetches.ended(begun[0], Ended::Settled, secs(1));
        assert_eq!(next(&mut fetches, secs(1)), [medium(8, 0)]);

        let mut fetches = Fetches::default();
        for nth in 0..3 {
            fetches.want(medium(nth, 0), "main");
            fetches.want(medium(nth, 1), "main");
        }
        assert_eq!(next(&mut fetches, secs(0)), [medium(0, 0), medium(1, 0)]);
        fetches.ended(medium(0, 0), Ended::Settled, secs(1));
        assert_eq!(next(&mut fetches, secs(1)), [medium(0, 1)], "then the next of the same message");
    }

    #[test]
    fn a51_a_medium_is_tried_for_two_minutes_and_the_last_try_is_known_as_such() {
        let mut fetches = Fetches::default();
        fetches.want(medium(0, 0), "main");
        let (mut now, mut tried) = (secs(0), Vec::new());
        loop {
            let [begun] = fetches.next(now)[..] else { panic!("one is due") };
            tried.push(now.as_secs());
            if begun.is_last {
                break;
            }
            fetches.ended(begun.of, LATER, now);
            assert_eq!(next(&mut fetches, now), [], "not before its time");
            now = fetches.wake_at().unwrap();
        }
        assert_eq!(tried, [0, 1, 3, 7, 15, 30, 60, 90]);
        fetches.ended(medium(0, 0), Ended::Settled, now);
        assert_eq!((fetches.len(), fetches.wake_at()), (0, None));
    }

    #[test]
    fn a51_retry_after_is_honoured_and_one_beyond_the_end_leaves_one_try() {
        let mut fetches = Fetches::default();
        fetches.want(medium(0, 0), "main");
        next(&mut fetches, secs(0));
        fetches.ended(medium(0, 0), Ended::Later { retry_after: Some(secs(200)) }, secs(0));
        assert_eq!(fetches.wake_at(), Some(secs(200)));
        assert_eq!(next(&mut fetches, secs(199)), []);
        assert!(fetches.next(secs(200))[0].is_last);
    }

    #[test]
    fn a51_time_in_which_the_store_fails_is_not_counted() {
        let mut fetches = Fetches::default();
        fetches.want(medium(0, 0), "main");
        let mut now = secs(0);
        for nth in 0..100 {
            let [begun] = fetches.next(now)[..] else { panic!("one is due") };
            assert!(!begun.is_last, "try {nth}: the carrier has its two minutes still");
            fetches.ended(begun.of, Ended::NotStored, now + secs(5));
            now = fetches.wake_at().unwrap();
        }
    }

    #[test]
    fn a_medium_that_waits_for_a_retry_does_not_hold_up_the_next_of_its_message() {
        let mut fetches = Fetches::default();
        fetches.want(medium(0, 0), "main");
        fetches.want(medium(0, 1), "main");
        assert_eq!(next(&mut fetches, secs(0)), [medium(0, 0)]);
        fetches.ended(medium(0, 0), LATER, secs(0));
        assert_eq!(fetches.wake_at(), Some(secs(0)));
        assert_eq!(next(&mut fetches, secs(0)), [medium(0, 1)]);
    }

    fn next(fetches: &mut Fetches, now: Duration) -> Vec<MediumOf> {
        fetches.next(now).into_iter().map(|begun| begun.of).collect()
    }

    fn medium(message: u64, nth: u16) -> MediumOf {
        let (day, position) = (Day(20_000), Position(message + 1));
        MediumOf { message: MessageId::new(day, position, 0), medium: MediaId::new(day, position, nth) }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }
}
