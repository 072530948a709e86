//! Infobip's status and error codes and their meaning.
//! <https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes>
//!
//! Two tables, because the ids overlap: a status says what became of a text, an error why. Ids that are not in a table
//! are permanent rejections, or what the error's own `permanent` says.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Later, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, TooLate, Unreachable};

/// The text was submitted before under the same id.
pub(super) const DUPLICATE: u64 = 23;

/// The meaning of a status of a text that was not delivered.
pub(super) fn status(id: u64) -> Option<Meaning> {
    find(STATUSES, id)
}

/// The meaning of an error.
pub(super) fn error(id: u64) -> Option<Meaning> {
    find(ERRORS, id)
}

/// The meaning of a response without a status of the text.
pub(super) fn http(status: http::StatusCode) -> Option<Meaning> {
    find(HTTP, status.as_u16().into())
}

type Table = [(u64, Class, &'static str)];

fn find(table: &Table, id: u64) -> Option<Meaning> {
    let found = table.binary_search_by_key(&id, |(id, _, _)| *id).ok()?;
    let (_, class, detail) = table[found];
    Some(Meaning { class, detail })
}

/// Shared details of several codes.
const OUT_OF_REACH: &str = "the handset is off or out of reach; try again later";
const NOT_IN_USE: &str = "the number is not in use; ask for another";
const NO_TEXTS: &str = "the number or its handset cannot get texts; ask for another";
const REJECTS_NUMBERS: &str = "the recipient's network rejects this number or ours: check both";
const BLOCKS_US: &str = "the recipient's network blocks our number: ask Infobip's support";
const FILTERED: &str = "the message was filtered: change its wording";
const CAMPAIGN: &str = "our number's campaign is rejected or not set up at the network: check it at Infobip";
const LIMIT: &str = "a limit of the account or campaign is reached: raise it at Infobip, or try again later";
const ON_BLOCKLIST: &str = "the number is on a blocklist at Infobip: check the blocklist in its web interface";
const STOPPED: &str = "the recipient blocked our number or sent STOP, and must text START first";

/// Sorted by id, for binary search.
#[rustfmt::skip]
const STATUSES: &Table = &[
    (4, Text(CarrierRejected), "the recipient's network rejected it: ask Infobip's support"),
    (6, Text(CarrierRejected), "Infobip has no route to the recipient's network: ask Infobip's support"),
    (8, Text(NumberInvalid), "the number is not valid"),
    (9, Text(CarrierError), "it was not delivered; try again later"),
    (10, Text(Blocked), "the recipient is on a do-not-disturb list"),
    (11, Text(CarrierRejected), "our number is not registered as a sender: register it at Infobip"),
    (12, Account, "the Infobip account has no credit left: add some in Infobip's web interface"),
    (13, Text(CarrierRejected), "our number is blocked as a sender: ask Infobip's support"),
    (14, Text(OptedOut), STOPPED),
    (17, Account, "the Infobip account's package has expired: renew it in Infobip's web interface"),
    (18, Text(CarrierRejected), "a demo account texts registered numbers only: register this one, or upgrade the account"),
    (19, Text(CarrierRejected), "Infobip has no route from our number to this one: ask Infobip's support"),
    (20, Text(CarrierError), "too many texts to this number within an hour; try again later"),
    (21, Later, "Infobip has an internal error"),
    (25, Text(CarrierRejected), "the text is longer than Infobip allows"),
    (31, Text(CarrierError), "it could not be passed to the recipient's network; try again later"),
    (52, Text(NumberInvalid), "the number is not valid"),
    (87, Text(Blocked), "Infobip blocked it as suspected fraud: check the account's fraud settings"),
    (100, Text(CarrierRejected), "Infobip rejected it: look it up in the logs of its web interface"),
];

/// Sorted by id, for binary search.
#[rustfmt::skip]
const ERRORS: &Table = &[
    (1, Text(NumberInvalid), NOT_IN_USE),
    (5, Text(Unreachable), OUT_OF_REACH),
    (6, Text(Unreachable), OUT_OF_REACH),
    (8, Text(Unreachable), OUT_OF_REACH),
    (9, Text(NumberInvalid), NO_TEXTS),
    (11, Text(NumberInvalid), NO_TEXTS),
    (12, Text(NumberInvalid), NO_TEXTS),
    (13, Text(Unreachable), OUT_OF_REACH),
    (27, Text(Unreachable), OUT_OF_REACH),
    (31, Text(Unreachable), OUT_OF_REACH),
    (32, Text(Unreachable), OUT_OF_REACH),
    (33, Text(Unreachable), OUT_OF_REACH),
    (34, Text(CarrierError), "the recipient's network failed; try again later"),
    (256, Text(Unreachable), "the handset's memory is full; try again later"),
    (351, Text(CarrierRejected), REJECTS_NUMBERS),
    (352, Text(CarrierRejected), REJECTS_NUMBERS),
    (368, Text(CarrierRejected), REJECTS_NUMBERS),
    (375, Text(Blocked), BLOCKS_US),
    (488, Text(CarrierRejected), "our toll-free number is not verified: verify it at Infobip"),
    (541, Text(CarrierError), LIMIT),
    (542, Text(CarrierError), LIMIT),
    (560, Text(Blocked), BLOCKS_US),
    (561, Text(Blocked), FILTERED),
    (564, Text(Blocked), BLOCKS_US),
    (565, Text(Blocked), BLOCKS_US),
    (569, Text(NumberInvalid), NOT_IN_USE),
    (571, Text(CarrierRejected), CAMPAIGN),
    (572, Text(CarrierRejected), CAMPAIGN),
    (573, Text(OptedOut), STOPPED),
    (594, Text(CarrierRejected), CAMPAIGN),
    (603, Text(Blocked), FILTERED),
    (607, Text(Blocked), FILTERED),
    (2_050, Text(Blocked), ON_BLOCKLIST),
    (2_052, Text(OptedOut), STOPPED),
    (2_053, Text(Blocked), ON_BLOCKLIST),
    (3_041, Text(NumberInvalid), NOT_IN_USE),
    (4_098, Text(TooLate), "it expired before the network accepted it"),
    (4_101, Text(TooLate), "it expired before the network accepted it"),
    (4_202, Text(CarrierError), LIMIT),
];

/// Statuses of responses. All sends go to one URL, so these reject the account and not the text.
#[rustfmt::skip]
const HTTP: &Table = &[
    (401, Account, "Infobip rejects our credentials: check api_key_file"),
    (403, Account, "Infobip denies access: check the scopes of the API key and that it may be used from this address"),
    (404, Account, "Infobip does not know this address: check base_url"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::receipt::failure;

    #[test]
    fn f07_each_code_has_one_class_and_one_sentence() {
        for table in [STATUSES, ERRORS, HTTP] {
            assert!(table.is_sorted_by(|(one, ..), (other, ..)| one < other), "each code once, in order");
            for (code, class, detail) in table {
                assert!((15..=120).contains(&detail.len()) && !detail.ends_with('.'), "{code}: {detail}");
                assert!(!detail.contains("http") && !detail.contains(|c: char| c.is_ascii_digit()), "{code}: {detail}");
                // Only retryable failures may suggest trying again.
                let retryable = failure(Meaning { class: *class, detail }.failure(), None, None).retryable;
                assert!(!detail.contains("try again") || retryable, "{code}: {detail}");
            }
        }
        assert!(status(DUPLICATE).is_none(), "a duplicate is not a failure");
    }
}
