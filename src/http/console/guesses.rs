//! Slows down guessing: five failed sign-ins, then one in ten seconds, for each address and, from addresses that never
//! signed in as a person, for each name. Nobody is ever locked out: a person's own address is not slowed by others.

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
    /// Names, each with an address from which somebody signed in as it.
    known: HashSet<(String, IpAddr)>,
}

impl Guesses {
    /// Counts a try as a failure until `signed_in` says otherwise, or says how long to wait.
    pub(super) fn tries(&mut self, name: &str, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let guessers = self.guessers(name, address);
        let waits = guessers.iter().filter_map(|guesser| {
            let forgotten_at = self.forgotten_at.get(guesser)?;
            let full_at = forgotten_at.as_ms().saturating_sub((FREE - 1) * EACH_MS);
            full_at.checked_sub(now.as_ms()).filter(|ms| *ms > 0)
        });
        if let Some(ms) = waits.max() {
            return Err(Duration::from_millis(ms));
        }
        for guesser in guessers {
            let at = self.forgotten_at.entry(guesser).or_insert(now);
            *at = Timestamp::from_ms(at.as_ms().max(now.as_ms()) + EACH_MS);
        }
        if self.forgotten_at.len() > REMEMBERED_MAX {
            self.forget(now);
        }
        Ok(())
    }

    /// The try was none: its failure is taken back.
    pub(super) fn signed_in(&mut self, name: &str, address: IpAddr) {
        for guesser in self.guessers(name, address) {
            if let Some(at) = self.forgotten_at.get_mut(&guesser) {
                *at = Timestamp::from_ms(at.as_ms().saturating_sub(EACH_MS));
            }
        }
        if self.known.len() < REMEMBERED_MAX {
            self.known.insert((name.to_owned(), network(address)));
        }
    }

    fn guessers(&self, name: &str, address: IpAddr) -> Vec<Guesser> {
        let address = network(address);
        let mut guessers = vec![Guesser::Address(address)];
        if !self.known.contains(&(name.to_owned(), address)) {
            // A name of any length is remembered by its beginning: configured ones are short.
            guessers.push(Guesser::Name(name.chars().take(64).collect()));
        }
        guessers
    }

    fn forget(&mut self, now: Timestamp) {
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_five_failures_an_address_may_try_once_in_ten_seconds() {
        let mut guesses = Guesses::default();
        let from = address("203.0.113.9");
        for nth in 0..5 {
            assert_eq!(guesses.tries(&format!("name-{nth}"), from, at(0)), Ok(()));
        }
        assert_eq!(guesses.tries("anna", from, at(0)), Err(Duration::from_secs(10)));
        assert_eq!(guesses.tries("anna", from, at(4)), Err(Duration::from_secs(6)));
        assert_eq!(guesses.tries("anna", from, at(10)), Ok(()));
        assert!(guesses.tries("anna", from, at(10)).is_err());
        assert_eq!(guesses.tries("anna", address("203.0.113.10"), at(10)), Ok(()), "another address is not slowed");
    }

    #[test]
    fn nobody_is_locked_out_by_guesses_at_their_name_from_elsewhere() {
        let mut guesses = Guesses::default();
        let home = address("2001:db8::1");
        assert_eq!(guesses.tries("anna", home, at(0)), Ok(()));
        guesses.signed_in("anna", home);
        for nth in 0..250 {
            let _slowed = guesses.tries("anna", address(&format!("198.51.100.{nth}")), at(0));
        }
        assert!(guesses.tries("anna", address("198.51.100.251"), at(0)).is_err(), "strangers are slowed by the name");
        assert_eq!(guesses.tries("anna", address("2001:db8::2"), at(0)), Ok(()), "the same network is hers");
    }

    #[test]
    fn a_sign_in_is_no_failure() {
        let mut guesses = Guesses::default();
        for _ in 0..50 {
            assert_eq!(guesses.tries("anna", address("203.0.113.9"), at(0)), Ok(()));
            guesses.signed_in("anna", address("203.0.113.9"));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut guesses = Guesses::default();
        for nth in 0..100_000_u32 {
            let _slowed = guesses.tries(&format!("n{nth}"), IpAddr::V4(nth.into()), at(0));
        }
        assert!(guesses.forgotten_at.len() <= REMEMBERED_MAX + 2, "{}", guesses.forgotten_at.len());
    }
}
