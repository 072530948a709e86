//! Labels: enums whose values print as one lower-case word, and the labels that operators give our numbers.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Maximum length of a number's label in metrics.
const SHOWN_MAX: usize = 32;

/// Maximum digits in a label: enough to distinguish two numbers, too few to show a phone number.
const DIGITS_MAX: usize = 4;

/// Maximum number of distinct labels. Each adds a series to every metric with this label.
const NUMBERS_MAX: usize = 1_000;

/// Maximum number of distinct queues.
const QUEUES_MAX: usize = 1_000;

pub(super) use crate::model::labels;

labels! {
    /// Why a connection to a door ended.
    ConnectionEnd {
        /// It was closed normally.
        Closed = "closed",
        /// It broke, or the peer sent invalid HTTP.
        Broken = "broken",
        /// The TLS handshake failed.
        HandshakeFailed = "handshake_failed",
        /// The TLS handshake took too long.
        HandshakeLate = "handshake_late",
        /// Too many others were sending large headers or waiting for their handshake.
        AtCapacity = "crowded",
        /// A trusted proxy sent no PROXY protocol header, or an invalid one.
        ProxyHeader = "proxy_header",
        /// The headers took too long.
        HeadersLate = "headers_late",
        /// It was idle for too long.
        Idle = "idle",
        /// The peer did not read our response in time.
        WriteLate = "write_late",
        /// It was cut off at the shutdown deadline.
        Cut = "cut",
    }
}

/// An account's name; `none` for the account of a number that is no longer ours.
pub(super) fn account(name: &str) -> String {
    if name.is_empty() { "none".to_owned() } else { name.to_owned() }
}

/// A number's label as shown in metrics: one line, truncated, and without digits if they could be the phone number
/// (A57). `other` past [`NUMBERS_MAX`], `none` if it is empty.
pub(super) fn shown(label: &str) -> String {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    limit_distinct(&mut SEEN.lock().unwrap_or_else(PoisonError::into_inner), clean(label), NUMBERS_MAX)
}

/// A queue's id as shown in metrics, like a number's label. `other` past [`QUEUES_MAX`], `none` without a queue.
pub(super) fn queue(id: Option<&str>) -> String {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(id) = id else { return "none".to_owned() };
    limit_distinct(&mut SEEN.lock().unwrap_or_else(PoisonError::into_inner), clean(id), QUEUES_MAX)
}

fn clean(label: &str) -> String {
    let digits = label.chars().filter(|c| c.is_numeric()).count();
    let plain: String = label
        .chars()
        .map(|c| match c {
            c if c.is_control() => ' ',
            c if c.is_numeric() && digits > DIGITS_MAX => '#',
            c => c,
        })
        .collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { "none".to_owned() } else { line.chars().take(SHOWN_MAX).collect() }
}

fn limit_distinct(seen: &mut BTreeSet<String>, label: String, most: usize) -> String {
    if seen.contains(&label) {
        return label;
    }
    if seen.len() >= most {
        return "other".to_owned();
    }
    seen.insert(label.clone());
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a57_digits_are_masked_in_labels_that_might_be_phone_numbers() {
        for (label, expected) in [
            ("Support A", "Support A"),
            ("Line 12", "Line 12"),
            ("…0142", "…0142"),
            ("+12065550142", "+###########"),
            ("Support (206) 555-0142", "Support (###) ###-####"),
            ("٢٠٦٥٥٥٠١٤٢", "##########"),
            ("20 65 55 01 42 or 4", "## ## ## ## ## or #"),
        ] {
            assert_eq!(clean(label), expected);
        }
    }

    #[test]
    fn r28_a_label_is_truncated_and_put_on_one_line() {
        assert_eq!(clean("  a\n\tb\u{0}c  d "), "a b c d");
        assert_eq!(clean(" \n "), "none");
        assert_eq!(clean(&"ü".repeat(100)), "ü".repeat(SHOWN_MAX));
    }

    #[test]
    fn past_the_limit_new_labels_become_other_and_known_ones_stay() {
        let mut seen = BTreeSet::new();
        for nth in 0..NUMBERS_MAX {
            assert_eq!(limit_distinct(&mut seen, format!("l{nth}"), NUMBERS_MAX), format!("l{nth}"));
        }
        assert_eq!(limit_distinct(&mut seen, "new".to_owned(), NUMBERS_MAX), "other");
        assert_eq!(limit_distinct(&mut seen, "l7".to_owned(), NUMBERS_MAX), "l7");
    }
}
