//! What names a person, kept apart from what happened.
//!
//! Invariant: in a record of the journal a [`Private`] value stands in a body of its own, which can be overwritten with
//! zeros, and never in the meta. In a row of the index, which is rebuilt after an erasure, it stands in its place.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;

/// A number, a text, an address of media or a carrier's raw body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Private<T> {
    /// Here it is.
    Kept(T),
    /// It was erased from the journal.
    Erased,
}

impl<T> Private<T> {
    /// The value, unless it was erased.
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

/// A record's bodies, on the way in or out.
enum Bodies {
    Writing(Vec<Vec<u8>>),
    Reading(Vec<Option<Vec<u8>>>),
    /// Reading a meta whose bodies are not at hand: every value reads as erased.
    Nobody,
}

thread_local! {
    /// The bodies of the record this thread encodes or decodes just now. Serde hands no context down to a field, so it
    /// waits here for the length of one call of `encode` or `decode`; elsewhere there is none, and a value is written
    /// in its place.
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
            Some(Bodies::Reading(_) | Bodies::Nobody) | None => Ok(None),
        })?;
        match place {
            Some(place) => place.serialize(serializer),
            None => self.kept().serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Private<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reading = BODIES.with_borrow(|bodies| matches!(bodies, Some(Bodies::Reading(_) | Bodies::Nobody)));
        if !reading {
            return Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Erased, Self::Kept));
        }
        let place = u32::deserialize(deserializer)? as usize;
        BODIES.with_borrow(|bodies| {
            let Some(Bodies::Reading(bodies)) = bodies else { return Ok(Self::Erased) };
            match bodies.get(place) {
                None => Err(D::Error::custom("a body is missing")),
                Some(None) => Ok(Self::Erased),
                // A value that was erased before it was written again.
                Some(Some(body)) if body.is_empty() => Ok(Self::Erased),
                Some(Some(body)) => postcard::from_bytes(body).map(Self::Kept).map_err(D::Error::custom),
            }
        })
    }
}

/// Encodes `value`, its private parts as bodies: `(meta, bodies)`.
pub(super) fn encode<T: Serialize>(value: &T, start: Vec<u8>) -> (Vec<u8>, Vec<Vec<u8>>) {
    BODIES.set(Some(Bodies::Writing(Vec::new())));
    let meta = postcard::to_extend(value, start).expect("records are plain values, which postcard can always write");
    match BODIES.take() {
        Some(Bodies::Writing(bodies)) => (meta, bodies),
        Some(Bodies::Reading(_) | Bodies::Nobody) | None => unreachable!("set above, on this thread"),
    }
}

/// Decodes what `encode` wrote; `None` for bodies that were erased since.
pub(super) fn decode<T: DeserializeOwned>(meta: &[u8], bodies: Vec<Option<Vec<u8>>>) -> Result<T, postcard::Error> {
    BODIES.set(Some(Bodies::Reading(bodies)));
    let value = postcard::take_from_bytes(meta);
    BODIES.set(None);
    match value? {
        (value, []) => Ok(value),
        // What is left over was never read, so this is not what was written.
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Decodes a meta without its bodies, for who only wants to know what happened.
pub(super) fn decode_without_people<T: DeserializeOwned>(meta: &[u8]) -> Result<T, postcard::Error> {
    BODIES.set(Some(Bodies::Nobody));
    let value = postcard::from_bytes(meta);
    BODIES.set(None);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Story {
        who: Private<String>,
        what: u32,
        texts: Vec<Private<String>>,
    }

    fn story() -> Story {
        Story { who: "Ada".to_owned().into(), what: 7, texts: vec!["a".to_owned().into(), Private::Erased] }
    }

    #[test]
    fn in_a_record_the_person_stands_in_bodies_and_not_in_the_meta() {
        let (meta, bodies) = encode(&story(), Vec::new());
        assert!(!meta.windows(3).any(|window| window == b"Ada"));
        assert_eq!(bodies.len(), 3);
        let kept = bodies.into_iter().map(Some).collect();
        assert_eq!(decode::<Story>(&meta, kept).unwrap(), story());
    }

    #[test]
    fn an_erased_body_reads_as_erased_and_the_rest_is_there() {
        let (meta, bodies) = encode(&story(), Vec::new());
        let mut kept: Vec<_> = bodies.into_iter().map(Some).collect();
        kept[0] = None;
        assert_eq!(decode::<Story>(&meta, kept).unwrap(), Story { who: Private::Erased, ..story() });
    }

    #[test]
    fn in_a_row_the_value_stands_in_its_place() {
        let row = postcard::to_stdvec(&story()).unwrap();
        assert_eq!(postcard::from_bytes::<Story>(&row).unwrap(), story());
    }
}
