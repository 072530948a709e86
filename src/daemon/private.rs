//! Keeps the gateway's data private to its user, whatever the umask was when files were written.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The permission bits of the group and of others.
const OTHERS: u32 = 0o077;

/// What was accessible to others.
#[derive(Default)]
struct Opened {
    count: usize,
    first: Option<PathBuf>,
    failed: Option<(PathBuf, io::Error)>,
}

/// Makes this process create files that only its own user can access. sled creates files without a mode option.
pub fn for_new_files() {
    let _as_it_was = rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// Removes all access of others to `data_dir` and its contents, and warns if there was any.
pub(super) fn tighten(data_dir: &Path) {
    let mut opened = Opened::default();
    opened.tighten(data_dir);
    if let Some(first) = opened.first {
        tracing::warn!(
            count = opened.count,
            first = %first.display(),
            "data was accessible to other users of this machine; its permissions are now 0700 and 0600"
        );
    }
    if let Some((path, error)) = opened.failed {
        tracing::warn!(path = %path.display(), %error, "data may be accessible to other users of this machine: \
            correct its permissions");
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
            // A symlink's own mode has no effect, and its target is not ours.
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
