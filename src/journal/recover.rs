//! Recovery of the journal's files at start.
//!
//! Invariant: recovery either returns every frame that was ever synced, or fails with a message that says what to do;
//! and everything it returns is durable, so a later start returns it again.

use super::disk::{Disk, DiskFile};
use super::erase;
use super::examine::{State, examine};
use super::reader::Gap;
use super::segment::{Found, FrameOffsets, Header, Place, PreviousSegment, first_of, name_of};
use super::{JournalFailed, frame::ChainChecksum};
use crate::model::Position;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

/// The suffix of a file that is being created.
pub(super) const TEMPORARY_SUFFIX: &str = ".new";

/// A torn end that was truncated at start. Its frames were never acknowledged.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The segment.
    pub file: PathBuf,
    /// Its size now, in bytes.
    pub offset: u64,
    /// The position of the next frame.
    pub position: Position,
}

/// What the index or a snapshot knows of a journal. They only contain synced frames, so a journal that ends before that
/// position has lost frames.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The identity of the journal.
    pub identity: Option<[u8; 16]>,
    /// The last known position; `Position(0)` for none.
    pub last: Position,
    /// The source, for messages, as in "the index".
    pub by: String,
}

impl Evidence {
    /// Checks that the journal, whose next position is `next`, contains all known frames.
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
             and they had been acknowledged. Put a good copy of the last segments back; or {}",
            accept_loss_hint(disk.path()),
            by = self.by,
            last = self.last.0,
            missing = self.last.0 - next.0 + 1,
        )))
    }
}

/// A recovered journal.
pub(super) struct Recovered {
    pub(super) identity: [u8; 16],
    /// The segments before the last, oldest first.
    pub(super) closed: Vec<PreviousSegment>,
    pub(super) last: Option<Last>,
    /// Gaps of positions whose loss was accepted.
    pub(super) gaps: Vec<Gap>,
    /// The place of the next frame; its offset is meaningful in `last` only.
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

/// Recovers the journal in the directory. A new journal gets the identity `fresh`.
pub(super) fn recover(disk: &dyn Disk, fresh: [u8; 16], known: &Evidence) -> Result<Recovered, JournalFailed> {
    erase::finish(disk, &RwLock::default())?;
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

    // The newest segment has no frame, because the process died after creating it. The next append recreates it. The
    // one before was closed before this one was created, so all of it was durable.
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
        let why = "the next segment begins at another position";
        return Err(damaged(disk.path(), &name_of(last.first), recovered.next, why));
    }
    disk.remove(&name).and_then(|()| disk.sync_directory()).map_err(failed(disk, &name))?;
    Ok(Recovered { closed, gaps, ..recovered })
}

/// A journal without frames.
fn begin(identity: [u8; 16], position: Position) -> Recovered {
    let next = Place { offset: 0, position, previous: ChainChecksum::of(&identity).key };
    Recovered { identity, closed: Vec::new(), last: None, gaps: Vec::new(), next, cut: None }
}

/// A segment file and its header.
struct Listed {
    first: Position,
    size: u64,
    found: Found,
}

/// Lists the segments in the directory, oldest first. An unfinished one is removed; it contains no frames.
fn list(disk: &dyn Disk) -> Result<Vec<Listed>, JournalFailed> {
    let mut segments = Vec::new();
    for name in disk.names().map_err(failed(disk, ""))? {
        if name.strip_suffix(TEMPORARY_SUFFIX).and_then(first_of).is_some() {
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

/// The identity of the journal on `disk`, from its oldest intact header.
pub(super) fn identity_on(disk: &dyn Disk) -> Result<Option<[u8; 16]>, JournalFailed> {
    let mut names = disk.names().map_err(failed(disk, ""))?;
    names.retain(|name| first_of(name).is_some());
    names.sort();
    for name in names {
        let file = match disk.open(&name) {
            // A running gateway's retention has deleted it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed(disk, &name))?,
        };
        if let Found::Header(header) = Header::read(&*file).map_err(failed(disk, &name))? {
            return Ok(Some(header.identity));
        }
    }
    Ok(None)
}

/// Checks that `segments` form a chain. Returns all but the last, and all gaps before segments.
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
                "this segment belongs to another journal than the previous one",
            ));
        }
        if after.previous_segment.first != before.first {
            let missing = name_of(after.previous_segment.first);
            let why = format!("the previous segment, {missing}, is missing");
            return Err(damaged(disk.path(), &name, after.start(), &why));
        }
        if pair[0].size < after.previous_segment.end {
            let place = Place { offset: pair[0].size, ..before.start() };
            return Err(damaged(disk.path(), &name_of(before.first), place, "the file has been cut short"));
        }
        closed.push(after.previous_segment);
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
            "{} has format {version}, which this version of offhook does not support: start the version that wrote it",
            disk.path().join(&name).display()
        ))),
        Found::Blank | Found::Garbage => Err(damaged(disk.path(), &name, at, "the header is not whole")),
    }
}

/// Settles the end of the last segment: truncates a torn end, and makes the rest durable before it can be read.
fn settle(
    disk: &dyn Disk,
    header: Header,
    known_durable: Position,
    known: &Evidence,
) -> Result<Recovered, JournalFailed> {
    let name = name_of(header.first);
    let settle = || -> io::Result<Result<Recovered, JournalFailed>> {
        let file = disk.open_to_write(&name)?;
        let size = file.size()?;
        let examined = examine(&*file, size, &header, known_durable)?;
        let end = examined.end;
        let cut = match examined.state {
            State::Whole => None,
            State::Torn(_) => Some(Cut { file: disk.path().join(&name), offset: end.offset, position: end.position }),
            State::Damaged(place, why) => return Ok(Err(damaged(disk.path(), &name, place, why))),
        };
        if let Err(missing) = known.check(disk, Some(&name), end.position) {
            // Only the evidence shows that frames are missing; the segment itself does not.
            return Ok(Err(missing));
        }
        if cut.is_some() {
            // This also removes the reserved space, so the next append creates another segment.
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

/// Rewrites existing bytes. After a failed fsync, Linux keeps the written pages in memory and marks them clean: another
/// fsync alone would write nothing and report success.
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

/// Builds the error for a disk failure at the file `name`.
pub(super) fn failed(disk: &dyn Disk, name: &str) -> impl Fn(io::Error) -> JournalFailed {
    let path = disk.path().join(name);
    move |error| JournalFailed::Disk(format!("{}: {error}", path.display()))
}

/// Builds the error for damage, with the possible remedies.
pub(super) fn damaged(directory: &Path, name: &str, place: Place, why: &str) -> JournalFailed {
    JournalFailed::Damaged(format!(
        "{file} is damaged at byte {offset}, position {position}: {why}. Acknowledged data would be lost, so the \
         gateway does not continue. Run `offhook journal verify {directory}` to see the extent of the damage; \
         then put a good copy of the file back, or {accept_loss_hint}",
        file = directory.join(name).display(),
        offset = place.offset,
        position = place.position.0,
        directory = directory.display(),
        accept_loss_hint = accept_loss_hint(directory),
    ))
}

/// The hint how to continue without the lost frames. `directory` is the journal's, inside the data directory.
pub(super) fn accept_loss_hint(directory: &Path) -> String {
    let data_dir = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(directory);
    format!(
        "accept the loss of only the affected frames with `offhook journal accept-loss {}`, which notifies the platform",
        data_dir.display()
    )
}
