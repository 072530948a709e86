//! The directory as record version 1 wrote it, as one value. Later versions write each resource as JSON, so that adding
//! a field does not change the record format.

use super::codec::{Invalid, Reader, Stored, Writer};
use super::form::stored;
use crate::model::{
    Account, Attestation, Closing, E164, Language, NonUs, Number, OptOutScope, OptOutWords, Preset, PresetId, Queue,
    QueueId, UnknownSender,
};
use std::collections::BTreeMap;

/// A whole directory, in version 1's form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    settings: Settings,
    numbers: BTreeMap<E164, Number>,
    queues: BTreeMap<QueueId, Queue>,
    presets: BTreeMap<Language, BTreeMap<PresetId, Preset>>,
    accounts: BTreeMap<String, Account>,
}

/// The settings field by field, as rows of version 2 have them, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::machine) struct Settings {
    in_call_sms: bool,
    non_us: NonUs,
    custom_messages: bool,
    presets_only: bool,
    default_language: Language,
    closing: Closing,
    auto_reply: AutoReply,
    opt_out_scope: OptOutScope,
    opt_out: OptOutWords,
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

#[derive(Clone, PartialEq, Eq, Debug)]
struct AutoReply {
    enabled: bool,
    texts: BTreeMap<Language, String>,
    quiet_minutes: u32,
    per_day: u32,
    unknown_sender: UnknownSender,
}

stored! {
    struct Directory {
        settings: Settings,
        numbers: BTreeMap<E164, Number>,
        queues: BTreeMap<QueueId, Queue>,
        presets: BTreeMap<Language, BTreeMap<PresetId, Preset>>,
        accounts: BTreeMap<String, Account>,
    }
    struct Settings {
        in_call_sms: bool,
        non_us: NonUs,
        custom_messages: bool,
        presets_only: bool,
        default_language: Language,
        closing: Closing,
        auto_reply: AutoReply,
        opt_out_scope: OptOutScope,
        #[since(2)] opt_out: OptOutWords,
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
    struct AutoReply {
        enabled: bool,
        texts: BTreeMap<Language, String>,
        quiet_minutes: u32,
        per_day: u32,
        unknown_sender: UnknownSender,
    }
}

impl From<Directory> for crate::model::Directory {
    fn from(read: Directory) -> Self {
        let Directory { settings, numbers, queues, presets, accounts } = read;
        Self::new(settings.into(), numbers, queues, presets, accounts)
    }
}

impl From<Settings> for crate::model::Settings {
    fn from(settings: Settings) -> Self {
        let default = Self::default();
        let AutoReply { enabled, texts, quiet_minutes, per_day, unknown_sender } = settings.auto_reply;
        Self {
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
            opt_out: settings.opt_out,
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
            media_retention_days: default.media_retention_days,
        }
    }
}
