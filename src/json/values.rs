//! Values of fields: parsers, and why a value is not valid.

use crate::model::{self, CALL_TYPE_FORM, CallType, E164, InvalidName, InvalidNumber, Timestamp, whole};
use crate::rules::refusal::Code;
use serde_json::Value;

/// The form of a time, for messages.
pub const TIME: &str = "a time with its zone, as in 2026-01-31T12:00:00Z, from 1970 to 9999-12-30";

/// Why a text is not a valid value: "not a name: use ...", with the code of the refusal.
#[derive(Debug)]
pub struct Invalid {
    pub(super) code: Code,
    pub(super) text: String,
}

impl Invalid {
    /// A value of the wrong form; `text` follows "is".
    pub fn new(text: impl Into<String>) -> Self {
        Self { code: Code::InvalidField, text: text.into() }
    }
}

impl From<InvalidName> for Invalid {
    fn from(error: InvalidName) -> Self {
        Self::new(error.to_string())
    }
}

impl From<InvalidNumber> for Invalid {
    fn from(error: InvalidNumber) -> Self {
        Self { code: Code::NumberInvalid, text: error.to_string() }
    }
}

/// Reads a name.
pub fn name<T: TryFrom<String, Error = InvalidName>>(text: &str) -> Result<T, Invalid> {
    Ok(text.to_owned().try_into()?)
}

/// Reads a number.
pub fn number(text: &str) -> Result<E164, Invalid> {
    Ok(text.parse::<E164>()?)
}

/// Reads a call type.
pub fn call_type(text: &str) -> Result<CallType, Invalid> {
    model::call_type(text).ok_or_else(|| Invalid::new(format!("not a call type: use {CALL_TYPE_FORM}")))
}

/// Reads a time.
pub(super) fn time(text: &str) -> Result<Timestamp, Invalid> {
    Timestamp::parse(text).ok_or_else(|| Invalid::new(format!("not a valid time: it must be {TIME}")))
}

/// A whole number; `None` if it has a fraction or is out of range.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

/// `value` in thousandths, from 1; `None` if it has more than three decimals.
///
/// A decimal with at most three places is parsed as the nearest f64, and dividing its thousandths by 1000 yields the
/// same: both are rounded once. So the comparison is exact, and 0.1 becomes 100 although no f64 equals a tenth.
pub(super) fn thousandths(value: f64) -> Option<u32> {
    let whole = (value * 1000.0).round();
    let is_exact = (1.0..=f64::from(u32::MAX)).contains(&whole) && whole / 1000.0 == value;
    is_exact.then_some(whole as u32)
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
