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

/// The exit status for a configuration that is wrong (`EX_CONFIG`). The unit does not restart after it: trying again
/// changes nothing until somebody has corrected the file.
const WRONG_CONFIGURATION: u8 = 78;

/// What `serve` begins with, before it reads its arguments: a SIGHUP ends a process that does not catch it.
pub(crate) struct Begun {
    runtime: Runtime,
    signals: Signals,
}

impl Begun {
    /// From now on SIGHUP, SIGTERM and SIGINT are caught.
    pub(crate) fn begin() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
        let inside = runtime.enter();
        let signals = Signals::listen().map_err(|error| format!("signals cannot be listened for: {error}"))?;
        drop(inside);
        Ok(Self { runtime, signals })
    }
}

/// Why a gateway did not start.
enum NotStarted {
    /// Its configuration is wrong, or the directory document, or the units.
    Configuration(String),
    /// Anything else, which may be over when it is tried again.
    Other(String),
}

pub(crate) fn serve(begun: Result<Begun, String>, file: &Path, seed_file: Option<&Path>) -> ExitCode {
    // Until the configuration is read, the environment alone says how the log is written.
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
    // A recovery that was told to stop may still read the disk, for as long as that takes: the process ends without it,
    // as by a kill, which a journal and an index have to bear at any moment.
    runtime.shutdown_background();
    code
}

/// Says what ends the process, whatever the log leaves out.
fn end(format: LogFormat, why: &str, status: u8) -> ExitCode {
    let _closed = std::io::stderr().lock().write_all(observe::last_words(format, why).as_bytes());
    ExitCode::from(status)
}

/// Runs the gateway until it is told to stop. An error is why it did not come to that.
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
    let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
    let seed = seed_file.map(|seed_file| seed::load(seed_file, &accounts)).transpose().map_err(wrong)?;
    let seeded = seed.is_some();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %file.display(), "offhook starts");
    tracing::info!(data_dir = %config.data_dir.display(), "the data directory");
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
            tracing::info!("stopping before it was ready: nothing was taken in, and the next start goes on from here");
            return Ok(ExitCode::SUCCESS);
        }
        started = Running::start(config, seed, sockets) => started.map_err(|failed| not_started(&failed, &read))?,
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
        never = reload_when_asked(file, &reload, &signals.reload) => match never {},
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
        StartFailed::Account { .. } | StartFailed::Endpoint { .. } | StartFailed::Elsewhere { .. } => {
            NotStarted::Configuration(why)
        }
        StartFailed::Bind { .. } | StartFailed::Open(_) | StartFailed::Thread(_) => NotStarted::Other(why),
    }
}

/// Says what runs now, a line for each thing. The doors have said that they are open.
fn introduce(running: &Running, seeded: bool) {
    if running.seed_refused {
        tracing::warn!("there is a directory already: the seed changed nothing");
    } else if seeded {
        tracing::info!(numbers = running.numbers, "the directory was loaded from the seed");
    }
    if running.numbers == 0 {
        tracing::warn!(
            "the directory has no number, so nothing can be matched or sent: load one with --seed into a gateway that has \
             none, or PUT /v1/numbers"
        );
    }
    tracing::info!("ready");
}

/// Reads the configuration again each time that it is asked for.
async fn reload_when_asked(file: &Path, reload: &Arc<Reload>, asked: &Notify) -> Infallible {
    loop {
        asked.notified().await;
        let (file, reading) = (file.to_owned(), Arc::clone(reload));
        // Files, and systemd, may let one wait.
        let read = tokio::task::spawn_blocking(move || {
            systemd::reloading();
            reading.read_again(&file);
            systemd::ready();
        });
        if read.await.is_err() {
            tracing::error!("the configuration was not read again: this is a defect");
        }
        reload.try_accounts().await;
    }
}
