//! The error codes of Plivo's receipts and their meaning.
//! <https://www.plivo.com/docs/messaging/troubleshooting/error-codes>
//!
//! Responses have no code. A code that is not in the table is judged by the receipt's status alone.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, TooLate, Unreachable};

/// The meaning of `code`; `None` if it is not in the table.
pub(super) fn meaning(code: u32) -> Option<Meaning> {
    // Those from 950 are about registrations, and more are added now and then.
    if (950..1_000).contains(&code) {
        let detail = "our number is in no registered campaign: check its registration in Plivo's console";
        return Some(Meaning { class: Text(CarrierRejected), detail });
    }
    let found = TABLE.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = TABLE[found];
    Some(Meaning { class, detail })
}

/// Whether a receipt with this code says that Plivo, or a filter, refused the text: no handset was tried.
pub(super) fn is_refusal(code: u32) -> bool {
    matches!(code, 30 | 100 | 200 | 201 | 450)
}

/// Sorted by code, for binary search.
#[rustfmt::skip]
const TABLE: &[(u32, Class, &str)] = &[
    (10, Text(CarrierRejected), "the recipient's network says that the text is not valid"),
    (20, Text(CarrierError), "the network has an error; try again later"),
    (30, Text(Blocked), "it was filtered as spam: change its wording"),
    (40, Text(CarrierRejected), "our number is not valid for this recipient: check it in Plivo's console"),
    (50, Text(NumberInvalid), "the number is not valid"),
    (60, Text(Blocked), "it was stopped because two machines seem to reply to each other"),
    (70, Text(NumberInvalid), "the number is not in service; ask for another"),
    (80, Text(Unreachable), "the handset is off or out of reach; try again later"),
    (90, Text(CarrierRejected), "Plivo has no route to this number: ask Plivo's support"),
    (100, Text(Blocked), "the recipient's network prohibits it: register our number at Plivo"),
    (110, Text(CarrierRejected), "the text is longer than Plivo allows"),
    (200, Text(OptedOut), "the recipient sent STOP to this number, or to its campaign, and must text START first"),
    (201, Text(CarrierRejected), "a toll-free number of the US cannot text Canada: use another number"),
    (300, Text(CarrierError), "Plivo could not pass it on; try again later"),
    (420, Text(TooLate), "it expired in Plivo's queue"),
    (450, Text(CarrierRejected), "the account may not text this country: allow it in its geo permissions at Plivo"),
    (900, Account, "the Plivo account has no credit: add some in Plivo's console"),
    (910, Account, "the Plivo account is disabled: ask Plivo's support"),
    (1_000, Text(CarrierError), "Plivo does not know why it failed; try again later"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::meaning::assert_table;

    #[test]
    fn f07_each_code_of_plivo_has_one_class_and_one_sentence() {
        assert_table(TABLE.iter().copied());
        assert_table([950, 999].map(|code| (code, meaning(code).unwrap().class, meaning(code).unwrap().detail)));
        assert!([0, 55, 949, 1_001].into_iter().all(|code| meaning(code).is_none()));
    }
}
