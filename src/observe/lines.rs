//! The log's line formats for programs (JSON) and for systemd's journal.

use super::LogFormat;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt::{self, Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// One JSON object per line: `time`, `level`, `target`, `message` and the event's fields.
pub(super) struct JsonLines;

/// Lines with a prefix `<N>`, which systemd reads as the priority. The journal adds the timestamps.
pub(super) struct JournalLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        let mut fields = Fields(object(about.level().as_str()));
        fields.0.insert("target".to_owned(), about.target().into());
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

impl<S, N> FormatEvent<S, N> for JournalLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        let mut text = format!("{}: ", about.target());
        context.format_fields(Writer::new(&mut text), event)?;
        writer.write_str(&prioritised(*about.level(), &text))
    }
}

/// Formats a fatal error like the log, one line each. Works at any log level and before logging has started.
pub fn last_words(format: LogFormat, why: &str) -> String {
    match format {
        LogFormat::Text => format!("{why}\n"),
        LogFormat::Journal => prioritised(Level::ERROR, why),
        LogFormat::Json => why.lines().fold(String::new(), |mut text, line| {
            let mut fields = object(Level::ERROR.as_str());
            fields.insert("message".to_owned(), line.into());
            let _ = writeln!(text, "{}", Value::Object(fields));
            text
        }),
    }
}

/// Prefixes each line of a text with its priority.
fn prioritised(level: Level, text: &str) -> String {
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    text.lines().fold(String::new(), |mut lines, line| {
        let _ = writeln!(lines, "<{priority}>{line}");
        lines
    })
}

/// An object with `time` and `level`.
fn object(level: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("time".to_owned(), Timestamp::now().to_string().into());
    object.insert("level".to_owned(), level.into());
    object
}

/// The fields of an event as JSON.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::subscriber::with_default;

    #[test]
    fn f17_a_json_line_has_time_level_message_and_fields() {
        let lines = written(|lines| Box::new(lines.event_format(JsonLines).finish()));
        let object: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(object["level"], "WARN");
        assert_eq!(object["message"], "two\nlines");
        assert_eq!((&object["account"], &object["count"]), (&"main".into(), &7.into()));
        assert!(object["target"].as_str().unwrap().starts_with("offhook::observe"), "{object}");
        assert!(object["time"].as_str().unwrap().parse::<Timestamp>().is_ok(), "{object}");
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn f17_a_journal_line_begins_with_its_priority_and_has_no_time() {
        let lines = written(|lines| Box::new(lines.event_format(JournalLines).finish()));
        assert_eq!(lines[0], "<4>offhook::observe::lines::tests: two");
        assert_eq!(lines[1], "<4>lines account=\"main\" count=7");
    }

    #[test]
    fn f17_a_fatal_error_is_written_in_the_log_s_format() {
        assert_eq!(last_words(LogFormat::Text, "one\ntwo"), "one\ntwo\n");
        assert_eq!(last_words(LogFormat::Journal, "one\ntwo"), "<3>one\n<3>two\n");
        let json = last_words(LogFormat::Json, "one\ntwo");
        let messages: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(messages.iter().map(|line| line["message"].clone()).collect::<Vec<_>>(), ["one", "two"]);
    }

    type Builder = tracing_subscriber::fmt::SubscriberBuilder<
        tracing_subscriber::fmt::format::DefaultFields,
        tracing_subscriber::fmt::format::Format,
        tracing::level_filters::LevelFilter,
        Buffer,
    >;

    /// The lines written for a test warning.
    fn written(subscriber: impl FnOnce(Builder) -> Box<dyn Subscriber + Send + Sync>) -> Vec<String> {
        let buffer = Buffer::default();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(buffer.clone());
        with_default(subscriber(lines), || tracing::warn!(account = "main", count = 7_u64, "two\nlines"));
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Buffer {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
