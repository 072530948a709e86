//! The fields of a request's body.

use crate::json::{Fields, Findings, Problem, parse};
use crate::model::E164;
use crate::rules::refusal::{Code, FieldError, Refusal};
use serde_json::Value;

/// Reads a body, an object whose fields are all among `known`. Those in `read_only` are ignored, so that the result of
/// a GET can be edited and PUT.
///
/// `read` returns `None` only if it recorded a problem.
pub(in crate::http) fn read<T>(
    body: &[u8],
    known: &[&'static str],
    read_only: &[&str],
    read: impl FnOnce(&Fields<'_>) -> Option<T>,
) -> Result<T, Refusal> {
    let findings = Findings::of("the body");
    let tree = tree(body, &findings)?;
    let fields = Fields::root(&tree, &findings);
    fields.expect(known);
    fields.no_other_fields(read_only);
    let value = read(&fields);
    match (refusal(findings.problems(), known), value) {
        (None, Some(value)) => Ok(value),
        (refusal, _) => Err(refusal.unwrap_or_else(crate::http::answer::internal)),
    }
}

/// Parses a body.
pub(super) fn tree(body: &[u8], findings: &Findings) -> Result<Value, Refusal> {
    if body.trim_ascii().is_empty() {
        return Err(Refusal::new(Code::MalformedJson, "the body is empty: send a JSON object, {} at least"));
    }
    if body.starts_with("\u{feff}".as_bytes()) {
        let detail = "the body begins with a byte order mark: send UTF-8 without one";
        return Err(Refusal::new(Code::MalformedJson, detail));
    }
    // The parser's messages end in line and column and do not repeat the body.
    parse(body, findings)
        .map_err(|error| Refusal::new(Code::MalformedJson, format!("the body is not valid JSON: {error}")))
}

/// The refusal of all problems, in the order of the fields. Duplicate and unknown fields come first, as they explain
/// others; of one field its form comes before what rules say of it.
pub(super) fn refusal(mut problems: Vec<Problem>, order: &[&str]) -> Option<Refusal> {
    problems.sort_by_key(|problem| match problem.code {
        Code::MalformedJson => (0, 0),
        Code::UnknownField => (1, 0),
        _ => {
            let field = problem.field.split(['.', '[']).next().unwrap_or_default();
            (2, order.iter().position(|known| *known == field).unwrap_or(order.len()))
        }
    });
    let error = |Problem { field, code, detail, .. }| FieldError { field, code, detail };
    Refusal::of(problems.into_iter().map(error).collect())
}

/// Parses a phone number of a path, whose plus may be left out.
pub(super) fn number_in_path(name: &str, text: &str) -> Result<E164, Refusal> {
    let begins_with_digit = text.starts_with(|first: char| first.is_ascii_digit());
    if begins_with_digit { number(name, &format!("+{text}")) } else { number(name, text) }
}

/// Parses a phone number of a query.
pub(super) fn number(name: &str, text: &str) -> Result<E164, Refusal> {
    text.parse().map_err(|error| Refusal::new(Code::NumberInvalid, format!("`{name}` is {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::model::QueueId;

    const KNOWN: &[&str] = &["queue", "agent", "version"];

    #[test]
    fn an_unknown_field_is_refused_with_the_list_of_known_ones() {
        let expected = "unknown field `quue` (did you mean `queue`?); expected one of queue, agent, version";
        check(r#"{"agent":7,"quue":"support"}"#, Code::UnknownField, expected);
        let long = format!(r#"{{"{}":1}}"#, "x".repeat(70));
        check(&long, Code::UnknownField, &format!("unknown field `\"{}\"…`; expected", "x".repeat(64)));
    }

    #[test]
    fn read_only_fields_are_ignored() {
        let body = br#"{"queue":"support","state":"active"}"#;
        let queue = read(body, KNOWN, &["state"], |fields| fields.required("queue", "a queue", json::name::<QueueId>));
        assert_eq!(queue.unwrap().as_str(), "support");
    }

    #[test]
    fn invalid_json_is_refused_with_line_and_column() {
        check("{\"queue\":\n}", Code::MalformedJson, "the body is not valid JSON: expected value at line 2 column 1");
        check("{", Code::MalformedJson, "line 1 column 1");
        check("", Code::MalformedJson, "the body is empty");
        check("{} {}", Code::MalformedJson, "trailing characters");
        check(&"[".repeat(10_000), Code::MalformedJson, "recursion limit");
        check(&format!("{{\"queue\":{}", "[".repeat(10_000)), Code::MalformedJson, "recursion limit");
        check(r#"{"queue":"\ud800"}"#, Code::MalformedJson, "line 1 column");
        check(r#"{"queue":"\ud800\ud800"}"#, Code::MalformedJson, "line 1 column");
        let not_utf8 = read(b"{\"queue\":\"\xff\"}", KNOWN, &[], |_| Some(()));
        assert_eq!(not_utf8.unwrap_err().code, Code::MalformedJson);
    }

    #[test]
    fn a_duplicate_field_is_refused() {
        check(r#"{"queue":"a","quue":1,"queue":"b"}"#, Code::MalformedJson, "duplicate field `queue`");
        check(r#"{"queue":[{"a":1,"a":2}]}"#, Code::MalformedJson, "duplicate field `queue[1].a`");
    }

    #[test]
    fn a_body_that_is_not_an_object_is_refused() {
        for (body, is) in [("[]", "an array"), ("1", "a number"), ("null", "null"), ("\"text\"", "a string")] {
            check(body, Code::InvalidField, &format!("the body is {is}: it must be an object"));
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_without_repeating_it() {
        let body = br#"{"queue":"+12065550142 secret","agent":7}"#;
        let detail = |reads: fn(&Fields<'_>)| {
            let read = read(body, KNOWN, &[], |fields| {
                reads(fields);
                Some(())
            });
            let detail = read.unwrap_err().detail;
            assert!(!detail.contains("secret"), "{detail}");
            detail
        };
        let name = detail(|fields| _ = fields.parsed("queue", json::name::<QueueId>));
        assert!(name.starts_with("`queue` is not a name: use 1 to 64 of"), "{name}");
        let text = detail(|fields| _ = fields.text("agent"));
        assert_eq!(text, "`agent` is a number: it must be a string");
        let flag = detail(|fields| _ = fields.flag("agent", false));
        assert_eq!(flag, "`agent` is a number: it must be true or false");
        let choice = detail(|fields| _ = fields.choice_or_null("queue", &[("a", 1), ("b", 2)]));
        assert_eq!(choice, "`queue` is not a valid value: it must be one of a, b");
        let integer = detail(|fields| _ = fields.integer_or_null("queue"));
        assert_eq!(integer, "`queue` is a string: it must be a whole number of at most 64 bits, or null");
    }

    #[test]
    fn a_words_length_is_limited_in_characters_and_nul_is_refused() {
        let agent = |text: &str| {
            let body = serde_json::json!({ "agent": text }).to_string();
            read(body.as_bytes(), KNOWN, &[], |fields| Some(fields.word_or_null("agent", 128)))
        };
        assert_eq!(agent(&"é".repeat(128)).unwrap(), Some("é".repeat(128)));
        for bad in ["", &"é".repeat(129), "a\nb"] {
            assert_eq!(agent(bad).unwrap_err().code, Code::InvalidField, "{bad:?}");
        }
        assert!(agent("a\0b").unwrap_err().detail.contains("U+0000"));
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
            let body = format!("{{\"version\":{text}}}");
            let version = read(body.as_bytes(), KNOWN, &[], |fields| fields.integer_or_null("version"));
            assert_eq!(version.ok(), expected, "{text}");
        }
    }

    #[track_caller]
    fn check(body: &str, code: Code, detail: &str) {
        let refusal = read(body.as_bytes(), KNOWN, &[], |fields| {
            fields.text("agent");
            Some(())
        });
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.code, code, "{body:.40}: {}", refusal.detail);
        assert!(refusal.detail.contains(detail), "{body:.40}: {}", refusal.detail);
    }
}
