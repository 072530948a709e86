//! Reading one account's list of messages, and taking in what never arrived.
//!
//! Invariant: what is taken in comes in the order of the carrier's times. The list has the newest first, so it is read to its
//! end before the first message is taken in. At most [`MISSING_MAX`] messages are held: of more, the newest are dropped,
//! and the list is read again for them. An account gets at most one request in [`REQUEST_EVERY`].

use crate::carrier::{ListPart, Listed, Page};
use crate::machine::state::Reconciliation;
use crate::model::{InboundMedia, Timestamp};
use crate::work::NoAnswer;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// Minimum time between two requests to an account's carrier, which has our sends to take meanwhile.
pub(super) const REQUEST_EVERY: Duration = Duration::from_millis(500);

/// Maximum number of messages held: a few MB, or 50 if each is as long as can be.
pub(super) const MISSING_MAX: usize = 5_000;

/// How far back a list is read. Claims are kept for a day more, so whatever is listed is known if it ever arrived.
pub const REACH: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The wait after the first failure; each further one doubles it.
const BACKOFF: Duration = Duration::from_secs(5);

/// The longest wait, unless the carrier requests a longer one.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);

/// Failures after which a message is taken in without its media, so that it does not hold up the others: two hours.
const MEDIA_TRIES: u32 = 26;

/// The longest wait that a carrier may request.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing before this time.
    Wait(Duration),
    /// Read a part of the list.
    Read(ListPart),
    /// Ask which of the messages with these ids are known.
    Compare(Vec<String>),
    /// Take in this message.
    TakeIn(Box<Listed>),
    /// The list was read to its end, and nothing is missing any more.
    Done,
}

/// How far it is, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What was begun.
    pub begun: Reconciliation,
    /// Whether it goes on, waits or is done.
    pub state: State,
    /// Pages that were read.
    pub pages: u64,
    /// Received messages on them, since the time asked for. One that is read twice counts twice.
    pub read: u64,
    /// Those that were known.
    pub known: u64,
    /// Those that were taken in.
    pub taken_in: u64,
    /// Received messages that could not be read, or not be stored.
    pub unreadable: u64,
}

/// Whether a reconciliation goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It goes on.
    Running,
    /// Something failed, and it goes on later.
    Waiting {
        /// What failed and what to do.
        reason: String,
        /// When it goes on.
        until: Timestamp,
    },
    /// It is done.
    Done {
        /// Since then.
        at: Timestamp,
    },
}

impl Progress {
    /// That of a reconciliation that was just begun.
    pub fn begun(begun: Reconciliation) -> Self {
        Self { begun, state: State::Running, pages: 0, read: 0, known: 0, taken_in: 0, unreadable: 0 }
    }
}

/// The reading of a list. Times are elapsed times of the worker, and the carrier's.
#[derive(Debug)]
pub struct Reading {
    progress: Progress,
    /// Older messages are not looked for.
    since: Timestamp,
    next: Next,
    /// What is missing, by the carrier's time; of the same time, what is listed later is older.
    missing: BTreeMap<(Timestamp, Reverse<u64>), Listed>,
    /// Messages listed so far.
    listed: u64,
    /// The newest of what is missing were dropped.
    is_cut: bool,
    /// Messages of this pass that were taken in.
    taken: u64,
    /// No request and no command before this time.
    not_before: Duration,
    /// Failures since the last success.
    failures: u32,
}

/// What is read or done next.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Next {
    /// A page of the list; `None` is the first one.
    Page(Option<String>),
    /// What of this page is known.
    Compare(Page),
    /// The oldest of what is missing.
    TakeIn,
    Done,
}

impl Reading {
    /// The reading for what was begun. No request is made before `not_before`.
    pub fn new(begun: Reconciliation, not_before: Duration) -> Self {
        Self {
            since: begun.since,
            progress: Progress::begun(begun),
            next: Next::Page(None),
            missing: BTreeMap::new(),
            listed: 0,
            is_cut: false,
            taken: 0,
            not_before,
            failures: 0,
        }
    }

    /// How far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What to do at `now`, which is `wall` by the machine's clock.
    pub fn next(&mut self, now: Duration, wall: Timestamp) -> Step {
        if self.next == Next::Done {
            return Step::Done;
        }
        if now < self.not_before {
            return Step::Wait(self.not_before);
        }
        match &self.next {
            Next::Page(next) => {
                let next = next.clone();
                if next.is_none() {
                    // It may have waited for days.
                    self.since = self.since.max(wall - REACH);
                }
                self.requested(now);
                Step::Read(ListPart::Page { since: self.since, next })
            }
            Next::Compare(page) => {
                Step::Compare(page.messages.iter().map(|listed| listed.message.carrier_id.clone()).collect())
            }
            Next::TakeIn => match self.missing.first_key_value() {
                None => self.end_of_pass(now, wall),
                Some((_, Listed { media_place: Some(place), .. })) => {
                    let place = place.clone();
                    self.requested(now);
                    Step::Read(ListPart::Media { place })
                }
                Some((_, listed)) => Step::TakeIn(Box::new(listed.clone())),
            },
            Next::Done => Step::Done,
        }
    }

    /// Everything that was held is taken in. Were messages dropped meanwhile, the list is read for them.
    fn end_of_pass(&mut self, now: Duration, wall: Timestamp) -> Step {
        // Without progress the next pass would not make any either.
        if self.is_cut && self.taken > 0 {
            (self.is_cut, self.taken) = (false, 0);
            self.next = Next::Page(None);
            return self.next(now, wall);
        }
        self.next = Next::Done;
        self.progress.state = State::Done { at: wall };
        Step::Done
    }

    fn requested(&mut self, now: Duration) {
        self.not_before = now + REQUEST_EVERY;
    }

    /// A page was read.
    pub fn page(&mut self, mut page: Page) {
        self.succeeded();
        self.progress.pages += 1;
        self.progress.unreadable += page.unreadable as u64;
        page.messages.retain(|listed| listed.at >= self.since);
        self.progress.read += page.messages.len() as u64;
        self.next = match page.messages.is_empty() {
            false => Next::Compare(page),
            true => Self::after(page.next),
        };
    }

    /// The next page, or what follows the last one.
    fn after(next: Option<String>) -> Next {
        next.map_or(Next::TakeIn, |next| Next::Page(Some(next)))
    }

    /// Whether each of the messages asked about is known.
    pub fn compared(&mut self, known: &[bool]) {
        self.succeeded();
        let Next::Compare(page) = std::mem::replace(&mut self.next, Next::Done) else { return };
        for (place, listed) in page.messages.into_iter().enumerate() {
            if known.get(place).copied().unwrap_or_default() {
                self.progress.known += 1;
                continue;
            }
            self.listed += 1;
            self.missing.insert((listed.at, Reverse(self.listed)), listed);
            if self.missing.len() > MISSING_MAX {
                self.missing.pop_last();
                self.is_cut = true;
            }
        }
        self.next = Self::after(page.next);
    }

    /// The media of the oldest missing message were read.
    pub fn media(&mut self, media: Vec<InboundMedia>) {
        self.succeeded();
        if let Some(mut first) = self.missing.first_entry() {
            let listed = first.get_mut();
            (listed.media_place, listed.message.media) = (None, media);
        }
    }

    /// What became of the message to take in: `Some(true)` if it is new, `Some(false)` if it was known after all, `None` if
    /// it cannot be stored.
    pub fn taken_in(&mut self, is_new: Option<bool>) {
        self.succeeded();
        self.missing.pop_first();
        match is_new {
            Some(true) => (self.progress.taken_in, self.taken) = (self.progress.taken_in + 1, self.taken + 1),
            Some(false) => self.progress.known += 1,
            None => self.progress.unreadable += 1,
        }
    }

    /// The step failed. It is repeated after a wait.
    pub fn failed(&mut self, no_answer: NoAnswer, now: Duration, wall: Timestamp) {
        let NoAnswer { reason, retryable, retry_after } = no_answer;
        self.failures += 1;
        let backoff = BACKOFF.saturating_mul(1 << (self.failures - 1).min(16)).min(BACKOFF_MAX);
        let wait = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX).max(backoff);
        self.not_before = now + wait;
        self.progress.state = State::Waiting { reason, until: wall + wait };
        if self.next == Next::TakeIn && self.failures >= MEDIA_TRIES {
            self.give_up_media();
        }
        if !retryable && matches!(self.next, Next::Page(Some(_))) {
            // The page may not be there any more: the list is read from its beginning.
            self.next = Next::Page(None);
            self.missing.clear();
            self.is_cut = false;
        }
    }

    fn give_up_media(&mut self) {
        if let Some(mut first) = self.missing.first_entry() {
            first.get_mut().media_place = None;
        }
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.progress.state = State::Running;
    }
}

#[cfg(test)]
mod tests;
