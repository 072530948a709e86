//! `offhook console password`: what belongs into a person's password file.

use super::{fail, say};
use offhook::config::is_name;
use offhook::http::console::hash;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Asks for a password and prints its argon2id string. From a terminal it is asked twice and not shown; otherwise it is
/// the first line of the input, and the second too if there is one.
pub(crate) fn make(name: &str) -> ExitCode {
    if !is_name(name) {
        return fail(&format!("{name:?} is no name of a person: use 1 to 32 of a-z 0-9 _ -"));
    }
    let hashed =
        read(name).map_err(|error| format!("the password cannot be read: {error}")).and_then(|twice| match twice {
            (first, Some(second)) if first != second => Err("the two are different: try again".to_owned()),
            (password, _) => hash(&password),
        });
    match hashed {
        Ok(string) => {
            say(&format!("{string}\n"));
            ExitCode::SUCCESS
        }
        Err(why) => fail(&why),
    }
}

fn read(name: &str) -> io::Result<(String, Option<String>)> {
    if !io::stdin().is_terminal() {
        return Ok((line()?, Some(line()?).filter(|second| !second.is_empty())));
    }
    let _quiet = Quiet::begin()?;
    let first = ask(&format!("Password of {name}: "))?;
    let second = ask("Again: ")?;
    Ok((first, Some(second)))
}

fn ask(what: &str) -> io::Result<String> {
    let mut out = io::stderr().lock();
    write!(out, "{what}")?;
    out.flush()?;
    let answer = line();
    writeln!(out)?;
    answer
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _restored = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
