//! What a carrier saw and did, for a checker to read afterwards.
//!
//! Invariant: nothing that happened is left out silently. Past the bound an event is counted in `unrecorded`, and the
//! checker refuses to believe such a record.

use super::super::Redacted;
use crate::model::E164;
use std::time::Instant;

/// Everything a carrier saw and did, in order.
#[derive(Clone, Debug, Default)]
pub struct CarrierRecord {
    /// Sends it read whole and understood.
    pub posts: Vec<Post>,
    /// Sends it refused for their form: no credentials, an unknown path, a number that is none.
    pub malformed: Vec<Malformed>,
    /// Requests it hung up on before it read the body: nobody can say what was in them.
    pub unread: u64,
    /// Webhooks it posted, or tried to.
    pub webhooks: Vec<Webhook>,
    /// Texts of its own to phones: none of them was sent by the gateway.
    pub notices: Vec<Notice>,
    /// Media it was asked for.
    pub fetches: Vec<Fetch>,
    /// What did not fit in the lists above.
    pub unrecorded: u64,
}

/// A send the carrier read.
#[derive(Clone, Debug)]
pub struct Post {
    /// When the body had been read.
    pub at: Instant,
    /// The number it asked to send from.
    pub from: E164,
    /// The number it is for.
    pub to: E164,
    /// The text.
    pub text: Redacted,
    /// Its segments by the carrier's own count.
    pub segments: u32,
    /// The address receipts shall go to.
    pub callback: Option<String>,
    /// The gateway's own id of the message, as it stands in that address (`msg_...`).
    pub message_id: Option<String>,
    /// How the carrier answered, or will.
    pub answer: PostAnswer,
    /// The carrier's id of the message, where it was taken.
    pub sid: Option<String>,
}

/// How the carrier answered a send it had read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostAnswer {
    /// 201 with the message's sid.
    Accepted,
    /// A complete answer that says no: 400 with a code, 429, 500.
    No {
        /// The HTTP status.
        status: u16,
        /// The carrier's code, 0 where it gives none.
        code: u32,
    },
    /// No answer, half an answer, or one that says nothing. Only the carrier knows whether it took the message.
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
    /// The carrier's id of the message it tells of.
    pub sid: String,
    /// What it tells.
    pub news: News,
    /// Whether it carried the carrier's signature. `false`: a forgery, which the gateway must refuse.
    pub genuine: bool,
    /// The status of each attempt's answer, in the order the answers came; `None` where none was complete.
    pub answers: Vec<Option<u16>>,
    /// The slowest answer of all attempts, in microseconds.
    pub slowest_us: u64,
    /// An answer had words in it that Twilio sends to the phone: plain text, or TwiML with a message.
    pub replied: bool,
}

impl Webhook {
    /// Whether the gateway has thanked for it: any 2xx.
    pub fn acknowledged(&self) -> bool {
        self.answers.iter().flatten().any(|status| (200..300).contains(status))
    }
}

/// One attempt at a webhook, over.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) status: Option<u16>,
    pub(super) took_us: u64,
    pub(super) replied: bool,
}

impl Webhook {
    pub(super) fn note(&mut self, attempt: &Attempt) {
        self.answers.push(attempt.status);
        self.slowest_us = self.slowest_us.max(attempt.took_us);
        self.replied |= attempt.replied;
    }
}

/// What a webhook tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A phone has sent a text.
    Text {
        /// The phone.
        from: E164,
        /// Our number.
        to: E164,
        /// The text; empty for a photo without one.
        text: Redacted,
        /// How many media came with it.
        media: usize,
    },
    /// A send has come further.
    Receipt {
        /// `sent`, `delivered`, `undelivered`, `failed`.
        status: &'static str,
        /// The carrier's code of what went wrong.
        code: Option<u32>,
        /// The gateway's own id of the message, where the callback address holds one.
        message_id: Option<String>,
    },
}

/// A text the carrier itself wrote to a phone, in the name of one of our numbers: that STOP or START took effect.
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
    /// The status it got: 307 at the carrier's own address, 200 at the storage's.
    pub status: u16,
    /// It showed the carrier's credentials to the storage, which is another host.
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

    /// Notes a webhook about to be posted. The place is for `answered`; there is none past the bound.
    pub(super) fn webhook(&mut self, webhook: Webhook) -> Option<usize> {
        keep(&mut self.record.webhooks, webhook, self.entries_max, &mut self.record.unrecorded)
    }

    /// Notes an attempt at the webhook at `place`, and shows the webhook as it stands now.
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
