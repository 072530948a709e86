//! One try to fetch a medium: from its row to its record.

use super::fetches::{Ended, MediumOf};
use super::store::{Incoming, StoreFailed, Stored};
use super::{MediaParts, sweep};
use crate::carrier::wait_in;
use crate::engine::wall;
use crate::machine::command::{Command, Reply};
use crate::machine::event::Event;
use crate::machine::state::{Medium, MediumState, Message, StoredMedium};
use crate::machine::view::Queries;
use crate::net::fetch::{FetchFailed, FileSink};
use crate::observe::{self, MediumOutcome};
use crate::rules::media::{
    FIRST_BYTES, LAST_BYTES, NAMED_BY_BYTES, Unkept, ZIP, is_also_zip, keep, name_type, read_type, to_fetch,
};
use bytes::Bytes;
use http::StatusCode;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedRwLockReadGuard, watch};

/// How old a message is when its media are given up, however long the gateway was down (A51).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a record may wait for the engine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a try did not end with the medium's bytes in the store.
enum Not {
    /// It is not kept, for this reason; its type, if that is why.
    Kept(Unkept, Option<String>),
    /// The carrier may give it out later; the reason if this was the last try.
    Yet { retry_after: Option<Duration>, reason: Unkept, why: String },
    /// Our store does not work.
    Stored(StoreFailed),
    /// The gateway is stopping, its rows are being rebuilt, or all fetches were interrupted.
    Known,
}

/// Fetches a medium and records what became of it.
pub(super) async fn fetch(parts: MediaParts, of: MediumOf, is_last: bool) -> Ended {
    let mut interrupted = parts.store.interrupted.subscribe();
    let Ok(found) = message(&parts, of).await else { return Ended::NotStored };
    let Some((message, nth)) = found else { return Ended::Settled };
    let began = Instant::now();
    let stored = stored(&parts, &message, nth, &mut interrupted).await;
    let (state, recording, why) = match stored {
        Ok((stored, recording)) => (MediumState::Ready(stored), Some(recording), String::new()),
        Err(Not::Kept(reason, found)) => (MediumState::Failed { reason, found }, None, String::new()),
        Err(Not::Yet { reason, why, .. }) if is_last => (MediumState::Failed { reason, found: None }, None, why),
        Err(Not::Yet { retry_after, why, .. }) => {
            observe::medium_retried(&message.account, &why);
            return Ended::Later { retry_after };
        }
        Err(Not::Stored(failed)) => {
            parts.store_works(Some(&failed));
            return Ended::NotStored;
        }
        Err(Not::Known) => return Ended::NotStored,
    };
    if recording.is_some() {
        parts.store_works(None);
    }
    let command = Command::SettleMedium { message: of.message, medium: of.medium, state: state.clone() };
    let recorded = match parts.engine.submit(command, PATIENCE).await {
        Ok(Reply::MediumSettled(recorded)) => recorded,
        _ => return Ended::NotStored,
    };
    drop(recording);
    match state {
        _ if recorded => {
            observe::medium_settled(&message.account, outcome(&state), state.bytes(), began.elapsed(), &why);
        }
        // Somebody was erased meanwhile.
        MediumState::Ready(stored) => {
            drop(sweep::unless_listed(&parts.store, &parts.reads, stored.day, stored.sha256).await);
        }
        MediumState::Pending | MediumState::Failed { .. } => {}
    }
    Ended::Settled
}

fn outcome(state: &MediumState) -> MediumOutcome {
    match state {
        MediumState::Failed { reason, .. } => refused(*reason),
        MediumState::Pending | MediumState::Ready(_) => MediumOutcome::Ready,
    }
}

fn refused(reason: Unkept) -> MediumOutcome {
    match reason {
        Unkept::UnsupportedMedia => MediumOutcome::UnsupportedMedia,
        Unkept::TooLarge => MediumOutcome::TooLarge,
        Unkept::TooMany => MediumOutcome::TooMany,
        Unkept::TooLate => MediumOutcome::TooLate,
        Unkept::NotFound => MediumOutcome::NotFound,
        Unkept::ForbiddenAddress => MediumOutcome::ForbiddenAddress,
        Unkept::CarrierError => MediumOutcome::CarrierError,
    }
}

/// The message of a medium that is still pending, and which of its media that is.
async fn message(parts: &MediaParts, of: MediumOf) -> Result<Option<(Message, usize)>, Not> {
    let reads = parts.reads.clone();
    let message = tokio::task::spawn_blocking(move || reads.ask(|view| view.message(of.message))).await;
    let message = message.map_err(|_| Not::Known)?.map_err(|_| Not::Known)?;
    Ok(message.and_then(|message| {
        let is_pending = |medium: &Medium| medium.id == of.medium && medium.state == MediumState::Pending;
        let nth = message.media.iter().position(is_pending)?;
        Some((message, nth))
    }))
}

/// Fetches a medium into the store. What is stored is not swept until the guard is dropped.
async fn stored(
    parts: &MediaParts,
    message: &Message,
    nth: usize,
    interrupted: &mut watch::Receiver<()>,
) -> Result<(StoredMedium, OwnedRwLockReadGuard<()>), Not> {
    let kept_before: u64 = message.media.iter().map(|medium| medium.state.bytes()).sum();
    let declared = |medium: &Medium| medium.content_type.clone();
    let judged = to_fetch(message.media.iter().map(|medium| medium.content_type.as_deref()), &parts.bounds);
    judged[nth].map_err(|reason| Not::Kept(reason, declared(&message.media[nth])))?;
    if wall().since(message.created_at) >= GIVEN_UP_AFTER {
        return Err(Not::Kept(Unkept::TooLate, None));
    }
    let url = url(parts, message, nth).await?;
    let day = wall().day();
    let mut sink = Sink { incoming: parts.store.store.writer(day), judged: false, last_bytes: Vec::new() };
    tokio::select! {
        fetched = fetch_into(parts, message, &url, parts.bounds.room(kept_before), &mut sink) => fetched?,
        _ = interrupted.changed() => return Err(Not::Known),
    }
    if is_also_zip(&sink.last_bytes) {
        return Err(Not::Kept(Unkept::UnsupportedMedia, Some(ZIP.to_owned())));
    }
    let recording = parts.store.recording.clone().read_owned().await;
    if interrupted.has_changed().unwrap_or(true) {
        return Err(Not::Known);
    }
    let Stored { sha256, bytes, first_bytes } = sink.incoming.finish().await.map_err(Not::Stored)?;
    let media_type = keep(&first_bytes, bytes, kept_before, &parts.bounds)
        .map_err(|reason| Not::Kept(reason, name_type(&first_bytes).map(ToOwned::to_owned)))?;
    Ok((StoredMedium { media_type, bytes, sha256, day }, recording))
}

/// The medium's address at the carrier, which only the message's frame has.
async fn url(parts: &MediaParts, message: &Message, nth: usize) -> Result<String, Not> {
    let (mut follow, id) = (parts.reads.follow().clone(), message.id);
    // A row can be read a moment before its frame; without it, the address would seem to be gone for good.
    follow.wait_for(id.position()).await.map_err(|_| Not::Known)?;
    let frame = tokio::task::spawn_blocking(move || follow.frame(id.position())).await;
    let frame = frame.map_err(|_| Not::Known)?.map_err(|_| Not::Known)?;
    let url = frame.iter().flat_map(|frame| &frame.events).find_map(|event| match &event.event {
        Event::MessageReceived { message, media_urls, .. } if message.id == id => media_urls.get(nth)?.kept().cloned(),
        _ => None,
    });
    // Its segment was deleted, or the person erased.
    url.ok_or(Not::Kept(Unkept::TooLate, None))
}

async fn fetch_into(parts: &MediaParts, message: &Message, url: &str, room: u64, sink: &mut Sink) -> Result<(), Not> {
    let later = |why: String| Not::Yet { retry_after: None, reason: Unkept::TooLate, why };
    let Some(account) = parts.accounts.get(&message.account) else {
        return Err(later(format!("no account {:?} is configured", message.account)));
    };
    let Some(source) = &account.media else { return Err(Not::Kept(Unkept::ForbiddenAddress, None)) };
    let token = source.token().await.map_err(later)?;
    let Some(request) = source.request(url, token.as_ref(), wall()) else {
        return Err(Not::Kept(Unkept::ForbiddenAddress, None));
    };
    let open = source.openly(&request);
    let mut failed = match parts.fetcher.fetch(request, source.hosts(), room, sink).await {
        Ok(_) => return Ok(()),
        Err(failed) => failed,
    };
    if let (FetchFailed::Refused { status: Some(_), .. }, Some(open)) = (&failed, open) {
        match parts.fetcher.fetch(open, source.hosts(), room, sink).await {
            Ok(_) => return Ok(()),
            // It is not open either: what matters is why our credentials were refused.
            Err(FetchFailed::Refused { .. } | FetchFailed::NotFound(_)) => {}
            Err(other) => failed = other,
        }
    }
    let why = failed.to_string();
    Err(match failed {
        FetchFailed::ForbiddenAddress(_) => Not::Kept(Unkept::ForbiddenAddress, None),
        FetchFailed::NotFound(_) => Not::Kept(Unkept::NotFound, None),
        FetchFailed::TooLarge(_) => Not::Kept(Unkept::TooLarge, None),
        FetchFailed::Sink(NotTaken::Unsupported(found)) => Not::Kept(Unkept::UnsupportedMedia, found),
        FetchFailed::Sink(NotTaken::Store(failed)) => Not::Stored(failed),
        // Credentials may be mended, and a token renewed.
        FetchFailed::Refused { status, .. } => {
            if let Some(token) = token.filter(|_| status == Some(StatusCode::UNAUTHORIZED)) {
                source.forget(&token).await;
            }
            Not::Yet { retry_after: None, reason: Unkept::CarrierError, why }
        }
        FetchFailed::Later { retry_after, .. } => {
            let retry_after = retry_after.and_then(|value| wait_in(&value, wall()));
            Not::Yet { retry_after, reason: Unkept::TooLate, why }
        }
    })
}

/// Writes a medium into the store, unless its first bytes say that it is not kept.
struct Sink {
    incoming: Incoming,
    judged: bool,
    /// The last [`LAST_BYTES`] bytes, or all.
    last_bytes: Vec<u8>,
}

enum NotTaken {
    Unsupported(Option<String>),
    Store(StoreFailed),
}

impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsupported(_) => f.write_str("its type is not supported"),
            Self::Store(failed) => failed.fmt(f),
        }
    }
}

impl FileSink for Sink {
    type Error = NotTaken;

    async fn write(&mut self, piece: Bytes) -> Result<(), NotTaken> {
        self.last_bytes.extend_from_slice(&piece[piece.len().saturating_sub(LAST_BYTES)..]);
        let longer = self.last_bytes.len().saturating_sub(LAST_BYTES);
        self.last_bytes.drain(..longer);
        self.incoming.write(piece).await.map_err(NotTaken::Store)?;
        let first_bytes = self.incoming.first_bytes();
        if !self.judged && first_bytes.len() >= NAMED_BY_BYTES.max(FIRST_BYTES) {
            self.judged = true;
            if read_type(first_bytes).is_none() {
                return Err(NotTaken::Unsupported(name_type(first_bytes).map(ToOwned::to_owned)));
            }
        }
        Ok(())
    }
}
