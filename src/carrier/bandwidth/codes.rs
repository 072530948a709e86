//! Bandwidth's error codes and their meaning. <https://dev.bandwidth.com/docs/messaging/errors/>
//!
//! They are in receipts; a refused request has a word instead. Codes of media and of groups, which we do not send, are
//! omitted. The first digit is 4 for a text that would be refused again, 5 for a fault that may pass.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Later, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, TooLate, Unreachable};

/// No receipt came within two hours: the text may have arrived.
pub(super) const NO_RECEIPT: u32 = 9_902;

/// The meaning of `code`; `None` if it is not in the table.
pub(super) fn meaning(code: u32) -> Option<Meaning> {
    let found = TABLE.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = TABLE[found];
    Some(Meaning { class, detail })
}

/// Our failure code for `code`. One that is not in the table is judged by its first digit.
pub(super) fn failure(code: u32) -> FailureCode {
    match meaning(code) {
        Some(meaning) => meaning.failure(),
        None if code / 1_000 == 4 => CarrierRejected,
        None => CarrierError,
    }
}

/// Shared details of several codes.
const BANDWIDTH_FAULT: &str = "Bandwidth had a fault: send it again";
const CARRIER_FAULT: &str = "the caller's carrier had a fault: send it again once";
const SHORT_CODE: &str = "the caller's carrier blocks our short code: ask Bandwidth's support";
const SPAM: &str = "it was blocked as spam: change its wording, and check the campaign";

/// Sorted by code, for binary search.
#[rustfmt::skip]
const TABLE: &[(u32, Class, &str)] = &[
    (4_001, Text(CarrierRejected), "Bandwidth does not allow this service: check the account's messaging settings"),
    (4_301, Text(CarrierRejected), "the text has characters that cannot be sent"),
    (4_302, Text(CarrierRejected), "our number is malformed: verify it again"),
    (4_303, Text(NumberInvalid), "the number is malformed"),
    (4_350, Text(NumberInvalid), "the number cannot be texted"),
    (4_360, Text(TooLate), "the text expired before Bandwidth could send it"),
    (4_401, Text(CarrierRejected), "Bandwidth cannot route the text: check that both numbers are not the same"),
    (4_403, Text(CarrierRejected), "our number may not text: check that it is on the account and enabled for messaging"),
    (4_404, Text(NumberInvalid), "the number may not be texted: it is inactive or invalid"),
    (4_405, Text(CarrierRejected), "our number is not enabled for messaging: enable it in the Bandwidth App"),
    (4_406, Text(NumberInvalid), "the number is not assigned to any carrier"),
    (4_407, Text(CarrierRejected), "our number is not on this Bandwidth account: check the number's account"),
    (4_408, Text(NumberInvalid), "the number is not set up to receive texts"),
    (4_409, Text(NumberInvalid), "the number cannot receive this kind of message"),
    (4_420, Text(NumberInvalid), "Bandwidth has no route to the number's carrier"),
    (4_421, Text(CarrierRejected), "the account may not text this destination: ask Bandwidth's support"),
    (4_431, Text(CarrierRejected), "the account may not text short codes: ask Bandwidth's support"),
    (4_432, Text(CarrierRejected), "the account may not text this country: ask Bandwidth's support"),
    (4_433, Text(CarrierRejected), "the account may not text from toll-free numbers: ask Bandwidth's support"),
    (4_434, Text(NumberInvalid), "the number is toll-free and cannot be texted"),
    (4_451, Account, "Bandwidth rejects account_id: check it"),
    (4_452, Account, "Bandwidth rejects application_id: check that it is an application of account_id"),
    (4_470, Text(Blocked), SPAM),
    (4_475, Text(OptedOut), "the recipient sent STOP to this number and must text START first"),
    (4_476, Text(CarrierRejected), "our number is not registered: register its campaign or verify it at Bandwidth"),
    (4_481, Text(CarrierRejected), "Bandwidth has blocked our number: ask its support"),
    (4_482, Text(Blocked), "the number is blocked from receiving texts"),
    (4_492, Text(NumberInvalid), "the number is that of an emergency service"),
    (4_493, Account, "the API credentials may not send for this account: give them the role Messaging"),
    (4_700, Text(NumberInvalid), "the number's carrier or handset does not take texts"),
    (4_701, Text(Unreachable), "the number cannot be reached now: try again later"),
    (4_702, Text(Unreachable), "the handset is off or out of reach: try again later"),
    (4_720, Text(NumberInvalid), "the number does not exist or cannot be texted, like a landline; ask for another"),
    (4_721, Text(NumberInvalid), "the number is deactivated; ask for another"),
    (4_730, Text(Unreachable), "there is no route to the number's carrier: try again later"),
    (4_740, Text(CarrierRejected), "the caller's carrier rejects our number: check its registration"),
    (4_750, Text(Blocked), "the caller's carrier rejected the text without a reason"),
    (4_751, Text(CarrierRejected), "the text is longer than the caller's carrier allows"),
    (4_752, Text(CarrierRejected), "the caller's carrier rejects the form of the text"),
    (4_753, Text(Blocked), "the handset rejected the text"),
    (4_770, Text(Blocked), SPAM),
    (4_771, Text(Blocked), "the text has a shortened link: use the whole one"),
    (4_772, Text(Blocked), "the caller's carrier blocks our number: ask Bandwidth's support"),
    (4_773, Text(CarrierRejected), "our number's campaign is not active: check it in the Bandwidth App"),
    (4_774, Text(CarrierRejected), "our number is not provisioned at the caller's carrier: ask Bandwidth's support"),
    (4_775, Text(OptedOut), "the recipient sent STOP to this number and must text START first"),
    (4_780, Later, "the daily limit at T-Mobile is reached: send fewer, or raise the brand's score"),
    (4_781, Later, "the rate limit at AT&T is exceeded: lower segments_per_second of our number"),
    (4_785, Later, "a carrier's rate limit is exceeded: lower segments_per_second of our number"),
    (4_790, Text(Blocked), SHORT_CODE),
    (4_791, Text(Blocked), SHORT_CODE),
    (4_792, Text(CarrierRejected), SHORT_CODE),
    (4_793, Text(CarrierRejected), SHORT_CODE),
    (4_794, Text(TooLate), "the text expired at the caller's carrier"),
    (4_795, Text(CarrierRejected), "our toll-free number is not verified: verify it at Bandwidth"),
    (5_100, Later, BANDWIDTH_FAULT),
    (5_101, Later, BANDWIDTH_FAULT),
    (5_106, Later, "Bandwidth found no route after several attempts: send it again once"),
    (5_111, Later, BANDWIDTH_FAULT),
    (5_201, Later, BANDWIDTH_FAULT),
    (5_211, Later, BANDWIDTH_FAULT),
    (5_220, Later, BANDWIDTH_FAULT),
    (5_231, Later, BANDWIDTH_FAULT),
    (5_500, Later, BANDWIDTH_FAULT),
    (5_501, Later, BANDWIDTH_FAULT),
    (5_600, Later, CARRIER_FAULT),
    (5_610, Later, CARRIER_FAULT),
    (5_611, Later, CARRIER_FAULT),
    (5_620, Later, CARRIER_FAULT),
    (5_630, Later, CARRIER_FAULT),
    (5_650, Later, CARRIER_FAULT),
    (5_999, Later, BANDWIDTH_FAULT),
    (NO_RECEIPT, Later, "no receipt came within two hours: the text may have arrived, so do not send it again"),
    (9_999, Text(CarrierError), "it failed for an unknown reason"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_unknown_codes_are_judged_by_their_first_digit() {
        assert!(TABLE.is_sorted_by(|(one, ..), (next, ..)| one < next));
        assert_eq!([4_775, 4_475].map(failure), [OptedOut; 2]);
        assert_eq!([4_999, 5_998, 9_000, 0].map(failure), [CarrierRejected, CarrierError, CarrierError, CarrierError]);
        assert_eq!([4_360, 4_702, 4_781, 4_452].map(failure), [TooLate, Unreachable, CarrierError, CarrierRejected]);
        assert!(TABLE.iter().all(|(_, _, detail)| detail.len() < 120));
    }
}
