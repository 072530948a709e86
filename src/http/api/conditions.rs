//! Conditions of writes to the directory: `If-Match`, `If-None-Match` and `force`.

use super::ApiRequest;
use crate::model::{Expected, Position};
use crate::rules::refusal::{Code, Refusal};
use axum::http::{HeaderName, header};

impl ApiRequest {
    /// The state in which the request expects its resource; `None` without a condition.
    pub(super) fn expected(&self) -> Result<Option<Expected>, Refusal> {
        match (self.tags(&header::IF_MATCH)?, self.tags(&header::IF_NONE_MATCH)?) {
            (None, None) => Ok(None),
            (Some(tags), None) if tags.trim() == "*" => Ok(Some(Expected::Exists)),
            (Some(tags), None) => Ok(Some(Expected::At(tags.split(',').filter_map(version).collect()))),
            (None, Some(tags)) if tags.trim() == "*" => Ok(Some(Expected::Absent)),
            (None, Some(_)) => {
                let detail = "`If-None-Match` of a write must be *, which creates only; to change what you read, send its \
                              ETag in If-Match";
                Err(Refusal::new(Code::InvalidField, detail))
            }
            (Some(_), Some(_)) => {
                let detail = "`If-Match` and `If-None-Match` contradict each other: send one of them";
                Err(Refusal::new(Code::InvalidField, detail))
            }
        }
    }

    /// Whether the request has `?force=true`.
    pub(super) fn force(&self) -> Result<bool, Refusal> {
        match self.query.value("force") {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::new(Code::InvalidField, "`force` must be true or false")),
        }
    }

    /// The list in a header, which may be in several lines.
    fn tags(&self, name: &HeaderName) -> Result<Option<String>, Refusal> {
        let mut lines = Vec::new();
        for value in self.headers.get_all(name) {
            let text = value
                .to_str()
                .map_err(|_| Refusal::new(Code::InvalidField, format!("`{name}` must be an ETag in quotes, or *")))?;
            lines.push(text);
        }
        Ok((!lines.is_empty()).then(|| lines.join(",")))
    }
}

/// The version of a strong ETag. Others, which the gateway never sends, match nothing.
fn version(tag: &str) -> Option<Position> {
    let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    let version = digits.parse().ok()?;
    // Only the form in which it is sent.
    (format!("{version}") == digits).then_some(Position(version))
}
