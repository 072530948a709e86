//! Twilio's error codes in our words. <https://www.twilio.com/docs/api/errors>
//!
//! Codes from 20000 stand in answers to sends, codes from 30000 in receipts; one table serves both.

use crate::model::FailureCode;

/// What a code means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// In our words.
    pub(super) failure: FailureCode,
    /// What it means and what to do.
    pub(super) detail: &'static str,
    /// Whether the same text to the same number may pass later.
    pub(super) retryable: bool,
    /// Whether an answer to a send with this code says "not now": the lane waits and the text is tried again.
    pub(super) not_now: bool,
}

/// What `code` means, if it is one we know.
pub(super) fn meaning(code: u32) -> Option<Meaning> {
    use FailureCode::{
        Blocked, CarrierError, CarrierRejected, Landline, NumberInvalid, OptedOut, TooLate, Unreachable,
    };

    let no = |failure, detail| Some(Meaning { failure, detail, retryable: false, not_now: false });
    let later = |failure, detail| Some(Meaning { failure, detail, retryable: true, not_now: false });
    let not_now = |detail| Some(Meaning { failure: CarrierError, detail, retryable: true, not_now: true });
    match code {
        20003 => no(CarrierRejected, "Twilio refused our credentials: check account_sid and auth_token_files"),
        20404 => no(CarrierRejected, "Twilio knows no such account: check account_sid and api_url"),
        20429 => not_now("too many requests at once for this Twilio account"),
        21211 => no(NumberInvalid, "the number does not exist"),
        21408 => no(CarrierRejected, "the Twilio account may not text this country: allow it in its geo permissions"),
        21606 => no(CarrierRejected, "our number is not of this Twilio account, or cannot text: verify it again"),
        21610 => no(OptedOut, "the recipient said STOP to this number"),
        21611 => not_now("Twilio's queue for our number is full"),
        21614 => no(Landline, "the number is not a mobile one"),
        21617 => no(CarrierRejected, "the text is longer than Twilio allows"),
        21659 | 21660 => no(CarrierRejected, "our number is not of this Twilio account: check the number's account"),
        30001 => not_now("Twilio's queue is full"),
        30002 => no(CarrierRejected, "the Twilio account is suspended"),
        30003 => later(Unreachable, "the handset is off or out of reach"),
        30004 => no(Blocked, "the recipient or their network blocked the message"),
        30005 => no(NumberInvalid, "the handset is unknown or the number no longer in use"),
        30006 => no(Landline, "the number is a landline, or its network cannot be reached"),
        30007 => no(Blocked, "the message was filtered: change its words"),
        30008 => later(CarrierError, "Twilio does not know why"),
        30010 => no(CarrierRejected, "the message costs more than allowed"),
        30022 => later(CarrierError, "the campaign's rate at the network is used up"),
        30023 => later(CarrierError, "the brand's day at T-Mobile is used up until midnight"),
        30032 => no(CarrierRejected, "our toll-free number is not verified: verify it at Twilio"),
        30034 => no(CarrierRejected, "our number is in no registered campaign: register it at Twilio"),
        30036 => no(TooLate, "its time passed before the network took it"),
        _ => None,
    }
}
