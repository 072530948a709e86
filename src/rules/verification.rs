//! Verification of our numbers with the carrier (R15, R30-R32, A39, A40).
//!
//! A number is verified if the carrier has it on the account, it can send SMS, and it is not known that its inbound
//! messages go elsewhere. Short codes are never checked, because they are not E.164 numbers.
//!
//! The worker that asks the carrier, and will call `judge` and `due`, is still to be built.

use crate::model::{Timestamp, Verification, VerificationState};
use std::time::Duration;

/// How long a verification is valid before the carrier is queried again (A39).
pub const CHECK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The carrier's response about a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// The number is on the account.
    Found {
        /// It can send SMS.
        sms: bool,
        /// It can send MMS.
        mms: bool,
        /// Where its inbound messages go.
        webhook: Webhook,
    },
    /// The number is not on the account.
    NotOurs,
    /// No response, or none with information about the number.
    Nothing,
}

/// Where a number's inbound messages go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Webhook {
    /// To this gateway.
    Here,
    /// To another URL, or to none.
    Elsewhere,
    /// Decided by something other than the number, like a carrier's messaging service.
    Unknown,
}

/// The verification of a number after the carrier was queried at `now`. `address` is the URL its inbound messages
/// should go to.
///
/// Without a usable response nothing changes and the number stays due: the caller limits the rate of queries.
pub fn judge(before: &Verification, said: Said, address: &str, now: Timestamp) -> Verification {
    let (sms, mms, failure) = match said {
        Said::Nothing => return before.clone(),
        Said::NotOurs => {
            let reason = "the carrier does not have it on this account: add it there or correct `account`";
            (false, false, Some(reason.to_owned()))
        }
        Said::Found { sms, mms, webhook } => (sms, mms, unfit(sms, webhook, address)),
    };
    Verification {
        state: if failure.is_some() { VerificationState::Failed } else { VerificationState::Verified },
        sms,
        mms,
        reason: failure.map(|what| what + ", then verify it again"),
        checked_at: Some(now),
    }
}

/// Why a number on the account cannot be used, and what to do. A number without MMS is usable, and so is one whose
/// webhook is unknown.
fn unfit(sms: bool, webhook: Webhook, address: &str) -> Option<String> {
    match (sms, webhook) {
        (false, _) => Some("it cannot send SMS: enable SMS for it at the carrier or use another".to_owned()),
        (true, Webhook::Elsewhere) => {
            Some(format!("its inbound messages go elsewhere: set its webhook at the carrier to {address}"))
        }
        (true, Webhook::Here | Webhook::Unknown) => None,
    }
}

/// Whether the carrier should be queried again automatically. A number marked as verified by a seed was never checked
/// and is due immediately; an unverified one waits for an administrator (R30); a failed one may have been fixed.
pub fn due(verification: &Verification, now: Timestamp) -> bool {
    let decided = verification.state != VerificationState::Unverified;
    decided && verification.checked_at.is_none_or(|checked_at| now.since(checked_at) >= CHECK_EVERY)
}

/// The state as shown to people; R32 prescribes the text for a verified number.
pub fn status(state: VerificationState) -> &'static str {
    match state {
        VerificationState::Verified => "Verified for SMS messaging only",
        VerificationState::Unverified => "Not verified",
        VerificationState::Failed => "Verification failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Directory, E164, QueueId};
    use crate::rules::{directory, number};

    const NOW: Timestamp = Timestamp::from_ms(1_000_000_000);
    const HERE: &str = "https://sms.example.com/carriers/main/messages";
    const GOOD: Said = Said::Found { sms: true, mms: true, webhook: Webhook::Here };

    #[test]
    fn r15_r30_a_number_on_the_account_that_points_at_us_is_verified() {
        let verified = checked(GOOD);
        let expected = Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            reason: None,
            checked_at: Some(NOW),
        };
        assert_eq!(verified, expected);
    }

    #[test]
    fn r31_a_number_must_be_verified_before_it_is_assigned() {
        let violations = |verification| directory::check(&Directory::default(), &support_with(verification).0, false);
        assert_eq!(violations(checked(GOOD)), []);
        for verification in [Verification::default(), checked(Said::NotOurs), checked(Said::Nothing)] {
            let violations = violations(verification);
            assert!(
                !violations.is_empty() && violations.iter().all(|b| b.problem.contains("not verified")),
                "{violations:?}"
            );
        }
    }

    #[test]
    fn r32_the_status_of_a_verified_number_has_the_prescribed_text() {
        assert_eq!(status(checked(GOOD).state), "Verified for SMS messaging only");
        assert_eq!(status(checked(Said::NotOurs).state), "Verification failed");
        assert_eq!(status(Verification::default().state), "Not verified");
    }

    #[test]
    fn a40_the_number_exists_can_text_and_points_at_us_or_the_reason_is_given() {
        let found = |sms, webhook| Said::Found { sms, mms: true, webhook };
        check(found(true, Webhook::Here), None);
        check(found(true, Webhook::Elsewhere), Some(&format!("set its webhook at the carrier to {HERE}, then verify")));
        check(found(false, Webhook::Here), Some("use another, then verify"));
        check(found(false, Webhook::Elsewhere), Some("use another, then verify"));
        check(Said::NotOurs, Some("add it there or correct `account`, then verify"));
    }

    #[test]
    fn a40_a_number_without_mms_or_with_an_unknown_webhook_is_verified() {
        let no_mms = checked(Said::Found { sms: true, mms: false, webhook: Webhook::Here });
        assert_eq!((no_mms.state, no_mms.sms, no_mms.mms), (VerificationState::Verified, true, false));
        check(Said::Found { sms: true, mms: true, webhook: Webhook::Unknown }, None);
    }

    #[test]
    fn a40_a_short_code_cannot_be_one_of_our_numbers() {
        assert!("72345".parse::<E164>().is_err() && "+72345".parse::<E164>().is_err());
    }

    #[test]
    fn a39_a_number_removed_at_the_carrier_opens_no_new_session() {
        let numbers = |verification| {
            let (directory, support, number) = support_with(verification);
            number::of_queue(&directory, &support).contains(&number)
        };
        assert!(numbers(checked(GOOD)));
        assert!(!numbers(judge(&checked(GOOD), Said::NotOurs, HERE, NOW)));
    }

    #[test]
    fn a39_without_a_response_nothing_changes_and_the_number_stays_due() {
        for before in [Verification::default(), checked(GOOD), checked(Said::NotOurs)] {
            assert_eq!(judge(&before, Said::Nothing, HERE, NOW + CHECK_EVERY), before);
        }
        assert!(due(&judge(&checked(GOOD), Said::Nothing, HERE, NOW + CHECK_EVERY), NOW + CHECK_EVERY));
    }

    #[test]
    fn a39_verified_and_failed_numbers_are_checked_daily() {
        let almost = NOW + (CHECK_EVERY - Duration::from_millis(1));
        for verification in [checked(GOOD), checked(Said::NotOurs)] {
            let days = [NOW, almost, NOW + CHECK_EVERY].map(|now| due(&verification, now));
            assert_eq!(days, [false, false, true]);
        }
        let fixed = judge(&checked(Said::NotOurs), GOOD, HERE, NOW + CHECK_EVERY);
        assert_eq!((fixed.state, fixed.reason), (VerificationState::Verified, None));
    }

    #[test]
    fn a39_a_seeded_number_is_checked_immediately_and_a_new_one_on_request() {
        let seeded =
            Verification { state: VerificationState::Verified, sms: true, mms: true, ..Verification::default() };
        assert!(due(&seeded, NOW));
        assert!(!due(&Verification::default(), NOW));
    }

    /// The verification of a new number after this response.
    fn checked(said: Said) -> Verification {
        judge(&Verification::default(), said, HERE, NOW)
    }

    /// The example, with this verification for the inbound number of queue `support`.
    fn support_with(verification: Verification) -> (Directory, QueueId, E164) {
        let mut directory = directory::example();
        let support: QueueId = "support".to_owned().try_into().unwrap();
        let number = directory.queues[&support].inbound_numbers[0];
        directory.numbers.get_mut(&number).unwrap().verification = verification;
        (directory, support, number)
    }

    #[track_caller]
    fn check(said: Said, expected: Option<&str>) {
        let Verification { state, reason, .. } = checked(said);
        match expected {
            None => assert_eq!((state, reason), (VerificationState::Verified, None)),
            Some(part) => {
                assert_eq!(state, VerificationState::Failed);
                assert!(reason.as_deref().is_some_and(|reason| reason.contains(part)), "{reason:?}");
            }
        }
    }
}
