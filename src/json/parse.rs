//! Parses JSON into a tree.
//!
//! JSON leaves duplicate keys undefined, and common parsers silently keep the last. In a directory that would lose a
//! number or a queue, and a proxy before us may have checked the first, so here they are a problem.

use super::findings::{Findings, element, within};
use crate::rules::refusal::Code;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Parses `text`; duplicate keys are recorded. The error is the first syntax error.
pub fn parse(text: &[u8], findings: &Findings) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let tree = Part { path: String::new(), findings }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(tree)
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
        while let Some(item) = items.next_element_seed(Part { path: element(&self.path, list.len()), ..self })? {
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
                self.findings.problem(path.clone(), Code::MalformedJson, format!("duplicate field `{path}`"));
            }
        }
        Ok(object.into())
    }
}
