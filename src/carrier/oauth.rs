//! Access tokens: OAuth 2.0 by client credentials (RFC 6749, section 4.4), and their use (RFC 6750).

use super::answer::{never_read, retry_after};
use super::{NoToken, Token, basic};
use crate::model::{Secret, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How long a token is used if its answer does not say how long it is valid.
const USE_UNSAID: Duration = Duration::from_secs(300);

/// How much earlier than it ends a token is renewed; half of its life if that is shorter.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// Longer than any token, JWTs with many claims included.
const TOKEN_MAX_BYTES: usize = 16 * 1024;

/// The request for a token.
pub(super) fn request(uri: &Uri, client_id: &str, client_secret: &Secret) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from_static(b"grant_type=client_credentials"));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, basic::authorization(client_id, client_secret));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// Parses the response of `carrier`. `keys` are the account's keys to check if it rejects them.
pub(super) fn token(
    answer: &Response<Bytes>,
    now: Timestamp,
    carrier: &str,
    keys: &'static str,
) -> Result<Token, NoToken> {
    let status = answer.status();
    let said = format!("{carrier} answered {}", status.as_u16());
    if status.is_server_error() || never_read(status) || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(NoToken::Later { retry_after: retry_after(answer.headers(), now), reason: said });
    }
    if !status.is_success() {
        let advice = match status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!("it rejects the account's credentials, check {keys}")
            }
            _ => "check api_url".to_owned(),
        };
        return Err(NoToken::Refused { detail: format!("{said}: {advice}") });
    }
    accepted(answer.body())
        .ok_or_else(|| NoToken::Later { retry_after: None, reason: format!("{said} without a usable token") })
}

fn accepted(body: &[u8]) -> Option<Token> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
        expires_in: Option<Value>,
    }

    let Answer { access_token, expires_in } = serde_json::from_slice(body).ok()?;
    let is_usable =
        (1..=TOKEN_MAX_BYTES).contains(&access_token.len()) && access_token.bytes().all(|byte| byte.is_ascii_graphic());
    let secs = match expires_in {
        Some(Value::Number(secs)) => secs.as_u64(),
        Some(Value::String(secs)) => secs.parse().ok(),
        _ => None,
    };
    let valid_for = secs.map(Duration::from_secs);
    let use_for = valid_for.map_or(USE_UNSAID, |valid| valid.saturating_sub(RENEWED_BEFORE).max(valid / 2));
    is_usable.then(|| Token { secret: Secret::new(access_token), use_for })
}

/// The `Authorization` header for a token.
pub(super) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Token, NoToken> {
        let answer = Response::builder().status(status).header("retry-after", "7").body(body.to_owned().into());
        token(&answer.unwrap(), Timestamp::default(), "Acme", "client_id")
    }

    #[test]
    fn a_token_is_used_a_minute_less_than_it_is_valid() {
        for (expires_in, use_for) in
            [("3600", 3_540), ("\"3600\"", 3_540), ("90", 45), ("0", 0), ("null", 300), ("\"soon\"", 300)]
        {
            let body = format!(r#"{{"access_token":"eyJ.a-b_c=","token_type":"Bearer","expires_in":{expires_in}}}"#);
            let token = read(200, &body).unwrap();
            assert_eq!((token.secret.expose(), token.use_for.as_secs()), (&b"eyJ.a-b_c="[..], use_for));
        }
        let value = bearer(&Secret::new("abc")).unwrap();
        assert!(value.is_sensitive() && value == "Bearer abc");
    }

    #[test]
    fn rejected_credentials_last_and_everything_else_passes() {
        let refused = |status| match read(status, r#"{"error":"invalid_client"}"#) {
            Err(NoToken::Refused { detail }) => detail,
            other => panic!("{status}: {other:?}"),
        };
        for status in [400, 401, 403] {
            assert!(refused(status).ends_with("check client_id"), "{status}");
        }
        for status in [301, 404, 405] {
            assert!(refused(status).ends_with("check api_url"), "{status}");
        }
        for status in [408, 429, 500, 503] {
            let wait = Some(Duration::from_secs(7));
            assert!(matches!(read(status, ""), Err(NoToken::Later { retry_after, .. }) if retry_after == wait));
        }
        for body in ["", "{}", "[]", r#"{"access_token":""}"#, r#"{"access_token":"a b"}"#, r#"{"access_token":7}"#] {
            assert!(matches!(read(200, body), Err(NoToken::Later { retry_after: None, .. })), "{body}");
        }
    }
}
