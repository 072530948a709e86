//! How many failed authentications an address may cause before we stop computing for it.
//!
//! Invariant: only failures are charged, so nobody who signs rightly ever meets the bound; and the memory of failures is
//! bounded, whatever comes from how many addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures at once. A wrong token at a busy carrier shows in the log this often, which is enough to see it.
pub(super) const FAILURES_MAX: u32 = 100;

/// Afterwards one more in this time. A signature over 64 kB with two tokens takes about a millisecond, so an address can
/// keep us busy for a hundredth of the time.
const ONE_MORE_IN: Duration = Duration::from_millis(100);

/// Addresses whose failures are remembered, at about 60 bytes each. Those beyond are computed for.
const ADDRESSES_MAX: usize = 20_000;

/// How often paid debts are looked for while the memory is full.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A bucket of failures for each address and account. One account with a wrong token does not shut out another that the
/// same carrier calls from the same address.
pub(super) struct Budget {
    /// Proxies that speak for many.
    exempt: Vec<IpAddr>,
    debts: Mutex<Debts>,
}

#[derive(Default)]
struct Debts {
    /// When everything charged is paid.
    paid_at: HashMap<(Arc<str>, IpAddr), Instant>,
    swept_at: Option<Instant>,
}

impl Budget {
    pub(super) fn new(exempt: Vec<IpAddr>) -> Self {
        Self { exempt, debts: Mutex::default() }
    }

    /// Whether the address has failed too often to be computed for.
    pub(super) fn is_spent(&self, account: &Arc<str>, from: IpAddr, now: Instant) -> bool {
        let Some(from) = self.charged(from) else { return false };
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_at = debts.paid_at.get(&(Arc::clone(account), from));
        paid_at.is_some_and(|paid_at| *paid_at > now + ONE_MORE_IN * (FAILURES_MAX - 1))
    }

    /// Charges a failure.
    pub(super) fn charge(&self, account: &Arc<str>, from: IpAddr, now: Instant) {
        let Some(from) = self.charged(from) else { return };
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(account), from);
        if debts.paid_at.len() >= ADDRESSES_MAX && !debts.paid_at.contains_key(&key) && !debts.sweep(now) {
            return;
        }
        let paid_at = debts.paid_at.entry(key).or_insert(now);
        *paid_at = (*paid_at).max(now) + ONE_MORE_IN;
    }

    /// The address that is charged: of IPv6 the first 64 bits, because whoever has one address of a /64 has all of them.
    /// Nobody on this machine is charged: whoever is here is a proxy already, or could do worse.
    fn charged(&self, from: IpAddr) -> Option<IpAddr> {
        let from = from.to_canonical();
        if from.is_loopback() || self.exempt.contains(&from) {
            return None;
        }
        Some(match from {
            IpAddr::V4(_) => from,
            IpAddr::V6(from) => {
                let [a, b, c, d, ..] = from.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

impl Debts {
    /// Forgets what is paid, and says whether there is room again.
    fn sweep(&mut self, now: Instant) -> bool {
        if self.swept_at.is_none_or(|swept_at| now.duration_since(swept_at) >= SWEEP_EVERY) {
            self.swept_at = Some(now);
            self.paid_at.retain(|_, paid_at| *paid_at > now);
        }
        self.paid_at.len() < ADDRESSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_is_not_computed_for_until_it_has_paid() {
        let (budget, now) = (Budget::new(Vec::new()), Instant::now());
        let (main, other) = (account("main"), account("other"));
        for _ in 0..FAILURES_MAX {
            assert!(!budget.is_spent(&main, ip("192.0.2.1"), now));
            budget.charge(&main, ip("192.0.2.1"), now);
        }
        assert!(budget.is_spent(&main, ip("192.0.2.1"), now));
        assert!(budget.is_spent(&main, ip("::ffff:192.0.2.1"), now));
        assert!(!budget.is_spent(&main, ip("192.0.2.2"), now));
        assert!(!budget.is_spent(&other, ip("192.0.2.1"), now));
        assert!(!budget.is_spent(&main, ip("192.0.2.1"), now + ONE_MORE_IN));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address_and_proxies_and_this_machine_as_none() {
        let (budget, now) = (Budget::new(vec![ip("192.0.2.9")]), Instant::now());
        let main = account("main");
        for host in 0..FAILURES_MAX {
            budget.charge(&main, ip(&format!("2001:db8::{host:x}")), now);
            budget.charge(&main, ip("192.0.2.9"), now);
            budget.charge(&main, ip("127.0.0.1"), now);
        }
        assert!(budget.is_spent(&main, ip("2001:db8::ffff"), now));
        assert!(!budget.is_spent(&main, ip("2001:db8:0:1::"), now));
        assert!(!budget.is_spent(&main, ip("192.0.2.9"), now) && !budget.is_spent(&main, ip("127.0.0.1"), now));
    }

    #[test]
    fn the_memory_of_failures_is_bounded_and_forgets_what_is_paid() {
        let (budget, now) = (Budget::new(Vec::new()), Instant::now());
        let main = account("main");
        let charge = |count: usize, at| {
            for host in 0..count {
                budget.charge(
                    &main,
                    Ipv6Addr::new(0x2001, 0xdb8, (host >> 16) as u16, host as u16, 0, 0, 0, 1).into(),
                    at,
                );
            }
        };
        let remembered = || budget.debts.lock().unwrap().paid_at.len();
        charge(ADDRESSES_MAX + 10, now);
        assert_eq!(remembered(), ADDRESSES_MAX);
        budget.charge(&main, ip("192.0.2.1"), now + SWEEP_EVERY);
        assert_eq!(remembered(), 1);
    }

    fn account(name: &str) -> Arc<str> {
        name.into()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
