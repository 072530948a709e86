//! Labels: closed enums that print as one lower-case word, and the names that people give our numbers.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Characters of a number's label that are shown.
const SHOWN_MAX: usize = 32;

/// Digits that a label may show: no more than tell two numbers apart, so that a label that is a number is none here.
const DIGITS_MAX: usize = 4;

/// Labels of numbers that are told apart. Each is a series of every metric that has them.
const NUMBERS_MAX: usize = 1_000;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in metrics and logs.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

pub(super) use labels;

labels! {
    /// Why a connection to one of our doors ended.
    ConnectionEnd {
        /// It was closed in good order.
        Closed = "closed",
        /// It broke, or the peer sent what is no HTTP.
        Broken = "broken",
        /// The TLS handshake failed.
        HandshakeFailed = "handshake_failed",
        /// The TLS handshake took too long.
        HandshakeLate = "handshake_late",
        /// Too many others had begun something as large, or waited for their handshake.
        AtCapacity = "crowded",
        /// A trusted proxy sent no PROXY protocol header, or a wrong one.
        ProxyHeader = "proxy_header",
        /// The headers took too long.
        HeadersLate = "headers_late",
        /// It was idle for too long.
        Idle = "idle",
        /// The peer did not take our answer.
        WriteLate = "write_late",
        /// We were stopping and it was late.
        Cut = "cut",
    }
}

/// An account's name; `none` for the account of a number that is ours no longer.
pub(super) fn account(name: &str) -> String {
    if name.is_empty() { "none".to_owned() } else { name.to_owned() }
}

/// What is shown of the label that people gave a number: one line, cut, and without digits where they might be the number
/// itself (A57). `other` past [`NUMBERS_MAX`], `none` where there is nothing.
pub(super) fn shown(label: &str) -> String {
    static TOLD_APART: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    among(&mut TOLD_APART.lock().unwrap_or_else(PoisonError::into_inner), clean(label))
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

fn among(told_apart: &mut BTreeSet<String>, label: String) -> String {
    if told_apart.contains(&label) {
        return label;
    }
    if told_apart.len() >= NUMBERS_MAX {
        return "other".to_owned();
    }
    told_apart.insert(label.clone());
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a57_a_label_that_might_be_a_number_shows_no_digit_and_one_that_is_none_shows_as_it_is() {
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
    fn r28_a_label_is_cut_and_put_on_one_line() {
        assert_eq!(clean("  a\n\tb\u{0}c  d "), "a b c d");
        assert_eq!(clean(" \n "), "none");
        assert_eq!(clean(&"ü".repeat(100)), "ü".repeat(SHOWN_MAX));
    }

    #[test]
    fn beyond_a_thousand_labels_a_new_one_is_another_and_those_there_are_stay() {
        let mut told_apart = BTreeSet::new();
        for nth in 0..NUMBERS_MAX {
            assert_eq!(among(&mut told_apart, format!("l{nth}")), format!("l{nth}"));
        }
        assert_eq!(among(&mut told_apart, "new".to_owned()), "other");
        assert_eq!(among(&mut told_apart, "l7".to_owned()), "l7");
    }
}
