//! Fuzz entry points for the rules that parse callers' texts.

use super::keyword::{self, Keyword};
use super::opt_out;
use crate::model::{Settings, is_blank};

/// Parses `input` as a caller's message: decoration does not change a keyword, and only a blocked sender can send
/// START.
pub fn opt_out(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let word = keyword::read(text);
    if word.is_some() {
        assert!(!is_blank(text));
    }
    assert_eq!(keyword::read(&format!("\u{200b} “{text}!” 🛑")), word, "decoration changes nothing");
    for first_word in [false, true] {
        let mut settings = Settings::default();
        settings.opt_out.first_word = first_word;
        let [free, blocked] = [false, true].map(|blocked| opt_out::keyword_in(None, text, blocked, &settings));
        assert_ne!(free, Some(Keyword::Start), "START from a sender who is not blocked is ordinary text");
        if word.is_some() {
            assert_eq!(blocked, word);
        }
        if word == Some(Keyword::Stop) {
            assert_eq!(free, word, "STOP is never missed");
        }
        if !first_word {
            assert_eq!(blocked, word);
        }
        assert_eq!(
            opt_out::keyword_in(Some("STOP"), text, false, &settings),
            Some(Keyword::Stop),
            "the carrier's word counts"
        );
    }
}
