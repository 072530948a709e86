//! A medium on its way into the store.

use super::aside::{Aside, AsideFile};
use super::{Sha256, Store, StoreFailed, blocking};
use crate::model::Day;
use bytes::{Bytes, BytesMut};
use sha2::Digest as _;
use std::fs::File;
use std::io::Write as _;

/// Maximum bytes of a medium that wait in memory before they are written.
pub const WAITING_MAX: usize = 64 * 1024;

/// How many of a medium's first bytes are kept, by which its type is told.
pub const FIRST_BYTES_MAX: usize = 8 * 1024;

/// A medium that is being received, piece by piece. Dropped unfinished, it leaves nothing.
pub struct Incoming {
    store: Store,
    day: Day,
    first_bytes: Vec<u8>,
    waiting: BytesMut,
    written: State,
}

/// A medium that is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// Its first [`FIRST_BYTES_MAX`] bytes.
    pub first_bytes: Vec<u8>,
}

/// What was written of it.
enum State {
    Nothing,
    Some(Box<Written>),
    /// A write failed, or was given up while it ran.
    Lost,
}

/// A file aside, and what is known of its content.
pub(super) struct Written {
    aside: AsideFile,
    sha256: sha2::Sha256,
    bytes: u64,
}

impl Incoming {
    pub(super) fn new(store: Store, day: Day) -> Self {
        Self { store, day, first_bytes: Vec::new(), waiting: BytesMut::new(), written: State::Nothing }
    }

    /// Takes the next bytes. After a failure there is no use in going on.
    pub async fn write(&mut self, mut piece: Bytes) -> Result<(), StoreFailed> {
        let wanted = piece.len().min(FIRST_BYTES_MAX - self.first_bytes.len());
        self.first_bytes.extend_from_slice(&piece[..wanted]);
        while !piece.is_empty() {
            let room = WAITING_MAX - self.waiting.len();
            self.waiting.extend_from_slice(&piece.split_to(piece.len().min(room)));
            if self.waiting.len() == WAITING_MAX {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// The first bytes so far, up to [`FIRST_BYTES_MAX`].
    pub fn first_bytes(&self) -> &[u8] {
        &self.first_bytes
    }

    /// Makes it durable under its name.
    pub async fn finish(mut self) -> Result<Stored, StoreFailed> {
        self.flush().await?;
        let State::Some(written) = self.written else { return Err(lost()) };
        let (sha256, bytes) = (written.sha256.clone().finalize().into(), written.bytes);
        self.store.keep(self.day, sha256, *written).await?;
        Ok(Stored { sha256, bytes, first_bytes: self.first_bytes })
    }

    /// Writes what waits.
    async fn flush(&mut self) -> Result<(), StoreFailed> {
        // If this future is dropped while the write runs, the file is dropped when the write ends.
        let state = std::mem::replace(&mut self.written, State::Lost);
        let (aside, waiting) = (self.store.aside().clone(), self.waiting.split());
        let written = blocking(move || {
            let mut written = match state {
                State::Nothing => Box::new(Written::begin(&aside)?),
                State::Some(written) => written,
                State::Lost => return Err(lost()),
            };
            written.write(&waiting).map_err(|error| aside.failed(&error))?;
            Ok(written)
        });
        self.written = State::Some(written.await?);
        Ok(())
    }
}

impl Written {
    fn begin(aside: &Aside) -> Result<Self, StoreFailed> {
        Ok(Self { aside: aside.create()?, sha256: sha2::Sha256::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.aside.file().write_all(bytes)?;
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        self.aside.file()
    }

    /// The file itself.
    pub(super) fn into_aside(self) -> AsideFile {
        self.aside
    }
}

fn lost() -> StoreFailed {
    StoreFailed::Other("an earlier write of this medium failed: fetch it again".to_owned())
}
