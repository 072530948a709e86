//! Readers of the journal on disk. They work on any thread, concurrently with the writer.
//!
//! Invariant: a reader never reads past the end in `Visible`, which moves only after a sync. The lock on `Visible` is
//! held briefly and never across I/O.

use super::disk::{Disk, DiskFile};
use super::frame::ChainChecksum;
use super::recover::{damaged, failed};
use super::segment::{Found, FrameOffsets, Header, Place, PreviousSegment, Step, WINDOW_BYTES, Walk, Window, name_of};
use super::{Closed, Eraser, Frame, JournalFailed, JournalReader, Which, erase};
use crate::model::{Position, Timestamp};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Maximum number of closed segments kept open with their offsets: 32 descriptors and about 3 MB.
const SEGMENTS_OPEN_MAX: usize = 32;

/// Read size for a single frame: the distance between recorded offsets plus a typical frame.
const SINGLE_FRAME_READ_BYTES: usize = 20 * 1024;

/// The state shared by the writer and the readers.
pub(super) struct Shared {
    disk: Arc<dyn Disk>,
    identity: [u8; 16],
    visible: Mutex<Visible>,
    /// Recently used closed segments, the latest first.
    open: Mutex<VecDeque<Arc<Segment>>>,
    /// Held to write while a body is overwritten, because half of one looks like damage.
    overwriting: RwLock<()>,
}

/// The synced part of the journal, which may be read.
pub(super) struct Visible {
    pub(super) oldest: Position,
    /// One past the last position that may be read.
    pub(super) next: Position,
    /// The segments before the current one, oldest first.
    pub(super) closed: Vec<PreviousSegment>,
    pub(super) live: Option<Segment>,
    /// Gaps of lost positions, oldest first.
    pub(super) gaps: Vec<Gap>,
    /// The last position that a synced frame of this process records as durable.
    confirmed: Position,
}

/// A range without frames: they were lost, and the loss was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gap {
    /// The last position before it, 0 for none.
    pub(super) after: Position,
    /// The first position after it, which is the first of a segment.
    pub(super) first: Position,
}

/// An open segment, up to the end that may be read.
pub(super) struct Segment {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) first: Position,
    pub(super) end: u64,
    pub(super) marks: FrameOffsets,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, identity: [u8; 16], visible: Visible) -> Self {
        Self { disk, identity, visible: Mutex::new(visible), open: Mutex::default(), overwriting: RwLock::default() }
    }

    /// Makes synced frames visible: `written` are the segments written since the last call, each with its new offsets.
    /// `next` is one past the last position, and everything up to `confirmed` is recorded as durable.
    pub(super) fn show(&self, written: impl Iterator<Item = Segment>, next: Position, confirmed: Position) {
        let mut retired = Vec::new();
        let mut visible = lock(&self.visible);
        for segment in written {
            match &mut visible.live {
                Some(live) if live.first == segment.first => {
                    live.end = segment.end;
                    live.marks.extend(segment.marks);
                }
                _ => {
                    if let Some(closed) = visible.live.replace(segment) {
                        visible.closed.push(PreviousSegment { first: closed.first, end: closed.end });
                        retired.push(Arc::new(closed));
                    }
                }
            }
        }
        (visible.next, visible.confirmed) = (next, confirmed);
        drop(visible);
        for segment in retired {
            self.keep_open(segment);
        }
    }

    /// Hides closed segments that lie entirely before `position` from readers, at most `most`. Returns their first
    /// positions, oldest first.
    pub(super) fn hide_before(&self, position: Position, most: usize) -> Vec<Position> {
        let mut visible = lock(&self.visible);
        let Some(live) = &visible.live else { return Vec::new() };
        let followed_by = visible.closed.iter().skip(1).map(|closed| closed.first).chain([live.first]);
        let whole = visible.closed.iter().zip(followed_by).take_while(|(_, next)| *next <= position);
        let count = whole.take(most).count();
        let hidden: Vec<Position> = visible.closed.drain(..count).map(|closed| closed.first).collect();
        let oldest = visible.closed.first().map(|closed| closed.first).or(visible.live.as_ref().map(|live| live.first));
        visible.oldest = oldest.unwrap_or(visible.oldest);
        let oldest = visible.oldest;
        visible.gaps.retain(|gap| gap.first >= oldest);
        drop(visible);
        lock(&self.open).retain(|segment| segment.first >= oldest);
        hidden
    }

    /// Records a gap between the last frame and `first`, the position of the next one.
    pub(super) fn leave_gap(&self, first: Position) {
        let mut visible = lock(&self.visible);
        let after = visible.last();
        visible.gaps.push(Gap { after, first });
        visible.next = first;
        if visible.live.is_none() {
            visible.oldest = first;
        }
    }

    /// The readable segments, oldest first.
    pub(super) fn segments(&self) -> Vec<PreviousSegment> {
        let visible = lock(&self.visible);
        let live = visible.live.as_ref().map(|live| PreviousSegment { first: live.first, end: live.end });
        visible.closed.iter().copied().chain(live).collect()
    }

    /// Returns `Gone` if the segment was deleted, for example while it was being read.
    fn not_gone(&self, first: Position) -> Result<(), JournalFailed> {
        let oldest = lock(&self.visible).oldest;
        if first < oldest { Err(JournalFailed::Gone { oldest }) } else { Ok(()) }
    }

    fn keep_open(&self, segment: Arc<Segment>) {
        let mut open = lock(&self.open);
        open.retain(|other| other.first != segment.first);
        open.push_front(segment);
        open.truncate(SEGMENTS_OPEN_MAX);
    }

    /// Opens the closed segment `which` and records its frame offsets.
    fn closed(&self, which: PreviousSegment) -> Result<Arc<Segment>, JournalFailed> {
        let known = lock(&self.open).iter().find(|segment| segment.first == which.first).cloned();
        let segment = match known {
            Some(segment) => segment,
            None => Arc::new(self.open_closed(which).or_else(|failed| self.not_gone(which.first).and(Err(failed)))?),
        };
        self.keep_open(segment.clone());
        Ok(segment)
    }

    fn open_closed(&self, which: PreviousSegment) -> Result<Segment, JournalFailed> {
        let name = name_of(which.first);
        let start = Place { offset: 0, position: which.first, previous: 0 };
        let broken = |place, why| damaged(self.disk.path(), &name, place, why);
        let file = self.disk.open(&name).map_err(failed(&*self.disk, &name))?;
        let Found::Header(header) = Header::read(&*file).map_err(failed(&*self.disk, &name))? else {
            return Err(broken(start, "the header is not whole"));
        };
        if header.identity != self.identity || header.first != which.first {
            return Err(broken(start, "it is a different segment"));
        }
        let mut marks = FrameOffsets::default();
        let mut walk = Walk::new(Window::new(&*file, which.end), ChainChecksum::of(&self.identity), header.start());
        while walk.place.offset < which.end {
            let place = walk.place;
            match walk.step().map_err(failed(&*self.disk, &name))? {
                Step::Frame(_) => marks.pass(place),
                Step::End => return Err(broken(place, "there are zeros instead of a frame")),
                Step::Bad(why) => return Err(broken(place, why)),
            }
        }
        Ok(Segment { file, first: which.first, end: which.end, marks })
    }
}

impl Eraser for Shared {
    fn erase(
        &self,
        range: RangeInclusive<Position>,
        which: Which<'_>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<u64, JournalFailed> {
        let disk = &*self.disk;
        // An earlier one that failed half-way would look like damage.
        erase::finish(disk, &self.overwriting)?;
        let until = (*range.end()).min(lock(&self.visible).confirmed);
        let segments = self.segments();
        let mut spans = Vec::new();
        for (place, segment) in segments.iter().enumerate() {
            let ends_before = segments.get(place + 1).is_some_and(|next| next.first <= *range.start());
            if ends_before || segment.first > until {
                continue;
            }
            let range = *range.start()..=until;
            let found = erase::find(disk, self.identity, *segment, &range, which, goes_on);
            match found.or_else(|failed| self.not_gone(segment.first).and(Err(failed))) {
                Ok(found) => spans.extend(found),
                // Deleted meanwhile, and its bodies with it.
                Err(JournalFailed::Gone { .. }) => {}
                Err(failed) => return Err(failed),
            }
        }
        erase::erase(disk, &spans, &self.overwriting)?;
        Ok(spans.len() as u64)
    }
}

/// Ignores poisoning: the state under the lock is consistent at every moment, even if a holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reader. Continuing where the last read stopped needs no search.
pub(super) struct FileReader {
    shared: Arc<Shared>,
    /// The place where the last read stopped, and the first position of its segment.
    stopped: Mutex<Option<(Position, Place)>>,
}

/// A part of a segment to read.
struct Stretch {
    file: Arc<dyn DiskFile>,
    first: Position,
    end: u64,
    from: Place,
}

impl FileReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, stopped: Mutex::new(None) }
    }

    /// The rest of the segment that contains `position`, starting there or slightly before; `None` at the end.
    fn stretch(&self, position: Position) -> Result<Option<Stretch>, JournalFailed> {
        let stopped = *lock(&self.stopped);
        let start = |first, marks: &FrameOffsets| match stopped {
            Some((segment, place)) if segment == first && place.position == position => place,
            _ => marks.before(position).expect("the first frame of a segment is marked"),
        };
        let which = {
            let visible = lock(&self.shared.visible);
            if position < visible.oldest {
                return Err(JournalFailed::Gone { oldest: visible.oldest });
            }
            if position >= visible.next {
                return Ok(None);
            }
            if let Some(live) = visible.live.as_ref().filter(|live| live.first <= position) {
                let from = start(live.first, &live.marks);
                return Ok(Some(Stretch { file: live.file.clone(), first: live.first, end: live.end, from }));
            }
            let after = visible.closed.partition_point(|closed| closed.first <= position);
            visible.closed[after - 1]
        };
        let segment = self.shared.closed(which)?;
        let from = start(segment.first, &segment.marks);
        Ok(Some(Stretch { file: segment.file.clone(), first: segment.first, end: segment.end, from }))
    }

    /// Adds the frames of `stretch` from `position` on until `budget` bytes are exceeded or the stretch ends.
    fn collect(
        &self,
        stretch: &Stretch,
        position: Position,
        budget: &mut usize,
        frames: &mut Vec<Frame>,
    ) -> Result<(), JournalFailed> {
        let _whole = self.shared.overwriting.read().unwrap_or_else(PoisonError::into_inner);
        let disk = &*self.shared.disk;
        let name = name_of(stretch.first);
        let window =
            Window::new(&*stretch.file, stretch.end).reading((*budget).clamp(SINGLE_FRAME_READ_BYTES, WINDOW_BYTES));
        let mut walk = Walk::new(window, ChainChecksum::of(&self.shared.identity), stretch.from);
        while walk.place.offset < stretch.end && (frames.is_empty() || *budget > 0) {
            let place = walk.place;
            let broken = |why| damaged(disk.path(), &name, place, why);
            match walk.step().map_err(failed(disk, &name))? {
                Step::Frame(_) if place.position < position => {}
                Step::Frame(view) => {
                    *budget = budget.saturating_sub(view.head.length);
                    let why = "a body matches neither its checksum nor an erasure";
                    frames.push(view.to_frame().ok_or_else(|| broken(why))?);
                }
                Step::End => return Err(broken("there are zeros instead of a frame")),
                Step::Bad(why) => return Err(broken(why)),
            }
        }
        *lock(&self.stopped) = Some((stretch.first, walk.place));
        Ok(())
    }
}

impl JournalReader for FileReader {
    fn bounds(&self) -> (Position, Position) {
        let visible = lock(&self.shared.visible);
        (visible.oldest, visible.next)
    }

    fn all_before(&self, at: Timestamp) -> Result<Position, JournalFailed> {
        let disk = &*self.shared.disk;
        let segments = self.shared.segments();
        // A segment is opened with its first frame, so every frame in earlier segments is older.
        let opened = |first| {
            let name = name_of(first);
            let file = disk.open(&name).map_err(failed(disk, &name));
            let found = file.and_then(|file| Header::read(&*file).map_err(failed(disk, &name)));
            match found.or_else(|failed| self.shared.not_gone(first).and(Err(failed)))? {
                Found::Header(header) => Ok(header.opened),
                Found::Blank | Found::Newer(_) | Found::Garbage => {
                    let start = Place { offset: 0, position: first, previous: 0 };
                    Err(damaged(disk.path(), &name, start, "the header is not whole"))
                }
            }
        };
        let (mut low, mut high) = (0, segments.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if opened(segments[middle].first)? <= at { low = middle + 1 } else { high = middle }
        }
        Ok(low.checked_sub(1).map_or(self.bounds().0, |last| segments[last].first))
    }

    fn kept_within(&self, most: u64) -> (u64, Position) {
        let segments = self.shared.segments();
        let mut bytes = 0;
        let mut from = self.bounds().0;
        for (place, segment) in segments.iter().enumerate().rev() {
            bytes += segment.end;
            if bytes <= most || place + 1 == segments.len() {
                from = segment.first;
            }
        }
        (bytes, from)
    }

    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Frame>, JournalFailed> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut budget = max_bytes;
        let mut position = from;
        while frames.is_empty() || budget > 0 {
            let past = self.past_gap(position);
            if past != position && !frames.is_empty() {
                // One read never crosses a gap, so only its first frame can be later than requested.
                break;
            }
            position = past;
            let Some(stretch) = self.stretch(position)? else { break };
            self.collect(&stretch, position, &mut budget, &mut frames)?;
            let Some(last) = frames.last().filter(|last| last.position >= position) else {
                let place = Place { offset: stretch.end, position, ..stretch.from };
                let why = "the segment ends before a position that it should contain";
                return Err(damaged(self.shared.disk.path(), &name_of(stretch.first), place, why));
            };
            position = last.position.next();
        }
        Ok(frames)
    }

    fn closed_after(&self, position: Position) -> Closed {
        let visible = lock(&self.shared.visible);
        let last = match (&visible.live, visible.closed.is_empty()) {
            (Some(live), false) => visible.last_before(live.first),
            _ => Position(0),
        };
        // A file ends where the next one, or the gap between them, begins.
        let ends = visible.closed.iter().skip(1).map(|closed| visible.last_before(closed.first)).chain([last]);
        let after = visible.closed.iter().zip(ends).filter(|(_, end)| *end > position);
        Closed { last, bytes: after.map(|(closed, _)| closed.end).sum() }
    }

    fn last(&self) -> Position {
        lock(&self.shared.visible).last()
    }

    fn last_before_oldest(&self) -> Position {
        let visible = lock(&self.shared.visible);
        visible.last_before(visible.oldest)
    }

    fn past_gap(&self, position: Position) -> Position {
        let visible = lock(&self.shared.visible);
        let gap = visible.gaps.iter().find(|gap| gap.after < position && position < gap.first);
        gap.map_or(position, |gap| gap.first)
    }

    fn count_from(&self, position: Position) -> u64 {
        let visible = lock(&self.shared.visible);
        let lost = |gap: &Gap| gap.first.0.saturating_sub(position.max(gap.after.next()).0);
        visible.next.0.saturating_sub(position.0 + visible.gaps.iter().map(lost).sum::<u64>())
    }
}

impl Visible {
    /// The visible state after opening.
    pub(super) fn new(closed: Vec<PreviousSegment>, live: Option<Segment>, next: Position, gaps: Vec<Gap>) -> Self {
        let oldest = closed.first().map(|closed| closed.first).or(live.as_ref().map(|live| live.first));
        Self { oldest: oldest.unwrap_or(next), next, closed, live, gaps, confirmed: Position(0) }
    }

    /// The last position.
    fn last(&self) -> Position {
        self.last_before(self.next)
    }

    /// The last position before the segment that begins at `first`.
    fn last_before(&self, first: Position) -> Position {
        let gap = self.gaps.iter().find(|gap| gap.first == first);
        gap.map_or(Position(first.0 - 1), |gap| gap.after)
    }
}
