//! Floor 2: commands in, events out.
//!
//! Invariant: everything here is a plain function of what it is handed. No I/O, no clock, no randomness, no
//! configuration, no await: a replay of the journal gives the same rows, and a seed the same story.

pub mod rows;
