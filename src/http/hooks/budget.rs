//! Load shedding for the carriers' door: counts failed authentications per client address, and sheds addresses with too
//! many failures when verification exceeds the available CPU.
//!
//! Invariant: while the machine keeps up, every webhook is verified, regardless of other failures from the same
//! address. Only failures are counted, and the memory for them is bounded for any number of addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of webhooks whose verification is pending before shedding starts. A verification takes at most 1 ms
/// (64 kB with two tokens), so this is over 30 ms of work for two cores: more arrives than they can verify.
pub(super) const UNVERIFIED_MAX: usize = 64;

/// Failures an address may have in a burst before it is shed.
pub(super) const FAILURES_MAX: u32 = 100;

/// The time after which one more failure is allowed.
const ONE_MORE_IN: Duration = Duration::from_millis(100);

/// Maximum number of addresses tracked, at about 60 bytes each. Webhooks of further addresses are always verified.
const ADDRESSES_MAX: usize = 20_000;

/// Minimum time between two removals of expired entries while the map is full.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A token bucket of failures per client address and account, so that one account with a wrong token does not block
/// another account of the same carrier.
#[derive(Default)]
pub(super) struct Budget {
    unverified: AtomicUsize,
    debts: Mutex<Debts>,
}

/// Guard that counts a webhook as pending verification until dropped.
pub(super) struct Unverified(Arc<Budget>);

impl Drop for Unverified {
    fn drop(&mut self) {
        self.0.unverified.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Debts {
    /// When the bucket is full again.
    paid_at: HashMap<(Arc<str>, IpAddr), Instant>,
    swept_at: Option<Instant>,
}

impl Budget {
    /// Counts a webhook that is pending verification.
    pub(super) fn arrived(self: &Arc<Self>) -> Unverified {
        self.unverified.fetch_add(1, Ordering::Relaxed);
        Unverified(Arc::clone(self))
    }

    /// Whether to shed a webhook from this address unverified: too many verifications are pending, and the address has
    /// failed too often.
    pub(super) fn sheds(&self, account: &Arc<str>, from: IpAddr, now: Instant) -> bool {
        self.unverified.load(Ordering::Relaxed) > UNVERIFIED_MAX && self.is_spent(account, from, now)
    }

    fn is_spent(&self, account: &Arc<str>, from: IpAddr, now: Instant) -> bool {
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_at = debts.paid_at.get(&(Arc::clone(account), charged(from)));
        paid_at.is_some_and(|paid_at| *paid_at > now + ONE_MORE_IN * (FAILURES_MAX - 1))
    }

    /// Records a failed authentication.
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

/// The address that failures are counted for: of IPv6 the /64 prefix, because a client usually controls all of it.
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
    /// Removes expired entries. Returns whether there is space for another.
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
    fn an_address_with_too_many_failures_is_spent_until_its_bucket_refills() {
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
    fn an_ipv6_network_counts_as_one_address() {
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
        let mut waiting: Vec<_> = (0..UNVERIFIED_MAX).map(|_| budget.arrived()).collect();
        assert!(!budget.sheds(&main, ip("127.0.0.1"), now), "the machine keeps up");
        waiting.push(budget.arrived());
        assert!(budget.sheds(&main, ip("127.0.0.1"), now));
        assert!(!budget.sheds(&main, ip("127.0.0.2"), now), "another address has not failed");
        assert!(!budget.sheds(&main, ip("127.0.0.1"), now + ONE_MORE_IN), "one failure has expired");
        waiting.pop();
        assert!(!budget.sheds(&main, ip("127.0.0.1"), now));
    }

    #[test]
    fn the_number_of_tracked_addresses_is_bounded_and_expired_ones_are_removed() {
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
