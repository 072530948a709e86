//! JSON of messages.

use crate::machine::state::{Medium, MediumState, Message, StoredMedium};
use crate::model::{CallId, Direction, Encoding, Failure, Kind, MessageState, SmartAction, Timestamp, Warning};
use crate::rules::keyword::Keyword;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

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
    media: Vec<Value>,
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
    opt_out_keyword: Option<Keyword>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reconciled: bool,
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
            incomplete: message.incomplete,
            reconciled: message.reconciled,
        }),
    }
}

/// Returns the JSON object of a medium.
pub(super) fn medium(Medium { id, content_type, state }: &Medium) -> Value {
    match state {
        MediumState::Pending => json!({ "id": id.to_string(), "state": "pending", "content_type": content_type }),
        MediumState::Ready(StoredMedium { media_type, bytes, sha256, .. }) => json!({
            "id": id.to_string(),
            "state": "ready",
            "content_type": media_type.content_type(),
            "bytes": bytes,
            "sha256": hex(sha256),
            "url": format!("/v1/media/{id}"),
        }),
        MediumState::Failed { reason, found } => json!({
            "id": id.to_string(),
            "state": "failed",
            "content_type": content_type,
            "reason": reason.word(),
            "detail": reason.detail(found.as_deref()),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
