//! Frames as records of the journal: a version byte, then the events.
//!
//! The journal outlives the program, so every version ever written must stay readable: `tests/records/` holds a sample
//! of each, and a test reads them. Versions differ in fields and variants only, which the declared forms of the types
//! say: see `form`.

mod codec;
mod event;
mod form;
mod model;
mod state;
#[cfg(test)]
mod tests;
pub mod v1;

pub use codec::{Invalid, Reader, Stored, Writer};
pub use form::Named;

use super::event::{CommittedFrame, NumberedEvent};
use crate::model::{Position, Timestamp};

/// The record version that this program writes.
pub const VERSION: u8 = 5;

/// A record that cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unreadable {
    /// The record was written by a newer program.
    #[error("the record has version {0}, and this program reads up to {VERSION}: run the newer program")]
    Version(u8),
    /// The bytes are not a valid record.
    #[error("cannot decode the record: {0}")]
    Broken(String),
}

/// A record's parts: the meta, and the bodies with the personal data.
pub type Encoded = (Vec<u8>, Vec<Vec<u8>>);

/// Encodes the events of one command, decided at `at`.
pub fn encode(at: Timestamp, events: &[NumberedEvent]) -> Encoded {
    let mut writer = Writer::record(VERSION);
    at.write(&mut writer);
    writer.list(events);
    writer.finish()
}

/// Decodes the record at `position`; `None` stands for a body that was erased.
pub fn decode(position: Position, meta: &[u8], bodies: Vec<Option<Vec<u8>>>) -> Result<CommittedFrame, Unreadable> {
    match meta.split_first() {
        Some((&version @ 1..=VERSION, rest)) => {
            let read = Reader::record(rest, version, bodies).whole();
            let (at, events) = read.map_err(|error: Invalid| Unreadable::Broken(error.to_string()))?;
            Ok(CommittedFrame { position, at, events })
        }
        Some((&version, _)) => Err(Unreadable::Version(version)),
        None => Err(Unreadable::Broken("it is empty".to_owned())),
    }
}

/// One-line summary of a record's meta for `journal inspect`: its time and its events. Contains no personal data.
pub fn describe(meta: &[u8]) -> String {
    let Some((&version @ 1..=VERSION, rest)) = meta.split_first() else { return "of another version".to_owned() };
    let Ok((at, events)) = Reader::without_people(rest, version).whole::<(Timestamp, Vec<NumberedEvent>)>() else {
        return "cannot be read".to_owned();
    };
    let names: Vec<_> = events.iter().map(|event| event.event.name()).collect();
    format!("{at} {}", names.join(", "))
}

/// The names of all events.
#[cfg(test)]
pub(super) fn event_names() -> impl Iterator<Item = &'static str> {
    let events = event::FORMS.iter().filter(|(name, _)| *name == "enum Event").flat_map(|(_, lines)| lines.iter());
    events.filter_map(|line| line.split([' ', ';']).nth(1)).filter(|name| *name != "was")
}
