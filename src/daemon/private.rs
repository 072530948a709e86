//! Nobody but the gateway's own user reads its data, whatever the umask was when it was written.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The rights of the group and of others.
const OTHERS: u32 = 0o077;

/// What was open to others.
#[derive(Default)]
struct Opened {
    count: usize,
    first: Option<PathBuf>,
    failed: Option<(PathBuf, io::Error)>,
}

/// From now on this process makes files that only its own user may read. sled makes files, and takes no mode for them.
pub fn for_new_files() {
    let _as_it_was = rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// Takes away every right of others to `data_dir` and what is in it, and warns where there was one.
pub(super) fn tighten(data_dir: &Path) {
    let mut opened = Opened::default();
    opened.tighten(data_dir);
    if let Some(first) = opened.first {
        tracing::warn!(
            count = opened.count,
            first = %first.display(),
            "data was open to other users of this machine: it is closed to them now (0700 and 0600)"
        );
    }
    if let Some((path, error)) = opened.failed {
        tracing::warn!(path = %path.display(), %error, "data may be open to other users of this machine: close it to them");
    }
}

impl Opened {
    fn tighten(&mut self, path: &Path) {
        if let Err(error) = self.try_to_tighten(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.failed.get_or_insert_with(|| (path.to_owned(), error));
        }
    }

    fn try_to_tighten(&mut self, path: &Path) -> io::Result<()> {
        let about = fs::symlink_metadata(path)?;
        let mode = about.permissions().mode() & 0o7777;
        if about.is_symlink() {
            // Its own mode counts for nothing, and what it names is not ours.
            return Ok(());
        }
        if mode & OTHERS != 0 {
            fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))?;
            self.count += 1;
            self.first.get_or_insert_with(|| path.to_owned());
        }
        if about.is_dir() {
            for entry in fs::read_dir(path)? {
                self.tighten(&entry?.path());
            }
        }
        Ok(())
    }
}
