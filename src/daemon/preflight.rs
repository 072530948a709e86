//! What `offhook check` tries beyond the file: whether this user can write to `data_dir`, and whether the doors'
//! ports are free. `serve` uses the same messages when it fails for one of these reasons.
//!
//! Invariant: nothing is left behind, and the directory's lock is queried but never taken, so that a check does not
//! disturb a starting or running gateway.

mod holder;

use super::disk_space::DiskSpace;
use super::doors::OPENED;
use super::{OpenFailed, StartFailed};
use crate::config::Config;
use holder::Holder;
use rustix::fs::{Access, access};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Results of the checks.
#[derive(Debug, Default)]
pub struct Tried {
    /// Why a gateway with this configuration would not start, each with the fix.
    pub problems: Vec<String>,
    /// What could not be checked, and why that is not a problem.
    pub notes: Vec<String>,
}

/// Checks what a gateway with this configuration needs from the machine.
pub fn try_out(config: &Config) -> Tried {
    let mut tried = Tried::default();
    if let Some(pid) = holder::of_lock(&config.data_dir.join("LOCK")) {
        let data_dir = config.data_dir.display();
        let note = format!("a gateway is already running in {data_dir}, process {pid}: its doors were not checked");
        tried.notes.push(note);
        return tried;
    }
    tried.problems.extend(data_dir(&config.data_dir));
    for door in OPENED {
        let (address, door) = (config.listen.of(door).address, door.label());
        let Err(error) = TcpListener::bind(address) else { continue };
        let holder = in_use(&error).then(|| holder::of_port(address.port()));
        if holder.as_ref().is_some_and(|holder| holder.may_be_systemd()) {
            let note = format!(
                "listen.{door} {address} seems to be held by systemd, which is correct if it is this door's socket unit"
            );
            tried.notes.push(note);
        } else {
            tried.problems.push(format!("listen.{door} {}", why_not_bound(door, address, &error, holder)));
        }
    }
    tried
}

/// Why a gateway did not start, with the fix if the cause is the directory or a port.
pub fn explained(failed: &StartFailed, config: &Config) -> String {
    match failed {
        StartFailed::Bind { door, address, error } => {
            let holder = in_use(error).then(|| holder::of_port(address.port()));
            format!("the {door} door cannot listen: {}", why_not_bound(door, *address, error, holder))
        }
        StartFailed::Open(OpenFailed::Lock(crate::journal::LockFailed::Disk { .. }) | OpenFailed::Directory(_)) => {
            data_dir(&config.data_dir).unwrap_or_else(|| failed.to_string())
        }
        _ => failed.to_string(),
    }
}

fn in_use(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrInUse
}

fn why_not_bound(door: &str, address: SocketAddr, error: &io::Error, holder: Option<Holder>) -> String {
    let fix = match (error.kind(), holder) {
        (_, Some(holder)) => format!("{holder} already listens there: stop it, or give listen.{door} another port"),
        (ErrorKind::PermissionDenied, _) => {
            format!("{} may not use ports below 1024: choose a higher one, or use a systemd socket unit", user())
        }
        (ErrorKind::AddrNotAvailable, _) => "no interface of this machine has that address: correct it".to_owned(),
        _ => "correct it".to_owned(),
    };
    format!("{address} cannot be bound ({error}): {fix}")
}

/// Why this user could not store data there, if so. A full disk is not a reason: a start frees space from the
/// ballast.
fn data_dir(data_dir: &Path) -> Option<String> {
    let (there, made) = if data_dir.exists() { (data_dir, true) } else { (existing_parent(data_dir), false) };
    let trial = there.join(format!(".offhook-check-{}", std::process::id()));
    let tried = if made {
        OpenOptions::new().write(true).create_new(true).open(&trial).and_then(|_| fs::remove_file(&trial))
    } else {
        fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial))
    };
    let shown = data_dir.display();
    match tried {
        Ok(()) if made => unwritable_in(data_dir),
        Ok(()) => None,
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => None,
        Err(_) if DiskSpace::of(data_dir).is_ok_and(|space| space.total == 0) => Some(format!(
            "data_dir {shown} cannot be used: {} is not on a disk file system: use a directory on a disk",
            there.display()
        )),
        Err(error) => {
            let what = if made { "be written".to_owned() } else { format!("be created in {}", there.display()) };
            let fix = match error.kind() {
                ErrorKind::PermissionDenied => "make this user the owner of that directory (chown), or use another",
                ErrorKind::ReadOnlyFilesystem => {
                    "use a directory on a writable disk, under systemd one of StateDirectory="
                }
                _ => "use another directory",
            };
            Some(format!("data_dir {shown} cannot {what} by {} ({error}): {fix}", user()))
        }
    }
}

/// A file or directory of a gateway run by another user, for example by root at first.
fn unwritable_in(data_dir: &Path) -> Option<String> {
    let entries = fs::read_dir(data_dir).ok()?.filter_map(Result::ok);
    let mut locked = entries.map(|entry| entry.path()).filter(|path| access(path, Access::WRITE_OK).is_err());
    let path = locked.next()?;
    let (shown, user) = (data_dir.display(), user());
    Some(format!(
        "{} is not writable by {user}, so another user ran a gateway there: chown -R {shown} to this user",
        path.display()
    ))
}

fn existing_parent(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

/// The user of this process.
fn user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then_some(name)
    });
    match name {
        Some(name) => format!("user {name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_pseudo_file_system_is_not_reported_as_a_full_disk() {
        let why = data_dir(Path::new("/proc/offhook")).unwrap();
        assert_eq!(
            why,
            "data_dir /proc/offhook cannot be used: /proc is not on a disk file system: use a directory on a disk"
        );
    }

    #[test]
    fn f16_checking_a_directory_leaves_nothing_in_it() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(data_dir(&home.path().join("new/data")), None);
        assert_eq!(data_dir(home.path()), None);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn f16_address_of_no_interface_is_reported() {
        let address = "192.0.2.1:8080".parse().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let why = why_not_bound("ops", address, &error, None);
        assert!(why.ends_with("no interface of this machine has that address: correct it"), "{why}");
    }
}
