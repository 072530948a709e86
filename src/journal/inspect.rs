//! `offhook journal verify DIR` and `offhook journal inspect DIR`.
//!
//! Invariant: nothing here writes to the journal, takes its lock or shows the content of a body. Both commands work
//! while the gateway runs; they may then see frames that are not synced yet.

use super::disk::{Disk, DiskFile, ReadAt, RealDisk};
use super::examine::{Examined, State, examine};
use super::frame::{Body, ChainChecksum, View};
use super::recover::{Evidence, accept_loss_hint};
use super::segment::{Found, Header, Place, Step, Walk, Window, first_of, name_of};
use crate::model::Position;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The state of a whole journal: that of its worst segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Condition {
    /// Every frame is intact.
    Whole,
    /// The end is torn, in frames that were never acknowledged. The next start truncates it; no action is needed.
    Torn,
    /// Durable data is damaged: the gateway does not start, or stops when it reads the damage.
    Damaged,
}

impl Condition {
    /// The exit code of the command: 0 if no action is needed, otherwise 1.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Whole | Self::Torn => 0,
            Self::Damaged => 1,
        }
    }
}

/// Checks every frame and every body of the journal in `directory` (`data_dir` or `data_dir/journal`) and writes a line
/// for each segment to `out`, then a summary. `known` must be collected before this call, so that a running gateway's
/// journal cannot be behind it.
///
/// # Errors
/// If the directory or a file cannot be read, or `out` cannot be written. Damage is a `Condition`, not an error.
pub fn verify(directory: &Path, known: &Evidence, out: &mut dyn Write) -> io::Result<Condition> {
    let disk = RealDisk::at(&journal_in(directory));
    let segments = segments(&disk)?;
    let mut condition = Condition::Whole;
    let mut frames = 0;
    let mut before: Option<Ended> = None;
    let mut next = Position(1);
    for (index, first) in segments.iter().enumerate() {
        let Some((file, size)) = open(&disk, *first)? else { continue };
        let after = segments.get(index + 1).copied();
        let found = Header::read(&*file)?;
        let ended = match found {
            Found::Header(header) => {
                let followed_by = header_of(&disk, after)?;
                let size = followed_by.map_or(size, |next| size.min(next.previous_segment.end));
                // A following segment proves that all of this one was durable.
                let before_next = after.map_or(Position(0), |after| Position(after.0.saturating_sub(1)));
                let known_durable = followed_by.map_or(before_next, |next| next.last_before());
                let examined = examine_twice(&*file, size, &header, known_durable)?;
                let verdict = match order(before.as_ref(), *first, &header) {
                    Err(why) => Verdict::Damaged(header.start(), why),
                    Ok(()) => Verdict::of(examined.state),
                };
                let count = examined.end.position.0.saturating_sub(header.first.0);
                frames += count;
                report(out, *first, count, examined.erased, examined.end, &verdict)?;
                condition = condition.max(verdict.condition());
                next = examined.end.position;
                Some(Ended { first: *first, identity: header.identity, end: examined.end })
            }
            Found::Blank if after.is_none() => {
                writeln!(out, "{}: empty; the next start recreates it", name_of(*first))?;
                None
            }
            Found::Newer(version) => {
                writeln!(
                    out,
                    "{}: has format {version}, which this version of offhook does not support",
                    name_of(*first)
                )?;
                condition = Condition::Damaged;
                None
            }
            Found::Blank | Found::Garbage => {
                writeln!(out, "{}: damaged at byte 0: the header is not whole", name_of(*first))?;
                condition = Condition::Damaged;
                None
            }
        };
        before = ended;
    }
    if known.last >= next {
        writeln!(
            out,
            "DAMAGED at its end: {} reaches to position {}, and the journal to {}: at least {} frames are missing",
            known.by,
            known.last.0,
            next.0 - 1,
            known.last.0 - next.0 + 1
        )?;
        condition = Condition::Damaged;
    }
    conclude(out, &disk, segments.len(), frames, condition)?;
    Ok(condition)
}

/// The frames that `inspect` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The first position shown.
    pub from: Position,
    /// Maximum number of frames.
    pub limit: usize,
}

impl Default for Range {
    fn default() -> Self {
        Self { from: Position(1), limit: usize::MAX }
    }
}

/// Writes a line for each frame of the journal in `directory` (`data_dir` or `data_dir/journal`): position, the
/// position known durable when it was written, size of meta, size and state of each body, then the description of the
/// meta from `describe`.
///
/// # Errors
/// If the directory or a file cannot be read, or `out` cannot be written. Damage ends the segment's lines with a
/// remark.
pub fn inspect(
    directory: &Path,
    range: Range,
    describe: &dyn Fn(&[u8]) -> String,
    out: &mut dyn Write,
) -> io::Result<()> {
    let disk = RealDisk::at(&journal_in(directory));
    let segments = segments(&disk)?;
    let mut left = range.limit;
    for (index, first) in segments.iter().enumerate() {
        if left == 0 || segments.get(index + 1).is_some_and(|after| *after <= range.from) {
            continue;
        }
        let Some((file, size)) = open(&disk, *first)? else { continue };
        let Found::Header(header) = Header::read(&*file)? else {
            writeln!(out, "# {}: no header", name_of(*first))?;
            continue;
        };
        if let Some(after) = header.after {
            writeln!(out, "# positions {} to {} are lost; the loss was accepted", after.0 + 1, first.0 - 1)?;
        }
        writeln!(out, "# {}: opened {}", name_of(*first), header.opened)?;
        let mut walk = Walk::new(Window::new(&*file, size), ChainChecksum::of(&header.identity), header.start());
        while left > 0 {
            let place = walk.place;
            match walk.step()? {
                Step::Frame(_) if place.position < range.from => {}
                Step::Frame(view) => {
                    writeln!(out, "{}", line(view, describe))?;
                    left -= 1;
                }
                Step::End => break,
                Step::Bad(why) => {
                    writeln!(out, "# byte {}, position {}: {why}", place.offset, place.position.0)?;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// `directory/journal` if it exists, else `directory` itself.
fn journal_in(directory: &Path) -> PathBuf {
    let inner = directory.join("journal");
    if inner.is_dir() { inner } else { directory.to_owned() }
}

fn segments(disk: &RealDisk) -> io::Result<Vec<Position>> {
    let mut segments: Vec<Position> = disk.names()?.iter().filter_map(|name| first_of(name)).collect();
    segments.sort();
    Ok(segments)
}

type Opened = (Arc<dyn DiskFile>, u64);

/// Opens the segment at `first` and gets its size; `None` if retention has deleted it since it was listed.
fn open(disk: &RealDisk, first: Position) -> io::Result<Option<Opened>> {
    match disk.open(&name_of(first)) {
        Ok(file) => file.size().map(|size| Some((file, size))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn header_of(disk: &RealDisk, first: Option<Position>) -> io::Result<Option<Header>> {
    let Some(first) = first else { return Ok(None) };
    let Some((file, _)) = open(disk, first)? else { return Ok(None) };
    Ok(match Header::read(&*file)? {
        Found::Header(header) => Some(header),
        Found::Blank | Found::Newer(_) | Found::Garbage => None,
    })
}

/// Examines a segment that a running gateway may be writing. It is not read atomically, so its end may seem damaged
/// where reading raced with a write. Real damage is the same when examined again.
fn examine_twice(file: &dyn ReadAt, size: u64, header: &Header, known_durable: Position) -> io::Result<Examined> {
    const ATTEMPTS_MAX: usize = 8;
    let mut examined = examine(file, size, header, known_durable)?;
    for _ in 1..ATTEMPTS_MAX {
        if examined.state == State::Whole {
            return Ok(examined);
        }
        let before = (examined.state, examined.end);
        examined = examine(file, size, header, known_durable)?;
        if (examined.state, examined.end) == before {
            return Ok(examined);
        }
    }
    if examined.state != State::Whole {
        examined.state = State::Torn("it is being written");
    }
    Ok(examined)
}

/// The end of the previous segment.
struct Ended {
    first: Position,
    identity: [u8; 16],
    end: Place,
}

/// Checks that a segment matches its name and follows the previous one.
fn order(before: Option<&Ended>, first: Position, header: &Header) -> Result<(), String> {
    if header.first != first {
        return Err(format!("the file has been renamed from {}", name_of(header.first)));
    }
    let Some(before) = before else { return Ok(()) };
    if header.identity != before.identity {
        return Err("it belongs to another journal than the previous segment".to_owned());
    }
    if header.previous_segment.first != before.first {
        return Err(format!("the previous segment, {}, is missing", name_of(header.previous_segment.first)));
    }
    // A previous segment that ends too early has been reported as damaged itself.
    if before.end.position == header.first && before.end.previous != header.seed {
        return Err("it does not follow the last frame of the previous segment".to_owned());
    }
    Ok(())
}

enum Verdict {
    Whole,
    Torn(&'static str),
    Damaged(Place, String),
}

impl Verdict {
    fn of(state: State) -> Self {
        match state {
            State::Whole => Self::Whole,
            State::Torn(why) => Self::Torn(why),
            State::Damaged(place, why) => Self::Damaged(place, why.to_owned()),
        }
    }

    fn condition(&self) -> Condition {
        match self {
            Self::Whole => Condition::Whole,
            Self::Torn(_) => Condition::Torn,
            Self::Damaged(..) => Condition::Damaged,
        }
    }
}

fn report(
    out: &mut dyn Write,
    first: Position,
    frames: u64,
    erased: u64,
    end: Place,
    verdict: &Verdict,
) -> io::Result<()> {
    let last = end.position.0.saturating_sub(1);
    let positions = if frames == 0 { "no positions".to_owned() } else { format!("positions {}-{last}", first.0) };
    write!(out, "{}: {frames} frames, {positions}, {} bytes", name_of(first), end.offset)?;
    if erased > 0 {
        write!(out, ", {erased} bodies erased")?;
    }
    match verdict {
        Verdict::Whole => writeln!(out, ": whole"),
        Verdict::Torn(why) => writeln!(
            out,
            ": torn tail at byte {} ({why}), never acknowledged; the next start truncates it, or a running gateway is \
             writing it",
            end.offset
        ),
        Verdict::Damaged(place, why) => {
            writeln!(out, ": DAMAGED at byte {}, position {}: {why}", place.offset, place.position.0)
        }
    }
}

fn conclude(
    out: &mut dyn Write,
    disk: &RealDisk,
    segments: usize,
    frames: u64,
    condition: Condition,
) -> io::Result<()> {
    let directory = disk.path().display();
    match condition {
        _ if segments == 0 && condition != Condition::Damaged => writeln!(out, "{directory}: no segments"),
        Condition::Whole => writeln!(out, "{directory}: {segments} segments, {frames} frames, whole"),
        Condition::Torn => {
            writeln!(out, "{directory}: {segments} segments, {frames} frames, whole except for a torn tail")
        }
        Condition::Damaged => writeln!(
            out,
            "{directory}: damaged. Put good copies of the damaged files back; or, with the gateway stopped, {}",
            accept_loss_hint(disk.path())
        ),
    }
}

fn line(view: View<'_>, describe: &dyn Fn(&[u8]) -> String) -> String {
    let bodies: Vec<String> = view
        .bodies()
        .map(|(length, body)| match body {
            Body::Kept(_) => format!("{length} kept"),
            Body::Erased => format!("{length} erased"),
            Body::Damaged => format!("{length} damaged"),
        })
        .collect();
    format!(
        "{} synced {} meta {} bodies [{}] {}",
        view.head.position.0,
        view.head.synced.0,
        view.meta().len(),
        bodies.join(", "),
        describe(view.meta())
    )
}

#[cfg(test)]
mod tests;
