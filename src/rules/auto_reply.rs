//! The auto-reply to a text that arrives after the call, or the reason for sending none (R58-R61, A22-A27).

use super::correlation::Why;
use super::keyword::{self, Keyword};
use super::strangers::LastHour;
use super::{language, non_us};
use crate::model::{Address, Directory, E164, Language, NoReplyReason, Phase, Timestamp, UnknownSender, is_blank};
use std::time::Duration;

/// What is stored about a sender and one of our numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remembered {
    /// Whether they had a session with this number; false if all their texts belonged to no call.
    pub talked: bool,
    /// The language of their last call.
    pub language: Option<Language>,
    /// Times of the latest auto-replies, oldest first.
    pub replied_at: Vec<Timestamp>,
}

/// A text that belongs to no call.
#[derive(Clone, Debug)]
pub struct Late<'a> {
    /// The sender.
    pub from: &'a Address,
    /// Our number.
    pub to: E164,
    /// The text.
    pub text: &'a str,
    /// The keyword that the text consists of, if any.
    pub keyword: Option<Keyword>,
    /// Why the text belongs to no call.
    pub why: Why,
    /// Whether the sender has opted out.
    pub opted_out: bool,
    /// What is stored about the sender; `None` for an unknown one.
    pub remembered: Option<&'a Remembered>,
    /// The auto-replies of the last hour to senders who were on no call; set if this sender is one of them (A71).
    pub strangers: Option<&'a LastHour>,
}

/// The reply to a late text, or the reason for sending none.
///
/// The latest replies are looked up by pair of numbers, not by call, so that a caller who redials four times in a
/// minute gets one reply.
pub fn after_the_call<'a>(late: &Late<'_>, directory: &'a Directory, now: Timestamp) -> Result<&'a str, NoReplyReason> {
    let settings = &directory.settings;
    if !settings.in_call_sms || !settings.auto_reply.enabled {
        return Err(NoReplyReason::SwitchedOff);
    }
    let from = late.from.number().ok_or(NoReplyReason::NoNumber)?;
    if directory.numbers.contains_key(&from) {
        return Err(NoReplyReason::OurOwnNumber);
    }
    if late.keyword.is_some() {
        return Err(NoReplyReason::Keyword);
    }
    if late.opted_out {
        return Err(NoReplyReason::OptedOut);
    }
    let mut own = settings.auto_reply.texts.values().chain(settings.closing.texts.values());
    if own.any(|own| !is_blank(own) && keyword::repeats(late.text, own)) {
        return Err(NoReplyReason::Echo);
    }
    if non_us::blocked(from, Phase::Connected, &settings.non_us) {
        return Err(NoReplyReason::NonUs);
    }
    let owner = directory.owner_of(late.to);
    let known = late.remembered.is_some_and(|remembered| remembered.talked) || late.why == Why::SessionClosed;
    let strangers = owner.is_some() && settings.auto_reply.unknown_sender == UnknownSender::Reply;
    if !known && !strangers {
        return Err(NoReplyReason::Stranger);
    }
    if let Some(remembered) = late.remembered {
        has_capacity(&remembered.replied_at, directory, now)?;
    }
    let language = late
        .remembered
        .and_then(|remembered| remembered.language.clone())
        .or_else(|| owner.map(|queue| directory.language_of(queue)))
        .unwrap_or_else(|| settings.default_language.clone());
    let text = language::system_text(&settings.auto_reply.texts, &language, settings).ok_or(NoReplyReason::NoText)?;
    // Checked last, so that only replies that would otherwise be sent are counted as suppressed by the cap.
    if late.strangers.is_some_and(|answers| !answers.has_capacity(settings.auto_reply.strangers_per_hour, now)) {
        return Err(NoReplyReason::StrangersCap);
    }
    Ok(text)
}

/// Whether one more reply is allowed: at most one per `quiet_minutes`, and at most `per_day` in any 24 hours (A22).
pub fn has_capacity(replied_at: &[Timestamp], directory: &Directory, now: Timestamp) -> Result<(), NoReplyReason> {
    let rules = &directory.settings.auto_reply;
    let quiet_for = Duration::from_secs(u64::from(rules.quiet_minutes) * 60);
    if replied_at.last().is_some_and(|at| now.since(*at) < quiet_for) {
        return Err(NoReplyReason::Quiet);
    }
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let today = replied_at.iter().filter(|at| now.since(**at) < DAY).count();
    if today >= rules.per_day as usize { Err(NoReplyReason::DayCap) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NonUs;
    use crate::rules::directory::example;

    const NOW: Timestamp = Timestamp::from_ms(100 * 24 * 3600 * 1000);
    const OWNED: &str = "+12065550100";
    const OUTBOUND_ONLY: &str = "+12065550102";
    const ENGLISH: &str = "This number is not monitored. Please call us.";

    #[test]
    fn r58_r60_a_text_after_the_call_gets_the_auto_reply() {
        check(|_, _| {}, Ok(ENGLISH));
    }

    #[test]
    fn a22_a_second_text_within_fifteen_minutes_gets_no_reply() {
        let minutes_ago = |minutes: u64| NOW - Duration::from_secs(minutes * 60);
        check(|late, _| late.replied_at = vec![minutes_ago(14)], Err(NoReplyReason::Quiet));
        check(|late, _| late.replied_at = vec![minutes_ago(15)], Ok(ENGLISH));
    }

    #[test]
    fn a22_a_fourth_text_within_a_day_gets_no_reply() {
        let hours_ago = |hours: u64| NOW - Duration::from_secs(hours * 3600);
        check(|late, _| late.replied_at = vec![hours_ago(20), hours_ago(10), hours_ago(1)], Err(NoReplyReason::DayCap));
        check(|late, _| late.replied_at = vec![hours_ago(24), hours_ago(10), hours_ago(1)], Ok(ENGLISH));
    }

    #[test]
    fn a23_r59_an_unknown_sender_gets_a_reply_on_an_inbound_number_unless_off() {
        check(|late, _| late.talked = false, Ok(ENGLISH));
        check(
            |late, directory| {
                late.talked = false;
                directory.settings.auto_reply.unknown_sender = UnknownSender::Silent;
            },
            Err(NoReplyReason::Stranger),
        );
    }

    #[test]
    fn a4_an_outbound_only_number_replies_to_known_senders_only() {
        check(|late, _| late.to = OUTBOUND_ONLY, Ok(ENGLISH));
        check(|late, _| (late.to, late.talked) = (OUTBOUND_ONLY, false), Err(NoReplyReason::Stranger));
    }

    #[test]
    fn a24_short_codes_our_own_numbers_keywords_and_echoes_get_no_reply() {
        check(|late, _| late.from = "72975", Err(NoReplyReason::NoNumber));
        check(|late, _| late.from = "BANK", Err(NoReplyReason::NoNumber));
        check(|late, _| late.from = OUTBOUND_ONLY, Err(NoReplyReason::OurOwnNumber));
        check(|late, _| late.text = "Stop.", Err(NoReplyReason::Keyword));
        check(|late, _| late.text = "HELP", Err(NoReplyReason::Keyword));
        check(|late, _| late.opted_out = true, Err(NoReplyReason::OptedOut));
        check(|late, _| late.text = ENGLISH, Err(NoReplyReason::Echo));
        check(|late, _| late.text = "Thanks for calling. This conversation has ended.", Err(NoReplyReason::Echo));
    }

    #[test]
    fn f01_a_decorated_keyword_or_echo_gets_no_reply() {
        check(|late, _| late.text = "“STOP” 🛑", Err(NoReplyReason::Keyword));
        check(|late, _| late.text = "\u{200b}HELP", Err(NoReplyReason::Keyword));
        check(|late, _| late.text = "“This number is not monitored. Please call us.” 🤖", Err(NoReplyReason::Echo));
        check(
            |late, _| late.text = "\u{feff}Thanks for calling — This conversation has ended",
            Err(NoReplyReason::Echo),
        );
        check(|late, _| late.text = "Liked “This number is not monitored. Please call us.”", Ok(ENGLISH));
    }

    #[test]
    fn a34_no_reply_to_a_number_outside_the_us_while_the_switch_is_off() {
        check(|late, _| late.from = "+390612345678", Err(NoReplyReason::NonUs));
        check(
            |late, directory| {
                late.from = "+390612345678";
                directory.settings.non_us = NonUs { in_call: true, ..directory.settings.non_us };
            },
            Ok(ENGLISH),
        );
    }

    #[test]
    fn a25_the_reply_is_in_the_language_of_the_last_call_or_of_the_queue() {
        let italian: Language = "it".to_owned().try_into().unwrap();
        check(|late, _| late.language = Some(italian.clone()), Ok("Questo numero non è presidiato."));
        check(
            |late, directory| {
                late.talked = false;
                directory.queues.values_mut().for_each(|queue| queue.language = Some(italian.clone()));
            },
            Ok("Questo numero non è presidiato."),
        );
    }

    #[test]
    fn r58_a26_no_reply_is_sent_if_it_is_disabled_or_has_no_text() {
        check(|_, directory| directory.settings.auto_reply.enabled = false, Err(NoReplyReason::SwitchedOff));
        check(|_, directory| directory.settings.auto_reply.texts.clear(), Err(NoReplyReason::NoText));
        check(|_, directory| directory.settings.in_call_sms = false, Err(NoReplyReason::SwitchedOff));
    }

    #[test]
    fn f05_a71_the_hourly_cap_limits_unknown_senders_but_not_callers() {
        let answered = || Some(LastHour::default().with_one_more(NOW).with_one_more(NOW));
        let bound = |most| {
            move |case: &mut Case, directory: &mut Directory| {
                (case.talked, case.strangers) = (false, answered());
                directory.settings.auto_reply.strangers_per_hour = most;
            }
        };
        check(bound(Some(3)), Ok(ENGLISH));
        check(bound(Some(2)), Err(NoReplyReason::StrangersCap));
        check(bound(None), Ok(ENGLISH));
        check(|_, directory| directory.settings.auto_reply.strangers_per_hour = Some(0), Ok(ENGLISH));
    }

    /// The case a test changes: a caller whose call has ended writes to the inbound number of the queue.
    struct Case {
        from: &'static str,
        to: &'static str,
        text: &'static str,
        opted_out: bool,
        talked: bool,
        language: Option<Language>,
        replied_at: Vec<Timestamp>,
        strangers: Option<LastHour>,
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Case, &mut Directory), expected: Result<&str, NoReplyReason>) {
        let mut directory = example();
        let mut case = Case {
            from: "+12065550142",
            to: OWNED,
            text: "are you there?",
            opted_out: false,
            talked: true,
            language: None,
            replied_at: Vec::new(),
            strangers: None,
        };
        change(&mut case, &mut directory);
        let remembered = Remembered { talked: case.talked, language: case.language, replied_at: case.replied_at };
        let from = Address::read(case.from);
        let late = Late {
            from: &from,
            to: case.to.parse().unwrap(),
            text: case.text,
            keyword: crate::rules::keyword::read(case.text),
            why: Why::NoCall,
            opted_out: case.opted_out,
            remembered: Some(&remembered),
            strangers: case.strangers.as_ref(),
        };
        assert_eq!(after_the_call(&late, &directory, NOW), expected);
    }
}
