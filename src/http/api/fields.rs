//! The fields of a request's body.
//!
//! Invariant: a field is valid, or refused with its name, its JSON type and what it must be. Its value is never
//! repeated, because it may be a phone number or a text.

use crate::model::{E164, InvalidName, whole};
use crate::rules::refusal::{Code, Refusal};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A body's fields, all known.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads an object whose fields are all among `known`. Those in `read_only` are ignored, so that the result of a
    /// GET can be edited and PUT.
    pub(super) fn read(body: &[u8], known: &[&str], read_only: &[&str]) -> Result<Self, Refusal> {
        let Object { mut fields, duplicate } =
            serde_json::from_slice(body).map_err(|error| not_an_object(body, &error))?;
        if let Some(name) = duplicate {
            return Err(Refusal::new(Code::MalformedJson, format!("duplicate field `{}`", short(&name))));
        }
        fields.retain(|name, _| !read_only.contains(&name.as_str()));
        if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let detail = format!("unknown field `{}`; expected one of {}", short(name), known.join(", "));
            return Err(Refusal::new(Code::UnknownField, detail));
        }
        Ok(Self(fields))
    }

    /// Whether the field is present, possibly null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Refuses null for fields whose default is not null, because null would not mean that default.
    pub(super) fn not_null(&self, names: &[&str]) -> Result<(), Refusal> {
        let null = names.iter().find(|name| self.0.get(**name).is_some_and(Value::is_null));
        null.map_or(Ok(()), |name| {
            let detail = format!("`{name}` is null: give it a value, or omit it for its default");
            Err(Refusal::new(Code::InvalidField, detail))
        })
    }

    /// The field's value; null is treated as absent.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string of any length, without U+0000, which neither phones nor databases accept.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let Some(text) = value.as_str() else { return Err(invalid(name, value, "a string")) };
        if text.contains('\0') {
            let detail = format!("`{name}` contains the character U+0000, which is not allowed");
            return Err(Refusal::new(Code::InvalidField, detail));
        }
        Ok(Some(text))
    }

    /// A string of the platform's own, such as an agent's name: 1 to `max_characters`, without control characters.
    pub(super) fn word(&self, name: &str, max_characters: usize) -> Result<Option<String>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let fits = (1..=max_characters).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits {
            return Ok(Some(text.to_owned()));
        }
        Err(invalid(
            name,
            &self.0[name],
            &format!("1 to {max_characters} characters without control characters, or null"),
        ))
    }

    /// An id or name of our own, such as a queue's.
    pub(super) fn name<T: TryFrom<String, Error = InvalidName>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let read = T::try_from(text.to_owned());
        read.map(Some).map_err(|error| Refusal::new(Code::InvalidField, format!("`{name}` is {error}")))
    }

    /// One of several words, each mapped to a value.
    pub(super) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            invalid(name, value, &format!("one of {}", words.join(", ")))
        })
    }

    /// A boolean.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| invalid(name, value, "true or false"))
    }

    /// An integer.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| value.as_f64().and_then(whole));
        whole.map(Some).ok_or_else(|| invalid(name, value, "a whole number of at most 64 bits, or null"))
    }
}

/// The refusal of a missing required field.
pub(super) fn missing(name: &str, must_be: &str) -> Refusal {
    Refusal::new(Code::InvalidField, format!("`{name}` is missing: it must be {must_be}"))
}

/// The refusal of an invalid phone number.
pub(super) fn invalid_number(name: &str) -> Refusal {
    let detail =
        format!("`{name}` is not an E.164 number: write + and 7 to 15 digits, the first not 0, like +12065550142");
    Refusal::new(Code::NumberInvalid, detail)
}

/// Parses a phone number of a path or a query.
pub(super) fn number(name: &str, text: &str) -> Result<E164, Refusal> {
    text.parse().map_err(|_| invalid_number(name))
}

fn invalid(name: &str, value: &Value, must_be: &str) -> Refusal {
    let is = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) => format!("a string of {} characters", text.chars().count()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Refusal::new(Code::InvalidField, format!("`{name}` is {is}: it must be {must_be}"))
}

/// The name of an unknown field as the client sent it, shortened to fit into a line.
pub(super) fn short(name: &str) -> String {
    const SHOWN_MAX_CHARACTERS: usize = 64;
    let shown: String = name.chars().filter(|character| !character.is_control()).take(SHOWN_MAX_CHARACTERS).collect();
    if shown.len() < name.len() { format!("{shown}…") } else { shown }
}

fn not_an_object(body: &[u8], error: &serde_json::Error) -> Refusal {
    if body.trim_ascii().is_empty() {
        return Refusal::new(Code::MalformedJson, "the body is empty: send a JSON object, {} at least");
    }
    if error.is_data() {
        let detail = "the body is not a JSON object: send one, as in {\"field\": \"value\"}";
        return Refusal::new(Code::InvalidField, detail);
    }
    // The parser's messages end in line and column and do not repeat the body.
    Refusal::new(Code::MalformedJson, format!("the body is not valid JSON: {error}"))
}

/// An object, and the name of a duplicate field if it has one. `serde_json`'s own map silently keeps the last value,
/// while a proxy before us may have checked the first.
struct Object {
    fields: Map<String, Value>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object { fields: Map::new(), duplicate: None };
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.fields.contains_key(&name) {
                        object.duplicate = Some(name);
                    } else {
                        object.fields.insert(name, value);
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::QueueId;

    #[test]
    fn an_unknown_field_is_refused_with_the_list_of_known_ones() {
        check(r#"{"quue":"support"}"#, Code::UnknownField, "unknown field `quue`; expected one of queue, agent");
        let long = format!(r#"{{"{}":1}}"#, "x".repeat(70));
        check(&long, Code::UnknownField, &format!("unknown field `{}…`", "x".repeat(64)));
    }

    #[test]
    fn read_only_fields_are_ignored() {
        let fields = Fields::read(br#"{"queue":"support","state":"active"}"#, &["queue"], &["state"]).unwrap();
        assert!(!fields.has("state"));
        assert_eq!(fields.name::<QueueId>("queue").unwrap().unwrap().as_str(), "support");
    }

    #[test]
    fn invalid_json_is_refused_with_line_and_column() {
        check("{\"queue\":\n}", Code::MalformedJson, "the body is not valid JSON: expected value at line 2 column 1");
        check("{", Code::MalformedJson, "line 1 column 1");
        check("", Code::MalformedJson, "the body is empty");
        check("{} {}", Code::MalformedJson, "trailing characters");
        check(&"[".repeat(10_000), Code::InvalidField, "the body is not a JSON object");
        check(&format!("{{\"queue\":{}", "[".repeat(10_000)), Code::MalformedJson, "recursion limit");
        check(r#"{"queue":"\ud800"}"#, Code::MalformedJson, "line 1 column");
        check(r#"{"queue":"\ud800\ud800"}"#, Code::MalformedJson, "line 1 column");
        assert_eq!(Fields::read(b"{\"queue\":\"\xff\"}", &["queue"], &[]).unwrap_err().code, Code::MalformedJson);
    }

    #[test]
    fn a_duplicate_field_is_refused() {
        check(r#"{"queue":"a","queue":"b"}"#, Code::MalformedJson, "duplicate field `queue`");
    }

    #[test]
    fn a_body_that_is_not_an_object_is_refused() {
        for body in ["[]", "1", "null", "\"text\""] {
            check(body, Code::InvalidField, "the body is not a JSON object");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_without_repeating_it() {
        let secret = r#"{"queue":"+12065550142 secret","agent":7}"#;
        let fields = Fields::read(secret.as_bytes(), &["queue", "agent"], &[]).unwrap();
        let problem = fields.name::<QueueId>("queue").unwrap_err();
        assert!(problem.detail.starts_with("`queue` is not a name: use 1 to 64 of"), "{problem:?}");
        assert!(!problem.detail.contains("secret"));
        let detail = |refusal: Refusal| refusal.detail;
        assert_eq!(detail(fields.text("agent").unwrap_err()), "`agent` is a number: it must be a string");
        assert_eq!(detail(fields.flag("agent").unwrap_err()), "`agent` is a number: it must be true or false");
        assert_eq!(
            detail(fields.one_of("queue", &[("a", 1), ("b", 2)]).unwrap_err()),
            "`queue` is a string of 19 characters: it must be one of a, b"
        );
        assert!(detail(fields.integer("queue").unwrap_err()).contains("a whole number"));
    }

    #[test]
    fn a_words_length_is_limited_in_characters_and_nul_is_refused() {
        let fields = |text: &str| {
            let body = serde_json::json!({ "agent": text }).to_string();
            Fields::read(body.as_bytes(), &["agent"], &[]).unwrap()
        };
        assert_eq!(fields(&"é".repeat(128)).word("agent", 128).unwrap(), Some("é".repeat(128)));
        for bad in ["", &"é".repeat(129), "a\nb"] {
            assert_eq!(fields(bad).word("agent", 128).unwrap_err().code, Code::InvalidField, "{bad:?}");
        }
        assert!(fields("a\0b").text("agent").unwrap_err().detail.contains("U+0000"));
        assert_eq!(fields("a\nb").text("agent").unwrap(), Some("a\nb"));
    }

    #[test]
    fn f14_a_number_without_a_fraction_is_an_integer() {
        for (text, expected) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("-5.0", Some(-5)),
            ("5e2", Some(500)),
            ("1764450000000.0", Some(1_764_450_000_000)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
            ("9007199254740991.0", None),
            ("1e300", None),
            ("5.5", None),
            ("true", None),
        ] {
            let fields = Fields::read(format!("{{\"version\":{text}}}").as_bytes(), &["version"], &[]).unwrap();
            assert_eq!(fields.integer("version").ok().flatten(), expected, "{text}");
        }
    }

    #[track_caller]
    fn check(body: &str, code: Code, detail: &str) {
        let refusal = Fields::read(body.as_bytes(), &["queue", "agent"], &[]).unwrap_err();
        assert_eq!(refusal.code, code, "{body:.40}: {}", refusal.detail);
        assert!(refusal.detail.contains(detail), "{body:.40}: {}", refusal.detail);
    }
}
