//! `[log]`: format and level of the log. Two environment variables override it, see [`crate::observe::logging`].

use super::problems::did_you_mean;
use super::section::{Reading, Section};
use crate::observe::LogFormat;

/// Format and level of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log {
    /// For people, for programs, or for the systemd journal.
    pub format: LogFormat,
    /// The minimum level: `error`, `warn`, `info` or `debug`.
    pub level: &'static str,
}

/// The levels, from the fewest lines to the most.
const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info" }
    }
}

/// `[log]`, each key with its default.
pub(super) fn log(root: &Section<'_>, reading: &mut Reading<'_>) -> Log {
    let empty = Section::empty(root, "log");
    let section = root.section("log", reading).unwrap_or(empty);
    let formats = LogFormat::ALL.map(LogFormat::label);
    let usual = Log::default();
    let format = one_of(&section, "format", &formats, reading).and_then(LogFormat::of).unwrap_or(usual.format);
    let level = one_of(&section, "level", &LEVELS, reading).unwrap_or(usual.level);
    section.no_other_keys(reading);
    Log { format, level }
}

/// The value of `key`, which must be one of `known`.
fn one_of(
    section: &Section<'_>,
    key: &'static str,
    known: &[&'static str],
    reading: &mut Reading<'_>,
) -> Option<&'static str> {
    let word = section.text(key, reading)?;
    let found = known.iter().find(|known| **known == word).copied();
    if found.is_none() {
        let meant = did_you_mean(word, known.iter().copied());
        let text = format!("{word:?} is not supported: {meant}use one of {}", known.join(", "));
        reading.problem(section, key, text);
    }
    found
}
