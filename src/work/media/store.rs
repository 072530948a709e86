//! The media store: bytes by day and SHA-256, in a folder or in a bucket.
//!
//! Invariant: a medium that [`Incoming::finish`] returned is durable and whole, under `<day>/<sha256 in hex>`. What is
//! there by that name has these bytes; a second medium with the same bytes is not written again. No medium is ever
//! whole in memory: each is written aside on a local disk first, at most [`WAITING_MAX`] bytes of it wait in memory, and
//! it is read in pieces of [`PIECE_MAX`].
//!
//! Who deletes a medium makes sure that nobody finishes one with the same bytes of that day meanwhile.

mod aside;
#[cfg(feature = "cloud")]
mod bucket;
mod failed;
mod folder;
mod incoming;
mod place;
#[cfg(feature = "test-support")]
pub mod suite;
#[cfg(test)]
mod tests;

pub use failed::StoreFailed;
pub use incoming::{FIRST_BYTES_MAX, Incoming, Stored, WAITING_MAX};
pub use place::{Access, Bucket, BucketKind, MediaConfig, Place};

use crate::model::Day;
use aside::Aside;
use bytes::Bytes;
use folder::Folder;
use futures_util::Stream;
use std::fmt::Write as _;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

/// The SHA-256 of a medium.
pub type Sha256 = [u8; 32];

/// Maximum bytes of one piece when a medium is read from a folder.
pub const PIECE_MAX: usize = 64 * 1024;

/// The bytes of a medium, in order.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, StoreFailed>> + Send>>;

/// The media of a day, in no order.
pub type Digests = Pin<Box<dyn Stream<Item = Result<Sha256, StoreFailed>> + Send>>;

/// A medium that is being read.
pub struct Reading {
    /// Bytes of the whole medium.
    pub size: u64,
    /// The range that `pieces` has: the one that was asked for, as far as there is such a part.
    pub range: Range<u64>,
    /// The bytes of that range.
    pub pieces: Pieces,
}

/// Where media are kept. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Kept>);

enum Kept {
    Folder(Folder),
    #[cfg(feature = "cloud")]
    Bucket(Box<bucket::BucketStore>),
}

impl Store {
    /// Opens the store; a missing folder is created. A bucket is not contacted: [`Store::probe`] does that.
    pub fn open(config: &MediaConfig) -> Result<Self, StoreFailed> {
        let kept = match &config.place {
            Place::Folder(path) => Kept::Folder(Folder::open(path)?),
            Place::Bucket { bucket, aside } => Kept::bucket(bucket, aside)?,
        };
        Ok(Self(Arc::new(kept)))
    }

    /// The store in a folder that could not be created. It works once an operator has created it.
    pub fn awaiting(folder: &std::path::Path) -> Self {
        Self(Arc::new(Kept::Folder(Folder::at(folder))))
    }

    /// A store in memory, but for what is written aside, with object_store's own rules.
    #[cfg(all(test, feature = "cloud"))]
    fn in_memory(aside: &std::path::Path) -> Result<Self, StoreFailed> {
        Ok(Self(Arc::new(Kept::Bucket(bucket::BucketStore::in_memory(aside)?.into()))))
    }

    /// A new medium of `day`. Nothing is written before its first bytes.
    pub fn writer(&self, day: Day) -> Incoming {
        Incoming::new(self.clone(), day)
    }

    /// Opens a medium for reading, whole or a range of it; `None` if it is not there. A range beyond the end
    /// is cut there.
    pub async fn read(
        &self,
        day: Day,
        sha256: Sha256,
        range: Option<Range<u64>>,
    ) -> Result<Option<Reading>, StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.read(day, sha256, range).await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.read(day, sha256, range).await,
        }
    }

    /// Bytes of a medium; `None` if it is not there.
    pub async fn size(&self, day: Day, sha256: Sha256) -> Result<Option<u64>, StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.size(day, sha256).await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.size(day, sha256).await,
        }
    }

    /// Deletes a medium, durably; one that is not there is deleted already.
    pub async fn delete(&self, day: Day, sha256: Sha256) -> Result<(), StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.delete(day, sha256).await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.delete(day, sha256).await,
        }
    }

    /// The days that may have media, in order.
    pub async fn days(&self) -> Result<Vec<Day>, StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.days().await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.days().await,
        }
    }

    /// The media of a day. What is stored or deleted while the list is read may be in it or not.
    pub async fn list(&self, day: Day) -> Result<Digests, StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.list(day).await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => Ok(bucket.list(day)),
        }
    }

    /// Deletes all media of a day, durably.
    pub async fn delete_day(&self, day: Day) -> Result<(), StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.delete_day(day).await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.delete_day(day).await,
        }
    }

    /// Deletes what earlier runs wrote aside and did not finish; how many files that were. What this process is writing
    /// stays, so it may be called at any time.
    pub async fn sweep_aside(&self) -> Result<u64, StoreFailed> {
        let aside = self.aside().clone();
        blocking(move || aside.sweep()).await
    }

    /// Writes and deletes something small: whether the store works.
    pub async fn probe(&self) -> Result<(), StoreFailed> {
        let aside = self.aside().clone();
        blocking(move || aside.probe()).await?;
        match &*self.0 {
            Kept::Folder(_) => Ok(()),
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.probe().await,
        }
    }

    /// Bytes of all media and of what is written aside; `None` for a bucket. It looks at every file.
    pub async fn used_bytes(&self) -> Result<Option<u64>, StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.used_bytes().await.map(Some),
            #[cfg(feature = "cloud")]
            Kept::Bucket(_) => Ok(None),
        }
    }

    fn aside(&self) -> &Aside {
        match &*self.0 {
            Kept::Folder(folder) => folder.aside(),
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.aside(),
        }
    }

    /// Stores what was written aside under its name.
    async fn keep(&self, day: Day, sha256: Sha256, written: incoming::Written) -> Result<(), StoreFailed> {
        match &*self.0 {
            Kept::Folder(folder) => folder.keep(day, sha256, written).await,
            #[cfg(feature = "cloud")]
            Kept::Bucket(bucket) => bucket.keep(day, sha256, written).await,
        }
    }
}

impl Kept {
    #[cfg(feature = "cloud")]
    fn bucket(bucket: &Bucket, aside: &std::path::Path) -> Result<Self, StoreFailed> {
        bucket::BucketStore::open(bucket, aside).map(|bucket| Self::Bucket(bucket.into()))
    }

    #[cfg(not(feature = "cloud"))]
    fn bucket(_bucket: &Bucket, _aside: &std::path::Path) -> Result<Self, StoreFailed> {
        Err(StoreFailed::Other(place::NO_CLOUD.to_owned()))
    }
}

/// The name of a medium within its day.
fn name(sha256: &Sha256) -> String {
    sha256.iter().fold(String::with_capacity(64), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// The medium that a name stands for; `None` if it is not a name of one.
fn named(name: &str) -> Option<Sha256> {
    let is_name = name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut sha256 = Sha256::default();
    for (at, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(at * 2..at * 2 + 2).filter(|_| is_name)?, 16).ok()?;
    }
    Some(sha256)
}

/// The part of a medium of `size` bytes that a range means.
fn part(range: Option<Range<u64>>, size: u64) -> Range<u64> {
    let range = range.unwrap_or(0..size);
    let start = range.start.min(size);
    start..range.end.clamp(start, size)
}

/// Runs file operations where they may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreFailed> + Send + 'static,
) -> Result<T, StoreFailed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreFailed::Other("the operation did not end: the gateway is stopping, or a bug".to_owned())),
    }
}
