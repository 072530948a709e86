//! Deletes bytes in the store that nothing lists: of media whose days are over, of erased people, and what a crash left.
//!
//! Invariant: bytes are deleted only while none are between the store and their record.

use super::store::{Sha256, StoreFailed};
use super::{MediaParts, MediaStore};
use crate::engine::{FollowFailed, Reads};
use crate::machine::view::Queries;
use crate::model::Day;
use crate::observe;
use futures_util::TryStreamExt;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Why the store was not swept.
#[derive(Debug, thiserror::Error)]
pub enum NotSwept {
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreFailed),
    /// It cannot be known what is listed now.
    #[error("the index is being rebuilt")]
    NotKnown,
}

/// Deletes all that nothing lists, and returns how many media that were. Days that are over are deleted whole.
pub async fn sweep(media: &MediaStore, reads: &Reads) -> Result<u64, NotSwept> {
    let store = &media.store;
    let mut deleted = store.sweep_aside().await?;
    let asked = reads.clone();
    let since = tokio::task::spawn_blocking(move || asked.ask(|view| view.media_since())).await;
    let since = since.map_err(|_| NotSwept::NotKnown)?.map_err(|_| NotSwept::NotKnown)?;
    for day in store.days().await? {
        if since.is_some_and(|since| day < since) {
            store.delete_day(day).await?;
            continue;
        }
        let mut of_day = store.list(day).await?;
        while let Some(sha256) = of_day.try_next().await? {
            deleted += u64::from(unless_listed(media, reads, day, sha256).await?);
        }
    }
    Ok(deleted)
}

/// The same once people were erased: of them nothing is on its way into the store afterwards either.
pub async fn sweep_after_erasure(parts: &MediaParts) -> Result<u64, NotSwept> {
    parts.store.interrupt().await;
    sweep(&parts.store, &parts.reads).await
}

/// Deletes a medium unless something lists it. Returns whether it did.
pub(super) async fn unless_listed(
    media: &MediaStore,
    reads: &Reads,
    day: Day,
    sha256: Sha256,
) -> Result<bool, NotSwept> {
    let _nothing_is_recorded_meanwhile = media.recording.write().await;
    let reads = reads.clone();
    let listed = tokio::task::spawn_blocking(move || reads.ask(|view| view.is_medium_listed(day, sha256))).await;
    let listed = listed.map_err(|_| NotSwept::NotKnown)?.map_err(|_| NotSwept::NotKnown)?;
    if !listed {
        media.store.delete(day, sha256).await?;
    }
    Ok(!listed)
}

/// How often the store is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);

/// Tries the store and sweeps it now and then, until `stop`.
pub async fn sweep_often(parts: MediaParts, stop: CancellationToken) -> Result<(), FollowFailed> {
    let mut every = interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = every.tick() => {}
        }
        // Without media nothing else would tell that the store fails, or works again.
        parts.store_works(parts.store.store.probe().await.err().as_ref());
        match sweep(&parts.store, &parts.reads).await {
            Ok(deleted) => observe::media_swept(deleted),
            Err(not_swept) => observe::media_not_swept(&not_swept.to_string()),
        }
        if let Ok(Some(bytes)) = parts.store.store.used_bytes().await {
            observe::media_store_bytes(bytes);
        }
    }
}
