//! What a carrier's error code means for a text.

use crate::model::FailureCode;

/// The consequence of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// The carrier rejects the text, or could not deliver it.
    Text(FailureCode),
    /// The carrier did not accept the text now: the lane pauses and the text is retried. In a receipt it is a carrier error.
    Later,
    /// The carrier rejects the account, independent of the text: the account is paused. In a receipt the text is rejected.
    Account,
}

/// The meaning of a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// The consequence.
    pub(super) class: Class,
    /// What happened and what to do, in one sentence.
    pub(super) detail: &'static str,
}

impl Meaning {
    /// The failure code for a text that ended with it.
    pub(super) fn failure(&self) -> FailureCode {
        match self.class {
            Class::Text(failure) => failure,
            Class::Later => FailureCode::CarrierError,
            Class::Account => FailureCode::CarrierRejected,
        }
    }
}
