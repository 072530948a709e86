//! The two queues into the single writer, and its thread.

use super::core::{BATCH_MAX_COMMANDS, Core, DropBefore, EngineFailed};
use super::erasure::Replacement;
use super::oldest::Oldest;
use crate::machine::command::{Command, Reply};
use crate::machine::urgency::Urgency;
use crate::observe::{self, Undecided};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio_util::sync::CancellationToken;

/// Maximum waiting ordinary commands. With 512 per batch and 5 ms per batch, the last of them waits 20 ms.
const ORDINARY_MAX: usize = 2_048;

/// Maximum waiting receipts, settlements, call ends and ticks: enough for minutes of a stalled disk, during which
/// carriers get 503 and repeat their requests.
const URGENT_MAX: usize = 65_536;

/// How often a thread that blocks looks for its reply.
const REPLY_EVERY: Duration = Duration::from_millis(2);

/// How often the engine's loop iterates when idle.
pub const TURNS_EVERY: Duration = Duration::from_secs(1);

/// Why a command was not decided, or why its reply is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many commands wait. Nothing was written; the caller may retry.
    #[error("the gateway is busy")]
    Busy,
    /// The caller's patience ended before the command's turn. Nothing was written.
    #[error("the command waited too long and was dropped")]
    TooLate,
    /// The engine stopped or failed; whether the command was written is unknown.
    #[error("the engine has stopped")]
    Stopped,
}

/// How the engine ended.
#[derive(Debug)]
pub enum Stopped {
    /// On request: every accepted command was answered, and the index is closed.
    Cleanly,
    /// Storage failed; no command was answered without being durable.
    Failed(EngineFailed),
    /// Its thread panicked (bug).
    Panicked,
}

/// Boxed in the queues, because a queue preallocates its slots, and 65,536 of 224 bytes would take 15 MB.
struct Submitted {
    request: Request,
    submitted_at: Instant,
    give_up: Instant,
    reply: oneshot::Sender<Result<Reply, SubmitError>>,
}

/// Receives the reply to a submitted command.
type Replying = oneshot::Receiver<Result<Reply, SubmitError>>;

/// A request to the engine.
enum Request {
    /// Decide a command.
    Decide(Command),
    /// Drop old events and segments, which needs no decision.
    DropBefore(DropBefore),
    /// Replace the index.
    ReplaceIndex(Box<Replacement>),
}

/// Submits commands; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    urgent: QueueSender,
    ordinary: QueueSender,
    ended: CancellationToken,
}

/// The sending side of a queue.
#[derive(Clone)]
struct QueueSender {
    queue: Sender<Box<Submitted>>,
    oldest: Oldest,
}

/// The receiving side of a queue.
struct QueueReceiver {
    queue: Receiver<Box<Submitted>>,
    oldest: Oldest,
}

fn queue(most: usize) -> (QueueSender, QueueReceiver) {
    let (oldest, (entrance, exit)) = (Oldest::new(), bounded(most));
    (QueueSender { queue: entrance, oldest: oldest.clone() }, QueueReceiver { queue: exit, oldest })
}

impl Handle {
    /// Submits a command and waits for its reply, which comes once its effects are durable. A command that cannot be
    /// decided `within` this time is dropped; once it is decided, the reply is waited for without limit.
    pub async fn submit(&self, command: Command, within: Duration) -> Result<Reply, SubmitError> {
        self.reply(self.enqueue(Request::Decide(command), within)).await
    }

    /// Drops old events and segments, and waits until that is done.
    pub async fn drop_before(&self, before: DropBefore, within: Duration) -> Result<(), SubmitError> {
        self.reply(self.enqueue(Request::DropBefore(before), within)).await.map(drop)
    }

    /// Like [`Handle::submit`], for a thread that may block.
    pub fn submit_blocking(&self, command: Command, within: Duration) -> Result<Reply, SubmitError> {
        let mut replying = self.enqueue(Request::Decide(command), within)?;
        loop {
            // Asked before the reply, because the engine replies before it ends.
            let ended = self.has_ended();
            match replying.try_recv() {
                Ok(reply) => return reply,
                Err(TryRecvError::Empty) if !ended => thread::sleep(REPLY_EVERY),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Err(stopped()),
            }
        }
    }

    /// Asks the engine to replace the index. The answer goes to the replacement.
    pub(super) fn replace_index(&self, replacement: Replacement, within: Duration) -> Result<(), SubmitError> {
        self.enqueue(Request::ReplaceIndex(Box::new(replacement)), within).map(drop)
    }

    /// Whether the engine has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Submits commands in this order at once, and waits for the reply of each, as [`Handle::submit`] does for one.
    pub async fn submit_many(
        &self,
        commands: impl IntoIterator<Item = Command>,
        within: Duration,
    ) -> Vec<Result<Reply, SubmitError>> {
        let commands = commands.into_iter();
        let enqueued: Vec<_> = commands.map(|command| self.enqueue(Request::Decide(command), within)).collect();
        let mut replies = Vec::with_capacity(enqueued.len());
        for enqueued in enqueued {
            replies.push(self.reply(enqueued).await);
        }
        replies
    }

    fn enqueue(&self, request: Request, within: Duration) -> Result<Replying, SubmitError> {
        let urgency = match &request {
            Request::Decide(command) => command.urgency(),
            Request::DropBefore(_) | Request::ReplaceIndex(_) => Urgency::Urgent,
        };
        let (reply, replying) = oneshot::channel();
        let submitted_at = Instant::now();
        let submitted = Submitted { request, submitted_at, give_up: submitted_at + within, reply };
        let entrance = match urgency {
            Urgency::Urgent => &self.urgent,
            Urgency::Ordinary => &self.ordinary,
        };
        match entrance.queue.try_send(Box::new(submitted)) {
            Ok(()) => entrance.oldest.added(submitted_at),
            Err(TrySendError::Full(_)) => {
                observe::undecided(Undecided::Busy);
                return Err(SubmitError::Busy);
            }
            Err(TrySendError::Disconnected(_)) => return Err(stopped()),
        }
        Ok(replying)
    }

    async fn reply(&self, enqueued: Result<Replying, SubmitError>) -> Result<Reply, SubmitError> {
        // Commands left in the queue when the engine ends are never read, so the end must be awaited here too.
        tokio::select! {
            biased;
            reply = enqueued? => reply.unwrap_or_else(|_| Err(stopped())),
            () = self.ended.cancelled() => Err(stopped()),
        }
    }

    /// Reports how many commands wait, and returns the age of the oldest. Does not use the engine, which may be stuck.
    pub fn observe(&self) -> Duration {
        let queues = [(observe::Queue::Urgent, &self.urgent), (observe::Queue::Ordinary, &self.ordinary)];
        let ages = queues.map(|(queue, entrance)| {
            let waiting = entrance.queue.len();
            let age = entrance.oldest.age(waiting, Instant::now());
            observe::queue(queue, waiting, age);
            age
        });
        ages.into_iter().max().unwrap_or_default()
    }
}

fn stopped() -> SubmitError {
    observe::undecided(Undecided::Stopped);
    SubmitError::Stopped
}

/// The engine's thread.
pub struct Engine {
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<Result<(), EngineFailed>>>>,
    ended: CancellationToken,
    heartbeat: Heartbeat,
}

/// Counts iterations of the engine's loop: one per batch, or one per [`TURNS_EVERY`] when idle. It stops while the
/// thread is stuck in one batch.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// The count so far.
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one iteration.
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// Starts the thread.
    pub fn start(mut core: Core) -> std::io::Result<(Self, Handle)> {
        let (urgent, urgent_work) = queue(URGENT_MAX);
        let (ordinary, ordinary_work) = queue(ORDINARY_MAX);
        let (stop, stopping) = bounded(1);
        let ended = CancellationToken::new();
        let end_guard = ended.clone().drop_guard();
        let heartbeat = Heartbeat::default();
        let beating = heartbeat.clone();
        if let Some(repair) = &mut core.repair {
            let (beating, stopping) = (heartbeat.clone(), stopping.clone());
            repair.turn = Box::new(move || {
                beating.beat();
                stopping.is_empty()
            });
        }
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || {
            // Dropped when the thread ends, even by a panic.
            let _end_guard = end_guard;
            run(core, &urgent_work, &ordinary_work, &stopping, &beating)
        })?;
        let handle = Handle { urgent, ordinary, ended: ended.clone() };
        Ok((Self { stop, thread: Mutex::new(Some(thread)), ended, heartbeat }, handle))
    }

    /// The counter that shows whether the engine's loop is running.
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Waits until the thread has ended, for whatever reason.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Lets the thread finish the waiting commands, and waits for its end. Blocks, so call it outside the async
    /// runtime.
    pub fn stop(&self) -> Stopped {
        // A full channel means that it was already asked; a closed one that it has ended.
        let _sent = self.stop.try_send(());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match thread.map(JoinHandle::join) {
            Some(Ok(Ok(()))) | None => Stopped::Cleanly,
            Some(Ok(Err(failed))) => Stopped::Failed(failed),
            Some(Err(_)) => Stopped::Panicked,
        }
    }
}

fn run(
    mut core: Core,
    urgent: &QueueReceiver,
    ordinary: &QueueReceiver,
    stopping: &Receiver<()>,
    heartbeat: &Heartbeat,
) -> Result<(), EngineFailed> {
    let mut stop = stopping.clone();
    let mut draining = false;
    loop {
        heartbeat.beat();
        let mut batch = Vec::with_capacity(64);
        if !draining {
            select! {
                recv(urgent.queue) -> submitted => urgent.take(submitted, &mut batch),
                recv(ordinary.queue) -> submitted => ordinary.take(submitted, &mut batch),
                recv(stop) -> _ => draining = true,
                default(TURNS_EVERY) => {
                    core.rebuild_index_if_failed()?;
                    continue;
                }
            }
            if draining {
                stop = never();
            }
        }
        urgent.take_more(&mut batch);
        ordinary.take_more(&mut batch);
        if batch.is_empty() {
            // Every handle was dropped, or all commands that waited at the stop are answered.
            return core.close();
        }
        commit(&mut core, batch)?;
    }
}

impl QueueReceiver {
    /// Adds the received commands to the batch.
    fn take(&self, received: impl IntoIterator<Item = Box<Submitted>>, batch: &mut Vec<Submitted>) {
        let mut last = None;
        batch.extend(received.into_iter().map(|submitted| {
            last = Some(submitted.submitted_at);
            *submitted
        }));
        self.oldest.taken(last, self.queue.is_empty());
    }

    /// Adds waiting commands until the batch is full.
    fn take_more(&self, batch: &mut Vec<Submitted>) {
        self.take(self.queue.try_iter().take(BATCH_MAX_COMMANDS - batch.len()), batch);
    }
}

fn commit(core: &mut Core, batch: Vec<Submitted>) -> Result<(), EngineFailed> {
    let began = Instant::now();
    let (mut commands, mut replies) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    for submitted in batch {
        if submitted.give_up < began {
            observe::undecided(Undecided::TooLate);
            // The caller may be gone, and then needs no answer.
            let _gone = submitted.reply.send(Err(SubmitError::TooLate));
            continue;
        }
        match submitted.request {
            Request::Decide(command) => {
                commands.push(command);
                replies.push(submitted.reply);
            }
            Request::DropBefore(before) => {
                core.drop_before(before)?;
                let _gone = submitted.reply.send(Ok(Reply::Done));
            }
            Request::ReplaceIndex(replacement) => {
                core.replace_index(*replacement);
                let _gone = submitted.reply.send(Ok(Reply::Done));
            }
        }
    }
    if commands.is_empty() {
        return Ok(());
    }
    let count = commands.len();
    let answers = core.commit(commands)?;
    observe::batch_committed(count, began.elapsed());
    for (reply, answer) in replies.into_iter().zip(answers) {
        let _gone = reply.send(Ok(answer));
    }
    Ok(())
}
