//! The state of erasures: which person is being erased, and what became of it.
//!
//! Invariant: neither rows nor metas contain the person's number. Only the frame that begins an erasure has it, in a
//! body that is erased last.

use super::fingerprint::Fingerprint;
use crate::model::{ErasureId, Timestamp};

/// The erasure of a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erasure {
    /// Its id. Its position is that of the frame with the person's number: everything before it is erased.
    pub id: ErasureId,
    /// When it was requested.
    pub at: Timestamp,
    /// Whether it is done.
    pub state: ErasureState,
    /// The fingerprint of the person's number while it runs, so that a second request for the same person joins it.
    pub who: Option<Fingerprint>,
    /// What was erased, once it is done.
    pub erased: Erased,
}

/// Whether an erasure is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErasureState {
    /// It is being worked on.
    Running,
    /// Nothing of the person is left.
    Done,
    /// It ended without being complete, because data is damaged; the log says which.
    Failed,
}

impl ErasureState {
    /// The state's name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// What was erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Records that contained data of the person.
    pub records: u64,
    /// Numbers, texts and media URLs that were erased.
    pub bodies: u64,
    /// Records with the number in an identifier chosen by others, such as a call id, which cannot be erased.
    pub named_elsewhere: u64,
}
