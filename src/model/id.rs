//! The gateway's own ids. They are derived from the journal alone, so a replay produces the same ids.

use super::time::Day;
use std::fmt;
use std::str::FromStr;

/// A position in the journal's total order: the sequence number of a frame, counted from 1. Not a file offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The text is not an id of this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this gateway")]
pub struct InvalidId;

/// The partition of every id, until the gateway supports several machines.
const PARTITION: u16 = 0;

/// Crockford's base 32 alphabet in lower case. It has no letters that look like digits, and it is in ascending order,
/// so ids sort in order of creation.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Letters of an id: partition, day, position and index are 14 bytes, which take 23 letters of 5 bits (3 bits unused).
const LETTERS: usize = 23;

/// The day of the frame (selects the tree that holds the row), the frame's position, and an index within the frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Id {
    day: Day,
    position: Position,
    index: u16,
}

impl Id {
    fn write(self, prefix: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = (u128::from(PARTITION) << 96)
            | (u128::from(self.day.0) << 80)
            | (u128::from(self.position.0) << 16)
            | u128::from(self.index);
        let mut letters = [0u8; LETTERS];
        for (place, letter) in letters.iter_mut().enumerate() {
            *letter = ALPHABET[(value >> (5 * (LETTERS - 1 - place)) & 31) as usize];
        }
        write!(f, "{prefix}{}", std::str::from_utf8(&letters).expect("the alphabet is ASCII"))
    }

    fn read(prefix: &str, text: &str) -> Result<Self, InvalidId> {
        let letters = text.strip_prefix(prefix).ok_or(InvalidId)?.as_bytes();
        if letters.len() != LETTERS {
            return Err(InvalidId);
        }
        let mut value = 0u128;
        for letter in letters {
            let bits = ALPHABET.iter().position(|known| known == letter).ok_or(InvalidId)?;
            value = (value << 5) | bits as u128;
        }
        if value >> 96 != u128::from(PARTITION) {
            return Err(InvalidId);
        }
        Ok(Self { day: Day((value >> 80) as u16), position: Position((value >> 16) as u64), index: value as u16 })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Id);

        impl $name {
            /// The id with this `index` among those of its kind in the frame at `position`, written on `day`.
            pub const fn new(day: Day, position: Position, index: u16) -> Self {
                Self(Id { day, position, index })
            }

            /// The UTC day of the frame that created it.
            pub fn day(self) -> Day {
                self.0.day
            }

            /// The frame that created it.
            pub fn position(self) -> Position {
                self.0.position
            }

            /// Its index among those of its kind in that frame.
            pub fn index(self) -> u16 {
                self.0.index
            }

            /// Its key within its day: ten big-endian bytes, which sort in order of creation.
            pub fn key(self) -> [u8; 10] {
                let mut key = [0; 10];
                key[..8].copy_from_slice(&self.0.position.0.to_be_bytes());
                key[8..].copy_from_slice(&self.0.index.to_be_bytes());
                key
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write($prefix, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Id::read($prefix, text).map(Self)
            }
        }
    };
}

id!(
    /// A message, in either direction.
    MessageId,
    "msg_"
);
id!(
    /// An event for the platform.
    EventId,
    "evt_"
);
id!(
    /// A photo, video or other part of a message.
    MediaId,
    "med_"
);

id!(
    /// A quarantined webhook. Its frame has one, so its index is 0.
    QuarantineId,
    "qua_"
);
id!(
    /// The erasure of a person.
    ErasureId,
    "era_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_and_sorts_in_order_of_creation() {
        let early = MessageId::new(Day(20_000), Position(7), 65_535);
        let late = MessageId::new(Day(20_000), Position(8), 0);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().len(), "msg_".len() + LETTERS);
    }

    #[test]
    fn an_id_of_another_kind_or_an_invalid_one_is_rejected() {
        let id = EventId::new(Day(1), Position(2), 3).to_string();
        assert_eq!(id.parse::<MessageId>(), Err(InvalidId));
        for bad in ["", "msg_", "msg_0", "msg_zzzzzzzzzzzzzzzzzzzzzzz", "msg_000000000000000000000iu"] {
            assert_eq!(bad.parse::<MessageId>(), Err(InvalidId), "{bad}");
        }
    }
}
