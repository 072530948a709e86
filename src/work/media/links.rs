//! Links to media: paths that anyone who has one may read, for a while.
//!
//! Invariant: a link works until its time and no longer, across restarts and changes of the key. The key that signs is
//! replaced once it is a day old, and the one before it is kept as long as a link of it may last. A key is only used
//! once it is durable.

mod keys;
#[cfg(test)]
mod tests;

use crate::model::{MediaId, Timestamp};
use arc_swap::ArcSwap;
use keys::{Key, Keys};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a link may last.
pub const LINK_MAX: Duration = Duration::from_secs(60 * 60);

/// The file of the keys in the data directory.
const FILE: &str = "media-link-keys";

/// Makes and checks links. Clones share the keys.
#[derive(Clone)]
pub struct MediaLinks(Arc<Shared>);

struct Shared {
    file: PathBuf,
    keys: ArcSwap<Keys>,
    /// Held while the keys are replaced.
    replacing: Mutex<()>,
}

/// What makes a path a link, as it stands in the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// When it ends, in milliseconds since 1970.
    pub expires: String,
    /// The signature over the medium and `expires`.
    pub signature: String,
}

/// Why a link does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkRefused {
    /// Its time is over.
    Over,
    /// It was not made here, or not for this medium and this time.
    Forged,
}

/// The keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the keys of links to media, {}, cannot be used: {error}", .file.display())]
pub struct LinksFailed {
    /// Their file.
    pub file: PathBuf,
    /// The system's error.
    pub error: io::Error,
}

impl MediaLinks {
    /// Reads the keys in `data_dir`; the first start makes one. A file that has none is replaced, which ends the links of
    /// an hour at most.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(data_dir: &Path, now: Timestamp) -> Result<Self, LinksFailed> {
        let file = data_dir.join(FILE);
        let keys = open(&file, now).map_err(|error| LinksFailed { file: file.clone(), error })?;
        Ok(Self(Arc::new(Shared { file, keys: ArcSwap::from_pointee(keys), replacing: Mutex::new(()) })))
    }

    /// Makes a link that ends at `expires`, at most [`LINK_MAX`] from `now`. Blocks when the key is due to be replaced.
    pub fn sign(&self, medium: MediaId, expires: Timestamp, now: Timestamp) -> Link {
        if self.0.keys.load().are_due(now) {
            self.replace(now);
        }
        self.0.keys.load().sign(medium, expires.min(now + LINK_MAX))
    }

    /// Whether a link works now.
    ///
    /// # Errors
    /// If it does not.
    pub fn check(&self, medium: MediaId, link: &Link, now: Timestamp) -> Result<(), LinkRefused> {
        self.0.keys.load().check(medium, link, now)
    }

    /// Replaces the keys. If that fails, those that are there serve on, and the next link tries again.
    fn replace(&self, now: Timestamp) {
        let _one_at_a_time = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.0.keys.load_full();
        if !keys.are_due(now) {
            return;
        }
        let replaced = random(now).map(|new| keys.replaced(new, now));
        match replaced.and_then(|keys| write(&self.0.file, &keys).map(|()| keys)) {
            Ok(keys) => self.0.keys.store(Arc::new(keys)),
            Err(error) => tracing::warn!(file = %self.0.file.display(), %error, "the key of links is not replaced"),
        }
    }
}

fn open(file: &Path, now: Timestamp) -> io::Result<Keys> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            if let Some(keys) = Keys::read(&text) {
                return Ok(keys);
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return create(file, now),
        Err(error) if error.kind() != ErrorKind::InvalidData => return Err(error),
        Err(_not_text) => {}
    }
    tracing::warn!(file = %file.display(), "the file has no keys: links made before do not work any more");
    create(file, now)
}

fn create(file: &Path, now: Timestamp) -> io::Result<Keys> {
    let keys = Keys::of(random(now)?);
    write(file, &keys)?;
    Ok(keys)
}

fn random(now: Timestamp) -> io::Result<Key> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    Ok(Key::new(now, key))
}

/// Writes the keys aside, and moves them to their place once they are durable.
fn write(file: &Path, keys: &Keys) -> io::Result<()> {
    let aside = file.with_extension("new");
    let mut writing = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    writing.write_all(keys.render().as_bytes())?;
    writing.sync_all()?;
    std::fs::rename(&aside, file)?;
    match file.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
