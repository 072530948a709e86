//! The log, on stderr: lines for people, for programs or for systemd's journal.

use super::limited::{Cause, limited};
use super::lines::{JournalLines, JsonLines};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The variables that set the log filter; the first one set wins.
const LEVEL_VARIABLES: [&str; 2] = ["OFFHOOK_LOG", "RUST_LOG"];

/// The variable that sets the log format.
const FORMAT_VARIABLE: &str = "OFFHOOK_LOG_FORMAT";

/// Bare words allowed in a filter. `EnvFilter` takes any other word for a target, so a misspelt level would silence
/// everything else.
const BARE_WORDS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The log format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Human-readable lines with timestamps.
    Text,
    /// One JSON object per line.
    Json,
    /// For systemd's journal: a priority prefix and no timestamp, which the journal adds.
    Journal,
}

impl LogFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Journal];

    /// Its name in the configuration.
    pub fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Journal => "journal",
        }
    }

    /// The format with this name, if any.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.label() == word)
    }

    /// The format set by `OFFHOOK_LOG_FORMAT`, if any.
    pub fn from_environment() -> Result<Option<Self>, LoggingFailed> {
        format(|name| std::env::var(name).ok())
    }
}

/// Why logging could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoggingFailed {
    /// The filter is invalid.
    #[error(
        "{variable} is not a valid log filter ({reason}): use error, warn, info or debug, or unset it for {default}"
    )]
    BadFilter {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
        /// The level used without it.
        default: &'static str,
    },
    /// The format is unknown.
    #[error("{FORMAT_VARIABLE} is {word:?}: use text, json or journal, or unset it to use [log] format")]
    BadFormat {
        /// Its value.
        word: String,
    },
    /// Logging was started before.
    #[error("logging is already initialised in this process")]
    Twice,
}

/// Starts logging to stderr, at the level of `OFFHOOK_LOG`, else `RUST_LOG`, else `level`, and in `format` unless
/// `OFFHOOK_LOG_FORMAT` is set. Colours are used on terminals only.
pub fn logging(format: LogFormat, level: &'static str) -> Result<(), LoggingFailed> {
    let format = LogFormat::from_environment()?.unwrap_or(format);
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(format == LogFormat::Text && std::io::stderr().is_terminal())
        .with_env_filter(filter(|name| std::env::var(name).ok(), level)?);
    let started = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.event_format(JsonLines).try_init(),
        LogFormat::Journal => lines.event_format(JournalLines).try_init(),
    };
    started.map_err(|_| LoggingFailed::Twice)
}

/// Installs a panic hook that logs a panic's location but not its message, which may quote a text or a number.
///
/// Panics in requests are counted by the caller; any other panic stops the process.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        let line = || tracing::error!("{}", panic_line(place.as_deref(), thread.name()));
        limited(Cause::Panicked, thread.name().unwrap_or("none"), line);
    }));
}

fn panic_line(place: Option<&str>, thread: Option<&str>) -> String {
    let (place, thread) = (place.unwrap_or("an unknown location"), thread.unwrap_or("without a name"));
    format!("panic at {place}, thread {thread} (bug)")
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
                return Err(bad(format!("{word:?} is not a level")));
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
    fn a_panic_is_logged_by_location_without_its_message() {
        let line = panic_line(Some("src/rules/lane.rs:7:13"), Some("engine"));
        assert_eq!(line, "panic at src/rules/lane.rs:7:13, thread engine (bug)");
        assert_eq!(panic_line(None, None), "panic at an unknown location, thread without a name (bug)");
    }

    #[test]
    fn offhook_log_wins_over_rust_log_and_unset_means_the_default() {
        let both = |name| Some(if name == "OFFHOOK_LOG" { "debug" } else { "error" }.to_owned());
        assert_eq!(filter(both, "info").unwrap().to_string(), "debug");
        let common = |name| (name == "RUST_LOG").then(|| "warn".to_owned());
        assert_eq!(filter(common, "info").unwrap().to_string(), "warn");
        assert_eq!(filter(|_| None, "info").unwrap().to_string(), "info");
    }

    #[test]
    fn an_unknown_level_is_refused_with_the_variable_s_name() {
        for word in ["offhook=loud", "inof", "info,lodu"] {
            let wrong = |name| (name == "OFFHOOK_LOG").then(|| word.to_owned());
            let text = filter(wrong, "info").unwrap_err().to_string();
            assert!(text.starts_with("OFFHOOK_LOG is not a valid log filter"), "{text}");
        }
        for word in ["WARN", "off", "info,hyper=debug"] {
            assert!(filter(|_| Some(word.to_owned()), "info").is_ok(), "{word}");
        }
    }

    #[test]
    fn f17_the_environment_sets_the_format_and_a_misspelt_one_is_refused() {
        assert_eq!(format(|_| None), Ok(None));
        assert_eq!(format(|_| Some(String::new())), Ok(None));
        assert_eq!(format(|_| Some("journal".to_owned())), Ok(Some(LogFormat::Journal)));
        let refused = format(|_| Some("xml".to_owned())).unwrap_err().to_string();
        assert!(refused.starts_with("OFFHOOK_LOG_FORMAT is \"xml\": use text, json or journal"), "{refused}");
    }
}
