//! JSON of calls.

use crate::machine::event::CallShown;
use crate::machine::state::{Call, Ended};
use crate::model::CallId;
use serde_json::{Value, json};

/// Returns a call's JSON object.
pub fn call(shown: &CallShown) -> Value {
    let Call { usage, .. } = &shown.call;
    let call = &shown.call;
    let ended = call.ended.as_ref();
    let caller = call.caller.kept().map(|caller| match caller.number() {
        Some(number) => number.to_string(),
        None => "anonymous".to_owned(),
    });
    json!({
        "id": call.id.as_str(),
        "state": if ended.is_some() { "ended" } else { "active" },
        "caller": caller,
        "queue": call.queue,
        "language": call.language,
        "phase": call.phase,
        "agent": call.agent,
        "call_type": call.call_type,
        "wait_sms_consent": call.wait_sms_consent,
        "version": call.version,
        "alternative": call.alternative.kept().copied().flatten().map(|number| number.to_string()),
        "attestation": call.attestation,
        "sms": {
            "session": call.session,
            "closed_reason": call.closed_reason,
            "can_send": shown.refusal.is_none(),
            "refusal": shown.refusal.map(|code| code.word()),
            "custom_allowed": shown.custom_allowed,
        },
        "our_number": call.our_number.map(|number| number.to_string()),
        "started_at": call.started_at.to_string(),
        "ended_at": ended.map(|ended| ended.at.to_string()),
        "end_reason": ended.and_then(|ended| ended.reason.as_deref()),
        "lease_until": call.lease_until.to_string(),
        "last_event_at": call.last_event_at.map(|at| at.to_string()),
        "usage": {
            "preset_sent": usage.preset_sent,
            "custom_sent": usage.custom_sent,
            "smart_action_sent": usage.smart_action_sent,
            "system_sent": usage.system_sent,
            "received": usage.received,
            "media_received": usage.media_received,
            "segments_sent": usage.segments_sent,
        },
    })
}

/// Returns the JSON object of a call whose end was reported before its start (A8): unknown fields are null.
pub fn ended_before_start(id: &CallId, ended: &Ended) -> Value {
    json!({
        "id": id.as_str(),
        "state": "ended",
        "caller": null, "queue": null, "language": null, "phase": null, "agent": null, "call_type": null,
        "wait_sms_consent": null, "version": null, "alternative": null, "attestation": null,
        "sms": {
            "session": "none", "closed_reason": null, "can_send": false, "refusal": "call_ended", "custom_allowed": false,
        },
        "our_number": null,
        "started_at": null,
        "ended_at": ended.at.to_string(),
        "end_reason": ended.reason,
        "lease_until": null,
        "last_event_at": ended.at.to_string(),
        "usage": {
            "preset_sent": 0, "custom_sent": 0, "smart_action_sent": 0, "system_sent": 0,
            "received": 0, "media_received": 0, "segments_sent": 0,
        },
    })
}
