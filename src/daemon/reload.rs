//! Reloads a running gateway's configuration: certificates of the doors, tokens, signing keys, and accounts. Other
//! keys need a restart.
//!
//! Invariant: a configuration is applied whole or not at all. Everything is read, validated and built before anything
//! is replaced, so an invalid file leaves everything unchanged.

use super::{StartFailed, build};
use crate::config::{self, Config, DoorConfig, Doors};
use crate::engine::Handle;
use crate::http::api::Tokens;
use crate::http::console::Console;
use crate::machine::command::Command;
use crate::net::ServerTls;
use crate::observe;
use crate::work::{Accounts, HttpLink, Keys};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

/// The parts of a running gateway that can be replaced.
pub struct Reload {
    /// The configuration it was started with.
    started: Config,
    tokens: Tokens,
    console: Console,
    accounts: Accounts,
    /// By account name.
    links: HashMap<String, HttpLink>,
    /// By endpoint name.
    keys: HashMap<String, Keys>,
    engine: Handle,
}

/// How long the engine may take to record that paused accounts are retried.
const PATIENCE: Duration = Duration::from_secs(10);

impl Reload {
    /// For a gateway started with this configuration, and these parts of it.
    pub(super) fn new(
        started: Config,
        tokens: Tokens,
        console: Console,
        (accounts, links): (Accounts, HashMap<String, HttpLink>),
        keys: HashMap<String, Keys>,
        engine: Handle,
    ) -> Self {
        Self { started, tokens, console, accounts, links, keys, engine }
    }

    /// Retries paused accounts at once: the reloaded configuration may have fixed them.
    pub async fn try_accounts(&self) {
        // If the engine has no time for it, they are retried when their pause ends.
        let _busy = self.engine.submit(Command::TryAccounts, PATIENCE).await;
    }

    /// Reads the file again and applies it, or reports its problems and applies nothing. Blocks.
    pub fn read_again(&self, file: &Path) {
        let config = match config::load(file) {
            Ok(config) => config,
            Err(problems) => return observe::reload_refused(&problems),
        };
        if let Some(why) = self.would_shut_out(&config) {
            return observe::reload_refused(&format!("{}: {why}", file.display()));
        }
        let expired = self.newly_expired(&config);
        if !expired.is_empty() {
            return observe::reload_refused(&expired.join("\n"));
        }
        match self.replace(&config) {
            Ok(waiting) => {
                let warnings = [config.listen.expired(), config.warnings.clone()].concat();
                observe::reloaded(&warnings, &waiting);
            }
            Err(failed) => observe::reload_refused(&failed),
        }
    }

    /// Why a valid file is not applied: it seems to be empty or truncated, since it would leave no API token or no
    /// account.
    fn would_shut_out(&self, config: &Config) -> Option<String> {
        let Config { tokens, accounts, .. } = &self.started;
        let gone = match (config.tokens.is_empty(), config.accounts.is_empty()) {
            (true, _) if !tokens.is_empty() => "[[platform.token]]",
            (_, true) if !accounts.is_empty() => "[[account]]",
            _ => return None,
        };
        Some(format!(
            "there is no {gone}, but the gateway was started with one: write the complete file, or restart the \
             gateway if this is intended"
        ))
    }

    /// One line for each expired certificate that is not already in use by its door.
    fn newly_expired(&self, config: &Config) -> Vec<String> {
        let shown = |running: &DoorConfig, read: &DoorConfig| {
            running.tls.as_ref().zip(read.tls.as_ref()).is_some_and(|(running, read)| running.shows_the_same_as(read))
        };
        let pairs = self.started.listen.iter().zip(config.listen.iter());
        pairs.filter(|(running, read)| !shown(running, read)).filter_map(|(_, read)| read.expired.clone()).collect()
    }

    /// The keys whose changes need a restart.
    fn replace(&self, config: &Config) -> Result<Vec<String>, StartFailed> {
        let accounts = build::accounts(&config.accounts, &self.links);
        let mut keys = HashMap::new();
        for endpoint in &config.webhooks {
            keys.insert(endpoint.name.as_str(), build::keys(endpoint)?);
        }

        for (running, read) in self.started.listen.iter().zip(config.listen.iter()) {
            if let (Some(running), Some(read)) = (&running.tls, &read.tls) {
                running.replace(read);
            }
        }
        show_certificates(&self.started.listen);
        self.tokens.replace(config.tokens.clone());
        self.console.replace(config.console.people.clone());
        // An account that the configuration names no more stays until a restart: texts may wait for it.
        self.accounts.renew(accounts);
        for (name, running) in &self.keys {
            if let Some(keys) = keys.remove(name.as_str()) {
                running.replace(keys);
            }
        }
        Ok(waiting(&self.started, config))
    }
}

/// Updates the metrics of the certificates' expiry times.
pub(super) fn show_certificates(listen: &Doors) {
    for config in listen.iter() {
        if let Some(expires) = config.tls.as_ref().and_then(ServerTls::expires) {
            observe::certificate(config.door, expires);
        }
    }
}

/// The keys that differ and need a restart.
fn waiting(started: &Config, read: &Config) -> Vec<String> {
    let (before, after) = (fixed(started), fixed(read));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut waiting: Vec<String> =
        keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
    // A key that was replaced under the same id looks the same.
    if !read.media.place.has_credentials_of(&started.media.place) {
        waiting.push("media.credentials_file".to_owned());
    }
    waiting
}

/// The settings that need a restart, by key. The values are only compared, never shown.
fn fixed(config: &Config) -> BTreeMap<String, String> {
    let mut fixed = BTreeMap::new();
    fixed.insert("data_dir".to_owned(), config.data_dir.display().to_string());
    fixed.insert("storage".to_owned(), format!("{:?}", config.storage));
    fixed.insert("retention".to_owned(), format!("{:?}", config.keep));
    fixed.insert("media".to_owned(), format!("{:?}", config.media));
    fixed.insert("log".to_owned(), format!("{:?}", config.log));
    fixed.insert("limits".to_owned(), format!("{:?}", config.limits));
    fixed.insert("console.public_url".to_owned(), format!("{:?}", config.console.public_url));
    fixed.insert("console.idle_minutes or hours_max".to_owned(), format!("{:?}", config.console.sessions));
    for door in config.listen.iter() {
        let name = door.door.label();
        fixed.insert(format!("listen.{name}"), door.address.to_string());
        fixed.insert(format!("listen.{name}_tls"), door.tls.is_some().to_string());
    }
    for endpoint in &config.webhooks {
        let key = format!("platform.webhook[{:?}]", endpoint.name);
        fixed.insert(key, format!("{} {:?}", endpoint.url, endpoint.events));
    }
    for account in &config.accounts {
        // Accounts come and go by a restart; all their settings are taken over.
        fixed.insert(format!("account[{:?}]", account.name), String::new());
    }
    fixed
}
