//! Accepts lost frames: each damaged range becomes a gap before a segment, and nothing else is removed.
//!
//! Invariant: every intact frame is kept at its position, and no position is ever reused. After an interruption,
//! planning and applying again finishes the work.

use super::disk::{Disk, RealDisk};
use super::examine::{State, examine, next_frame};
use super::frame::{Body, ChainChecksum};
use super::recover::{Evidence, TEMPORARY_SUFFIX, failed};
use super::segment::{
    Found, Header, Place, PreviousSegment, Step, WINDOW_BYTES, Walk, Window, first_of, name_of, zeros_from,
};
use super::{JournalFailed, erase};
use crate::model::{Position, Timestamp};
use std::io;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// Number of positions in an epoch. Fewer frames than this are ever lost at once, so the first position of the next
/// epoch was never used.
const EPOCH_POSITIONS: u64 = 1 << 40;

/// The first position of the next epoch after `last`. Lost frames may have had positions after `last`.
pub fn epoch_after(last: Position) -> Position {
    // Half an epoch is left for lost frames that are not known of.
    Position(((last.0 + EPOCH_POSITIONS / 2) / EPOCH_POSITIONS + 1) * EPOCH_POSITIONS)
}

/// A range of lost frames: from `from` up to, not including, `until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The first lost position.
    pub from: Position,
    /// The first position after them.
    pub until: Position,
}

/// The changes to a journal that make it open without its lost frames. Planning changes nothing.
pub struct Plan {
    disk: Arc<dyn Disk>,
    /// The journal's identity, from a segment or the evidence.
    identity: Option<[u8; 16]>,
    pieces: Vec<Piece>,
    /// Files to remove.
    surplus: Vec<String>,
    lost: Vec<Lost>,
}

/// Consecutive frames in one file, and the segment they will form.
struct Piece {
    header: Header,
    source: String,
    from: u64,
    to: u64,
    /// Its last position.
    last: Position,
    placement: Placement,
}

/// What has to be done to put a piece in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Placement {
    InPlace,
    /// The rest of the file has to be cut off.
    Cut,
    /// It has to be copied to another file or under another header.
    Copy,
}

/// Consecutive intact frames.
struct Run {
    start: Place,
    end: Place,
}

impl Plan {
    /// Scans every frame of the journal in `directory`.
    ///
    /// # Errors
    /// `Disk` if a file cannot be read; `Damaged` if one has a newer format.
    pub fn of(directory: &Path, known: &Evidence) -> Result<Self, JournalFailed> {
        let disk = RealDisk::at(directory);
        disk.create_directory().map_err(failed(&disk, ""))?;
        Self::on(Arc::new(disk), known)
    }

    pub(super) fn on(disk: Arc<dyn Disk>, known: &Evidence) -> Result<Self, JournalFailed> {
        erase::finish(&*disk, &RwLock::default())?;
        let names = disk.names().map_err(failed(&*disk, ""))?;
        let mut segments: Vec<Position> = names.iter().filter_map(|name| first_of(name)).collect();
        segments.sort();
        let mut headers = Vec::with_capacity(segments.len());
        for first in &segments {
            headers.push(header_of(&*disk, *first)?);
        }
        let identity = headers.iter().flatten().next().map(|header| header.identity).or(known.identity);
        let mut plan = Self { disk, identity, pieces: Vec::new(), surplus: Vec::new(), lost: Vec::new() };
        let Some(identity) = identity else { return Ok(plan) };
        for (index, first) in segments.iter().enumerate() {
            let header = headers[index].filter(|header| header.first == *first && header.identity == identity);
            let next = headers.get(index + 1).copied().flatten();
            let limit = next.filter(|next| next.previous_segment.first == *first).map(|next| next.previous_segment.end);
            let is_last = index + 1 == segments.len();
            plan.scan(*first, header, limit, is_last, known).map_err(failed(&*plan.disk, &name_of(*first)))?;
        }
        let kept: Vec<String> = plan.pieces.iter().map(|piece| name_of(piece.header.first)).collect();
        plan.surplus = segments.into_iter().map(name_of).filter(|name| !kept.contains(name)).collect();
        Ok(plan)
    }

    /// The journal's identity, if it is known.
    pub fn identity(&self) -> Option<[u8; 16]> {
        self.identity
    }

    /// The lost ranges between existing frames whose loss was not accepted before.
    pub fn lost(&self) -> &[Lost] {
        &self.lost
    }

    /// Adds the frames of one segment to the plan.
    fn scan(
        &mut self,
        first: Position,
        header: Option<Header>,
        limit: Option<u64>,
        is_last: bool,
        known: &Evidence,
    ) -> io::Result<()> {
        let name = name_of(first);
        let file = self.disk.open(&name)?;
        let size = file.size()?;
        let limit = limit.map_or(size, |limit| limit.min(size));
        let seal = ChainChecksum::of(&self.identity.expect("a plan with segments to scan has an identity"));
        let torn = |header: &Header| -> io::Result<Option<Place>> {
            let examined = examine(&*file, limit, header, Position(0))?;
            // A torn end was never acknowledged, unless the evidence contains its frames.
            let torn = is_last && !matches!(examined.state, State::Damaged(..)) && known.last < examined.end.position;
            Ok(torn.then_some(examined.end))
        };
        let runs = match header.as_ref().map(torn).transpose()?.flatten().zip(header.as_ref()) {
            Some((end, header)) => vec![Run { start: header.start(), end }],
            None => runs(Window::new(&*file, limit), seal, header.as_ref(), first)?,
        };
        // What remains of the segment's header if its first frames are lost.
        let oldest = header.map_or((first, PreviousSegment::default(), Position(first.0 - 1)), |header| {
            (first, header.previous_segment, header.last_before())
        });
        let opened = header.map(|header| header.opened).or(self.pieces.last().map(|piece| piece.header.opened));
        for run in runs.iter().filter(|run| run.end.position > run.start.position) {
            let own = header.filter(|header| header.start() == run.start);
            let Some(header) = self.header_for(run, own, oldest, opened.unwrap_or_default()) else { continue };
            let placement = if own != Some(header) {
                Placement::Copy
            } else if run.end.offset < size && !zeros_from(&mut Window::new(&*file, size), run.end.offset)? {
                Placement::Cut
            } else {
                Placement::InPlace
            };
            let (from, to, last) = (run.start.offset, run.end.offset, Position(run.end.position.0 - 1));
            self.pieces.push(Piece { header, source: name.clone(), from, to, last, placement });
        }
        Ok(())
    }

    /// The header that links a run to the previous piece; records the frames lost between them. `None` if its positions
    /// exist already.
    fn header_for(
        &mut self,
        run: &Run,
        own: Option<Header>,
        (segment, previous_segment, last_before): (Position, PreviousSegment, Position),
        opened: Timestamp,
    ) -> Option<Header> {
        let identity = self.identity?;
        let (first, seed) = (run.start.position, run.start.previous);
        let Some(before) = self.pieces.last() else {
            // Frames before the oldest segment do not matter here, unless its own beginning is lost.
            if let Some(own) = own {
                return Some(own);
            }
            let after = (first != last_before.next()).then_some(last_before);
            if first > segment {
                self.lost.push(Lost { from: segment, until: first });
            }
            return Some(Header { identity, first, opened, previous_segment, seed, after });
        };
        let last = before.last;
        if first <= last {
            return None;
        }
        let after = (first != last.next()).then_some(last);
        if after.is_some() && own.is_none_or(|own| own.after != after) {
            self.lost.push(Lost { from: last.next(), until: first });
        }
        let previous_segment =
            PreviousSegment { first: before.header.first, end: before.header.length() + (before.to - before.from) };
        Some(Header { identity, first, opened, previous_segment, seed, after })
    }

    /// Applies the plan. The journal opens afterwards, unless the evidence reaches beyond its end.
    pub fn apply(self) -> Result<(), JournalFailed> {
        let disk = &*self.disk;
        let made: Vec<&Piece> = self.pieces.iter().filter(|piece| piece.placement == Placement::Copy).collect();
        for piece in &made {
            piece.copy(disk).map_err(failed(disk, &name_of(piece.header.first)))?;
        }
        for piece in &made {
            let name = name_of(piece.header.first);
            disk.rename(&format!("{name}{TEMPORARY_SUFFIX}"), &name).map_err(failed(disk, &name))?;
        }
        disk.sync_directory().map_err(failed(disk, ""))?;
        for piece in self.pieces.iter().filter(|piece| piece.placement == Placement::Cut) {
            let cut = disk.open_to_write(&piece.source).and_then(|file| {
                file.set_size(piece.to)?;
                file.sync_all()
            });
            cut.map_err(failed(disk, &piece.source))?;
        }
        for name in &self.surplus {
            disk.remove(name).map_err(failed(disk, name))?;
        }
        disk.sync_directory().map_err(failed(disk, ""))
    }
}

impl Piece {
    /// Writes it to a file with a temporary name.
    fn copy(&self, disk: &dyn Disk) -> io::Result<()> {
        let source = disk.open(&self.source)?;
        let file = disk.create(&format!("{}{TEMPORARY_SUFFIX}", name_of(self.header.first)))?;
        let header = self.header.encode();
        file.write_all_at(&header, 0)?;
        let mut window = Window::new(&*source, self.to);
        let (mut offset, mut to) = (self.from, header.len() as u64);
        while offset < self.to {
            let bytes = window.at(offset, WINDOW_BYTES)?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_all_at(bytes, to)?;
            offset += bytes.len() as u64;
            to += bytes.len() as u64;
        }
        file.sync_all()
    }
}

fn header_of(disk: &dyn Disk, first: Position) -> Result<Option<Header>, JournalFailed> {
    let name = name_of(first);
    let file = disk.open(&name).map_err(failed(disk, &name))?;
    match Header::read(&*file).map_err(failed(disk, &name))? {
        Found::Header(header) => Ok(Some(header)),
        Found::Blank | Found::Garbage => Ok(None),
        Found::Newer(version) => Err(JournalFailed::Damaged(format!(
            "{} has format {version}, which this version of offhook does not support: use the version that wrote it",
            disk.path().join(&name).display()
        ))),
    }
}

/// The runs of intact frames in `window`, from the header on, or without one from the first frame found.
fn runs(mut window: Window<'_>, seal: ChainChecksum, header: Option<&Header>, first: Position) -> io::Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut least = first;
    let mut start = match header {
        Some(header) => Some(header.start()),
        None => find(&mut window, 0, seal, least)?,
    };
    while let Some(from) = start {
        let mut walk = Walk::new(window, seal, from);
        let (end, resumes) = loop {
            let place = walk.place;
            match walk.step()? {
                Step::Frame(view) if view.bodies().all(|(_, body)| !matches!(body, Body::Damaged)) => {}
                // The frame is intact, but a body is damaged.
                Step::Frame(_) => break (place, Some(walk.place)),
                Step::End | Step::Bad(_) => break (place, None),
            }
        };
        window = walk.into_window();
        runs.push(Run { start: from, end });
        least = least.max(end.position.next());
        start = match resumes {
            Some(place) => Some(place),
            None => find(&mut window, end.offset + 1, seal, least)?,
        };
    }
    Ok(runs)
}

/// The first intact frame from `offset` on with a position of `least` or later.
fn find(window: &mut Window<'_>, offset: u64, seal: ChainChecksum, least: Position) -> io::Result<Option<Place>> {
    let found = next_frame(window, offset, seal, |head| head.position >= least)?;
    Ok(found.map(|(offset, head)| Place { offset, position: head.position, previous: head.previous }))
}
