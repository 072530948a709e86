//! The interface between the journal and a disk, and its implementation for real disks.
//!
//! All file operations of the journal go through these traits, so that tests can substitute a disk that fails, lies and
//! loses unsynced data.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that can be read at any offset.
pub(super) trait ReadAt {
    /// Reads some bytes at `offset`; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The total number of bytes.
    fn size(&self) -> io::Result<u64>;
}

/// An open file.
pub(super) trait DiskFile: ReadAt + Send + Sync {
    /// Writes all of `bytes` at `offset`; after an error any part of them may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Extends the file to at least `size` bytes with zeros, reserving their space on the disk.
    fn allocate(&self, size: u64) -> io::Result<()>;

    /// Truncates the file to `size` bytes.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes the bytes durable, and the size as far as needed to read them (fdatasync).
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the bytes and all metadata durable (fsync).
    fn sync_all(&self) -> io::Result<()>;

    /// Asks the kernel to drop the file from its page cache, so that the next read comes from the disk.
    fn leave_memory(&self) {}
}

/// One directory of files.
pub(super) trait Disk: Send + Sync {
    /// The names in the directory, unsorted.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates an empty file, replacing any existing one.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file, replacing any file with the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes created, renamed and removed names durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// The directory's path, for messages.
    fn path(&self) -> &Path;
}

/// A directory in the machine's file system.
pub(super) struct RealDisk {
    directory: PathBuf,
}

impl RealDisk {
    /// The directory at `path`, which need not exist yet.
    pub(super) fn at(path: &Path) -> Self {
        Self { directory: path.to_owned() }
    }

    /// Creates the directory if missing, and makes its name durable in any case: a process may have died between the
    /// two.
    pub(super) fn create_directory(&self) -> io::Result<()> {
        create_durably(&self.directory)?;
        File::open(parent_of(&self.directory))?.sync_all()
    }
}

/// Creates a directory and its missing parents; each name is durable before the next is created.
pub(super) fn create_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = parent_of(directory);
    create_durably(parent)?;
    // The directory will hold numbers and texts, so no other user may read it, whatever the umask is.
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(parent)?.sync_all(),
    }
}

fn parent_of(directory: &Path) -> &Path {
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl Disk for RealDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            // The journal's own names are UTF-8, so others are skipped.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::open(self.directory.join(name))?))
    }

    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(self.directory.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        // Bodies contain personal data, so only the gateway's own user may read them.
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Arc::new(options.open(self.directory.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn path(&self) -> &Path {
        &self.directory
    }
}

impl ReadAt for File {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl DiskFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        loop {
            return match fallocate(self, FallocateFlags::empty(), 0, size) {
                Ok(()) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, size),
                Err(error) => Err(error.into()),
            };
        }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn leave_memory(&self) {
        // This is advice only; a file system that ignores it reads from the page cache.
        let _ignored = rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed);
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// Reserves space by writing zeros, for file systems without fallocate.
fn write_zeros(file: &File, size: u64) -> io::Result<()> {
    static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut offset = file.metadata()?.len();
    while offset < size {
        let count = (size - offset).min(CHUNK.len() as u64);
        FileExt::write_all_at(file, &CHUNK[..count as usize], offset)?;
        offset += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parents_are_created_and_a_file_in_their_place_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("data/journal");
        RealDisk::at(&deep).create_directory().unwrap();
        RealDisk::at(&deep).create_directory().unwrap();
        assert!(deep.is_dir());

        std::fs::write(deep.join("file"), "").unwrap();
        assert!(RealDisk::at(&deep.join("file/journal")).create_directory().is_err());
    }

    #[test]
    fn a_file_system_without_preallocation_gets_zeros_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        FileExt::write_all_at(&file, b"kept", 0).unwrap();
        write_zeros(&file, 200_000).unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written.len(), 200_000);
        assert!(written.starts_with(b"kept") && written[4..].iter().all(|byte| *byte == 0));
    }
}
