//! The codes of the SMS API and their meaning: those of responses and those of receipts are different ones.
//! <https://developer.vonage.com/en/api-errors/sms>,
//! <https://api.support.vonage.com/hc/en-us/articles/204014733>, and for opt-outs
//! <https://developer.vonage.com/en/opt-out-assist/guides/messaging-opted-out-numbers>
//!
//! A code that is in no table is a permanent rejection, with the code in the detail.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Later, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, Unreachable};

type Table = &'static [(u16, Class, &'static str)];

/// The meaning of a status in a response; `None` if it is not in the table.
pub(super) fn of_send(status: u16) -> Option<Meaning> {
    meaning(SEND, status)
}

/// The meaning of a receipt's code; `None` if it is not in the table.
pub(super) fn of_receipt(code: u16) -> Option<Meaning> {
    meaning(RECEIPT, code)
}

fn meaning(table: Table, code: u16) -> Option<Meaning> {
    let found = table.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = table[found];
    Some(Meaning { class, detail })
}

/// Shared details of several codes.
const CREDENTIALS: &str = "Vonage rejects our credentials: check api_key and api_secret_file";
const OPTED_OUT: &str = "the recipient sent STOP to this number and must text START first";

/// Sorted by status, for binary search.
#[rustfmt::skip]
const SEND: Table = &[
    (1, Later, "the Vonage account sends more than its rate allows"),
    (2, Text(CarrierRejected), "Vonage misses a value in the request (bug)"),
    (3, Text(CarrierRejected), "Vonage rejects a value of the request: check that both numbers are complete"),
    (4, Account, CREDENTIALS),
    (5, Later, "Vonage has an internal error"),
    (6, Text(NumberInvalid), "Vonage cannot process the text, mostly because the number does not exist"),
    (7, Text(Blocked), "Vonage has barred the number: ask Vonage's support"),
    (8, Account, "the Vonage account is suspended: ask Vonage's support"),
    (9, Account, "the Vonage account has no credit: top it up in Vonage's dashboard"),
    (10, Later, "the Vonage account has too many connections"),
    (11, Account, "the Vonage account is not set up for this API: ask Vonage's support"),
    (12, Text(CarrierRejected), "the text is longer than Vonage allows"),
    (13, Later, "Vonage could not reach the network"),
    (14, Account, CREDENTIALS),
    (15, Text(CarrierRejected), "our number may not be the sender: check that it belongs to this Vonage account and is registered"),
    (16, Text(CarrierRejected), "Vonage rejects the validity period of the text (bug)"),
    (19, Text(CarrierRejected), "the Vonage account may not do this: ask Vonage's support"),
    (20, Text(CarrierRejected), "Vonage rejects a value of the request (bug)"),
    (22, Text(CarrierRejected), "Vonage rejects a value of the request (bug)"),
    (23, Text(CarrierRejected), "Vonage cannot post receipts to public_url: make it an address that Vonage can reach"),
    (29, Text(CarrierRejected), "a Vonage trial account texts its test numbers only: add this one, or upgrade the account"),
    (32, Account, "the Vonage account accepts signed requests only: allow its secret in the API settings"),
    (33, Text(NumberInvalid), "the number is no longer in use; ask for another"),
    (34, Text(NumberInvalid), "the number is not valid"),
    (101, Text(OptedOut), OPTED_OUT),
];

/// Sorted by code, for binary search.
#[rustfmt::skip]
const RECEIPT: Table = &[
    (1, Text(CarrierError), "it was not delivered, and Vonage does not know why; try again later"),
    (2, Text(Unreachable), "the handset is off or out of reach; try again later"),
    (3, Text(NumberInvalid), "the number is no longer in use; ask for another"),
    (4, Text(Blocked), "the recipient's network bars texts to the number: the person must ask it"),
    (5, Text(CarrierRejected), "the number moved to another network, which does not accept it yet: the person must ask it"),
    (6, Text(Blocked), "the message was filtered as spam: change its wording"),
    (7, Text(Unreachable), "the handset was busy; try again later"),
    (8, Text(CarrierError), "the network failed; try again later"),
    (9, Text(OptedOut), OPTED_OUT),
    (10, Text(CarrierRejected), "the network cannot read the message (bug)"),
    (11, Text(CarrierRejected), "Vonage has no route to the number: ask Vonage's support"),
    (12, Text(CarrierRejected), "Vonage cannot reach the number: check it, or ask Vonage's support"),
    (13, Text(Blocked), "the network blocked the message because of the recipient's age"),
    (14, Text(Blocked), "the recipient's network blocked the message: their plan may have no texts"),
    (15, Text(CarrierRejected), "the recipient's prepaid account has no credit"),
    (16, Text(CarrierError), "the Vonage account has reached a limit; try again later"),
    (39, Text(CarrierRejected), "our number may not text the United States: register it at Vonage"),
    (50, Text(Blocked), "the network accepts registered senders only: register our number at Vonage"),
    (51, Text(Blocked), "the network accepts registered senders only: register our number at Vonage"),
    (52, Text(Blocked), "the network filtered the message: change its wording"),
    (53, Text(Blocked), "the network has no consent of the recipient: ask Vonage's support"),
    (54, Text(Blocked), "a regulation forbids the message: ask Vonage's support"),
    (99, Text(CarrierError), "it was not delivered, and Vonage does not say why; try again later"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::receipt::failure;

    #[test]
    fn f07_each_code_has_one_class_and_one_sentence() {
        for table in [SEND, RECEIPT] {
            assert!(table.is_sorted_by(|(one, ..), (other, ..)| one < other), "each code once, in order");
            for (code, class, detail) in table {
                assert!((15..=120).contains(&detail.len()) && !detail.ends_with('.'), "{code}: {detail}");
                assert!(!detail.contains("http") && !detail.contains(|c: char| c.is_ascii_digit()), "{code}: {detail}");
                let retryable = failure(Meaning { class: *class, detail }.failure(), None, None).retryable;
                assert!(!detail.contains("try again") || retryable, "{code}: {detail}");
            }
        }
        assert_eq!((of_send(0).is_none(), of_receipt(0).is_none(), of_receipt(98).is_none()), (true, true, true));
    }
}
