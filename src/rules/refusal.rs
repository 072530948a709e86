//! Refusals of requests, with the closed list of codes that the API uses.

use crate::model::CallId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $word:literal;)*) => {
        /// A stable code in a problem+json response.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The HTTP status of the response.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The `code` in the response.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

codes! {
    /// The body is not valid JSON.
    MalformedJson = 400 "malformed_json";
    /// An unknown field. It is rejected so that a typo does not go unnoticed.
    UnknownField = 400 "unknown_field";
    /// A field with an invalid value.
    InvalidField = 400 "invalid_field";
    /// The credential is missing or wrong.
    Unauthorized = 401 "unauthorized";
    /// The credential lacks the required scope.
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
    /// The caller sent STOP (A46).
    OptedOut = 403 "opted_out";
    /// A waiting caller has not agreed to texts (A56).
    WaitConsentMissing = 403 "wait_consent_missing";
    /// Calls of this type may not text (A15).
    CallTypeOff = 403 "call_type_off";
    /// The attestation of the caller id is below the minimum (A17).
    AttestationTooLow = 403 "attestation_too_low";
    /// No resource has that path.
    NotFound = 404 "not_found";
    /// No such call.
    CallNotFound = 404 "call_not_found";
    /// No such preset in that language (A45).
    PresetNotFound = 404 "preset_not_found";
    /// No such queue.
    QueueNotFound = 404 "queue_not_found";
    /// The path does not support the method.
    MethodNotAllowed = 405 "method_not_allowed";
    /// The call is over (R51).
    CallEnded = 409 "call_ended";
    /// The session is closed, though the call continues (A12, A46).
    SessionClosed = 409 "session_closed";
    /// Every number of the queue is bound to another call of this caller (A1).
    NumberPairBusy = 409 "number_pair_busy";
    /// The caller of a call cannot change.
    CallerDiffers = 409 "caller_differs";
    /// The message has left its lane.
    NotQueued = 409 "not_queued";
    /// The first request with that key is still in progress.
    IdempotencyInProgress = 409 "idempotency_in_progress";
    /// The person to erase is in a call, or a text to them is queued.
    StillTexting = 409 "still_texting";
    /// The number is still in use.
    NumberInUse = 409 "number_in_use";
    /// The preset is still in use.
    PresetInUse = 409 "preset_in_use";
    /// The queue is still in use.
    QueueInUse = 409 "queue_in_use";
    /// The number is not verified (R31).
    NumberNotVerified = 409 "number_not_verified";
    /// The inbound number belongs to another queue (R19).
    InboundNumberTaken = 409 "inbound_number_taken";
    /// The number is for chat SMS (R18).
    NumberIsChat = 409 "number_is_chat";
    /// The number is the global outbound number (R27).
    NumberIsGlobalOutbound = 409 "number_is_global_outbound";
    /// The number is outbound only and cannot become inbound (R21).
    OutboundOnly = 409 "outbound_only";
    /// The requested events are no longer retained.
    EventsExpired = 410 "events_expired";
    /// The resource was changed concurrently.
    PreconditionFailed = 412 "precondition_failed";
    /// The body is larger than the listener accepts.
    BodyTooLarge = 413 "body_too_large";
    /// The content type is not JSON, or the body is compressed.
    UnsupportedMediaType = 415 "unsupported_media_type";
    /// The text is empty.
    TextEmpty = 422 "text_empty";
    /// The text has more than 918 characters (R50).
    TextTooLong = 422 "text_too_long";
    /// Outbound is text only (R11).
    OutboundMediaUnsupported = 422 "outbound_media_unsupported";
    /// The caller id is withheld (A16).
    CallerUnreachable = 422 "caller_unreachable";
    /// The number is a known landline (A18).
    Landline = 422 "landline";
    /// The queue has no number to send from.
    NoNumber = 422 "no_number";
    /// Not an E.164 number.
    NumberInvalid = 422 "number_invalid";
    /// The cursor was not issued by this gateway.
    CursorInvalid = 422 "cursor_invalid";
    /// The idempotency key was used with another body.
    IdempotencyKeyReused = 422 "idempotency_key_reused";
    /// The message would wait too long (A29).
    RateLimited = 429 "rate_limited";
    /// The console is asked under a name that it does not have.
    WrongHost = 421 "wrong_host";
    /// A page of another origin asks the console.
    ForeignOrigin = 403 "foreign_origin";
    /// Too many sign-ins failed.
    TooManyAttempts = 429 "too_many_attempts";
    /// An internal error; details are in the log.
    Internal = 500 "internal";
    /// Too many requests are queued.
    Overloaded = 503 "overloaded";
    /// The disk is full or fails (A66).
    StorageUnavailable = 503 "storage_unavailable";
    /// The gateway is shutting down.
    Draining = 503 "draining";
    /// Whether the command was committed is not known yet.
    OutcomeUnknown = 504 "outcome_unknown";
    /// A webhook that is not authenticated as the carrier's. The reason is only logged. New codes come last in the list,
    /// because journals store codes by their index.
    SignatureInvalid = 403 "signature_invalid";
    /// No account of that name is configured.
    AccountNotFound = 404 "account_not_found";
    /// Not one of our numbers.
    NumberNotFound = 404 "number_not_found";
    /// A queue would be among its own ancestors (A42).
    ParentCycle = 422 "parent_cycle";
    /// A quarantined webhook still cannot be read (A58).
    StillUnreadable = 422 "still_unreadable";
    /// The medium is still to be fetched (A51).
    MediaPending = 409 "media_pending";
    /// The medium is not kept.
    MediaFailed = 404 "media_failed";
    /// The medium was deleted.
    MediaGone = 410 "media_gone";
    /// There is no such medium.
    MediaNotFound = 404 "media_not_found";
    /// The medium does not have these bytes.
    RangeInvalid = 416 "range_invalid";
    /// The link to a medium is over, or was not made here.
    LinkInvalid = 403 "link_invalid";
    /// The account's carrier has no list of received messages.
    NoMessageList = 422 "no_message_list";
}

/// A refusal with what the client needs to proceed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What happened and what to do.
    pub detail: String,
    /// The call that is bound to the pair, for `number_pair_busy`.
    pub other_call: Option<CallId>,
    /// When to retry, in milliseconds, for `rate_limited`.
    pub retry_after_ms: Option<u64>,
    /// The oldest valid cursor, for `events_expired`.
    pub oldest_cursor: Option<Box<str>>,
    /// The resource's current ETag, for `precondition_failed`.
    pub etag: Option<Box<str>>,
    /// Every breach, where several were found. `code` and `detail` are those of the first.
    pub errors: Box<[FieldError]>,
}

/// Maximum number of breaches in one refusal; the rest show once these are corrected.
const ERRORS_MAX: usize = 100;

/// One breach of a document or a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// The field, like `limits.burst`.
    pub field: String,
    /// The code.
    pub code: Code,
    /// What is wrong and what to do.
    pub detail: String,
}

impl Refusal {
    /// The refusal of these breaches; `None` if there are none.
    pub fn of(mut errors: Vec<FieldError>) -> Option<Self> {
        let FieldError { code, detail, .. } = errors.first()?.clone();
        let more = errors.len().saturating_sub(ERRORS_MAX);
        if more > 0 {
            errors.truncate(ERRORS_MAX);
            let detail = format!("and {more} more problems: fix these first");
            errors.push(FieldError { field: String::new(), code: Code::InvalidField, detail });
        }
        Some(Self { errors: errors.into(), ..Self::new(code, detail) })
    }

    /// A refusal with only a code and a detail.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            other_call: None,
            retry_after_ms: None,
            oldest_cursor: None,
            etag: None,
            errors: Box::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_code_has_a_unique_word() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
