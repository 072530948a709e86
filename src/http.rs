//! Floor 6: the HTTP doors.
//!
//! Invariant: a 2xx means that the request's effect is on disk; if that is not known, the response is a 5xx.

mod answer;
pub mod api;
pub mod console;
pub mod hooks;
pub mod ops;
#[cfg(test)]
pub(crate) mod test_gateway;

use crate::model::Timestamp;
use axum::Router;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use std::time::{SystemTime, UNIX_EPOCH};
use tower::ServiceExt as _;

/// The machine's clock. The journal's time is the engine's; this one only decides whether a signature is stale and
/// which rows of a query have expired.
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Wraps routes so that trailing slashes of a path are ignored.
fn without_trailing_slash(routes: Router) -> Router {
    Router::new().fallback(move |mut request: Request| {
        let routes = routes.clone();
        if let Some(trimmed) = trimmed(request.uri()) {
            *request.uri_mut() = trimmed;
        }
        routes.oneshot(request)
    })
}

/// The URI without its path's trailing slashes; `None` if it has none, or if the path is only slashes.
fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path.len() == uri.path().len() {
        return None;
    }
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_trailing_slashes_of_a_path_are_ignored() {
        for (uri, expected) in [
            ("/v1/calls/", Some("/v1/calls")),
            ("/v1/calls//?state=active", Some("/v1/calls?state=active")),
            ("http://x/v1/calls/", Some("http://x/v1/calls")),
            ("/v1/calls?cursor=/", None),
            ("/v1/calls", None),
            ("/", None),
            ("//", None),
        ] {
            assert_eq!(trimmed(&uri.parse().unwrap()).map(|uri| uri.to_string()).as_deref(), expected, "{uri}");
        }
    }
}
