//! Places for connections: so many in all, so many for one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections are open, and from where.
pub(super) struct Places {
    max: usize,
    per_address_max: usize,
    /// Addresses that only the bound on all connections holds for: proxies that speak for many.
    exempt: Vec<IpAddr>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<Bucket, usize>,
}

/// A place for one connection, free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
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

impl Places {
    pub(super) fn new(max: usize, per_address_max: usize, exempt: Vec<IpAddr>) -> Arc<Self> {
        Arc::new(Self { max, per_address_max, exempt, taken: Mutex::default() })
    }

    /// A place for a connection from `address`. Loopback has no bound of its own: whoever is on this machine already is
    /// a proxy, or could do worse.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoPlace> {
        let address = address.to_canonical();
        let bucket = (!address.is_loopback() && !self.exempt.contains(&address)).then(|| Bucket::of(address));
        let mut taken = self.taken();
        if taken.in_all >= self.max {
            return Err(NoPlace::Full);
        }
        if let Some(bucket) = bucket {
            let here = taken.by_address.entry(bucket).or_default();
            if *here >= self.per_address_max {
                return Err(NoPlace::AddressFull);
            }
            *here += 1;
        }
        taken.in_all += 1;
        Ok(Place { places: Arc::clone(self), bucket })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
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
        let places = Places::new(10, 2, Vec::new());
        let kept = [take(&places, "192.0.2.1").unwrap(), take(&places, "192.0.2.1").unwrap()];
        assert_eq!(take(&places, "192.0.2.1").err(), Some(NoPlace::AddressFull));
        assert_eq!(take(&places, "::ffff:192.0.2.1").err(), Some(NoPlace::AddressFull), "the same address, mapped");
        assert!(take(&places, "192.0.2.2").is_ok());
        drop(kept);
        assert!(take(&places, "192.0.2.1").is_ok());
    }

    #[test]
    fn a_whole_64_of_ipv6_counts_as_one_address() {
        let places = Places::new(10, 1, Vec::new());
        let _kept = take(&places, "2001:db8:0:1::1").unwrap();
        assert_eq!(take(&places, "2001:db8:0:1:ffff::2").err(), Some(NoPlace::AddressFull));
        assert!(take(&places, "2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn loopback_and_trusted_proxies_have_no_share_of_their_own_but_count_in_all() {
        let places = Places::new(5, 1, vec!["198.51.100.7".parse().unwrap()]);
        let _kept: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "198.51.100.7", "198.51.100.7"]
            .map(|address| take(&places, address).unwrap())
            .into();
        assert_eq!(take(&places, "127.0.0.1").err(), Some(NoPlace::Full));
    }

    #[test]
    fn nothing_is_remembered_of_an_address_that_has_left() {
        let places = Places::new(10, 2, Vec::new());
        for last in 0..=255 {
            drop(take(&places, &format!("192.0.2.{last}")).unwrap());
        }
        assert!(places.taken().by_address.is_empty());
        assert_eq!(places.taken().in_all, 0);
    }

    fn take(places: &Arc<Places>, address: &str) -> Result<Place, NoPlace> {
        places.take(address.parse().unwrap())
    }
}
