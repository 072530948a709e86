//! Query parameters and pagination of lists.

use super::fields::number;
use crate::http::answer::json;
use crate::json::TIME;
use crate::model::{E164, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use std::str::FromStr;

/// Default number of items of a page.
const LIMIT: usize = 50;

/// Maximum number of items of a page.
pub(super) const LIMIT_MAX: usize = 500;

/// Query parameters, all known and none repeated.
pub(super) struct Query(Vec<(String, String)>);

/// The requested part of a list.
pub(super) struct Page {
    pub(super) limit: usize,
    /// The key of the previous page's last item.
    pub(super) after: Option<String>,
}

impl Query {
    /// Reads a query whose parameters are all among `known`.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, Refusal> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            if !known.contains(&&*name) {
                let name = short(&name);
                let detail = match known {
                    [] => format!("unknown query parameter `{name}`; this endpoint takes none"),
                    known => format!("unknown query parameter `{name}`; expected one of {}", known.join(", ")),
                };
                return Err(Refusal::new(Code::UnknownField, detail));
            }
            if found.iter().any(|(other, _)| *other == name) {
                let detail = format!("duplicate query parameter `{name}`");
                return Err(Refusal::new(Code::InvalidField, detail));
            }
            // An empty shell variable would otherwise list everything. An empty cursor gets its own refusal below.
            if value.is_empty() && !["cursor", "after"].contains(&&*name) {
                let detail = format!("query parameter `{name}` is empty: give it a value, or omit it");
                return Err(Refusal::new(Code::InvalidField, detail));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// The value of a parameter.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// The value of a number parameter. An unescaped plus is decoded as a space, so a leading space is read as a plus.
    pub(super) fn number(&self, name: &str) -> Result<Option<E164>, Refusal> {
        let plain = |text: &str| match text.strip_prefix(' ') {
            Some(digits) => number(name, &format!("+{digits}")),
            None => number(name, text),
        };
        self.value(name).map(plain).transpose()
    }

    /// The value of a time parameter. A plus of its zone that is not escaped is decoded as a space.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let time = |text: &str| {
            let detail = format!("`{name}` is not a valid time: it must be {TIME}");
            Timestamp::parse(&text.replace(' ', "+")).ok_or_else(|| Refusal::new(Code::InvalidField, detail))
        };
        self.value(name).map(time).transpose()
    }

    /// The requested page.
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let limit = match self.value("limit") {
            None => LIMIT,
            Some(text) => text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
                Refusal::new(Code::InvalidField, format!("`limit` must be a whole number from 1 to {LIMIT_MAX}"))
            })?,
        };
        let after = self.value("cursor").map(|cursor| {
            let key = BASE64.decode(cursor).ok().and_then(|key| String::from_utf8(key).ok());
            key.filter(|key| !key.is_empty()).ok_or_else(invalid_cursor)
        });
        Ok(Page { limit, after: after.transpose()? })
    }
}

/// The name of an unknown parameter as the client sent it, shortened to fit into a line.
fn short(name: &str) -> String {
    const SHOWN_MAX_CHARACTERS: usize = 64;
    let shown: String = name.chars().filter(|character| !character.is_control()).take(SHOWN_MAX_CHARACTERS).collect();
    if shown.len() < name.len() { format!("{shown}…") } else { shown }
}

/// The cursor was not issued by this API.
pub(super) fn invalid_cursor() -> Refusal {
    Refusal::new(Code::CursorInvalid, "invalid `cursor`: use the next_cursor of a response, or omit it")
}

impl Page {
    /// The page, if its cursor is a key of the list: another list's cursor would show the first page again.
    pub(super) fn keyed<K: FromStr>(self) -> Result<Self, Refusal> {
        match &self.after {
            Some(after) if after.parse::<K>().is_err() => Err(invalid_cursor()),
            _ => Ok(self),
        }
    }

    /// The page of a list whose keys are in memory and sorted. Only items of the page are rendered.
    pub(super) fn of<F: FnOnce() -> Value>(&self, items: impl Iterator<Item = (String, F)>) -> Response {
        self.shown(items.filter(|(key, _)| self.after.as_ref().is_none_or(|after| key > after)))
    }

    /// The page of a list that is in memory, in its own order, and begins after the cursor. Each item has the cursor
    /// that stands for it. Only items of the page are rendered.
    pub(super) fn shown<F: FnOnce() -> Value>(&self, mut items: impl Iterator<Item = (String, F)>) -> Response {
        let shown: Vec<_> = items.by_ref().take(self.limit).collect();
        let next = shown.last().filter(|_| items.next().is_some()).map(|(cursor, _)| cursor.clone());
        let items: Vec<_> = shown.into_iter().map(|(_, document)| document()).collect();
        list(&items, next.as_deref())
    }
}

/// A page as a response; `next` is the key after which the next page starts.
pub(super) fn list(items: &[Value], next: Option<&str>) -> Response {
    json(StatusCode::OK, &document(items, next))
}

/// A page as a document, for lists that add further fields.
pub(super) fn document(items: &[Value], next: Option<&str>) -> Value {
    let next_cursor = next.map(|key| BASE64.encode(key));
    json!({ "items": items, "next_cursor": next_cursor })
}
