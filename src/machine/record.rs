//! Stories as records of the journal: a version byte, then the events.
//!
//! The journal outlives the program, so each version ever written must still be read: `tests/records/` keeps a sample of
//! each, and a test reads them.

pub mod v1;

use super::event::{CommittedFrame, NumberedEvent};
use super::private;
use crate::model::{Position, Timestamp};

/// The version this program writes.
pub const VERSION: u8 = 4;

/// A record that cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unreadable {
    /// Written by a newer program.
    #[error("the record has version {0}, and this program reads up to {VERSION}: run the newer program")]
    Version(u8),
    /// Not a record at all.
    #[error("the record cannot be read: {0}")]
    Broken(String),
}

/// A record's parts: what happened, and the people, who stand in bodies of their own.
pub type Encoded = (Vec<u8>, Vec<Vec<u8>>);

/// Encodes what one command did at `at`.
pub fn encode(at: Timestamp, events: &[NumberedEvent]) -> Encoded {
    private::encode(&(at, events), vec![VERSION])
}

/// Decodes the record at `position`; `None` stands for a body that was erased.
pub fn decode(position: Position, meta: &[u8], bodies: Vec<Option<Vec<u8>>>) -> Result<CommittedFrame, Unreadable> {
    match meta.split_first() {
        // Versions 2 to 4 added facts and changed none. Version 4 is not released yet: more facts may be added to it.
        Some((1..=VERSION, rest)) => {
            let (at, events) = private::decode(rest, bodies).map_err(|error| Unreadable::Broken(error.to_string()))?;
            Ok(CommittedFrame { position, at, events })
        }
        Some((&version, _)) => Err(Unreadable::Version(version)),
        None => Err(Unreadable::Broken("it is empty".to_owned())),
    }
}

/// A line about a record's meta, for people who look at a journal: when, and what happened. It names nobody.
pub fn describe(meta: &[u8]) -> String {
    let Some((1..=VERSION, rest)) = meta.split_first() else { return "of another version".to_owned() };
    let Ok((at, events)) = private::decode_without_people::<(Timestamp, Vec<NumberedEvent>)>(rest) else {
        return "cannot be read".to_owned();
    };
    let names: Vec<_> = events.iter().map(|event| event.fact.name()).collect();
    format!("{at} {}", names.join(", "))
}
