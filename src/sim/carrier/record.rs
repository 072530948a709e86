//! What a carrier saw and did, for later checking.
//!
//! Invariant: nothing is omitted silently. Beyond the limit entries are counted in `unrecorded`, and the checker
//! rejects such a record.

use super::super::Redacted;
use crate::model::E164;
use std::time::Instant;

/// Everything a carrier saw and did, in order.
#[derive(Clone, Debug, Default)]
pub struct CarrierRecord {
    /// Sends that were read and understood.
    pub posts: Vec<Post>,
    /// Malformed sends: no credentials, an unknown path, an invalid number.
    pub malformed: Vec<Malformed>,
    /// Sends that it had accepted before, under the same id of the gateway's, and did not send again.
    pub repeats: u64,
    /// Requests cut before their body was read; their content is unknown.
    pub unread: u64,
    /// Webhooks that it posted, or tried to.
    pub webhooks: Vec<Webhook>,
    /// Its own texts to phones, not sent by the gateway.
    pub notices: Vec<Notice>,
    /// Requests for media.
    pub fetches: Vec<Fetch>,
    /// Numbers that were looked up.
    pub look_ups: Vec<E164>,
    /// Entries that did not fit in the lists above.
    pub unrecorded: u64,
}

/// A send read by the carrier.
#[derive(Clone, Debug)]
pub struct Post {
    /// When its body was read.
    pub at: Instant,
    /// The sending number.
    pub from: E164,
    /// The recipient.
    pub to: E164,
    /// The text.
    pub text: Redacted,
    /// Its segments, as counted by the carrier.
    pub segments: u32,
    /// The URL for receipts.
    pub callback: Option<String>,
    /// The gateway's own mark in the send.
    pub reference: Option<String>,
    /// The gateway's own id of the message, from that URL or mark (`msg_...`).
    pub message_id: Option<String>,
    /// The carrier's response, sent or to be sent.
    pub answer: PostAnswer,
    /// The carrier's id of the message, if accepted.
    pub sid: Option<String>,
}

/// The carrier's response to a send it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostAnswer {
    /// 201 with the message's sid.
    Accepted,
    /// A complete refusal: 400 with a code, 429, 500.
    No {
        /// The HTTP status.
        status: u16,
        /// The carrier's error code, or 0.
        code: u32,
    },
    /// No response, an incomplete one, or a meaningless one. Only the carrier knows whether it accepted the message.
    Unclear,
}

/// A request that was not a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// When it was answered.
    pub at: Instant,
    /// The HTTP status it got.
    pub status: u16,
    /// The carrier's code it got.
    pub code: u32,
}

/// A webhook, with all its attempts and copies.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// When it was first posted.
    pub at: Instant,
    /// The carrier's id of its message.
    pub sid: String,
    /// Its content.
    pub news: News,
    /// Whether it has a valid signature. `false`: a forgery, which the gateway must refuse.
    pub genuine: bool,
    /// The status of each attempt's response, in order of arrival; `None` if it was incomplete or missing.
    pub answers: Vec<Option<u16>>,
    /// The slowest response of all attempts, in microseconds.
    pub slowest_us: u64,
    /// A response contained text that Twilio sends to the phone: plain text, or TwiML with a message.
    pub replied: bool,
}

impl Webhook {
    /// Whether the gateway acknowledged it with any 2xx.
    pub fn acknowledged(&self) -> bool {
        self.answers.iter().flatten().any(|status| (200..300).contains(status))
    }
}

/// A completed attempt at a webhook.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) status: Option<u16>,
    pub(super) took_us: u64,
    pub(super) replied: bool,
}

impl Attempt {
    pub(super) fn acknowledged(self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Webhook {
    pub(super) fn note(&mut self, attempt: &Attempt) {
        self.answers.push(attempt.status);
        self.slowest_us = self.slowest_us.max(attempt.took_us);
        self.replied |= attempt.replied;
    }
}

/// The content of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A phone sent a text.
    Text {
        /// The phone.
        from: E164,
        /// Our number.
        to: E164,
        /// The text; empty for a photo without one.
        text: Redacted,
        /// Number of media.
        media: usize,
    },
    /// A send has a new status.
    Receipt {
        /// `sent`, `delivered`, `undelivered`, `failed`.
        status: &'static str,
        /// The carrier's error code.
        code: Option<u32>,
        /// The gateway's own id of the message, if the callback URL contains one.
        message_id: Option<String>,
    },
}

/// A text by the carrier itself to a phone, in the name of one of our numbers: STOP or START took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// When.
    pub at: Instant,
    /// Our number.
    pub from: E164,
    /// The phone.
    pub to: E164,
    /// The text.
    pub text: Redacted,
}

/// A request for a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// When.
    pub at: Instant,
    /// The response's status: 307 at the carrier's own URL, 200 at the storage.
    pub status: u16,
    /// The request had the carrier's credentials although the storage is another host.
    pub leaked_credentials: bool,
}

/// The record while it is being written.
pub(super) struct Recorder {
    pub(super) record: CarrierRecord,
    entries_max: usize,
}

impl Recorder {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { record: CarrierRecord::default(), entries_max }
    }

    pub(super) fn post(&mut self, post: Post) {
        keep(&mut self.record.posts, post, self.entries_max, &mut self.record.unrecorded);
    }

    pub(super) fn malformed(&mut self, malformed: Malformed) {
        keep(&mut self.record.malformed, malformed, self.entries_max, &mut self.record.unrecorded);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        keep(&mut self.record.notices, notice, self.entries_max, &mut self.record.unrecorded);
    }

    pub(super) fn fetch(&mut self, fetch: Fetch) {
        keep(&mut self.record.fetches, fetch, self.entries_max, &mut self.record.unrecorded);
    }

    pub(super) fn look_up(&mut self, number: E164) {
        keep(&mut self.record.look_ups, number, self.entries_max, &mut self.record.unrecorded);
    }

    /// Records a webhook about to be posted. The index is for `answered`; `None` beyond the limit.
    pub(super) fn webhook(&mut self, webhook: Webhook) -> Option<usize> {
        keep(&mut self.record.webhooks, webhook, self.entries_max, &mut self.record.unrecorded)
    }

    /// Records an attempt at the webhook at `place`, and returns the webhook's current state.
    pub(super) fn answered(&mut self, place: Option<usize>, attempt: &Attempt) {
        if let Some(webhook) = place.and_then(|place| self.record.webhooks.get_mut(place)) {
            webhook.note(attempt);
        }
    }
}

fn keep<T>(list: &mut Vec<T>, entry: T, entries_max: usize, unrecorded: &mut u64) -> Option<usize> {
    if list.len() < entries_max {
        list.push(entry);
        Some(list.len() - 1)
    } else {
        *unrecorded += 1;
        None
    }
}
