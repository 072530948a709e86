//! Slows down guessing: five failed sign-ins, then one in ten seconds, for each address and, from addresses that never
//! signed in as a person, for each name. Nobody is ever locked out: a person's own address is not slowed by others. A
//! link has no name; what it holds cannot be guessed.

use crate::model::Timestamp;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Failures that cost nothing.
const FREE: u64 = 5;
/// After them, one in this time.
const EACH_MS: u64 = 10_000;
/// Addresses and names that are remembered. Beyond it those are forgotten first that may guess freely again soonest.
const REMEMBERED_MAX: usize = 10_000;

/// Whose failures are counted together.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Guesser {
    Address(IpAddr),
    Name(String),
}

/// The failures of late.
#[derive(Default, Debug)]
pub(super) struct Guesses {
    /// When all failures of a guesser are forgotten: each adds ten seconds.
    forgotten_at: HashMap<Guesser, Timestamp>,
    /// Names and addresses that are being refused and whose first refusal is audited; the next try that is checked ends it.
    refused: HashSet<Guesser>,
    /// Names, each with an address from which somebody signed in as it.
    known: HashSet<(String, IpAddr)>,
}

/// A try that is not checked, because too many before it failed.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct TooMany {
    /// How long to wait.
    pub(super) wait: Duration,
    /// Whether the audit is to say so: the first of a run of them.
    pub(super) is_news: bool,
}

impl Guesses {
    /// Guesses of before a restart are forgotten; who signed in, and from where, is not.
    pub(super) fn with_known(known: impl Iterator<Item = (String, IpAddr)>) -> Self {
        let known = known.map(|(name, address)| (name, network(address))).collect();
        Self { known, ..Self::default() }
    }

    /// Counts a try as a failure until `signed_in` or `not_checked` says otherwise, or says how long to wait.
    pub(super) fn tries(&mut self, name: Option<&str>, address: IpAddr, now: Timestamp) -> Result<(), TooMany> {
        let guessers = self.guessers(name, address);
        let wait_ms = |guesser: &Guesser| {
            let forgotten_at = self.forgotten_at.get(guesser)?;
            let full_at = forgotten_at.as_ms().saturating_sub((FREE - 1) * EACH_MS);
            full_at.checked_sub(now.as_ms()).filter(|ms| *ms > 0)
        };
        let longest =
            guessers.iter().filter_map(|guesser| Some((wait_ms(guesser)?, guesser))).max_by_key(|(ms, _)| *ms);
        if let Some((ms, guesser)) = longest {
            return Err(TooMany { wait: Duration::from_millis(ms), is_news: self.refused.insert(guesser.clone()) });
        }
        for guesser in guessers {
            self.refused.remove(&guesser);
            let at = self.forgotten_at.entry(guesser).or_insert(now);
            *at = Timestamp::from_ms(at.as_ms().max(now.as_ms()) + EACH_MS);
        }
        if self.forgotten_at.len() > REMEMBERED_MAX {
            self.forget(now);
        }
        Ok(())
    }

    /// The try was none: its failure is taken back.
    pub(super) fn not_checked(&mut self, name: Option<&str>, address: IpAddr) {
        for guesser in self.guessers(name, address) {
            if let Some(at) = self.forgotten_at.get_mut(&guesser) {
                *at = Timestamp::from_ms(at.as_ms().saturating_sub(EACH_MS));
            }
        }
    }

    /// The try was right.
    pub(super) fn signed_in(&mut self, name: Option<&str>, address: IpAddr) {
        self.not_checked(name, address);
        if let Some(name) = name.filter(|_| self.known.len() < REMEMBERED_MAX) {
            self.known.insert((name.to_owned(), network(address)));
        }
    }

    fn guessers(&self, name: Option<&str>, address: IpAddr) -> Vec<Guesser> {
        let address = network(address);
        let mut guessers = vec![Guesser::Address(address)];
        if let Some(name) = name.filter(|name| !self.known.contains(&((*name).to_owned(), address))) {
            // A name of any length is remembered by its beginning: configured ones are short.
            guessers.push(Guesser::Name(name.chars().take(64).collect()));
        }
        guessers
    }

    fn forget(&mut self, now: Timestamp) {
        self.refused.clear();
        self.forgotten_at.retain(|_, at| *at > now);
        if self.forgotten_at.len() > REMEMBERED_MAX {
            let mut all: Vec<(Guesser, Timestamp)> = self.forgotten_at.drain().collect();
            all.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(*at));
            all.truncate(REMEMBERED_MAX / 2);
            self.forgotten_at = all.into_iter().collect();
        }
    }
}

/// The network that one party has: an IPv4 address, the first half of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_ms(1_796_000_000_000 + secs * 1_000)
    }

    fn slowed(secs: u64, is_news: bool) -> Result<(), TooMany> {
        Err(TooMany { wait: Duration::from_secs(secs), is_news })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_five_failures_an_address_may_try_once_in_ten_seconds() {
        let mut guesses = Guesses::default();
        let from = address("203.0.113.9");
        for nth in 0..5 {
            assert_eq!(guesses.tries(Some(&format!("name-{nth}")), from, at(0)), Ok(()));
        }
        assert_eq!(guesses.tries(Some("anna"), from, at(0)), slowed(10, true));
        assert_eq!(guesses.tries(Some("anna"), from, at(4)), slowed(6, false));
        assert_eq!(guesses.tries(Some("anna"), from, at(10)), Ok(()));
        assert!(guesses.tries(Some("anna"), from, at(10)).is_err());
        assert_eq!(
            guesses.tries(Some("anna"), address("203.0.113.10"), at(10)),
            Ok(()),
            "another address is not slowed"
        );
    }

    #[test]
    fn nobody_is_locked_out_by_guesses_at_their_name_from_elsewhere() {
        let mut guesses = Guesses::default();
        let home = address("2001:db8::1");
        assert_eq!(guesses.tries(Some("anna"), home, at(0)), Ok(()));
        guesses.signed_in(Some("anna"), home);
        for nth in 0..250 {
            let _slowed = guesses.tries(Some("anna"), address(&format!("198.51.100.{nth}")), at(0));
        }
        assert!(
            guesses.tries(Some("anna"), address("198.51.100.251"), at(0)).is_err(),
            "strangers are slowed by the name"
        );
        assert_eq!(guesses.tries(Some("anna"), address("2001:db8::2"), at(0)), Ok(()), "the same network is hers");
    }

    #[test]
    fn links_of_one_network_do_not_slow_those_of_another() {
        let mut guesses = Guesses::default();
        for nth in 0..250 {
            let _slowed = guesses.tries(None, address("203.0.113.9"), at(nth / 50));
        }
        assert!(guesses.tries(None, address("203.0.113.9"), at(5)).is_err());
        assert_eq!(guesses.tries(None, address("203.0.113.10"), at(5)), Ok(()));
    }

    #[test]
    fn who_signed_in_before_a_restart_is_known_after_it() {
        let home = address("203.0.113.9");
        let mut guesses = Guesses::with_known([("anna".to_owned(), home)].into_iter());
        for nth in 0..250 {
            let _slowed = guesses.tries(Some("anna"), address(&format!("198.51.100.{nth}")), at(0));
        }
        assert_eq!(guesses.tries(Some("anna"), home, at(0)), Ok(()));
    }

    #[test]
    fn a_sign_in_is_no_failure() {
        let mut guesses = Guesses::default();
        for _ in 0..50 {
            assert_eq!(guesses.tries(Some("anna"), address("203.0.113.9"), at(0)), Ok(()));
            guesses.signed_in(Some("anna"), address("203.0.113.9"));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut guesses = Guesses::default();
        for nth in 0..100_000_u32 {
            let _slowed = guesses.tries(Some(&format!("n{nth}")), IpAddr::V4(nth.into()), at(0));
        }
        assert!(guesses.refused.len() <= REMEMBERED_MAX + 2, "{}", guesses.refused.len());
        assert!(guesses.forgotten_at.len() <= REMEMBERED_MAX + 2, "{}", guesses.forgotten_at.len());
    }
}
