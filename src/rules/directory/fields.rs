//! The fields of each kind of resource, in the order of the contract.

use crate::model::Resource;

/// The fields that a PUT of the resource sets, in their order.
pub fn fields(of: &Resource) -> &'static [&'static str] {
    match of {
        Resource::Settings => &[
            "in_call_sms",
            "non_us",
            "custom_messages",
            "presets_only",
            "default_language",
            "closing",
            "auto_reply",
            "opt_out_scope",
            "opt_out",
            "call_types",
            "attach_cross_queue",
            "call_lease_minutes",
            "late_text",
            "minimum_attestation",
            "drop_non_us_inbound",
            "contact_memory_days",
            "landline_memory_days",
            "max_wait_ms",
            "retention_days",
            "media_retention_days",
        ],
        Resource::Number(_) => &["label", "account", "purpose", "global_outbound", "limits"],
        Resource::Queue(_) => {
            &["name", "parent", "in_call_sms", "inbound_numbers", "outbound_numbers", "default_outbound", "language"]
        }
        Resource::Preset(..) => &["label", "text", "position"],
        Resource::Account(_) => &["limits"],
    }
}

/// The place of a field, given by its path, in that order; unknown ones come last.
pub fn place(of: &Resource, path: &str) -> usize {
    let first = path.split(['.', '[']).next().unwrap_or_default();
    fields(of).iter().position(|field| *field == first).unwrap_or(usize::MAX)
}
