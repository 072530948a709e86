//! Which failed authentications are charged, and what is shed for them once verification is too much for the machine.
//!
//! Invariant: while the machine keeps up every webhook is verified, whoever else failed behind the same address. Only
//! failures are charged, and the memory of them is bounded, whatever comes from how many addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Webhooks that wait to be verified or are being verified. A verification takes 1 ms at most (64 kB with two tokens), so
/// as many that are not done are work of more than 30 ms for two cores: more comes than they can verify.
pub(super) const UNVERIFIED_MAX: usize = 64;

/// Failures at once of an address that is not shed for them.
pub(super) const FAILURES_MAX: u32 = 100;

/// Afterwards one more in this time.
const ONE_MORE_IN: Duration = Duration::from_millis(100);

/// Addresses whose failures are remembered, at about 60 bytes each. Those beyond are computed for.
const ADDRESSES_MAX: usize = 20_000;

/// How often paid debts are looked for while the memory is full.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A bucket of failures for each client address and account. One account with a wrong token does not shut out another that
/// the same carrier calls from the same address.
#[derive(Default)]
pub(super) struct Budget {
    unverified: AtomicUsize,
    debts: Mutex<Debts>,
}

/// A webhook that is not verified yet, until dropped.
pub(super) struct Unverified(Arc<Budget>);

impl Drop for Unverified {
    fn drop(&mut self) {
        self.0.unverified.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Debts {
    /// When everything charged is paid.
    paid_at: HashMap<(Arc<str>, IpAddr), Instant>,
    swept_at: Option<Instant>,
}

impl Budget {
    /// Counts a webhook that has come and is to be verified.
    pub(super) fn comes(self: &Arc<Self>) -> Unverified {
        self.unverified.fetch_add(1, Ordering::Relaxed);
        Unverified(Arc::clone(self))
    }

    /// Whether a webhook from this address is not to be verified: the machine is short of CPU, and the address has failed
    /// too often.
    pub(super) fn sheds(&self, account: &Arc<str>, from: IpAddr, now: Instant) -> bool {
        self.unverified.load(Ordering::Relaxed) > UNVERIFIED_MAX && self.is_spent(account, from, now)
    }

    fn is_spent(&self, account: &Arc<str>, from: IpAddr, now: Instant) -> bool {
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_at = debts.paid_at.get(&(Arc::clone(account), charged(from)));
        paid_at.is_some_and(|paid_at| *paid_at > now + ONE_MORE_IN * (FAILURES_MAX - 1))
    }

    /// Charges a failure.
    pub(super) fn charge(&self, account: &Arc<str>, from: IpAddr, now: Instant) {
        let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(account), charged(from));
        if debts.paid_at.len() >= ADDRESSES_MAX && !debts.paid_at.contains_key(&key) && !debts.sweep(now) {
            return;
        }
        let paid_at = debts.paid_at.entry(key).or_insert(now);
        *paid_at = (*paid_at).max(now) + ONE_MORE_IN;
    }
}

/// The address that is charged: of IPv6 the first 64 bits, because whoever has one address of a /64 has all of them.
fn charged(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(from) => {
            let [a, b, c, d, ..] = from.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        from => from,
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
    fn an_address_that_fails_too_often_is_spent_until_it_has_paid() {
        let (budget, now) = (Budget::default(), Instant::now());
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
    fn a_network_of_ipv6_counts_as_one_address() {
        let (budget, now) = (Budget::default(), Instant::now());
        let main = account("main");
        for host in 0..FAILURES_MAX {
            budget.charge(&main, ip(&format!("2001:db8::{host:x}")), now);
        }
        assert!(budget.is_spent(&main, ip("2001:db8::ffff"), now));
        assert!(!budget.is_spent(&main, ip("2001:db8:0:1::"), now));
    }

    #[test]
    fn f11_only_a_spent_address_is_shed_and_only_while_too_many_wait() {
        let (budget, now) = (Arc::new(Budget::default()), Instant::now());
        let main = account("main");
        for _ in 0..FAILURES_MAX {
            budget.charge(&main, ip("127.0.0.1"), now);
        }
        let mut waiting: Vec<_> = (0..UNVERIFIED_MAX).map(|_| budget.comes()).collect();
        assert!(!budget.sheds(&main, ip("127.0.0.1"), now), "the machine keeps up");
        waiting.push(budget.comes());
        assert!(budget.sheds(&main, ip("127.0.0.1"), now));
        assert!(!budget.sheds(&main, ip("127.0.0.2"), now), "another address has not failed");
        assert!(!budget.sheds(&main, ip("127.0.0.1"), now + ONE_MORE_IN), "it has paid for one");
        waiting.pop();
        assert!(!budget.sheds(&main, ip("127.0.0.1"), now));
    }

    #[test]
    fn the_memory_of_failures_is_bounded_and_forgets_what_is_paid() {
        let (budget, now) = (Budget::default(), Instant::now());
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
