//! Queries of lists, and their pages.

use super::fields::{number, short};
use crate::http::answer::json;
use crate::model::E164;
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// Items of a page, where nobody says how many.
const LIMIT: usize = 50;

/// Items of a page at most.
pub(super) const LIMIT_MAX: usize = 500;

/// A query's fields, all of them known, each of them once.
pub(super) struct Query(Vec<(String, String)>);

/// Which part of a list is wanted.
pub(super) struct Page {
    pub(super) limit: usize,
    /// The key of the last item of the page before.
    pub(super) after: Option<String>,
}

impl Query {
    /// Reads a query whose parameters are all among `known`.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, Refusal> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            if !known.contains(&&*name) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("unknown query parameter `{}`; this address takes {known}", short(&name));
                return Err(Refusal::new(Code::UnknownField, detail));
            }
            if found.iter().any(|(other, _)| *other == name) {
                let detail = format!("`{name}` stands twice in the query: send it once");
                return Err(Refusal::new(Code::InvalidField, detail));
            }
            // A shell variable that was empty would list everything. An empty cursor is refused as a cursor.
            if value.is_empty() && !["cursor", "after"].contains(&&*name) {
                let detail = format!("`{name}` is empty in the query: give it a value, or leave it out");
                return Err(Refusal::new(Code::InvalidField, detail));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A field's value.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The value of a number. Its plus reads as a blank where it was not escaped, and no number begins with one.
    pub(super) fn number(&self, name: &str) -> Result<Option<E164>, Refusal> {
        let plain = |text: &str| match text.strip_prefix(' ') {
            Some(digits) => number(name, &format!("+{digits}")),
            None => number(name, text),
        };
        self.value(name).map(plain).transpose()
    }

    /// The page it asks for.
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let limit = match self.value("limit") {
            None => LIMIT,
            Some(text) => text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
                Refusal::new(Code::InvalidField, format!("`limit` must be a whole number from 1 to {LIMIT_MAX}"))
            })?,
        };
        let after = self.value("cursor").map(|cursor| {
            let key = BASE64.decode(cursor).ok().and_then(|key| String::from_utf8(key).ok());
            key.filter(|key| !key.is_empty()).ok_or_else(no_cursor)
        });
        Ok(Page { limit, after: after.transpose()? })
    }
}

/// A cursor that no answer of ours has given.
pub(super) fn no_cursor() -> Refusal {
    Refusal::new(Code::CursorInvalid, "`cursor` is none of ours: use the next_cursor of an answer, or leave it out")
}

impl Page {
    /// The page of a list whose keys are all at hand, in their order. Only what is shown is rendered.
    pub(super) fn of<F: FnOnce() -> Value>(&self, items: impl Iterator<Item = (String, F)>) -> Response {
        let mut items = items.filter(|(key, _)| self.after.as_ref().is_none_or(|after| key > after));
        let shown: Vec<_> = items.by_ref().take(self.limit).collect();
        let next = shown.last().filter(|_| items.next().is_some()).map(|(key, _)| key.clone());
        let items: Vec<_> = shown.into_iter().map(|(_, document)| document()).collect();
        list(&items, next.as_deref())
    }
}

/// A page, and the key after which the next one goes on.
pub(super) fn list(items: &[Value], next: Option<&str>) -> Response {
    json(StatusCode::OK, &document(items, next))
}

/// The same, for a list whose pages show more than that.
pub(super) fn document(items: &[Value], next: Option<&str>) -> Value {
    let next_cursor = next.map(|key| BASE64.encode(key));
    json!({ "items": items, "next_cursor": next_cursor })
}
