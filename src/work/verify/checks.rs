//! Which of our numbers the carriers are asked about now.
//!
//! Invariant: at most [`IN_FLIGHT_MAX`] look-ups run at once, [`ACCOUNT_IN_FLIGHT_MAX`] of one account, and an account
//! gets at most one in [`START_EVERY`]. A number that got no answer stays due, and waits longer each time.

use crate::model::E164;
use std::collections::BTreeMap;
use std::time::Duration;

/// Maximum number of look-ups in flight. An account whose carrier hangs holds [`ACCOUNT_IN_FLIGHT_MAX`] of them for ten
/// seconds each, so four such accounts delay the others by that much.
pub const IN_FLIGHT_MAX: usize = 32;

/// Maximum number of look-ups in flight at one account, beside up to 64 sends: carriers limit concurrent requests.
pub const ACCOUNT_IN_FLIGHT_MAX: usize = 8;

/// Minimum time between two look-ups of an account: 500 numbers take 15 s, and ten thousand five minutes.
pub const START_EVERY: Duration = Duration::from_millis(30);

/// The first wait of an account or a number without an answer; each further one doubles it.
const BACKOFF: Duration = Duration::from_secs(10);

/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(60 * 60);

/// The first wait of a number that an administrator waits for; each further one doubles it.
const WANTED_BACKOFF: Duration = Duration::from_secs(1);

/// Look-ups without an answer after which an administrator is not made to wait any longer.
const WANTED_TRIES: u32 = 3;

/// A number to ask about, at its account's carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Our number.
    pub number: E164,
    /// Its account.
    pub account: String,
}

/// How a look-up ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The answer is stored.
    Answered,
    /// No answer came.
    NoAnswer {
        /// Whether a retry may succeed without a change by an operator.
        retryable: bool,
        /// The wait that the carrier requests.
        retry_after: Option<Duration>,
    },
}

/// The numbers to ask about. Times are elapsed times of the worker.
#[derive(Default, Debug)]
pub struct Checks {
    numbers: BTreeMap<E164, Wanted>,
    accounts: BTreeMap<String, Account>,
    in_flight: usize,
    /// The number of numbers added and look-ups begun, which orders numbers.
    order: u64,
}

/// Why and when a number is asked about.
#[derive(Debug)]
struct Wanted {
    account: String,
    /// Its last check is too long ago.
    due: bool,
    /// An administrator waits for the answer until then.
    until: Option<Duration>,
    in_flight: bool,
    /// Look-ups without an answer since the last one with one.
    failures: u32,
    not_before: Duration,
    /// When it was added or last asked about.
    order: u64,
}

/// An account's carrier.
#[derive(Default, Debug)]
struct Account {
    in_flight: usize,
    /// When the next look-up may start.
    next_start: Duration,
    /// The end of the wait that the carrier requested.
    held_until: Duration,
    /// Failed waves of look-ups since the last answer, and the end of the wait after the last one.
    failures: u32,
    not_before: Duration,
}

impl Checks {
    /// Replaces the numbers whose last check is too long ago.
    pub fn set_due(&mut self, due: impl IntoIterator<Item = Ask>) {
        self.numbers.values_mut().for_each(|wanted| wanted.due = false);
        for ask in due {
            self.add(ask).due = true;
        }
        self.numbers.retain(|_, wanted| wanted.due || wanted.until.is_some() || wanted.in_flight);
    }

    /// Asks about a number at once, for an administrator who waits until `until`.
    pub fn want(&mut self, ask: Ask, until: Duration) {
        let wanted = self.add(ask);
        wanted.until = wanted.until.max(Some(until));
        // What was tried before says little about now.
        (wanted.not_before, wanted.failures) = (Duration::ZERO, 0);
    }

    fn add(&mut self, Ask { number, account }: Ask) -> &mut Wanted {
        self.order += 1;
        let wanted = self.numbers.entry(number).or_insert_with(|| Wanted {
            account: account.clone(),
            due: false,
            until: None,
            in_flight: false,
            failures: 0,
            not_before: Duration::ZERO,
            order: self.order,
        });
        // The look-up in flight, if there is one, is counted at the account it began with.
        if !wanted.in_flight {
            wanted.account = account;
        }
        wanted
    }

    /// The look-ups to begin now: those that administrators wait for first, then the longest due.
    pub fn next(&mut self, now: Duration) -> Vec<Ask> {
        self.numbers.retain(|_, wanted| {
            wanted.until = wanted.until.filter(|until| *until > now);
            wanted.due || wanted.until.is_some() || wanted.in_flight
        });
        let mut candidates: Vec<_> = (self.numbers.iter())
            .filter(|(_, wanted)| self.ready_at(wanted).is_some_and(|at| at <= now))
            .map(|(number, wanted)| (wanted.until.is_none(), wanted.order, *number))
            .collect();
        candidates.sort_unstable();
        let mut asks = Vec::new();
        for (_, _, number) in candidates {
            let Some(wanted) = self.numbers.get_mut(&number) else { continue };
            let account = self.accounts.entry(wanted.account.clone()).or_default();
            let is_free = account.in_flight < ACCOUNT_IN_FLIGHT_MAX && account.next_start <= now;
            if self.in_flight < IN_FLIGHT_MAX && is_free {
                (account.in_flight, account.next_start) = (account.in_flight + 1, now + START_EVERY);
                self.in_flight += 1;
                self.order += 1;
                (wanted.in_flight, wanted.order) = (true, self.order);
                asks.push(Ask { number, account: wanted.account.clone() });
            }
        }
        asks
    }

    /// A look-up that [`Self::next`] returned has ended. Returns whether an administrator may wait for another one.
    pub fn ended(&mut self, number: E164, ended: Ended, now: Duration) -> bool {
        let Some(wanted) = self.numbers.get_mut(&number).filter(|wanted| wanted.in_flight) else { return false };
        wanted.in_flight = false;
        self.in_flight -= 1;
        let account = self.accounts.entry(wanted.account.clone()).or_default();
        account.in_flight -= 1;
        match ended {
            Ended::Answered => {
                (account.failures, account.not_before) = (0, Duration::ZERO);
                self.numbers.remove(&number);
                false
            }
            Ended::NoAnswer { retryable, retry_after } => {
                // Look-ups that began together fail together, and count once.
                if account.not_before <= now {
                    account.failures += 1;
                    account.not_before = now + backoff(BACKOFF, account.failures);
                }
                account.held_until = account.held_until.max(now + retry_after.unwrap_or_default());
                wanted.failures += 1;
                wanted.until = wanted.until.filter(|_| retryable && wanted.failures < WANTED_TRIES);
                let first = if wanted.until.is_some() { WANTED_BACKOFF } else { BACKOFF };
                wanted.not_before = now + backoff(first, wanted.failures);
                wanted.until.is_some()
            }
        }
    }

    /// When [`Self::next`] may have more to begin; `None` if only the end of a look-up or a new number changes that.
    pub fn wake_at(&self) -> Option<Duration> {
        self.numbers.values().filter_map(|wanted| self.ready_at(wanted)).min()
    }

    /// When a number may be asked about, as far as it is known; `None` if a look-up must end first.
    fn ready_at(&self, wanted: &Wanted) -> Option<Duration> {
        let account = self.accounts.get(&wanted.account);
        let is_full = account.is_some_and(|account| account.in_flight >= ACCOUNT_IN_FLIGHT_MAX);
        if wanted.in_flight || is_full || self.in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        let Some(account) = account else { return Some(wanted.not_before) };
        let at = wanted.not_before.max(account.next_start).max(account.held_until);
        Some(if wanted.until.is_some() { at } else { at.max(account.not_before) })
    }
}

/// The wait after this many failures, from 1.
fn backoff(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << (failures - 1).min(16)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Ended = Ended::NoAnswer { retryable: true, retry_after: None };
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a39_at_most_eight_numbers_of_an_account_are_asked_about_at_once() {
        let mut checks = Checks::default();
        checks.set_due((0..100).map(|n| ask(n, "main")));
        let (began, now) = begin(&mut checks, ms(0), 1_000);
        assert_eq!(began.len(), ACCOUNT_IN_FLIGHT_MAX);
        assert!(checks.wake_at().is_none(), "only an answer makes room");
        checks.ended(began[0].number, Ended::Answered, now);
        assert_eq!(begin(&mut checks, now, 1_000).0.len(), 1);
    }

    #[test]
    fn a39_accounts_share_32_look_ups_and_none_waits_for_anothers_answers() {
        let mut checks = Checks::default();
        checks.set_due((0..500).map(|n| ask(n, ["a", "b", "c", "d", "e"][n as usize % 5])));
        let (began, _) = begin(&mut checks, ms(0), 5_000);
        assert_eq!(began.len(), IN_FLIGHT_MAX);
        let mut checks = Checks::default();
        checks.set_due((0..10).map(|n| ask(n, "hangs")).chain([ask(99, "works")]));
        assert!(begin(&mut checks, ms(0), 1_000).0.contains(&ask(99, "works")));
    }

    #[test]
    fn a39_look_ups_of_an_account_are_spread_over_time() {
        let mut checks = Checks::default();
        checks.set_due((0..100).map(|n| ask(n, "main")));
        let mut starts = Vec::new();
        for at in 0..1_000 {
            for ask in checks.next(ms(at)) {
                starts.push(at);
                checks.ended(ask.number, Ended::Answered, ms(at));
            }
        }
        assert_eq!(starts.len(), 34);
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 30), "{starts:?}");
    }

    #[test]
    fn r30_what_an_administrator_waits_for_goes_first_and_is_dropped_when_he_does_not() {
        let mut checks = Checks::default();
        checks.set_due((0..100).map(|n| ask(n, "main")));
        checks.want(ask(200, "main"), ms(5_000));
        assert_eq!(checks.next(ms(0)), [ask(200, "main")]);
        checks.ended(ask(200, "main").number, FAILED, ms(10));
        // He is not made to wait for the account's backoff, and what is merely due is.
        assert_eq!(checks.next(ms(900)), []);
        assert_eq!(checks.next(ms(1_010)), [ask(200, "main")]);
        checks.ended(ask(200, "main").number, FAILED, ms(1_020));
        assert_eq!(checks.next(ms(4_990)), [ask(200, "main")]);
        checks.ended(ask(200, "main").number, FAILED, ms(5_001));
        let (began, _) = begin(&mut checks, ms(5_002), 60_000);
        assert!(!began.is_empty() && !began.contains(&ask(200, "main")), "{began:?}");
    }

    #[test]
    fn a39_without_an_answer_a_number_stays_due_and_waits_longer_each_time() {
        let mut checks = Checks::default();
        let mut now = ms(0);
        let mut waits = Vec::new();
        for _ in 0..12 {
            checks.set_due([ask(1, "main")]);
            assert_eq!(checks.next(now), [ask(1, "main")]);
            checks.ended(ask(1, "main").number, FAILED, now);
            let next = checks.wake_at().unwrap();
            assert_eq!(checks.next(next - ms(1)), []);
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
        // An answer ends that, and a number that is not due any more is forgotten.
        checks.next(now);
        checks.ended(ask(1, "main").number, Ended::Answered, now);
        assert!(checks.wake_at().is_none());
    }

    #[test]
    fn a39_look_ups_that_fail_together_count_once() {
        let mut checks = Checks::default();
        checks.set_due((0..100).map(|n| ask(n, "main")));
        let (began, now) = begin(&mut checks, ms(0), 1_000);
        for ask in began {
            checks.ended(ask.number, FAILED, now);
        }
        assert_eq!(checks.wake_at(), Some(now + BACKOFF));
        assert!(!checks.next(now + BACKOFF).is_empty());
    }

    #[test]
    fn a39_one_number_without_an_answer_does_not_keep_the_others_from_theirs() {
        let mut checks = Checks::default();
        checks.set_due((0..50).map(|n| ask(n, "main")));
        let mut answered = 0;
        let mut now = ms(0);
        while now < HOUR {
            for found in checks.next(now) {
                let ended = if found == ask(7, "main") { FAILED } else { Ended::Answered };
                answered += usize::from(ended == Ended::Answered);
                checks.ended(found.number, ended, now);
            }
            now = checks.wake_at().unwrap_or(HOUR).max(now + ms(1));
        }
        assert_eq!(answered, 49);
    }

    #[test]
    fn a64_a_wait_that_the_carrier_requests_holds_for_everyone() {
        let mut checks = Checks::default();
        checks.want(ask(1, "main"), HOUR);
        checks.want(ask(2, "main"), HOUR);
        checks.want(ask(3, "other"), HOUR);
        assert_eq!(checks.next(ms(0)), [ask(1, "main"), ask(3, "other")]);
        let too_many = Ended::NoAnswer { retryable: true, retry_after: Some(ms(60_000)) };
        checks.ended(ask(1, "main").number, too_many, ms(10));
        assert_eq!(checks.next(ms(60_009)), []);
        assert_eq!(checks.next(ms(60_010)).len(), 1);
    }

    #[test]
    fn r30_a_failure_that_lasts_is_not_retried_for_an_administrator() {
        let mut checks = Checks::default();
        checks.want(ask(1, "main"), HOUR);
        assert_eq!(checks.next(ms(0)).len(), 1);
        checks.ended(ask(1, "main").number, Ended::NoAnswer { retryable: false, retry_after: None }, ms(10));
        assert_eq!(begin(&mut checks, ms(10), 30_000).0, []);
    }

    #[test]
    fn r30_an_administrator_waits_for_three_look_ups_at_most() {
        let mut checks = Checks::default();
        checks.want(ask(1, "main"), HOUR);
        let mut now = ms(0);
        for may_wait in [true, true, false] {
            assert_eq!(checks.next(now), [ask(1, "main")]);
            assert_eq!(checks.ended(ask(1, "main").number, FAILED, now), may_wait);
            now = checks.wake_at().unwrap();
        }
        assert_eq!(checks.next(now), []);
    }

    #[test]
    fn a_number_that_moves_to_another_account_is_asked_about_there() {
        let mut checks = Checks::default();
        checks.set_due([ask(1, "main")]);
        assert_eq!(checks.next(ms(0)), [ask(1, "main")]);
        checks.set_due([ask(1, "other")]);
        checks.ended(ask(1, "main").number, FAILED, ms(10));
        checks.set_due([ask(1, "other")]);
        assert_eq!(begin(&mut checks, ms(10), 20_000).0, [ask(1, "other")]);
    }

    /// The look-ups begun in this time, and its end.
    fn begin(checks: &mut Checks, from: Duration, for_ms: u64) -> (Vec<Ask>, Duration) {
        let began = (0..=for_ms).flat_map(|at| checks.next(from + ms(at))).collect();
        (began, from + ms(for_ms))
    }

    fn ask(n: u64, account: &str) -> Ask {
        let number = format!("+1206555{n:04}").parse().unwrap();
        Ask { number, account: account.to_owned() }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }
}
