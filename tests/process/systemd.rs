//! A stand-in for systemd: it holds the sockets across restarts and receives notifications.

use super::{Doors, Gateway, Home, SOON};
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::{TcpSocket, UnixDatagram};

/// Doors that stay open, whether a gateway runs or not.
pub(crate) struct Held([TcpListener; 3]);

impl Held {
    /// Listens at each of them.
    pub(crate) fn listen(doors: Doors) -> Self {
        Self([doors.carriers, doors.platform, doors.ops].map(listen))
    }

    /// Starts a gateway that is handed them, by these names.
    pub(crate) fn start(&self, home: &Home, names: &str) -> Gateway {
        // Descriptors 0 to 2 are what can be handed on here; systemd's begin at 3. The process keeps its number when it
        // becomes the gateway, and that number is how it knows that the sockets are meant for it.
        let script = "exec 3<&0 4<&1 5<&2 </dev/null >>\"$0\" 2>&1
            export LISTEN_FDS=3 LISTEN_PID=$$ LISTEN_FDNAMES=\"$1\"; shift; exec \"$@\"";
        let mut command = by_shell(script, home.path("stderr"), names, &home.command(&home.path("offhook.toml")));
        let [carriers, platform, ops] =
            self.0.each_ref().map(|held| Stdio::from(OwnedFd::from(held.try_clone().expect("a second descriptor"))));
        home.begin(command.stdin(carriers).stdout(platform).stderr(ops))
    }
}

fn listen(door: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of every socket");
    socket.bind(door).expect("the port is held for us");
    let listener = socket.listen(4_096).expect("a bound socket can listen");
    listener.into_std().expect("it is registered with this runtime")
}

/// Where gateways say how they are.
pub(crate) struct Notified {
    socket: UnixDatagram,
}

impl Notified {
    pub(crate) fn listen(home: &Home) -> Self {
        Self { socket: UnixDatagram::bind(home.path("notify")).expect("a socket in our own directory") }
    }

    /// Starts a gateway that tells it how it is, and is to say so within `watchdog`.
    pub(crate) fn start(&self, home: &Home, watchdog: Duration) -> Gateway {
        let script = "export NOTIFY_SOCKET=\"$0\" WATCHDOG_USEC=\"$1\" WATCHDOG_PID=$$; shift; exec \"$@\"";
        let serve = home.command(&home.path("offhook.toml"));
        let mut command = by_shell(script, home.path("notify"), &watchdog.as_micros().to_string(), &serve);
        let log = std::fs::OpenOptions::new().append(true).create(true).open(home.path("stderr"));
        let log = log.expect("a file of our own");
        home.begin(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))
    }

    /// What it says next.
    pub(crate) async fn next(&self) -> String {
        self.next_within(SOON).await.expect("it says something soon")
    }

    /// What it says next, if it says anything in this time.
    pub(crate) async fn next_within(&self, time: Duration) -> Option<String> {
        let mut buffer = [0; 1024];
        let length = tokio::time::timeout(time, self.socket.recv(&mut buffer)).await.ok()?;
        Some(String::from_utf8_lossy(&buffer[..length.expect("a socket of our own")]).into_owned())
    }

    /// What it says, up to the first that says this.
    pub(crate) async fn until(&self, what: &str) -> String {
        loop {
            let said = self.next().await;
            if said.lines().any(|line| line == what) {
                return said;
            }
        }
    }
}

/// A command that becomes another one after the shell has done something, with two words for it.
fn by_shell(script: &str, first: impl AsRef<OsStr>, second: &str, then: &Command) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(first).arg(second).arg(then.get_program()).args(then.get_args());
    command.env_remove("RUST_LOG").env_remove("OFFHOOK_LOG").env_remove("OFFHOOK_LOG_FORMAT");
    command
}
