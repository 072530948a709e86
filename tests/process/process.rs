//! The real binary, run in a directory of its own, with a simulated carrier and platform beside it.
//!
//! Invariant: a gateway started here is stopped by its own handle, at the latest when that is dropped; its doors are
//! ports that stay reserved, also while it is down, so that it comes back at the same addresses.

pub(crate) mod accounts;
pub(crate) mod systemd;
pub(crate) mod wire;

use offhook::sim::carrier::{Carrier, CarrierSettings};
use offhook::sim::platform::{Client, Platform, PlatformSettings};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// Longer than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The platform's token.
pub(crate) const TOKEN: &str = "kingfisher-token-2f6c1b0d9e8a7f65";

/// Between two looks at something that has no news to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The binary under test; `OFFHOOK_BIN` names another, a release build for one.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("OFFHOOK_BIN").map_or_else(|| env!("CARGO_BIN_EXE_offhook").into(), PathBuf::from)
}

/// Reports that a test shows nothing here, and why. It bypasses the harness, which captures what tests print.
pub(crate) fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("there is a standard error");
}

/// Lets time pass in which nothing may happen; what follows checks that nothing did.
pub(crate) async fn nothing_for(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Runs a command that ends by itself.
pub(crate) fn offhook(arguments: &[&str]) -> Output {
    quiet(Command::new(binary()).args(arguments)).output().expect("the binary can be run")
}

/// Standard output and error of a command, as one text.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Everybody but the gateway, and the gateway's home.
pub(crate) struct Outside {
    pub carrier: Carrier,
    /// Carriers of other accounts.
    pub others: Vec<Carrier>,
    pub platform: Platform,
    pub client: Client,
    pub home: Home,
}

impl Outside {
    /// A carrier, a platform, and a home for a gateway between them with this directory document. Nothing runs yet.
    pub(crate) async fn new(carrier: CarrierSettings, directory: &Value) -> Self {
        Self::with_more(carrier, Vec::new(), directory).await.0
    }

    /// The same with an account at each of these carriers as well, which share nothing with the first.
    pub(crate) async fn with_more(
        carrier: CarrierSettings,
        more: Vec<CarrierSettings>,
        directory: &Value,
    ) -> (Self, Vec<Carrier>) {
        let platform_settings = PlatformSettings { record_max: carrier.record_max, ..PlatformSettings::default() };
        let platform = Platform::start(&platform_settings).await.expect("a platform on loopback");
        let (mut carriers, mut accounts, mut secrets) = (Vec::new(), String::new(), Vec::new());
        for settings in std::iter::once(carrier).chain(more) {
            let there = Carrier::start(settings.clone()).await.expect("a carrier on loopback");
            let (account, its_secrets) = settings.configuration(there.url());
            accounts.push_str(&account);
            secrets.extend(its_secrets);
            carriers.push(there);
        }
        let home = Home::new(&accounts, &secrets, &platform, &platform_settings.secrets[0], directory);
        for carrier in &carriers {
            carrier.gateway_is_at(home.doors.carriers);
        }
        let client = Client::new(home.doors.platform, TOKEN);
        (Self { client, carrier: carriers.remove(0), others: Vec::new(), platform, home }, carriers)
    }

    /// Every carrier.
    pub(crate) fn carriers(&self) -> impl Iterator<Item = &Carrier> {
        std::iter::once(&self.carrier).chain(&self.others)
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) async fn start(&self) -> Gateway {
        let mut gateway = self.home.start();
        gateway.ready().await;
        gateway
    }
}

/// Where the doors are.
#[derive(Clone, Copy)]
pub(crate) struct Doors {
    pub carriers: SocketAddr,
    pub platform: SocketAddr,
    pub ops: SocketAddr,
}

/// What stays while gateways come and go: configuration, secrets, data, doors, and what was said on standard error.
pub(crate) struct Home {
    directory: TempDir,
    pub doors: Doors,
    _held: [TcpSocket; 3],
}

impl Home {
    fn new(accounts: &str, secrets: &[(&str, String)], platform: &Platform, webhook: &str, directory: &Value) -> Self {
        let place = TempDir::with_prefix("offhook-test-").expect("a temporary directory");
        let (held, ports): (Vec<_>, Vec<_>) = (0..3).map(|_| hold_a_port()).unzip();
        let doors = Doors { carriers: ports[0], platform: ports[1], ops: ports[2] };
        let home = Self {
            directory: place,
            doors,
            _held: held.try_into().unwrap_or_else(|_| unreachable!("three ports were held")),
        };
        home.write("adapter", TOKEN);
        home.write("webhook", webhook);
        for (name, secret) in secrets {
            home.write(name, secret);
        }
        home.write("directory.json", &directory.to_string());
        let url = platform.url();
        let text = format!(
            r#"data_dir = "data"
[listen]
carriers = "{}"
platform = "{}"
console = "127.0.0.1:0"
ops = "{}"
[[platform.token]]
name = "adapter"
scopes = ["send", "calls", "read", "admin", "operate"]
token_file = "adapter"
[[platform.webhook]]
name = "main"
url = "{url}"
secret_files = ["webhook"]
{accounts}"#,
            doors.carriers, doors.platform, doors.ops
        );
        home.write("offhook.toml", &text);
        home
    }

    /// A file beside the configuration that only its owner can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file in our own directory");
        path
    }

    /// Changes the configuration, for the next start.
    pub(crate) fn configure(&self, change: impl FnOnce(&str) -> String) {
        let text = fs::read_to_string(self.path("offhook.toml")).expect("it was written here");
        self.write("offhook.toml", &change(&text));
    }

    /// A path beside the configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Everything that gateways have said on standard error here.
    pub(crate) fn log(&self) -> String {
        fs::read(self.path("stderr")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Starts a gateway with the home's own configuration. It is not ready yet.
    pub(crate) fn start(&self) -> Gateway {
        self.start_with(&self.path("offhook.toml"))
    }

    /// Starts a gateway with another configuration.
    pub(crate) fn start_with(&self, config: &Path) -> Gateway {
        self.run(Command::new(binary()), config)
    }

    /// Starts a gateway that has this many descriptors.
    pub(crate) fn start_with_descriptors(&self, most: usize) -> Gateway {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\"")).arg(binary());
        self.run(shell, &self.path("offhook.toml"))
    }

    fn run(&self, mut command: Command, config: &Path) -> Gateway {
        quiet(&mut command);
        self.start_by(command, config)
    }

    /// Starts a gateway by a command that ends with the binary, and leaves its process to it: by strace, or with other
    /// variables.
    pub(crate) fn start_by(&self, command: Command, config: &Path) -> Gateway {
        self.begin(&mut self.serving(command, config))
    }

    /// What starts a gateway with this configuration, for who starts it in another way.
    pub(crate) fn command(&self, config: &Path) -> Command {
        let mut command = Command::new(binary());
        quiet(&mut command);
        self.serving(command, config)
    }

    /// A command that ends with the binary, with what follows it.
    fn serving(&self, mut command: Command, config: &Path) -> Command {
        let log = OpenOptions::new().append(true).create(true).open(self.path("stderr")).expect("a file of our own");
        command.arg("serve").arg("--config").arg(config).arg("--seed").arg(self.path("directory.json"));
        command.stdout(other(&log)).stderr(log);
        command
    }

    /// Starts a gateway by a command.
    pub(crate) fn begin(&self, command: &mut Command) -> Gateway {
        let child = command.spawn().expect("the binary can be run");
        Gateway { child, ops: self.doors.ops, log: self.path("stderr") }
    }

    /// Waits until gateways have said this on standard error, and returns all that they have said.
    #[track_caller]
    pub(crate) fn says(&self, what: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let until = Instant::now() + SOON;
            loop {
                let log = self.log();
                if log.contains(what) {
                    return log;
                }
                assert!(Instant::now() < until, "{caller}: {what:?} was not said within {SOON:?}:\n{log}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

/// A gateway at work. It is killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    ops: SocketAddr,
    log: PathBuf,
}

impl Gateway {
    /// Waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            if let Some(status) = self.ready_or_ended().await {
                panic!("{caller}: it ended with {status} before it was ready:\n{}", self.last_words());
            }
        }
    }

    /// Waits until it says that it is ready, or has ended.
    #[track_caller]
    pub(crate) fn ready_or_ended(&mut self) -> impl Future<Output = Option<ExitStatus>> {
        let caller = std::panic::Location::caller();
        async move {
            let until = Instant::now() + SOON;
            while !wire::get(self.ops, "/readyz").await.is_ok_and(|answer| answer.status == 200) {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return Some(status);
                }
                assert!(Instant::now() < until, "{caller}: not ready within {SOON:?}:\n{}", self.last_words());
                tokio::time::sleep(LOOK_EVERY).await;
            }
            None
        }
    }

    /// What it counts, as Prometheus reads it.
    pub(crate) async fn metrics(&self) -> String {
        wire::get(self.ops, "/metrics").await.expect("the door of ops answers").body
    }

    /// Memory in use, in kilobytes, as the system counts it.
    pub(crate) fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux counts it");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes")
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and with what.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// SIGTERM, and what it exits with.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.exit().await
    }

    /// Sends a signal by its name, without `SIG`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status();
        assert!(sent.is_ok_and(|status| status.success()), "a child that was not waited for can be signalled");
    }

    /// What it exits with, of its own accord.
    pub(crate) async fn exit(mut self) -> ExitStatus {
        let until = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < until, "still running after {SOON:?}:\n{}", self.last_words());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn end(&mut self) {
        // An error is a child that has ended by itself and was waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }

    fn last_words(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// Nothing to read, and the environment of the tests is not the gateway's.
pub(crate) fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env_remove("OFFHOOK_LOG").env_remove("OFFHOOK_LOG_FORMAT")
}

fn other(file: &File) -> File {
    file.try_clone().expect("a second descriptor")
}

/// A free port of loopback that stays ours: a socket that is bound and never listens keeps it, and lets another with
/// `SO_REUSEADDR`, which is the gateway's door, listen beside it.
pub(crate) fn hold_a_port() -> (TcpSocket, SocketAddr) {
    let held = TcpSocket::new_v4().expect("a socket");
    held.set_reuseaddr(true).expect("an option of every socket");
    held.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let address = held.local_addr().expect("a bound socket has an address");
    (held, address)
}
