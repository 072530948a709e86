//! Media of received messages: fetched, checked, stored and announced (R2, R12, A49-A52).
//!
//! Invariant: a medium is pending in the index until it is recorded what became of it, and it is announced only once its
//! bytes are durable. So a kill at any point loses none, and one that was announced is not fetched again. Texts wait for
//! none of this.

mod fetches;
pub mod links;
mod one;
mod source;
pub mod store;
mod sweep;

pub use source::MediaSource;
pub use sweep::{NotSwept, sweep, sweep_after_erasure, sweep_often};

use super::Accounts;
use super::sender::sleep_until;
use crate::engine::{FollowFailed, Handle, Reads, wall};
use crate::machine::state::MediumState;
use crate::machine::view::{Queries, View};
use crate::model::Timestamp;
use crate::net::fetch::Fetcher;
use crate::observe::{self, Readiness};
use crate::rules::media::Bounds;
use fetches::{Begun, Ended, Fetches, MediumOf};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreFailed};
use tokio::sync::{Notify, RwLock, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the index is searched for pending media, beside at each message that has some.
const SEARCH_EVERY: Duration = Duration::from_secs(5);

/// Messages with pending media that are known at once; the others follow when these are settled.
const MESSAGES_MAX: usize = 1_000;

/// Says that a message with media was taken in. Clones say it to the same worker.
#[derive(Clone, Default)]
pub struct MediaWaiting(Arc<Notify>);

impl MediaWaiting {
    /// Some message has media to fetch.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

/// What the worker works with. Clones share it.
#[derive(Clone)]
pub struct MediaParts {
    /// Records what became of media.
    pub engine: Handle,
    /// What is pending.
    pub reads: Reads,
    /// The carriers.
    pub accounts: Accounts,
    /// Where media are kept.
    pub store: MediaStore,
    /// Fetches them.
    pub fetcher: Fetcher,
    /// The limits of what is kept (A50).
    pub bounds: Bounds,
    /// Says so while the store fails.
    pub readiness: Readiness,
}

/// The store, with a lock that keeps what is swept apart from what is just being recorded. Clones share both.
#[derive(Clone)]
pub struct MediaStore {
    /// The store.
    pub store: Store,
    /// Held for reading from the moment a medium is stored until it is recorded, and for writing while a medium that
    /// nothing lists is deleted.
    recording: Arc<RwLock<()>>,
    /// Changes when what is being fetched is to be dropped.
    interrupted: Arc<watch::Sender<()>>,
}

impl MediaStore {
    /// Shares a store.
    pub fn new(store: Store) -> Self {
        Self { store, recording: Arc::default(), interrupted: Arc::default() }
    }

    /// Drops what is being fetched, and waits for what is being recorded. What is still pending is fetched again.
    async fn interrupt(&self) {
        self.interrupted.send_replace(());
        drop(self.recording.write().await);
    }
}

impl MediaParts {
    /// The store works, or why it does not.
    fn store_works(&self, failed: Option<&StoreFailed>) {
        let failed = failed.map(|failed| format!("{failed}; media stay pending, texts go on"));
        observe::media_store(failed.as_deref());
        self.readiness.note("media", failed.as_deref());
    }
}

/// Fetches media until `stop`; fetches in flight are dropped then, as their media stay pending.
pub async fn fetch_media(
    parts: MediaParts,
    waiting: MediaWaiting,
    stop: CancellationToken,
) -> Result<(), FollowFailed> {
    let mut worker = Worker {
        began: Instant::now(),
        fetches: Fetches::default(),
        running: JoinSet::new(),
        tasks: HashMap::new(),
        parts,
    };
    let mut search = interval(SEARCH_EVERY);
    search.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        worker.begin();
        let wake_at = worker.fetches.wake_at().map(|at| worker.began + at);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = search.tick() => worker.search().await,
            () = waiting.0.notified() => worker.search().await,
            Some(ended) = worker.running.join_next_with_id() => worker.ended(ended),
            () = sleep_until(wake_at) => {}
        }
    }
}

struct Worker {
    parts: MediaParts,
    began: Instant,
    fetches: Fetches,
    running: JoinSet<Ended>,
    /// What each task fetches.
    tasks: HashMap<Id, MediumOf>,
}

impl Worker {
    /// Begins the fetches that may begin.
    fn begin(&mut self) {
        for Begun { of, is_last } in self.fetches.next(self.began.elapsed()) {
            let task = self.running.spawn(one::fetch(self.parts.clone(), of, is_last));
            self.tasks.insert(task.id(), of);
        }
    }

    /// Finds media to fetch, and reports how many wait.
    async fn search(&mut self) {
        let reads = self.parts.reads.clone();
        let found = tokio::task::spawn_blocking(move || reads.ask(|view| pending(view))).await;
        // Rows that cannot be read are rebuilt meanwhile; the next search finds what this one did not.
        let Ok(Ok(found)) = found else { return };
        for Pending { of, account, .. } in &found {
            self.fetches.want(*of, account);
        }
        let oldest = found.first().map(|pending| wall().since(pending.accepted_at));
        observe::media_pending(self.fetches.len(), oldest.unwrap_or_default());
    }

    fn ended(&mut self, joined: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match joined {
            Ok(ended) => ended,
            // A panic costs one try.
            Err(panicked) => (panicked.id(), Ended::Later { retry_after: None }),
        };
        let Some(of) = self.tasks.remove(&id) else { return };
        self.fetches.ended(of, ended, self.began.elapsed());
    }
}

/// A medium that is to be fetched.
struct Pending {
    of: MediumOf,
    account: String,
    accepted_at: Timestamp,
}

/// The media to fetch, of the oldest messages first.
fn pending(view: &impl View) -> Vec<Pending> {
    let messages = view.pending_media().take(MESSAGES_MAX).filter_map(|(id, _)| view.message(id));
    let media = messages.flat_map(|message| {
        let media = message.media.iter().filter(|medium| medium.state == MediumState::Pending);
        let media = media.map(|medium| Pending {
            of: MediumOf { message: message.id, medium: medium.id },
            account: message.account.clone(),
            accepted_at: message.created_at,
        });
        media.collect::<Vec<_>>()
    });
    media.collect()
}
