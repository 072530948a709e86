//! What a journal does with the files it finds at start.
//!
//! Invariant: it hands out either every frame that was ever synced, or a refusal that says what to do; and what it hands
//! out is on the disk, so that it stays handed out.

use super::disk::{Disk, DiskFile};
use super::erase;
use super::examine::{State, examine};
use super::reader::Gap;
use super::segment::{Found, FrameOffsets, Header, Place, PreviousSegment, first_of, name_of};
use super::{JournalFailed, frame::ChainChecksum};
use crate::model::Position;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the name of a segment ends in while it is being made.
pub(super) const MAKING: &str = ".new";

/// What was cut off the end at start: bytes of frames that nobody was told are kept.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The segment.
    pub file: PathBuf,
    /// Its size now, in bytes.
    pub offset: u64,
    /// The position that begins anew.
    pub position: Position,
}

/// What others, who only ever learn of frames that are synced, know of a journal: a journal that ends before that has lost
/// frames.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The journal they know.
    pub identity: Option<[u8; 16]>,
    /// The last position they know of; `Position(0)` for none.
    pub last: Position,
    /// Who knows it, as in "the index".
    pub by: String,
}

impl Evidence {
    /// That the journal, whose next position is `next`, holds all of it.
    fn check(&self, disk: &dyn Disk, segment: Option<&str>, next: Position) -> Result<(), JournalFailed> {
        if self.last < next {
            return Ok(());
        }
        let directory = disk.path().display();
        let ends = match segment {
            Some(name) => format!("ends in {name} before position {}", next.0),
            None => "has no segment left".to_owned(),
        };
        Err(JournalFailed::Damaged(format!(
            "the journal in {directory} {ends}, but {by} reaches to position {last}: at least {missing} frames are missing, \
             and what was in them had been acknowledged. Put a good copy of the last segments back; or {}",
            way_out(disk.path()),
            by = self.by,
            last = self.last.0,
            missing = self.last.0 - next.0 + 1,
        )))
    }
}

/// A journal as found.
pub(super) struct Recovered {
    pub(super) identity: [u8; 16],
    /// The segments before the last, oldest first.
    pub(super) closed: Vec<PreviousSegment>,
    pub(super) last: Option<Last>,
    /// Positions that were lost and given up.
    pub(super) gaps: Vec<Gap>,
    /// Where the next frame belongs; its offset counts in `last` only.
    pub(super) next: Place,
    pub(super) cut: Option<Cut>,
}

/// The last segment, with at least one frame.
pub(super) struct Last {
    pub(super) header: Header,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) size: u64,
    pub(super) marks: FrameOffsets,
}

/// Brings the directory into order and says what is in it. A journal that begins now is `fresh`.
pub(super) fn recover(disk: &dyn Disk, fresh: [u8; 16], known: &Evidence) -> Result<Recovered, JournalFailed> {
    erase::finish(disk)?;
    let mut segments = list(disk)?;
    let Some(newest) = segments.last() else {
        known.check(disk, None, Position(1))?;
        return Ok(begin(fresh, Position(1)));
    };
    let first = newest.first;
    let name = name_of(first);
    let blank = matches!(newest.found, Found::Blank);
    if blank && segments.len() == 1 {
        known.check(disk, Some(&name), first)?;
        return Ok(begin(fresh, first));
    }
    if !blank {
        let (closed, gaps) = check_order(disk, &segments)?;
        let header = header_of(disk, newest)?;
        let recovered = settle(disk, header, Position(0), known)?;
        let empty = recovered.next.position == first;
        if !empty || segments.len() == 1 {
            let last = recovered.last.filter(|_| !empty);
            return Ok(Recovered { closed, last, gaps, ..recovered });
        }
    }

    // The newest was begun, and the process died before a frame was in it. The next append makes it again. The one
    // before was closed before this one was made, so all of it had been durable.
    let before = match newest.found {
        Found::Header(header) => header.last_before(),
        _ => Position(first.0 - 1),
    };
    if known.last > before {
        known.check(disk, Some(&name), before.next())?;
    }
    segments.pop();
    let (closed, gaps) = check_order(disk, &segments)?;
    let last = segments.last().expect("a single segment has been dealt with above");
    let recovered = settle(disk, header_of(disk, last)?, before, known)?;
    if recovered.next.position != before.next() {
        let why = "the segment after it began at another position";
        return Err(damaged(disk.path(), &name_of(last.first), recovered.next, why));
    }
    disk.remove(&name).and_then(|()| disk.sync_directory()).map_err(failed(disk, &name))?;
    Ok(Recovered { closed, gaps, ..recovered })
}

/// A journal without a frame.
fn begin(identity: [u8; 16], position: Position) -> Recovered {
    let next = Place { offset: 0, position, previous: ChainChecksum::of(&identity).key };
    Recovered { identity, closed: Vec::new(), last: None, gaps: Vec::new(), next, cut: None }
}

/// A segment's file and what it begins with.
struct Listed {
    first: Position,
    size: u64,
    found: Found,
}

/// The segments in the directory, oldest first. One that was being made is removed: nothing is in it.
fn list(disk: &dyn Disk) -> Result<Vec<Listed>, JournalFailed> {
    let mut segments = Vec::new();
    for name in disk.names().map_err(failed(disk, ""))? {
        if name.strip_suffix(MAKING).and_then(first_of).is_some() {
            disk.remove(&name).map_err(failed(disk, &name))?;
        } else if let Some(first) = first_of(&name) {
            let file = disk.open(&name).map_err(failed(disk, &name))?;
            let size = file.size().map_err(failed(disk, &name))?;
            let found = Header::read(&*file).map_err(failed(disk, &name))?;
            segments.push(Listed { first, size, found });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// The identity of the journal on `disk`, as its oldest whole header says.
pub(super) fn identity_on(disk: &dyn Disk) -> Result<Option<[u8; 16]>, JournalFailed> {
    let mut names = disk.names().map_err(failed(disk, ""))?;
    names.retain(|name| first_of(name).is_some());
    names.sort();
    for name in names {
        let file = match disk.open(&name) {
            // Retention of a running gateway dropped it since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed(disk, &name))?,
        };
        if let Found::Header(header) = Header::read(&*file).map_err(failed(disk, &name))? {
            return Ok(Some(header.identity));
        }
    }
    Ok(None)
}

/// Checks that `segments` follow one another. Returns all but the last, and the gaps before any of them.
fn check_order(disk: &dyn Disk, segments: &[Listed]) -> Result<(Vec<PreviousSegment>, Vec<Gap>), JournalFailed> {
    let mut closed = Vec::with_capacity(segments.len());
    let headers = segments.iter().filter_map(|segment| match segment.found {
        Found::Header(header) => Some(header),
        Found::Blank | Found::Newer(_) | Found::Garbage => None,
    });
    let gaps = headers.filter_map(|header| Some(Gap { after: header.after?, first: header.first })).collect();
    for pair in segments.windows(2) {
        let [before, after] = [header_of(disk, &pair[0])?, header_of(disk, &pair[1])?];
        let name = name_of(after.first);
        if before.identity != after.identity {
            return Err(damaged(
                disk.path(),
                &name,
                after.start(),
                "this segment is of another journal than the one before",
            ));
        }
        if after.behind.first != before.first {
            let missing = name_of(after.behind.first);
            let why = format!("the segment before it, {missing}, is missing");
            return Err(damaged(disk.path(), &name, after.start(), &why));
        }
        if pair[0].size < after.behind.end {
            let place = Place { offset: pair[0].size, ..before.start() };
            return Err(damaged(disk.path(), &name_of(before.first), place, "the file has been cut short"));
        }
        closed.push(after.behind);
    }
    Ok((closed, gaps))
}

fn header_of(disk: &dyn Disk, listed: &Listed) -> Result<Header, JournalFailed> {
    let name = name_of(listed.first);
    let at = Place { offset: 0, position: listed.first, previous: 0 };
    match listed.found {
        Found::Header(header) if header.first == listed.first => Ok(header),
        Found::Header(_) => Err(damaged(disk.path(), &name, at, "the file has been renamed")),
        Found::Newer(version) => Err(JournalFailed::Damaged(format!(
            "{} is of format {version}, which this version of offhook does not know: start the one that wrote it",
            disk.path().join(&name).display()
        ))),
        Found::Blank | Found::Garbage => Err(damaged(disk.path(), &name, at, "the header is not whole")),
    }
}

/// Makes the end of the last segment firm: cuts what is torn, and brings the rest to the disk before anyone reads it.
fn settle(disk: &dyn Disk, header: Header, synced_len: Position, known: &Evidence) -> Result<Recovered, JournalFailed> {
    let name = name_of(header.first);
    let settle = || -> io::Result<Result<Recovered, JournalFailed>> {
        let file = disk.open_to_write(&name)?;
        let size = file.size()?;
        let examined = examine(&*file, size, &header, synced_len)?;
        let end = examined.end;
        let cut = match examined.state {
            State::Whole => None,
            State::Torn(_) => Some(Cut { file: disk.path().join(&name), offset: end.offset, position: end.position }),
            State::Damaged(place, why) => return Ok(Err(damaged(disk.path(), &name, place, why))),
        };
        if let Err(missing) = known.check(disk, Some(&name), end.position) {
            // No frame of the segment says that there was more: others do.
            return Ok(Err(missing));
        }
        if cut.is_some() {
            // What was reserved goes with it: the next append begins another segment.
            file.set_size(end.offset)?;
        }
        rewrite(&*file, examined.doubtful_from(), end.offset)?;
        file.sync_all()?;
        disk.sync_directory()?;
        let size = if cut.is_some() { end.offset } else { size };
        let last = Last { header, file, size, marks: examined.marks };
        let (closed, gaps) = Default::default();
        Ok(Ok(Recovered { identity: header.identity, closed, last: Some(last), gaps, next: end, cut }))
    };
    settle().map_err(failed(disk, &name))?
}

/// Writes the bytes that are there once more. After a sync that failed, Linux keeps what was written in memory and
/// takes it for clean: another sync alone would bring nothing to the disk and say that all is well.
fn rewrite(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    const CHUNK: u64 = 256 * 1024;
    let mut bytes = Vec::new();
    let mut offset = from;
    while offset < to {
        bytes.resize((to - offset).min(CHUNK) as usize, 0);
        match file.read_at(&mut bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                file.write_all_at(&bytes[..count], offset)?;
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// The disk failed at the file `name`.
pub(super) fn failed(disk: &dyn Disk, name: &str) -> impl Fn(io::Error) -> JournalFailed {
    let path = disk.path().join(name);
    move |error| JournalFailed::Disk(format!("{}: {error}", path.display()))
}

/// A refusal to go on, with the way out.
pub(super) fn damaged(directory: &Path, name: &str, place: Place, why: &str) -> JournalFailed {
    JournalFailed::Damaged(format!(
        "{file} is damaged at byte {offset}, position {position}: {why}. What was acknowledged would be missing, so the \
         gateway does not go on over it. Run `offhook journal verify {directory}` to see how far the damage reaches; \
         then put a good copy of the file back, or {way_out}",
        file = directory.join(name).display(),
        offset = place.offset,
        position = place.position.0,
        directory = directory.display(),
        way_out = way_out(directory),
    ))
}

/// How to go on without what is lost. `directory` is the journal's, in the data directory.
pub(super) fn way_out(directory: &Path) -> String {
    let data_dir = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(directory);
    format!(
        "give up only what is lost with `offhook journal accept-loss {}`, which tells the platform",
        data_dir.display()
    )
}
