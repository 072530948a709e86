//! Opt-out, opt-in and help words (A24, A47, A48).

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a whole message that is one keyword asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keyword {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// Who is this?
    Help,
}

const STOP: &[&str] = &[
    "stop",
    "stopall",
    "stop all",
    "unsubscribe",
    "unsub",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "opt out",
    "opt-out",
    "arret",
    "arreter",
    "arrete",
    "desabonner",
    "parar",
    "detener",
    "baja",
    "cancelar",
];
const START: &[&str] = &["start", "unstop", "yes", "resume", "debut", "nonarret", "reprendre", "inicio", "alta", "si"];
const HELP: &[&str] = &["help", "info", "aide", "ayuda"];

/// The keyword a text is, if it is nothing else.
///
/// The whole message counts, without its case, its accents, space around it and punctuation behind it: lenient is safer
/// for the consumer (A48).
pub fn read(text: &str) -> Option<Keyword> {
    // No keyword is longer, and nobody shouts STOP with more punctuation than that.
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return None;
    }
    word(&folded(text))
}

/// Whether a text begins with an opt-out word and goes on: "stop please". Carriers match no such thing; the law may.
pub fn begins_with_stop(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    read(first) == Some(Keyword::Stop)
}

fn folded(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
    let trimmed = plain.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation() || "…。！".contains(c));
    trimmed.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn word(folded: &str) -> Option<Keyword> {
    [(STOP, Keyword::Stop), (START, Keyword::Start), (HELP, Keyword::Help)]
        .into_iter()
        .find(|(list, _)| list.contains(&folded))
        .map(|(_, keyword)| keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a48_a_keyword_is_the_whole_message_in_any_dress() {
        for text in [
            "STOP",
            "stop",
            " Stop. ",
            "Stop!!!",
            "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}",
            "Arrêt",
            "STOP  ALL",
            "opt-out",
            "\"stop\"",
        ] {
            assert_eq!(read(text), Some(Keyword::Stop), "{text:?}");
        }
        assert_eq!(read("Sí"), Some(Keyword::Start));
        assert_eq!(read("help?"), Some(Keyword::Help));
    }

    #[test]
    fn a48_a_keyword_among_other_words_is_ordinary_text() {
        for text in ["please stop", "stop please", "stopp", "", "the end", &"stop".repeat(20)] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
