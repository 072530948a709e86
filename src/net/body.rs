//! Request bodies: the listener sets their deadline, the reader their maximum size.

use super::BoxError;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep_until};

/// A request's body, read from the socket. Reading fails with [`BodyFailed::TooSlow`] once its deadline has passed; the
/// response to that is 408, and the connection closes because the rest of the body is never read.
pub struct RequestBody {
    incoming: Incoming,
    deadline: Instant,
    /// Created at the first wait, because most bodies arrive together with their headers.
    alarm: Option<Pin<Box<Sleep>>>,
    failed: bool,
}

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFailed {
    /// The deadline for the body passed.
    #[error("the request body did not arrive in time")]
    TooSlow,
    /// The connection broke, or the body was malformed.
    #[error("the request body was truncated")]
    Cut,
}

/// Why [`read_body`] failed. Each variant names the status to respond with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefused {
    /// 413: the body exceeds the limit. Nothing beyond the limit was stored.
    #[error("the request body exceeds the size limit")]
    TooLarge,
    /// 503: too many other large bodies are being read.
    #[error("too many large request bodies are being read")]
    AtCapacity,
    /// 408: the deadline for the body passed.
    #[error("the request body did not arrive in time")]
    TooSlow,
    /// 400, if the peer is still connected.
    #[error("the request body was truncated")]
    Cut,
}

/// A body up to this size costs no more memory than its connection already does, so it is not counted.
const SMALL_BYTES: usize = 8 * 1024;

/// Maximum number of larger bodies being read at once, over all doors. A body is buffered before its sender can be
/// authenticated; without this limit, ten thousand bodies that stop one byte short would exhaust memory.
const LARGE_MAX: usize = 512;

static LARGE: Semaphore = Semaphore::const_new(LARGE_MAX);

/// Reads the whole body of at most `max_bytes`. A body that announces more is refused before any of it is read.
pub async fn read_body<B>(body: B, max_bytes: usize) -> Result<Bytes, BodyRefused>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    read_among(body, max_bytes, &LARGE).await
}

async fn read_among<B>(body: B, max_bytes: usize, large: &Semaphore) -> Result<Bytes, BodyRefused>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(BodyRefused::TooLarge);
    }
    let expected = body.size_hint().upper().and_then(|announced| usize::try_from(announced).ok()).unwrap_or(max_bytes);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut permit = None;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|error| refused(&error.into()))?.into_data() else {
            continue; // Trailers are ignored; hyper limits their size.
        };
        let length = first.len() + whole.len() + piece.len();
        if length > max_bytes {
            return Err(BodyRefused::TooLarge);
        }
        if length > SMALL_BYTES && permit.is_none() {
            permit = Some(large.try_acquire().map_err(|_| BodyRefused::AtCapacity)?);
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if permit.is_some() && whole.capacity() < expected {
            // Allocated at once: growing by doubling could end at twice the size.
            let grown = std::mem::replace(&mut whole, BytesMut::with_capacity(expected.min(max_bytes)));
            whole.extend_from_slice(&grown);
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Frameworks wrap a body's error in their own, so the chain of sources is searched for it.
fn refused(error: &BoxError) -> BodyRefused {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(BodyFailed::TooSlow) => return BodyRefused::TooSlow,
            Some(BodyFailed::Cut) => return BodyRefused::Cut,
            None => cause = error.source(),
        }
    }
    BodyRefused::Cut
}

impl RequestBody {
    /// A body that must arrive completely `within` this time from now.
    pub(super) fn new(incoming: Incoming, within: Duration) -> Self {
        Self { incoming, deadline: Instant::now() + within, alarm: None, failed: false }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(None);
        }
        let failure = match Pin::new(&mut this.incoming).poll_frame(cx) {
            // The deadline is checked on every frame too; otherwise a slow but steady sender would never hit it.
            Poll::Ready(Some(Ok(frame))) if Instant::now() < this.deadline => return Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Ok(_))) => BodyFailed::TooSlow,
            Poll::Ready(Some(Err(_))) => BodyFailed::Cut,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                let deadline = this.deadline;
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                match alarm.as_mut().poll(cx) {
                    Poll::Ready(()) => BodyFailed::TooSlow,
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        this.failed = true;
        Poll::Ready(Some(Err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::collections::VecDeque;
    use std::convert::Infallible;

    #[tokio::test]
    async fn a_body_of_the_maximum_size_is_read_and_one_byte_more_is_refused() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(read_body(body(), 5).await, Ok(Bytes::from_static(b"12345")));
        assert_eq!(read_body(body(), 4).await, Err(BodyRefused::TooLarge));
        assert_eq!(read_body(Full::new(Bytes::new()), 0).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn frames_are_concatenated_and_counted_together() {
        assert_eq!(read_body(pieces(&["ab", "", "cd", "e"]), 5).await, Ok(Bytes::from_static(b"abcde")));
        assert_eq!(read_body(pieces(&["ab", "cd", "e"]), 4).await, Err(BodyRefused::TooLarge));
    }

    #[tokio::test]
    async fn a_large_body_needs_a_permit_while_it_is_read_and_a_small_one_does_not() {
        let (large, huge) = (Semaphore::new(1), &*"z".repeat(SMALL_BYTES).leak());
        let parts = ["x", huge, "y"];
        let larger = || pieces(&parts);
        let whole = read_among(larger(), 2 * SMALL_BYTES, &large).await.unwrap();
        assert!(whole.len() == SMALL_BYTES + 2 && whole.starts_with(b"xz") && whole.ends_with(b"zy"));
        let _another = large.try_acquire().expect("the permit is free again");
        assert_eq!(read_among(larger(), 2 * SMALL_BYTES, &large).await, Err(BodyRefused::AtCapacity));
        assert_eq!(read_among(pieces(&[huge]), 2 * SMALL_BYTES, &large).await.unwrap().len(), SMALL_BYTES);
    }

    #[tokio::test]
    async fn the_reason_is_found_inside_a_framework_error() {
        let late = axum::body::Body::new(BodyFn(|| Some(Err(BodyFailed::TooSlow))));
        assert_eq!(read_body(late, 10).await, Err(BodyRefused::TooSlow));
        let broken = axum::body::Body::new(BodyFn(|| Some(Err(std::io::Error::other("reset")))));
        assert_eq!(read_body(broken, 10).await, Err(BodyRefused::Cut));
    }

    fn pieces(pieces: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> {
        let mut pieces: VecDeque<_> = pieces.iter().copied().collect();
        BodyFn(move || pieces.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }

    /// A body whose next frame comes from a function.
    struct BodyFn<F>(F);

    impl<F: FnMut() -> Option<Result<Frame<Bytes>, E>> + Unpin, E> Body for BodyFn<F> {
        type Data = Bytes;
        type Error = E;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
            Poll::Ready((self.get_mut().0)())
        }
    }
}
