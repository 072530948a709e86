//! What state a segment is in: whole, torn at its end, or damaged in the middle.
//!
//! Invariant: what a frame further on says had been durable is never called torn. A torn end was never acknowledged and
//! may be cut; a hole in what was acknowledged is for a person to see.

use super::disk::ReadAt;
use super::frame::{Body, ChainChecksum, HEAD, Head, View, all_zero};
use super::segment::{FrameOffsets, Header, Place, Step, WINDOW_BYTES, Walk, Window, zeros_from};
use crate::model::Position;
use std::io;

/// A segment, examined.
pub(super) struct Examined {
    pub(super) state: State,
    /// Behind the last frame to be kept.
    pub(super) end: Place,
    /// The last position of which a frame, or the caller, says that it was durable. The frames after it are whole as
    /// the system shows them now; whether they are on the disk nobody knows.
    pub(super) durable: Position,
    pub(super) marks: FrameOffsets,
    /// Bodies found erased.
    pub(super) erased: u64,
}

/// The verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Frames, then nothing.
    Whole,
    /// Something that was never known durable is not whole: at the end, and for the cutting.
    Torn(&'static str),
    /// Something that had been durable is not whole any more.
    Damaged(Place, &'static str),
}

/// Examines the first `size` bytes of `file`. `synced_len` is the last position known durable from elsewhere: the segment
/// after this one exists only because all of this one was.
pub(super) fn examine(file: &dyn ReadAt, size: u64, header: &Header, synced_len: Position) -> io::Result<Examined> {
    let seal = ChainChecksum::of(&header.identity);
    let mut walk = Walk::new(Window::new(file, size), seal, header.start());
    let mut durable = synced_len;
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
        None => State::Torn("zeros stand where a frame should, and something is behind them"),
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
        state = State::Damaged(place, "a body is neither what was written nor erased");
    }
    if !matches!(state, State::Damaged(..))
        && let Some(torn) = first_torn_body(window, &marks, durable, end, seal)?
    {
        state = State::Torn("a body was not written to its end");
        end = torn;
        marks.cut(torn.position);
    }
    Ok(Examined { state, end, durable, marks, erased })
}

impl Examined {
    /// From where on the bytes may be in memory only: the beginning of a frame not known durable, or one before it.
    pub(super) fn doubtful_from(&self) -> u64 {
        self.marks.before(self.durable.next()).map_or(self.end.offset, |place| place.offset.min(self.end.offset))
    }
}

/// What the first whole frame behind `bad` that knows of a durable frame at `bad` says; `None` where there is none.
///
/// The walk has lost its step, so every byte may begin a frame. Few do: four bytes of the identity stand there.
fn claim_after(window: &mut Window<'_>, bad: Place, seal: ChainChecksum) -> io::Result<Option<Position>> {
    let mut offset = bad.offset + 1;
    loop {
        let bytes = window.at(offset, WINDOW_BYTES)?;
        if bytes.len() < HEAD {
            return Ok(None);
        }
        // Zeros are no head. Behind the end of a segment that was being written stand tens of megabytes of them.
        if all_zero(bytes) {
            offset += (bytes.len() - HEAD + 1) as u64;
            continue;
        }
        let claims = |head: &Head| head.synced >= bad.position;
        let candidate = bytes
            .windows(HEAD)
            .enumerate()
            .find_map(|(at, bytes)| Head::read(bytes, seal).filter(claims).map(|head| (at, head)));
        let Some((at, head)) = candidate else {
            offset += (bytes.len() - HEAD + 1) as u64;
            continue;
        };
        offset += at as u64;
        if View::read(window.at(offset, head.length)?, head, seal).is_some() {
            return Ok(Some(head.synced));
        }
        offset += 1;
    }
}

/// The first frame, of those not known durable, with a body that is not there. Zeros are no erasure here: only what is
/// known durable is ever erased, and zeros are what stood in the file before.
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
