//! The fields of a request's body.
//!
//! Invariant: what is read here is right or refused with the field's name, what it is and what it must be. What it
//! holds is never repeated: it may be a number or a text.

use crate::model::{E164, InvalidName, whole};
use crate::rules::refusal::{Code, Refusal};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A body's fields, all of them known.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads an object whose fields are all among `known`. Those among `read_only`, which our own answers show, are
    /// dropped, so that what was got can be changed and put.
    pub(super) fn read(body: &[u8], known: &[&str], read_only: &[&str]) -> Result<Self, Refusal> {
        let Object { mut fields, twice } = serde_json::from_slice(body).map_err(|error| no_object(body, &error))?;
        if let Some(name) = twice {
            let detail = format!("`{}` stands twice, and only one of them could be meant: send it once", short(&name));
            return Err(Refusal::new(Code::MalformedJson, detail));
        }
        fields.retain(|name, _| !read_only.contains(&name.as_str()));
        if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let detail = format!("`{}` is no field of this request; its fields are {}", short(name), known.join(", "));
            return Err(Refusal::new(Code::UnknownField, detail));
        }
        Ok(Self(fields))
    }

    /// Whether the field stands there, be it null.
    pub(super) fn stands(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Refuses null where a field has a default other than null: whoever sends it means something that is not there.
    pub(super) fn not_null(&self, names: &[&str]) -> Result<(), Refusal> {
        let null = names.iter().find(|name| self.0.get(**name).is_some_and(Value::is_null));
        null.map_or(Ok(()), |name| {
            let detail = format!("`{name}` is null: give it a value, or leave it out for its default");
            Err(Refusal::new(Code::InvalidField, detail))
        })
    }

    /// The field's value; null is as good as left out.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text of any length, without U+0000, which neither phones nor stores carry.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let Some(text) = value.as_str() else { return Err(invalid(name, value, "a text")) };
        if text.contains('\0') {
            let detail = format!("`{name}` holds the character U+0000: it must be without");
            return Err(Refusal::new(Code::InvalidField, detail));
        }
        Ok(Some(text))
    }

    /// A word of the platform's own: 1 to `max` characters, none of them a control character.
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

    /// A name of ours.
    pub(super) fn name<T: TryFrom<String, Error = InvalidName>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let read = T::try_from(text.to_owned());
        read.map(Some).map_err(|error| Refusal::new(Code::InvalidField, format!("`{name}` is {error}")))
    }

    /// One of a few words, each with its meaning.
    pub(super) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            invalid(name, value, &format!("one of {}", words.join(", ")))
        })
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| invalid(name, value, "true or false"))
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| value.as_f64().and_then(whole));
        whole.map(Some).ok_or_else(|| invalid(name, value, "a whole number of at most 64 bits, or null"))
    }
}

/// A required field is missing.
pub(super) fn missing(name: &str, must_be: &str) -> Refusal {
    Refusal::new(Code::InvalidField, format!("`{name}` is missing: it must be {must_be}"))
}

/// What stands in a number's place is none.
pub(super) fn no_number(name: &str) -> Refusal {
    let detail = format!("`{name}` is no E.164 number: write + and 7 to 15 digits, the first not 0, like +12065550142");
    Refusal::new(Code::NumberInvalid, detail)
}

/// A number that stands in a path or a query.
pub(super) fn number(name: &str, text: &str) -> Result<E164, Refusal> {
    text.parse().map_err(|_| no_number(name))
}

fn invalid(name: &str, value: &Value, must_be: &str) -> Refusal {
    let is = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) => format!("a text of {} characters", text.chars().count()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Refusal::new(Code::InvalidField, format!("`{name}` is {is}: it must be {must_be}"))
}

/// The asker's own word for a field, as much of it as fits into a line.
pub(super) fn short(name: &str) -> String {
    const SHOWN_MAX_CHARACTERS: usize = 64;
    let shown: String = name.chars().filter(|character| !character.is_control()).take(SHOWN_MAX_CHARACTERS).collect();
    if shown.len() < name.len() { format!("{shown}…") } else { shown }
}

fn no_object(body: &[u8], error: &serde_json::Error) -> Refusal {
    if body.trim_ascii().is_empty() {
        return Refusal::new(Code::MalformedJson, "the body is empty: send an object, {} at least");
    }
    if error.is_data() {
        return Refusal::new(Code::InvalidField, "the body is no object: send one, as in {\"field\": \"value\"}");
    }
    // These are the parser's own sentences, which end in line and column and repeat nothing of the body.
    Refusal::new(Code::MalformedJson, format!("the body is no JSON: {error}"))
}

/// An object, and a name that stands in it twice, if one does. `serde_json`'s own map would keep the last without a word,
/// and a proxy before us may have looked at the first.
struct Object {
    fields: Map<String, Value>,
    twice: Option<String>,
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
                let mut object = Object { fields: Map::new(), twice: None };
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.fields.contains_key(&name) {
                        object.twice = Some(name);
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
    fn a_field_we_do_not_know_is_named_together_with_those_we_do() {
        check(
            r#"{"quue":"support"}"#,
            Code::UnknownField,
            "`quue` is no field of this request; its fields are queue, agent",
        );
        let long = format!(r#"{{"{}":1}}"#, "x".repeat(70));
        check(&long, Code::UnknownField, &format!("`{}…` is no field", "x".repeat(64)));
    }

    #[test]
    fn what_our_answers_show_may_be_put_back() {
        let fields = Fields::read(br#"{"queue":"support","state":"active"}"#, &["queue"], &["state"]).unwrap();
        assert!(!fields.stands("state"));
        assert_eq!(fields.name::<QueueId>("queue").unwrap().unwrap().as_str(), "support");
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none_with_line_and_column() {
        check("{\"queue\":\n}", Code::MalformedJson, "the body is no JSON: expected value at line 2 column 1");
        check("{", Code::MalformedJson, "line 1 column 1");
        check("", Code::MalformedJson, "the body is empty");
        check("{} {}", Code::MalformedJson, "trailing characters");
        check(&"[".repeat(10_000), Code::InvalidField, "the body is no object");
        check(&format!("{{\"queue\":{}", "[".repeat(10_000)), Code::MalformedJson, "recursion limit");
        check(r#"{"queue":"\ud800"}"#, Code::MalformedJson, "line 1 column");
        check(r#"{"queue":"\ud800\ud800"}"#, Code::MalformedJson, "line 1 column");
        assert_eq!(Fields::read(b"{\"queue\":\"\xff\"}", &["queue"], &[]).unwrap_err().code, Code::MalformedJson);
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_and_none_of_the_two_believed() {
        check(r#"{"queue":"a","queue":"b"}"#, Code::MalformedJson, "`queue` stands twice");
    }

    #[test]
    fn what_is_no_object_is_said_to_be_none() {
        for body in ["[]", "1", "null", "\"text\""] {
            check(body, Code::InvalidField, "the body is no object");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_told_what_it_is_and_what_it_must_be_and_not_repeated() {
        let secret = r#"{"queue":"+12065550142 secret","agent":7}"#;
        let fields = Fields::read(secret.as_bytes(), &["queue", "agent"], &[]).unwrap();
        let problem = fields.name::<QueueId>("queue").unwrap_err();
        assert!(problem.detail.starts_with("`queue` is not a name: use 1 to 64 of"), "{problem:?}");
        assert!(!problem.detail.contains("secret"));
        let told = |refusal: Refusal| refusal.detail;
        assert_eq!(told(fields.text("agent").unwrap_err()), "`agent` is a number: it must be a text");
        assert_eq!(told(fields.flag("agent").unwrap_err()), "`agent` is a number: it must be true or false");
        assert_eq!(
            told(fields.one_of("queue", &[("a", 1), ("b", 2)]).unwrap_err()),
            "`queue` is a text of 19 characters: it must be one of a, b"
        );
        assert!(told(fields.integer("queue").unwrap_err()).contains("a whole number"));
    }

    #[test]
    fn a_words_length_is_bounded_in_characters_and_nul_is_never_let_in() {
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
    fn f14_a_number_without_a_fraction_is_a_whole_number() {
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
