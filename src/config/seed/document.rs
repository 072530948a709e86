//! Parses JSON into a tree, with the place of a syntax error.
//!
//! JSON leaves duplicate keys undefined, and common parsers silently keep the last. In a directory that would lose a
//! number or a queue, so here it is a problem.

use super::findings::{Findings, within};
use crate::config::problems::Problem;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Parses `text`; duplicate keys are recorded. The error is the first syntax error.
pub(super) fn parse(text: &str, findings: &Findings) -> Result<Value, Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let whole = Part { path: String::new(), findings };
    whole.deserialize(&mut reader).and_then(|tree| reader.end().map(|()| tree)).map_err(|error| {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        Problem {
            // serde_json reports the end of an empty line as column 0.
            place: Some((error.line().max(1), error.column().max(1))),
            text: format!("invalid JSON: {what}: correct it here or just before"),
        }
    })
}

/// The value at `path`.
struct Part<'a> {
    path: String,
    findings: &'a Findings,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Part { path: self.path.clone(), ..self })? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = within(&self.path, &key);
            let value = entries.next_value_seed(Part { path: path.clone(), ..self })?;
            if object.insert(key, value).is_some() {
                self.findings.note(&path, "is a duplicate key: keep one of them");
            }
        }
        Ok(object.into())
    }
}
