//! What the journal asks of a disk, and the one that is real.
//!
//! Everything the journal does to files goes through here, so that a test can put a disk underneath that fails, lies
//! and loses what was not synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that can be read from any place.
pub(super) trait ReadAt {
    /// Reads some bytes at `offset`; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// How many bytes there are.
    fn size(&self) -> io::Result<u64>;
}

/// An open file.
pub(super) trait DiskFile: ReadAt + Send + Sync {
    /// Writes all of `bytes` at `offset`; after an error any part of them may be there.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file at least `size` bytes long, the new ones zeros whose place on the disk is reserved.
    fn allocate(&self, size: u64) -> io::Result<()>;

    /// Cuts the file to `size` bytes.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes the bytes durable, and of the size what is needed to read them.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the bytes and the size durable.
    fn sync_all(&self) -> io::Result<()>;

    /// Lets the system forget what it has of the file in memory, as far as it likes to: it is read from the disk next.
    fn leave_memory(&self) {}
}

/// One directory of files.
pub(super) trait Disk: Send + Sync {
    /// The names in the directory, in no order.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes an empty file, in place of any that was there.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in place of any file of that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file's name away.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names given and taken durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Where the directory is, for messages.
    fn path(&self) -> &Path;
}

/// A directory of the machine.
pub(super) struct RealDisk {
    directory: PathBuf,
}

impl RealDisk {
    /// The directory at `path`, which need not exist to be named.
    pub(super) fn at(path: &Path) -> Self {
        Self { directory: path.to_owned() }
    }

    /// Makes the directory where there is none, and its name durable in any case: a process may have died between.
    pub(super) fn create_directory(&self) -> io::Result<()> {
        create_durably(&self.directory)?;
        File::open(parent_of(&self.directory))?.sync_all()
    }
}

/// Makes a directory, and those above it, where there is none; each name is durable before the next is given.
pub(super) fn create_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = parent_of(directory);
    create_durably(parent)?;
    // Nobody but us reads numbers and texts, whatever the umask says.
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
            // A name that is not UTF-8 is none the journal gave.
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
        // Bodies name people: nobody but the gateway's own user reads them.
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
        // It is an advice, and a file system that does not take it reads from memory.
        let _as_it_likes = rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed);
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

/// Reserves by writing, where a file system knows no other way.
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
    fn a_directory_is_made_with_those_above_it_and_a_file_in_its_place_is_an_error() {
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
