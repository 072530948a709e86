//! One seed's numbers (SplitMix64), and choices made with them.

/// A stream of numbers that only looks random.
#[derive(Clone, Debug)]
pub(crate) struct SeededRng(u64);

impl SeededRng {
    /// The dice of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds are small and alike; their streams are not.
        let mut dice = Self(seed);
        Self(dice.next() ^ seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A place in something of `len` things, of which there is one at least.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("it is below a usize")
    }

    /// One of these.
    pub(crate) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())].clone()
    }

    /// Whether something happens that does so `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Milliseconds: mostly few, sometimes many, at most `most`.
    pub(crate) fn ms(&mut self, most: u64) -> u64 {
        let most = if self.percent(80) { most / 10 } else { most };
        self.below(most.max(1) + 1)
    }
}
