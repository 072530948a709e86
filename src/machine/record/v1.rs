//! The directory as record version 1 wrote it, as one value. Later versions write each resource as JSON, so that adding
//! a field does not change the record format.
//!
//! The types of single resources have not changed since; before changing one, copy its old form here.

use crate::model::{
    Account, Attestation, Closing, E164, Language, NonUs, Number, OptOutScope, Preset, PresetId, Queue, QueueId,
    UnknownSender,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole directory, in version 1's form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Directory {
    settings: Settings,
    numbers: BTreeMap<E164, Number>,
    queues: BTreeMap<QueueId, Queue>,
    presets: BTreeMap<Language, BTreeMap<PresetId, Preset>>,
    accounts: BTreeMap<String, Account>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Settings {
    in_call_sms: bool,
    non_us: NonUs,
    custom_messages: bool,
    presets_only: bool,
    default_language: Language,
    closing: Closing,
    auto_reply: AutoReply,
    opt_out_scope: OptOutScope,
    call_types: Vec<String>,
    attach_cross_queue: bool,
    call_lease_minutes: u32,
    late_text: bool,
    minimum_attestation: Option<Attestation>,
    drop_non_us_inbound: bool,
    contact_memory_days: u32,
    landline_memory_days: u32,
    max_wait_ms: u64,
    retention_days: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct AutoReply {
    enabled: bool,
    texts: BTreeMap<Language, String>,
    quiet_minutes: u32,
    per_day: u32,
    unknown_sender: UnknownSender,
}

impl From<Directory> for crate::model::Directory {
    fn from(read: Directory) -> Self {
        let Directory { settings, numbers, queues, presets, accounts } = read;
        let default = Self::default().settings;
        let AutoReply { enabled, texts, quiet_minutes, per_day, unknown_sender } = settings.auto_reply;
        let settings = crate::model::Settings {
            in_call_sms: settings.in_call_sms,
            non_us: settings.non_us,
            custom_messages: settings.custom_messages,
            presets_only: settings.presets_only,
            default_language: settings.default_language,
            closing: settings.closing,
            auto_reply: crate::model::AutoReply {
                enabled,
                texts,
                quiet_minutes,
                per_day,
                unknown_sender,
                ..default.auto_reply
            },
            opt_out_scope: settings.opt_out_scope,
            call_types: settings.call_types,
            attach_cross_queue: settings.attach_cross_queue,
            call_lease_minutes: settings.call_lease_minutes,
            late_text: settings.late_text,
            minimum_attestation: settings.minimum_attestation,
            drop_non_us_inbound: settings.drop_non_us_inbound,
            contact_memory_days: settings.contact_memory_days,
            landline_memory_days: settings.landline_memory_days,
            max_wait_ms: settings.max_wait_ms,
            retention_days: settings.retention_days,
            ..default
        };
        Self::new(settings, numbers, queues, presets, accounts)
    }
}
