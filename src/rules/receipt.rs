//! Effect of a receipt on the state of a message (A54). Invariant: states only move forward.

use crate::model::{Failure, FailureCode, MessageState, ReceiptState};

/// The state after a receipt, with the failure it reports; `None` if the receipt changes nothing.
///
/// `delivered`, `undelivered`, `failed` and `cancelled` are final. A receipt overrides `unconfirmed` and `expired`,
/// because those are assumptions of the gateway.
pub fn advance(
    state: MessageState,
    receipt: ReceiptState,
    carrier_code: Option<&str>,
    detail: Option<String>,
) -> Option<(MessageState, Option<Failure>)> {
    let open = match state {
        MessageState::Queued | MessageState::Sending | MessageState::Sent => true,
        MessageState::Unconfirmed | MessageState::Expired => true,
        MessageState::Received
        | MessageState::Delivered
        | MessageState::Undelivered
        | MessageState::Failed
        | MessageState::Cancelled => false,
    };
    if !open {
        return None;
    }
    let failed = |code| Some(failure(code, carrier_code, detail));
    match receipt {
        // A carrier that reports the message has accepted it, whatever its response to the send was.
        ReceiptState::Queued | ReceiptState::Sent if matches!(state, MessageState::Queued | MessageState::Sending) => {
            Some((MessageState::Sent, None))
        }
        ReceiptState::Queued | ReceiptState::Sent => None,
        ReceiptState::Delivered => Some((MessageState::Delivered, None)),
        ReceiptState::Undelivered(code) => Some((MessageState::Undelivered, failed(code))),
        ReceiptState::Failed(code) => Some((MessageState::Failed, failed(code))),
        ReceiptState::Expired if state == MessageState::Expired => None,
        ReceiptState::Expired => Some((MessageState::Expired, failed(FailureCode::TooLate))),
    }
}

/// A failure with its explanation: `detail` for the carrier's code if given, else a general text for `code`. The
/// carrier's own text is never used, because it may contain the number.
pub fn failure(code: FailureCode, carrier_code: Option<&str>, detail: Option<String>) -> Failure {
    let (usual, retryable) = match code {
        FailureCode::CancelledCallEnded => ("the call ended before this was sent", false),
        FailureCode::CancelledByRequest => ("cancelled before it was sent", false),
        FailureCode::OptedOut => ("the recipient has opted out and must text START first", false),
        FailureCode::Landline => ("the number is a landline and cannot get texts; ask for another", false),
        FailureCode::NumberInvalid => ("the number does not exist or cannot get texts; ask for another", false),
        FailureCode::Blocked => ("filtered or blocked in transit; the same text will be blocked again", false),
        FailureCode::Unreachable => ("the handset is off or out of reach; try again later", true),
        FailureCode::CarrierRejected => ("the carrier rejected it; see its code", false),
        FailureCode::CarrierError => ("the carrier failed; try again later", true),
        FailureCode::TooLate => ("it expired before it could be sent", true),
    };
    let detail = detail.unwrap_or_else(|| usual.to_owned());
    Failure { code, carrier_code: carrier_code.map(str::to_owned), detail, retryable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageState::*;

    #[test]
    fn a54_receipts_out_of_order_never_revert_a_state() {
        assert_eq!(advance(Delivered, ReceiptState::Sent, None, None), None);
        assert_eq!(advance(Failed, ReceiptState::Delivered, None, None), None);
        assert_eq!(advance(Cancelled, ReceiptState::Delivered, None, None), None);
        assert_eq!(advance(Sent, ReceiptState::Sent, None, None), None);
        assert_eq!(advance(Sent, ReceiptState::Queued, None, None), None);
    }

    #[test]
    fn a61_a_receipt_may_arrive_before_the_response_to_the_send() {
        assert_eq!(advance(Sending, ReceiptState::Sent, None, None), Some((Sent, None)));
        assert_eq!(advance(Sending, ReceiptState::Delivered, None, None), Some((Delivered, None)));
    }

    #[test]
    fn a60_a_receipt_proves_acceptance_whatever_the_response_was() {
        for state in [Queued, Sending] {
            assert_eq!(advance(state, ReceiptState::Queued, None, None), Some((Sent, None)));
        }
        assert_eq!(advance(Unconfirmed, ReceiptState::Queued, None, None), None);
    }

    #[test]
    fn a54_a_receipt_overrides_unconfirmed_and_expired() {
        assert_eq!(advance(Unconfirmed, ReceiptState::Delivered, None, None), Some((Delivered, None)));
        assert_eq!(advance(Expired, ReceiptState::Delivered, None, None), Some((Delivered, None)));
    }

    #[test]
    fn r9_a_landline_is_reported_with_the_carriers_code() {
        let (state, why) =
            advance(Sent, ReceiptState::Undelivered(FailureCode::Landline), Some("30006"), None).unwrap();
        let why = why.unwrap();
        assert_eq!((state, why.code, why.carrier_code.as_deref()), (Undelivered, FailureCode::Landline, Some("30006")));
        assert!(!why.retryable);
    }
}
