//! JSON of messages.

use crate::machine::state::{Medium, Message};
use crate::model::{CallId, Direction, Encoding, Failure, Kind, MessageState, SmartAction, Timestamp, Warning};
use crate::rules::keyword::Keyword;
use serde::{Serialize, Serializer};
use serde_json::Value;

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
    opt_out_keyword: Option<Keyword>,
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
