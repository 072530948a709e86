//! A seeded random number generator (SplitMix64) and choices made with it.

/// A deterministic stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub(crate) struct SeededRng(u64);

impl SeededRng {
    /// The generator of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        // Mixes the seed, so that similar seeds give different streams.
        let mut rng = Self(seed);
        Self(rng.next() ^ seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// An index below `len`, which must not be 0.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("it is below a usize")
    }

    /// A random element.
    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())].clone()
    }

    /// True with a probability of `percent`.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Milliseconds up to `most`, mostly short.
    pub(crate) fn ms(&mut self, most: u64) -> u64 {
        let most = if self.percent(80) { most / 10 } else { most };
        self.below(most.max(1) + 1)
    }
}
