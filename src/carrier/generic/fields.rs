//! The fields of an item, by the paths of a description: in JSON like `message.from`, in a form by name.

use super::settings::Format;
use crate::carrier::form;
use crate::carrier::json;
use crate::carrier::read::Problem;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::str;

/// An item of a webhook, or an answer.
pub(super) struct Fields<'a> {
    pub(super) format: Format,
    pub(super) value: &'a Value,
}

impl<'a> Fields<'a> {
    pub(super) fn at(&self, path: &str) -> Option<&'a Value> {
        match self.format {
            Format::Json => json::at(self.value, path),
            Format::Form => self.value.get(path),
        }
    }

    /// A text; a number is taken as one.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, Problem> {
        match self.at(path) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(malformed(path)),
        }
    }

    /// A text that must be present.
    pub(super) fn required(&self, path: &str) -> Result<String, Problem> {
        self.text(path)?.ok_or_else(|| Problem::Described(format!("{path} is missing")))
    }

    pub(super) fn segments(&self, path: Option<&str>) -> Option<u16> {
        let count = self.text(path?).ok()??;
        count.parse().ok().filter(|count| *count > 0)
    }
}

pub(super) fn malformed(path: &str) -> Problem {
    Problem::Described(format!("{path} is invalid"))
}

/// A form as an object. A name that occurs with different values has all of them, and so is no text.
pub(super) fn of_form(form: &[u8]) -> Result<Value, Problem> {
    let mut fields = Map::new();
    for (name, value) in form::pairs(form) {
        let name = str::from_utf8(&name).map_err(|_| Problem::NotUtf8("a name"))?;
        let value = Value::from(str::from_utf8(&value).map_err(|_| Problem::NotUtf8("a value"))?);
        match fields.get_mut(name) {
            None => drop(fields.insert(name.to_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(earlier) if *earlier != value => *earlier = Value::Array(vec![earlier.take(), value]),
            Some(_) => {}
        }
    }
    Ok(Value::Object(fields))
}

/// The value at a path of field names, unparsed.
pub(super) fn raw_at<'a>(raw: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    path.split('.').try_fold(raw, |raw, step| {
        let mut fields: HashMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
        fields.remove(step)
    })
}

/// JSON that has `element` as the only one of a list at a path.
pub(super) fn list_of_one(element: &str, path: Option<&str>) -> String {
    let steps = path.into_iter().flat_map(|path| path.rsplit('.'));
    steps.fold(format!("[{element}]"), |inner, step| format!("{{{}:{inner}}}", Value::from(step)))
}
