//! Personal data, stored separately from the rest of a record.
//!
//! Invariant: in a record of the journal a [`Private`] value is in a body of its own, which can be overwritten with
//! zeros, and never in the meta. In a row of the index, which is rebuilt after an erasure, it is stored inline.

use std::fmt;

/// Personal data: a number, a text, a media URL or a carrier's raw body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Private<T> {
    /// The value.
    Kept(T),
    /// It was erased from the journal.
    Erased,
}

impl<T> Private<T> {
    /// Returns the value, unless it was erased.
    pub fn kept(&self) -> Option<&T> {
        match self {
            Self::Kept(value) => Some(value),
            Self::Erased => None,
        }
    }
}

impl<T> From<T> for Private<T> {
    fn from(value: T) -> Self {
        Self::Kept(value)
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kept().is_some() { "private" } else { "erased" })
    }
}
