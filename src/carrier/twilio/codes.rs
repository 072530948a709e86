//! Twilio's error codes and their meaning. <https://www.twilio.com/docs/api/errors>
//!
//! One table for responses (mostly codes from 20000) and receipts (mostly codes from 30000). It contains the codes that
//! can occur for our texts; codes of other channels, of outbound media and of registrations at Twilio are omitted. A
//! code that is not in the table is a permanent rejection, with the code in the detail.

use crate::carrier::meaning::{Class, Meaning};
use crate::model::FailureCode;
use Class::{Account, Later, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, Landline, NumberInvalid, OptedOut, TooLate, Unreachable};

/// The meaning of `code`; `None` if it is not in the table.
pub(super) fn meaning(code: u32) -> Option<Meaning> {
    let found = TABLE.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = TABLE[found];
    Some(Meaning { class, detail })
}

/// Shared detail of several codes.
const CREDENTIALS: &str = "Twilio rejects our credentials: check account_sid and auth_token_files";

/// Sorted by code, for binary search.
#[rustfmt::skip]
const TABLE: &[(u32, Class, &str)] = &[
    (10_001, Account, "the Twilio account is not active: check it in Twilio's console"),
    (10_002, Text(CarrierRejected), "a Twilio trial account cannot do this: upgrade the account at Twilio"),
    (20_003, Account, CREDENTIALS),
    (20_005, Account, "the Twilio account is not active: check it in Twilio's console"),
    (20_006, Account, "Twilio denies access: check what account_sid and auth_token_files are allowed to do"),
    (20_008, Account, "these are test credentials, which send nothing: put the account's auth token into auth_token_files"),
    (20_010, Account, "Twilio has disabled this for the account: ask Twilio's support"),
    (20_151, Account, CREDENTIALS),
    (20_403, Account, "Twilio forbids this to the account: check it in Twilio's console"),
    (20_404, Account, "Twilio reports no such account: check account_sid and api_url"),
    (20_429, Later, "too many requests at once for this Twilio account"),
    (20_500, Later, "Twilio has an internal error"),
    (20_503, Later, "Twilio is not available"),
    (20_504, Later, "Twilio has an internal error"),
    (21_211, Text(NumberInvalid), "the number does not exist"),
    (21_212, Text(CarrierRejected), "Twilio cannot send from our number: verify it again"),
    (21_214, Text(NumberInvalid), "Twilio cannot reach the number"),
    (21_217, Text(NumberInvalid), "the number is not valid"),
    (21_264, Text(CarrierRejected), "our number is not verified for this Twilio account: verify it at Twilio"),
    (21_265, Text(NumberInvalid), "the number is a short code, which cannot get texts from us"),
    (21_266, Text(NumberInvalid), "the number is the same as the sending number"),
    (21_267, Text(CarrierRejected), "a Twilio trial account cannot send from a name: use a number"),
    (21_268, Text(NumberInvalid), "the number is a premium or information service, which Twilio does not text"),
    (21_407, Text(CarrierRejected), "our number is of a type that cannot text: use another number"),
    (21_408, Text(CarrierRejected), "the Twilio account may not text this country: allow it in its geo permissions"),
    (21_421, Text(NumberInvalid), "the number is not valid"),
    (21_601, Text(CarrierRejected), "our number cannot text: verify it again"),
    (21_602, Text(CarrierRejected), "the text is empty"),
    (21_603, Text(CarrierRejected), "the number to send from is missing (bug)"),
    (21_604, Text(CarrierRejected), "the number to send to is missing (bug)"),
    (21_605, Text(CarrierRejected), "the text is longer than Twilio allows at this address: check api_url"),
    (21_606, Text(CarrierRejected), "our number does not belong to this Twilio account, or cannot text: verify it again"),
    (21_607, Text(CarrierRejected), "a Twilio trial account sends from its trial number only: upgrade the account"),
    (21_608, Text(CarrierRejected), "a Twilio trial account texts verified numbers only: verify this one at Twilio, or upgrade the account"),
    (21_609, Text(CarrierRejected), "Twilio cannot post receipts to public_url: make it an address that Twilio can reach"),
    (21_610, Text(OptedOut), "the recipient sent STOP to this number and must text START first"),
    (21_611, Later, "Twilio's queue for our number is full"),
    (21_612, Text(CarrierRejected), "Twilio has no route from our number to this one: send from another number"),
    (21_614, Text(Landline), "the number is not a mobile number; ask for another"),
    (21_616, Text(CarrierRejected), "our number occurs more than once in the Twilio account: check it in Twilio's console"),
    (21_617, Text(CarrierRejected), "the text is longer than Twilio allows"),
    (21_618, Text(Blocked), "Twilio does not send this text: change its wording"),
    (21_619, Text(CarrierRejected), "the text is empty"),
    (21_624, Text(CarrierRejected), "Twilio rejects the validity period of the text (bug)"),
    (21_635, Text(Landline), "the number is a landline and cannot get texts; ask for another"),
    (21_657, Text(CarrierRejected), "Twilio cannot send from this sender: check our number"),
    (21_659, Text(CarrierRejected), "our number is not one of Twilio's: check the number's account"),
    (21_660, Text(CarrierRejected), "our number does not belong to this Twilio account: check the number's account"),
    (21_661, Text(CarrierRejected), "our number cannot text: verify it again, or use another"),
    (21_662, Text(CarrierRejected), "Twilio's Ireland region has no route from our number to this one: check api_url"),
    (21_663, Text(CarrierRejected), "our number is routed to another region of Twilio: check its routing there, and api_url"),
    (21_668, Text(CarrierRejected), "Twilio's Ireland region cannot text from a number of this type: check api_url"),
    (21_701, Text(CarrierRejected), "the number's Messaging Service does not exist: check it in Twilio's console"),
    (21_702, Text(CarrierRejected), "the number's Messaging Service accepts no texts: check it in Twilio's console"),
    (21_703, Text(CarrierRejected), "the Messaging Service has no number that can send this: add one in Twilio's console"),
    (21_704, Text(CarrierRejected), "the Messaging Service has no numbers: add ours in Twilio's console"),
    (21_705, Text(CarrierRejected), "the number's Messaging Service is not valid: check it in Twilio's console"),
    (21_711, Text(CarrierRejected), "our number is not in its Messaging Service: add it in Twilio's console"),
    (21_715, Text(CarrierRejected), "our number lacks what its Messaging Service needs: check both in Twilio's console"),
    (21_910, Text(CarrierRejected), "our number and this one are not of the same channel: check our number"),
    (30_001, Later, "Twilio's queue is full"),
    (30_002, Account, "the Twilio account is suspended: check it in Twilio's console"),
    (30_003, Text(Unreachable), "the handset is off or out of reach; try again later"),
    (30_004, Text(Blocked), "the recipient or their network blocked the message"),
    (30_005, Text(NumberInvalid), "the handset is unknown or the number no longer in use; ask for another"),
    (30_006, Text(Landline), "the number is a landline, or its network cannot be reached; ask for another"),
    (30_007, Text(Blocked), "the message was filtered: change its wording"),
    (30_008, Text(CarrierError), "it was not delivered, and Twilio does not know why; try again later"),
    (30_010, Text(CarrierRejected), "the message costs more than allowed"),
    (30_012, Text(CarrierRejected), "Twilio rejects the validity period of the text (bug)"),
    (30_013, Text(CarrierRejected), "Twilio rejects the validity period of the text (bug)"),
    (30_014, Text(NumberInvalid), "the number is not valid"),
    (30_015, Text(CarrierRejected), "our number is of a channel that Twilio does not support: check our number"),
    (30_016, Text(CarrierRejected), "our number and this one are not of the same channel: check our number"),
    (30_017, Text(CarrierError), "the recipient's network is congested; try again later"),
    (30_018, Text(CarrierRejected), "the recipient's network accepts registered senders only: register our number at Twilio"),
    (30_019, Text(CarrierRejected), "the message is larger than the recipient's network accepts"),
    (30_020, Text(CarrierError), "Twilio has an internal error; try again later"),
    (30_021, Text(CarrierError), "Twilio has an internal error; try again later"),
    (30_022, Text(CarrierError), "the campaign's rate limit at the network is reached; lower the number's limits, and try again later"),
    (30_023, Text(CarrierError), "the brand's daily limit at T-Mobile is reached until midnight (Pacific time)"),
    (30_024, Text(CarrierRejected), "our number is not set up at the recipient's network: ask Twilio's support"),
    (30_027, Text(CarrierError), "the brand's daily limit at T-Mobile is reached until midnight (Pacific time)"),
    (30_032, Text(CarrierRejected), "our toll-free number is not verified: verify it at Twilio"),
    (30_033, Text(CarrierRejected), "our number's campaign is suspended: check it in Twilio's console"),
    (30_034, Text(CarrierRejected), "our number is in no registered campaign: register it at Twilio"),
    (30_035, Text(CarrierError), "our number is still being set up in its campaign; try again later"),
    (30_036, Text(TooLate), "it expired before the network accepted it"),
    (30_037, Account, "Twilio has switched off sending for this account: ask Twilio's support"),
    (30_038, Text(Blocked), "the message was filtered as a one-time password: change its wording"),
    (30_039, Text(Blocked), "the message was filtered because two machines seem to reply to each other"),
    (30_040, Text(CarrierRejected), "the recipient's network accepts registered senders only: register our number at Twilio"),
    (30_041, Text(CarrierRejected), "our number may not text this country without a registration: register it at Twilio"),
    (30_042, Text(CarrierRejected), "our sender is generic or not allowed for this account: use another number"),
    (30_043, Text(CarrierRejected), "the recipient's network accepts no international texts from our number: use another number"),
    (30_044, Text(CarrierRejected), "a Twilio trial account cannot send texts this long: shorten it, or upgrade the account"),
    (30_046, Text(CarrierError), "it was passed on, and the network did not confirm delivery"),
    (30_410, Text(CarrierError), "the recipient's network did not answer Twilio in time; try again later"),
    (30_450, Text(Blocked), "Twilio blocked it as suspected fraud (SMS pumping): check the account's fraud settings"),
    (30_453, Text(CarrierError), "it could not be delivered; try again later"),
    (30_454, Text(CarrierError), "the Twilio account has reached its sending limit: raise the limit at Twilio, or try again tomorrow"),
    (30_485, Text(CarrierError), "it could not be delivered; try again later"),
    (30_500, Text(CarrierError), "Twilio has an internal error; try again later"),
    (30_610, Text(CarrierError), "it could not be delivered; try again later"),
    (30_615, Text(CarrierError), "it could not be delivered; try again later"),
    (30_620, Text(CarrierError), "it could not be delivered; try again later"),
    (30_630, Text(OptedOut), "the recipient sent STOP to this number and must text START first"),
    (30_640, Text(CarrierError), "it could not be delivered; try again later"),
    (63_038, Text(CarrierError), "the Twilio account has reached its limit for today: raise the limit at Twilio, or try again tomorrow"),
    (90_010, Account, "the Twilio account is not active: check it in Twilio's console"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::meaning::assert_table;

    #[test]
    fn f07_each_code_has_one_class_and_one_sentence() {
        assert_table(TABLE.iter().copied());
        assert_eq!(meaning(11_200).map(|meaning| meaning.detail), None);
    }

    #[test]
    fn f07_common_codes_have_the_right_class() {
        for (code, class) in [
            (20_003, Account),
            (20_404, Account),
            (20_429, Later),
            (21_606, Text(CarrierRejected)),
            (21_608, Text(CarrierRejected)),
            (21_610, Text(OptedOut)),
            (21_612, Text(CarrierRejected)),
            (21_614, Text(Landline)),
            (21_635, Text(Landline)),
            (21_703, Text(CarrierRejected)),
            (30_002, Account),
            (30_006, Text(Landline)),
            (30_007, Text(Blocked)),
            (30_036, Text(TooLate)),
            (63_038, Text(CarrierError)),
        ] {
            assert_eq!(meaning(code).map(|meaning| meaning.class), Some(class), "{code}");
        }
    }
}
