//! Floor 2: commands in, events out.
//!
//! Invariant: everything here is a pure function of its arguments. No I/O, no clock, no randomness, no configuration,
//! no await: replaying the journal gives the same rows, and a seed gives the same run.

pub mod apply;
pub mod command;
mod decide;
pub mod erase;
pub mod erasure;
pub mod event;
pub mod explain;
pub mod fingerprint;
#[cfg(feature = "test-support")]
pub mod fuzz;
pub mod keys;
pub mod lanes;
mod private;
pub mod record;
pub mod rows;
pub mod show;
pub mod state;
pub mod urgency;
pub mod view;

pub use decide::{Decision, answered, decide, document_changed, shown};
pub use private::Private;
