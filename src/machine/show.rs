//! JSON of calls, messages and events: the single rendering for answers, pushed events and pulled events.
//!
//! Invariant: an event is rendered from its frame alone, so rendering it again gives the same bytes.

mod audit;
mod call;
mod data;
mod event;
mod message;
pub mod resources;
mod thread;
mod types;

pub use audit::{DIRECTORY_CHANGED, entry as audit_entry, name as actor_name};
pub use call::{call, ended_before_start};
pub use event::{EventHeader, RenderedEvent, before, cursor, event_headers, rendered};
use message::medium;
pub use message::{Text, message};
pub use thread::CONTACTS;
pub use types::{Data, EventType, InCall, KINDS, TYPES};

use super::event::{Replayed, VerifiedNumber};
use super::state::Suspension;
use crate::model::{Limits, Timestamp, Verification, VerificationState};
use crate::rules::verification::status;
use serde_json::{Value, json};

/// Returns the JSON object of a replay of events.
pub fn replayed(Replayed { endpoints, ends }: &Replayed) -> Value {
    let (from, to) = ends.map(|(first, last)| (cursor(first), cursor(last))).unzip();
    json!({ "endpoints": endpoints, "from": from, "to": to })
}

/// Returns the JSON object of the limits of a number or an account.
pub fn limits(limits: &Limits) -> Value {
    json!({
        // The nearest f64, which is parsed back to the same thousandths.
        "segments_per_second": limits.millisegments_per_second.map(|rate| f64::from(rate) / 1_000.0),
        "burst": limits.burst,
        "segments_per_day": limits.segments_per_day,
        "day_zone": limits.day_zone,
    })
}

/// Returns the JSON object of a suspension, or null.
pub fn suspension(suspension: Option<&Suspension>) -> Value {
    suspension.map_or(Value::Null, |suspension| {
        json!({
            "reason": suspension.reason.kept(),
            "until": suspension.until.map(|until| until.to_string()),
            "since": suspension.since.to_string(),
            "by": suspension.by,
        })
    })
}

/// Returns the JSON object of the answer to a request to verify numbers.
pub fn verified(results: &[VerifiedNumber]) -> Value {
    let result = |verified: &VerifiedNumber| {
        let VerifiedNumber { number, state, code, reason } = verified;
        json!({ "number": number.to_string(), "state": state, "code": code, "reason": reason })
    };
    json!({ "results": results.iter().map(result).collect::<Vec<_>>() })
}

/// Returns the JSON object of the verification of one of our numbers. `checked_at`: when the carrier of its account last
/// answered, if this gateway asked; without that a document said what is known.
pub fn verification(verification: &Verification, checked_at: Option<Timestamp>) -> Value {
    let is_verified = verification.state != VerificationState::Unverified;
    let checked_at = checked_at.filter(|_| is_verified);
    let by = is_verified.then_some(if checked_at.is_some() { "carrier" } else { "document" });
    json!({
        "state": verification.state,
        "status": status(verification.state),
        "sms": verification.sms,
        "mms": verification.mms,
        "code": verification.code,
        "reason": verification.reason,
        "checked_at": checked_at.or(verification.checked_at).map(|at| at.to_string()),
        "by": by,
    })
}
