//! `[console]` and `[[console.person]]`: who may use the console, and how.

use super::platform::scopes;
use super::section::{Reading, Section};
use super::{name, secrets, urls};
use crate::http::console::{Person, SessionLimits, fault};
use std::time::Duration;
use url::Url;

/// The console.
#[derive(Clone, Debug, Default)]
pub struct ConsoleConfig {
    /// Its URL, where browsers do not reach it on loopback.
    pub public_url: Option<Url>,
    /// How long sessions last.
    pub sessions: SessionLimits,
    /// Who may use it.
    pub people: Vec<Person>,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The console; problems are recorded.
pub(super) fn console(root: &Section<'_>, reading: &mut Reading<'_>) -> ConsoleConfig {
    let empty = Section::empty(root, "console");
    let console = root.section("console", reading).unwrap_or(empty);
    let public_url = urls::base_url(&console, "public_url", reading);
    if public_url.as_ref().is_some_and(|url| url.url().path() != "/") {
        let what = "has a path: the console is at the root of its host, as in \"https://console.example.com\"";
        reading.problem(&console, "public_url", what);
    }
    let idle = console.count("idle_minutes", 1..=24 * 60, 15, reading);
    let whole = console.count("hours_max", 1..=7 * 24, 8, reading);
    let mut people = Vec::new();
    let mut names = Vec::new();
    let sections = console.sections("person", reading);
    for section in &sections {
        people.extend(person(section, &names, reading));
        names.extend(section.peek_text("name"));
    }
    console.no_other_keys(reading);
    let sessions = SessionLimits {
        idle: Duration::from_secs(idle as u64 * MINUTE),
        whole: Duration::from_secs(whole as u64 * HOUR),
    };
    ConsoleConfig { public_url: public_url.map(|url| url.url().clone()), sessions, people }
}

fn person(section: &Section<'_>, names: &[&str], reading: &mut Reading<'_>) -> Option<Person> {
    let name = name(section, names, reading);
    let scopes = scopes(section, reading);
    let texts = !section.has("texts") || section.flag("texts", reading);
    // Who has no password signs in by links that an administrator makes.
    let has_password = section.has("password_file");
    let password = if has_password { secrets::secret_file(section, "password_file", reading) } else { None };
    if !has_password {
        section.text("password_file", reading);
    }
    section.no_other_keys(reading);
    if let Some(why) = password.as_ref().and_then(|password| fault(password.expose())) {
        reading.problem(section, "password_file", why);
        return None;
    }
    (password.is_some() || !has_password).then_some(())?;
    Some(Person { name: name?.to_owned(), scopes: scopes?, texts, password })
}
