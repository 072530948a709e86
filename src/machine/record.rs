//! Frames as records of the journal: a version byte, then the events.
//!
//! The journal outlives the program, so every version ever written must stay readable: `tests/records/` holds a sample
//! of each, and a test reads them.

pub mod v1;

use super::event::{CommittedFrame, NumberedEvent};
use super::private;
use crate::model::{Position, Timestamp};

/// The record version that this program writes.
pub const VERSION: u8 = 4;

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
    private::encode(&(at, events), vec![VERSION])
}

/// Decodes the record at `position`; `None` stands for a body that was erased.
pub fn decode(position: Position, meta: &[u8], bodies: Vec<Option<Vec<u8>>>) -> Result<CommittedFrame, Unreadable> {
    match meta.split_first() {
        // Versions 2 to 4 added events and changed none. Version 4 is not released yet: more events may be added to it.
        Some((1..=VERSION, rest)) => {
            let (at, events) = private::decode(rest, bodies).map_err(|error| Unreadable::Broken(error.to_string()))?;
            Ok(CommittedFrame { position, at, events })
        }
        Some((&version, _)) => Err(Unreadable::Version(version)),
        None => Err(Unreadable::Broken("it is empty".to_owned())),
    }
}

/// One-line summary of a record's meta for `journal inspect`: its time and its events. Contains no personal data.
pub fn describe(meta: &[u8]) -> String {
    let Some((1..=VERSION, rest)) = meta.split_first() else { return "of another version".to_owned() };
    let Ok((at, events)) = private::decode_without_people::<(Timestamp, Vec<NumberedEvent>)>(rest) else {
        return "cannot be read".to_owned();
    };
    let names: Vec<_> = events.iter().map(|event| event.fact.name()).collect();
    format!("{at} {}", names.join(", "))
}
