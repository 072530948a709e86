//! The `offhook` command.

#[path = "main/arguments.rs"]
mod arguments;

use arguments::{Arguments, Command, DirectoryCommand, EventsCommand, JournalCommand};
use clap::Parser as _;
use offhook::ask::AskFailed;
use offhook::ask::explain::explain;
use offhook::ask::replay::{Replay, replay};
use offhook::config::{self, Config, seed};
use offhook::daemon::{Ended, Running, directory};
use offhook::demo;
use offhook::journal::inspect;
use offhook::machine::record;
use offhook::model::Position;
use offhook::observe;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { config, seed } => serve(&config, seed.as_deref()),
        Command::Check { file, seed } => check(&file, seed.as_deref()),
        Command::Demo { once, data } => demo::main(once, data),
        Command::Directory { command } => directory(&command),
        Command::Events { command: EventsCommand::Replay { config, since, until, endpoint } } => {
            ask(&config, async |config| replay(config, Replay { since, until, endpoint }).await)
        }
        Command::Explain { id, config } => ask(&config, async |config| explain(config, id).await),
        Command::Metrics => {
            say(&observe::list());
            ExitCode::SUCCESS
        }
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

fn directory(command: &DirectoryCommand) -> ExitCode {
    // Of `diff`, 1 says that there is a difference.
    let trouble = if matches!(command, DirectoryCommand::Diff { .. }) { 2 } else { 1 };
    move_directory(command).unwrap_or_else(|why| {
        complain(&why.to_string());
        ExitCode::from(trouble)
    })
}

fn move_directory(command: &DirectoryCommand) -> Result<ExitCode, Box<dyn std::error::Error>> {
    observe::logging("warn")?;
    match command {
        DirectoryCommand::Export { config } => {
            let exported = directory::export(&config::load(config)?)?;
            // Half a document is none, so here a reader who is gone or a full disk is trouble.
            let mut out = std::io::stdout().lock();
            out.write_all(exported.document.as_bytes()).and_then(|()| out.flush())?;
            for warning in &exported.warnings {
                complain(&format!("warning: {warning}"));
            }
            Ok(ExitCode::SUCCESS)
        }
        DirectoryCommand::Diff { config, document } => {
            let (differences, forced) = directory::diff(&config::load(config)?, document)?;
            say(&differences.to_string());
            if forced {
                say("a queue has the global outbound number: `apply` takes this with --force only\n");
            }
            if differences.is_empty() {
                say("no difference\n");
            }
            Ok(ExitCode::from(u8::from(!differences.is_empty())))
        }
        DirectoryCommand::Apply { config, document, force } => {
            let applied = directory::apply(&config::load(config)?, document, *force)?;
            say(&applied.differences.to_string());
            match applied.position {
                Some(position) => say(&format!("applied at position {}\n", position.0)),
                None => say("nothing to change\n"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Asks the gateway that runs with a configuration, and prints what it says.
fn ask(file: &std::path::Path, question: impl AsyncFnOnce(&Config) -> Result<String, AskFailed>) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot be started: {error}")),
    };
    match runtime.block_on(question(&config)) {
        Ok(answer) => {
            say(&answer);
            ExitCode::SUCCESS
        }
        Err(failed) => fail(&failed.to_string()),
    }
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

fn complain(why: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{why}");
}

fn fail(why: &str) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}
