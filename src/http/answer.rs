//! Responses of our doors: JSON documents, and refusals as RFC 9457 problems.

use crate::rules::refusal::{Code, FieldError, Refusal};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// `Retry-After` of a refusal that a retry may resolve and that has no wait of its own.
const RETRY_AFTER_MS: u64 = 1_000;

/// A JSON response.
pub(super) fn json(status: StatusCode, document: &Value) -> Response {
    answer(status, HeaderValue::from_static("application/json"), document)
}

/// A CSV file.
pub(super) fn csv(name: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    headers.insert(header::CONTENT_DISPOSITION, file.expect("a name of ours is plain ASCII"));
    response
}

/// A refusal as a problem document: code, detail, and the members some codes add.
pub(super) fn problem(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.code.status()).expect("the closed list holds statuses");
    let mut problem = json!({
        "title": title(refusal.code),
        "status": status.as_u16(),
        "code": refusal.code.word(),
        "detail": refusal.detail,
    });
    if let Some(other) = &refusal.other_call {
        problem["other_call_id"] = json!(other.as_str());
    }
    if let Some(oldest) = &refusal.oldest_cursor {
        problem["oldest"] = json!(oldest);
    }
    if !refusal.errors.is_empty() {
        let error =
            |error: &FieldError| json!({ "field": error.field, "code": error.code.word(), "detail": error.detail });
        problem["errors"] = refusal.errors.iter().map(error).collect();
    }
    let mut response = answer(status, HeaderValue::from_static("application/problem+json"), &problem);
    if let Some(etag) = refusal.etag.as_deref().and_then(|etag| HeaderValue::try_from(etag).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    if let Some(wait_ms) = retry_after_ms(refusal) {
        // Whole seconds, rounded up, so that a retry at that time is not early.
        let seconds = wait_ms.div_ceil(1_000).max(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code == Code::Unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// An internal error. The client gets no particulars; they are in the log.
pub(super) fn internal() -> Refusal {
    Refusal::new(Code::Internal, "internal error, logged; contact the operator")
}

/// Refuses a compressed body unread, because its decompressed size is not bounded.
pub(super) fn encoded(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    Err(Refusal::new(Code::UnsupportedMediaType, "the body has a Content-Encoding: send it unencoded"))
}

fn retry_after_ms(refusal: &Refusal) -> Option<u64> {
    let retryable = matches!(
        refusal.code,
        Code::Overloaded | Code::StorageUnavailable | Code::Draining | Code::RateLimited | Code::IdempotencyInProgress
    );
    refusal.retry_after_ms.or(retryable.then_some(RETRY_AFTER_MS))
}

/// The code as a title: `Text too long`.
fn title(code: Code) -> String {
    let mut title = code.word().replace('_', " ");
    title[..1].make_ascii_uppercase();
    title
}

fn answer(status: StatusCode, media_type: HeaderValue, document: &Value) -> Response {
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    // Responses hold numbers and texts, which no proxy may cache.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallId;

    #[tokio::test]
    async fn a_problem_has_title_status_code_and_detail() {
        let response = problem(&Refusal::new(Code::TextTooLong, "the text has 919 characters: write at most 918"));
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers().get(header::RETRY_AFTER), None);
        assert_eq!(
            body(response).await,
            r#"{"title":"Text too long","status":422,"code":"text_too_long","detail":"the text has 919 characters: write at most 918"}"#
        );
    }

    #[tokio::test]
    async fn a1_a_busy_pair_names_the_other_call() {
        let busy = Refusal { other_call: CallId::read("c-7"), ..Refusal::new(Code::NumberPairBusy, "end that call") };
        assert!(body(problem(&busy)).await.contains(r#""other_call_id":"c-7""#));
    }

    #[test]
    fn a29_retry_after_is_in_whole_seconds_rounded_up() {
        for (code, wait_ms, expected) in [
            (Code::RateLimited, Some(1), Some("1")),
            (Code::RateLimited, Some(1_001), Some("2")),
            (Code::Overloaded, None, Some("1")),
            (Code::Draining, None, Some("1")),
            (Code::CallEnded, None, None),
        ] {
            let response = problem(&Refusal { retry_after_ms: wait_ms, ..Refusal::new(code, "wait") });
            let found = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{code:?} {wait_ms:?}");
        }
    }

    #[test]
    fn an_unauthorized_response_names_the_bearer_scheme() {
        let response = problem(&Refusal::new(Code::Unauthorized, "show a token"));
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn only_an_unencoded_body_is_accepted() {
        for (encodings, plain) in
            [(&[][..], true), (&["identity"], true), (&["gzip"], false), (&["identity", "br"], false), (&[""], false)]
        {
            let mut headers = HeaderMap::new();
            for encoding in encodings {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            assert_eq!(encoded(&headers).is_ok(), plain, "{encodings:?}");
        }
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}
