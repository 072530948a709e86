//! Erasures: what is done to journal and snapshots, while the gateway runs or at its start.
//!
//! Invariant: an erasure is journaled before anything is erased, and its person's number, which only its own frame has
//! then, is erased after all other data. So one that is interrupted is found again and repeated, and one whose number is
//! gone has media left at most, which no row lists any more. Order: journal, snapshot, index, number, media. A snapshot
//! made from frames as they were is rewritten after the journal; an index made from such a snapshot is replaced after it.

mod filter;
mod replace;
mod worker;

pub(super) use filter::{BeingErased, left};
pub(super) use replace::Replacement;
pub use worker::{AGAIN_AFTER, ErasureHandle, ErasureParts, ErasureWorker, SweepMedia};

use super::core::EngineFailed;
use super::reads::Reads;
use super::tail::FollowFailed;
use crate::journal::snapshot::Snapshots;
use crate::journal::{Eraser, Frame, JournalFailed, JournalReader};
use crate::machine::command::Command;
use crate::machine::erase::Person;
use crate::machine::erasure::{Erased, Erasure, ErasureState};
use crate::machine::event::Event;
use crate::machine::view::PeopleQueries as _;
use crate::model::{E164, Position};

/// Called between two steps of long work: it may sleep to limit the load, and returns whether to continue.
type GoesOn<'a> = &'a mut dyn FnMut() -> bool;

/// The erasures that are worked on together.
pub struct Erasures {
    all: Vec<OfOne>,
    /// The first record that cannot be read.
    failed: Option<EngineFailed>,
}

/// The erasure of one person.
struct OfOne {
    erasure: Erasure,
    /// `None` if the number is erased already, and so everything but media.
    person: Option<Person>,
    found: Erased,
}

impl Erasures {
    /// The erasures that are not done; `None` without any.
    pub fn running(reads: &Reads) -> Result<Option<Self>, EngineFailed> {
        let mut running = reads.ask(|view| view.running_erasures())?;
        // A row can be read a moment before its frame, without which the number would seem to be erased already.
        let committed = reads.follow().committed();
        running.retain(|erasure| erasure.id.position() <= committed);
        let of_one = |erasure: Erasure| {
            let person = number_of(reads, &erasure)?.map(Person::new);
            let found = if person.is_some() { Erased::default() } else { erasure.erased };
            Ok(OfOne { erasure, person, found })
        };
        let all = running.into_iter().map(of_one).collect::<Result<Vec<_>, EngineFailed>>()?;
        Ok((!all.is_empty()).then_some(Self { all, failed: None }))
    }

    /// Whether nothing but media may be left to erase.
    pub fn are_complete(&self) -> bool {
        self.people().next().is_none()
    }

    /// The people to erase, each with the position before which they are.
    fn people(&self) -> impl Iterator<Item = (Position, &Person)> {
        self.all.iter().filter_map(|one| Some((one.erasure.id.position(), one.person.as_ref()?)))
    }

    /// The frames that begin the erasures.
    fn frames(&self) -> Vec<Position> {
        self.all.iter().map(|one| one.erasure.id.position()).collect()
    }

    /// What records that the work begins. Frames before this record may then be erased.
    pub fn begin(&self) -> Vec<Command> {
        self.change(ErasureState::Running)
    }

    /// What records that the work ended.
    pub fn end(&self, state: ErasureState) -> Vec<Command> {
        self.change(state)
    }

    fn change(&self, state: ErasureState) -> Vec<Command> {
        let change = |one: &OfOne| Command::ChangeErasure { id: one.erasure.id, state, erased: one.found };
        self.all.iter().map(change).collect()
    }

    /// Erases the people from all frames before their erasure.
    pub fn erase_from_journal(&mut self, eraser: &dyn Eraser, goes_on: GoesOn<'_>) -> Result<(), EngineFailed> {
        let frames = self.frames();
        let Some(last) = frames.iter().max() else { return Ok(()) };
        let range = Position(0)..=*last;
        let mut which = |frame: &Frame| if frames.contains(&frame.position) { Vec::new() } else { self.bodies(frame) };
        eraser.erase(range, &mut which, goes_on)?;
        self.failed.take().map_or(Ok(()), Err)
    }

    /// The indices of the frame's bodies to erase.
    fn bodies(&mut self, frame: &Frame) -> Vec<usize> {
        let mut all = Vec::new();
        for one in &mut self.all {
            let Some(person) = one.person.as_ref().filter(|_| frame.position < one.erasure.id.position()) else {
                continue;
            };
            one.found.named_elsewhere += u64::from(person.is_written_in(&frame.meta));
            match person.bodies(&frame.meta, &frame.bodies) {
                Ok(places) => {
                    let kept = places.iter().filter(|place| frame.bodies[**place].is_some()).count() as u64;
                    one.found.records += u64::from(kept > 0);
                    one.found.bodies += kept;
                    all.extend(places);
                }
                Err(why) => {
                    self.failed.get_or_insert(EngineFailed::Record { position: frame.position, why });
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Erases the people from the latest snapshot.
    pub fn erase_from_snapshot(
        &self,
        journal: &dyn JournalReader,
        snapshots: &Snapshots,
        goes_on: GoesOn<'_>,
    ) -> Result<(), EngineFailed> {
        while let Some(latest) = snapshots.settled()? {
            let erased = self.filter(journal, latest.covers)?;
            // A compaction may have made another one meanwhile.
            if snapshots.rewrite(latest.covers, |table, key, row| filter::left(&erased, table, key, row), goes_on)? {
                break;
            }
        }
        Ok(())
    }

    /// What is left of rows of everything up to `until` without these people.
    fn filter(&self, journal: &dyn JournalReader, until: Position) -> Result<Vec<BeingErased>, EngineFailed> {
        self.people().map(|(from, person)| BeingErased::from_journal(journal, from, person.clone(), until)).collect()
    }

    /// Erases the people's numbers from the frames that begin their erasures: the last that is left of them but media.
    pub fn erase_numbers(&self, eraser: &dyn Eraser) -> Result<(), EngineFailed> {
        for one in &self.all {
            let Some(person) = &one.person else { continue };
            let at = one.erasure.id.position();
            let mut failed = None;
            let mut which = |frame: &Frame| {
                person.bodies(&frame.meta, &frame.bodies).unwrap_or_else(|why| {
                    failed = Some(EngineFailed::Record { position: frame.position, why });
                    Vec::new()
                })
            };
            eraser.erase(at..=at, &mut which, &mut || true)?;
            failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

/// The number of the person, from the frame that begins their erasure; `None` if it is erased.
fn number_of(reads: &Reads, erasure: &Erasure) -> Result<Option<E164>, EngineFailed> {
    let frame = match reads.follow().frame(erasure.id.position()) {
        Err(FollowFailed::Journal(JournalFailed::Gone { .. })) | Ok(None) => return Ok(None),
        Err(FollowFailed::Journal(failed)) => return Err(failed.into()),
        Err(FollowFailed::Record { position, why }) => return Err(EngineFailed::Record { position, why }),
        Err(failed @ (FollowFailed::Rows(_) | FollowFailed::Stopped)) => {
            return Err(JournalFailed::Disk(failed.to_string()).into());
        }
        Ok(Some(frame)) => frame,
    };
    Ok(frame.events.iter().find_map(|event| match &event.event {
        Event::ErasureBegun { who, .. } => who.kept().copied(),
        _ => None,
    }))
}
