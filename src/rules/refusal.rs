//! Why something asked for is not done: the closed list of codes at our doors.

use crate::model::CallId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $word:literal;)*) => {
        /// A stable code of a problem+json answer.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The HTTP status it is answered with.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The word in the answer's `code`.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

codes! {
    /// The body is no JSON.
    MalformedJson = 400 "malformed_json";
    /// A field we do not know, so that a typo is not silence.
    UnknownField = 400 "unknown_field";
    /// A field with a value it cannot have.
    InvalidField = 400 "invalid_field";
    /// No credential, or a wrong one.
    Unauthorized = 401 "unauthorized";
    /// The credential does not reach that far.
    ScopeMissing = 403 "scope_missing";
    /// The main switch is off (R14).
    InCallSmsOff = 403 "in_call_sms_off";
    /// The queue's switch is off (R62).
    QueueDisabled = 403 "queue_disabled";
    /// The caller is outside the US and the switch of the phase is off (R36, R37).
    NonUsBlocked = 403 "non_us_blocked";
    /// Agents may not write their own texts (R49).
    CustomMessagesOff = 403 "custom_messages_off";
    /// Agents may send presets only (R42).
    PresetsOnly = 403 "presets_only";
    /// The caller said STOP (A46).
    OptedOut = 403 "opted_out";
    /// A waiting caller has not agreed to texts (A56).
    WaitConsentMissing = 403 "wait_consent_missing";
    /// Calls of this type may not text (A15).
    CallTypeOff = 403 "call_type_off";
    /// The network does not vouch enough for the caller id (A17).
    AttestationTooLow = 403 "attestation_too_low";
    /// Nothing has that address.
    NotFound = 404 "not_found";
    /// No such call.
    CallNotFound = 404 "call_not_found";
    /// No such preset in that language (A45).
    PresetNotFound = 404 "preset_not_found";
    /// No such queue.
    QueueNotFound = 404 "queue_not_found";
    /// The address has other methods.
    MethodNotAllowed = 405 "method_not_allowed";
    /// The call is over (R51).
    CallEnded = 409 "call_ended";
    /// The call goes on, its texts do not (A12, A46).
    SessionClosed = 409 "session_closed";
    /// Every number of the queue talks with this caller in another call (A1).
    NumberPairBusy = 409 "number_pair_busy";
    /// A call keeps its caller.
    CallerDiffers = 409 "caller_differs";
    /// The message has left its lane.
    NotQueued = 409 "not_queued";
    /// The first request with that key is still at work.
    IdempotencyInProgress = 409 "idempotency_in_progress";
    /// A person who is to be erased is in a call, or a text to them waits.
    StillTexting = 409 "still_texting";
    /// Something still uses the number.
    NumberInUse = 409 "number_in_use";
    /// Something still uses the preset.
    PresetInUse = 409 "preset_in_use";
    /// Something still uses the queue.
    QueueInUse = 409 "queue_in_use";
    /// R31.
    NumberNotVerified = 409 "number_not_verified";
    /// R19.
    InboundNumberTaken = 409 "inbound_number_taken";
    /// R18.
    NumberIsChat = 409 "number_is_chat";
    /// R27.
    NumberIsGlobalOutbound = 409 "number_is_global_outbound";
    /// R21.
    OutboundOnly = 409 "outbound_only";
    /// The events asked for are no longer kept.
    EventsExpired = 410 "events_expired";
    /// Somebody else changed it first.
    PreconditionFailed = 412 "precondition_failed";
    /// More than the door takes.
    BodyTooLarge = 413 "body_too_large";
    /// Not JSON by its content type, or compressed.
    UnsupportedMediaType = 415 "unsupported_media_type";
    /// Nothing to send.
    TextEmpty = 422 "text_empty";
    /// Over 918 characters (R50).
    TextTooLong = 422 "text_too_long";
    /// Outbound is text only (R11).
    OutboundMediaUnsupported = 422 "outbound_media_unsupported";
    /// The caller id is withheld (A16).
    CallerUnreachable = 422 "caller_unreachable";
    /// The number is known for a landline (A18).
    Landline = 422 "landline";
    /// The queue has no number to send from.
    NoNumber = 422 "no_number";
    /// Not an E.164 number.
    NumberInvalid = 422 "number_invalid";
    /// Not a cursor of ours.
    CursorInvalid = 422 "cursor_invalid";
    /// The key was used with another body.
    IdempotencyKeyReused = 422 "idempotency_key_reused";
    /// The wait would be too long to be of use (A29).
    RateLimited = 429 "rate_limited";
    /// A fault of ours; the log says which.
    Internal = 500 "internal";
    /// Too much waits already.
    Overloaded = 503 "overloaded";
    /// The disk is full or fails (A66).
    StorageUnavailable = 503 "storage_unavailable";
    /// The gateway stops.
    Draining = 503 "draining";
    /// Taken or not, nobody can say yet.
    OutcomeUnknown = 504 "outcome_unknown";
    /// A webhook that does not show that its carrier made it. What was wrong is for the log alone. It stands at the end,
    /// because journals hold codes by their places in this list.
    SignatureInvalid = 403 "signature_invalid";
}

/// A refusal with what the asker needs to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which.
    pub code: Code,
    /// What it means here and what to do.
    pub detail: String,
    /// The call that holds the pair, for `number_pair_busy`.
    pub other_call: Option<CallId>,
    /// When asking again makes sense, in milliseconds, for `rate_limited`.
    pub retry_after_ms: Option<u64>,
    /// The oldest cursor there is, for `events_expired`.
    pub oldest_cursor: Option<String>,
}

impl Refusal {
    /// A refusal that needs no more than its words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), other_call: None, retry_after_ms: None, oldest_cursor: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_code_has_a_word_of_its_own() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
