//! Floor 8: the configuration file, checked once and whole.
//!
//! Invariant: a [`Config`] is right in every part: secrets are read, certificates belong to their keys, URLs are URLs.
//! Whatever is wrong with a file is found at once, each problem with its line, its key and its way out, and nothing runs
//! on a file with a problem in it. No value of a secret is ever shown.
//!
//! ```no_run
//! match offhook::config::load(std::path::Path::new("/etc/offhook/offhook.toml")) {
//!     Ok(config) => print!("{}", config.summary()),
//!     Err(problems) => println!("{problems}"),
//! }
//! ```

mod account;
pub mod advice;
mod doors;
mod encoding;
pub mod fuzz;
mod log;
mod platform;
mod problems;
mod retention;
mod secrets;
mod section;
pub mod seed;
mod storage;
#[cfg(test)]
mod tests;
mod urls;

pub use account::{AccountConfig, Carrier, KeyAlgorithm, SharedKey, Twilio};
pub use doors::{Door, Doors, Limits};
pub use log::Log;
pub use platform::Endpoint;
pub use problems::Problems;
pub use storage::Storage;

use crate::http::api::Token;
use crate::model::Timestamp;
use crate::work::Keep;
use section::{Reading, Section};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Everything the daemon is built from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where journal, snapshots, media and index live.
    pub data_dir: PathBuf,
    /// How much room its disk keeps.
    pub storage: Storage,
    /// The four doors.
    pub listen: Doors,
    /// Who may call the API.
    pub tokens: Vec<Token>,
    /// Who is told of events.
    pub webhooks: Vec<Endpoint>,
    /// Accounts with carriers.
    pub accounts: Vec<AccountConfig>,
    /// What the doors bear.
    pub limits: Limits,
    /// What is kept at most.
    pub keep: Keep,
    /// How the log is written.
    pub log: Log,
    /// What is allowed, but worth a second look: lines for a person.
    pub warnings: Vec<String>,
}

/// A configuration is some kilobytes; this much is some other file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Reads and checks a file. Relative paths in it are relative to it.
pub fn load(file: &Path) -> Result<Config, Problems> {
    let bytes = std::fs::metadata(file)
        .and_then(|about| {
            if about.len() > FILE_MAX_BYTES {
                return Err(std::io::Error::other(format!("larger than {FILE_MAX_BYTES} bytes")));
            }
            std::fs::read(file)
        })
        .map_err(|error| Problems::unreadable(file, &error))?;
    let text = encoding::text(bytes).map_err(|wrong| Problems::of_file(file, wrong))?;
    if encoding::has_only_cr(&text) {
        let wrong = "has lines that end with CR alone, so that all of it is one line: save it with LF or CRLF";
        return Err(Problems::of_file(file, wrong.to_owned()));
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    read(&text, file, Timestamp::default() + since_1970)
}

/// Checks what stands in a file.
fn read(text: &str, file: &Path, now: Timestamp) -> Result<Config, Problems> {
    check(&mut Reading::new(text, file, now))
}

fn check(reading: &mut Reading<'_>) -> Result<Config, Problems> {
    let Some(root) = Section::parse(reading) else {
        return Err(reading.problems());
    };
    let data_dir = data_dir(&root, reading);
    let storage = storage::storage(&root, reading);
    let listen = doors::listen(&root, reading);
    let limits = doors::limits(&root, reading);
    let listen = listen.map(|doors| doors.with(&limits));
    let (tokens, webhooks) = platform::platform(&root, reading);
    let accounts = account::accounts(&root, reading);
    let keep = retention::retention(&root, reading);
    let log = log::log(&root, reading);
    root.no_other_keys(reading);

    let warnings = reading.warnings();
    match (data_dir, listen, reading.problems()) {
        (Some(data_dir), Some(listen), problems) if problems.is_empty() => {
            Ok(Config { data_dir, storage, listen, tokens, webhooks, accounts, limits, keep, log, warnings })
        }
        (_, _, problems) => Err(problems),
    }
}

fn data_dir(root: &Section<'_>, reading: &mut Reading<'_>) -> Option<PathBuf> {
    let text = root.text("data_dir", reading).unwrap_or("data");
    if text.is_empty() {
        reading.problem(root, "data_dir", "is empty: name a directory, or leave it out for \"data\"");
        return None;
    }
    let path = reading.path(text);
    if path.exists() && !path.is_dir() {
        reading.problem(root, "data_dir", format!("{text:?} is a file: name a directory"));
        return None;
    }
    Some(path)
}

/// Whether `text` can name a token, an endpoint or an account: these become labels of metrics and parts of paths.
fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// The `name` of one of several sections that must not share one.
fn name<'a>(section: &'a Section<'_>, taken: &[&str], reading: &mut Reading<'_>) -> Option<&'a str> {
    let name = section.required_text("name", "a short one, as in name = \"main\"", reading)?;
    if !is_name(name) {
        reading.problem(section, "name", format!("{name:?} is no name: use 1 to 32 of a-z 0-9 _ -"));
        return None;
    }
    if taken.contains(&name) {
        reading.problem(section, "name", format!("{name:?} is taken by another one above: choose another"));
        return None;
    }
    Some(name)
}

impl Config {
    /// What would run, in a few lines, without secrets. Warnings stand in [`Config::warnings`].
    pub fn summary(&self) -> String {
        let mut text = format!("data in {}\n", self.data_dir.display());
        let doors = &self.listen;
        for (name, door) in [
            ("carriers", &doors.carriers),
            ("platform", &doors.platform),
            ("console", &doors.console),
            ("ops", &doors.ops),
        ] {
            let _ = writeln!(text, "{name} at {}{}", door.address, if door.tls.is_some() { " with TLS" } else { "" });
        }
        for account in &self.accounts {
            let _ =
                writeln!(text, "account {} with {} at {}", account.name, account.carrier.name(), account.public_url);
        }
        for token in &self.tokens {
            let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.label()).collect();
            let _ = writeln!(text, "token {} for {}", token.name, scopes.join(", "));
        }
        for endpoint in &self.webhooks {
            let keys = endpoint.secrets.len();
            let events = match endpoint.events.words() {
                [] => "events".to_owned(),
                words => words.join(", "),
            };
            let _ = writeln!(
                text,
                "{events} to {} signed with {keys} key{}",
                endpoint.name,
                if keys == 1 { "" } else { "s" }
            );
        }
        text
    }
}
