//! Validation of the settings.

use super::{Violations, place};
use crate::model::{Resource, Settings};
use crate::rules::keyword;
use crate::rules::refusal::Code;

/// Maximum number of call types; they are all stored in one row.
const CALL_TYPES_MAX: usize = 30;

/// Maximum number of languages of one text; they are all stored in one row.
const LANGUAGES_MAX: usize = 50;

/// Maximum of `strangers_per_hour`. A gateway that needs more uses no bound.
const STRANGERS_MAX: u32 = 100_000;

const OF: &Resource = &Resource::Settings;

pub(super) fn check(settings: &Settings, violations: &mut Violations) {
    texts(settings, violations);
    bounds(settings, violations);
    contradictions(settings, violations);
    violations.0.sort_by_key(|violation| place(OF, &violation.field));
}

fn texts(settings: &Settings, violations: &mut Violations) {
    let texts = [
        ("closing.texts", &settings.closing.texts),
        ("auto_reply.texts", &settings.auto_reply.texts),
        ("opt_out.texts", &settings.opt_out.texts),
        ("opt_out.help_texts", &settings.opt_out.help_texts),
    ];
    for (name, texts) in texts {
        if texts.len() > LANGUAGES_MAX {
            let problem = format!("has {} languages: use at most {LANGUAGES_MAX}", texts.len());
            violations.add(OF, name, Code::InvalidField, problem);
        }
        for (language, text) in texts {
            violations.text(OF, format!("{name}.{language}"), text);
        }
    }
}

fn bounds(settings: &Settings, violations: &mut Violations) {
    let bounded = [
        ("call_lease_minutes", u64::from(settings.call_lease_minutes), 1, 7 * 24 * 60),
        ("retention_days", u64::from(settings.retention_days), 2, 3650),
        ("media_retention_days", u64::from(settings.media_retention_days), 1, 3650),
        ("contact_memory_days", u64::from(settings.contact_memory_days), 1, 365),
        ("landline_memory_days", u64::from(settings.landline_memory_days), 1, 365),
        ("max_wait_ms", settings.max_wait_ms, 0, 120_000),
        ("auto_reply.per_day", u64::from(settings.auto_reply.per_day), 0, 50),
        ("auto_reply.quiet_minutes", u64::from(settings.auto_reply.quiet_minutes), 0, 24 * 60),
    ];
    for (name, value, least, most) in bounded {
        if !(least..=most).contains(&value) {
            let problem = format!("is {value}: use {least} to {most}");
            violations.add(OF, name, Code::InvalidField, problem);
        }
    }
    if let Some(most) = settings.auto_reply.strangers_per_hour.filter(|most| *most > STRANGERS_MAX) {
        let problem = format!("is {most}: use 0 to {STRANGERS_MAX}, or null for no bound");
        violations.add(OF, "auto_reply.strangers_per_hour", Code::InvalidField, problem);
    }
    if settings.call_types.len() > CALL_TYPES_MAX {
        let problem = format!("has {} entries: use at most {CALL_TYPES_MAX}", settings.call_types.len());
        violations.add(OF, "call_types", Code::InvalidField, problem);
    }
}

/// Checks for settings that contradict each other. Presets-only together with custom messages is not a contradiction:
/// the stricter one applies (A44).
fn contradictions(settings: &Settings, violations: &mut Violations) {
    if settings.auto_reply.enabled && settings.auto_reply.per_day == 0 {
        let problem = "is 0 while auto_reply.enabled is true: allow 1 or more a day, or switch the auto-reply off";
        violations.add(OF, "auto_reply.per_day", Code::InvalidField, problem);
    }
    if settings.in_call_sms && settings.call_types.is_empty() {
        let problem = "is empty while in_call_sms is true: name the calls that may text, or switch in_call_sms off";
        violations.add(OF, "call_types", Code::InvalidField, problem);
    }
    for (name, texts) in [("closing", &settings.closing.texts), ("auto_reply", &settings.auto_reply.texts)] {
        for (language, text) in texts {
            if keyword::read(text).is_some() {
                let problem = "is a word that callers text to opt out, in, or for help: write a sentence";
                violations.add(OF, format!("{name}.texts.{language}"), Code::InvalidField, problem);
            }
        }
    }
}
