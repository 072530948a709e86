//! What names a person, for who is to forget them.
//!
//! Invariant: after the bodies found here are gone, nothing a record holds says the person's number, and none of the
//! texts between them and us is left. What names others stays, where it does not name this person as well.

use super::event::{Event, NumberedEvent};
use super::private::Private;
use super::record::{self, Unreadable};
use super::rows::Table;
use super::state::{CallRow, Message, Open};
use super::view::{decode_row, encode_row, kind};
use crate::model::{Address, E164, Position};
use hmac::{Hmac, Mac};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

/// What fingerprints of the erased are made with. It lies with the data it belongs to, so whoever has all of those can
/// try every number there is; a fingerprint alone says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub [u8; 16]);

/// What is kept in place of the number of somebody who was erased and must not be texted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

impl Key {
    /// The fingerprint of a number: the first half of its HMAC-SHA-256.
    pub fn fingerprint(self, number: E164) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(&number.key());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        Fingerprint(*digest.first_chunk().expect("32 bytes are more than 16"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
}

/// Somebody, in the forms their number may stand in: written out, as it is encoded, and as a part of a row's key.
pub struct Person {
    number: E164,
    digits: Finder<'static>,
    encoded: Finder<'static>,
    key: Finder<'static>,
}

impl Person {
    /// The person with that number.
    pub fn new(number: E164) -> Self {
        let finder = |bytes: &[u8]| Finder::new(bytes).into_owned();
        let digits = finder(number.to_string().trim_start_matches('+').as_bytes());
        Self { number, digits, encoded: finder(&encode_row(&number)), key: finder(&number.key()) }
    }

    /// Whether these bytes, of a body or of a row, say the number in any form. Texts of others may.
    pub fn is_named_in(&self, bytes: &[u8]) -> bool {
        [&self.digits, &self.encoded, &self.key].into_iter().any(|finder| finder.find(bytes).is_some())
    }

    /// Whether these bytes say the number written out: what people and carriers write, and nothing of ours.
    pub fn is_written_in(&self, bytes: &[u8]) -> bool {
        self.digits.find(bytes).is_some()
    }

    /// The bodies of a record that are to be erased, by their places: each that says the number, and the texts and
    /// addresses of media of messages from and to it.
    pub fn bodies(&self, meta: &[u8], bodies: &[Option<Vec<u8>>]) -> Result<Vec<usize>, Unreadable> {
        // Nearly all records are about others, and that is seen without reading them.
        let mut places: Vec<usize> = (0..bodies.len())
            .filter(|place| bodies[*place].as_ref().is_some_and(|body| self.is_named_in(body)))
            .collect();
        if places.is_empty() {
            return Ok(places);
        }
        // Where it stands does not matter for what it says.
        let story = record::decode(Position::default(), meta, bodies.to_vec())?;
        let mut first = 0;
        for event in &story.events {
            let (_, of_event) = record::encode(story.at, std::slice::from_ref(event));
            if self.is_party(event) {
                places.extend(first..first + of_event.len());
            }
            first += of_event.len();
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Whether it is a message from or to this person.
    fn is_party(&self, event: &NumberedEvent) -> bool {
        let theirs = match &event.fact {
            Event::MessageLate(late) => late.from.kept(),
            fact => fact.message().and_then(|message| message.theirs.kept()),
        };
        theirs.is_some_and(|theirs| self.is(theirs))
    }

    fn is(&self, address: &Address) -> bool {
        matches!(address, Address::Number(number) if *number == self.number)
    }

    /// What is left of a row that was made before the person was erased; nothing where it is theirs. The same as a
    /// rebuild from the journal makes of it afterwards.
    pub fn row(&self, table: Table, key: &[u8], row: Vec<u8>) -> Option<Vec<u8>> {
        match (table, key.first()) {
            (Table::Messages(_), _) => {
                let Some(mut message) = decode_row::<Message>(&row) else { return Some(row) };
                if self.stands_in(&message.theirs) {
                    message.theirs = Private::Erased;
                }
                Some(encode_row(&message))
            }
            (Table::State, Some(&kind::CALL)) => {
                let Some(CallRow::Call(mut call)) = decode_row(&row) else { return Some(row) };
                if self.stands_in(&call.caller) {
                    // One that lives here has ended in the journal after it, which writes its tombstone.
                    let tombstone = || encode_row(&CallRow::Call(Box::new(call.tombstone())));
                    return call.ended.is_some().then(tombstone);
                }
                if self.stands_in(&call.alternative) {
                    call.alternative = Private::Erased;
                }
                Some(encode_row(&CallRow::Call(call)))
            }
            // What is done by now was on its way when the row was made.
            (Table::State, Some(&kind::OPEN)) => {
                decode_row::<Open>(&row).is_none_or(|open| open.theirs != self.number).then_some(row)
            }
            (Table::Contacts(_), _) | (Table::State, Some(&(kind::OPT_OUT | kind::LIVE))) => {
                self.key.find(key).is_none().then_some(row)
            }
            // Of these neither key nor row has room for a number of theirs: see the list of kinds.
            (Table::State | Table::Idempotency(_), _) => Some(row),
        }
    }

    /// Whether a value's body is one of those that are erased: also as another channel's address (`whatsapp:+1…`).
    fn stands_in<T: Serialize>(&self, value: &Private<T>) -> bool {
        value.kept().is_some_and(|value| self.is_named_in(&encode_row(value)))
    }
}
