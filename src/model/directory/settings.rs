//! Settings of the whole gateway.
//!
//! The journal stores settings as JSON, so a field added here needs only a default.

use super::Language;
use crate::model::call::Attestation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of the whole gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The main switch (R14).
    pub in_call_sms: bool,
    /// The switches for numbers outside the US (R36, R37).
    pub non_us: NonUs,
    /// Whether agents may write their own texts (R49).
    pub custom_messages: bool,
    /// Whether agents may send presets only (R42).
    pub presets_only: bool,
    /// The fallback where a text is missing in the call's language (A25).
    pub default_language: Language,
    /// The message sent when the call ends (R55).
    pub closing: Closing,
    /// The reply to texts that arrive after the call (R58).
    pub auto_reply: AutoReply,
    /// How far one STOP reaches (A46).
    pub opt_out_scope: OptOutScope,
    /// Replies to STOP and HELP where the carrier does not reply itself.
    pub opt_out: OptOutWords,
    /// The call types that may text (A15).
    pub call_types: Vec<String>,
    /// Whether a text to another queue's number joins the call (A3).
    pub attach_cross_queue: bool,
    /// How long a call lives without an update from the platform, in minutes (A7).
    pub call_lease_minutes: u32,
    /// Whether `message.late` carries the text.
    pub late_text: bool,
    /// The minimum attestation a caller id must have (A17); `None` accepts any.
    pub minimum_attestation: Option<Attestation>,
    /// Whether texts from outside the US are dropped while the switch is off (A34).
    pub drop_non_us_inbound: bool,
    /// How long a contact is remembered, in days (A23).
    pub contact_memory_days: u32,
    /// How long a landline is remembered, in days (A18).
    pub landline_memory_days: u32,
    /// The longest wait at which a send is still accepted, in milliseconds (A29).
    pub max_wait_ms: u64,
    /// How long messages are kept, in days.
    pub retention_days: u32,
    /// How long photos and videos are kept, in days; no longer than their messages.
    pub media_retention_days: u32,
}

/// The switches for numbers outside the US.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NonUs {
    /// Whether texts are allowed while the caller talks to an agent.
    pub in_call: bool,
    /// Whether texts are allowed while the caller waits in a queue.
    pub wait_time: bool,
    /// What counts as US (A33).
    pub rule: NonUsRule,
}

/// What counts as a US number (A33).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonUsRule {
    /// Every +1 number, Canada and the Caribbean too.
    PlusOne,
    /// US area codes only.
    StrictUs,
}

/// The closing message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Closing {
    /// Whether it is sent at all.
    pub enabled: bool,
    /// One text per language.
    pub texts: BTreeMap<Language, String>,
}

/// The auto-reply and its caps (A22).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AutoReply {
    /// Whether it is sent at all.
    pub enabled: bool,
    /// One text per language.
    pub texts: BTreeMap<Language, String>,
    /// How long no further reply is sent to the same sender, in minutes.
    pub quiet_minutes: u32,
    /// Maximum number of replies to one sender in 24 hours.
    pub per_day: u32,
    /// Whether senders without an earlier session get one (A23).
    pub unknown_sender: UnknownSender,
    /// Maximum number of replies per hour to senders who were on no call, over all our numbers (A71); `None` means no
    /// bound.
    #[serde(default = "strangers_per_hour")]
    pub strangers_per_hour: Option<u32>,
}

/// The default, also for journals written before the field existed.
fn strangers_per_hour() -> Option<u32> {
    Some(200)
}

/// The reply to an unknown sender (A23).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSender {
    /// The sender gets the auto-reply.
    Reply,
    /// The sender gets no reply.
    Silent,
}

/// How far one STOP reaches (A46).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutScope {
    /// It applies to all our numbers.
    AllNumbers,
    /// It applies to the number it was sent to.
    Number,
}

/// Replies to STOP and HELP where the carrier does not reply itself, and which messages count as STOP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OptOutWords {
    /// Whether STOP is confirmed, once.
    pub confirm: bool,
    /// The confirmation, one text per language. If none matches, a built-in English text is used.
    pub texts: BTreeMap<Language, String>,
    /// The answer to HELP (who we are and how to reach us), one text per language. If none matches, no answer is sent.
    pub help_texts: BTreeMap<Language, String>,
    /// Whether a message that only begins with an opt-out word ("stop please") counts as one.
    pub first_word: bool,
}

impl Default for OptOutWords {
    fn default() -> Self {
        Self { confirm: true, texts: BTreeMap::new(), help_texts: BTreeMap::new(), first_word: false }
    }
}

impl Default for Settings {
    /// The settings of a new gateway: in-call SMS is off. Closing message and auto-reply are on (R54), but nothing is
    /// sent until an administrator writes their texts (A26).
    fn default() -> Self {
        Self {
            in_call_sms: false,
            non_us: NonUs { in_call: false, wait_time: false, rule: NonUsRule::PlusOne },
            custom_messages: true,
            presets_only: false,
            default_language: Language("en".to_owned()),
            closing: Closing { enabled: true, texts: BTreeMap::new() },
            auto_reply: AutoReply {
                enabled: true,
                texts: BTreeMap::new(),
                quiet_minutes: 15,
                per_day: 3,
                unknown_sender: UnknownSender::Reply,
                strangers_per_hour: strangers_per_hour(),
            },
            opt_out_scope: OptOutScope::AllNumbers,
            opt_out: OptOutWords::default(),
            call_types: vec!["inbound_ivr".to_owned()],
            attach_cross_queue: false,
            call_lease_minutes: 240,
            late_text: false,
            minimum_attestation: None,
            drop_non_us_inbound: false,
            contact_memory_days: 90,
            landline_memory_days: 30,
            max_wait_ms: 10_000,
            retention_days: 30,
            media_retention_days: 7,
        }
    }
}
