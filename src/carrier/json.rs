//! What dialects share in reading JSON: fields by their paths. `null` is treated as absent.

use super::read::{self, Problem};
use crate::model::Address;
use serde_json::Value;

/// Parses JSON. Half of a surrogate pair, which a carrier leaves where it cut a text, becomes a replacement character: it
/// must not make the whole message unreadable.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match with_whole_pairs(text) {
        Some(mended) => serde_json::from_str(&mended),
        None => Err(error),
    })
}

/// The text with half pairs replaced; `None` if it has none.
fn with_whole_pairs(text: &str) -> Option<String> {
    let unit = |at: usize| text.get(at..at + 6)?.strip_prefix("\\u").and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let (mut mended, mut done, mut at) = (String::new(), 0, 0);
    while let Some(found) = text[at..].find('\\') {
        at += found;
        at += match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                mended.push_str(&text[done..at]);
                mended.push_str("\\ufffd");
                done = at + 6;
                6
            }
            // The character after a backslash is never the beginning of an escape.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    (done > 0).then(|| mended + &text[done..])
}

/// The value at a path of field names and places in lists, like `message.to.0`.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let found = path.split('.').try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })?;
    (!found.is_null()).then_some(found)
}

/// A text, if present.
pub(super) fn text<'a>(value: &'a Value, path: &'static str) -> Result<Option<&'a str>, Problem> {
    at(value, path).map(|found| found.as_str().ok_or(Problem::Malformed(path))).transpose()
}

/// A text that must be present.
pub(super) fn required<'a>(value: &'a Value, path: &'static str) -> Result<&'a str, Problem> {
    text(value, path)?.ok_or(Problem::Missing(path))
}

/// The address of a carrier that writes numbers with their plus.
pub(super) fn address(value: &Value, path: &'static str) -> Result<Address, Problem> {
    read::address(required(value, path)?).ok_or(Problem::Malformed(path))
}

/// A whole number that a carrier writes as a number or as a text. Anything else is treated as absent.
pub(super) fn whole(value: &Value, path: &str) -> Option<u64> {
    at(value, path).and_then(number)
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The segment count. Nothing depends on it, so an invalid one is ignored.
pub(super) fn segments(value: &Value, path: &str) -> Option<u16> {
    at(value, path).and_then(count)
}

/// A segment count that was found already.
pub(super) fn count(value: &Value) -> Option<u16> {
    number(value).and_then(|count| u16::try_from(count).ok()).filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn half_a_pair_is_replaced_and_whole_pairs_stay() {
        for (written, read) in [
            (r#""a\ud83d\udc4b\\ud83d b""#, "a👋\\ud83d b"),
            (r#""cut\ud83d""#, "cut\u{fffd}"),
            (r#""\udc4b\ud83d\ud83d\udc4b\n""#, "\u{fffd}\u{fffd}👋\n"),
            (r#""\ud83dé\u00e9""#, "\u{fffd}éé"),
        ] {
            assert_eq!(parse(written).unwrap(), read, "{written}");
        }
        for wrong in ["", r#""\"#, r#""\u"#, r#""\ud8"#, r#""\ud83d"#, "\\é", r#"{"a":"\ud83d",}"#] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fields_are_found_by_path_and_null_is_absent() {
        let value = json!({ "a": { "b": [null, { "c": "x" }] }, "n": 7, "t": "8", "z": 0 });
        assert_eq!(text(&value, "a.b.1.c").unwrap(), Some("x"));
        for absent in ["b", "a.c", "a.b.0", "a.b.2", "a.b.-1", "a.b.1.c.d", "n.0", ""] {
            assert_eq!(at(&value, absent), None, "{absent}");
        }
        assert_eq!(required(&value, "a.b.0").unwrap_err().to_string(), "a.b.0 is missing");
        assert_eq!(required(&value, "n").unwrap_err().to_string(), "n is invalid");
        assert_eq!(["n", "t", "a"].map(|path| whole(&value, path)), [Some(7), Some(8), None]);
        assert_eq!(["n", "z", "a"].map(|path| segments(&value, path)), [Some(7), None, None]);
    }
}
