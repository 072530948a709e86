//! Telnyx's error codes and their meaning. <https://developers.telnyx.com/docs/messaging/messages/error-codes>
//!
//! One table for responses and receipts. Other pages of Telnyx give a few codes other meanings; this follows the
//! reference above. A code that is not in the table is a permanent rejection, with the code in the detail.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Later, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, Landline, NumberInvalid, OptedOut, TooLate};
use serde_json::Value;

/// The meaning of `code`; `None` if it is not in the table.
pub(super) fn meaning(code: u32) -> Option<Meaning> {
    let found = TABLE.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = TABLE[found];
    Some(Meaning { class, detail })
}

/// The code of a list of errors, as responses and receipts have it: the first one with a known meaning, else the first.
pub(super) fn in_errors(errors: &Value) -> Option<u32> {
    let code = |error: &Value| match &error["code"] {
        Value::String(code) => code.parse().ok(),
        Value::Number(code) => code.as_u64().and_then(|code| u32::try_from(code).ok()),
        _ => None,
    };
    let codes: Vec<u32> = errors.as_array().into_iter().flatten().filter_map(code).collect();
    codes.iter().find(|code| meaning(**code).is_some()).or_else(|| codes.first()).copied()
}

/// Whether a receipt with this code says that Telnyx, or a filter, refused the text: no handset was tried.
pub(super) fn is_refusal(code: u32) -> bool {
    matches!(code, 40_002 | 40_003 | 40_010 | 40_015 | 40_017 | 40_300 | 40_322 | 40_329)
}

/// Sorted by code, for binary search.
#[rustfmt::skip]
const TABLE: &[(u32, Class, &str)] = &[
    (10_001, Text(NumberInvalid), "the number is not active"),
    (10_002, Text(NumberInvalid), "the number is not valid"),
    (10_003, Text(CarrierRejected), "Telnyx cannot post receipts to public_url: make it an address that Telnyx can reach"),
    (10_004, Text(CarrierRejected), "Telnyx misses a value in the request (bug)"),
    (10_005, Account, "Telnyx reports no such resource: check api_url"),
    (10_007, Later, "Telnyx has an internal error"),
    (10_008, Later, "Telnyx did not finish in time"),
    (10_009, Account, "Telnyx rejects our API key: check api_key_file"),
    (10_010, Account, "Telnyx denies this to our API key: check in Telnyx's portal what it is allowed to do"),
    (10_011, Later, "too many requests at once for this Telnyx account"),
    (10_015, Text(CarrierRejected), "Telnyx cannot read the request (bug)"),
    (10_016, Text(NumberInvalid), "the number is not valid"),
    (20_100, Account, "the Telnyx account has no funds: add some in Telnyx's portal"),
    (40_001, Text(Landline), "the number is a landline, or no network takes texts for it; ask for another"),
    (40_002, Text(Blocked), "it was filtered as spam: change its wording, and send less from our number"),
    (40_003, Text(Blocked), "it was filtered as spam, and the network blocks our number: use another, and ask Telnyx's support"),
    (40_004, Text(CarrierError), "the recipient's network rejected it and gave no reason; try again later"),
    (40_005, Text(TooLate), "it expired before it was delivered"),
    (40_006, Later, "the recipient's network is not available"),
    (40_007, Text(Blocked), "it was stopped because two machines seem to reply to each other"),
    (40_008, Text(CarrierError), "it could not be delivered; try again later"),
    (40_009, Text(Blocked), "the recipient's network rejects this text: change its wording"),
    (40_010, Text(CarrierRejected), "our number is in no registered campaign: register it at Telnyx"),
    (40_011, Later, "the network's rate limit is reached: lower the number's limits"),
    (40_012, Text(NumberInvalid), "the network says that the number does not exist"),
    (40_013, Text(CarrierRejected), "the network rejects our number: check it in Telnyx's portal"),
    (40_014, Text(TooLate), "it expired in Telnyx's queue: lower the number's limits"),
    (40_015, Text(Blocked), "Telnyx filtered it as spam: change its wording"),
    (40_016, Later, "the brand's daily limit at T-Mobile is reached"),
    (40_017, Text(Blocked), "it was filtered as spam by the network: change its wording"),
    (40_018, Later, "the campaign's rate limit at the network is reached: lower the number's limits"),
    (40_019, Text(CarrierRejected), "the network does not accept our number's campaign: check it in Telnyx's portal"),
    (40_020, Text(Blocked), "Telnyx holds texts to this number back for a day as suspected fraud"),
    (40_100, Text(CarrierRejected), "our number cannot text: assign it a messaging profile in Telnyx's portal"),
    (40_300, Text(OptedOut), "the recipient sent STOP to this messaging profile and must text START first"),
    (40_302, Text(CarrierRejected), "the text is longer than Telnyx allows"),
    (40_304, Text(CarrierRejected), "Telnyx takes either a text or media here (bug)"),
    (40_305, Text(CarrierRejected), "our number is not in a messaging profile of this Telnyx account: check the number's account"),
    (40_306, Text(CarrierRejected), "the messaging profile has no alphanumeric sender: use a number"),
    (40_307, Text(CarrierRejected), "a name cannot send to this number: use a number"),
    (40_308, Text(CarrierRejected), "our number cannot send media"),
    (40_309, Text(CarrierRejected), "the messaging profile does not allow this country: allow it in Telnyx's portal"),
    (40_310, Text(NumberInvalid), "the number is not valid"),
    (40_312, Text(CarrierRejected), "the messaging profile is disabled: enable it in Telnyx's portal"),
    (40_314, Account, "Telnyx has disabled messaging for this account: ask Telnyx's support"),
    (40_315, Later, "Telnyx pauses our number because too few of its texts were delivered"),
    (40_316, Text(CarrierRejected), "the text is empty"),
    (40_317, Text(CarrierRejected), "the media are too many or too large"),
    (40_318, Later, "Telnyx's queue for our number is full"),
    (40_320, Later, "Telnyx is still setting our number up"),
    (40_322, Text(Blocked), "Telnyx does not send this text: change its wording"),
    (40_329, Text(CarrierRejected), "our toll-free number is not verified: verify it at Telnyx"),
    (40_330, Text(CarrierRejected), "our toll-free number is not set up for texts: ask Telnyx's support"),
    (40_331, Text(CarrierRejected), "the messaging profile does not allow this country: allow it in Telnyx's portal"),
    (40_333, Later, "the messaging profile's spending limit is reached: raise it in Telnyx's portal"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::meaning::assert_table;
    use serde_json::json;

    #[test]
    fn f07_each_code_of_telnyx_has_one_class_and_one_sentence() {
        assert_table(TABLE.iter().copied());
        assert!(meaning(40_999).is_none());
    }

    #[test]
    fn f07_common_codes_of_telnyx_have_the_right_class() {
        for (code, class) in [
            (10_009, Account),
            (10_011, Later),
            (20_100, Account),
            (40_001, Text(Landline)),
            (40_005, Text(TooLate)),
            (40_006, Later),
            (40_008, Text(CarrierError)),
            (40_010, Text(CarrierRejected)),
            (40_015, Text(Blocked)),
            (40_018, Later),
            (40_300, Text(OptedOut)),
            (40_310, Text(NumberInvalid)),
            (40_318, Later),
        ] {
            assert_eq!(meaning(code).map(|meaning| meaning.class), Some(class), "{code}");
        }
    }

    #[test]
    fn a_known_code_of_several_counts() {
        for (errors, expected) in [
            (json!([{"code": "40300"}]), Some(40_300)),
            (json!([{"code": 40300}]), Some(40_300)),
            (json!([{"code": "49999"}, {"code": "40001"}]), Some(40_001)),
            (json!([{"code": "49999"}, {"code": "49998"}]), Some(49_999)),
            (json!([{"code": "soon"}, {"code": null}, {}, 7]), None),
            (json!([]), None),
            (json!({"code": "40300"}), None),
            (json!(null), None),
        ] {
            assert_eq!(in_errors(&errors), expected, "{errors}");
        }
    }
}
