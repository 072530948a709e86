//! Places for connections: so many in all, so many for one address, and no more than there are descriptors for.

use super::listen::Bounds;
use super::origin::is_trusted;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections that a process has descriptors for, shared by its doors.
///
/// Each door has places of its own, and the rest is taken by whoever comes first. So a crowd at one door finds most of
/// the room there is, and never that of the health checks and the other doors.
#[derive(Clone, Debug)]
pub struct Shares {
    own: usize,
    rest: Arc<AtomicUsize>,
}

impl Shares {
    /// Of `connections` in all, one of this many parts is a door's own. There are at most as many doors.
    const PARTS: usize = 8;

    /// Shares `connections` among so many doors.
    pub fn of(connections: usize, doors: usize) -> Self {
        let own = connections / Self::PARTS;
        Self { own, rest: Arc::new(AtomicUsize::new(connections.saturating_sub(own * doors))) }
    }

    /// What one door may have while the others have only what is theirs.
    pub fn most(&self) -> usize {
        self.own + self.rest.load(Ordering::Relaxed)
    }

    /// A place for a door that has `taken`.
    fn take(&self, taken: usize) -> bool {
        taken < self.own
            || self.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// The last of `taken` places is free again.
    fn give_back(&self, taken: usize) {
        if taken > self.own {
            self.rest.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How many connections are open, and from where.
pub(super) struct ConnectionLimits {
    max: usize,
    per_address_max: usize,
    /// Addresses that only the bound on all connections holds for: proxies that speak for many.
    exempt: Vec<IpNet>,
    shares: Option<Shares>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<Bucket, usize>,
}

/// A place for one connection, free again when dropped.
pub(super) struct ConnectionPermit {
    places: Arc<ConnectionLimits>,
    bucket: Option<Bucket>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All places are taken.
    Full,
    /// This address has its share.
    AddressFull,
}

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 one, because whoever has one address of
/// a /64 has all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Bucket {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl ConnectionLimits {
    /// As many as a door's bounds say.
    pub(super) fn of(bounds: &Bounds) -> Arc<Self> {
        Arc::new(Self {
            max: bounds.connections_max,
            per_address_max: bounds.connections_per_address_max,
            exempt: bounds.trusted_proxies.clone(),
            shares: bounds.shares.clone(),
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from `address`. Loopback has no bound of its own: whoever is on this machine already is
    /// a proxy, or could do worse.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionPermit, NoPlace> {
        let address = address.to_canonical();
        let bucket = (!is_trusted(address, &self.exempt)).then(|| Bucket::of(address));
        let mut taken = self.taken();
        if taken.in_all >= self.max {
            return Err(NoPlace::Full);
        }
        if bucket.is_some_and(|bucket| taken.by_address.get(&bucket).is_some_and(|here| *here >= self.per_address_max))
        {
            return Err(NoPlace::AddressFull);
        }
        if self.shares.as_ref().is_some_and(|shares| !shares.take(taken.in_all)) {
            return Err(NoPlace::Full);
        }
        if let Some(bucket) = bucket {
            *taken.by_address.entry(bucket).or_default() += 1;
        }
        taken.in_all += 1;
        Ok(ConnectionPermit { places: Arc::clone(self), bucket })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(shares) = &self.places.shares {
            shares.give_back(taken.in_all);
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
    fn an_address_gets_its_share_and_no_more_while_others_still_find_a_place() {
        let places = places(10, 2);
        let kept = [take(&places, "192.0.2.1").unwrap(), take(&places, "192.0.2.1").unwrap()];
        assert_eq!(take(&places, "192.0.2.1").err(), Some(NoPlace::AddressFull));
        assert_eq!(take(&places, "::ffff:192.0.2.1").err(), Some(NoPlace::AddressFull), "the same address, mapped");
        assert!(take(&places, "192.0.2.2").is_ok());
        drop(kept);
        assert!(take(&places, "192.0.2.1").is_ok());
    }

    #[test]
    fn a_whole_64_of_ipv6_counts_as_one_address() {
        let places = places(10, 1);
        let _kept = take(&places, "2001:db8:0:1::1").unwrap();
        assert_eq!(take(&places, "2001:db8:0:1:ffff::2").err(), Some(NoPlace::AddressFull));
        assert!(take(&places, "2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn loopback_and_trusted_proxies_have_no_share_of_their_own_but_count_in_all() {
        let trusted_proxies = vec!["198.51.100.0/24".parse().unwrap()];
        let places = ConnectionLimits::of(&Bounds { trusted_proxies, ..bounds(5, 1) });
        let _kept: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "198.51.100.7", "198.51.100.7"]
            .map(|address| take(&places, address).unwrap())
            .into();
        assert_eq!(take(&places, "127.0.0.1").err(), Some(NoPlace::Full));
    }

    #[test]
    fn nothing_is_remembered_of_an_address_that_has_left() {
        let places = places(10, 2);
        for last in 0..=255 {
            drop(take(&places, &format!("192.0.2.{last}")).unwrap());
        }
        assert!(places.taken().by_address.is_empty());
        assert_eq!(places.taken().in_all, 0);
    }

    #[test]
    fn g21_a_crowd_at_one_door_takes_what_is_nobodys_and_gives_it_back() {
        let shares = Shares::of(32, 3);
        assert_eq!(shares.most(), 24, "four are each door's own");
        let door = || ConnectionLimits::of(&Bounds { shares: Some(shares.clone()), ..bounds(100, 100) });
        let (one, other) = (door(), door());
        let fill =
            |door: &Arc<ConnectionLimits>| std::iter::from_fn(|| take(door, "127.0.0.1").ok()).collect::<Vec<_>>();
        let mut crowd = fill(&one);
        assert_eq!((crowd.len(), fill(&other).len()), (24, 4));
        crowd.truncate(20);
        assert_eq!(fill(&other).len(), 8, "what the crowd no longer has");
        drop(crowd);
        assert_eq!(fill(&other).len(), 24);
    }

    fn bounds(connections_max: usize, connections_per_address_max: usize) -> Bounds {
        Bounds { connections_max, connections_per_address_max, ..Bounds::default() }
    }

    fn places(max: usize, per_address_max: usize) -> Arc<ConnectionLimits> {
        ConnectionLimits::of(&bounds(max, per_address_max))
    }

    fn take(places: &Arc<ConnectionLimits>, address: &str) -> Result<ConnectionPermit, NoPlace> {
        places.take(address.parse().unwrap())
    }
}
