//! The list of metrics that `offhook metrics` prints.

use super::names::{ALL, LABELS, Metric};

/// The width that text is wrapped to.
const COLUMNS: usize = 110;

/// The indentation of a help text.
const INDENT: &str = "    ";

/// All metrics by stage, with kind, labels and help; then all labels with the source of their values.
pub fn list() -> String {
    let widest = ALL.iter().map(|metric| metric.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    let mut stage = "";
    for Metric { stage: its, kind, name, labels, help } in ALL {
        if *its != stage {
            stage = its;
            text.push_str(&format!("{stage}\n\n"));
        }
        let line = format!("{name:widest$}  {kind:9}  {}", labels.join(", "));
        text.push_str(line.trim_end());
        text.push('\n');
        for line in wrapped(help, COLUMNS - INDENT.len()) {
            text.push_str(&format!("{INDENT}{line}\n"));
        }
        text.push('\n');
    }
    text.push_str("Labels and the sources of their values. No label contains a phone number, a text or an id.\n\n");
    let widest = LABELS.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    for (label, source) in LABELS {
        let mut label = *label;
        for line in wrapped(source, COLUMNS - widest - 2) {
            text.push_str(&format!("{label:widest$}  {line}\n"));
            label = "";
        }
    }
    text
}

/// Wraps a text to lines of at most `columns`; a longer word gets a line of its own.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-word-too-long b", 4), ["a-word-too-long", "b"]);
    }

    #[test]
    fn every_metric_is_listed_once_in_columns_and_no_line_is_too_long() {
        let list = list();
        for metric in ALL {
            let lines = list.lines().filter(|line| line.split(' ').next() == Some(metric.name));
            assert_eq!(lines.count(), 1, "{}", metric.name);
        }
        let kinds: Vec<_> = list.lines().filter(|line| line.starts_with("offhook_")).collect();
        let at = kinds[0].find(ALL[0].kind).unwrap();
        assert!(kinds.iter().all(|line| line[..at].ends_with("  ") && !line[at..].starts_with(' ')), "{list}");
        assert!(list.lines().all(|line| line.chars().count() <= COLUMNS), "{list}");
        assert!(LABELS.iter().all(|(label, _)| list.lines().any(|line| line.starts_with(&format!("{label} ")))));
    }
}
