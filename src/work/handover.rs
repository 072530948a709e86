//! Handing a text to a carrier.

use crate::carrier::Outbound;
use crate::model::Settled;
use std::pin::Pin;

/// One account's way to its carrier: requests over HTTP, or a session. The dispatcher has recorded the attempt.
pub trait Handover: Send + Sync {
    /// Hands over one text and waits for what becomes of it. The text is written at most once, or again only after the
    /// carrier has said that it did not read it.
    fn hand_over(&self, send: Outbound) -> HandingOver<'_>;
}

/// The future of [`Handover::hand_over`], boxed so that accounts of all kinds fit in one map.
pub type HandingOver<'a> = Pin<Box<dyn Future<Output = Settled> + Send + 'a>>;
