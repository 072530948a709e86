//! What dialects share in reading webhooks.

use super::form::Fields;
use crate::model::{Address, E164, MessageId, ReceiptRef};
use serde::de::{Deserializer, Visitor};
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
    struct Text;

    impl<'de> Visitor<'de> for Text {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or null")
        }

        fn visit_none<E>(self) -> Result<Option<String>, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Option<String>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<String>, D::Error> {
            // The one way by which JSON texts come that are not UTF-8.
            from.deserialize_bytes(self)
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Option<String>, E> {
            Ok(Some(whole(bytes)))
        }
    }

    from.deserialize_option(Text)
}

/// A text from UTF-8 in which a surrogate may stand alone. Its three bytes become one replacement character.
fn whole(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if matches!(chunk.invalid().first(), Some(0xC0..)) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
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
