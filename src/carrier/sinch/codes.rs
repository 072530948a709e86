//! Sinch's codes and their meaning.
//! <https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/> and
//! <https://developers.sinch.com/docs/conversation/api-reference/conversation/>
//!
//! Three tables: codes of receipts, which both APIs use, words of the SMS API's responses, and reasons of the
//! Conversation API. What is not in a table is a permanent rejection, with the code in the detail. Codes 413 to 418 are
//! omitted, because their numbers are not documented.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Text};
use FailureCode::{
    Blocked, CancelledByRequest, CarrierError, CarrierRejected, NumberInvalid, OptedOut, TooLate, Unreachable,
};

/// The meaning of a receipt's code.
pub(super) fn code(code: u64) -> Option<Meaning> {
    let found = CODES.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = CODES[found];
    Some(Meaning { class, detail })
}

/// The meaning of the code in a response of the SMS API.
pub(super) fn response(word: &str) -> Option<Meaning> {
    find(RESPONSES, word)
}

/// The meaning of a reason of the Conversation API.
pub(super) fn reason(word: &str) -> Option<Meaning> {
    find(REASONS, word)
}

type Words = [(&'static str, Class, &'static str)];

fn find(table: &Words, word: &str) -> Option<Meaning> {
    let (_, class, detail) = *table.iter().find(|(known, ..)| *known == word)?;
    Some(Meaning { class, detail })
}

/// Shared details of several codes.
const FILTERED: &str = "the message was filtered as spam: change its wording";
const STOPPED: &str = "the recipient sent STOP to this number and must text START first";
const MALFORMED: &str = "Sinch rejects a field of the request: check our number and the recipient's";
const NOT_SET_UP: &str =
    "the app's SMS channel is not set up: check it under Conversation API > Apps in Sinch's dashboard";

/// Sorted by code, for binary search.
#[rustfmt::skip]
const CODES: &[(u64, Class, &str)] = &[
    (15, Text(Blocked), FILTERED),
    (60, Text(CarrierRejected), "our number's campaign is not active: check it in Sinch's dashboard"),
    (62, Text(Blocked), FILTERED),
    (64, Text(CarrierError), "a quota is reached, or our toll-free number is not verified: check both in Sinch's dashboard"),
    (152, Text(NumberInvalid), "the number cannot get texts; ask for another"),
    (257, Text(OptedOut), STOPPED),
    (300, Text(NumberInvalid), "the number is not valid"),
    (310, Text(CarrierRejected), "our number is not valid as a sender: verify it again"),
    (321, Text(Blocked), "the recipient's network or handset rejected it"),
    (334, Text(CarrierRejected), "the recipient's network rejects the form of the message (bug)"),
    (349, Text(CarrierRejected), "the recipient's network rejected the request"),
    (402, Text(CarrierRejected), "Sinch has no route to the number: ask Sinch's support"),
    (403, Text(CarrierError), "Sinch has an internal error; try again later"),
    (404, Text(CarrierError), "it could not be delivered for now; try again later"),
    (405, Text(CarrierRejected), "a parameter of a template is missing (bug)"),
    (406, Text(TooLate), "it expired before the network accepted it"),
    (407, Text(CancelledByRequest), "it was cancelled at Sinch"),
    (408, Text(CarrierRejected), "the recipient's network rejected it"),
    (410, Text(CarrierRejected), "the service plan has no default sender: check our number"),
    (411, Text(CarrierRejected), "the text has more parts than allowed: shorten it"),
    (412, Text(CarrierRejected), "the service plan may not text this country: ask Sinch's support"),
];

#[rustfmt::skip]
const RESPONSES: &Words = &[
    ("blocked_account", Account, "the Sinch account is blocked: check it in Sinch's dashboard"),
    ("missing_callback_url", Text(CarrierRejected), "the URL for receipts is missing (bug)"),
    ("syntax_constraint_violation", Text(CarrierRejected), MALFORMED),
    ("syntax_invalid_json", Text(CarrierRejected), "Sinch cannot parse the request (bug)"),
    ("syntax_invalid_parameter_format", Text(CarrierRejected), MALFORMED),
    ("unknown_group", Text(CarrierRejected), MALFORMED),
];

#[rustfmt::skip]
const REASONS: &Words = &[
    ("BAD_REQUEST", Text(CarrierRejected), MALFORMED),
    ("CHANNEL_BAD_CONFIGURATION", Text(CarrierRejected), NOT_SET_UP),
    ("CHANNEL_CONFIGURATION_MISSING", Text(CarrierRejected), NOT_SET_UP),
    ("CHANNEL_FAILURE", Text(CarrierError), "it could not be delivered for now; try again later"),
    ("CHANNEL_REJECT", Text(CarrierRejected), "the recipient's network rejected it"),
    ("DELIVERY_REJECTED_DUE_TO_POLICY", Text(Blocked), "it was rejected by a policy: change its wording, or check the campaign"),
    ("DELIVERY_TIMED_OUT", Text(TooLate), "it expired before the network accepted it"),
    ("INTERNAL_ERROR", Text(CarrierError), "Sinch has an internal error; try again later"),
    ("NO_CHANNELS_LEFT", Text(CarrierRejected), NOT_SET_UP),
    ("NO_CHANNEL_IDENTITY_FOR_CONTACT", Text(NumberInvalid), "the number is not valid"),
    ("RATE_LIMITED", Text(CarrierError), "too many texts at once for this Sinch app; try again later"),
    ("RECIPIENT_INVALID_CHANNEL_IDENTITY", Text(NumberInvalid), "the number is not valid"),
    ("RECIPIENT_NOT_OPTED_IN", Text(OptedOut), STOPPED),
    ("RECIPIENT_NOT_REACHABLE", Text(Unreachable), "the handset is off or out of reach; try again later"),
    ("UNKNOWN", Text(CarrierError), "it was not delivered, and Sinch does not know why; try again later"),
    ("UNKNOWN_APP", Text(CarrierRejected), "Sinch has no such app: check app_id"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::receipt::failure;

    #[test]
    fn f07_each_code_has_one_class_and_one_sentence() {
        assert!(CODES.is_sorted_by(|(one, ..), (other, ..)| one < other), "each code once, in order");
        for table in [RESPONSES, REASONS] {
            assert!(table.is_sorted_by(|(one, ..), (other, ..)| one < other), "each word once, in order");
        }
        let numbered = CODES.iter().map(|(_, class, detail)| (class, detail));
        for (class, detail) in
            numbered.chain([RESPONSES, REASONS].concat().iter().map(|(_, class, detail)| (class, detail)))
        {
            assert!((15..=120).contains(&detail.len()) && !detail.ends_with('.'), "{detail}");
            assert!(!detail.contains("http") && !detail.contains(|c: char| c.is_ascii_digit()), "{detail}");
            // Only retryable failures may suggest trying again.
            let retryable = failure(Meaning { class: *class, detail }.failure(), None, None).retryable;
            assert!(!detail.contains("try again") || retryable, "{detail}");
        }
    }
}
