//! `offhook serve`: runs the gateway until a signal stops it.

use super::signals::Signals;
use offhook::config::{self, Config, seed};
use offhook::daemon::systemd::{self, Sockets};
use offhook::daemon::{Ended, Reload, Running, StartFailed, preflight};
use offhook::observe::{self, LogFormat};
use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// The exit status for an invalid configuration (`EX_CONFIG`). The systemd unit does not restart after it, because a
/// restart cannot succeed until the file is corrected.
const WRONG_CONFIGURATION: u8 = 78;

/// Runtime and signal handlers, set up before the arguments are parsed: an early SIGHUP would end the process.
pub(crate) struct Begun {
    runtime: Runtime,
    signals: Signals,
}

impl Begun {
    /// Starts the runtime and catches SIGHUP, SIGTERM and SIGINT.
    pub(crate) fn begin() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start the async runtime: {error}"))?;
        let inside = runtime.enter();
        let signals = Signals::listen().map_err(|error| format!("cannot install signal handlers: {error}"))?;
        drop(inside);
        Ok(Self { runtime, signals })
    }
}

/// Why a gateway did not start.
enum NotStarted {
    /// The configuration, the directory document or the systemd units are invalid.
    Configuration(String),
    /// Anything else; a restart may succeed.
    Other(String),
}

pub(crate) fn serve(begun: Result<Begun, String>, file: &Path, seed_file: Option<&Path>) -> ExitCode {
    // Until the configuration is read, only the environment can set the log format.
    let mut format = match LogFormat::from_environment() {
        Ok(format) => format.unwrap_or(LogFormat::Text),
        Err(failed) => return end(LogFormat::Text, &failed.to_string(), WRONG_CONFIGURATION),
    };
    let Begun { runtime, signals } = match begun {
        Ok(begun) => begun,
        Err(why) => return end(format, &why, 1),
    };
    let code = match runtime.block_on(run(&signals, file, seed_file, &mut format)) {
        Ok(code) => code,
        Err(NotStarted::Configuration(why)) => end(format, &why, WRONG_CONFIGURATION),
        Err(NotStarted::Other(why)) => end(format, &why, 1),
    };
    // A cancelled recovery may still be reading the disk. The process exits without waiting for it, which is as safe as
    // a kill: journal and index survive one at any moment.
    runtime.shutdown_background();
    code
}

/// Writes the reason for the exit to stderr, regardless of the log level.
fn end(format: LogFormat, why: &str, status: u8) -> ExitCode {
    let _closed = std::io::stderr().lock().write_all(observe::last_words(format, why).as_bytes());
    ExitCode::from(status)
}

/// Runs the gateway until a signal stops it. Returns an error if it could not start.
async fn run(
    signals: &Signals,
    file: &Path,
    seed_file: Option<&Path>,
    format: &mut LogFormat,
) -> Result<ExitCode, NotStarted> {
    let wrong = |problems: config::Problems| NotStarted::Configuration(problems.to_string());
    let config = config::load(file).map_err(wrong)?;
    if LogFormat::from_environment().is_ok_and(|named| named.is_none()) {
        *format = config.log.format;
    }
    observe::logging(*format, config.log.level).map_err(|failed| NotStarted::Configuration(failed.to_string()))?;
    observe::panics();
    let seed = seed_file.map(|seed_file| seed::load(seed_file, &config.account_names())).transpose().map_err(wrong)?;
    let seeded = seed.is_some();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %file.display(), "offhook starts");
    tracing::info!(data_dir = %config.data_dir.display(), "using data directory");
    for warning in config.listen.expired().iter().chain(&config.warnings) {
        tracing::warn!("{warning}");
    }
    let sockets = Sockets::handed_over().map_err(|failed| NotStarted::Configuration(failed.to_string()))?;
    systemd::recovering();
    let read = config.clone();
    let running = tokio::select! {
        biased;
        () = signals.stop.cancelled() => {
            systemd::stopping();
            tracing::info!("stopping before it was ready: no work was accepted; the next start resumes recovery");
            return Ok(ExitCode::SUCCESS);
        }
        started = Running::start(config, seed, sockets, None) => started.map_err(|failed| not_started(&failed, &read))?,
    };
    introduce(&running, seeded);
    systemd::ready();
    let (reload, heartbeat) = (running.reload(), running.heartbeat());
    let stop = async {
        signals.stop.cancelled().await;
        systemd::stopping();
        tracing::info!("stopping");
    };
    let ended = tokio::select! {
        ended = running.run(stop, signals.second_signal.cancelled()) => ended,
        never = reload_on_request(file, &reload, &signals.reload) => match never {},
        never = systemd::watchdog(heartbeat) => match never {},
    };
    match ended {
        Ended::Cleanly => Ok(ExitCode::SUCCESS),
        Ended::Failed(why) => {
            tracing::error!("{why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn not_started(failed: &StartFailed, config: &Config) -> NotStarted {
    let why = preflight::explained(failed, config);
    match failed {
        StartFailed::Endpoint { .. } | StartFailed::Elsewhere { .. } => NotStarted::Configuration(why),
        StartFailed::Bind { .. } | StartFailed::Open(_) | StartFailed::Media(_) | StartFailed::Thread(_) => {
            NotStarted::Other(why)
        }
    }
}

/// Logs what was started. The listeners have logged their own addresses.
fn introduce(running: &Running, seeded: bool) {
    if running.seed_refused {
        tracing::warn!("directory already initialised; --seed ignored");
    } else if seeded {
        tracing::info!(numbers = running.numbers, "directory loaded from the seed");
    }
    if running.numbers == 0 {
        tracing::warn!(
            "the directory has no numbers, so no text can be matched or sent: add them with PUT /v1/numbers/{{e164}} or \
             `offhook directory apply`"
        );
    }
    tracing::info!(version = running.directory_version.0, numbers = running.numbers, "directory in use");
    tracing::info!("ready");
}

/// Reloads the configuration on every request.
async fn reload_on_request(file: &Path, reload: &Arc<Reload>, requested: &Notify) -> Infallible {
    loop {
        requested.notified().await;
        let (file, reading) = (file.to_owned(), Arc::clone(reload));
        // Reading files and notifying systemd may block.
        let read = tokio::task::spawn_blocking(move || {
            systemd::reloading();
            reading.read_again(&file);
            systemd::ready();
        });
        if read.await.is_err() {
            tracing::error!("configuration reload panicked (bug)");
        }
        reload.try_accounts().await;
    }
}
