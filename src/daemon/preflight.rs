//! What `offhook check` tries beyond the file: whether this user may write in `data_dir`, and whether the doors are free.
//! `serve` uses the same words when it fails for one of these.
//!
//! Invariant: nothing is left behind, and the lock of a directory is looked up and never taken, so that a check disturbs
//! no gateway that starts or runs.

mod holder;

use super::room::Room;
use super::{OpenFailed, StartFailed};
use crate::config::Config;
use holder::Holder;
use rustix::fs::{Access, access};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// What was found by trying.
#[derive(Debug, Default)]
pub struct Tried {
    /// A gateway with this configuration would not start: each with what to do.
    pub problems: Vec<String>,
    /// What could not be tried, and why that is no problem.
    pub notes: Vec<String>,
}

/// Tries what a gateway with this configuration needs of the machine.
pub fn try_out(config: &Config) -> Tried {
    let mut tried = Tried::default();
    if let Some(pid) = holder::of_lock(&config.data_dir.join("LOCK")) {
        let data_dir = config.data_dir.display();
        let note = format!("a gateway runs in {data_dir} already, process {pid}: its doors were not tried");
        tried.notes.push(note);
        return tried;
    }
    tried.problems.extend(data_dir(&config.data_dir));
    let listen = &config.listen;
    // Nothing listens at the console's address yet.
    for (door, there) in [("carriers", &listen.carriers), ("platform", &listen.platform), ("ops", &listen.ops)] {
        let Err(error) = TcpListener::bind(there.address) else { continue };
        let holder = in_use(&error).then(|| holder::of_port(there.address.port()));
        if holder.as_ref().is_some_and(|holder| holder.may_be_systemd()) {
            let note = format!(
                "listen.{door} {} is held by systemd, it seems: right where that is the socket unit of this door",
                there.address
            );
            tried.notes.push(note);
        } else {
            tried.problems.push(format!("listen.{door} {}", why_not_bound(door, there.address, &error, holder)));
        }
    }
    tried
}

/// Why a gateway did not start, with what to do where it is the directory or a port.
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
    let way_out = match (error.kind(), holder) {
        (_, Some(holder)) => format!("{holder} listens there: stop that one, or give listen.{door} another port"),
        (ErrorKind::PermissionDenied, _) => format!(
            "ports below 1024 are not for {}: choose a higher one, or let a socket unit of systemd hold it",
            user()
        ),
        (ErrorKind::AddrNotAvailable, _) => "no interface of this machine has that address: correct it".to_owned(),
        _ => "correct it".to_owned(),
    };
    format!("{address} cannot be bound ({error}): {way_out}")
}

/// Why this user could not keep data there, if so. A full disk is no reason: a start makes room by its ballast.
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
        Err(_) if Room::of(data_dir).is_ok_and(|room| room.total == 0) => Some(format!(
            "data_dir {shown} cannot be used: {} is no file system of a disk: name a directory on a disk",
            there.display()
        )),
        Err(error) => {
            let what = if made { "be written".to_owned() } else { format!("be made in {}", there.display()) };
            let way_out = match error.kind() {
                ErrorKind::PermissionDenied => "let that directory belong to this user (chown), or name another",
                ErrorKind::ReadOnlyFilesystem => {
                    "name a directory on a disk that can be written, under systemd one of StateDirectory="
                }
                _ => "name another directory",
            };
            Some(format!("data_dir {shown} cannot {what} by {} ({error}): {way_out}", user()))
        }
    }
}

/// A file or directory of a gateway that another user ran, as after a first start by root.
fn unwritable_in(data_dir: &Path) -> Option<String> {
    let entries = fs::read_dir(data_dir).ok()?.filter_map(Result::ok);
    let mut locked = entries.map(|entry| entry.path()).filter(|path| access(path, Access::WRITE_OK).is_err());
    let path = locked.next()?;
    let (shown, user) = (data_dir.display(), user());
    Some(format!(
        "{} cannot be written by {user}, so another user ran a gateway there: chown -R {shown} to this user",
        path.display()
    ))
}

fn existing_parent(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

/// Who runs this process.
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
    fn f16_a_place_that_is_no_disk_is_not_called_a_full_one() {
        let why = data_dir(Path::new("/proc/offhook")).unwrap();
        assert_eq!(
            why,
            "data_dir /proc/offhook cannot be used: /proc is no file system of a disk: name a directory on a disk"
        );
    }

    #[test]
    fn f16_trying_a_directory_leaves_nothing_in_it() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(data_dir(&home.path().join("new/data")), None);
        assert_eq!(data_dir(home.path()), None);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn f16_an_address_that_no_interface_has_is_said_to_be_one() {
        let address = "192.0.2.1:8080".parse().unwrap();
        let error = TcpListener::bind(address).unwrap_err();
        let why = why_not_bound("ops", address, &error, None);
        assert!(why.ends_with("no interface of this machine has that address: correct it"), "{why}");
    }
}
