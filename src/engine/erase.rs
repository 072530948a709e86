//! What an erasure finds in the journal.

use super::core::EngineFailed;
use crate::journal::Frame;
use crate::machine::erase::Person;

/// What was erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Records with something of the person in them.
    pub records: u64,
    /// Numbers, texts and addresses of media that are gone.
    pub bodies: u64,
    /// Records that say the number in a name given elsewhere, as of a call, which stands where nothing is erased.
    pub named_elsewhere: u64,
}

/// A way through the journal.
pub(super) struct Finding<'a> {
    person: &'a Person,
    found: Erased,
    /// The first record that cannot be read.
    failed: Option<EngineFailed>,
}

impl<'a> Finding<'a> {
    pub(super) fn of(person: &'a Person) -> Self {
        Self { person, found: Erased::default(), failed: None }
    }

    /// The bodies of a frame that go.
    pub(super) fn which(&mut self, frame: &Frame) -> Vec<usize> {
        self.found.named_elsewhere += u64::from(self.person.is_written_in(&frame.meta));
        match self.person.bodies(&frame.meta, &frame.bodies) {
            Ok(places) => {
                self.found.records += u64::from(!places.is_empty());
                places
            }
            Err(why) => {
                self.failed.get_or_insert(EngineFailed::Record { position: frame.position, why });
                Vec::new()
            }
        }
    }

    /// Everything was looked at, and so many bodies are zeros now.
    pub(super) fn done(self, bodies: u64) -> Result<Erased, EngineFailed> {
        match self.failed {
            Some(failed) => Err(failed),
            None => Ok(Erased { bodies, ..self.found }),
        }
    }
}
