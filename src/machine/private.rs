//! Personal data, stored separately from the rest of a record.
//!
//! Invariant: in a record of the journal a [`Private`] value is in a body of its own, which can be overwritten with
//! zeros, and never in the meta. In a row of the index, which is rebuilt after an erasure, it is stored inline.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;

/// Personal data: a number, a text, a media URL or a carrier's raw body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Private<T> {
    /// The value.
    Kept(T),
    /// It was erased from the journal.
    Erased,
}

impl<T> Private<T> {
    /// Returns the value, unless it was erased.
    pub fn kept(&self) -> Option<&T> {
        match self {
            Self::Kept(value) => Some(value),
            Self::Erased => None,
        }
    }
}

impl<T> From<T> for Private<T> {
    fn from(value: T) -> Self {
        Self::Kept(value)
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kept().is_some() { "private" } else { "erased" })
    }
}

/// The bodies of a record that is being encoded or decoded.
enum Bodies {
    Writing(Vec<Vec<u8>>),
    Reading(Vec<Option<Vec<u8>>>),
    /// Decoding a meta without its bodies: every value decodes as erased.
    Absent,
}

thread_local! {
    /// The bodies of the record that this thread is encoding or decoding. Serde passes no context to a field, so it is
    /// kept here during one call of `encode` or `decode`; otherwise this is `None`, and values are stored inline.
    static BODIES: RefCell<Option<Bodies>> = const { RefCell::new(None) };
}

impl<T: Serialize> Serialize for Private<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = BODIES.with_borrow_mut(|bodies| match bodies {
            Some(Bodies::Writing(written)) => {
                let body = match self.kept() {
                    Some(value) => postcard::to_stdvec(value).map_err(S::Error::custom)?,
                    None => Vec::new(),
                };
                written.push(body);
                u32::try_from(written.len() - 1).map(Some).map_err(S::Error::custom)
            }
            Some(Bodies::Reading(_) | Bodies::Absent) | None => Ok(None),
        })?;
        match place {
            Some(place) => place.serialize(serializer),
            None => self.kept().serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Private<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reading = BODIES.with_borrow(|bodies| matches!(bodies, Some(Bodies::Reading(_) | Bodies::Absent)));
        if !reading {
            return Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Erased, Self::Kept));
        }
        let place = u32::deserialize(deserializer)? as usize;
        BODIES.with_borrow(|bodies| {
            let Some(Bodies::Reading(bodies)) = bodies else { return Ok(Self::Erased) };
            match bodies.get(place) {
                None => Err(D::Error::custom("a body is missing")),
                Some(None) => Ok(Self::Erased),
                // The value was erased already when this record was encoded.
                Some(Some(body)) if body.is_empty() => Ok(Self::Erased),
                Some(Some(body)) => postcard::from_bytes(body).map(Self::Kept).map_err(D::Error::custom),
            }
        })
    }
}

/// Encodes `value` after the bytes of `start`, its private parts as bodies: `(meta, bodies)`.
pub(super) fn encode<T: Serialize>(value: &T, start: Vec<u8>) -> (Vec<u8>, Vec<Vec<u8>>) {
    BODIES.set(Some(Bodies::Writing(Vec::new())));
    let meta = postcard::to_extend(value, start).expect("records are plain values, which postcard can always write");
    match BODIES.take() {
        Some(Bodies::Writing(bodies)) => (meta, bodies),
        Some(Bodies::Reading(_) | Bodies::Absent) | None => unreachable!("set above, on this thread"),
    }
}

/// Decodes the output of `encode`; `None` stands for a body that was erased since.
pub(super) fn decode<T: DeserializeOwned>(meta: &[u8], bodies: Vec<Option<Vec<u8>>>) -> Result<T, postcard::Error> {
    BODIES.set(Some(Bodies::Reading(bodies)));
    let value = postcard::take_from_bytes(meta);
    BODIES.set(None);
    match value? {
        (value, []) => Ok(value),
        // Bytes are left over, so `encode` did not write this.
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Decodes a meta without its bodies, for callers that need no personal data.
pub(super) fn decode_without_people<T: DeserializeOwned>(meta: &[u8]) -> Result<T, postcard::Error> {
    BODIES.set(Some(Bodies::Absent));
    let value = postcard::from_bytes(meta);
    BODIES.set(None);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        who: Private<String>,
        what: u32,
        texts: Vec<Private<String>>,
    }

    fn sample() -> Sample {
        Sample { who: "Ada".to_owned().into(), what: 7, texts: vec!["a".to_owned().into(), Private::Erased] }
    }

    #[test]
    fn a_record_keeps_private_values_in_bodies_and_not_in_the_meta() {
        let (meta, bodies) = encode(&sample(), Vec::new());
        assert!(!meta.windows(3).any(|window| window == b"Ada"));
        assert_eq!(bodies.len(), 3);
        let kept = bodies.into_iter().map(Some).collect();
        assert_eq!(decode::<Sample>(&meta, kept).unwrap(), sample());
    }

    #[test]
    fn an_erased_body_decodes_as_erased_and_the_rest_is_kept() {
        let (meta, bodies) = encode(&sample(), Vec::new());
        let mut kept: Vec<_> = bodies.into_iter().map(Some).collect();
        kept[0] = None;
        assert_eq!(decode::<Sample>(&meta, kept).unwrap(), Sample { who: Private::Erased, ..sample() });
    }

    #[test]
    fn a_row_stores_the_value_inline() {
        let row = postcard::to_stdvec(&sample()).unwrap();
        assert_eq!(postcard::from_bytes::<Sample>(&row).unwrap(), sample());
    }
}
