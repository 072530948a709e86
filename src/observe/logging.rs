//! The log, on stderr: lines for people, for programs or for systemd's journal.

use super::limited::{Cause, limited};
use super::lines::{JournalLines, JsonLines};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The variables that name what is written, the first that is set wins.
const LEVEL_VARIABLES: [&str; 2] = ["OFFHOOK_LOG", "RUST_LOG"];

/// The variable that names how it is written.
const FORMAT_VARIABLE: &str = "OFFHOOK_LOG_FORMAT";

/// What a bare word in a filter may be. Any other word is a part of the program to the filter, so that a misspelt level
/// would silence everything else.
const BARE_WORDS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Lines for people, each with its time.
    Text,
    /// An object a line.
    Json,
    /// For systemd's journal: a priority, and no time, since the journal has its own.
    Journal,
}

impl LogFormat {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Journal];

    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Journal => "journal",
        }
    }

    /// The one that a word means.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.label() == word)
    }

    /// The one that `OFFHOOK_LOG_FORMAT` names, if it is set.
    pub fn from_environment() -> Result<Option<Self>, LoggingFailed> {
        format(|name| std::env::var(name).ok())
    }
}

/// Logging could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoggingFailed {
    /// The level was no level.
    #[error("{variable} is no log filter ({reason}): use error, warn, info or debug, or leave it out for {default}")]
    BadFilter {
        /// The variable it stands in.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
        /// What holds without it.
        default: &'static str,
    },
    /// The format was no format.
    #[error("{FORMAT_VARIABLE} is {word:?}: use text, json or journal, or leave it out for what [log] format says")]
    BadFormat {
        /// What it says.
        word: String,
    },
    /// It had begun already.
    #[error("this process logs already")]
    Twice,
}

/// Begins to log to stderr, at the level that `OFFHOOK_LOG`, else `RUST_LOG`, else `level` names, and in `format` unless
/// `OFFHOOK_LOG_FORMAT` names another. Colours only where a terminal shows them.
pub fn logging(format: LogFormat, level: &'static str) -> Result<(), LoggingFailed> {
    let format = LogFormat::from_environment()?.unwrap_or(format);
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(format == LogFormat::Text && std::io::stderr().is_terminal())
        .with_env_filter(filter(|name| std::env::var(name).ok(), level)?);
    let begun = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.event_format(JsonLines).try_init(),
        LogFormat::Journal => lines.event_format(JournalLines).try_init(),
    };
    begun.map_err(|_| LoggingFailed::Twice)
}

/// Has panics logged by where they were, and not by what they said: that may quote a text or a number.
///
/// Those of requests are counted where they are answered, and the others stop the process.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        let line = || tracing::error!("{}", panic_line(place.as_deref(), thread.name()));
        limited(Cause::Panicked, thread.name().unwrap_or("none"), line);
    }));
}

fn panic_line(place: Option<&str>, thread: Option<&str>) -> String {
    let (place, thread) = (place.unwrap_or("a place unknown"), thread.unwrap_or("without a name"));
    format!("a panic at {place}, in the thread {thread}: this is a defect")
}

fn format(variable: impl Fn(&'static str) -> Option<String>) -> Result<Option<LogFormat>, LoggingFailed> {
    match variable(FORMAT_VARIABLE).filter(|word| !word.is_empty()) {
        None => Ok(None),
        Some(word) => LogFormat::of(&word).map(Some).ok_or(LoggingFailed::BadFormat { word }),
    }
}

fn filter(
    variable: impl Fn(&'static str) -> Option<String>,
    default: &'static str,
) -> Result<EnvFilter, LoggingFailed> {
    for name in LEVEL_VARIABLES {
        if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
            let bad = |reason| LoggingFailed::BadFilter { variable: name, reason, default };
            let mut words = text.split(',').map(str::trim).filter(|word| !word.contains(['=', ':', '[']));
            if let Some(word) = words.find(|word| !BARE_WORDS.iter().any(|bare| bare.eq_ignore_ascii_case(word))) {
                return Err(bad(format!("{word:?} is no level")));
            }
            return EnvFilter::try_new(&text).map_err(|error| bad(error.to_string()));
        }
    }
    Ok(EnvFilter::new(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place_and_not_by_what_it_says() {
        let line = panic_line(Some("src/rules/lane.rs:7:13"), Some("engine"));
        assert_eq!(line, "a panic at src/rules/lane.rs:7:13, in the thread engine: this is a defect");
        assert_eq!(
            panic_line(None, None),
            "a panic at a place unknown, in the thread without a name: this is a defect"
        );
    }

    #[test]
    fn our_own_variable_wins_over_the_common_one_and_none_means_the_default() {
        let both = |name| Some(if name == "OFFHOOK_LOG" { "debug" } else { "error" }.to_owned());
        assert_eq!(filter(both, "info").unwrap().to_string(), "debug");
        let common = |name| (name == "RUST_LOG").then(|| "warn".to_owned());
        assert_eq!(filter(common, "info").unwrap().to_string(), "warn");
        assert_eq!(filter(|_| None, "info").unwrap().to_string(), "info");
    }

    #[test]
    fn a_level_that_is_none_is_said_to_be_none_and_where() {
        for word in ["offhook=loud", "inof", "info,lodu"] {
            let wrong = |name| (name == "OFFHOOK_LOG").then(|| word.to_owned());
            let text = filter(wrong, "info").unwrap_err().to_string();
            assert!(text.starts_with("OFFHOOK_LOG is no log filter"), "{text}");
        }
        for word in ["WARN", "off", "info,hyper=debug"] {
            assert!(filter(|_| Some(word.to_owned()), "info").is_ok(), "{word}");
        }
    }

    #[test]
    fn f17_the_environment_names_a_format_and_a_misspelt_one_is_refused() {
        assert_eq!(format(|_| None), Ok(None));
        assert_eq!(format(|_| Some(String::new())), Ok(None));
        assert_eq!(format(|_| Some("journal".to_owned())), Ok(Some(LogFormat::Journal)));
        let refused = format(|_| Some("xml".to_owned())).unwrap_err().to_string();
        assert!(refused.starts_with("OFFHOOK_LOG_FORMAT is \"xml\": use text, json or journal"), "{refused}");
    }
}
