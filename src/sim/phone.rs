//! A handset: sends texts, and shows what arrives.

use super::carrier::CarrierCore;
use super::carrier::{Arrived, SentMedium, Webhook, hooks};
#[cfg(feature = "test-support")]
use super::dice::SeededRng;
use super::{Redacted, TooLate};
use crate::model::E164;
use std::sync::Arc;
#[cfg(feature = "test-support")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A phone with a number at a carrier. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    number: E164,
    carrier: Arc<CarrierCore>,
    #[cfg(feature = "test-support")]
    marked: Arc<AtomicU64>,
}

impl Phone {
    pub(super) fn new(number: E164, carrier: Arc<CarrierCore>) -> Self {
        Self {
            number,
            carrier,
            #[cfg(feature = "test-support")]
            marked: Arc::default(),
        }
    }

    /// Its number.
    pub fn number(&self) -> E164 {
        self.number
    }

    /// Texts one of our numbers. Returns the webhook once the carrier has its responses or has given up.
    pub async fn text(&self, to: E164, text: &str) -> Webhook {
        self.send(to, text, Vec::new(), true).await
    }

    /// Sends `count` photos, with a text that may be empty.
    pub async fn photo(&self, to: E164, text: &str, count: usize) -> Webhook {
        self.media(to, text, vec![SentMedium::photo(); count]).await
    }

    /// Sends these files, with a text that may be empty.
    pub async fn media(&self, to: E164, text: &str, media: Vec<SentMedium>) -> Webhook {
        self.send(to, text, media, true).await
    }

    /// Posts what a forger would send in this phone's name: everything but a valid signature.
    #[cfg(feature = "test-support")]
    pub async fn forge(&self, to: E164, text: &str) -> Webhook {
        self.send(to, text, Vec::new(), false).await
    }

    /// The text with a mark that is unique for this phone, so that a checker can identify it.
    #[cfg(feature = "test-support")]
    pub fn marked(&self, text: &str) -> String {
        let nth = self.marked.fetch_add(1, Ordering::Relaxed);
        let mark = SeededRng::of(self.carrier.seed(), &["mark", &self.number.to_string()], nth).next();
        format!("{text} [{mark:016x}]")
    }

    /// The arrived texts, oldest first.
    pub fn inbox(&self) -> Vec<Arrived> {
        self.carrier.inbox(self.number)
    }

    /// The whole inbox, once it has `wanted` texts.
    pub async fn wait_for(&self, wanted: usize, deadline: Duration) -> Result<Vec<Arrived>, TooLate> {
        let enough = |inbox: &std::collections::VecDeque<Arrived>| match inbox.len() {
            seen if seen >= wanted => Ok(inbox.iter().cloned().collect()),
            seen => Err(seen),
        };
        self.carrier.wait_for_inbox(self.number, deadline, wanted, enough).await
    }

    /// The first text in the inbox that `fits`, once there is one.
    pub async fn wait_for_text(&self, deadline: Duration, fits: impl Fn(&str) -> bool) -> Result<Redacted, TooLate> {
        let find = |inbox: &std::collections::VecDeque<Arrived>| {
            let found = inbox.iter().find(|arrived| fits(&arrived.text));
            found.map(|arrived| arrived.text.clone()).ok_or(0)
        };
        self.carrier.wait_for_inbox(self.number, deadline, 1, find).await
    }

    async fn send(&self, to: E164, text: &str, media: Vec<SentMedium>, genuine: bool) -> Webhook {
        hooks::text(&self.carrier, hooks::Outgoing { from: self.number, to, text, media, genuine }).await
    }
}
