//! The settings' row as version 2 wrote it: field by field. Version 3 writes it as JSON, so that a field missing from
//! an old row reads as its default.
//!
//! The model's types used here have not changed since; before changing one, copy its old form here.

use super::Key;
use crate::machine::keys::{directory_key, encode_row, part};
use crate::model::{Attestation, Closing, Language, NonUs, OptOutScope, OptOutWords, UnknownSender};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
struct Settings {
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

#[derive(Serialize, Deserialize)]
struct AutoReply {
    enabled: bool,
    texts: BTreeMap<Language, String>,
    quiet_minutes: u32,
    per_day: u32,
    unknown_sender: UnknownSender,
}

/// Converts a row of version 2 to version 3.
pub(super) fn upgrade(key: &Key, row: Vec<u8>) -> Vec<u8> {
    let is_settings = *key == directory_key(part::SETTINGS, &[]);
    let settings = is_settings.then(|| postcard::from_bytes::<Settings>(&row).ok()).flatten();
    match settings {
        Some(settings) => encode_row(&serde_json::to_string(&settings).expect("settings are plain values")),
        None => row,
    }
}
