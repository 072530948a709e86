//! In-memory table of fingerprints and the positions that hold them.
//!
//! Invariant: at most 27 bytes per claim. A slot is 16 bytes; a shard is rebuilt when it is more than three quarters
//! full, and is 60 % full afterwards: 16 / 0.6 = 26.7. A shard is 1/256 of the whole, so a rebuild temporarily adds
//! half a percent of memory and takes about a millisecond with ten million claims.

use crate::model::Position;

/// One for each value of a fingerprint's first byte.
const SHARDS: usize = 256;

/// Minimum slots of a shard that is not empty.
const SHARD_SLOTS_MIN: usize = 16;

/// A set of (fingerprint, position). One fingerprint may have several positions: two claims may share it.
pub(super) struct Table {
    shards: Vec<Shard>,
    /// Claims at or before this position are dropped; their slots are freed one shard at a time.
    forgotten: Position,
    /// The next shard whose dropped slots will be freed.
    sweep: usize,
}

/// Open addressing with linear probing: a fingerprint's bits select its first slot.
#[derive(Default)]
struct Shard {
    slots: Box<[Slot]>,
    used: usize,
}

/// Free if the position is 0, which no frame has.
#[derive(Clone, Copy, Default)]
struct Slot {
    fingerprint: u64,
    position: u64,
}

impl Table {
    pub(super) fn new() -> Self {
        Self::with_capacity(0)
    }

    /// A table sized for `claims`, so that a start does not rebuild its shards repeatedly.
    pub(super) fn with_capacity(claims: usize) -> Self {
        let each = claims / SHARDS;
        let shards = (0..SHARDS).map(|_| Shard { slots: slots(each), used: 0 }).collect();
        Self { shards, forgotten: Position(0), sweep: SHARDS }
    }

    /// Adds a claim; returns whether it was new.
    pub(super) fn insert(&mut self, fingerprint: u64, position: Position) -> bool {
        if position <= self.forgotten {
            return false;
        }
        let shard = &mut self.shards[shard_of(fingerprint)];
        if (shard.used + 1) * 4 > shard.slots.len() * 3 {
            shard.rebuild(|slot| slot.position > self.forgotten.0);
        }
        shard.insert(Slot { fingerprint, position: position.0 })
    }

    /// The positions of a fingerprint: nearly always none or one.
    pub(super) fn find(&self, fingerprint: u64) -> impl Iterator<Item = Position> + '_ {
        let shard = &self.shards[shard_of(fingerprint)];
        shard
            .run(fingerprint)
            .map(|at| shard.slots[at])
            .take_while(|slot| slot.position != 0)
            .filter(move |slot| slot.fingerprint == fingerprint && slot.position > self.forgotten.0)
            .map(|slot| Position(slot.position))
    }

    /// The number of claims, including those dropped and not yet freed.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.used).sum()
    }

    /// Bytes of memory in slots.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.slots.len() * size_of::<Slot>()).sum()
    }

    /// Claims at or before this position are dropped.
    pub(super) fn forgotten(&self) -> Position {
        self.forgotten
    }

    /// Drops claims at or before `position` at once, and begins to free their slots.
    pub(super) fn drop_through(&mut self, position: Position) {
        if position > self.forgotten {
            self.forgotten = position;
            self.sweep = 0;
        }
    }

    /// Frees the dropped claims of one more shard; returns whether there are more to free.
    pub(super) fn sweep_one(&mut self) -> bool {
        if let Some(shard) = self.shards.get_mut(self.sweep) {
            shard.rebuild(|slot| slot.position > self.forgotten.0);
            self.sweep += 1;
        }
        self.sweep < SHARDS
    }

    /// Drops claims at or after `end`, at once.
    pub(super) fn retain_before(&mut self, end: Position) {
        for shard in &mut self.shards {
            shard.rebuild(|slot| slot.position < end.0 && slot.position > self.forgotten.0);
        }
    }

    /// All claims after `position`, in the order of their positions, as (fingerprint, position).
    pub(super) fn after(&self, position: Position) -> Vec<(u64, Position)> {
        let after = position.max(self.forgotten).0;
        let slots = self.shards.iter().flat_map(|shard| shard.slots.iter());
        let mut claims: Vec<_> = slots
            .filter(|slot| slot.position > after)
            .map(|slot| (slot.fingerprint, Position(slot.position)))
            .collect();
        claims.sort_unstable_by_key(|(fingerprint, position)| (*position, *fingerprint));
        claims
    }
}

impl Shard {
    /// The slots a fingerprint may be in, each once, in probing order.
    fn run(&self, fingerprint: u64) -> impl Iterator<Item = usize> + use<> {
        let slots = self.slots.len();
        // The first byte selects the shard; the bits after it, times the number of slots, over 2^64, select the slot.
        let first = ((u128::from(fingerprint << 8) * slots as u128) >> 64) as usize;
        (first..slots).chain(0..first)
    }

    fn insert(&mut self, new: Slot) -> bool {
        for at in self.run(new.fingerprint) {
            let slot = &mut self.slots[at];
            if slot.position == 0 {
                *slot = new;
                self.used += 1;
                return true;
            }
            if (slot.fingerprint, slot.position) == (new.fingerprint, new.position) {
                return false;
            }
        }
        unreachable!("a shard is rebuilt before it is full")
    }

    /// Moves the kept claims into new slots, which are then three fifths full.
    fn rebuild(&mut self, keep: impl Fn(&Slot) -> bool) {
        let kept = |slot: &&Slot| slot.position != 0 && keep(slot);
        let count = self.slots.iter().filter(kept).count();
        let mut rebuilt = Shard { slots: slots(count + 1), used: 0 };
        for slot in self.slots.iter().filter(kept) {
            rebuilt.insert(*slot);
        }
        *self = rebuilt;
    }
}

fn shard_of(fingerprint: u64) -> usize {
    (fingerprint >> 56) as usize
}

fn slots(claims: usize) -> Box<[Slot]> {
    let slots = if claims == 0 { 0 } else { (claims * 5 / 3).max(SHARD_SLOTS_MIN) };
    vec![Slot::default(); slots].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Spreads small numbers over all shards.
    fn spread(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn g28_a_claim_takes_at_most_27_bytes() {
        let mut table = Table::new();
        for n in 1..=300_000u64 {
            table.insert(spread(n), Position(n));
            // Below that the minimum shard size dominates: 256 shards of 16 slots are 64 KiB.
            assert!(n < 10_000 || table.len() as u64 == n);
            if n >= 10_000 && n % 1_000 == 0 {
                assert!(table.bytes() as u64 <= 27 * n, "{} bytes for {n}", table.bytes());
            }
        }
    }

    #[test]
    fn dropped_claims_are_not_found_and_their_memory_is_freed() {
        let mut table = Table::new();
        (1..=50_000).for_each(|n| assert!(table.insert(spread(n), Position(n))));
        table.drop_through(Position(40_000));
        assert_eq!(table.find(spread(40_000)).next(), None);
        assert_eq!(table.find(spread(40_001)).next(), Some(Position(40_001)));
        while table.sweep_one() {}
        assert_eq!(table.len(), 10_000);
        assert!(table.bytes() < 27 * 10_000 + 256 * 16);
        assert!(!table.insert(spread(7), Position(7)), "a dropped claim is not added again");
    }

    proptest! {
        #[test]
        fn the_table_holds_the_same_as_a_set(
            // Few fingerprints in few shards, so that runs grow long, wrap and collide.
            claims in proptest::collection::vec((0u64..40, 1u64..60), 0..400),
            forgotten in 0u64..60,
            end in 1u64..60,
        ) {
            let mut table = Table::new();
            let mut set = BTreeSet::new();
            let fingerprint = |n: u64| if n.is_multiple_of(2) { u64::MAX - n } else { n << 54 };
            for (n, position) in claims {
                prop_assert_eq!(table.insert(fingerprint(n), Position(position)), set.insert((n, position)));
            }
            table.drop_through(Position(forgotten));
            set.retain(|(_, position)| *position > forgotten);
            table.sweep_one();
            table.retain_before(Position(end));
            set.retain(|(_, position)| *position < end);
            prop_assert_eq!(table.len(), set.len());
            prop_assert_eq!(table.after(Position(0)).len(), set.len());
            for n in 0..40 {
                let found: BTreeSet<u64> = table.find(fingerprint(n)).map(|position| position.0).collect();
                let expected: BTreeSet<u64> = set.iter().filter(|(m, _)| *m == n).map(|(_, p)| *p).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
