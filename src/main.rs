//! The `offhook` command.

use clap::{Parser, Subcommand};
use offhook::config::{self, seed};
use offhook::daemon::{Ended, Running};
use offhook::demo;
use offhook::journal::inspect;
use offhook::machine::record;
use offhook::model::Position;
use offhook::observe;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// An SMS/MMS gateway for people who are on the phone with each other.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// A directory document for a gateway that has none yet: settings, numbers, queues, presets, opt-outs.
        #[arg(long)]
        seed: Option<PathBuf>,
    },
    /// Check a configuration file, and the directory document that goes with it, and say everything that is wrong.
    Check {
        /// The configuration file.
        file: PathBuf,
        /// A directory document to check with it.
        #[arg(long)]
        seed: Option<PathBuf>,
    },
    /// Play a conversation through a gateway, a simulated carrier, phones and a platform, all in this process.
    Demo {
        /// End after the conversation; the exit code says whether everything came out as expected.
        #[arg(long)]
        once: bool,
        /// Keep the data there instead of in a temporary directory.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Look at a journal. Reads only, also beside a running gateway.
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
}

#[derive(Subcommand)]
enum JournalCommand {
    /// Check every frame, and say what a start would do. Exits 0 if it would start, 1 if there is damage.
    Verify {
        /// The data directory, or the journal in it.
        dir: PathBuf,
    },
    /// Print a line for each frame, without numbers and texts.
    Inspect {
        /// The data directory, or the journal in it.
        dir: PathBuf,
        /// Begin at this position.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Print at most so many.
        #[arg(long)]
        limit: Option<usize>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { config, seed } => serve(&config, seed.as_deref()),
        Command::Check { file, seed } => check(&file, seed.as_deref()),
        Command::Demo { once, data } => demo::main(once, data),
        Command::Journal { command } => journal(command),
    }
}

fn serve(file: &std::path::Path, seed_file: Option<&std::path::Path>) -> ExitCode {
    if let Err(error) = observe::logging("info") {
        return fail(&error.to_string());
    }
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
    let seed = match seed_file.map(|seed_file| seed::load(seed_file, &accounts)).transpose() {
        Ok(seed) => seed,
        Err(problems) => return fail(&problems.to_string()),
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot be started: {error}")),
    };
    runtime.block_on(async {
        let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => return fail(&format!("signals cannot be listened for: {error}")),
        };
        let running = match Running::start(config, seed).await {
            Ok(running) => running,
            Err(error) => return fail(&error.to_string()),
        };
        if running.seed_refused {
            tracing::warn!("there is a directory already: the seed changed nothing");
        }
        // Nobody listens where systemd did not start us, and then there is nothing to tell.
        let _no_systemd = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
        let ended = running
            .run(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                let _no_systemd = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
                tracing::info!("stopping");
            })
            .await;
        match ended {
            Ended::Cleanly => ExitCode::SUCCESS,
            Ended::Failed(why) => {
                tracing::error!("{why}");
                ExitCode::FAILURE
            }
        }
    })
}

fn check(file: &std::path::Path, seed_file: Option<&std::path::Path>) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
    if let Some(Err(problems)) = seed_file.map(|seed_file| seed::load(seed_file, &accounts)) {
        return fail(&problems.to_string());
    }
    say(&config.summary());
    for warning in &config.warnings {
        say(&format!("warning: {warning}\n"));
    }
    ExitCode::SUCCESS
}

fn journal(command: JournalCommand) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match command {
        JournalCommand::Verify { dir } => inspect::verify(&dir, &mut out).map(|condition| condition.exit_code()),
        JournalCommand::Inspect { dir, from, limit } => {
            let range = inspect::Range { from: Position(from), limit: limit.unwrap_or(usize::MAX) };
            inspect::inspect(&dir, range, &record::describe, &mut out).map(|()| 0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever reads only the first lines closes the pipe; that is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn say(text: &str) {
    // A closed pipe is the reader's choice.
    let _closed = std::io::stdout().lock().write_all(text.as_bytes());
}

fn fail(why: &str) -> ExitCode {
    let _closed = writeln!(std::io::stderr().lock(), "{why}");
    ExitCode::FAILURE
}
