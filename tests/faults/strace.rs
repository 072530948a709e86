//! The gateway's system calls, noted, failed and cut off by strace.
//!
//! Two of strace's habits matter. It counts calls for each thread, so the third fsync is that of the thread which first
//! comes to its third. And given paths it counts only the calls about these, so the gateway's data is told from its
//! libraries and sockets.

use crate::process::{Gateway, Home, binary, quiet, skipped};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The calls that change something on the disk; one that is killed before a call that reads leaves what the call before
/// left. strace skips those with a `?` where the machine does not know them.
const CHANGE: &str = "trace=openat,write,pwrite64,?pwritev,?writev,fsync,fdatasync,?sync_file_range,fallocate,ftruncate,\
                      flock,?rename,?renameat,?renameat2,?unlink,?unlinkat,?rmdir,?mkdir,?mkdirat";

/// How long strace may take to hold every thread.
const ATTACHED_IN: Duration = Duration::from_secs(20);

/// What happens at a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// `kill -9` when the call is made, and so before it is done.
    Kill,
    /// The call is not made and returns this error.
    Error(&'static str),
}

impl Fault {
    fn injection(self, site: &Site) -> String {
        let Site { call, nth } = site;
        match self {
            Self::Kill => format!("inject={call}:signal=SIGKILL:when={nth}"),
            Self::Error(error) => format!("inject={call}:error={error}:when={nth}"),
        }
    }
}

/// The so many-th of a thread's calls of this name about the data, from 1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Site {
    pub call: String,
    pub nth: usize,
}

/// Whether there is a strace that may do its work. Without one, a line on standard error says what was skipped.
pub(crate) fn can_be_traced(test: &str) -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        skipped(&format!("{test}: strace is missing or may not trace: install it, and run this as root"));
    }
    works
}

/// What a gateway that starts does to its data.
#[derive(Default)]
pub(crate) struct Doings {
    /// How often the busiest thread made each call.
    counts: BTreeMap<String, usize>,
    /// What the calls were about.
    paths: BTreeSet<PathBuf>,
}

impl Doings {
    /// Every place where something can be made to happen.
    pub(crate) fn sites(&self) -> Vec<Site> {
        let all = self.counts.iter().flat_map(|(call, count)| (1..=*count).map(|nth| Site { call: call.clone(), nth }));
        all.collect()
    }

    /// Starts a gateway to which this happens.
    pub(crate) fn start_with(&self, home: &Home, fault: Fault, site: &Site) -> Gateway {
        let mut strace = strace(&home.path("injected"));
        for path in &self.paths {
            strace.arg("-P").arg(path);
        }
        strace.args(["-e", &format!("trace={}", site.call), "-e", &fault.injection(site)]).arg(binary());
        home.start_by(strace, &home.path("offhook.toml"))
    }

    /// Whether what was to happen to the last gateway did: the call was come to.
    pub(crate) fn came(&self, home: &Home) -> bool {
        let noted = fs::read_to_string(home.path("injected")).unwrap_or_default();
        noted.contains("(INJECTED)") || noted.contains("+++ killed by SIGKILL +++")
    }

    /// Adds a start of a gateway that is left alone, until it is ready.
    pub(crate) async fn note_a_start(&mut self, home: &Home) {
        let noted = home.path("noted");
        let mut strace = strace(&noted);
        // Paths of descriptors as well.
        strace.args(["-y", "-e", CHANGE]).arg(binary());
        let mut gateway = home.start_by(strace, &home.path("offhook.toml"));
        gateway.ready().await;
        gateway.kill();
        self.read(&fs::read_to_string(noted).unwrap(), home);
    }

    /// Adds what a gateway does while this work goes on, and kills it then.
    pub(crate) async fn note<T>(&mut self, home: &Home, gateway: Gateway, work: impl AsyncFnOnce() -> T) -> T {
        let noted = home.path("noted");
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-e", CHANGE, "-o"]).arg(&noted).args(["-p", &gateway.id().to_string()]);
        let mut strace = attached(home, command).await;
        let done = work().await;
        // strace ends with it, and has written everything then.
        gateway.kill();
        strace.wait().unwrap();
        self.read(&fs::read_to_string(noted).unwrap(), home);
        done
    }

    /// What the calls were about.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.paths.iter().cloned().collect()
    }

    fn read(&mut self, noted: &str, home: &Home) {
        let (place, data) = (home.path(""), home.data());
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        for line in noted.lines() {
            let Some((thread, (call, arguments))) =
                line.split_once(' ').and_then(|(thread, rest)| Some((thread, rest.trim_start().split_once('(')?)))
            else {
                continue;
            };
            // The data is named in its directory; that directory's own name is synced too.
            let found: Vec<_> = paths(arguments).filter(|path| path.starts_with(&data) || *path == place).collect();
            // The other half of a call that another thread's interrupted begins with `<`, and was counted.
            if !found.is_empty() && !call.starts_with('<') {
                self.paths.extend(found);
                *counts.entry((thread, call)).or_default() += 1;
            }
        }
        for ((_, call), count) in counts {
            let most = self.counts.entry(call.to_owned()).or_default();
            *most = count.max(*most);
        }
    }
}

/// The paths in a line of strace: between quotes, or behind a descriptor.
fn paths(arguments: &str) -> impl Iterator<Item = PathBuf> {
    let parts = arguments.split(['"', '<', '>']);
    parts.filter(|part| part.starts_with('/')).map(|part| PathBuf::from(part.trim_end_matches('/')))
}

/// strace beside the gateway, whose process it leaves to who started it.
fn strace(output: &Path) -> Command {
    let mut strace = Command::new("strace");
    quiet(&mut strace).args(["-D", "-f", "-qq", "-o"]).arg(output);
    strace
}

/// Starts strace, and waits until it has attached to a gateway.
async fn attached(home: &Home, mut strace: Command) -> Child {
    let said = home.path("strace");
    let stderr = OpenOptions::new().write(true).create(true).truncate(true).open(&said).unwrap();
    let strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let until = Instant::now() + ATTACHED_IN;
    while !fs::read_to_string(&said).unwrap().contains("attached") {
        assert!(Instant::now() < until, "strace did not attach: {}", fs::read_to_string(&said).unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    strace
}

/// Something that will happen to a gateway that runs. Dropped, it happens no more.
pub(crate) struct Armed {
    strace: Child,
    output: PathBuf,
}

impl Armed {
    /// Arms a gateway: the fault comes with the `site.nth` call of a thread from now on that is about one of `paths`, or
    /// about anything where there are none.
    pub(crate) async fn with(home: &Home, gateway: &Gateway, paths: &[PathBuf], fault: Fault, site: &Site) -> Self {
        let output = home.path("injected");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-ttt", "-o"]).arg(&output).args(["-p", &gateway.id().to_string()]);
        for path in paths {
            strace.arg("-P").arg(path);
        }
        strace.args(["-e", &format!("trace={}", site.call), "-e", &fault.injection(site)]);
        Self { strace: attached(home, strace).await, output }
    }

    /// The last call that was noted, as strace writes it: the one at which it happened.
    pub(crate) fn last(&self) -> String {
        let noted = fs::read_to_string(&self.output).unwrap();
        let calls = noted.lines().filter(|line| line.contains('(')).map(str::to_owned);
        calls.max_by_key(|line| line.contains("(INJECTED)")).unwrap_or_default()
    }

    /// When the fault came, in seconds since 1970.
    pub(crate) fn came_at(&self) -> Option<f64> {
        let noted = fs::read_to_string(&self.output).unwrap();
        let line = noted.lines().find(|line| line.contains("(INJECTED)"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        // Without its tracer the gateway goes on; usually it is gone already, and strace with it.
        let _ended = self.strace.kill();
        let _waited = self.strace.wait();
    }
}

/// Whether it died by `kill -9`.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}
