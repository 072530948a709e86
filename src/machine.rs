//! Floor 2: commands in, events out.
//!
//! Invariant: everything here is a plain function of what it is handed. No I/O, no clock, no randomness, no
//! configuration, no await: a replay of the journal gives the same rows, and a seed the same story.

pub mod apply;
pub mod command;
mod decide;
pub mod erase;
pub mod event;
pub mod fuzz;
mod private;
pub mod record;
pub mod rows;
pub mod show;
pub mod state;
pub mod view;
pub mod why;

pub use decide::{Decision, answered, decide, shown};
pub use private::Private;
