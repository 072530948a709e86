//! Verification of our numbers with the carrier (R15, R30-R32, A39, A40).
//!
//! A number is verified if the carrier has it on the account, it can send SMS, and it is not known that its inbound
//! messages go elsewhere. Short codes are never checked, because they are not E.164 numbers.

use crate::model::{Directory, E164, Number, Purpose, Timestamp, Verification, VerificationCode, VerificationState};
use std::time::Duration;

/// How long a verification is valid before the carrier is queried again (A39).
pub const CHECK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum length of a URL in a reason, in characters.
const URL_MAX_CHARACTERS: usize = 200;

/// The carrier's response about a number.
#[derive(Clone, PartialEq, Eq, Debug)]
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
}

/// Where a number's inbound messages go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Webhook {
    /// To this gateway.
    Here,
    /// To another URL, which is this one.
    Elsewhere(String),
    /// Decided by something other than the number, like a carrier's messaging service.
    Unknown,
}

/// The verification of a number after the carrier's response at `now`. `address` is the URL its inbound messages should
/// go to.
pub fn judge(said: &Said, address: &str, now: Timestamp) -> Verification {
    let (sms, mms, failure) = match said {
        Said::NotOurs => {
            let reason = "the carrier does not have it on this account: add it there or correct `account`";
            (false, false, Some((VerificationCode::NotOnAccount, reason.to_owned())))
        }
        Said::Found { sms, mms, webhook } => (*sms, *mms, unfit(*sms, webhook, address)),
    };
    Verification {
        state: if failure.is_some() { VerificationState::Failed } else { VerificationState::Verified },
        sms,
        mms,
        code: failure.as_ref().map(|(code, _)| *code),
        reason: failure.map(|(_, what)| what + ", then verify it again"),
        checked_at: Some(now),
    }
}

/// Why a number on the account cannot be used, and what to do. A number without MMS is usable, and so is one whose
/// webhook is unknown.
fn unfit(sms: bool, webhook: &Webhook, address: &str) -> Option<(VerificationCode, String)> {
    match (sms, webhook) {
        (false, _) => {
            let reason = "it cannot send SMS: enable SMS for it at the carrier or use another";
            Some((VerificationCode::CannotText, reason.to_owned()))
        }
        (true, Webhook::Elsewhere(url)) => {
            let url: String = url.chars().filter(|c| !c.is_control()).take(URL_MAX_CHARACTERS).collect();
            let reason = format!("its webhook at the carrier points at {url}: set it to {address} (HTTP POST)");
            Some((VerificationCode::WebhookElsewhere, reason))
        }
        (true, Webhook::Here | Webhook::Unknown) => None,
    }
}

/// Whether the carrier should be queried again automatically, given when it last answered about the number in its
/// account. A number marked as verified by a seed was never checked and is due immediately; an unverified one waits for
/// an administrator (R30); a failed one may have been fixed.
pub fn due(verification: &Verification, checked_at: Option<Timestamp>, now: Timestamp) -> bool {
    let decided = verification.state != VerificationState::Unverified;
    decided && checked_at.is_none_or(|checked_at| now.since(checked_at) >= CHECK_EVERY)
}

/// The verification that a number has after an administrator's change. Only a carrier changes it, and it is valid for
/// one account.
pub fn kept(known: Option<&Number>, account: &str) -> Verification {
    known.filter(|known| known.account == account).map(|known| known.verification.clone()).unwrap_or_default()
}

/// Whether the first US number is still to be activated: there is no verified +1 number for calls (R16, R17).
pub fn activation_required(directory: &Directory) -> bool {
    let activated = |(number, entry): (&E164, &Number)| {
        number.to_string().starts_with("+1")
            && entry.purpose == Purpose::InCall
            && entry.verification.state == VerificationState::Verified
    };
    !directory.numbers.iter().any(activated)
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
    use crate::model::QueueId;
    use crate::rules::{directory, number};

    const NOW: Timestamp = Timestamp::from_ms(1_000_000_000);
    const HERE: &str = "https://sms.example.com/carriers/main/messages";
    const GOOD: Said = Said::Found { sms: true, mms: true, webhook: Webhook::Here };

    #[test]
    fn r15_r30_a_number_on_the_account_that_points_at_us_is_verified() {
        let expected = Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            code: None,
            reason: None,
            checked_at: Some(NOW),
        };
        assert_eq!(checked(&GOOD), expected);
    }

    #[test]
    fn r31_a_number_must_be_verified_before_it_is_assigned() {
        let violations = |verification| directory::check(&Directory::default(), &support_with(verification).0, false);
        assert_eq!(violations(checked(&GOOD)), []);
        for verification in [Verification::default(), checked(&Said::NotOurs)] {
            let violations = violations(verification);
            assert!(
                !violations.is_empty() && violations.iter().all(|b| b.problem.contains("not verified")),
                "{violations:?}"
            );
        }
    }

    #[test]
    fn r32_the_status_of_a_verified_number_has_the_prescribed_text() {
        assert_eq!(status(checked(&GOOD).state), "Verified for SMS messaging only");
        assert_eq!(status(checked(&Said::NotOurs).state), "Verification failed");
        assert_eq!(status(Verification::default().state), "Not verified");
    }

    #[test]
    fn a40_the_number_exists_can_text_and_points_at_us_or_the_reason_is_given() {
        let found = |sms, webhook| Said::Found { sms, mms: true, webhook };
        let elsewhere = || Webhook::Elsewhere("https://old.example.com/sms".to_owned());
        check(&found(true, Webhook::Here), None);
        let points = format!(
            "its webhook at the carrier points at https://old.example.com/sms: set it to {HERE} (HTTP POST), then \
             verify it again"
        );
        check(&found(true, elsewhere()), Some(&points));
        let no_sms = "it cannot send SMS: enable SMS for it at the carrier or use another, then verify it again";
        check(&found(false, Webhook::Here), Some(no_sms));
        check(&found(false, elsewhere()), Some(no_sms));
        let absent = "the carrier does not have it on this account: add it there or correct `account`, then verify it \
                      again";
        check(&Said::NotOurs, Some(absent));
    }

    #[test]
    fn a40_a_long_url_of_the_carrier_is_cut_in_the_reason() {
        let webhook = Webhook::Elsewhere(format!("https://old.example.com/\n{}", "x".repeat(10_000)));
        let reason = checked(&Said::Found { sms: true, mms: true, webhook }).reason.unwrap();
        assert!(reason.len() < 400 && !reason.contains('\n'), "{reason}");
    }

    #[test]
    fn a40_a_number_without_mms_or_with_an_unknown_webhook_is_verified() {
        let no_mms = checked(&Said::Found { sms: true, mms: false, webhook: Webhook::Here });
        assert_eq!((no_mms.state, no_mms.sms, no_mms.mms), (VerificationState::Verified, true, false));
        check(&Said::Found { sms: true, mms: true, webhook: Webhook::Unknown }, None);
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
        assert!(numbers(checked(&GOOD)));
        assert!(!numbers(checked(&Said::NotOurs)));
    }

    #[test]
    fn a39_verified_and_failed_numbers_are_checked_daily() {
        let almost = NOW + (CHECK_EVERY - Duration::from_millis(1));
        for verification in [checked(&GOOD), checked(&Said::NotOurs)] {
            let days = [NOW, almost, NOW + CHECK_EVERY].map(|now| due(&verification, Some(NOW), now));
            assert_eq!(days, [false, false, true]);
        }
    }

    #[test]
    fn a39_a_seeded_number_is_checked_immediately_and_a_new_one_on_request() {
        // A document may claim that the carrier was asked elsewhere.
        for checked_at in [None, Some(NOW)] {
            let seeded = Verification { checked_at, ..checked(&GOOD) };
            assert!(due(&seeded, None, NOW));
        }
        assert!(!due(&Verification::default(), None, NOW));
    }

    #[test]
    fn r31_a_number_keeps_its_verification_within_its_account_only() {
        let (directory, _, number) = support_with(checked(&GOOD));
        let known = directory.numbers.get(&number);
        assert_eq!(kept(known, "main"), checked(&GOOD));
        assert_eq!(kept(known, "other"), Verification::default());
        assert_eq!(kept(None, "main"), Verification::default());
    }

    #[test]
    fn r16_r17_activation_is_required_until_a_us_number_for_calls_is_verified() {
        let (mut directory, _, number) = support_with(checked(&GOOD));
        assert!(!activation_required(&directory));
        let entry = directory.numbers[&number].clone();
        directory.numbers.clear();
        assert!(activation_required(&directory));
        directory.numbers.insert("+390612345678".parse().unwrap(), entry.clone());
        directory.numbers.insert(number, Number { verification: checked(&Said::NotOurs), ..entry.clone() });
        assert!(activation_required(&directory));
        directory.numbers.insert(number, Number { purpose: Purpose::Chat, ..entry.clone() });
        assert!(activation_required(&directory));
        directory.numbers.insert(number, entry);
        assert!(!activation_required(&directory));
    }

    /// The verification of a number after this response.
    fn checked(said: &Said) -> Verification {
        judge(said, HERE, NOW)
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
    fn check(said: &Said, expected: Option<&str>) {
        let Verification { state, reason, .. } = checked(said);
        let state_expected = if expected.is_none() { VerificationState::Verified } else { VerificationState::Failed };
        assert_eq!((state, reason.as_deref()), (state_expected, expected));
    }
}
