//! Resources of the directory, read from JSON: fields, defaults, and required fields.

use crate::json::{Fields, call_type, name, number};
use crate::model::{
    Account, Attestation, AutoReply, Closing, E164, Language, Limits, NonUs, NonUsRule, Number, OptOutScope,
    OptOutWords, Preset, PresetId, Purpose, Queue, QueueId, Settings, UnknownSender, Verification, VerificationCode,
    VerificationState,
};
use crate::rules::verification::kept;
use std::collections::BTreeMap;

/// The settings.
pub fn settings(fields: &Fields<'_>) -> Settings {
    let default = Settings::default();
    let settings = Settings {
        in_call_sms: fields.flag("in_call_sms", default.in_call_sms),
        non_us: non_us(&fields.section("non_us"), default.non_us),
        custom_messages: fields.flag("custom_messages", default.custom_messages),
        presets_only: fields.flag("presets_only", default.presets_only),
        default_language: fields.parsed("default_language", name).unwrap_or(default.default_language),
        closing: closing(&fields.section("closing"), &default.closing),
        auto_reply: auto_reply(&fields.section("auto_reply"), &default.auto_reply),
        opt_out_scope: fields.choice(
            "opt_out_scope",
            &[("all_numbers", OptOutScope::AllNumbers), ("number", OptOutScope::Number)],
            default.opt_out_scope,
        ),
        opt_out: opt_out(&fields.section("opt_out"), &default.opt_out),
        call_types: fields.list("call_types", call_type).unwrap_or(default.call_types),
        attach_cross_queue: fields.flag("attach_cross_queue", default.attach_cross_queue),
        call_lease_minutes: fields.whole("call_lease_minutes", default.call_lease_minutes),
        late_text: fields.flag("late_text", default.late_text),
        minimum_attestation: fields.choice_or_null(
            "minimum_attestation",
            &[("A", Attestation::A), ("B", Attestation::B), ("C", Attestation::C)],
        ),
        drop_non_us_inbound: fields.flag("drop_non_us_inbound", default.drop_non_us_inbound),
        contact_memory_days: fields.whole("contact_memory_days", default.contact_memory_days),
        landline_memory_days: fields.whole("landline_memory_days", default.landline_memory_days),
        max_wait_ms: fields.whole("max_wait_ms", default.max_wait_ms),
        retention_days: fields.whole("retention_days", default.retention_days),
        media_retention_days: fields.whole("media_retention_days", default.media_retention_days),
    };
    fields.no_other_fields(&["activation_required"]);
    settings
}

fn non_us(fields: &Fields<'_>, default: NonUs) -> NonUs {
    let non_us = NonUs {
        in_call: fields.flag("in_call", default.in_call),
        wait_time: fields.flag("wait_time", default.wait_time),
        rule: fields.choice(
            "rule",
            &[("plus_one", NonUsRule::PlusOne), ("strict_us", NonUsRule::StrictUs)],
            default.rule,
        ),
    };
    fields.no_other_fields(&[]);
    non_us
}

fn closing(fields: &Fields<'_>, default: &Closing) -> Closing {
    let closing = Closing { enabled: fields.flag("enabled", default.enabled), texts: fields.section("texts").texts() };
    fields.no_other_fields(&[]);
    closing
}

fn auto_reply(fields: &Fields<'_>, default: &AutoReply) -> AutoReply {
    let auto_reply = AutoReply {
        enabled: fields.flag("enabled", default.enabled),
        texts: fields.section("texts").texts(),
        quiet_minutes: fields.whole("quiet_minutes", default.quiet_minutes),
        per_day: fields.whole("per_day", default.per_day),
        unknown_sender: fields.choice(
            "unknown_sender",
            &[("reply", UnknownSender::Reply), ("silent", UnknownSender::Silent)],
            default.unknown_sender,
        ),
        strangers_per_hour: if fields.has("strangers_per_hour") {
            fields.whole_or_null("strangers_per_hour", 1)
        } else {
            default.strangers_per_hour
        },
    };
    fields.no_other_fields(&[]);
    auto_reply
}

fn opt_out(fields: &Fields<'_>, default: &OptOutWords) -> OptOutWords {
    let words = OptOutWords {
        confirm: fields.flag("confirm", default.confirm),
        texts: fields.section("texts").texts(),
        help_texts: fields.section("help_texts").texts(),
        first_word: fields.flag("first_word", default.first_word),
    };
    fields.no_other_fields(&[]);
    words
}

/// Our numbers. They keep the verification they have in `before`; without `before` the document's is used.
pub(super) fn numbers(fields: &Fields<'_>, before: Option<&BTreeMap<E164, Number>>) -> BTreeMap<E164, Number> {
    let entries = fields.entries(number).into_iter().filter_map(|(number, fields)| {
        let mut entry = settable(&fields);
        // Read in any case, so that its mistakes are reported.
        let written = verification(&fields.section("verification"));
        entry.verification = match before {
            Some(before) => kept(number.and_then(|number| before.get(&number)), &entry.account),
            None => written,
        };
        fields.no_other_fields(NUMBER_SHOWN);
        Some((number?, entry))
    });
    entries.collect()
}

/// Fields of a number that a request may repeat from a response; they are ignored.
const NUMBER_SHOWN: &[&str] = &["number", "queues", "lane", "suspended"];

/// One of our numbers as someone sets it over the API: a verification in it is ignored, and it has none.
pub fn number_alone(fields: &Fields<'_>) -> Number {
    let entry = settable(fields);
    fields.no_other_fields(&[NUMBER_SHOWN, &["verification"]].concat());
    entry
}

/// The fields of a number that can be set.
fn settable(fields: &Fields<'_>) -> Number {
    Number {
        label: fields.required_text_or_empty("label", "a label that identifies the number, as in \"Support A\""),
        account: fields.required_text_or_empty("account", "the carrier account's name in the configuration"),
        purpose: fields.choice("purpose", &[("in_call", Purpose::InCall), ("chat", Purpose::Chat)], Purpose::InCall),
        global_outbound: fields.flag("global_outbound", false),
        limits: limits(&fields.section("limits"), Limits::default()),
        verification: Verification::default(),
    }
}

/// Limits, with `default` for absent fields. A null burst is also the default, because accounts without a rate have
/// none.
fn limits(fields: &Fields<'_>, default: Limits) -> Limits {
    let limits = Limits {
        millisegments_per_second: fields.milli_or_null("segments_per_second", default.millisegments_per_second),
        burst: fields.whole_or_null("burst", default.burst).unwrap_or(default.burst),
        segments_per_day: fields.whole_or_null("segments_per_day", 1),
        day_zone: fields.text("day_zone").map_or(default.day_zone, str::to_owned),
    };
    fields.no_other_fields(&[]);
    limits
}

fn verification(fields: &Fields<'_>) -> Verification {
    let verification = Verification {
        state: fields.choice(
            "state",
            &[
                ("verified", VerificationState::Verified),
                ("unverified", VerificationState::Unverified),
                ("failed", VerificationState::Failed),
            ],
            VerificationState::Unverified,
        ),
        sms: fields.flag("sms", false),
        mms: fields.flag("mms", false),
        code: fields.choice_or_null(
            "code",
            &[
                ("not_on_account", VerificationCode::NotOnAccount),
                ("cannot_text", VerificationCode::CannotText),
                ("webhook_elsewhere", VerificationCode::WebhookElsewhere),
            ],
        ),
        reason: fields.text_or_null("reason").map(str::to_owned),
        checked_at: fields.time_or_null("checked_at"),
    };
    fields.no_other_fields(&["status", "by"]);
    verification
}

pub(super) fn queues(fields: &Fields<'_>) -> BTreeMap<QueueId, Queue> {
    let entries = fields.entries(name).into_iter().filter_map(|(id, fields)| {
        let queue = queue(&fields);
        Some((id?, queue))
    });
    entries.collect()
}

/// A queue.
pub fn queue(fields: &Fields<'_>) -> Queue {
    let queue = Queue {
        name: fields.required_text_or_empty("name", "a name for people, as in \"Support\""),
        parent: fields.parsed_or_null("parent", name),
        in_call_sms: fields.flag_or_null("in_call_sms"),
        inbound_numbers: fields.list("inbound_numbers", number).unwrap_or_default(),
        outbound_numbers: fields.list("outbound_numbers", number).unwrap_or_default(),
        default_outbound: fields.parsed_or_null("default_outbound", number),
        language: fields.parsed_or_null("language", name),
    };
    fields.no_other_fields(&["id", "effective"]);
    queue
}

pub(super) fn presets(fields: &Fields<'_>) -> BTreeMap<Language, BTreeMap<PresetId, Preset>> {
    let languages = fields.entries(name).into_iter().filter_map(|(language, fields)| {
        let presets = fields.entries(name).into_iter().filter_map(|(id, fields)| {
            let preset = preset(&fields);
            Some((id?, preset))
        });
        let presets = presets.collect();
        Some((language?, presets))
    });
    languages.collect()
}

/// A preset.
pub fn preset(fields: &Fields<'_>) -> Preset {
    let preset = Preset {
        label: fields.required_text_or_empty("label", "the label shown to agents"),
        text: fields.required_text_or_empty("text", "the text sent to the caller"),
        position: fields.whole_or_null("position", 0),
    };
    fields.no_other_fields(&["id", "language", "encoding", "segments", "warnings"]);
    preset
}

/// Accounts are configured in the configuration file; the document has their limits only.
pub(super) fn accounts(fields: &Fields<'_>) -> BTreeMap<String, Account> {
    let entries = fields.entries(|name| Ok(name.to_owned())).into_iter().filter_map(|(name, fields)| {
        let account = account(&fields);
        Some((name?, account))
    });
    entries.collect()
}

/// The limits of an account. What the configuration file says of it may be repeated, and is ignored.
pub fn account(fields: &Fields<'_>) -> Account {
    let limits = limits(&fields.section("limits"), Limits::none());
    fields.no_other_fields(&[
        "name",
        "carrier",
        "public_url",
        "webhooks",
        "breaker",
        "paused_until",
        "reason",
        "detail",
        "suspended",
        "last_success_at",
        "reconciliation",
        "api_url",
        "account_sid",
        "report_only_until",
    ]);
    Account { limits }
}
