//! Events that wait in memory while a person is erased.
//!
//! Invariant: once an erasure is done, no delivery begins with what was rendered of a frame before it. Such an event is
//! rendered again from the journal, with the same id.

use super::super::feed::Delivered;
use crate::engine::{Follow, FollowFailed};
use crate::journal::JournalFailed;
use crate::machine::show::{RenderedEvent, event_headers};
use std::borrow::Cow;

/// The event without people who were erased since it was rendered; otherwise the result instead of a delivery.
pub(super) async fn without_erased<'a>(
    follow: &Follow,
    event: &'a RenderedEvent,
) -> Result<Cow<'a, RenderedEvent>, Delivered> {
    let position = event.id.position();
    if position > follow.erased_until() {
        return Ok(Cow::Borrowed(event));
    }
    let follow = follow.clone();
    let frame = match tokio::task::spawn_blocking(move || follow.frame(position)).await {
        Ok(Ok(frame)) => frame,
        // What the journal no longer keeps is delivered to nobody.
        Ok(Err(FollowFailed::Journal(JournalFailed::Gone { .. }))) => None,
        Ok(Err(_)) | Err(_) => return Err(Delivered::Down(None)),
    };
    let again = frame.as_deref().and_then(|frame| event_headers(frame).find(|header| header.id == event.id));
    again.map(|header| Cow::Owned(header.render())).ok_or(Delivered::Yes)
}
