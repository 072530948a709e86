//! Seeded random numbers (SplitMix64).
//!
//! Invariant: a number depends on the seed and on what it is drawn for, not on the order in which requests arrive, so
//! that a run under load can be repeated.

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub(super) struct SeededRng(u64);

impl SeededRng {
    /// The generator for one occasion: its subject, and how often that occurred before.
    pub(super) fn of(seed: u64, about: &[&str], nth: u64) -> Self {
        let mut dice = Self(seed ^ fingerprint(about));
        dice.0 = dice.next() ^ nth;
        dice
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether an event of this probability (0 to 1) occurs.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        // An f64 between 0 and 1 has 53 significant bits.
        ((self.next() >> 11) as f64) < probability * (1u64 << 53) as f64
    }

    /// 32 lower-case hexadecimal digits, as in carriers' ids.
    pub(super) fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

/// FNV-1a over the parts, each terminated by a byte that UTF-8 text never contains.
pub(super) fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_match_splitmix64() {
        let mut dice = SeededRng(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| dice.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn same_occasion_gives_the_same_number_and_another_does_not() {
        let number = |seed, about: &[&str], nth| SeededRng::of(seed, about, nth).next();
        assert_eq!(number(1, &["a", "b"], 0), number(1, &["a", "b"], 0));
        for other in [number(2, &["a", "b"], 0), number(1, &["ab", ""], 0), number(1, &["a", "b"], 1)] {
            assert_ne!(number(1, &["a", "b"], 0), other);
        }
    }

    #[test]
    fn probability_zero_never_occurs_and_one_always() {
        let mut dice = SeededRng(7);
        assert!((0..1_000).all(|_| !dice.chance(0.0)));
        assert!((0..1_000).all(|_| dice.chance(1.0)));
        let quarter = (0..10_000).filter(|_| dice.chance(0.25)).count();
        assert!((2_300..2_700).contains(&quarter), "{quarter}");
    }
}
