//! Conditions of writes to the directory: `If-Match`, `If-None-Match` and `force`.

use super::ApiRequest;
use crate::model::{Expected, OnlyIf, Position, Resource};
use crate::rules::refusal::{Code, Refusal};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The ETag of a version.
pub(super) fn etag(version: Position) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", version.0)).expect("digits in quotes are visible ASCII")
}

impl ApiRequest {
    /// The condition under which a write may change a resource.
    pub(super) fn only_if(&self, resource: Resource) -> Result<Option<OnlyIf>, Refusal> {
        Ok(self.expected()?.map(|expected| OnlyIf { resource: Some(resource), expected }))
    }

    /// The state in which the request expects its resource; `None` without a condition.
    pub(super) fn expected(&self) -> Result<Option<Expected>, Refusal> {
        match (listed(&self.headers, &header::IF_MATCH)?, listed(&self.headers, &header::IF_NONE_MATCH)?) {
            (None, None) => Ok(None),
            (Some(Tags::Any), None) => Ok(Some(Expected::Exists)),
            (Some(Tags::These(versions)), None) => Ok(Some(Expected::At(versions))),
            (None, Some(Tags::Any)) => Ok(Some(Expected::Absent)),
            (None, Some(Tags::These(_))) => {
                let detail = "`If-None-Match` of a write must be *, which creates only; to change what you read, send its \
                              ETag in `If-Match`";
                Err(Refusal::new(Code::InvalidField, detail))
            }
            (Some(_), Some(_)) => {
                let detail = "`If-Match` and `If-None-Match` contradict each other: send one of them";
                Err(Refusal::new(Code::PreconditionFailed, detail))
            }
        }
    }

    /// `?force=`: whether the global outbound number may be assigned (A38).
    pub(super) fn force(&self) -> Result<bool, Refusal> {
        match self.query.value("force") {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::new(Code::InvalidField, "`force` must be true or false")),
        }
    }
}

/// What a header lists.
#[derive(PartialEq, Eq, Debug)]
enum Tags {
    Any,
    /// The versions of its strong tags. Others match nothing: weak ones, and those of other programs.
    These(Vec<Position>),
}

fn listed(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Refusal> {
    let mut found = None;
    for value in headers.get_all(name) {
        let tags = value.to_str().ok().and_then(tags).ok_or_else(|| {
            let name = if *name == header::IF_MATCH { "If-Match" } else { "If-None-Match" };
            let detail = format!("`{name}` must be * or ETags with their quotes, as in \"12\", \"34\"");
            Refusal::new(Code::InvalidField, detail)
        })?;
        found = Some(match (found, tags) {
            (Some(Tags::Any), _) | (_, Tags::Any) => Tags::Any,
            (Some(Tags::These(mut versions)), Tags::These(more)) => {
                versions.extend(more);
                Tags::These(versions)
            }
            (None, tags) => tags,
        });
    }
    Ok(found)
}

fn tags(text: &str) -> Option<Tags> {
    let mut rest = text.trim();
    if rest == "*" {
        return Some(Tags::Any);
    }
    let mut versions = Vec::new();
    loop {
        let (weak, tag) = match rest.strip_prefix("W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        let (tag, after) = tag.strip_prefix('"')?.split_once('"')?;
        // One of ours is written in one way only.
        let version = tag.parse().ok().map(Position).filter(|version| version.0.to_string() == tag);
        versions.extend(version.filter(|_| !weak));
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(Tags::These(versions));
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_tags_of_ours_stand_for_a_version() {
        let these = |versions: &[u64]| Some(Tags::These(versions.iter().copied().map(Position).collect()));
        for (text, expected) in [
            ("*", Some(Tags::Any)),
            (" * ", Some(Tags::Any)),
            ("\"12\"", these(&[12])),
            ("\"12\",\"34\" , \"5\"", these(&[12, 34, 5])),
            ("W/\"12\"", these(&[])),
            ("W/\"12\", \"34\"", these(&[34])),
            ("\"012\"", these(&[])),
            ("\"a, b\", \"7\"", these(&[7])),
            ("\"\"", these(&[])),
            ("12", None),
            ("\"12", None),
            ("\"12\" \"34\"", None),
            ("\"12\",", None),
            ("*, \"12\"", None),
            ("", None),
        ] {
            assert_eq!(tags(text), expected, "{text}");
        }
    }
}
