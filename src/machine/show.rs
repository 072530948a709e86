//! JSON of calls, messages and events: the single rendering for answers, pushed events and pulled events.
//!
//! Invariant: an event is rendered from its frame alone, so rendering it again gives the same bytes.

mod audit;
pub mod resources;
mod thread;

pub use audit::{DIRECTORY_CHANGED, entry as audit_entry};
pub use thread::CONTACTS;

use super::Private;
use super::event::{CallShown, CommittedFrame, Event, LateMessage, NumberedEvent, Replayed, VerifiedNumber};
use super::state::{Call, CapOwner, Ended, Medium, Message, Suspension};
use crate::model::{
    CallId, Day, Direction, E164, Encoding, EventId, Failure, Json, Kind, Limits, MessageState, OptOutBy, Position,
    QuarantineId, SmartAction, Timestamp, Verification, VerificationState, Warning,
};
use crate::rules::breaker::{Cause, Reason};
use crate::rules::verification::status;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;

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
        "usage": {
            "preset_sent": 0, "custom_sent": 0, "smart_action_sent": 0, "system_sent": 0,
            "received": 0, "media_received": 0, "segments_sent": 0,
        },
    })
}

/// A message's text in its JSON object.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// The text.
    Is(&'a str),
    /// The text is past its retention, or was erased.
    Expired,
    /// The reader may not see texts.
    Hidden,
    /// The field is absent: events after the first do not repeat the text.
    LeftOut,
}

impl Text<'_> {
    /// The text as a reader sees it who may see texts, or may not.
    pub fn shown_to(self, texts: bool) -> Self {
        match self {
            Self::Is(_) | Self::Expired if !texts => Self::Hidden,
            _ => self,
        }
    }
}

/// Returns a message's JSON object.
pub fn message(message: &Message, text: Text<'_>) -> Value {
    serde_json::to_value(shown(message, text)).expect("plain values are always JSON")
}

#[derive(Serialize)]
struct MessageShown<'a> {
    id: String,
    call_id: Option<&'a str>,
    direction: Direction,
    kind: Kind,
    state: MessageState,
    from: Option<String>,
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    text_expired: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    text_hidden: bool,
    encoding: Encoding,
    segments: u16,
    warnings: Vec<Warning>,
    /// Unknown while its number or account is suspended.
    estimated_wait_ms: Option<u64>,
    media: Vec<MediumShown<'a>>,
    agent: Option<&'a str>,
    smart_action: Option<SmartAction>,
    client_ref: Option<&'a str>,
    error: Option<&'a Failure>,
    #[serde(serialize_with = "as_text")]
    created_at: Timestamp,
    #[serde(flatten)]
    inbound: Option<InboundShown>,
}

/// The fields that only a received message has.
#[derive(Serialize)]
struct InboundShown {
    before_hangup: bool,
    reply_blocked: bool,
    opt_out_keyword: Option<crate::rules::keyword::Keyword>,
}

#[derive(Serialize)]
struct MediumShown<'a> {
    id: String,
    state: &'static str,
    content_type: Option<&'a str>,
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn shown<'a>(message: &'a Message, text: Text<'a>) -> MessageShown<'a> {
    let (ours, theirs) = (Some(message.ours.to_string()), message.theirs.kept().map(ToString::to_string));
    let inbound = message.direction == Direction::Inbound;
    let (from, to) = if inbound { (theirs, ours) } else { (ours, theirs) };
    let mut warnings = Vec::new();
    if message.segments > 1 {
        warnings.push(Warning::OverOneSegment);
    }
    if message.encoding == Encoding::Ucs2 {
        warnings.push(Warning::NotGsm7);
    }
    MessageShown {
        id: message.id.to_string(),
        call_id: message.call.as_ref().map(CallId::as_str),
        direction: message.direction,
        kind: message.kind,
        state: message.state,
        from,
        to,
        text: match text {
            Text::Is(text) => Some(Some(text)),
            Text::Expired | Text::Hidden => Some(None),
            Text::LeftOut => None,
        },
        text_expired: matches!(text, Text::Expired),
        text_hidden: matches!(text, Text::Hidden),
        encoding: message.encoding,
        segments: message.segments,
        warnings,
        estimated_wait_ms: (!message.suspended).then_some(message.estimated_wait_ms),
        media: message.media.iter().map(medium).collect(),
        agent: message.agent.as_deref(),
        smart_action: message.smart_action,
        client_ref: message.client_ref.as_deref(),
        error: message.failure.as_ref(),
        created_at: message.created_at,
        inbound: inbound.then_some(InboundShown {
            before_hangup: true,
            reply_blocked: message.reply_blocked,
            opt_out_keyword: message.keyword,
        }),
    }
}

fn medium(medium: &Medium) -> MediumShown<'_> {
    // Media are fetched by another layer; until then a medium is known but not available.
    MediumShown { id: medium.id.to_string(), state: "pending", content_type: medium.content_type.as_deref() }
}

/// An event for the platform, rendered and ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedEvent {
    /// Its id, the same in every delivery.
    pub id: EventId,
    /// Its thread, within which events are delivered in order: its call, or else its subject.
    pub thread: String,
    /// Its type, like `message.received`.
    pub kind: &'static str,
    /// Its JSON document.
    pub body: Vec<u8>,
}

impl RenderedEvent {
    /// Its JSON document as a reader sees it who may see texts, or may not.
    pub fn for_texts(&self, texts: bool) -> Cow<'_, [u8]> {
        if texts { Cow::Borrowed(&*self.body) } else { without_text(&self.body) }
    }
}

/// An event's document without the text of its message, if it has one.
fn without_text(body: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(body, b"\"text\":").is_none() {
        return Cow::Borrowed(body);
    }
    let mut document: Value = serde_json::from_slice(body).expect("an event was rendered as JSON");
    let Some(data) = document["data"].as_object_mut().filter(|data| data.contains_key("text")) else {
        return Cow::Borrowed(body);
    };
    data.insert("text".to_owned(), Value::Null);
    data.insert("text_hidden".to_owned(), Value::Bool(true));
    data.shift_remove("text_expired");
    Cow::Owned(document.to_string().into_bytes())
}

impl std::fmt::Debug for RenderedEvent {
    /// Omits the document, which contains numbers and texts (A57).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// All types of platform events.
pub const KINDS: &[&str] = &[
    "call.started",
    "call.updated",
    "call.ended",
    "message.received",
    "message.late",
    "message.queued",
    "message.sent",
    "message.delivered",
    "message.undelivered",
    "message.failed",
    "message.cancelled",
    "message.expired",
    "message.unconfirmed",
    "contact.opted_out",
    "contact.opted_in",
    "number.verification_changed",
    "account.paused",
    "account.resumed",
    "quarantine.added",
    DIRECTORY_CHANGED,
    GAP,
    "journal.loss",
];

/// The type of the event that reports which events an endpoint missed.
const GAP: &str = "feed.gap";

/// A platform event that is not rendered yet: enough to decide which endpoints get it.
#[derive(Clone, Copy)]
pub struct EventHeader<'a> {
    frame: &'a CommittedFrame,
    event: &'a NumberedEvent,
    /// Its type.
    pub kind: &'static str,
    /// Its id.
    pub id: EventId,
}

impl<'a> EventHeader<'a> {
    /// Returns the name of its thread: its call, else its subject, else its own id.
    pub fn thread(&self) -> Cow<'a, str> {
        thread::name(self.event, self.id)
    }

    /// Returns the call whose sequence it is in, shown as its `call_id`.
    pub fn call(&self) -> Option<&'a CallId> {
        thread::call(self.event)
    }

    /// Whether it belonged to a contact's thread whose name is lost because the contact was erased.
    pub fn is_erased(&self) -> bool {
        thread::is_erased(self.event)
    }

    /// Returns the only endpoint that gets it; `None` if all endpoints and pulls do.
    pub fn only_for(&self) -> Option<&'a str> {
        match &self.event.event {
            Event::FeedGap { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    /// Whether it is certainly the first event of its thread.
    pub fn begins(&self) -> bool {
        thread::begins(self.event)
    }

    /// Renders the event.
    pub fn render(&self) -> RenderedEvent {
        let id = self.id.to_string();
        let call = thread::call(self.event);
        let mut data = data(&self.event.event, self.frame);
        if let Some(in_call) = self.event.event.call().filter(|_| call.is_none()) {
            data["call_id"] = json!(in_call.as_str());
        }
        let body = json!({
            "id": id,
            "cursor": cursor(self.id),
            "call_sequence": self.event.call_sequence,
            "type": self.kind,
            "at": self.frame.at.to_string(),
            "call_id": call.map(CallId::as_str),
            "data": data,
        });
        RenderedEvent {
            id: self.id,
            thread: self.thread().into_owned(),
            kind: self.kind,
            body: body.to_string().into_bytes(),
        }
    }
}

/// Returns the platform events of a frame, in order.
pub fn event_headers(frame: &CommittedFrame) -> impl Iterator<Item = EventHeader<'_>> {
    (0u16..).zip(&frame.events).filter_map(move |(index, event)| {
        let kind = kind(&event.event)?;
        Some(EventHeader { frame, event, kind, id: EventId::new(frame.at.day(), frame.position, index) })
    })
}

/// Renders the platform events of a frame that all endpoints get, in order.
pub fn rendered(frame: &CommittedFrame) -> Vec<RenderedEvent> {
    event_headers(frame).filter(|header| header.only_for().is_none()).map(|header| header.render()).collect()
}

/// Returns an event's cursor: its id without the prefix, since ids sort in journal order.
pub fn cursor(id: EventId) -> String {
    id.to_string().trim_start_matches("evt_").to_owned()
}

/// Returns an id that sorts before every event of the frame at `position`, written on `day`: a pull after it starts
/// with that frame.
pub fn before(day: Day, position: Position) -> EventId {
    EventId::new(day, Position(position.0.saturating_sub(1)), u16::MAX)
}

fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::CallStarted(_) => "call.started",
        Event::CallUpdated(_) => "call.updated",
        Event::CallEnded(_) => "call.ended",
        Event::MessageReceived { .. } => "message.received",
        Event::MessageQueued { .. } => "message.queued",
        Event::MessageChanged { message, .. } => changed(message.state)?,
        Event::MessageLate(_) => "message.late",
        Event::Quarantined { .. } => "quarantine.added",
        Event::OptedOut { .. } => "contact.opted_out",
        Event::OptedIn { .. } => "contact.opted_in",
        Event::VerificationChanged { .. } => "number.verification_changed",
        Event::AccountPaused { .. } | Event::Suspended { owner: CapOwner::Account(_), .. } => "account.paused",
        Event::AccountResumed { .. } | Event::SuspensionEnded { owner: CapOwner::Account(_) } => "account.resumed",
        Event::FeedGap { .. } => GAP,
        Event::JournalLost { .. } => "journal.loss",
        Event::Audited { action, .. } if audit::changes_the_directory(*action) => DIRECTORY_CHANGED,
        _ => return None,
    })
}

/// The reason why an account pauses that an operator suspended.
const SUSPENDED: &str = "suspended";

/// Returns the `data` of a platform event of `frame`.
fn data(event: &Event, frame: &CommittedFrame) -> Value {
    let at = frame.at;
    match event {
        Event::CallStarted(change) | Event::CallUpdated(change) | Event::CallEnded(change) => call(&change.shown),
        Event::MessageReceived { message, text, .. } | Event::MessageQueued { message, text, .. } => {
            self::message(message, with(text.kept()))
        }
        Event::MessageChanged { message, .. } => self::message(message, Text::LeftOut),
        Event::MessageLate(late) => late_data(late, at),
        Event::Quarantined { account, problem, .. } => {
            let id = QuarantineId::new(at.day(), frame.position, 0);
            json!({ "id": id.to_string(), "account": account, "problem": problem })
        }
        Event::OptedOut { contact, ours, opt_out, .. } => {
            contact_data(contact, *ours, (opt_out.by == OptOutBy::Keyword).then_some("stop"), opt_out.by)
        }
        // Only a keyword came to one of our numbers.
        Event::OptedIn { contact, ours, .. } => {
            let by = if ours.is_some() { OptOutBy::Keyword } else { OptOutBy::Administrator };
            contact_data(contact, *ours, ours.map(|_| "start"), by)
        }
        Event::AccountPaused { account, breaker, cause } => {
            let until = breaker.paused.map(|paused| paused.until);
            account_data(account, cause.as_ref(), until)
        }
        Event::AccountResumed { account, cause } => account_data(account, cause.as_ref(), None),
        Event::Suspended { owner: CapOwner::Account(account), suspension } => json!({
            "account": account,
            "reason": SUSPENDED,
            "detail": suspension.reason.kept(),
            "until": suspension.until.map(|until| until.to_string()),
        }),
        Event::SuspensionEnded { owner: CapOwner::Account(account) } => {
            json!({ "account": account, "reason": SUSPENDED, "detail": null, "until": null })
        }
        Event::FeedGap { endpoint, from, until } => {
            json!({ "endpoint": endpoint, "from": cursor(*from), "to": cursor(*until) })
        }
        Event::JournalLost { from, until } => json!({ "from": cursor(*from), "to": cursor(*until) }),
        Event::VerificationChanged { number, entry: Json(entry) } => {
            let Verification { state, reason, .. } = &entry.verification;
            json!({ "number": number.to_string(), "state": state, "reason": reason })
        }
        Event::Audited { actor, action, changed, .. } => {
            audit::changed(actor, *action, changed.as_ref(), frame.position)
        }
        _ => Value::Null,
    }
}

/// Returns the JSON object of a replay of events.
pub fn replayed(Replayed { endpoints, ends }: &Replayed) -> Value {
    let (from, to) = ends.map(|(first, last)| (cursor(first), cursor(last))).unzip();
    json!({ "endpoints": endpoints, "from": from, "to": to })
}

fn with(text: Option<&String>) -> Text<'_> {
    text.map_or(Text::Expired, |text| Text::Is(text))
}

fn changed(state: MessageState) -> Option<&'static str> {
    Some(match state {
        MessageState::Sent => "message.sent",
        MessageState::Delivered => "message.delivered",
        MessageState::Undelivered => "message.undelivered",
        MessageState::Failed => "message.failed",
        MessageState::Cancelled => "message.cancelled",
        MessageState::Expired => "message.expired",
        MessageState::Unconfirmed => "message.unconfirmed",
        MessageState::Received | MessageState::Queued | MessageState::Sending => return None,
    })
}

/// An account that its circuit breaker paused or resumed, with the cause; records before version 4 have none.
fn account_data(account: &str, cause: Option<&Cause>, until: Option<Timestamp>) -> Value {
    let reason = cause.map_or(Reason::CarrierFailing, |cause| cause.reason);
    let detail = cause.map(|cause| &cause.detail);
    json!({ "account": account, "reason": reason, "detail": detail, "until": until.map(|until| until.to_string()) })
}

fn contact_data(contact: &Private<E164>, ours: Option<E164>, keyword: Option<&str>, by: OptOutBy) -> Value {
    json!({
        "contact": contact.kept().map(ToString::to_string),
        "our_number": ours.map(|ours| ours.to_string()),
        "keyword": keyword,
        "by": by,
    })
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
        let VerifiedNumber { number, state, reason } = verified;
        json!({ "number": number.to_string(), "state": state, "reason": reason })
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
        "reason": verification.reason,
        "checked_at": checked_at.or(verification.checked_at).map(|at| at.to_string()),
        "by": by,
    })
}

fn late_data(late: &LateMessage, at: Timestamp) -> Value {
    let mut data = json!({
        "from": late.from.kept().map(ToString::to_string),
        "to": late.to.kept().map(ToString::to_string),
        "at": at.to_string(),
        "auto_replied": late.auto_replied,
        "last_call_id": late.last_call.as_ref().map(CallId::as_str),
    });
    if let Some(text) = &late.text {
        data["text"] = json!(text.kept());
    }
    data
}
