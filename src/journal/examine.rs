//! Determines the state of a segment: whole, torn at its end, or damaged in the middle.
//!
//! Invariant: data that a later frame records as durable is never called torn. A torn end was never acknowledged and
//! may be truncated; damage to acknowledged data must be reported to the operator.

use super::disk::ReadAt;
use super::frame::{Body, ChainChecksum, HEAD, Head, View, all_zero};
use super::segment::{FrameOffsets, Header, Place, Step, WINDOW_BYTES, Walk, Window, zeros_from};
use crate::model::Position;
use std::io;

/// The result of examining a segment.
pub(super) struct Examined {
    pub(super) state: State,
    /// The end of the last frame to keep.
    pub(super) end: Place,
    /// The last position known durable, from a frame or from the caller. Later frames are intact in the page cache, but
    /// may not be on the disk.
    pub(super) durable: Position,
    pub(super) marks: FrameOffsets,
    /// Number of erased bodies.
    pub(super) erased: u64,
}

/// The verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Frames, then nothing.
    Whole,
    /// Data at the end that was never known durable is incomplete; it can be truncated.
    Torn(&'static str),
    /// Data that had been durable is no longer intact.
    Damaged(Place, &'static str),
}

/// Examines the first `size` bytes of `file`. `known_durable` is the last position known durable from elsewhere: a
/// following segment exists only if all of this one was durable.
pub(super) fn examine(file: &dyn ReadAt, size: u64, header: &Header, known_durable: Position) -> io::Result<Examined> {
    let seal = ChainChecksum::of(&header.identity);
    let mut walk = Walk::new(Window::new(file, size), seal, header.start());
    let mut durable = known_durable;
    let mut marks = FrameOffsets::default();
    let mut erased = 0;
    let mut damaged_body = None;
    let stopped = loop {
        let place = walk.place;
        match walk.step()? {
            Step::Frame(view) => {
                marks.pass(place);
                durable = durable.max(view.head.synced);
                for (_, body) in view.bodies() {
                    match body {
                        Body::Kept(_) => {}
                        Body::Erased => erased += 1,
                        Body::Damaged => damaged_body = damaged_body.or(Some(place)),
                    }
                }
            }
            Step::End => break None,
            Step::Bad(why) => break Some(why),
        }
    };
    let mut end = walk.place;
    let mut window = walk.into_window();

    let mut state = match stopped {
        None if zeros_from(&mut window, end.offset)? => State::Whole,
        None => State::Torn("there are zeros instead of a frame, and data after them"),
        Some(why) => State::Torn(why),
    };
    if state != State::Whole && durable < end.position {
        durable = durable.max(claim_after(&mut window, end, seal)?.unwrap_or_default());
    }
    if durable >= end.position {
        let why = match state {
            State::Torn(why) => why,
            State::Whole | State::Damaged(..) => "the frames end too early",
        };
        state = State::Damaged(end, why);
    }
    if let Some(place) = damaged_body.filter(|place| place.position <= durable) {
        state = State::Damaged(place, "a body matches neither its checksum nor an erasure");
    }
    if !matches!(state, State::Damaged(..))
        && let Some(torn) = first_torn_body(window, &marks, durable, end, seal)?
    {
        state = State::Torn("a body was not written completely");
        end = torn;
        marks.cut(torn.position);
    }
    Ok(Examined { state, end, durable, marks, erased })
}

impl Examined {
    /// The offset from which bytes may be in the page cache only: the start of a frame not known durable, or earlier.
    pub(super) fn doubtful_from(&self) -> u64 {
        self.marks.before(self.durable.next()).map_or(self.end.offset, |place| place.offset.min(self.end.offset))
    }
}

/// Finds the first intact frame after `bad` that records the frame at `bad` as durable, and returns the durable
/// position it contains; `None` without one.
fn claim_after(window: &mut Window<'_>, bad: Place, seal: ChainChecksum) -> io::Result<Option<Position>> {
    let claims = |head: &Head| head.synced >= bad.position;
    Ok(next_frame(window, bad.offset + 1, seal, claims)?.map(|(_, head)| head.synced))
}

/// Finds the first intact frame from `offset` on whose head is `wanted`, and returns its offset and head.
///
/// Frame boundaries are lost here, so a frame may begin at any byte; the four-byte mark rules out almost all of them.
pub(super) fn next_frame(
    window: &mut Window<'_>,
    mut offset: u64,
    seal: ChainChecksum,
    wanted: impl Fn(&Head) -> bool,
) -> io::Result<Option<(u64, Head)>> {
    loop {
        let bytes = window.at(offset, WINDOW_BYTES)?;
        if bytes.len() < HEAD {
            return Ok(None);
        }
        // Skip zeros quickly: after the end of an open segment there are tens of megabytes of them.
        if all_zero(bytes) {
            offset += (bytes.len() - HEAD + 1) as u64;
            continue;
        }
        let candidate = bytes
            .windows(HEAD)
            .enumerate()
            .find_map(|(at, bytes)| Head::read(bytes, seal).filter(&wanted).map(|head| (at, head)));
        let Some((at, head)) = candidate else {
            offset += (bytes.len() - HEAD + 1) as u64;
            continue;
        };
        offset += at as u64;
        if View::read(window.at(offset, head.length)?, head, seal).is_some() {
            return Ok(Some((offset, head)));
        }
        offset += 1;
    }
}

/// The first frame not known durable with an incomplete body. Zeros are not an erasure here: only durable frames are
/// ever erased, and zeros are the preallocated content of the file.
fn first_torn_body(
    window: Window<'_>,
    marks: &FrameOffsets,
    durable: Position,
    end: Place,
    seal: ChainChecksum,
) -> io::Result<Option<Place>> {
    let Some(start) = marks.before(durable.next()) else { return Ok(None) };
    let mut walk = Walk::new(window, seal, start);
    while walk.place.position < end.position {
        let place = walk.place;
        let Step::Frame(view) = walk.step()? else { return Ok(Some(place)) };
        let torn = view.bodies().any(|(_, body)| !matches!(body, Body::Kept(_)));
        if place.position > durable && torn {
            return Ok(Some(place));
        }
    }
    Ok(None)
}
