//! Photos and videos: a URL at the carrier, which requires credentials and redirects to a storage, which accepts
//! none.
//!
//! The storage is another host (another port). Like a real one it refuses a request with the carrier's credentials,
//! and the record shows it.

use super::super::wire::{Cut, Reply, Serve, reply};
use super::record::Fetch;
use super::{CarrierCore, now, sends};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, LOCATION};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// A whole baseline JPEG: 32 by 32 grey pixels in 162 bytes.
const JPEG: &[u8] = include_bytes!("grey.jpg");
/// Content type of the photos.
pub(super) const CONTENT_TYPE: &str = "image/jpeg";

/// The URLs of `count` photos of a message.
pub(super) fn addresses(core: &CarrierCore, sid: &str, count: usize) -> Vec<String> {
    let base = core.settings.media_url.as_deref().unwrap_or(&core.url);
    let account = &core.settings.account_sid;
    // A medium's id is its message's, with the medium's index in place of the last two digits.
    let stem = sid.get(2..sid.len().saturating_sub(2)).unwrap_or_default();
    (0..count)
        .map(|nth| format!("{base}/2010-04-01/Accounts/{account}/Messages/{sid}/Media/ME{stem}{nth:02x}"))
        .collect()
}

/// The carrier's URL of a medium: 401 without credentials, otherwise a redirect to the storage.
pub(super) fn redirect(core: &CarrierCore, request: &Request<Incoming>) -> Reply {
    let mut answer = if sends::knows_us(core, request.headers()) {
        reply(StatusCode::TEMPORARY_REDIRECT, "text/plain", Bytes::new())
    } else {
        sends::problem(StatusCode::UNAUTHORIZED, 20_003, "Authenticate")
    };
    if answer.status() == StatusCode::TEMPORARY_REDIRECT {
        let medium = request.uri().path().rsplit('/').next().unwrap_or_default();
        let location = HeaderValue::try_from(format!("{}/{medium}?signature=sim", core.storage_url));
        answer.headers_mut().insert(LOCATION, location.expect("a path that was parsed is good in a header"));
    }
    note(core, answer.status(), false);
    answer
}

/// The storage behind the carrier's media URLs.
pub(super) struct Storage(pub(super) Arc<CarrierCore>);

impl Serve for Storage {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Cut> {
        let leaked = request.headers().contains_key(AUTHORIZATION);
        let answer = match leaked {
            true => reply(StatusCode::BAD_REQUEST, "application/xml", "<Error><Code>InvalidArgument</Code></Error>"),
            false => reply(StatusCode::OK, CONTENT_TYPE, JPEG),
        };
        note(&self.0, answer.status(), leaked);
        Ok(answer)
    }
}

fn note(core: &CarrierCore, status: StatusCode, leaked_credentials: bool) {
    core.state().recorder.fetch(Fetch { at: now(), status: status.as_u16(), leaked_credentials });
    core.news.notify_waiters();
}
