//! Keys and fields that identify a person, used for erasure.
//!
//! Invariant: once the bodies found here are erased, no record contains the person's number or a text exchanged with
//! them. Data of other people is kept, unless it names this person as well.

use super::event::{Event, NumberedEvent};
use super::keys::{decode_row, encode_row, kind};
use super::private::Private;
use super::record::{self, Stored, Unreadable};
use super::rows::Table;
use super::state::{Audited, CallRow, KeptMedium, Message, Open, PendingMedia, Suspension, WaitingPart};
use crate::model::{Address, E164, Position};
use memchr::memmem::Finder;

/// A person, with the forms in which their number may occur: as digits, as an encoded value, and in a row's key.
#[derive(Clone)]
pub struct Person {
    number: E164,
    digits: Finder<'static>,
    encoded: Finder<'static>,
    key: Finder<'static>,
}

impl Person {
    /// Prepares a search for the person with this number.
    pub fn new(number: E164) -> Self {
        let finder = |bytes: &[u8]| Finder::new(bytes).into_owned();
        let digits = finder(number.to_string().trim_start_matches('+').as_bytes());
        Self { number, digits, encoded: finder(&encode_row(&number)), key: finder(&number.key()) }
    }

    /// Whether these bytes, of a body or of a row, contain the number in any form. Texts of other people may.
    pub fn is_named_in(&self, bytes: &[u8]) -> bool {
        [&self.digits, &self.encoded, &self.key].into_iter().any(|finder| finder.find(bytes).is_some())
    }

    /// Whether these bytes contain the number as digits, the form that people and carriers use.
    pub fn is_written_in(&self, bytes: &[u8]) -> bool {
        self.digits.find(bytes).is_some()
    }

    /// Returns the indexes of a record's bodies to erase: each that contains the number, and the texts and media URLs
    /// of messages from and to it.
    pub fn bodies(&self, meta: &[u8], bodies: &[Option<Vec<u8>>]) -> Result<Vec<usize>, Unreadable> {
        // Nearly all records concern other people, which a byte search finds without decoding.
        let mut places: Vec<usize> = (0..bodies.len())
            .filter(|place| bodies[*place].as_ref().is_some_and(|body| self.is_named_in(body)))
            .collect();
        if places.is_empty() {
            return Ok(places);
        }
        // The position does not affect the decoded events.
        let frame = record::decode(Position::default(), meta, bodies.to_vec())?;
        let mut first = 0;
        for event in &frame.events {
            let (_, of_event) = record::encode(frame.at, std::slice::from_ref(event));
            if self.is_party(event) {
                places.extend(first..first + of_event.len());
            }
            first += of_event.len();
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Whether the event is a message from or to this person.
    fn is_party(&self, event: &NumberedEvent) -> bool {
        let theirs = match &event.event {
            Event::MessageLate(late) => late.from.kept(),
            Event::PartReceived { part, .. } => part.from.kept(),
            event => event.message().and_then(|message| message.theirs.kept()),
        };
        theirs.is_some_and(|theirs| self.is(theirs))
    }

    fn is(&self, address: &Address) -> bool {
        matches!(address, Address::Number(number) if *number == self.number)
    }

    /// Removes the person from a row that was written before their erasure; `None` if the row is deleted. The result
    /// equals that of a rebuild from the erased journal.
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
                    // A call that is live in this row ended later in the journal, which then writes its tombstone.
                    let tombstone = || encode_row(&CallRow::Call(Box::new(call.tombstone())));
                    return call.ended.is_some().then(tombstone);
                }
                if self.stands_in(&call.alternative) {
                    call.alternative = Private::Erased;
                }
                Some(encode_row(&CallRow::Call(call)))
            }
            (Table::State, Some(&kind::PENDING_MEDIA)) => {
                decode_row::<PendingMedia>(&row).is_none_or(|pending| !self.stands_in(&pending.theirs)).then_some(row)
            }
            (Table::State, Some(&kind::PART)) => {
                decode_row::<WaitingPart>(&row).is_none_or(|part| !self.stands_in(&part.from)).then_some(row)
            }
            // Its bytes are deleted, as nothing lists them then.
            (Table::Media(_), _) => {
                decode_row::<KeptMedium>(&row).is_none_or(|kept| !self.stands_in(&kept.theirs)).then_some(row)
            }
            // The message has been settled since this row was written.
            (Table::State, Some(&kind::OPEN)) => {
                decode_row::<Open>(&row).is_none_or(|open| open.theirs != self.number).then_some(row)
            }
            (Table::State, Some(&kind::SUSPENSION)) => {
                let Some(mut suspension) = decode_row::<Suspension>(&row) else { return Some(row) };
                if self.stands_in(&suspension.reason) {
                    suspension.reason = Private::Erased;
                }
                Some(encode_row(&suspension))
            }
            (Table::Contacts(_), _) | (Table::State, Some(&(kind::OPT_OUT | kind::LIVE))) => {
                self.key.find(key).is_none().then_some(row)
            }
            (Table::Audit(_), _) => {
                let Some(audited) = decode_row::<Audited>(&row).filter(|audited| self.stands_in(&audited.entry)) else {
                    return Some(row);
                };
                Some(encode_row(&Audited { entry: Private::Erased, ..audited }))
            }
            // Neither keys nor rows of other kinds contain a person's number: see the list of kinds.
            (Table::State | Table::Idempotency(_) | Table::Usage(_) | Table::CarrierIds(_), _) => Some(row),
        }
    }

    /// Whether a value's body contains the number, possibly in another channel's address (`whatsapp:+1…`).
    fn stands_in<T: Stored>(&self, value: &Private<T>) -> bool {
        value.kept().is_some_and(|value| self.is_named_in(&encode_row(value)))
    }
}
