//! Floor 3: what the machine knows, as a store holds it.
//!
//! Invariant: the position row is written after every row of its batch, so an index never claims to hold more than it
//! does; it may hold more than it claims, which is harmless because rows are absolute. It is never trusted to be durable.

use crate::machine::rows::{Rows, RowsFailed, Write};
use crate::model::Position;
use std::sync::Arc;

/// The writing end. The engine alone has it.
pub trait Index: Rows + Send {
    /// The last position whose rows are all here; `Position(0)` for an empty index.
    fn applied(&self) -> Position;

    /// Does the writes in order, then notes that everything up to `position` is here.
    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed>;

    /// A reading end; any number, from any thread.
    fn reader(&self) -> Arc<dyn Rows + Send + Sync>;
}
