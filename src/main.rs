//! The `offhook` command.

#[path = "main/arguments.rs"]
mod arguments;
#[path = "main/signals.rs"]
mod signals;

use arguments::{Arguments, Command, DirectoryCommand, EventsCommand, JournalCommand};
use clap::Parser as _;
use offhook::ask::AskFailed;
use offhook::ask::explain::explain;
use offhook::ask::replay::{Replay, replay};
use offhook::config::{self, Config, advice, seed};
use offhook::daemon::systemd::{self, Sockets};
use offhook::daemon::{Ended, Reload, Running, directory, erase};
use offhook::demo;
use offhook::journal::inspect;
use offhook::machine::record;
use offhook::model::{E164, Position};
use offhook::observe;
use signals::Signals;
use std::convert::Infallible;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::Notify;

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
        Command::Erase { number, config } => erase(&config, number),
        Command::Journal { command } => journal(command),
    }
}

fn serve(file: &Path, seed_file: Option<&Path>) -> ExitCode {
    if let Err(error) = observe::logging("info") {
        return fail(&error.to_string());
    }
    observe::panics();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot be started: {error}")),
    };
    let code = runtime.block_on(run(file, seed_file)).unwrap_or_else(|why| fail(&why));
    // A recovery that was told to stop may still read the disk, for as long as that takes: the process ends without it,
    // as by a kill, which a journal and an index have to bear at any moment.
    runtime.shutdown_background();
    code
}

/// Runs the gateway until it is told to stop. An error is why it did not come to that.
async fn run(file: &Path, seed_file: Option<&Path>) -> Result<ExitCode, String> {
    let signals = Signals::listen().map_err(|error| format!("signals cannot be listened for: {error}"))?;
    let config = config::load(file).map_err(|problems| problems.to_string())?;
    let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
    let seed = seed_file.map(|seed_file| seed::load(seed_file, &accounts)).transpose();
    let seed = seed.map_err(|problems| problems.to_string())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let sockets = Sockets::handed_over().map_err(|failed| failed.to_string())?;
    systemd::recovering();
    let running = tokio::select! {
        biased;
        () = signals.stop.cancelled() => {
            systemd::stopping();
            tracing::info!("stopping before it was ready: nothing was taken in, and the next start goes on from here");
            return Ok(ExitCode::SUCCESS);
        }
        started = Running::start(config, seed, sockets) => started.map_err(|failed| failed.to_string())?,
    };
    if running.seed_refused {
        tracing::warn!("there is a directory already: the seed changed nothing");
    }
    systemd::ready();
    let (reload, heartbeat) = (running.reload(), running.heartbeat());
    let stop = async {
        signals.stop.cancelled().await;
        systemd::stopping();
        tracing::info!("stopping");
    };
    let ended = tokio::select! {
        ended = running.run(stop, signals.hurry.cancelled()) => ended,
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

fn check(file: &Path, seed_file: Option<&Path>) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    let accounts: Vec<String> = config.accounts.iter().map(|account| account.name.clone()).collect();
    let seed = match seed_file.map(|seed_file| seed::load(seed_file, &accounts)).transpose() {
        Ok(seed) => seed,
        Err(problems) => return fail(&problems.to_string()),
    };
    say(&config.summary());
    say(&advice::addresses(&config));
    for placeholder in advice::placeholders(&config, seed.as_ref()) {
        say(&format!("warning: {placeholder}\n"));
    }
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
    observe::panics();
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
fn ask(file: &Path, question: impl AsyncFnOnce(&Config) -> Result<String, AskFailed>) -> ExitCode {
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

fn erase(file: &std::path::Path, who: E164) -> ExitCode {
    if let Err(error) = observe::logging("warn") {
        return fail(&error.to_string());
    }
    observe::panics();
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    match erase::erase(&config, who) {
        Ok(erased) => {
            say(&format!("erased: {} numbers and texts in {} records\n", erased.bodies, erased.records));
            if erased.named_elsewhere > 0 {
                say(&format!(
                    "{} records say the number in a name that was given elsewhere, as of a call, which cannot be \
                     erased: they go when their retention has passed\n",
                    erased.named_elsewhere
                ));
            }
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
