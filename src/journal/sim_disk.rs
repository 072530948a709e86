//! A simulated disk for tests: it fails on request, guarantees only synced data, and can lose power.
//!
//! After a failed fsync it behaves like Linux: written data stays in memory, marked clean, and another fsync writes
//! nothing.

use super::disk::{Disk, DiskFile, ReadAt};
use super::{FileJournal, JournalFailed, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk writes a sector completely or not at all; anything larger can be torn.
const SECTOR: usize = 64;

/// A directory of files in memory. Clones share the same directory: the test keeps one as the machine, and each
/// simulated process opens its journal on another.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The names as processes see them, and as they are on the disk.
    names: BTreeMap<String, Inode>,
    durable_names: BTreeMap<String, Inode>,
    /// Number of changes and syncs so far.
    operations: u64,
    fail_at: Option<u64>,
    failed: bool,
    /// The disk's capacity, counted in file sizes; `None` for unlimited.
    capacity: Option<usize>,
}

type Inode = Arc<Mutex<Contents>>;

#[derive(Default)]
struct Contents {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// The sectors that a sync would write.
    dirty: BTreeSet<usize>,
    /// Everything visible is durable.
    firm: bool,
}

struct SimFile {
    disk: SimDisk,
    inode: Inode,
}

/// Random numbers from a seed (SplitMix64).
pub(super) struct SeededRng(pub(super) u64);

impl SeededRng {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

impl SimDisk {
    /// Opens the journal on this disk, like a starting process.
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn journal(&self, options: Options) -> Result<FileJournal, JournalFailed> {
        FileJournal::on(Arc::new(self.clone()), &options)
    }

    /// Makes the operation after `count` others fail once.
    pub fn fail_after(&self, count: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.operations + count);
        state.failed = false;
    }

    /// Whether that failure has occurred.
    pub fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Limits the total size of all files; extending a file beyond it fails.
    #[cfg(test)]
    pub(super) fn has_only(&self, bytes: usize) {
        self.state().capacity = Some(bytes);
    }

    /// Cancels the failure, whether it has occurred or not.
    pub fn heal(&self) {
        let mut state = self.state();
        state.fail_at = None;
        state.failed = false;
    }

    /// Simulates a power loss: each unsynced sector and name is either kept or reverted to its previous state, as
    /// chosen by the seed.
    pub fn lose_power(&self, seed: u64) {
        let mut dice = SeededRng(seed);
        let mut state = self.state();
        let mut names = BTreeMap::new();
        let all: BTreeSet<String> = state.names.keys().chain(state.durable_names.keys()).cloned().collect();
        for name in all {
            let choice = [state.names.get(&name), state.durable_names.get(&name)][dice.roll(2) as usize].cloned();
            names.extend(choice.map(|inode| (name, inode)));
        }
        for inode in names.values() {
            lock(inode).lose_power(&mut dice);
        }
        state.names = names.clone();
        state.durable_names = names;
        state.fail_at = None;
    }

    /// Changes the visible bytes of a file.
    pub(super) fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let inode = self.state().names[name].clone();
        let mut contents = lock(&inode);
        change(&mut contents.seen);
        *contents = Contents::firm(contents.seen.clone());
    }

    /// The names of its files, sorted.
    pub(super) fn files(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        lock(&self.state().names[name]).seen.clone()
    }

    /// A copy of the disk, with everything durable.
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        for (name, inode) in &self.state().names {
            let contents = Contents::firm(lock(inode).seen.clone());
            copy.state().names.insert(name.clone(), Arc::new(Mutex::new(contents)));
        }
        let names = copy.state().names.clone();
        copy.state().durable_names = names;
        copy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operation(&self) -> io::Result<()> {
        let mut state = self.state();
        let now = state.operations;
        state.operations += 1;
        if state.fail_at == Some(now) {
            state.failed = true;
            return Err(io::Error::other("EIO"));
        }
        Ok(())
    }

    /// The maximum size of this file.
    fn room_for(&self, inode: &Inode) -> usize {
        let state = self.state();
        let others = state.names.values().filter(|other| !Arc::ptr_eq(other, inode));
        let taken: usize = others.map(|other| lock(other).seen.len()).sum();
        state.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(taken))
    }

    fn file(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.state().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }
}

fn lock(inode: &Inode) -> MutexGuard<'_, Contents> {
    inode.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Contents {
    fn firm(bytes: Vec<u8>) -> Self {
        Self { seen: bytes.clone(), durable: bytes, dirty: BTreeSet::new(), firm: true }
    }

    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        self.firm = false;
        if self.seen.len() < end {
            self.resize(end);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.dirty.extend(offset / SECTOR..=(end - 1) / SECTOR);
        }
    }

    fn resize(&mut self, size: usize) {
        let from = self.seen.len().min(size) / SECTOR;
        self.firm = false;
        self.seen.resize(size, 0);
        self.dirty.extend(from..=size / SECTOR);
    }

    /// Writes the dirty sectors that are `wanted` to the disk; all are clean afterwards.
    fn sync(&mut self, mut wanted: impl FnMut() -> bool) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(self.seen.len());
            if wanted() && !range.is_empty() {
                self.durable[range.clone()].copy_from_slice(&self.seen[range]);
            }
        }
    }

    fn lose_power(&mut self, dice: &mut SeededRng) {
        if self.firm {
            return;
        }
        let size = [self.seen.len(), self.durable.len()][dice.roll(2) as usize];
        let mut bytes = vec![0; size];
        for (sector, bytes) in bytes.chunks_mut(SECTOR).enumerate() {
            let source = if dice.roll(2) == 0 { &self.seen } else { &self.durable };
            let start = (sector * SECTOR).min(source.len());
            let end = (start + bytes.len()).min(source.len());
            bytes[..end - start].copy_from_slice(&source[start..end]);
        }
        *self = Self::firm(bytes);
    }
}

impl Disk for SimDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.file(name)
    }

    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.file(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.operation()?;
        self.state().names.insert(name.to_owned(), Inode::default());
        self.file(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operation()?;
        let mut state = self.state();
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operation()?;
        self.state().names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.operation()?;
        let mut state = self.state();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn path(&self) -> &Path {
        Path::new("sim")
    }
}

impl ReadAt for SimFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        // Limit the size, to exercise short reads.
        let count = into.len().min(10_000);
        lock(&self.inode).seen.as_slice().read_at(&mut into[..count], offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.inode).seen.len() as u64)
    }
}

impl DiskFile for SimFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let outcome = self.disk.operation();
        let written = if outcome.is_ok() { bytes.len() } else { bytes.len() / 2 };
        lock(&self.inode).write(&bytes[..written], offset as usize);
        outcome
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.disk.operation()?;
        let room = self.disk.room_for(&self.inode);
        let mut contents = lock(&self.inode);
        let size = contents.seen.len().max(size as usize);
        // Reserve what is available before failing, like some file systems do.
        contents.resize(size.min(room));
        if size > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.operation()?;
        lock(&self.inode).resize(size as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let outcome = self.disk.operation();
        let mut sector = 0;
        let mut contents = lock(&self.inode);
        contents.sync(|| {
            sector += 1;
            outcome.is_ok() || sector % 2 == 0
        });
        contents.firm |= outcome.is_ok() && contents.durable == contents.seen;
        outcome
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
