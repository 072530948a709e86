//! Floor 8: the configuration file, validated as a whole.
//!
//! Invariant: a [`Config`] is valid in every part: secrets are read, certificates match their keys, URLs parse. All
//! problems of a file are reported at once, each with line, key and fix, and nothing runs with a file that has a
//! problem. Secret values are never shown.
//!
//! ```no_run
//! match offhook::config::load(std::path::Path::new("/etc/offhook/offhook.toml")) {
//!     Ok(config) => print!("{}", config.summary()),
//!     Err(problems) => println!("{problems}"),
//! }
//! ```

mod account;
pub mod advice;
mod console;
mod doors;
mod encoding;
#[cfg(feature = "test-support")]
pub mod fuzz;
mod log;
mod media;
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

pub use account::AccountConfig;
pub use console::ConsoleConfig;
pub use doors::{DoorConfig, Doors, Limits, default_address};
pub use log::Log;
pub use platform::Endpoint;
pub use problems::Problems;
pub use storage::Storage;

use crate::http::api::Token;
use crate::model::Timestamp;
use crate::work::Keep;
use crate::work::media::store::{MediaConfig, Place};
use section::{Reading, Section};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Everything the daemon is built from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where journal, snapshots, media and index live.
    pub data_dir: PathBuf,
    /// Free space to keep on its disk.
    pub storage: Storage,
    /// The doors.
    pub listen: Doors,
    /// Tokens that may call the API.
    pub tokens: Vec<Token>,
    /// The console, and who may use it.
    pub console: ConsoleConfig,
    /// Endpoints that events are delivered to.
    pub webhooks: Vec<Endpoint>,
    /// Accounts with carriers.
    pub accounts: Vec<AccountConfig>,
    /// Connection limits of the doors.
    pub limits: Limits,
    /// Retention limits.
    pub keep: Keep,
    /// Where media are kept, and how many are taken in.
    pub media: MediaConfig,
    /// Format and level of the log.
    pub log: Log,
    /// Whether this is the demo's configuration; never of a file.
    pub demo: bool,
    /// Allowed but suspicious settings, one line each, for a person.
    pub warnings: Vec<String>,
}

/// A configuration is a few kilobytes; a larger file is not one.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Reads and validates a file. Relative paths in it are relative to it.
pub fn load(file: &Path) -> Result<Config, Problems> {
    let text = text_of(file)?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    read(&text, file, Timestamp::default() + since_1970)
}

/// The account names in a file, whatever else is wrong with it; `None` if it is not TOML.
pub fn account_names(file: &Path) -> Option<Vec<String>> {
    let root: toml::Table = text_of(file).ok()?.parse().ok()?;
    let accounts = root.get("account").and_then(toml::Value::as_array).into_iter().flatten();
    Some(accounts.filter_map(|account| Some(account.get("name")?.as_str()?.to_owned())).collect())
}

fn text_of(file: &Path) -> Result<String, Problems> {
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
        let wrong = "has lines that end with CR only, so it parses as one line: save it with LF or CRLF";
        return Err(Problems::of_file(file, wrong.to_owned()));
    }
    Ok(text)
}

/// Validates the text of a file.
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
    let console = console::console(&root, reading);
    let accounts = account::accounts(&root, account::CARRIERS, reading);
    let keep = retention::retention(&root, reading);
    let media = media::media(&root, data_dir.as_deref(), reading);
    let log = log::log(&root, reading);
    root.no_other_keys(reading);

    let warnings = reading.warnings();
    match (data_dir, listen, media, reading.problems()) {
        (Some(data_dir), Some(listen), Some(media), problems) if problems.is_empty() => Ok(Config {
            data_dir,
            storage,
            listen,
            tokens,
            console,
            webhooks,
            accounts,
            limits,
            keep,
            media,
            log,
            demo: false,
            warnings,
        }),
        (_, _, _, problems) => Err(problems),
    }
}

fn data_dir(root: &Section<'_>, reading: &mut Reading<'_>) -> Option<PathBuf> {
    let text = root.text("data_dir", reading).unwrap_or("data");
    if text.is_empty() {
        reading.problem(root, "data_dir", "is empty: use a directory, or omit it for the default \"data\"");
        return None;
    }
    let path = reading.path(text);
    if path.exists() && !path.is_dir() {
        reading.problem(root, "data_dir", format!("{text:?} is a file: use a directory"));
        return None;
    }
    Some(path)
}

/// Whether `text` can name a token, an endpoint or an account: names become metric labels and path segments.
pub fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// The `name` of one of several sections, which must be unique.
fn name<'a>(section: &'a Section<'_>, taken: &[&str], reading: &mut Reading<'_>) -> Option<&'a str> {
    let name = section.required_text("name", "a short one, as in name = \"main\"", reading)?;
    if !is_name(name) {
        reading.problem(section, "name", format!("{name:?} is not a valid name: use 1 to 32 of a-z 0-9 _ -"));
        return None;
    }
    if taken.contains(&name) {
        reading.problem(section, "name", format!("{name:?} is already used above: choose another"));
        return None;
    }
    Some(name)
}

impl Config {
    /// The names of the configured accounts.
    pub fn account_names(&self) -> Vec<String> {
        self.accounts.iter().map(|account| account.name.clone()).collect()
    }

    /// What would run, in a few lines, without secrets. Warnings are in [`Config::warnings`].
    pub fn summary(&self) -> String {
        let mut text = format!("data in {}\n", self.data_dir.display());
        let _ = match &self.media.place {
            Place::Folder(path) => writeln!(text, "media in {}", path.display()),
            Place::Bucket { bucket, .. } => writeln!(text, "media in {bucket}"),
        };
        for config in self.listen.iter() {
            let (door, tls) = (config.door.label(), if config.tls.is_some() { " with TLS" } else { "" });
            let _ = writeln!(text, "{door} at {}{tls}", config.address);
        }
        for account in &self.accounts {
            let url = account.public_url.written();
            let _ = writeln!(text, "account {} with {} at {url}", account.name, account.carrier);
        }
        for token in &self.tokens {
            let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.label()).collect();
            let hidden = if token.texts { "" } else { ", without texts" };
            let _ = writeln!(text, "token {} for {}{hidden}", token.name, scopes.join(", "));
        }
        for person in &self.console.people {
            let scopes: Vec<_> = person.scopes.iter().map(|scope| scope.label()).collect();
            let hidden = if person.texts { "" } else { ", without texts" };
            let by = if person.password.is_some() { "" } else { ", by links only" };
            let _ = writeln!(text, "person {} for {}{hidden}{by}", person.name, scopes.join(", "));
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
