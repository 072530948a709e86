//! A medium from its file to the bucket, by a request that is signed in its URL, so that its body can stream.

use super::error::{failed, refused_upload, unreachable};
use super::wire::{Outgoing, Wire};
use crate::net::BoxError;
use crate::work::media::store::aside::Aside;
use crate::work::media::store::incoming::Written;
use crate::work::media::store::{PIECE_MAX, StoreFailed, blocking};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use object_store::path::Path;
use object_store::signer::Signer;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

/// One request with a medium, to its response.
const UPLOAD_WITHIN: Duration = Duration::from_secs(60);

/// How long a signed URL may be used. Longer than a request, because clocks differ.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);

/// How often a medium is sent, and the waits between: an object that is written twice is the same.
const WAITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Bytes of a refusal that are read, for the code in it.
const REFUSAL_MAX_BYTES: usize = 4 * 1024;

/// Signs uploads and sends them.
pub(super) struct Signed {
    signer: Arc<dyn Signer>,
    wire: Wire,
    /// What the provider wants besides.
    headers: HeaderMap,
}

/// A medium's file. Each reader has a place of its own, because one that was given up may still read.
#[derive(Clone)]
pub(super) struct Contents {
    written: Arc<Written>,
    aside: Aside,
}

impl Signed {
    pub(super) fn new(signer: Arc<dyn Signer>, wire: Wire, header: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { signer, wire, headers: header.into_iter().collect() }
    }

    /// Writes an object of `bytes` bytes.
    pub(super) async fn put(&self, url: &str, place: &Path, bytes: u64, contents: Contents) -> Result<(), StoreFailed> {
        let mut waits = WAITS.iter();
        loop {
            let why = match self.try_to_put(url, place, bytes, &contents).await? {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            let Some(wait) = waits.next() else { return Err(why) };
            tokio::time::sleep(*wait).await;
        }
    }

    /// One attempt. The inner error is worth another one.
    async fn try_to_put(
        &self,
        url: &str,
        place: &Path,
        bytes: u64,
        contents: &Contents,
    ) -> Result<Result<(), StoreFailed>, StoreFailed> {
        let signed = self.signer.signed_url(Method::PUT, place, SIGNED_FOR).await;
        let signed = signed.map_err(|error| failed(url, &error))?;
        let mut request = Request::new(contents.clone().body());
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = match signed.as_str().parse() {
            Ok(uri) => uri,
            Err(_) => return Err(StoreFailed::Other(format!("{url}: its signed URL is not one (bug)"))),
        };
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
        let Ok(response) = self.wire.send(request, UPLOAD_WITHIN).await else { return Ok(Err(unreachable(url))) };
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(()));
        }
        let why = refused_upload(url, status, &beginning(response.into_body()).await);
        let again =
            status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        if again { Ok(Err(why)) } else { Err(why) }
    }
}

/// The beginning of a response's body, as far as it comes.
async fn beginning(body: Incoming) -> String {
    let limited = Limited::new(body, REFUSAL_MAX_BYTES).collect();
    match tokio::time::timeout(WAITS[1], limited).await {
        Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        _ => String::new(),
    }
}

impl Contents {
    pub(super) fn new(written: Written, aside: Aside) -> Self {
        Self { written: Arc::new(written), aside }
    }

    /// The bytes, from the first one.
    pub(super) fn pieces(self) -> impl Stream<Item = Result<Bytes, StoreFailed>> + Send + 'static {
        stream::try_unfold(0, move |at| {
            let contents = self.clone();
            async move {
                let piece = blocking(move || contents.piece(at)).await?;
                let next = at + piece.len() as u64;
                Ok((!piece.is_empty()).then_some((piece, next)))
            }
        })
    }

    /// The piece at a place; empty at the end.
    fn piece(&self, at: u64) -> Result<Bytes, StoreFailed> {
        let left = usize::try_from(self.written.bytes() - at).unwrap_or(PIECE_MAX);
        let mut piece = vec![0; PIECE_MAX.min(left)];
        self.written.file().read_exact_at(&mut piece, at).map_err(|error| self.aside.failed(&error))?;
        Ok(piece.into())
    }

    fn body(self) -> Outgoing {
        StreamBody::new(self.pieces().map_ok(Frame::data).map_err(BoxError::from).boxed()).boxed_unsync()
    }
}
