//! What dialects share in reading webhooks.

use super::form::Fields;
use crate::model::{Address, E164, MessageId, ReceiptRef};

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
}
