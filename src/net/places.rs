//! Connection limits: in total, per address, and by available descriptors.

use super::listen::Bounds;
use super::origin::is_trusted;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections that a process has descriptors for, shared by its doors.
///
/// Each door has a reserved part, and the rest goes to whichever door needs it first. So a flood at one door can use
/// most of the connections, but never those reserved for health checks and the other doors.
#[derive(Clone, Debug)]
pub struct Shares {
    own: usize,
    rest: Arc<AtomicUsize>,
}

impl Shares {
    /// Each door reserves one part out of this many. There are at most as many doors.
    const PARTS: usize = 8;

    /// Divides `connections` among `doors`.
    pub fn of(connections: usize, doors: usize) -> Self {
        let own = connections / Self::PARTS;
        Self { own, rest: Arc::new(AtomicUsize::new(connections.saturating_sub(own * doors))) }
    }

    /// The maximum for one door while the others use only their reserved part.
    pub fn most(&self) -> usize {
        self.own + self.rest.load(Ordering::Relaxed)
    }

    /// Takes one connection for a door that already has `taken`.
    fn take(&self, taken: usize) -> bool {
        taken < self.own
            || self.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Returns one connection of a door that has `taken`.
    fn release(&self, taken: usize) {
        if taken > self.own {
            self.rest.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts open connections in total and per address.
pub(super) struct ConnectionLimits {
    max: usize,
    per_address_max: usize,
    /// Trusted proxies, which are exempt from the limit per address because they forward for many clients.
    exempt: Vec<IpNet>,
    shares: Option<Shares>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<Bucket, usize>,
}

/// A permit for one connection, released when dropped.
pub(super) struct ConnectionPermit {
    limits: Arc<ConnectionLimits>,
    bucket: Option<Bucket>,
}

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitReached {
    /// The limit on all connections is reached.
    Full,
    /// The limit for this address is reached.
    AddressFull,
}

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 address, because one client usually has
/// a whole /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Bucket {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl ConnectionLimits {
    /// The limits in a door's bounds.
    pub(super) fn of(bounds: &Bounds) -> Arc<Self> {
        Arc::new(Self {
            max: bounds.connections_max,
            per_address_max: bounds.connections_per_address_max,
            exempt: bounds.trusted_proxies.clone(),
            shares: bounds.shares.clone(),
            taken: Mutex::default(),
        })
    }

    /// Takes a permit for a connection from `address`. Loopback and trusted proxies are exempt from the limit per
    /// address.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionPermit, LimitReached> {
        let address = address.to_canonical();
        let bucket = (!is_trusted(address, &self.exempt)).then(|| Bucket::of(address));
        let mut taken = self.taken();
        if taken.in_all >= self.max {
            return Err(LimitReached::Full);
        }
        if bucket.is_some_and(|bucket| taken.by_address.get(&bucket).is_some_and(|here| *here >= self.per_address_max))
        {
            return Err(LimitReached::AddressFull);
        }
        if self.shares.as_ref().is_some_and(|shares| !shares.take(taken.in_all)) {
            return Err(LimitReached::Full);
        }
        if let Some(bucket) = bucket {
            *taken.by_address.entry(bucket).or_default() += 1;
        }
        taken.in_all += 1;
        Ok(ConnectionPermit { limits: Arc::clone(self), bucket })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.limits.taken();
        if let Some(shares) = &self.limits.shares {
            shares.release(taken.in_all);
        }
        taken.in_all -= 1;
        let Some(bucket) = self.bucket else { return };
        if let Some(here) = taken.by_address.get_mut(&bucket) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&bucket);
            }
        }
    }
}

impl Bucket {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(first_64_bits(address)),
        }
    }
}

fn first_64_bits(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_limited_and_others_still_connect() {
        let limits = limits(10, 2);
        let kept = [take(&limits, "192.0.2.1").unwrap(), take(&limits, "192.0.2.1").unwrap()];
        assert_eq!(take(&limits, "192.0.2.1").err(), Some(LimitReached::AddressFull));
        assert_eq!(
            take(&limits, "::ffff:192.0.2.1").err(),
            Some(LimitReached::AddressFull),
            "the same address, mapped"
        );
        assert!(take(&limits, "192.0.2.2").is_ok());
        drop(kept);
        assert!(take(&limits, "192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_64_prefix_counts_as_one_address() {
        let limits = limits(10, 1);
        let _kept = take(&limits, "2001:db8:0:1::1").unwrap();
        assert_eq!(take(&limits, "2001:db8:0:1:ffff::2").err(), Some(LimitReached::AddressFull));
        assert!(take(&limits, "2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn loopback_and_trusted_proxies_count_only_in_the_total() {
        let trusted_proxies = vec!["198.51.100.0/24".parse().unwrap()];
        let limits = ConnectionLimits::of(&Bounds { trusted_proxies, ..bounds(5, 1) });
        let _kept: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "198.51.100.7", "198.51.100.7"]
            .map(|address| take(&limits, address).unwrap())
            .into();
        assert_eq!(take(&limits, "127.0.0.1").err(), Some(LimitReached::Full));
    }

    #[test]
    fn an_address_without_connections_is_forgotten() {
        let limits = limits(10, 2);
        for last in 0..=255 {
            drop(take(&limits, &format!("192.0.2.{last}")).unwrap());
        }
        assert!(limits.taken().by_address.is_empty());
        assert_eq!(limits.taken().in_all, 0);
    }

    #[test]
    fn g21_a_flood_at_one_door_takes_only_unreserved_connections() {
        let shares = Shares::of(32, 3);
        assert_eq!(shares.most(), 24, "four are reserved for each door");
        let door = || ConnectionLimits::of(&Bounds { shares: Some(shares.clone()), ..bounds(100, 100) });
        let (one, other) = (door(), door());
        let fill =
            |door: &Arc<ConnectionLimits>| std::iter::from_fn(|| take(door, "127.0.0.1").ok()).collect::<Vec<_>>();
        let mut flood = fill(&one);
        assert_eq!((flood.len(), fill(&other).len()), (24, 4));
        flood.truncate(20);
        assert_eq!(fill(&other).len(), 8, "what the flood has released");
        drop(flood);
        assert_eq!(fill(&other).len(), 24);
    }

    fn bounds(connections_max: usize, connections_per_address_max: usize) -> Bounds {
        Bounds { connections_max, connections_per_address_max, ..Bounds::default() }
    }

    fn limits(max: usize, per_address_max: usize) -> Arc<ConnectionLimits> {
        ConnectionLimits::of(&bounds(max, per_address_max))
    }

    fn take(limits: &Arc<ConnectionLimits>, address: &str) -> Result<ConnectionPermit, LimitReached> {
        limits.take(address.parse().unwrap())
    }
}
