//! The error codes of the Messages API and their meaning. <https://developer.vonage.com/en/api-errors/messages>,
//! <https://developer.vonage.com/en/api-errors>
//!
//! One table for responses and receipts. A code that is not in the table is a permanent rejection, with the code in the
//! detail.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Later, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut, TooLate, Unreachable};
use serde_json::Value;

/// The meaning of `code`; `None` if it is not in the table.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    let found = TABLE.binary_search_by_key(&code, |(code, _, _)| code).ok()?;
    let (_, class, detail) = TABLE[found];
    Some(Meaning { class, detail })
}

/// The code in an error of a response or a receipt: the end of its type, or its title, which may be a number.
pub(super) fn in_problem(problem: &Value) -> Option<String> {
    /// Longer than any code.
    const MAX_CHARACTERS: usize = 32;

    let title = match &problem["title"] {
        Value::Number(code) => Some(code.to_string()),
        Value::String(title) => Some(title.clone()),
        _ => None,
    };
    let title = title.filter(|title| !title.is_empty() && title.bytes().all(|byte| byte.is_ascii_digit()));
    let fragment = problem["type"].as_str().and_then(|kind| kind.rsplit_once('#')).map(|(_, code)| code.to_owned());
    let is_code = |code: &String| {
        (1..=MAX_CHARACTERS).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    fragment.filter(is_code).or(title.filter(is_code))
}

/// Shared details of several codes.
const CREDENTIALS: &str =
    "Vonage rejects our credentials: check application_id and private_key_file, or api_key and api_secret_file";
const SUSPENDED: &str = "the Vonage account is suspended: ask Vonage's support";
const NO_CREDIT: &str = "the Vonage account has no credit: top it up in Vonage's dashboard";

/// Sorted by code, for binary search.
#[rustfmt::skip]
const TABLE: &[(&str, Class, &str)] = &[
    ("1000", Later, "the Vonage account sends more than its rate allows"),
    ("1010", Text(CarrierRejected), "Vonage misses a value in the request (bug)"),
    ("1020", Text(CarrierRejected), "Vonage rejects a value of the request: check that both numbers are complete"),
    ("1021", Text(CarrierRejected), "Vonage rejects a value of the request (bug)"),
    ("1022", Text(CarrierRejected), "Vonage rejects a value of the request (bug)"),
    ("1030", Later, "Vonage has an internal error"),
    ("1040", Text(NumberInvalid), "Vonage cannot process the text, mostly because the number does not exist"),
    ("1050", Text(Blocked), "Vonage has barred the number: ask Vonage's support"),
    ("1060", Account, SUSPENDED),
    ("1070", Account, NO_CREDIT),
    ("1080", Account, "the Vonage account is not set up for this API: ask Vonage's support"),
    ("1090", Text(CarrierRejected), "the text is longer than Vonage allows"),
    ("1100", Later, "Vonage could not reach the network"),
    ("1110", Account, CREDENTIALS),
    ("1120", Text(CarrierRejected), "our number may not be the sender: check that it belongs to this Vonage account and is registered"),
    ("1130", Text(CarrierRejected), "Vonage rejects the validity period of the text (bug)"),
    ("1140", Text(CarrierRejected), "the Vonage account may not do this: ask Vonage's support"),
    ("1150", Text(CarrierRejected), "Vonage rejects a value of the request (bug)"),
    ("1160", Text(CarrierRejected), "a Vonage trial account texts its test numbers only: add this one, or upgrade the account"),
    ("1170", Text(NumberInvalid), "the number is not valid"),
    ("1180", Text(Unreachable), "the handset is off or out of reach; try again later"),
    ("1190", Text(NumberInvalid), "the number is no longer in use; ask for another"),
    ("1200", Text(CarrierRejected), "the number moved to another network, which does not accept it yet: the person must ask it"),
    ("1210", Text(Blocked), "the message was filtered as spam: change its wording"),
    ("1220", Text(Unreachable), "the handset was busy; try again later"),
    ("1230", Text(CarrierError), "the network failed; try again later"),
    ("1240", Text(OptedOut), "the recipient sent STOP to this number and must text START first"),
    ("1241", Later, "too many texts to this number at once"),
    ("1250", Text(CarrierRejected), "Vonage has no route to the number: ask Vonage's support"),
    ("1260", Text(CarrierRejected), "Vonage cannot reach the number: check it, or ask Vonage's support"),
    ("1270", Text(Blocked), "the network blocked the message because of the recipient's age"),
    ("1280", Text(Blocked), "the recipient's network blocked the message: their plan may have no texts"),
    ("1290", Text(CarrierRejected), "the recipient's prepaid account has no credit"),
    ("1300", Text(NumberInvalid), "the number does not belong to the network; ask for another"),
    ("1310", Text(NumberInvalid), "the recipient's device cannot get texts; ask for another number"),
    ("1320", Text(CarrierRejected), "Vonage has sent this text before"),
    ("1330", Text(CarrierError), "it was not delivered, and Vonage does not know why; try again later"),
    ("1360", Text(TooLate), "it expired before the network accepted it"),
    ("account-suspended", Account, SUSPENDED),
    ("forbidden", Account, "Vonage forbids this to the account: check that it may use the Messages API"),
    ("internal-error", Later, "Vonage has an internal error"),
    ("invalid-api-key", Account, CREDENTIALS),
    ("invalid-json", Text(CarrierRejected), "Vonage cannot read the request (bug)"),
    ("invalid-params", Text(CarrierRejected), "Vonage rejects a value of the request: check that both numbers are complete"),
    ("invalid-signature", Account, CREDENTIALS),
    ("jwt-expired", Account, "our token has expired when Vonage reads it: set the clock of this machine"),
    ("jwt-revoked", Account, CREDENTIALS),
    ("low-balance", Account, NO_CREDIT),
    ("not-found", Account, "Vonage reports no such resource: check api_url"),
    ("throttled", Later, "the Vonage account sends more than its rate allows"),
    ("unauthorized", Account, CREDENTIALS),
    ("unprovisioned", Account, "the Vonage account is not set up for this API: ask Vonage's support"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::receipt::failure;
    use serde_json::json;

    #[test]
    fn f07_each_code_has_one_class_and_one_sentence() {
        assert!(TABLE.is_sorted_by(|(one, ..), (other, ..)| one < other), "each code once, in order");
        for (code, class, detail) in TABLE {
            assert!((15..=125).contains(&detail.len()) && !detail.ends_with('.'), "{code}: {detail}");
            assert!(!detail.contains("http") && !detail.contains(|c: char| c.is_ascii_digit()), "{code}: {detail}");
            let retryable = failure(Meaning { class: *class, detail }.failure(), None, None).retryable;
            assert!(!detail.contains("try again") || retryable, "{code}: {detail}");
        }
        assert_eq!(meaning("9999").map(|meaning| meaning.detail), None);
    }

    #[test]
    fn the_code_is_the_end_of_the_type_or_the_title() {
        let kind = "https://developer.vonage.com/api-errors";
        for (problem, code) in [
            (json!({ "type": format!("{kind}/messages#1250"), "title": 1250 }), Some("1250")),
            (json!({ "title": "1250" }), Some("1250")),
            (json!({ "title": 1250 }), Some("1250")),
            (json!({ "type": format!("{kind}#low-balance"), "title": "Low balance" }), Some("low-balance")),
            (json!({ "type": format!("{kind}#"), "title": "Low balance" }), None),
            (json!({ "type": format!("{kind}#{}", "9".repeat(33)), "title": "+14155550101" }), None),
            (json!({ "title": "9".repeat(33) }), None),
            (json!({}), None),
            (json!([1]), None),
            (json!(null), None),
        ] {
            assert_eq!(in_problem(&problem).as_deref(), code, "{problem}");
        }
    }
}
