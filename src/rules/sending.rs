//! Whether a text may be sent (R33-R50, A10-A18, A35, A44-A46, A56).
//!
//! The same function decides a send and the permissions shown to the agent beforehand, so the two cannot disagree.

use super::non_us;
use super::refusal::{Code, Refusal};
use crate::model::{
    Attestation, Caller, Directory, E164, Language, Phase, PresetId, QueueId, Session, Settings, SmartAction,
    TEXT_MAX_CHARACTERS, is_blank, measure,
};

/// The state of the call and of the person it would text.
#[derive(Clone, Debug)]
pub struct SendContext<'a> {
    /// Whether the call is over.
    pub ended: bool,
    /// The state of the session.
    pub session: Session,
    /// The queue the call is in now.
    pub queue: &'a QueueId,
    /// Whether the caller waits or is connected.
    pub phase: Phase,
    /// Whether a waiting caller agreed to texts.
    pub wait_sms_consent: bool,
    /// The caller id.
    pub caller: Caller,
    /// Another number the agent confirmed (A16).
    pub alternative: Option<E164>,
    /// The attestation of the caller id.
    pub attestation: Option<Attestation>,
    /// Whether the recipient has opted out.
    pub opted_out: bool,
    /// Whether the recipient's number is a known landline.
    pub landline: bool,
    /// Whether an administrator forces a send to a landline.
    pub force: bool,
}

/// The recipient if a text may be sent in this call now, else the first reason against it.
pub fn may_send(context: &SendContext<'_>, directory: &Directory) -> Result<E164, Refusal> {
    let refuse = |code, detail: &str| Err(Refusal::new(code, detail));
    let settings = &directory.settings;
    if context.ended {
        return refuse(Code::CallEnded, "the call has ended: no more texts can be sent");
    }
    if context.session == Session::Closed {
        return refuse(
            Code::SessionClosed,
            "the session of this call is closed: the caller opted out, or no agent is on the call",
        );
    }
    if !settings.in_call_sms {
        return refuse(Code::InCallSmsOff, "in-call SMS is switched off: set in_call_sms in the settings");
    }
    if !directory.feature_on(context.queue) {
        return refuse(Code::QueueDisabled, "in-call SMS is off for the queue the call is in");
    }
    if context.phase == Phase::Waiting && !context.wait_sms_consent {
        return refuse(Code::WaitConsentMissing, "the waiting caller has not agreed to texts: set wait_sms_consent");
    }
    let party = match (context.alternative, context.caller) {
        (Some(number), _) => number,
        (None, Caller::Number(number)) => {
            if !attested(context.attestation, settings) {
                return refuse(
                    Code::AttestationTooLow,
                    "the attestation of the caller id is below minimum_attestation",
                );
            }
            number
        }
        (None, Caller::Withheld) => {
            return refuse(
                Code::CallerUnreachable,
                "the caller id is withheld: ask for a number and set it as `alternative`",
            );
        }
    };
    if context.opted_out {
        return refuse(Code::OptedOut, "the caller has opted out and must text START first");
    }
    if non_us::blocked(party, context.phase, &settings.non_us) {
        return refuse(
            Code::NonUsBlocked,
            "texts to numbers outside the US are switched off for this phase of the call",
        );
    }
    if context.landline && !context.force {
        return refuse(Code::Landline, "the number is a landline: ask for another; an admin may send with force");
    }
    Ok(party)
}

fn attested(attestation: Option<Attestation>, settings: &Settings) -> bool {
    // A is the best level and compares as the least.
    settings.minimum_attestation.is_none_or(|minimum| attestation.is_some_and(|offered| offered <= minimum))
}

/// The replies a number must be able to receive for a text sent from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Texts.
    Text,
    /// Photos and videos.
    Media,
}

/// The reply a smart action needs (R1): one that asks for a picture needs a number that can receive MMS.
pub fn needs(action: Option<SmartAction>) -> Needs {
    match action {
        Some(SmartAction::Photo | SmartAction::Video | SmartAction::Screenshot) => Needs::Media,
        Some(SmartAction::TextInput | SmartAction::Verification) | None => Needs::Text,
    }
}

/// Whether agents may write their own texts: custom messages are on, and presets-only is off (A44).
pub fn custom_allowed(settings: &Settings) -> bool {
    settings.custom_messages && !settings.presets_only
}

/// Checks that agents may write their own texts.
pub fn custom(settings: &Settings) -> Result<(), Refusal> {
    if !settings.custom_messages {
        return Err(Refusal::new(Code::CustomMessagesOff, "custom messages are switched off: send a preset"));
    }
    if settings.presets_only {
        return Err(Refusal::new(Code::PresetsOnly, "agents may send presets only: send one by its id"));
    }
    Ok(())
}

/// The text of a preset, in exactly the requested language (A45).
pub fn preset<'a>(directory: &'a Directory, language: &Language, id: &PresetId) -> Result<&'a str, Refusal> {
    directory.presets.get(language).and_then(|presets| presets.get(id)).map(|preset| preset.text.as_str()).ok_or_else(
        || {
            Refusal::new(
                Code::PresetNotFound,
                format!("preset {id} does not exist in language {language}: use another"),
            )
        },
    )
}

/// Checks that a text is neither blank nor too long (R50, A43). Texts are never truncated.
pub fn shape(text: &str) -> Result<(), Refusal> {
    if is_blank(text) {
        return Err(Refusal::new(Code::TextEmpty, "there is nothing to send: write some text"));
    }
    let characters = measure(text).characters;
    if characters > TEXT_MAX_CHARACTERS {
        let detail = format!("the text has {characters} characters: write at most {TEXT_MAX_CHARACTERS}");
        return Err(Refusal::new(Code::TextTooLong, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::directory::example;

    const CALLER: &str = "+12065550142";

    #[test]
    fn r7_an_agent_may_text_the_caller_of_a_live_call() {
        check(|_, _| {}, Ok(()));
    }

    #[test]
    fn r51_a_call_that_has_ended_takes_no_texts() {
        check(|context, _| context.ended = true, Err(Code::CallEnded));
    }

    #[test]
    fn a12_a46_a_closed_session_takes_no_texts() {
        check(|context, _| context.session = Session::Closed, Err(Code::SessionClosed));
    }

    #[test]
    fn r14_r62_the_main_switch_and_the_queues_switch_must_both_be_on() {
        check(|_, directory| directory.settings.in_call_sms = false, Err(Code::InCallSmsOff));
        check(
            |_, directory| directory.queues.values_mut().for_each(|queue| queue.in_call_sms = Some(false)),
            Err(Code::QueueDisabled),
        );
    }

    #[test]
    fn a42_a_queue_without_its_own_switch_inherits_its_parents() {
        check(
            |_, directory| {
                let parent: QueueId = "sales".to_owned().try_into().unwrap();
                directory.queues.get_mut(&parent).unwrap().in_call_sms = Some(false);
                let child: QueueId = "support".to_owned().try_into().unwrap();
                let child = directory.queues.get_mut(&child).unwrap();
                (child.in_call_sms, child.parent) = (None, Some(parent));
            },
            Err(Code::QueueDisabled),
        );
    }

    #[test]
    fn a56_a_waiting_caller_must_have_consented() {
        check(|context, _| context.phase = Phase::Waiting, Err(Code::WaitConsentMissing));
        check(|context, _| (context.phase, context.wait_sms_consent) = (Phase::Waiting, true), Ok(()));
    }

    #[test]
    fn a16_a_withheld_caller_is_texted_only_on_a_confirmed_alternative() {
        check(|context, _| context.caller = Caller::Withheld, Err(Code::CallerUnreachable));
        check(|s, _| (s.caller, s.alternative) = (Caller::Withheld, CALLER.parse().ok()), Ok(()));
    }

    #[test]
    fn a17_a_caller_id_needs_the_minimum_attestation() {
        let least_b = |directory: &mut Directory| directory.settings.minimum_attestation = Some(Attestation::B);
        check(|_, directory| least_b(directory), Err(Code::AttestationTooLow));
        check(
            |context, directory| {
                least_b(directory);
                context.attestation = Some(Attestation::C);
            },
            Err(Code::AttestationTooLow),
        );
        check(
            |context, directory| {
                least_b(directory);
                context.attestation = Some(Attestation::A);
            },
            Ok(()),
        );
    }

    #[test]
    fn a46_an_opted_out_caller_is_not_texted() {
        check(|context, _| context.opted_out = true, Err(Code::OptedOut));
    }

    #[test]
    fn r36_a35_the_switch_of_the_phase_at_send_time_applies_outside_the_us() {
        let rome = |context: &mut SendContext<'_>| context.caller = Caller::Number("+390612345678".parse().unwrap());
        check(|context, _| rome(context), Err(Code::NonUsBlocked));
        check(
            |context, directory| {
                rome(context);
                directory.settings.non_us.in_call = true;
            },
            Ok(()),
        );
        check(
            |context, directory| {
                rome(context);
                directory.settings.non_us.in_call = true;
                (context.phase, context.wait_sms_consent) = (Phase::Waiting, true);
            },
            Err(Code::NonUsBlocked),
        );
    }

    #[test]
    fn r9_a18_a_known_landline_is_refused_unless_forced() {
        check(|context, _| context.landline = true, Err(Code::Landline));
        check(|context, _| (context.landline, context.force) = (true, true), Ok(()));
    }

    #[test]
    fn a44_r42_r49_custom_texts_need_both_switches() {
        let with = |custom_messages, presets_only| Settings { custom_messages, presets_only, ..Settings::default() };
        assert!(custom(&with(true, false)).is_ok());
        assert_eq!(custom(&with(false, false)).unwrap_err().code, Code::CustomMessagesOff);
        assert_eq!(custom(&with(true, true)).unwrap_err().code, Code::PresetsOnly);
        assert!(custom_allowed(&with(true, false)) && !custom_allowed(&with(true, true)));
    }

    #[test]
    fn a45_r43_a_preset_is_never_sent_in_another_language() {
        let directory = example();
        let (italian, english) =
            (Language::try_from("it".to_owned()).unwrap(), directory.settings.default_language.clone());
        let welcome = "welcome".to_owned().try_into().unwrap();
        let only_english = "only-english".to_owned().try_into().unwrap();
        assert!(preset(&directory, &italian, &welcome).is_ok());
        assert!(preset(&directory, &english, &only_english).is_ok());
        assert_eq!(preset(&directory, &italian, &only_english).unwrap_err().code, Code::PresetNotFound);
    }

    #[test]
    fn r50_a43_918_characters_pass_and_919_are_refused_whatever_their_bytes() {
        assert!(shape(&"€".repeat(918)).is_ok());
        assert_eq!(shape(&"😀".repeat(919)).unwrap_err().code, Code::TextTooLong);
        assert_eq!(shape(" \n").unwrap_err().code, Code::TextEmpty);
    }

    #[test]
    fn f02_a_text_of_invisible_characters_only_is_empty() {
        for text in ["\u{200b}", "\u{feff}", "\u{2060}", " \u{200e}\u{ad}\n", "\u{3164}", "\u{fe0f}"] {
            assert_eq!(shape(text).unwrap_err().code, Code::TextEmpty, "{text:?}");
        }
        assert!(shape("\u{200b}👍\u{fe0f}").is_ok());
    }

    #[track_caller]
    fn check(change: impl Fn(&mut SendContext<'_>, &mut Directory), expected: Result<(), Code>) {
        let mut directory = example();
        let queue = "support".to_owned().try_into().unwrap();
        let mut context = SendContext {
            ended: false,
            session: Session::None,
            queue: &queue,
            phase: Phase::Connected,
            wait_sms_consent: false,
            caller: Caller::Number(CALLER.parse().unwrap()),
            alternative: None,
            attestation: None,
            opted_out: false,
            landline: false,
            force: false,
        };
        change(&mut context, &mut directory);
        assert_eq!(may_send(&context, &directory).map(|_| ()).map_err(|refusal| refusal.code), expected);
    }
}
