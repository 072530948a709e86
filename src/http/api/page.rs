//! Queries of lists, and their pages.

use super::Asked;
use super::fields::number;
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
    /// Reads the query; `limit` and `cursor` are known besides `filters`.
    pub(super) fn of(asked: &Asked, filters: &[&str]) -> Result<Self, Refusal> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(asked.query.as_bytes()).into_owned() {
            if !["limit", "cursor"].contains(&&*name) && !filters.contains(&&*name) {
                let known = [filters, &["limit", "cursor"]].concat().join(", ");
                let detail = format!("the query holds a field that is not known here; its fields are {known}");
                return Err(Refusal::new(Code::UnknownField, detail));
            }
            if found.iter().any(|(other, _)| *other == name) {
                let detail = format!("`{name}` stands twice in the query: send it once");
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

    /// What the list is narrowed by; a field that stands there blank is as good as left out.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// The same of a number. Its plus reads as a blank where it was not escaped, and no number begins with one.
    pub(super) fn number(&self, name: &str) -> Result<Option<E164>, Refusal> {
        let plain = |text: &str| match text.strip_prefix(' ') {
            Some(digits) => number(name, &format!("+{digits}")),
            None => number(name, text),
        };
        self.filter(name).map(plain).transpose()
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
