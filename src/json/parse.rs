//! Parses JSON into a tree.
//!
//! JSON leaves duplicate keys undefined, and common parsers silently keep the last. In a directory that would lose a
//! number or a queue, and a proxy before us may have checked the first, so here they are a problem.

use super::findings::{Findings, TOO_MANY_VALUES, element, within};
use crate::rules::refusal::Code;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Parses `text`; duplicate keys are recorded. The error is the first syntax error, or that there are too many
/// values.
pub fn parse(text: &[u8], findings: &Findings) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let tree = Part { at: At::Root, findings }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(tree)
}

/// A value, and where it stands.
struct Part<'a> {
    at: At<'a>,
    findings: &'a Findings,
}

/// Where a value stands. It is written as a path only for a problem: a deep document has long paths.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Element(&'a At<'a>, usize),
}

impl At<'_> {
    fn path(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(object, key) => within(&object.path(), key),
            Self::Element(list, index) => element(&list.path(), index),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        if !self.findings.count_value() {
            return Err(D::Error::custom(TOO_MANY_VALUES));
        }
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
        while let Some(item) = items.next_element_seed(Part { at: At::Element(&self.at, list.len()), ..self })? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Part { at: At::Key(&self.at, &key), ..self })?;
            if object.contains_key(&key) && self.findings.has_room() {
                let path = At::Key(&self.at, &key).path();
                let detail = format!("duplicate field `{path}`");
                self.findings.problem(path, Code::MalformedJson, detail);
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_is_found_at_any_depth_and_its_path_is_short() {
        let long = "\u{7f}".repeat(64);
        for (text, field) in [
            (r#"{"a":{"b":[1,{"c":1,"c":2}]}}"#.to_owned(), "a.b[2].c".to_owned()),
            (r#"{"a":1,"a":2}"#.to_owned(), "a".to_owned()),
            (format!(r#"{{"{long}":{{"x":1,"x":2}}}}"#), format!("\"{}….x", "\\u{7f}".repeat(11)[..65].to_owned())),
        ] {
            let findings = Findings::of("the body");
            parse(text.as_bytes(), &findings).unwrap();
            let fields: Vec<_> = findings.problems().into_iter().map(|problem| problem.field).collect();
            assert_eq!(fields, [field], "{text}");
        }
    }

    #[test]
    fn a_text_of_very_many_values_is_not_kept_in_memory() {
        use super::super::findings::{Problem, VALUES_MAX};
        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(parse(list(1_000).as_bytes(), &Findings::of("the document")).is_ok());
        let error = parse(list(VALUES_MAX).as_bytes(), &Findings::of("the document")).unwrap_err();
        let problem = Problem::syntax(&error);
        assert_eq!((problem.code, problem.place), (Code::BodyTooLarge, None), "{}", problem.detail);
    }

    #[test]
    fn more_problems_than_are_shown_are_said_to_be_more() {
        let text = format!("{{{}\"a\":0}}", "\"a\":0,".repeat(2_000));
        let findings = Findings::of("the body");
        parse(text.as_bytes(), &findings).unwrap();
        let problems = findings.problems();
        assert_eq!(problems.len(), super::super::findings::PROBLEMS_MAX + 1);
        assert!(problems.last().unwrap().detail.contains("more than"));
    }
}
