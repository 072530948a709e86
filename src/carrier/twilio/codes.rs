//! Twilio's error codes in our words. <https://www.twilio.com/docs/api/errors>
//!
//! One table for both: codes from 20000 stand mostly in answers to sends, codes from 30000 mostly in receipts. It has the
//! codes that a text sent by us can meet; those of channels, of media we do not send and of registrations at Twilio are left
//! out. A code without a row is refused for good, with its number in the detail.

use crate::model::FailureCode;
use Class::{Account, EngineBusy, Text};
use FailureCode::{Blocked, CarrierError, CarrierRejected, Landline, NumberInvalid, OptedOut, TooLate, Unreachable};

/// What follows from a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// Twilio does not take this text, or could not deliver it.
    Text(FailureCode),
    /// Twilio did not take it now: the lane waits, and the text is tried again. In a receipt it is an error of the carrier.
    EngineBusy,
    /// Twilio refuses the account, whatever the text: the account is paused. In a receipt it is a refusal of the text.
    Account,
}

/// What a code means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// What follows from it.
    pub(super) class: Class,
    /// What it means and what to do, in a sentence.
    pub(super) detail: &'static str,
}

impl Meaning {
    /// The same in our words, for a text that ended with it.
    pub(super) fn failure(&self) -> FailureCode {
        match self.class {
            Class::Text(failure) => failure,
            Class::EngineBusy => FailureCode::CarrierError,
            Class::Account => FailureCode::CarrierRejected,
        }
    }
}

/// What `code` means, if it is one we know.
pub(super) fn meaning(code: u32) -> Option<Meaning> {
    let found = TABLE.binary_search_by_key(&code, |(code, _, _)| *code).ok()?;
    let (_, class, detail) = TABLE[found];
    Some(Meaning { class, detail })
}

/// Of codes that say the same.
const CREDENTIALS: &str = "Twilio refuses our credentials: check account_sid and auth_token_files";

/// By code.
#[rustfmt::skip]
const TABLE: &[(u32, Class, &str)] = &[
    (10_001, Account, "the Twilio account is not active: look at it in Twilio's console"),
    (10_002, Text(CarrierRejected), "a Twilio trial account cannot do this: upgrade the account at Twilio"),
    (20_003, Account, CREDENTIALS),
    (20_005, Account, "the Twilio account is not active: look at it in Twilio's console"),
    (20_006, Account, "Twilio denies access: check what account_sid and auth_token_files are allowed to do"),
    (20_008, Account, "these are test credentials, which send nothing: put the account's own into auth_token_files"),
    (20_010, Account, "Twilio has disabled this for the account: ask Twilio's support"),
    (20_151, Account, CREDENTIALS),
    (20_403, Account, "Twilio forbids this to the account: look at it in Twilio's console"),
    (20_404, Account, "Twilio knows no such account: check account_sid and api_url"),
    (20_429, EngineBusy, "too many requests at once for this Twilio account"),
    (20_500, EngineBusy, "Twilio has an internal error"),
    (20_503, EngineBusy, "Twilio is not available"),
    (20_504, EngineBusy, "Twilio has an internal error"),
    (21_211, Text(NumberInvalid), "the number does not exist"),
    (21_212, Text(CarrierRejected), "Twilio cannot send from our number: verify it again"),
    (21_214, Text(NumberInvalid), "Twilio cannot reach the number"),
    (21_217, Text(NumberInvalid), "the number is not a valid one"),
    (21_264, Text(CarrierRejected), "our number is not verified for this Twilio account: verify it at Twilio"),
    (21_265, Text(NumberInvalid), "the number is a short code, which cannot get texts from us"),
    (21_266, Text(NumberInvalid), "the number is the one that we send from"),
    (21_267, Text(CarrierRejected), "a Twilio trial account cannot send from a name: use a number"),
    (21_268, Text(NumberInvalid), "the number is a premium or information service, which Twilio does not text"),
    (21_407, Text(CarrierRejected), "our number is of a type that cannot text: use another number"),
    (21_408, Text(CarrierRejected), "the Twilio account may not text this country: allow it in its geo permissions"),
    (21_421, Text(NumberInvalid), "the number is not a valid one"),
    (21_601, Text(CarrierRejected), "our number cannot text: verify it again"),
    (21_602, Text(CarrierRejected), "the text is empty"),
    (21_603, Text(CarrierRejected), "the number to send from is missing (bug)"),
    (21_604, Text(CarrierRejected), "the number to send to is missing (bug)"),
    (21_605, Text(CarrierRejected), "the text is longer than Twilio allows at this address: check api_url"),
    (21_606, Text(CarrierRejected), "our number is not of this Twilio account, or cannot text: verify it again"),
    (21_607, Text(CarrierRejected), "a Twilio trial account sends from its trial number only: upgrade the account"),
    (21_608, Text(CarrierRejected), "a Twilio trial account texts verified numbers only: verify this one at Twilio, or upgrade the account"),
    (21_609, Text(CarrierRejected), "Twilio cannot post receipts to public_url: make it an address that Twilio can reach"),
    (21_610, Text(OptedOut), "the recipient said STOP to this number and must text START first"),
    (21_611, EngineBusy, "Twilio's queue for our number is full"),
    (21_612, Text(CarrierRejected), "Twilio has no way from our number to this one: send from another number"),
    (21_614, Text(Landline), "the number is not a mobile one; ask for another"),
    (21_616, Text(CarrierRejected), "our number stands more than once in the Twilio account: look at it in Twilio's console"),
    (21_617, Text(CarrierRejected), "the text is longer than Twilio allows"),
    (21_618, Text(Blocked), "Twilio does not send this text: change its words"),
    (21_619, Text(CarrierRejected), "the text is empty"),
    (21_624, Text(CarrierRejected), "Twilio does not take the time that the text is valid for (bug)"),
    (21_635, Text(Landline), "the number is a landline and cannot get texts; ask for another"),
    (21_657, Text(CarrierRejected), "Twilio cannot send from this sender: check our number"),
    (21_659, Text(CarrierRejected), "our number is not one of Twilio's: check the number's account"),
    (21_660, Text(CarrierRejected), "our number is not of this Twilio account: check the number's account"),
    (21_661, Text(CarrierRejected), "our number cannot text: verify it again, or use another"),
    (21_662, Text(CarrierRejected), "Twilio's Ireland region has no way from our number to this one: check api_url"),
    (21_663, Text(CarrierRejected), "our number is routed to another region of Twilio: check its routing there, and api_url"),
    (21_668, Text(CarrierRejected), "Twilio's Ireland region cannot text from a number of this type: check api_url"),
    (21_701, Text(CarrierRejected), "the number's Messaging Service does not exist: check it in Twilio's console"),
    (21_702, Text(CarrierRejected), "the number's Messaging Service takes no texts: check it in Twilio's console"),
    (21_703, Text(CarrierRejected), "the Messaging Service has no number that can send this: add one in Twilio's console"),
    (21_704, Text(CarrierRejected), "the Messaging Service has no numbers: add ours in Twilio's console"),
    (21_705, Text(CarrierRejected), "the number's Messaging Service is not a valid one: check it in Twilio's console"),
    (21_711, Text(CarrierRejected), "our number is not in its Messaging Service: add it in Twilio's console"),
    (21_715, Text(CarrierRejected), "our number lacks what its Messaging Service needs: check both in Twilio's console"),
    (21_910, Text(CarrierRejected), "our number and this one are not of the same channel: check our number"),
    (30_001, EngineBusy, "Twilio's queue is full"),
    (30_002, Account, "the Twilio account is suspended: look at it in Twilio's console"),
    (30_003, Text(Unreachable), "the handset is off or out of reach; try again later"),
    (30_004, Text(Blocked), "the recipient or their network blocked the message"),
    (30_005, Text(NumberInvalid), "the handset is unknown or the number no longer in use; ask for another"),
    (30_006, Text(Landline), "the number is a landline, or its network cannot be reached; ask for another"),
    (30_007, Text(Blocked), "the message was filtered: change its words"),
    (30_008, Text(CarrierError), "it was not delivered, and Twilio does not know why; try again later"),
    (30_010, Text(CarrierRejected), "the message costs more than allowed"),
    (30_012, Text(CarrierRejected), "Twilio does not take the time that the text is valid for (bug)"),
    (30_013, Text(CarrierRejected), "Twilio does not take the time that the text is valid for (bug)"),
    (30_014, Text(NumberInvalid), "the number is not a valid one"),
    (30_015, Text(CarrierRejected), "our number is of a channel that Twilio does not support: check our number"),
    (30_016, Text(CarrierRejected), "our number and this one are not of the same channel: check our number"),
    (30_017, Text(CarrierError), "the recipient's network is congested; try again later"),
    (30_018, Text(CarrierRejected), "the recipient's network takes registered senders only: register our number at Twilio"),
    (30_019, Text(CarrierRejected), "the message is larger than the recipient's network takes"),
    (30_020, Text(CarrierError), "Twilio has an internal error; try again later"),
    (30_021, Text(CarrierError), "Twilio has an internal error; try again later"),
    (30_022, Text(CarrierError), "the campaign's rate at the network is used up; lower the number's limits, and try again later"),
    (30_023, Text(CarrierError), "the brand's messages of the day at T-Mobile are used up until midnight (Pacific time)"),
    (30_024, Text(CarrierRejected), "our number is not set up at the recipient's network: ask Twilio's support"),
    (30_027, Text(CarrierError), "the brand's messages of the day at T-Mobile are used up until midnight (Pacific time)"),
    (30_032, Text(CarrierRejected), "our toll-free number is not verified: verify it at Twilio"),
    (30_033, Text(CarrierRejected), "our number's campaign is suspended: look at it in Twilio's console"),
    (30_034, Text(CarrierRejected), "our number is in no registered campaign: register it at Twilio"),
    (30_035, Text(CarrierError), "our number is still being set up in its campaign; try again later"),
    (30_036, Text(TooLate), "its time passed before the network took it"),
    (30_037, Account, "Twilio has switched off sending for this account: ask Twilio's support"),
    (30_038, Text(Blocked), "the message was filtered as a one-time password: change its words"),
    (30_039, Text(Blocked), "the message was filtered because two machines seem to answer each other"),
    (30_040, Text(CarrierRejected), "the recipient's network takes registered senders only: register our number at Twilio"),
    (30_041, Text(CarrierRejected), "our number may not text this country without a registration: register it at Twilio"),
    (30_042, Text(CarrierRejected), "our sender is generic or not allowed for this account: use another number"),
    (30_043, Text(CarrierRejected), "the recipient's network takes no international text from our number: use another number"),
    (30_044, Text(CarrierRejected), "a Twilio trial account cannot send texts this long: shorten it, or upgrade the account"),
    (30_046, Text(CarrierError), "it was handed on, and the network did not confirm that it arrived"),
    (30_410, Text(CarrierError), "the recipient's network did not answer Twilio in time; try again later"),
    (30_450, Text(Blocked), "Twilio blocked it as suspected fraud (SMS pumping): look at the account's fraud settings"),
    (30_453, Text(CarrierError), "it could not be delivered; try again later"),
    (30_454, Text(CarrierError), "the Twilio account has sent all it may for now: raise its limit at Twilio, or try again tomorrow"),
    (30_485, Text(CarrierError), "it could not be delivered; try again later"),
    (30_500, Text(CarrierError), "Twilio has an internal error; try again later"),
    (30_610, Text(CarrierError), "it could not be delivered; try again later"),
    (30_615, Text(CarrierError), "it could not be delivered; try again later"),
    (30_620, Text(CarrierError), "it could not be delivered; try again later"),
    (30_630, Text(OptedOut), "the recipient said STOP to this number and must text START first"),
    (30_640, Text(CarrierError), "it could not be delivered; try again later"),
    (63_038, Text(CarrierError), "the Twilio account has sent all it may today: raise its limit at Twilio, or try again tomorrow"),
    (90_010, Account, "the Twilio account is not active: look at it in Twilio's console"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::receipt::failure;

    #[test]
    fn f07_each_code_of_the_list_has_one_class_and_one_sentence() {
        assert!(TABLE.is_sorted_by(|(one, ..), (other, ..)| one < other), "each code once, in order");
        for (code, class, detail) in TABLE {
            assert!((15..=120).contains(&detail.len()) && !detail.ends_with('.'), "{code}: {detail}");
            assert!(!detail.contains("http") && !detail.contains(|c: char| c.is_ascii_digit()), "{code}: {detail}");
            // What may pass later is an error of the carrier or of the handset, and says so.
            let retryable = failure(Meaning { class: *class, detail }.failure(), None, None).retryable;
            assert!(!detail.contains("try again") || retryable, "{code}: {detail}");
        }
        assert_eq!(meaning(11_200).map(|meaning| meaning.detail), None);
    }

    #[test]
    fn f07_codes_that_agents_and_operators_meet_are_in_the_right_class() {
        for (code, class) in [
            (20_003, Account),
            (20_404, Account),
            (20_429, EngineBusy),
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
