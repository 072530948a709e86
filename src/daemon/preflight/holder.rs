//! Which process holds a port or a lock, as far as /proc shows it to this user.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A listening socket, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// The pid of systemd, if it manages the machine.
const INIT: u32 = 1;

/// The listener at a port.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A process that this user may inspect.
    Process { pid: u32, name: String },
    /// Another process, of this user id.
    Hidden { uid: u32 },
    /// Nothing visible.
    Unknown,
}

impl Holder {
    /// Whether it is systemd, or a process of root that may be systemd.
    pub(super) fn may_be_systemd(&self) -> bool {
        match self {
            Self::Process { pid, name } => *pid == INIT && name == "systemd",
            Self::Hidden { uid } => *uid == 0 && Path::new("/run/systemd/system").is_dir(),
            Self::Unknown => false,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
            Self::Hidden { uid } => write!(f, "a process of uid {uid}"),
            Self::Unknown => f.write_str("another process"),
        }
    }
}

/// The process that listens at a port of this machine.
pub(super) fn of_port(port: u16) -> Holder {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let mut sockets = tables.iter().flat_map(|table| table.lines()).filter_map(|line| listening(line, port));
    let Some((uid, inode)) = sockets.next() else { return Holder::Unknown };
    match with_socket(inode) {
        Some(pid) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            Holder::Process { pid, name: name.trim_end().to_owned() }
        }
        None => Holder::Hidden { uid },
    }
}

/// Owner and inode of a socket that listens at the port, from a line of the table.
fn listening(line: &str, port: u16) -> Option<(u32, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state) = (fields.get(1)?, fields.get(3)?);
    let here = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    if here != port || *state != LISTENS {
        return None;
    }
    Some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?))
}

/// A process that has this socket open.
fn with_socket(inode: u64) -> Option<u32> {
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let mut pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut files = files.filter_map(Result::ok);
        files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()))
    })
}

/// The process that holds the lock on a file.
pub(super) fn of_lock(file: &Path) -> Option<u32> {
    let inode = fs::metadata(file).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| lock(line, inode))
}

/// Parses a line like `1: FLOCK  ADVISORY  WRITE 4242 fd:00:1310736 0 EOF`.
fn lock(line: &str, inode: u64) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", pid, at, ..] = fields[..] else { return None };
    let here: u64 = at.rsplit(':').next()?.parse().ok()?;
    (here == inode).then(|| pid.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Lock;
    use std::net::TcpListener;

    #[test]
    fn f16_process_that_listens_at_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let Holder::Process { pid, name } = of_port(port) else { panic!("{:?}", of_port(port)) };
        assert_eq!(pid, std::process::id());
        assert!(!name.is_empty());
        drop(listener);
        assert_eq!(of_port(port), Holder::Unknown);
    }

    #[test]
    fn f16_process_that_holds_a_lock_is_found_without_taking_it() {
        let home = tempfile::tempdir().unwrap();
        let held = Lock::take(home.path()).unwrap();
        assert_eq!(of_lock(&home.path().join("LOCK")), Some(std::process::id()));
        drop(held);
        assert_eq!(of_lock(&home.path().join("LOCK")), None);
    }
}
