//! What dialects share in reading webhooks.

use super::form::Fields;
use crate::model::{Address, E164, MessageId, ReceiptRef, decode_with_surrogates};
use serde::de::{Deserialize, Deserializer, Visitor};
use std::fmt;

/// Maximum number of media parsed from a message. Carriers' limits are about 10; media beyond our limit of A50 are
/// reported later.
pub(super) const MEDIA_MAX: usize = 32;

/// Maximum length of a sender: a number, a short code, a name of 11 characters, or another channel's address.
const ADDRESS_MAX_CHARACTERS: usize = 64;

/// Maximum length of a carrier's word in a log or metric.
const WORD_MAX_CHARACTERS: usize = 32;

/// What could not be parsed. The messages contain nothing of the content.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} occurs twice with different values")]
    Twice(&'static str),
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error("{0} is invalid")]
    Malformed(&'static str),
    #[error("{0}")]
    Other(&'static str),
    /// With names from the configuration.
    #[error("{0}")]
    Described(String),
}

/// An address as a carrier wrote it; `None` if it is empty or too long.
pub(super) fn address(text: &str) -> Option<Address> {
    let fits = !text.is_empty() && text.chars().take(ADDRESS_MAX_CHARACTERS + 1).count() <= ADDRESS_MAX_CHARACTERS;
    fits.then(|| Address::read(text))
}

/// An address from a carrier that writes numbers without their plus; `None` if it is empty or too long. Fewer than seven
/// digits are a short code; a leading plus is accepted.
pub(super) fn address_without_plus(text: &str) -> Option<Address> {
    E164::from_digits(text).map_or_else(|_| address(text), |number| Some(Address::Number(number)))
}

/// Our message id, from the query of the callback URL given with the send. Receipts of sends by other programs have
/// none.
pub(super) fn about(query: &str) -> Result<ReceiptRef, Problem> {
    let ours = Fields::of(query.as_bytes()).text("message")?.and_then(|id| id.parse::<MessageId>().ok());
    Ok(ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours))
}

/// Deserialises what a person wrote; null counts as absent. Half of a surrogate pair, which a carrier leaves where it
/// cut a text, is shown as a replacement character: it must not make the whole message unreadable.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = Option::<LooseText>::deserialize(from)?;
    Ok(text.map(|LooseText(bytes)| {
        decode_with_surrogates(&bytes).unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned())
    }))
}

/// A text in JSON, as UTF-8 in which a surrogate may stand alone: long texts are cut between any two of UTF-16's units.
#[derive(Debug)]
pub(super) struct LooseText(pub(super) Vec<u8>);

impl LooseText {
    /// The text, in which a surrogate that stands alone is replaced; `None` if it is not UTF-8 otherwise.
    pub(super) fn decoded(self) -> Option<String> {
        decode_with_surrogates(&self.0)
    }
}

impl<'de> Deserialize<'de> for LooseText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = LooseText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<LooseText, E> {
                Ok(LooseText(text.as_bytes().to_vec()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<LooseText, E> {
                Ok(LooseText(bytes.to_vec()))
            }
        }

        // A text as bytes is not checked to be UTF-8, and keeps its lone surrogates.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Words that carriers answer themselves where they handle opt-outs, by class.
const KEYWORDS: [(&str, &[&str]); 3] = [
    ("STOP", &["STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]),
    ("START", &["START", "UNSTOP"]),
    ("HELP", &["HELP", "INFO"]),
];

/// `STOP`, `START` or `HELP` if the text is one of the words that carriers handle.
pub(super) fn keyword(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    KEYWORDS.iter().find(|(_, words)| is_one_of(words)).map(|(class, _)| *class)
}

/// A carrier's word, sanitised for logs: safe characters only, truncated.
pub(super) fn word(text: &str) -> String {
    let fit = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    text.chars().filter(fit).take(WORD_MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_plus_are_numbers_and_short_codes_are_not() {
        let number =
            |text: &str| address_without_plus(text).and_then(|address| address.number()).map(|n| n.to_string());
        assert_eq!(number("14155550101").as_deref(), Some("+14155550101"));
        assert_eq!(number("+14155550101").as_deref(), Some("+14155550101"));
        for none in ["24273", "0014155550101", "04155550101", "Acme", "1415555010112345"] {
            assert_eq!(number(none), None, "{none}");
        }
        assert_eq!(address_without_plus("24273"), Some(Address::ShortCode("24273".to_owned())));
        assert_eq!((address(""), address(&"x".repeat(65))), (None, None));
    }

    #[test]
    fn a_text_in_json_may_have_half_a_character() {
        let decoded = |json: &[u8]| serde_json::from_slice::<LooseText>(json).ok().and_then(LooseText::decoded);
        assert_eq!(decoded(br#""caf\u00e9 \ud83d\ude00 \n""#).as_deref(), Some("café 😀 \n"));
        assert_eq!(decoded(br#""a\ud83d""#).as_deref(), Some("a\u{fffd}"));
        assert_eq!(decoded(br#""\ude00b\ud83d\u0041""#).as_deref(), Some("\u{fffd}b\u{fffd}A"));
        assert_eq!(decoded(b"\"caf\xE9\""), None);
        for other in ["7", "null", "[1]", "{}", "\"\\ud8\"", "\"a"] {
            assert_eq!(decoded(other.as_bytes()), None, "{other}");
        }
        let half = serde_json::from_slice::<LooseText>(br#""\ud83d""#).unwrap();
        assert_eq!(half.0, b"\xED\xA0\xBD");
    }

    #[test]
    fn words_for_logs_are_short_and_harmless() {
        assert_eq!(word("message-received"), "message-received");
        assert_eq!(word("a b\n\u{e9}<x>"), "abx");
        assert_eq!(word(&"x".repeat(99)).len(), 32);
    }

    #[test]
    fn half_of_a_surrogate_pair_is_one_replacement_character() {
        #[derive(serde::Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "text")]
            text: Option<String>,
        }

        let read = |body: &str| serde_json::from_str::<Body>(body).map(|body| body.text);
        for (body, expected) in [
            (r#"{"text":"hi \ud83d\udc4b é 👋"}"#, Some("hi 👋 é 👋")),
            (r#"{"text":"cut \ud83d"}"#, Some("cut \u{fffd}")),
            (r#"{"text":"\udc4b\ud83dcut"}"#, Some("\u{fffd}\u{fffd}cut")),
            (r#"{"text":null}"#, None),
            ("{}", None),
        ] {
            assert_eq!(read(body).unwrap().as_deref(), expected, "{body}");
        }
        for bad in [r#"{"text":7}"#, r#"{"text":["a"]}"#, r#"{"text":"\uZZZZ"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
