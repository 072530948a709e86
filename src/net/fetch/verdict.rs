//! What the head of a response means for a fetch.

use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Why there is no file. The variant says what to do; the text is for logs and contains no URL, number or secret. `E`
/// is the sink's own error.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailed<E> {
    /// The URL, one it redirects to, or an address of its host is not allowed: nothing was sent there, and a retry is
    /// of no use.
    #[error("the address is forbidden: {0}")]
    ForbiddenAddress(#[from] super::ForbiddenAddress),
    /// The carrier does not have the file, or has it no longer.
    #[error("the carrier does not have the file: status {}", .0.as_u16())]
    NotFound(StatusCode),
    /// The carrier refuses it, or its response is not one that a retry would change.
    #[error("the carrier refuses the file: {reason}")]
    Refused {
        /// The status, if that is the reason: 401 and 403 are about credentials.
        status: Option<StatusCode>,
        /// What happened.
        reason: String,
    },
    /// A retry may succeed: nothing is wrong with the address.
    #[error("no file yet: {reason}")]
    Later {
        /// The response's `Retry-After`, as it was sent.
        retry_after: Option<HeaderValue>,
        /// What happened.
        reason: String,
    },
    /// The file has more bytes than this maximum. At most that many were written to the sink.
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    /// The sink does not take more, for this reason.
    #[error("the file is not taken: {0}")]
    Sink(E),
}

impl<E> FetchFailed<E> {
    pub(super) fn later(reason: impl Into<String>) -> Self {
        Self::Later { retry_after: None, reason: reason.into() }
    }

    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { status: None, reason: reason.into() }
    }
}

/// A response that is not a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its body is the file.
    File,
    /// The file is there.
    Redirect(String),
}

/// Judges a response by its head.
pub(super) fn judge<E>(head: &Parts) -> Result<Verdict, FetchFailed<E>> {
    let status = head.status;
    match status.as_u16() {
        200 => transferred_as_is(&head.headers),
        204 | 205 => Err(FetchFailed::later(format!("status {} without a body", status.as_u16()))),
        301 | 302 | 303 | 307 | 308 => redirect(&head.headers),
        404 | 410 => Err(FetchFailed::NotFound(status)),
        408 | 425 | 429 | 500.. => Err(FetchFailed::Later {
            retry_after: head.headers.get(RETRY_AFTER).cloned(),
            reason: format!("status {}", status.as_u16()),
        }),
        code => Err(FetchFailed::Refused { status: Some(status), reason: format!("status {code}") }),
    }
}

fn redirect<E>(headers: &HeaderMap) -> Result<Verdict, FetchFailed<E>> {
    let location = headers.get(LOCATION).ok_or_else(|| FetchFailed::refused("a redirect to nowhere"))?;
    // What is not ASCII is not a URL; the check refuses the empty text, too.
    Ok(Verdict::Redirect(location.to_str().unwrap_or("\u{fffd}").to_owned()))
}

/// A file is requested as it is. What is compressed nevertheless is not unpacked: a small body could become huge.
fn transferred_as_is<E>(headers: &HeaderMap) -> Result<Verdict, FetchFailed<E>> {
    let only = |name: HeaderName, allowed: &[u8]| {
        headers.get_all(name).iter().all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(allowed))
    };
    if !only(CONTENT_ENCODING, b"identity") || !only(TRANSFER_ENCODING, b"chunked") {
        return Err(FetchFailed::refused("the body is compressed"));
    }
    Ok(Verdict::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use std::convert::Infallible;

    #[test]
    fn a_status_says_whether_a_retry_is_of_use() {
        for (statuses, expected) in [
            (&[200][..], "file"),
            (&[404, 410], "not found"),
            (&[400, 401, 402, 403, 405, 406, 409, 416, 418, 451, 499], "refused"),
            (&[101, 201, 202, 206, 226, 300, 304, 305, 306], "refused"),
            (&[204, 205, 408, 425, 429, 500, 502, 503, 504, 599, 999], "later"),
        ] {
            for status in statuses {
                assert_eq!(judged(*status, &[]), expected, "{status}");
            }
        }
    }

    #[test]
    fn a_redirect_needs_a_location() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(judged(status, &[("location", b"/a")]), "to /a", "{status}");
            assert_eq!(judged(status, &[]), "refused", "{status}");
            assert_eq!(judged(status, &[("location", b"/\xe9")]), "to \u{fffd}", "{status}");
        }
        assert_eq!(judged(300, &[("location", b"/a")]), "refused");
    }

    #[test]
    fn a_compressed_body_is_refused() {
        for (name, value, expected) in [
            ("content-encoding", &b"identity"[..], "file"),
            ("content-encoding", b"Identity ", "file"),
            ("content-encoding", b"gzip", "refused"),
            ("content-encoding", b"br", "refused"),
            ("content-encoding", b"", "refused"),
            ("content-encoding", b"identity, gzip", "refused"),
            ("transfer-encoding", b"chunked", "file"),
            ("transfer-encoding", b"gzip, chunked", "refused"),
        ] {
            assert_eq!(judged(200, &[(name, value)]), expected, "{name}: {value:?}");
        }
        let twice = [("content-encoding", &b"identity"[..]), ("content-encoding", b"gzip")];
        assert_eq!(judged(200, &twice), "refused");
    }

    #[test]
    fn retry_after_is_kept_as_it_was_sent_if_a_retry_is_of_use() {
        for (status, expected) in [(429, Some("120")), (503, Some("120")), (403, None)] {
            let kept = match judge::<Infallible>(&head(status, &[("retry-after", b"120")])) {
                Err(FetchFailed::Later { retry_after, .. }) => retry_after,
                _ => None,
            };
            assert_eq!(kept.as_ref().and_then(|value| value.to_str().ok()), expected, "{status}");
        }
    }

    fn judged(status: u16, headers: &[(&'static str, &[u8])]) -> String {
        match judge::<Infallible>(&head(status, headers)) {
            Ok(Verdict::File) => "file".to_owned(),
            Ok(Verdict::Redirect(to)) => format!("to {to}"),
            Err(FetchFailed::NotFound(_)) => "not found".to_owned(),
            Err(FetchFailed::Refused { .. }) => "refused".to_owned(),
            Err(FetchFailed::Later { .. }) => "later".to_owned(),
            Err(other) => other.to_string(),
        }
    }

    fn head(status: u16, headers: &[(&'static str, &[u8])]) -> Parts {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    }
}
