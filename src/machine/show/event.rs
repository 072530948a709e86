//! JSON of platform events.

use super::{data, thread};
use crate::machine::event::{CommittedFrame, Event, NumberedEvent};
use crate::model::{CallId, Day, EventId, Position};
use serde_json::{Value, json};
use std::borrow::Cow;

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
        let mut data = data::of(&self.event.event, self.frame);
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
        let kind = data::kind(&event.event)?;
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
