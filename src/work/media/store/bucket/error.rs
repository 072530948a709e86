//! What a bucket's errors mean.

use crate::work::media::store::StoreFailed;
use http::StatusCode;
use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as _;

/// Codes by which providers say that the bucket itself is not there.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"];

/// Whether it says that there is no object of that name, in a bucket that is there as far as it tells.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { source, .. } if !names_no_bucket(&source.to_string()))
}

/// What an error of `url` means.
pub(super) fn failed(url: &str, error: &Error) -> StoreFailed {
    match error {
        Error::NotFound { .. } => no_bucket(url),
        Error::PermissionDenied { .. } => refused(url, "its credentials do not allow that"),
        Error::Unauthenticated { .. } => refused(url, "it does not accept the credentials"),
        other => match connection(other) {
            Some(HttpErrorKind::Connect | HttpErrorKind::Timeout) => unreachable(url),
            _ => StoreFailed::Other(format!("{url}: {}", shortened(&other.to_string()))),
        },
    }
}

/// What a status other than 2xx means that an upload got; `body` is the beginning of its response.
pub(super) fn refused_upload(url: &str, status: StatusCode, body: &str) -> StoreFailed {
    let code = code(body).map(|code| format!(" ({code})")).unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            refused(url, &format!("an upload was answered {status}{code}"))
        }
        StatusCode::NOT_FOUND => no_bucket(url),
        StatusCode::INSUFFICIENT_STORAGE => StoreFailed::Full(format!("{url}: {status}{code}; free space in it")),
        _ => {
            StoreFailed::Other(format!("{url}: an upload was answered {status}{code}; see the provider's status page"))
        }
    }
}

/// The server of `url` does not answer.
pub(super) fn unreachable(url: &str) -> StoreFailed {
    StoreFailed::Gone(format!("{url} cannot be reached; check the network, and the endpoint in credentials_file"))
}

fn no_bucket(url: &str) -> StoreFailed {
    StoreFailed::Gone(format!("there is no bucket {url}; create it, or correct media.store"))
}

fn refused(url: &str, why: &str) -> StoreFailed {
    StoreFailed::ReadOnly(format!(
        "{url}: {why}; check credentials_file, and that they may list, read, write and delete objects there"
    ))
}

/// How the connection failed, if it was that.
fn connection(error: &Error) -> Option<HttpErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        source = cause.source();
    }
    None
}

fn names_no_bucket(text: &str) -> bool {
    NO_BUCKET.iter().any(|code| text.contains(code))
}

/// The provider's code for an error, in the XML that all of them answer with.
fn code(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    Some(code).filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The first line of a text, cut.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_what_is_to_be_done() {
        let label = |status| refused_upload("s3://b", status, "").label();
        assert_eq!(label(StatusCode::FORBIDDEN), "read_only");
        assert_eq!(label(StatusCode::NOT_FOUND), "gone");
        assert_eq!(label(StatusCode::INSUFFICIENT_STORAGE), "full");
        assert_eq!(label(StatusCode::BAD_REQUEST), "other");
    }

    #[test]
    fn the_code_of_a_response_is_shown_and_nothing_else_of_it() {
        let body = "<Error><Code>AccessDenied</Code><Key>+12065550142</Key></Error>";
        let text = refused_upload("s3://b", StatusCode::FORBIDDEN, body).to_string();
        assert!(text.contains("AccessDenied") && !text.contains("2065550142"), "{text}");
        assert_eq!(code("<Code>a b</Code>"), None);
        assert_eq!(code("<Code>cut"), None);
    }

    #[test]
    fn a_missing_object_is_not_a_missing_bucket() {
        let missing = |text: &str| Error::NotFound { path: "p".to_owned(), source: text.to_owned().into() };
        assert!(is_missing(&missing("404")));
        assert!(!is_missing(&missing("404: <Code>NoSuchBucket</Code>")));
        assert_eq!(failed("s3://b", &missing("NoSuchBucket")).label(), "gone");
    }
}
