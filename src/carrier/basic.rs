//! HTTP Basic, in both directions. RFC 7617.

use super::NotVerified;
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// A user and password that a carrier's webhooks carry.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user, without a colon.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// The `Authorization` header for a user and password.
pub(super) fn authorization(user: &str, password: &Secret) -> HeaderValue {
    let mut plain = format!("{user}:").into_bytes();
    plain.extend_from_slice(password.expose());
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(plain)))
        .expect("base64 has no character that a header may not have");
    value.set_sensitive(true);
    value
}

/// Verifies that the request has one of these logins. Without any it is a challenge, because some clients send
/// credentials only when asked for them.
pub(super) fn verify(headers: &HeaderMap, logins: &[Login]) -> Result<(), NotVerified> {
    let mut offered = headers.get_all(header::AUTHORIZATION).iter();
    let value = offered.next().ok_or(NotVerified::Challenge)?;
    if offered.next().is_some() {
        return Err(NotVerified::Wrong);
    }
    let (scheme, encoded) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(NotVerified::Wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(NotVerified::Wrong);
    }
    let plain = Secret::new(BASE64.decode(encoded.trim_matches(' ')).map_err(|_| NotVerified::Wrong)?);
    let plain = plain.expose();
    let colon = plain.iter().position(|byte| *byte == b':').ok_or(NotVerified::Wrong)?;
    let (user, password) = (&plain[..colon], &plain[colon + 1..]);
    // All are compared, so that the time does not tell which user exists.
    let fits = logins.iter().fold(false, |fits, login| {
        fits | (Secret::new(login.user.as_bytes()).matches(user) & login.password.matches(password))
    });
    if fits { Ok(()) } else { Err(NotVerified::Wrong) }
}

/// Asks for credentials: 401 with a challenge.
pub(super) fn challenge() -> Response<Bytes> {
    let mut answer = super::forbidden();
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    let asked = HeaderValue::from_static("Basic realm=\"offhook\", charset=\"UTF-8\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotVerified::{Challenge, Wrong};

    #[test]
    fn a59_one_of_two_logins_passes_and_nothing_else_does() {
        let login = |user: &str, password: &str| Login { user: user.to_owned(), password: Secret::new(password) };
        let logins = [login("old", "a:b"), login("new", "")];
        let verdict = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            verify(&HeaderMap::from_iter([(header::AUTHORIZATION, value)]), &logins)
        };
        let encoded = |plain: &str| format!("Basic {}", BASE64.encode(plain));
        assert_eq!(verdict(&encoded("old:a:b")), Ok(()));
        assert_eq!(verdict(&encoded("new:").replace("Basic", "bAsIc")), Ok(()));
        for wrong in ["old:a", "old:", "new:a:b", "old", ":", ""] {
            assert_eq!(verdict(&encoded(wrong)), Err(Wrong), "{wrong}");
        }
        for wrong in ["Basic", "Basic ", "Basic \u{e9}", "Bearer b2xkOmE6Yg==", "Basic b2xkOmE6Yg", ""] {
            assert_eq!(verdict(wrong), Err(Wrong), "{wrong}");
        }
        assert_eq!(verify(&HeaderMap::new(), &logins), Err(Challenge));

        let twice = HeaderMap::from_iter([(header::AUTHORIZATION, authorization("old", &Secret::new("a:b")))]);
        assert_eq!(verify(&twice, &logins), Ok(()));
        let mut twice = twice;
        twice.append(header::AUTHORIZATION, authorization("new", &Secret::new("")));
        assert_eq!(verify(&twice, &logins), Err(Wrong));
        assert_eq!(challenge().status(), 401);
        assert!(challenge().headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
