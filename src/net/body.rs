//! Bodies of requests, bounded in time by the listener and in size by whoever reads them.

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

/// A request's body as it comes from the socket. It fails with [`BodyFailed::TooSlow`] once its deadline has passed; the
/// answer to that is 408, and the connection closes because the rest was never read.
pub struct RequestBody {
    incoming: Incoming,
    deadline: Instant,
    /// Made at the first wait: most bodies come with their headers.
    alarm: Option<Pin<Box<Sleep>>>,
    failed: bool,
}

/// Why a body did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFailed {
    /// Its deadline passed.
    #[error("the body did not come in time")]
    TooSlow,
    /// The connection broke, or what came was no body.
    #[error("the body was cut off")]
    Cut,
}

/// Why [`read_body`] has no body to give. A variant is the answer to make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefused {
    /// 413. Nothing past the bound was kept.
    #[error("the body is larger than this door takes")]
    TooLarge,
    /// 503. Others are being read that are as large.
    #[error("too many large bodies come at once")]
    AtCapacity,
    /// 408.
    #[error("the body did not come in time")]
    TooSlow,
    /// 400, should anybody still be there to read it.
    #[error("the body was cut off")]
    Cut,
}

/// Up to here a body costs no more than its connection does anyway, and nobody counts it.
const SMALL_BYTES: usize = 8 * 1024;

/// Larger bodies that are being read at once, at all doors. What a stranger sends is kept before anybody can know who it is
/// from; without a bound, ten thousand that end a byte too early would take more memory than there is.
const LARGE_MAX: usize = 512;

static LARGE: Semaphore = Semaphore::const_new(LARGE_MAX);

/// The whole body, if it has at most `max_bytes`. One that announces more is refused before a byte of it is read.
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
    let room = body.size_hint().upper().and_then(|announced| usize::try_from(announced).ok()).unwrap_or(max_bytes);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut place = None;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|error| refused(&error.into()))?.into_data() else {
            continue; // Trailers mean nothing here, and hyper has bounded them.
        };
        let length = first.len() + whole.len() + piece.len();
        if length > max_bytes {
            return Err(BodyRefused::TooLarge);
        }
        if length > SMALL_BYTES && place.is_none() {
            place = Some(large.try_acquire().map_err(|_| BodyRefused::AtCapacity)?);
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if place.is_some() && whole.capacity() < room {
            // All at once: growing by doubling would end with twice as much.
            let grown = std::mem::replace(&mut whole, BytesMut::with_capacity(room.min(max_bytes)));
            whole.extend_from_slice(&grown);
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Frameworks wrap a body's error in their own, so the reason may lie deeper.
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
    /// The body has `within` from now to come, all of it.
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
            // The deadline is looked at before a byte is taken as well, or a steady drip would never meet it.
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
    async fn a_body_of_the_greatest_size_is_read_and_one_byte_more_is_refused() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(read_body(body(), 5).await, Ok(Bytes::from_static(b"12345")));
        assert_eq!(read_body(body(), 4).await, Err(BodyRefused::TooLarge));
        assert_eq!(read_body(Full::new(Bytes::new()), 0).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn pieces_are_put_together_and_counted_together() {
        assert_eq!(read_body(pieces(&["ab", "", "cd", "e"]), 5).await, Ok(Bytes::from_static(b"abcde")));
        assert_eq!(read_body(pieces(&["ab", "cd", "e"]), 4).await, Err(BodyRefused::TooLarge));
    }

    #[tokio::test]
    async fn a_large_body_needs_a_place_until_it_is_whole_and_a_small_one_none() {
        let (large, huge) = (Semaphore::new(1), &*"z".repeat(SMALL_BYTES).leak());
        let parts = ["x", huge, "y"];
        let larger = || pieces(&parts);
        let whole = read_among(larger(), 2 * SMALL_BYTES, &large).await.unwrap();
        assert!(whole.len() == SMALL_BYTES + 2 && whole.starts_with(b"xz") && whole.ends_with(b"zy"));
        let _another = large.try_acquire().expect("the place is free again");
        assert_eq!(read_among(larger(), 2 * SMALL_BYTES, &large).await, Err(BodyRefused::AtCapacity));
        assert_eq!(read_among(pieces(&[huge]), 2 * SMALL_BYTES, &large).await.unwrap().len(), SMALL_BYTES);
    }

    #[tokio::test]
    async fn the_reason_is_found_under_a_framework_s_own_error() {
        let late = axum::body::Body::new(BodyFn(|| Some(Err(BodyFailed::TooSlow))));
        assert_eq!(read_body(late, 10).await, Err(BodyRefused::TooSlow));
        let broken = axum::body::Body::new(BodyFn(|| Some(Err(std::io::Error::other("reset")))));
        assert_eq!(read_body(broken, 10).await, Err(BodyRefused::Cut));
    }

    fn pieces(pieces: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> {
        let mut pieces: VecDeque<_> = pieces.iter().copied().collect();
        BodyFn(move || pieces.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }

    /// A body that asks a function for its next frame.
    struct BodyFn<F>(F);

    impl<F: FnMut() -> Option<Result<Frame<Bytes>, E>> + Unpin, E> Body for BodyFn<F> {
        type Data = Bytes;
        type Error = E;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
            Poll::Ready((self.get_mut().0)())
        }
    }
}
