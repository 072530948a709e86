//! Objects of a document, read field by field.
//!
//! Reading a field registers it; unread fields are reported as unknown. A value that cannot be read is recorded and
//! replaced by its default, so that the rest of the document is still checked.

use super::findings::{Findings, shown, within};
use crate::model::{E164, InvalidName, Language, Timestamp, whole};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;

const LIST: &str = "a list, as in [\"one\", \"two\"]";

/// An object of the document; if it is absent, every field has its default.
pub(super) struct Fields<'a> {
    path: String,
    object: Option<&'a Map<String, Value>>,
    read_keys: RefCell<Vec<&'static str>>,
    findings: &'a Findings,
}

impl<'a> Fields<'a> {
    /// The whole document.
    pub(super) fn root(document: &'a Value, findings: &'a Findings) -> Self {
        Self::of(String::new(), Some(document), findings)
    }

    /// An object in this one; without fields if absent.
    pub(super) fn section(&self, key: &'static str) -> Self {
        Self::of(within(&self.path, key), self.ask(key), self.findings)
    }

    /// Whether the field is present.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.ask(key).is_some()
    }

    /// Every object in this one by its key, for objects with free keys, which `read` parses. The key is `None` if it
    /// is invalid; the object can still be checked.
    pub(super) fn entries<K, E: Display>(&self, read: impl Fn(&str) -> Result<K, E>) -> Vec<(Option<K>, Self)> {
        let entries = self.object.into_iter().flatten().map(|(key, value)| {
            let path = within(&self.path, key);
            let key = self.key(key, &path, &read);
            (key, Self::of(path, Some(value), self.findings))
        });
        entries.filter(|(_, fields)| fields.object.is_some()).collect()
    }

    /// Every text in this object by its language.
    pub(super) fn texts(&self) -> BTreeMap<Language, String> {
        let texts = self.object.into_iter().flatten().filter_map(|(key, value)| {
            let path = within(&self.path, key);
            let language = self.key(key, &path, name::<Language>);
            let text = self.typed(&path, value, "text in quotes", Value::as_str);
            Some((language?, text?.to_owned()))
        });
        texts.collect()
    }

    /// A text, if present.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.typed(&within(&self.path, key), self.ask(key)?, "text in quotes", Value::as_str)
    }

    /// A text or null, if present.
    pub(super) fn text_or_null(&self, key: &'static str) -> Option<&'a str> {
        self.typed(&within(&self.path, key), self.ask_or_null(key)?, "text in quotes, or null", Value::as_str)
    }

    /// A required text; `fix` describes it. Empty if absent.
    pub(super) fn required_text(&self, key: &'static str, fix: &str) -> String {
        if self.ask(key).is_none() {
            self.note(key, format!("is missing: give {fix}"));
        }
        self.text(key).map(str::to_owned).unwrap_or_else(|| {
            self.findings.stand_in(within(&self.path, key));
            String::new()
        })
    }

    /// A required text that `read` parses; `fix` describes it.
    pub(super) fn required<T, E: Display>(
        &self,
        key: &'static str,
        fix: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.ask(key).is_none() {
            self.note(key, format!("is missing: give {fix}"));
        }
        self.key(self.text(key)?, &within(&self.path, key), read)
    }

    /// A boolean.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.ask(key) else { return default };
        self.typed(&within(&self.path, key), value, "true or false", Value::as_bool).unwrap_or(default)
    }

    /// A boolean or null.
    pub(super) fn flag_or_null(&self, key: &'static str) -> Option<bool> {
        self.typed(&within(&self.path, key), self.ask_or_null(key)?, "true, false or null", Value::as_bool)
    }

    /// A whole number. Its range is checked by the rules.
    pub(super) fn whole<T: TryFrom<u64>>(&self, key: &'static str, default: T) -> T {
        let Some(value) = self.ask(key) else { return default };
        let path = within(&self.path, key);
        let Some(number) = self.typed(&path, value, "a whole number", Value::as_number) else { return default };
        let read = number.as_u64().or_else(|| number.as_f64().and_then(whole)?.try_into().ok());
        read.and_then(|whole| whole.try_into().ok()).unwrap_or_else(|| {
            self.note(key, format!("is {number}: use a whole number from 0 to {}", u32::MAX));
            default
        })
    }

    /// A whole number, or null. An invalid one is replaced by `instead`, which should break no rule.
    pub(super) fn whole_or_null<T: TryFrom<u64>>(&self, key: &'static str, instead: T) -> Option<T> {
        self.ask_or_null(key)?;
        Some(self.whole(key, instead))
    }

    /// Segments per second, in thousandths; `None` means unlimited. `default` if the field is absent.
    pub(super) fn milli_or_null(&self, key: &'static str, default: Option<u32>) -> Option<u32> {
        let Some(value) = self.ask(key) else { return default };
        if value.is_null() {
            return None;
        }
        let number = self.typed(&within(&self.path, key), value, "a number, or null", Value::as_number)?;
        let milli = number.as_f64().and_then(thousandths);
        if milli.is_none() {
            let most = f64::from(u32::MAX) / 1000.0;
            let fix = format!("use 0.001 to {most} with at most three decimals, or null");
            self.note(key, format!("is {number}: {fix}"));
        }
        milli
    }

    /// One of `words`. An invalid one is replaced by the first, which should break no rule.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        if self.ask(key).is_none() {
            return default;
        }
        self.text(key).and_then(|word| self.word(key, word, words)).unwrap_or(words[0].1)
    }

    /// One of `words`, or null.
    pub(super) fn choice_or_null<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.word(key, self.text_or_null(key)?, words)
    }

    /// A text that `read` parses, or null.
    pub(super) fn parsed_or_null<T, E: Display>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.key(self.text_or_null(key)?, &within(&self.path, key), read)
    }

    /// A name.
    pub(super) fn name<T: TryFrom<String, Error = InvalidName>>(&self, key: &'static str, default: T) -> T {
        let named = self.text(key).and_then(|text| self.key(text, &within(&self.path, key), name));
        named.unwrap_or(default)
    }

    /// A list of texts that `read` parses, if present. Messages do not show entries, as some are people's numbers.
    pub(super) fn list<T, E: Display>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let path = within(&self.path, key);
        let list = self.typed(&path, self.ask(key)?, LIST, Value::as_array)?;
        let read = list.iter().enumerate().filter_map(|(index, value)| {
            let entry = format!("entry {} of {}", index + 1, list.len());
            let Some(text) = value.as_str() else {
                self.findings.note(&path, format!("{entry} is {}: write text in quotes", kind(value)));
                return None;
            };
            read(text).map_err(|error| self.findings.note(&path, format!("{entry} is {error}"))).ok()
        });
        Some(read.collect())
    }

    /// Every entry of a list: a text, parsed by `text`, or an object, parsed by `object`.
    pub(super) fn each<T, E: Display>(
        &self,
        key: &'static str,
        wanted: &str,
        text: impl Fn(&str) -> Result<T, E>,
        object: impl Fn(&Self) -> Option<T>,
    ) -> Vec<T> {
        let path = within(&self.path, key);
        let list = self.ask(key).and_then(|value| self.typed(&path, value, LIST, Value::as_array));
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let read = list.iter().enumerate().filter_map(|(index, value)| {
            let place = format!("{} of {}", index + 1, list.len());
            match value {
                Value::String(entry) => {
                    text(entry).map_err(|error| self.findings.note(&path, format!("entry {place} is {error}"))).ok()
                }
                Value::Object(_) => object(&Self::of(format!("{path}[{place}]"), Some(value), self.findings)),
                _ => {
                    self.findings.note(&path, format!("entry {place} is {}: write {wanted}", kind(value)));
                    None
                }
            }
        });
        read.collect()
    }

    /// Whether a list is empty or absent.
    pub(super) fn is_empty(&self, key: &'static str) -> bool {
        self.ask(key).is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
    }

    /// A time, or null.
    pub(super) fn moment_or_null(&self, key: &'static str) -> Option<Timestamp> {
        self.parsed_or_null(key, |text| {
            Timestamp::parse(text).ok_or("not a time: write a date and time with its zone, as in 2026-01-31T12:00:00Z")
        })
    }

    /// Records every field that has not been read, except the read-only fields of the API's responses.
    pub(super) fn no_other_fields(&self, read_only: &[&str]) {
        let known = self.read_keys.borrow();
        for (key, _) in self.object.into_iter().flatten() {
            if !known.contains(&key.as_str()) && !read_only.contains(&key.as_str()) {
                let text = format!("is an unknown field: remove it, or use one of {}", known.join(", "));
                self.findings.note(&within(&self.path, key), text);
            }
        }
    }

    /// Like [`Self::no_other_fields`], for objects whose keys must not be shown.
    pub(super) fn no_other_fields_unnamed(&self) {
        let known = self.read_keys.borrow();
        let is_other = |key: &&String| !known.contains(&key.as_str());
        let others = self.object.map_or(0, |object| object.keys().filter(is_other).count());
        if others > 0 {
            let other = if others == 1 { "an unknown field".to_owned() } else { format!("{others} unknown fields") };
            self.findings.note(&self.path, format!("has {other}: remove it, or use one of {}", known.join(", ")));
        }
    }

    fn of(path: String, value: Option<&'a Value>, findings: &'a Findings) -> Self {
        let object = value.and_then(|value| {
            if !value.is_object() {
                findings.note(&path, format!("is {}: write an object, as in {{ ... }}", kind(value)));
            }
            value.as_object()
        });
        Self { path, object, read_keys: RefCell::default(), findings }
    }

    fn ask(&self, key: &'static str) -> Option<&'a Value> {
        let mut read_keys = self.read_keys.borrow_mut();
        if !read_keys.contains(&key) {
            read_keys.push(key);
        }
        self.object?.get(key)
    }

    fn ask_or_null(&self, key: &'static str) -> Option<&'a Value> {
        self.ask(key).filter(|value| !value.is_null())
    }

    /// Records a problem with a field, and the fix.
    pub(super) fn note(&self, key: &str, text: impl AsRef<str>) {
        self.findings.note(&within(&self.path, key), text);
    }

    /// The value is not shown: some are people's numbers, and some are long.
    fn typed<T>(&self, path: &str, value: &'a Value, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let typed = read(value);
        if typed.is_none() {
            self.findings.note(path, format!("is {}: write {wanted}", kind(value)));
        }
        typed
    }

    fn key<T, E: Display>(&self, text: &str, path: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        read(text).map_err(|error| self.findings.note(path, format!("is {error}"))).ok()
    }

    fn word<T: Copy>(&self, key: &str, word: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(known, _)| *known == word);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(known, _)| format!("{known:?}")).collect();
            self.note(key, format!("{} is not a valid value: use {}", shown(word), known.join(" or ")));
        }
        found.map(|(_, value)| *value)
    }
}

/// Reads a name.
pub(super) fn name<T: TryFrom<String, Error = InvalidName>>(text: &str) -> Result<T, InvalidName> {
    text.to_owned().try_into()
}

/// Reads a number.
pub(super) fn number(text: &str) -> Result<E164, crate::model::InvalidNumber> {
    text.parse()
}

/// `value` in thousandths, from 1; `None` if it has more than three decimals.
///
/// A decimal with at most three places is parsed as the nearest f64, and dividing its thousandths by 1000 yields the
/// same: both are rounded once. So the comparison is exact, and 0.1 becomes 100 although no f64 equals a tenth.
fn thousandths(value: f64) -> Option<u32> {
    let whole = (value * 1000.0).round();
    let is_exact = (1.0..=f64::from(u32::MAX)).contains(&whole) && whole / 1000.0 == value;
    is_exact.then_some(whole as u32)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
