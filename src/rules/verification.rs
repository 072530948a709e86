//! What a carrier's word on a number of ours makes of it (R15, R30-R32, A39, A40).
//!
//! A number is verified where the carrier has it, it can text, and nothing shows that its inbound messages go elsewhere.
//! A short code never gets here: it is no E.164 number.

use crate::model::{Timestamp, Verification, VerificationState};
use std::time::Duration;

/// How long a carrier's word is believed before it is asked again (A39).
pub const CHECK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a carrier says of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// It is on the account.
    Found {
        /// It can text.
        sms: bool,
        /// It can carry photos and videos.
        mms: bool,
        /// Where its inbound messages go.
        webhook: Webhook,
    },
    /// It is not on the account.
    NotOurs,
    /// No answer, or none that says anything of the number.
    Nothing,
}

/// Where a number's inbound messages go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Webhook {
    /// To this gateway.
    Here,
    /// To another address, or to none.
    Elsewhere,
    /// Something other than the number decides it, as a carrier's bundle of numbers does.
    Unknown,
}

/// What is known of a number after the carrier was asked at `now`, where `before` was known. `address` is the one its
/// inbound messages should go to.
///
/// Where the carrier says nothing, nothing changes, so the number stays due: the caller paces its questions.
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

/// What keeps a number that the carrier has from use, and what to do. Without MMS it still texts; where it is not known
/// where its messages go, the number is not at fault.
fn unfit(sms: bool, webhook: Webhook, address: &str) -> Option<String> {
    match (sms, webhook) {
        (false, _) => Some("it cannot text: switch SMS on for it at the carrier or take another".to_owned()),
        (true, Webhook::Elsewhere) => {
            Some(format!("its inbound messages go elsewhere: set its webhook at the carrier to {address}"))
        }
        (true, Webhook::Here | Webhook::Unknown) => None,
    }
}

/// Whether the carrier is to be asked again, unbidden. A number that a seed says is verified was never asked about and is
/// due at once; one that is unverified waits for somebody to verify it (R30); one that failed may have been mended.
pub fn due(verification: &Verification, now: Timestamp) -> bool {
    let decided = verification.state != VerificationState::Unverified;
    decided && verification.checked_at.is_none_or(|checked_at| now.since(checked_at) >= CHECK_EVERY)
}

/// The state in words for people; R32 has those for a number that is verified.
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
    fn r15_r30_a_number_the_carrier_has_and_points_at_us_is_verified() {
        let verified = asked(GOOD);
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
    fn r31_a_number_must_be_verified_before_a_queue_gets_it() {
        let breaches = |verification| directory::check(&Directory::default(), &support_with(verification).0, false);
        assert_eq!(breaches(asked(GOOD)), []);
        for verification in [Verification::default(), asked(Said::NotOurs), asked(Said::Nothing)] {
            let breaches = breaches(verification);
            assert!(
                !breaches.is_empty() && breaches.iter().all(|b| b.problem.contains("not verified")),
                "{breaches:?}"
            );
        }
    }

    #[test]
    fn r32_the_status_of_a_verified_number_has_these_words() {
        assert_eq!(status(asked(GOOD).state), "Verified for SMS messaging only");
        assert_eq!(status(asked(Said::NotOurs).state), "Verification failed");
        assert_eq!(status(Verification::default().state), "Not verified");
    }

    #[test]
    fn a40_the_number_exists_can_text_and_points_at_us_and_a_failure_says_what_to_do() {
        let found = |sms, webhook| Said::Found { sms, mms: true, webhook };
        check(found(true, Webhook::Here), None);
        check(found(true, Webhook::Elsewhere), Some(&format!("set its webhook at the carrier to {HERE}, then verify")));
        check(found(false, Webhook::Here), Some("take another, then verify"));
        check(found(false, Webhook::Elsewhere), Some("take another, then verify"));
        check(Said::NotOurs, Some("add it there or correct `account`, then verify"));
    }

    #[test]
    fn a40_a_number_without_mms_texts_and_one_with_a_webhook_nobody_knows_is_not_at_fault() {
        let no_mms = asked(Said::Found { sms: true, mms: false, webhook: Webhook::Here });
        assert_eq!((no_mms.state, no_mms.sms, no_mms.mms), (VerificationState::Verified, true, false));
        check(Said::Found { sms: true, mms: true, webhook: Webhook::Unknown }, None);
    }

    #[test]
    fn a40_an_sms_code_is_no_number_of_ours() {
        assert!("72345".parse::<E164>().is_err() && "+72345".parse::<E164>().is_err());
    }

    #[test]
    fn a39_a_number_the_carrier_no_longer_has_opens_no_new_session() {
        let numbers = |verification| {
            let (directory, support, number) = support_with(verification);
            number::of_queue(&directory, &support).contains(&number)
        };
        assert!(numbers(asked(GOOD)));
        assert!(!numbers(judge(&asked(GOOD), Said::NotOurs, HERE, NOW)));
    }

    #[test]
    fn a39_a_carrier_that_does_not_answer_changes_nothing_and_is_asked_again() {
        for before in [Verification::default(), asked(GOOD), asked(Said::NotOurs)] {
            assert_eq!(judge(&before, Said::Nothing, HERE, NOW + CHECK_EVERY), before);
        }
        assert!(due(&judge(&asked(GOOD), Said::Nothing, HERE, NOW + CHECK_EVERY), NOW + CHECK_EVERY));
    }

    #[test]
    fn a39_a_number_is_asked_about_each_day_whether_it_passed_or_failed() {
        let almost = NOW + (CHECK_EVERY - Duration::from_millis(1));
        for verification in [asked(GOOD), asked(Said::NotOurs)] {
            let days = [NOW, almost, NOW + CHECK_EVERY].map(|now| due(&verification, now));
            assert_eq!(days, [false, false, true]);
        }
        let mended = judge(&asked(Said::NotOurs), GOOD, HERE, NOW + CHECK_EVERY);
        assert_eq!((mended.state, mended.reason), (VerificationState::Verified, None));
    }

    #[test]
    fn a39_a_number_that_a_seed_believed_in_is_asked_about_at_once_and_a_new_one_waits_for_verify() {
        let seeded =
            Verification { state: VerificationState::Verified, sms: true, mms: true, ..Verification::default() };
        assert!(due(&seeded, NOW));
        assert!(!due(&Verification::default(), NOW));
    }

    /// What becomes of a new number after this answer.
    fn asked(said: Said) -> Verification {
        judge(&Verification::default(), said, HERE, NOW)
    }

    /// The example, with a queue whose inbound number is known like this.
    fn support_with(verification: Verification) -> (Directory, QueueId, E164) {
        let mut directory = directory::example();
        let support: QueueId = "support".to_owned().try_into().unwrap();
        let number = directory.queues[&support].inbound_numbers[0];
        directory.numbers.get_mut(&number).unwrap().verification = verification;
        (directory, support, number)
    }

    #[track_caller]
    fn check(said: Said, expected: Option<&str>) {
        let Verification { state, reason, .. } = asked(said);
        match expected {
            None => assert_eq!((state, reason), (VerificationState::Verified, None)),
            Some(part) => {
                assert_eq!(state, VerificationState::Failed);
                assert!(reason.as_deref().is_some_and(|reason| reason.contains(part)), "{reason:?}");
            }
        }
    }
}
