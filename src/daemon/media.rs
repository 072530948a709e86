//! The parts that fetch, keep and sweep media.

use super::{OpenFailed, StartFailed};
use crate::engine::{Handle, Reads, SweepMedia, wall};
use crate::net::fetch::{FetchBounds, Fetcher};
use crate::observe::Readiness;
use crate::work::media::links::MediaLinks;
use crate::work::media::store::{MediaConfig, Place, Store, StoreFailed};
use crate::work::media::{NotSwept, sweep, sweep_after_erasure, sweep_often};
use crate::work::{Accounts, MediaParts, MediaStore, MediaWaiting, fetch_media};
use std::io;
use std::path::Path;
use std::thread;
use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Opens the store. A folder that cannot be created does not end the start: media wait for it, and texts go on. The
/// first sweep says why.
pub(super) fn parts(
    config: &MediaConfig,
    engine: &Handle,
    reads: &Reads,
    accounts: &Accounts,
    readiness: &Readiness,
) -> Result<MediaParts, StartFailed> {
    let store = match (Store::open(config), &config.place) {
        (Ok(store), _) => store,
        (Err(_), Place::Folder(folder)) => Store::awaiting(folder),
        (Err(failed), Place::Bucket { .. }) => return Err(failed.into()),
    };
    Ok(MediaParts {
        engine: engine.clone(),
        reads: reads.clone(),
        accounts: accounts.clone(),
        store: MediaStore::new(store),
        fetcher: Fetcher::new(FetchBounds::default()),
        bounds: config.limits,
        readiness: readiness.clone(),
    })
}

/// Reads the keys of links to media, or makes them.
pub(super) fn links(data_dir: &Path) -> Result<MediaLinks, StartFailed> {
    MediaLinks::open(data_dir, wall()).map_err(|failed| OpenFailed::Directory(io::Error::other(failed)).into())
}

/// The nice value of the thread that fetches, and of those it starts: webhooks are acknowledged first.
const NICE: i32 = 10;

/// Starts the thread that fetches and sweeps; what it returns says of new messages with media.
pub(super) fn start(
    workers: &mut JoinSet<Result<(), String>>,
    parts: &MediaParts,
    stop: &CancellationToken,
) -> Result<MediaWaiting, StartFailed> {
    let waiting = MediaWaiting::default();
    let fetching = fetch_media(parts.clone(), waiting.clone(), stop.clone());
    let sweeping = sweep_often(parts.clone(), stop.clone());
    let (ended, end) = oneshot::channel();
    let work = move || {
        // Linux applies this to the thread, and to those that it starts. It also works without it.
        let _ignored = rustix::process::setpriority_process(None, NICE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = runtime.block_on(async { tokio::try_join!(fetching, sweeping).map(drop) });
        // A write to a disk that hangs must not hold up the end.
        runtime.shutdown_background();
        work.map_err(io::Error::other)
    };
    let thread = thread::Builder::new().name("media".to_owned());
    let _detached = thread.spawn(move || ended.send(work())).map_err(StartFailed::Thread)?;
    workers.spawn(async move {
        let ended = end.await.unwrap_or_else(|_panicked| Err(io::Error::other("its thread ended")));
        ended.map_err(|error| format!("media: {error}"))
    });
    Ok(waiting)
}

/// Sweeps once for an erasure, from a thread that may block.
pub(super) fn sweep_once(parts: MediaParts) -> SweepMedia {
    let runtime = Runtime::current();
    Box::new(move || runtime.block_on(sweep_after_erasure(&parts)).map(drop).map_err(|not_swept| not_swept.to_string()))
}

/// Sweeps once for an erasure while no gateway is running, and blocks. A folder that is not there is a failure, since its
/// disk may only not be mounted.
pub(super) fn sweep_stopped(config: &MediaConfig, reads: &Reads) -> Result<(), NotSwept> {
    let store = match &config.place {
        Place::Folder(folder) => Store::awaiting(folder),
        Place::Bucket { .. } => Store::open(config)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| StoreFailed::Other(format!("cannot start the async runtime: {error}")))?;
    runtime.block_on(sweep(&MediaStore::new(store), reads)).map(drop)
}
