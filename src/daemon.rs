//! Floor 8: build, bind, start, drain.
//!
//! Invariant: it starts from the bottom floor up and stops from the top floor down, so that every accepted request is
//! answered, and everything answered is on disk.

mod build;
mod clock;
pub mod directory;
mod disk_space;
mod doors;
pub mod erase;
pub mod evidence;
mod feeds;
#[cfg(feature = "test-support")]
pub mod fuzz;
pub mod loss;
mod media;
mod open;
pub mod preflight;
pub mod private;
mod reload;
pub mod systemd;
mod watch;

use crate::config::Config;
use crate::directory::Document;
use crate::engine::{
    AGAIN_AFTER, CompactionOptions, Compactor, Engine, ErasureParts, ErasureWorker, Handle, Heartbeat, Reads, Stopped,
};
use crate::http::api::{self, Api, Tokens};
use crate::http::console::{Console, Gate, SignInLinks};
use crate::http::hooks::Hooks;
use crate::http::ops;
use crate::journal::Lock;
use crate::model::Position;
use crate::observe::{self, Door, Metrics, NotReady, Readiness};
use crate::work::feed::Start;
use crate::work::media::store::StoreFailed;
use crate::work::{
    Accounts, Endpoint, Intake, Receivers, ReconcileParts, Reconciler, Replays, Verifier, deliver, reconcile, retain,
    send, tick, verify,
};
use axum::Router;
use doors::BoundDoors;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use systemd::Sockets;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use open::Names;
pub use open::OpenFailed;
pub use reload::Reload;

/// Deadline of a graceful shutdown. The documented limit is ten seconds; the last one is for the engine, which closes
/// its files.
const STOP_MAX: Duration = Duration::from_secs(9);

/// The same after a failure, when no more requests can be answered.
const FAILED_STOP_MAX: Duration = Duration::from_millis(500);

/// How long the ops door may take to send its last responses after everything else has stopped.
const OPS_STOP_MAX: Duration = Duration::from_millis(500);

/// Text for a panicked task. Its own panic message may quote a person's text, so it is not logged.
const PANICKED: &str = "it panicked (bug)";

/// How often metrics upkeep runs, which bounds their memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailed {
    /// A door cannot bind its address.
    #[error("the {door} door cannot listen on {address}: {error}")]
    Bind {
        /// The door.
        door: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
    /// A socket passed by systemd has another address than the configured one.
    #[error(
        "systemd listens at {there} for the {door} door, but listen.{door} is {address}: set ListenStream= in its unit \
         to the same address"
    )]
    Elsewhere {
        /// The door.
        door: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// The socket's address.
        there: SocketAddr,
    },
    /// The data cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenFailed),
    /// An endpoint's URL or key is invalid.
    #[error("webhook {name}: {problem}")]
    Endpoint {
        /// Its name in the configuration.
        name: String,
        /// The problem.
        problem: String,
    },
    /// The media store cannot be opened.
    #[error(transparent)]
    Media(#[from] StoreFailed),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}

/// How a gateway stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Shutdown was requested, and everything accepted was answered.
    Cleanly,
    /// An essential part failed; what had been answered is on disk.
    Failed(String),
}

/// A running gateway.
pub struct Running {
    /// The addresses of its doors.
    pub addresses: BTreeMap<Door, SocketAddr>,
    /// Whether a directory existed already, so that the seed was ignored.
    pub seed_refused: bool,
    /// The number of numbers in its directory.
    pub numbers: usize,
    /// The version of its directory.
    pub directory_version: Position,
    /// Makes one-time links for the console.
    pub sign_in: SignInLinks,
    reload: Arc<Reload>,
    readiness: Readiness,
    engine: Arc<Engine>,
    compactor: Compactor,
    erasing: ErasureWorker,
    /// Held until the engine has closed its files.
    lock: Lock,
    doors: JoinSet<()>,
    requests: TaskTracker,
    workers: JoinSet<Result<(), String>>,
    ops: JoinSet<()>,
    stop_doors: CancellationToken,
    stop_workers: CancellationToken,
    stop_ops: CancellationToken,
}

impl Running {
    /// Binds the doors that `sockets` does not contain, recovers the data on disk, and starts. The seed is not loaded
    /// if a directory exists already. `demo` is what a demo adds to the console.
    ///
    /// If the future is dropped early, a thread that reads the disk is left behind: let the process exit, as after a
    /// kill.
    pub async fn start(
        config: Config,
        seed: Option<Document>,
        sockets: Sockets,
        demo: Option<Router>,
    ) -> Result<Self, StartFailed> {
        let metrics = observe::install();
        config.accounts.iter().for_each(|account| observe::account(&account.name));
        config.webhooks.iter().for_each(|endpoint| observe::endpoint(&endpoint.name));
        let readiness = Readiness::new();
        readiness.set(NotReady::Recovering, true);

        // Before the ports: with two gateways on one directory the error should name the first one, not the port.
        let data_dir = config.data_dir.clone();
        let locked = tokio::task::spawn_blocking(move || open::lock(&data_dir));
        let lock = locked.await.map_err(|_panicked| StartFailed::Thread(io::Error::other(PANICKED)))??;

        let mut bound = BoundDoors::bind(&config, sockets)?;
        let addresses = bound.addresses()?;
        reload::show_certificates(&config.listen);
        let endpoints = build::endpoints(&config)?;
        let statuses = endpoints.iter().map(|endpoint| (endpoint.name.clone(), endpoint.status.clone())).collect();
        let keys = endpoints.iter().map(|endpoint| (endpoint.name.clone(), endpoint.keys.clone())).collect();
        let links = build::links(&config.accounts);
        let accounts = Accounts::from_iter(build::accounts(&config.accounts, &links));
        let tokens = Tokens::from(config.tokens.clone());

        // Ops serves during recovery; connections at the other doors wait in the listen backlog.
        let (stop_doors, stop_workers, stop_ops) = Default::default();
        let mut ops = JoinSet::new();
        let router = ops::router(readiness.clone(), metrics.clone());
        bound.serve([(Door::Ops, router)], &stop_ops, &mut ops);
        ops.spawn(metrics_upkeep(metrics, CancellationToken::clone(&stop_ops)));

        let names: Vec<String> = endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let (replays, asked_again) = Replays::to(names.iter().map(String::as_str));
        let data_dir = config.data_dir.clone();
        let names = Names { endpoints: names, listing: build::listing(&accounts) };
        let opened = tokio::task::spawn_blocking(move || open::open(lock, &data_dir, seed, &names));
        let opened = opened.await.map_err(|_panicked| StartFailed::Thread(io::Error::other(PANICKED)))??;
        let seed_refused = opened.seed_refused;
        // Checked before the doors open, so that nothing is accepted without disk space for it.
        let disk = watch::disk(&config, &readiness).await.map_err(StartFailed::Thread)?;
        ops.spawn(disk.watch(CancellationToken::clone(&stop_ops)));
        let watching = clock::watch(opened.clock, config.data_dir.clone(), readiness.clone(), stop_ops.clone());
        ops.spawn(watching);
        let feeds = Feeds { endpoints, starts: opened.feeds, asked_again };
        let (reads, journal) = (opened.core.reads(), opened.core.journal());
        let (numbers, directory_version) = (reads.directory().numbers.len(), reads.directory().versions.directory);
        let mut core = opened.core;
        core.repair_with(Arc::clone(&opened.snapshots), readiness.clone());
        let (eraser, place) = (core.eraser(), core.index_place());
        let (engine, handle) = Engine::start(core).map_err(StartFailed::Thread)?;
        let engine = Arc::new(engine);
        let spare = || disk_space::spare(config.data_dir.clone(), config.storage);
        let media = media::parts(&config.media, &handle, &reads, &accounts, &readiness)?;
        let media_links = media::links(&config.data_dir)?;
        let erasing = ErasureWorker::start(ErasureParts {
            handle: handle.clone(),
            reads: reads.clone(),
            eraser,
            journal: Arc::clone(&journal),
            snapshots: Arc::clone(&opened.snapshots),
            place,
            spare: spare(),
            sweep_media: media::sweep_once(media.clone()),
            again_after: AGAIN_AFTER,
        });
        let erasing = erasing.map_err(StartFailed::Thread)?;
        // One that was interrupted has its media left.
        erasing.handle().ask();
        let compactor = Compactor::start(journal, opened.snapshots, CompactionOptions::default(), spare());
        let compactor = compactor.map_err(StartFailed::Thread)?;
        ops.spawn(watch::queues(handle.clone(), readiness.clone(), CancellationToken::clone(&stop_ops)));

        let mut workers = JoinSet::new();
        start_workers(&mut workers, &handle, &reads, &accounts, feeds, &readiness, &stop_workers);
        let media_waiting = media::start(&mut workers, &media, &stop_workers)?;
        let reconciler = Reconciler::default();
        let reconciling = ReconcileParts {
            engine: handle.clone(),
            reads: reads.clone(),
            accounts: accounts.clone(),
            intake: Intake::new(handle.clone(), readiness.clone()).with_media(media_waiting.clone()),
            reconciler: reconciler.clone(),
        };
        let reconciling = reconcile(reconciling, stop_workers.clone());
        workers.spawn(async move { reconciling.await.map_err(|error| format!("reconciliation: {error}")) });
        let (verifier, to_verify) = Verifier::new();
        let verifying = verify(handle.clone(), reads.clone(), accounts.clone(), to_verify, stop_workers.clone());
        workers.spawn(async move { verifying.await.map_err(|error| format!("verification: {error}")) });
        let retaining =
            retain(config.keep, handle.clone(), reads.clone(), Arc::new(compactor.handle()), stop_workers.clone());
        workers.spawn(async move { retaining.await.map_err(|error| format!("retention: {error}")) });
        let mut doors = JoinSet::new();
        let requests = TaskTracker::new();
        let hooks = Hooks::new(accounts.clone(), handle.clone(), readiness.clone(), requests.clone());
        let hooks = hooks.with_media(media_waiting);
        let reloading = handle.clone();
        let api = Api::new(handle, reads, readiness.clone(), requests.clone(), tokens.clone());
        let api = api
            .with_replays(replays)
            .with_verifier(verifier)
            .with_reconciler(reconciler)
            .with_accounts(accounts.clone())
            .with_endpoints(statuses);
        let api = api.with_erasures(erasing.handle()).with_media(media.store, media_links);
        let gate = Gate {
            address: addresses[&Door::Console],
            tls: config.listen.of(Door::Console).tls.is_some(),
            public_url: config.console.public_url.clone(),
        };
        let sign_in = SignInLinks::new(config.console.people.clone(), gate);
        let api = api.in_demo(config.demo).with_sign_in(sign_in.clone());
        let limits = config.console.sessions;
        let console = Console::new(api.clone(), sign_in.clone(), &config.data_dir, limits, demo);
        let routers =
            [(Door::Carriers, hooks.router()), (Door::Platform, api::router(api)), (Door::Console, console.router())];
        bound.serve(routers, &stop_doors, &mut doors);

        readiness.set(NotReady::Recovering, false);
        readiness.set(NotReady::Starting, false);
        Ok(Self {
            addresses,
            seed_refused,
            numbers,
            directory_version,
            sign_in,
            reload: Arc::new(Reload::new(config, tokens, console, (accounts, links), keys, reloading)),
            readiness,
            engine,
            compactor,
            erasing,
            lock: opened.lock,
            doors,
            requests,
            workers,
            ops,
            stop_doors,
            stop_workers,
            stop_ops,
        })
    }

    /// The handle for reloading the configuration.
    pub fn reload(&self) -> Arc<Reload> {
        Arc::clone(&self.reload)
    }

    /// The heartbeat of the engine thread.
    pub fn heartbeat(&self) -> Heartbeat {
        self.engine.heartbeat().clone()
    }

    /// Runs until `stop`, or until an essential part ends; then stops from the top floor down. On `second_signal`
    /// everything in progress is cut off; what the engine has accepted is still on disk.
    pub async fn run(mut self, stop: impl Future<Output = ()>, second_signal: impl Future<Output = ()>) -> Ended {
        let (compactor_ended, erasing_ended) = (self.compactor.ended(), self.erasing.ended());
        let mut failed = tokio::select! {
            () = stop => None,
            () = compactor_ended.cancelled() => Some("the snapshot thread ended unexpectedly (bug)".to_owned()),
            () = erasing_ended.cancelled() => Some("the erasure thread ended unexpectedly (bug)".to_owned()),
            () = self.engine.ended() => Some("the engine ended".to_owned()),
            Some(worker) = self.workers.join_next() => Some(why(worker)),
            Some(_) = self.doors.join_next() => Some("a door closed".to_owned()),
        };
        self.readiness.set(NotReady::Draining, true);
        // Without an engine nothing can be answered, so waiting requests fail at once.
        let patience = if failed.is_some() { FAILED_STOP_MAX } else { STOP_MAX };
        let drained = tokio::time::timeout(patience, async {
            self.stop_doors.cancel();
            while self.doors.join_next().await.is_some() {}
            // Requests whose client disconnected still finish; their commands are in the journal.
            self.requests.close();
            self.requests.wait().await;
            self.stop_workers.cancel();
            while let Some(worker) = self.workers.join_next().await {
                if !matches!(worker, Ok(Ok(()))) {
                    failed.get_or_insert(why(worker));
                }
            }
        });
        let cut_off = tokio::select! {
            drained = drained => drained.err().map(|_| "shutdown timed out"),
            () = second_signal => Some("second signal: forced shutdown"),
        };
        let (doors, requests, workers) = (self.doors.len(), self.requests.len(), self.workers.len());
        if let Some(why) = cut_off.filter(|_| doors + requests + workers > 0) {
            let what = format!(
                "{why}: {doors} doors, {requests} requests and {workers} workers were still running \
                and cut off"
            );
            failed.get_or_insert(what);
        }
        self.doors.abort_all();
        self.workers.abort_all();
        let (compactor, erasing, engine) = (self.compactor, self.erasing, self.engine);
        let stopped = tokio::task::spawn_blocking(move || {
            erasing.stop();
            compactor.stop();
            engine.stop()
        });
        let stopped = stopped.await;
        drop(self.lock);
        observe::report_left_out(true);
        self.stop_ops.cancel();
        let ops = async { while self.ops.join_next().await.is_some() {} };
        // Remaining readers are cut off with the process.
        let _cut_off = tokio::time::timeout(OPS_STOP_MAX, ops).await;
        match (stopped, failed) {
            (Ok(Stopped::Failed(error)), _) => Ended::Failed(error.to_string()),
            (Ok(Stopped::Panicked) | Err(_), _) => Ended::Failed("the engine panicked (bug)".to_owned()),
            (Ok(Stopped::Cleanly), Some(why)) => Ended::Failed(why),
            (Ok(Stopped::Cleanly), None) => Ended::Cleanly,
        }
    }
}

fn why(worker: Result<Result<(), String>, tokio::task::JoinError>) -> String {
    match worker {
        Ok(Ok(())) => "a worker ended unexpectedly".to_owned(),
        Ok(Err(why)) => why,
        Err(_panicked) => format!("a worker: {PANICKED}"),
    }
}

async fn metrics_upkeep(metrics: Metrics, stop: CancellationToken) {
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {
                metrics.run_upkeep();
                observe::report_left_out(false);
            }
        }
    }
}

/// What the feeds are built from.
struct Feeds {
    endpoints: Vec<Endpoint>,
    /// Where each feed resumes.
    starts: HashMap<String, Start>,
    /// Replay requests per endpoint.
    asked_again: Receivers,
}

fn start_workers(
    workers: &mut JoinSet<Result<(), String>>,
    engine: &Handle,
    reads: &Reads,
    accounts: &Accounts,
    mut feeds: Feeds,
    readiness: &Readiness,
    stop: &CancellationToken,
) {
    let sending = send(engine.clone(), reads.clone(), accounts.clone(), readiness.clone(), stop.clone());
    workers.spawn(async move { sending.await.map_err(|error| format!("the dispatcher: {error}")) });
    for endpoint in feeds.endpoints {
        // Both exist for every configured endpoint.
        let start = feeds.starts.remove(&endpoint.name).unwrap_or_default();
        let Some(asked_again) = feeds.asked_again.remove(&endpoint.name) else { continue };
        let (follow, readiness) = (reads.follow().clone(), readiness.clone());
        let delivering = deliver(endpoint, start, engine.clone(), follow, asked_again, readiness, stop.clone());
        workers.spawn(async move { delivering.await.map_err(|error| format!("the feed: {error}")) });
    }
    let ticking = tick(engine.clone(), stop.clone());
    workers.spawn(async move { ticking.await.map_err(|error| format!("the clock: {error}")) });
}
