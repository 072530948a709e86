//! The `offhook` command.

#[path = "main/arguments.rs"]
mod arguments;
#[path = "main/password.rs"]
mod password;
#[path = "main/serve.rs"]
mod serve;
#[path = "main/signals.rs"]
mod signals;
#[path = "main/simulate.rs"]
mod simulate;

use arguments::{
    Arguments, ClientCertificate, Command, ConsoleCommand, DirectoryCommand, EventsCommand, Gateway, JournalCommand,
    QuarantineCommand, QuarantinedWebhook,
};
use clap::Parser as _;
use offhook::ask::console::link as console_link;
use offhook::ask::doctor::examine;
use offhook::ask::explain::explain;
use offhook::ask::reconcile::{Reconcile, reconcile};
use offhook::ask::replay::{Replay, replay};
use offhook::ask::top::top;
use offhook::ask::{self, Door, QueryFailed};
use offhook::config::{self, advice, seed};
use offhook::daemon::erase::EraseFailed;
use offhook::daemon::{directory, erase, evidence, loss, preflight, private};
use offhook::demo;
use offhook::journal::inspect;
use offhook::machine::erasure::Erased;
use offhook::machine::record;
use offhook::model::{E164, Position};
use offhook::observe::{self, LogFormat};
use rustix::process::{Pid, Signal, kill_process};
use serve::Begun;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    private::for_new_files();
    // Catch signals first, even before the arguments are parsed.
    let serves = std::env::args_os().nth(1).is_some_and(|word| word == "serve");
    let begun = serves.then(Begun::begin);
    match Arguments::parse().command {
        Command::Serve { config, seed } => serve::serve(begun.unwrap_or_else(Begun::begin), &config, seed.as_deref()),
        Command::Reload { process } => reload(process),
        Command::Check { file, seed } => check(&file, seed.as_deref()),
        Command::Demo { carrier, once, data } => demo::main(carrier, once, data),
        Command::Sim(sim) => simulate::simulate(&sim),
        Command::Directory { command } => directory(&command),
        Command::Events { command: EventsCommand::Replay { config, client, since, until, endpoint } } => {
            ask(&config, &client, async |door| replay(door, Replay { since, until, endpoint }).await)
        }
        Command::Doctor { config, client } => doctor(&config, &client),
        Command::Console { command: ConsoleCommand::Password { name } } => password::make(&name),
        Command::Console { command: ConsoleCommand::Link { person, gateway: Gateway { config, client } } } => {
            ask(&config, &client, async |door| console_link(door, person.as_deref()).await)
        }
        Command::Explain { id, config, client } => ask(&config, &client, async |door| explain(door, id).await),
        Command::Quarantine { command } => quarantine(command),
        Command::Reconcile { config, client, account, since } => {
            ask(&config, &client, async |door| reconcile(door, Reconcile { account, since }).await)
        }
        Command::Top { config, client } => ask(&config, &client, async |door| top(door).await),
        Command::Metrics => {
            say(&observe::list());
            ExitCode::SUCCESS
        }
        Command::Erase { number, config, client } => erase(&config, &client, number),
        Command::Journal { command } => journal(command),
    }
}

/// Reports all problems that can be found together: of the configuration, the document and, if the configuration has
/// none, the machine.
fn check(file: &Path, seed_file: Option<&Path>) -> ExitCode {
    let mut problems = Vec::new();
    let config = config::load(file).map_err(|wrong| problems.push(wrong.to_string())).ok();
    let accounts = match &config {
        Some(config) => Some(config.account_names()),
        None => config::account_names(file),
    };
    let seed = seed_file.zip(accounts).map(|(seed_file, accounts)| seed::load(seed_file, &accounts));
    let seed = seed.and_then(|seed| seed.map_err(|wrong| problems.push(wrong.to_string())).ok());
    if let Some(config) = &config {
        say(&config.summary());
        say(&advice::addresses(config));
        for placeholder in advice::placeholders(config, seed.as_ref()) {
            say(&format!("warning: {placeholder}\n"));
        }
        for warning in &config.warnings {
            say(&format!("warning: {warning}\n"));
        }
        problems.extend(config.listen.expired());
        let tried = preflight::try_out(config);
        for note in &tried.notes {
            say(&format!("note: {note}\n"));
        }
        problems.extend(tried.problems);
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { fail(&problems.join("\n")) }
}

/// Sends SIGHUP to a gateway, which reloads its configuration. The result is in the gateway's log.
fn reload(process: i32) -> ExitCode {
    let sent = Pid::from_raw(process).map(|pid| kill_process(pid, Signal::HUP));
    match sent {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => fail(&format!("cannot signal process {process}: {error}")),
        None => fail("0 is not a process id: give that of the gateway"),
    }
}

fn directory(command: &DirectoryCommand) -> ExitCode {
    // `diff` exits 1 on a difference, so its errors exit 2.
    let failure = if matches!(command, DirectoryCommand::Diff { .. }) { 2 } else { 1 };
    directory_command(command).unwrap_or_else(|why| {
        complain(&why.to_string());
        ExitCode::from(failure)
    })
}

/// A stopped gateway's data is opened; a running one is asked.
fn directory_command(command: &DirectoryCommand) -> Result<ExitCode, Box<dyn std::error::Error>> {
    observe::logging(LogFormat::Text, "warn")?;
    observe::panics();
    match command {
        DirectoryCommand::Export { config, client } => {
            let config = config::load(config)?;
            let exported = match directory::export(&config) {
                Err(held @ directory::DirectoryFailed::Running { .. }) => {
                    running(&config, client, &held, async |door| ask::directory::export(door).await)?
                }
                exported => exported?,
            };
            // A truncated document is useless, so a closed pipe or a full disk is an error here.
            let mut out = std::io::stdout().lock();
            out.write_all(exported.document.as_bytes()).and_then(|()| out.flush())?;
            for warning in &exported.warnings {
                complain(&format!("warning: {warning}"));
            }
            Ok(ExitCode::SUCCESS)
        }
        DirectoryCommand::Diff { config, client, document } => {
            let config = config::load(config)?;
            let (differences, forced) = match directory::diff(&config, document) {
                Err(held @ directory::DirectoryFailed::Running { .. }) => {
                    running(&config, client, &held, async |door| ask::directory::diff(door, document).await)?
                }
                differences => differences?,
            };
            say(&differences.to_string());
            if forced {
                say("a queue uses the global outbound number: `apply` needs --force\n");
            }
            if differences.is_empty() {
                say("no difference\n");
            }
            Ok(ExitCode::from(u8::from(!differences.is_empty())))
        }
        DirectoryCommand::Apply { config, client, document, force } => {
            let config = config::load(config)?;
            let applied = match directory::apply(&config, document, *force) {
                Err(held @ directory::DirectoryFailed::Running { .. }) => {
                    running(&config, client, &held, async |door| ask::directory::apply(door, document, *force).await)?
                }
                applied => applied?,
            };
            say(&applied.differences.to_string());
            match applied.position {
                Some(position) => say(&format!("applied at position {}\n", position.0)),
                None => say("nothing to change\n"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn quarantine(command: QuarantineCommand) -> ExitCode {
    use offhook::ask::quarantine;
    match command {
        QuarantineCommand::List(Gateway { config, client }) => {
            ask(&config, &client, async |door| quarantine::list(door).await)
        }
        QuarantineCommand::Show(QuarantinedWebhook { id, gateway: Gateway { config, client } }) => {
            ask(&config, &client, async |door| quarantine::show(door, id).await)
        }
        QuarantineCommand::Replay(QuarantinedWebhook { id, gateway: Gateway { config, client } }) => {
            ask(&config, &client, async |door| quarantine::replay(door, id).await)
        }
        QuarantineCommand::Discard(QuarantinedWebhook { id, gateway: Gateway { config, client } }) => {
            ask(&config, &client, async |door| quarantine::discard(door, id).await)
        }
    }
}

/// Asks the gateway that holds the data; `held` says which process that is.
fn running<T>(
    config: &config::Config,
    client: &ClientCertificate,
    held: &directory::DirectoryFailed,
    query: impl AsyncFnOnce(&Door<'_>) -> Result<T, ask::directory::DirectoryFailed>,
) -> Result<T, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let door = Door { config, client_files: client.files() };
    runtime.block_on(query(&door)).map_err(|failed| match failed {
        ask::directory::DirectoryFailed::Query(failed @ QueryFailed::NotRunning { .. }) => {
            format!("{held}, but {failed}").into()
        }
        failed => failed.into(),
    })
}

/// Queries the running gateway of a configuration, and prints its answer.
fn ask(
    file: &Path,
    client: &ClientCertificate,
    query: impl AsyncFnOnce(&Door<'_>) -> Result<String, QueryFailed>,
) -> ExitCode {
    match answer(file, client, query) {
        Ok(answer) => {
            say(&answer);
            ExitCode::SUCCESS
        }
        Err(why) => fail(&why),
    }
}

/// Queries the running gateway of a configuration.
fn answer<T>(
    file: &Path,
    client: &ClientCertificate,
    query: impl AsyncFnOnce(&Door<'_>) -> Result<T, QueryFailed>,
) -> Result<T, String> {
    let config = config::load(file).map_err(|problems| problems.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the async runtime: {error}"))?;
    let door = Door { config: &config, client_files: client.files() };
    runtime.block_on(query(&door)).map_err(|failed| failed.to_string())
}

/// Prints what is right and what is wrong; exits 0 if nothing is wrong.
fn doctor(file: &Path, client: &ClientCertificate) -> ExitCode {
    match answer(file, client, examine) {
        Ok(findings) => {
            say(&findings.to_string());
            ExitCode::from(u8::from(findings.wrong() > 0))
        }
        Err(why) => fail(&why),
    }
}

/// Erases a person by the running gateway, or from the data of a stopped one.
fn erase(file: &Path, client: &ClientCertificate, person: E164) -> ExitCode {
    if let Err(error) = observe::logging(LogFormat::Text, "warn") {
        return fail(&error.to_string());
    }
    observe::panics();
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return fail(&problems.to_string()),
    };
    match erase::erase(&config, person) {
        Ok(Erased { bodies, records, named_elsewhere }) => {
            say(&ask::erase::said(bodies, records, named_elsewhere));
            ExitCode::SUCCESS
        }
        Err(EraseFailed::Running { .. }) => ask(file, client, async |door| ask::erase::erase(door, person).await),
        Err(failed) => fail(&failed.to_string()),
    }
}

fn journal(command: JournalCommand) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match command {
        JournalCommand::Verify { dir } => match evidence::at_rest(&dir) {
            Ok(known) => inspect::verify(&dir, &known, &mut out).map(|condition| condition.exit_code()),
            Err(failed) => return fail(&failed.to_string()),
        },
        JournalCommand::AcceptLoss { dir } => return accept_loss(&dir),
        JournalCommand::Inspect { dir, from, limit } => {
            let range = inspect::Range { from: Position(from), limit: limit.unwrap_or(usize::MAX) };
            inspect::inspect(&dir, range, &record::describe, &mut out).map(|()| 0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // A reader such as `head` closes the pipe early; that is not an error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn accept_loss(data_dir: &Path) -> ExitCode {
    if let Err(error) = observe::logging(LogFormat::Text, "warn") {
        return fail(&error.to_string());
    }
    observe::panics();
    match loss::accept(data_dir) {
        Ok(lost) if lost.is_empty() => say("no frame is lost or damaged: nothing was changed\n"),
        Ok(lost) => {
            for lost in lost {
                say(&format!("given up: positions {} to {}\n", lost.from.0, lost.until.0 - 1));
            }
            say("the gateway can be started; the platform will get a `journal.loss` event\n");
        }
        Err(failed) => return fail(&failed.to_string()),
    }
    ExitCode::SUCCESS
}

fn say(text: &str) {
    // Ignore a closed pipe: the reader chose to stop.
    let _closed = std::io::stdout().lock().write_all(text.as_bytes());
}

fn complain(why: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{why}");
}

fn fail(why: &str) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}
