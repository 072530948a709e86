//! `offhook directory` for a running gateway: exports, diffs and applies its directory as one document.
//!
//! The document is read and compared here, by the same code as for a stopped gateway, so that both say the same. What is
//! applied is judged again by the gateway, and only if its directory is still the one that was compared.

use super::{Answer, Door, Platform, QueryFailed};
use crate::config::{Problems, seed};
use crate::directory::{Applied, Differences, Exported, Known, render};
use crate::http::api::{ERASED_OPT_OUTS, Scope};
use crate::model::Position;
use crate::net::ClientBounds;
use bytes::Bytes;
use http::header::{ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::{Method, StatusCode};
use std::path::Path;
use std::time::Duration;

const PATH: &str = "/v1/directory";

/// A document of the maximum size with its opt-outs, of which a gateway may have very many.
const BOUNDS: ClientBounds = ClientBounds {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(120),
    answer_max_bytes: 1024 * 1024 * 1024,
    answer_header_max_bytes: 32 * 1024,
    idle: Duration::from_secs(4),
    idle_max: 1,
};

/// The directory was not exported, compared or applied. Nothing was changed, unless the error says so.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFailed {
    /// The gateway has no directory to export.
    #[error("the running gateway has no directory yet: create one with `offhook directory apply` or `serve --seed`")]
    NoDirectory,
    /// The gateway did not answer, or refused.
    #[error(transparent)]
    Query(#[from] QueryFailed),
    /// All problems of the document.
    #[error(transparent)]
    Document(#[from] Problems),
}

/// Exports the directory as a document.
pub async fn export(door: &Door<'_>) -> Result<Exported, DirectoryFailed> {
    let (known, _) = look(door).await?;
    if known.has_directory { Ok(known.export()) } else { Err(DirectoryFailed::NoDirectory) }
}

/// The changes that `apply` would make, and whether it needs `force` (A38). Changes nothing.
pub async fn diff(door: &Door<'_>, document: &Path) -> Result<(Differences, bool), DirectoryFailed> {
    let (known, _) = look(door).await?;
    let after = seed::load_onto(document, known.onto(&door.config.account_names(), true))?;
    Ok((known.differences(&after), known.needs_force(&after)))
}

/// Applies the document to the directory, and adds its opt-outs. `force` permits assigning the global outbound number
/// (A38).
pub async fn apply(door: &Door<'_>, document: &Path, force: bool) -> Result<Applied, DirectoryFailed> {
    let (known, tag) = look(door).await?;
    let after = seed::load_onto(document, known.onto(&door.config.account_names(), force))?;
    let differences = known.differences(&after);
    if differences.is_empty() {
        return Ok(Applied { differences, position: None });
    }
    let path = if force { format!("{PATH}?force=true") } else { PATH.to_owned() };
    let body = Bytes::from(render::document(&after).to_string());
    let admin = Platform::within(door, Scope::Admin, BOUNDS)?;
    let Answer { document, .. } = admin.exchange(Method::PUT, &path, Some(tag), body).await?;
    Ok(Applied { differences, position: document["position"].as_u64().map(Position) })
}

/// What the gateway knows, and the condition that it is still so.
async fn look(door: &Door<'_>) -> Result<(Known, (HeaderName, HeaderValue)), QueryFailed> {
    let platform = Platform::within(door, Scope::Read, BOUNDS)?;
    let answer = platform.exchange(Method::GET, PATH, None, Bytes::new()).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok((Known::default(), (IF_NONE_MATCH, HeaderValue::from_static("*"))));
    }
    let header = |name: &HeaderName| answer.headers.get(name).cloned();
    let erased = header(&ERASED_OPT_OUTS).and_then(|count| count.to_str().ok()?.parse().ok()).unwrap_or(0);
    let unlike = |why: String| QueryFailed::NoAnswer { origin: platform.origin.clone(), why };
    let known = Known::rendered(&answer.document.to_string(), erased)
        .map_err(|problems| unlike(problems.first().map(|problem| problem.detail.clone()).unwrap_or_default()))?;
    let tag = header(&ETAG).ok_or_else(|| unlike("no ETag".to_owned()))?;
    Ok((known, (IF_MATCH, tag)))
}
