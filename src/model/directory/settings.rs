//! What holds for the whole gateway.
//!
//! Settings stand in the journal as JSON, so a field added here needs a default and nothing else.

use super::Language;
use crate::model::call::Attestation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What holds for the whole gateway.
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
    /// Where a text is missing in the call's language (A25).
    pub default_language: Language,
    /// Sent when the call ends (R55).
    pub closing: Closing,
    /// Sent to who writes after the call (R58).
    pub auto_reply: AutoReply,
    /// How far one STOP reaches (A46).
    pub opt_out_scope: OptOutScope,
    /// What we say to STOP and HELP where the carrier does not.
    pub opt_out: OptOutWords,
    /// Which calls may text (A15).
    pub call_types: Vec<String>,
    /// Whether a text to another queue's number joins the call (A3).
    pub attach_cross_queue: bool,
    /// How long a call lives without a word from the platform, in minutes (A7).
    pub call_lease_minutes: u32,
    /// Whether `message.late` carries the text.
    pub late_text: bool,
    /// The least the network must vouch for the caller id (A17).
    pub minimum_attestation: Option<Attestation>,
    /// Whether texts from outside the US are dropped while the switch is off (A34).
    pub drop_non_us_inbound: bool,
    /// How long we remember whom we have talked to, in days (A23).
    pub contact_memory_days: u32,
    /// How long we remember a landline, in days (A18).
    pub landline_memory_days: u32,
    /// The longest wait at which a send is still accepted, in milliseconds (A29).
    pub max_wait_ms: u64,
    /// How long messages are kept, in days.
    pub retention_days: u32,
}

/// The switches for numbers outside the US.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NonUs {
    /// With an agent.
    pub in_call: bool,
    /// In a queue.
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
    /// The checkbox.
    pub enabled: bool,
    /// One text a language.
    pub texts: BTreeMap<Language, String>,
}

/// The auto-reply and its caps (A22).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AutoReply {
    /// The checkbox.
    pub enabled: bool,
    /// One text a language.
    pub texts: BTreeMap<Language, String>,
    /// Silence after a reply, in minutes.
    pub quiet_minutes: u32,
    /// At most so many in 24 hours.
    pub per_day: u32,
    /// Whether those we never talked to get one (A23).
    pub unknown_sender: UnknownSender,
    /// At most so many answers in an hour to senders who were on no call, over all our numbers (A71); `None` is no bound.
    #[serde(default = "strangers_per_hour")]
    pub strangers_per_hour: Option<u32>,
}

/// What holds where nobody has said anything else: also in journals written before there was a bound.
fn strangers_per_hour() -> Option<u32> {
    Some(200)
}

/// What a stranger gets (A23).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSender {
    /// The auto-reply.
    Reply,
    /// Nothing.
    Silent,
}

/// How far one STOP reaches (A46).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutScope {
    /// To all our numbers.
    AllNumbers,
    /// To the number it was sent to.
    Number,
}

/// What we say to STOP and HELP where the carrier does not, and which messages count as STOP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct OptOutWords {
    /// Whether STOP is confirmed, once.
    pub confirm: bool,
    /// The confirmation, one text a language. Where none fits, a built-in English one says it.
    pub texts: BTreeMap<Language, String>,
    /// The answer to HELP, one text a language: who we are and how to reach us. Where none fits, nothing.
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
    /// As a new gateway has them: the feature off, and everything else as the API shows it, without texts. Closing message
    /// and auto-reply are on (R54), and say nothing until an administrator writes what (A26).
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
        }
    }
}
