//! Phone numbers and the other senders that carriers put in `From`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number in E.164 form: `+`, a digit from 1 to 9, then 6 to 14 more digits.
///
/// Fifteen digits fit in a `u64`, so a number is `Copy`, and its big-endian bytes are its key in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct E164(u64);

/// The text is not an E.164 number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an E.164 number: write + and 7 to 15 digits, the first not 0, like +12065550142")]
pub struct InvalidNumber;

impl E164 {
    /// Parses a number written without its `+`, as some carriers do.
    pub fn from_digits(digits: &str) -> Result<Self, InvalidNumber> {
        let bytes = digits.as_bytes();
        let plausible = (7..=15).contains(&bytes.len()) && bytes[0] != b'0' && bytes.iter().all(u8::is_ascii_digit);
        if !plausible {
            return Err(InvalidNumber);
        }
        Ok(Self(digits.parse().expect("at most 15 ASCII digits fit in a u64")))
    }

    /// The number as the key of its rows: eight big-endian bytes.
    pub fn key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The number with this `key`; `None` if the key is not a valid number.
    pub fn from_key(key: [u8; 8]) -> Option<Self> {
        Self::from_u64(u64::from_be_bytes(key))
    }

    /// Its digits as one number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number with these digits; `None` if there are too few or too many.
    pub fn from_u64(digits: u64) -> Option<Self> {
        (1_000_000..1_000_000_000_000_000).contains(&digits).then_some(Self(digits))
    }

    /// Whether the number is in the North American Numbering Plan (+1).
    pub fn is_plus_one(self) -> bool {
        // Eleven digits that begin with 1; a shorter number that begins with 1 belongs to no country.
        (10_000_000_000..20_000_000_000).contains(&self.0)
    }

    /// The area code of a +1 number: its three digits after the 1.
    pub fn area_code(self) -> Option<u16> {
        self.is_plus_one().then(|| u16::try_from(self.0 / 10_000_000 % 1_000).expect("three digits fit in a u16"))
    }
}

impl FromStr for E164 {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        Self::from_digits(text.strip_prefix('+').ok_or(InvalidNumber)?)
    }
}

impl fmt::Display for E164 {
    /// The whole number. For protocols and storage only; logs use `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for E164 {
    /// The last four digits only, enough to tell two numbers apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{:04}", self.0 % 10_000)
    }
}

/// The sender of a text as the carrier reports it: usually a number, sometimes a short code or a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A phone number.
    Number(E164),
    /// Three to six digits without a country code, as banks and automated senders use.
    ShortCode(String),
    /// Anything else: an alphanumeric sender, or another channel's address (`whatsapp:+1...`).
    Name(String),
}

impl Address {
    /// Parses an address as a carrier wrote it; every text is an address of some kind.
    pub fn read(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Self::Number(number);
        }
        let short = (3..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if short { Self::ShortCode(text.to_owned()) } else { Self::Name(text.to_owned()) }
    }

    /// The number, if the address is one.
    pub fn number(&self) -> Option<E164> {
        match self {
            Self::Number(number) => Some(*number),
            Self::ShortCode(_) | Self::Name(_) => None,
        }
    }
}

impl From<E164> for Address {
    fn from(number: E164) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for Address {
    /// The whole address. For protocols and storage only; logs use `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::ShortCode(text) | Self::Name(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => fmt::Debug::fmt(number, f),
            Self::ShortCode(_) => f.write_str("a short code"),
            Self::Name(_) => f.write_str("a name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r26_a_number_has_a_country_code_and_only_digits() {
        for good in ["+12065550142", "+390612345678", "+1234567", "+123456789012345"] {
            assert_eq!(good.parse::<E164>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "+",
            "12065550142",
            "+02065550142",
            "+123456",
            "+1234567890123456",
            "+1206 5550142",
            "+1206555o142",
            "++1206555014",
        ] {
            assert_eq!(bad.parse::<E164>(), Err(InvalidNumber), "{bad:?}");
        }
    }

    #[test]
    fn a_log_shows_four_digits_of_a_number_and_nothing_of_a_name() {
        assert_eq!(format!("{:?}", "+12065550142".parse::<E164>().unwrap()), "+…0142");
        assert_eq!(format!("{:?}", Address::read("Rossi SpA")), "a name");
    }

    #[test]
    fn a_sender_may_be_a_short_code_or_a_name() {
        assert_eq!(Address::read("72975"), Address::ShortCode("72975".into()));
        assert_eq!(Address::read("whatsapp:+12065550142"), Address::Name("whatsapp:+12065550142".into()));
        assert!(matches!(Address::read("+12065550142"), Address::Number(_)));
    }
}
