//! Objects, read field by field.
//!
//! Reading a field registers it; unread fields are reported as unknown. A value that cannot be read is recorded and
//! replaced by its default, so that the rest is still checked.

use super::findings::{Findings, element, within};
use super::values::{Invalid, TIME, integer, kind, name, thousandths, time};
use crate::model::{Language, Timestamp, whole};
use crate::rules::near::nearest;
use crate::rules::refusal::Code;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

const STRING: &str = "a string";
/// The longest key in bytes that may be a misspelt one.
const MEANT_MAX: usize = 64;

const LIST: &str = "an array, as in [\"one\", \"two\"]";

/// An object; if it is absent, every field has its default.
pub struct Fields<'a> {
    path: String,
    object: Option<&'a Map<String, Value>>,
    /// It is there and not an object.
    is_other: bool,
    read_keys: RefCell<Vec<&'static str>>,
    findings: &'a Findings,
}

impl<'a> Fields<'a> {
    /// The whole tree, which must be an object.
    pub fn root(tree: &'a Value, findings: &'a Findings) -> Self {
        Self::of(String::new(), Some(tree), findings)
    }

    /// An object in this one; without fields if absent.
    pub fn section(&self, key: &'static str) -> Self {
        Self::of(within(&self.path, key), self.value(key), self.findings)
    }

    /// Registers fields before they are read, so that a message about an unknown one lists them in this order.
    pub fn expect(&self, keys: &[&'static str]) {
        self.read_keys.borrow_mut().extend(keys);
    }

    /// Whether the field is present, possibly null.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// The field's value; null is treated as absent.
    pub fn value_or_null(&self, key: &'static str) -> Option<&'a Value> {
        self.value(key).filter(|value| !value.is_null())
    }

    /// Every object in this one by its key, for objects with free keys, which `read` parses. The key is `None` if it
    /// is invalid; the object can still be checked.
    pub fn entries<K>(&self, read: impl Fn(&str) -> Result<K, Invalid>) -> Vec<(Option<K>, Self)> {
        let entries = self.object.into_iter().flatten().map(|(key, value)| {
            let path = within(&self.path, key);
            let key = self.parse(key, &path, &read);
            (key, Self::of(path, Some(value), self.findings))
        });
        entries.filter(|(_, fields)| fields.object.is_some()).collect()
    }

    /// Every text in this object by its language.
    pub fn texts(&self) -> BTreeMap<Language, String> {
        let texts = self.object.into_iter().flatten().filter_map(|(key, value)| {
            let path = within(&self.path, key);
            let language = self.parse(key, &path, name::<Language>);
            let text = self.string(&path, value, STRING);
            Some((language?, text?.to_owned()))
        });
        texts.collect()
    }

    /// A string of any length, if present.
    pub fn text(&self, key: &'static str) -> Option<&'a str> {
        self.string(&self.path_of(key), self.value(key)?, STRING)
    }

    /// A string of any length, or null.
    pub fn text_or_null(&self, key: &'static str) -> Option<&'a str> {
        self.string(&self.path_of(key), self.value_or_null(key)?, "a string, or null")
    }

    /// A required string, described by `must_be`.
    pub fn required_text(&self, key: &'static str, must_be: &str) -> Option<&'a str> {
        match self.value(key) {
            Some(value) => self.string(&self.path_of(key), value, must_be),
            None => {
                self.missing(key, must_be);
                None
            }
        }
    }

    /// A required string; an empty one instead of a missing or invalid one, which then breaks no rule.
    pub fn required_text_or_empty(&self, key: &'static str, must_be: &str) -> String {
        self.required_text(key, must_be).map(str::to_owned).unwrap_or_else(|| {
            self.findings.stand_in(self.path_of(key));
            String::new()
        })
    }

    /// A required string that `read` parses.
    pub fn required<T>(
        &self,
        key: &'static str,
        must_be: &str,
        read: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        self.parse(self.required_text(key, must_be)?, &self.path_of(key), read)
    }

    /// Records that a required field is missing, if it is.
    pub fn require(&self, key: &'static str, must_be: &str) {
        if !self.has(key) {
            self.missing(key, must_be);
        }
    }

    /// A string of the platform's own, such as an agent's name: 1 to `max_characters`, without control characters.
    pub fn word_or_null(&self, key: &'static str, max_characters: usize) -> Option<String> {
        let must_be = format!("1 to {max_characters} characters without control characters, or null");
        let value = self.value_or_null(key)?;
        let text = self.string(&self.path_of(key), value, &must_be)?;
        let fits = (1..=max_characters).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !fits {
            let characters = text.chars().count();
            self.note(key, format!("is a string of {characters} characters: it must be {must_be}"));
        }
        fits.then(|| text.to_owned())
    }

    /// A boolean.
    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        self.typed(&self.path_of(key), value, "true or false", Value::as_bool).unwrap_or(default)
    }

    /// A boolean or null.
    pub fn flag_or_null(&self, key: &'static str) -> Option<bool> {
        self.typed(&self.path_of(key), self.value_or_null(key)?, "true, false or null", Value::as_bool)
    }

    /// A whole number of at most 64 bits, or null.
    pub fn integer_or_null(&self, key: &'static str) -> Option<i64> {
        let must_be = "a whole number of at most 64 bits, or null";
        self.typed(&self.path_of(key), self.value_or_null(key)?, must_be, integer)
    }

    /// A whole number. Its range is checked by the rules.
    pub fn whole<T: TryFrom<u64>>(&self, key: &'static str, default: T) -> T {
        let Some(value) = self.value(key) else { return default };
        let must_be = format!("a whole number from 0 to {}", u32::MAX);
        let Some(number) = self.typed(&self.path_of(key), value, &must_be, Value::as_number) else { return default };
        let read = number.as_u64().or_else(|| number.as_f64().and_then(whole)?.try_into().ok());
        read.and_then(|whole| whole.try_into().ok()).unwrap_or_else(|| {
            self.note(key, format!("is {number}: it must be {must_be}"));
            default
        })
    }

    /// A whole number, or null. An invalid one is replaced by `instead`, which should break no rule.
    pub fn whole_or_null<T: TryFrom<u64>>(&self, key: &'static str, instead: T) -> Option<T> {
        self.value_or_null(key)?;
        Some(self.whole(key, instead))
    }

    /// A number in thousandths, or null. `default` if the field is absent.
    pub fn milli_or_null(&self, key: &'static str, default: Option<u32>) -> Option<u32> {
        if !self.has(key) {
            return default;
        }
        let value = self.value_or_null(key)?;
        let most = f64::from(u32::MAX) / 1000.0;
        let must_be = format!("a number from 0.001 to {most} with at most three decimals, or null");
        let number = self.typed(&self.path_of(key), value, &must_be, Value::as_number)?;
        let milli = number.as_f64().and_then(thousandths);
        if milli.is_none() {
            self.note(key, format!("is {number}: it must be {must_be}"));
        }
        milli
    }

    /// One of `words`. An invalid one is replaced by the first, which should break no rule.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let Some(value) = self.value(key) else { return default };
        self.one_of(key, value, words).unwrap_or(words[0].1)
    }

    /// One of `words`, or null.
    pub fn choice_or_null<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.one_of(key, self.value_or_null(key)?, words)
    }

    /// A string that `read` parses, if present.
    pub fn parsed<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, Invalid>) -> Option<T> {
        self.parse(self.text(key)?, &self.path_of(key), read)
    }

    /// A string that `read` parses, or null.
    pub fn parsed_or_null<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, Invalid>) -> Option<T> {
        self.parse(self.text_or_null(key)?, &self.path_of(key), read)
    }

    /// A required time.
    pub fn required_time(&self, key: &'static str) -> Option<Timestamp> {
        self.required(key, TIME, time)
    }

    /// A time, or null.
    pub fn time_or_null(&self, key: &'static str) -> Option<Timestamp> {
        self.parsed_or_null(key, time)
    }

    /// A list of strings that `read` parses, if present.
    pub fn list<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, Invalid>) -> Option<Vec<T>> {
        let list = self.typed(&self.path_of(key), self.value(key)?, LIST, Value::as_array)?;
        let read = list.iter().enumerate().filter_map(|(index, value)| {
            let path = element(&self.path_of(key), index);
            self.parse(self.string(&path, value, STRING)?, &path, &read)
        });
        Some(read.collect())
    }

    /// Every element of a list: a string, parsed by `text`, or an object, parsed by `object`.
    pub fn each<T>(
        &self,
        key: &'static str,
        must_be: &str,
        text: impl Fn(&str) -> Result<T, Invalid>,
        object: impl Fn(&Self) -> Option<T>,
    ) -> Vec<T> {
        let list = self.value(key).and_then(|value| self.typed(&self.path_of(key), value, LIST, Value::as_array));
        let read = list.into_iter().flatten().enumerate().filter_map(|(index, value)| {
            let path = element(&self.path_of(key), index);
            match value {
                Value::Object(_) => object(&Self::of(path, Some(value), self.findings)),
                _ => self.parse(self.string(&path, value, must_be)?, &path, &text),
            }
        });
        read.collect()
    }

    /// Whether a list is empty or absent.
    pub fn is_empty(&self, key: &'static str) -> bool {
        self.value(key).is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
    }

    /// Records every field that has not been read, except read-only fields of the API's responses, which are ignored
    /// so that the result of a GET can be edited and sent.
    pub fn no_other_fields(&self, read_only: &[&str]) {
        let known = self.read_keys.borrow();
        for (key, _) in self.object.into_iter().flatten() {
            if !known.contains(&key.as_str()) && !read_only.contains(&key.as_str()) && self.findings.has_room() {
                let path = within(&self.path, key);
                let meant = if key.len() <= MEANT_MAX { nearest(key, known.iter().copied()) } else { None };
                let meant = meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default();
                let detail = format!("unknown field `{path}`{meant}; expected one of {}", known.join(", "));
                self.findings.problem(path, Code::UnknownField, detail);
            }
        }
    }

    /// Like [`Self::no_other_fields`], for objects whose keys must not be shown.
    pub fn no_other_fields_unnamed(&self) {
        let known = self.read_keys.borrow();
        let is_other = |key: &&String| !known.contains(&key.as_str());
        let others = self.object.map_or(0, |object| object.keys().filter(is_other).count());
        if others > 0 {
            let other = if others == 1 { "an unknown field".to_owned() } else { format!("{others} unknown fields") };
            let text = format!("has {other}; expected one of {}", known.join(", "));
            self.findings.note(&self.path, Code::UnknownField, &text);
        }
    }

    /// Records a problem with a field; `text` follows its name.
    pub fn note(&self, key: &str, text: impl AsRef<str>) {
        self.findings.note(&self.path_of(key), Code::InvalidField, text.as_ref());
    }

    /// Records a problem with a field; `detail` is a whole sentence.
    pub fn problem(&self, key: &str, code: Code, detail: &str) {
        self.findings.problem(self.path_of(key), code, detail.to_owned());
    }

    fn of(path: String, value: Option<&'a Value>, findings: &'a Findings) -> Self {
        let object = value.and_then(|value| {
            if !value.is_object() {
                let text = format!("is {}: it must be an object, as in {{\"field\": \"value\"}}", kind(value));
                findings.note(&path, Code::InvalidField, &text);
            }
            value.as_object()
        });
        let is_other = value.is_some() && object.is_none();
        Self { path, object, is_other, read_keys: RefCell::default(), findings }
    }

    fn value(&self, key: &'static str) -> Option<&'a Value> {
        let mut read_keys = self.read_keys.borrow_mut();
        if !read_keys.contains(&key) {
            read_keys.push(key);
        }
        self.object?.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        within(&self.path, key)
    }

    /// Records that a field is missing. In what is not an object that goes without saying.
    pub fn missing(&self, key: &'static str, must_be: &str) {
        if !self.is_other {
            self.note(key, format!("is missing: it must be {must_be}"));
        }
    }

    /// The value is not shown: some are people's numbers, and some are long.
    fn typed<T>(
        &self,
        path: &str,
        value: &'a Value,
        must_be: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let typed = read(value);
        if typed.is_none() {
            let text = format!("is {}: it must be {must_be}", kind(value));
            self.findings.note(path, Code::InvalidField, &text);
        }
        typed
    }

    /// A string without U+0000, which neither phones nor databases accept.
    fn string(&self, path: &str, value: &'a Value, must_be: &str) -> Option<&'a str> {
        let text = self.typed(path, value, must_be, Value::as_str)?;
        if text.contains('\0') {
            let problem = "contains the character U+0000, which is not allowed";
            self.findings.note(path, Code::InvalidField, problem);
            return None;
        }
        Some(text)
    }

    fn parse<T>(&self, text: &str, path: &str, read: impl Fn(&str) -> Result<T, Invalid>) -> Option<T> {
        let read = read(text);
        read.map_err(|Invalid { code, text }| self.findings.note(path, code, &format!("is {text}"))).ok()
    }

    fn one_of<T: Copy>(&self, key: &str, value: &'a Value, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let must_be = format!("one of {}", known.join(", "));
        let text = self.string(&self.path_of(key), value, &must_be)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let meant = nearest(text, known).map(|meant| format!(" (did you mean {meant}?)")).unwrap_or_default();
            self.note(key, format!("is not a valid value{meant}: it must be {must_be}"));
        }
        found.map(|(_, value)| *value)
    }
}
