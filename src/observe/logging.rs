//! Lines for people, on stderr.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

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
    /// It had begun already.
    #[error("this process logs already")]
    Twice,
}

/// Begins to log to stderr at the level that `OFFHOOK_LOG`, else `RUST_LOG`, else `default` names. Colours only where a
/// terminal shows them.
pub fn logging(default: &'static str) -> Result<(), LoggingFailed> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter(|name| std::env::var(name).ok(), default)?)
        .try_init()
        .map_err(|_| LoggingFailed::Twice)
}

/// Has panics logged by where they were, and not by what they said: that may quote a text or a number.
///
/// Those of requests are counted where they are answered, and the others stop the process.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!("{}", panic_line(place.as_deref(), std::thread::current().name()));
    }));
}

fn panic_line(place: Option<&str>, thread: Option<&str>) -> String {
    let (place, thread) = (place.unwrap_or("a place unknown"), thread.unwrap_or("without a name"));
    format!("a panic at {place}, in the thread {thread}: this is a defect")
}

fn filter(
    variable: impl Fn(&'static str) -> Option<String>,
    default: &'static str,
) -> Result<EnvFilter, LoggingFailed> {
    for name in ["OFFHOOK_LOG", "RUST_LOG"] {
        if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
            return EnvFilter::try_new(&text).map_err(|error| LoggingFailed::BadFilter {
                variable: name,
                reason: error.to_string(),
                default,
            });
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
        let wrong = |name| (name == "OFFHOOK_LOG").then(|| "offhook=loud".to_owned());
        let text = filter(wrong, "info").unwrap_err().to_string();
        assert!(text.starts_with("OFFHOOK_LOG is no log filter"), "{text}");
    }
}
