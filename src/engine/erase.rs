//! Finds a person's data in the journal for erasure.

use super::core::EngineFailed;
use crate::journal::Frame;
use crate::machine::erase::Person;

/// What was erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Records that contained data of the person.
    pub records: u64,
    /// Numbers, texts and media URLs that were erased.
    pub bodies: u64,
    /// Records with the number in an identifier chosen by others, such as a call id, which cannot be erased.
    pub named_elsewhere: u64,
}

/// A pass over the journal.
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

    /// The indices of the frame's bodies to erase.
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

    /// Ends the pass, after `bodies` bodies were overwritten with zeros.
    pub(super) fn done(self, bodies: u64) -> Result<Erased, EngineFailed> {
        match self.failed {
            Some(failed) => Err(failed),
            None => Ok(Erased { bodies, ..self.found }),
        }
    }
}
