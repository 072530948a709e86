//! Two queues into the one writer, and the thread it runs on.

use super::core::{BATCH_MAX_COMMANDS, Core, EngineFailed, Forget};
use super::oldest::Oldest;
use crate::machine::command::{Command, Reply};
use crate::observe::{self, Undecided};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// New work that may wait. With 512 to a batch and 5 ms to a batch, the last of them waits 20 ms.
const ORDINARY_MAX: usize = 2_048;

/// Receipts, settlements, call ends and ticks that may wait. Enough for minutes of a disk that stands still: carriers that
/// were told 503 come again, and what they said before still waits here.
const URGENT_MAX: usize = 65_536;

/// How often the engine's thread turns with nothing to do.
pub const TURNS_EVERY: Duration = Duration::from_secs(1);

/// Whether a command may be refused for load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// Decided first, and practically never refused for load: it makes room.
    Urgent,
    /// Refused when too much waits.
    Ordinary,
}

/// Why a command was not decided, or its reply is not known. What the asker does next follows from the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many commands wait. Nothing was written; asking again later is right.
    #[error("the gateway is busy")]
    Busy,
    /// Its caller had given up before its turn came. Nothing was written.
    #[error("the command waited longer than its caller")]
    TooLate,
    /// The engine stopped, or failed; nobody knows whether the command was written.
    #[error("the engine has stopped")]
    Stopped,
}

/// How the engine ended.
#[derive(Debug)]
pub enum Stopped {
    /// It was asked to, everything taken was answered, and the index is closed.
    Cleanly,
    /// The disk failed it; nothing undurable was answered.
    Failed(EngineFailed),
    /// A defect: its thread panicked.
    Panicked,
}

/// Boxed on its way: a queue has all its places from the start, and 65,536 of 224 bytes would be 15 MB of nothing.
struct Submitted {
    asked: Asked,
    came: Instant,
    give_up: Instant,
    reply: oneshot::Sender<Result<Reply, SubmitError>>,
}

/// What the one writer is asked for.
enum Asked {
    /// To decide a command.
    Decide(Command),
    /// To drop what is too old, which no decision is about.
    Forget(Forget),
}

/// Submits commands; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    urgent: Entrance,
    ordinary: Entrance,
    ended: CancellationToken,
}

/// Where commands come into a queue.
#[derive(Clone)]
struct Entrance {
    queue: Sender<Box<Submitted>>,
    oldest: Oldest,
}

/// Where the engine takes them out.
struct Exit {
    queue: Receiver<Box<Submitted>>,
    oldest: Oldest,
}

fn queue(most: usize) -> (Entrance, Exit) {
    let (oldest, (entrance, exit)) = (Oldest::new(), bounded(most));
    (Entrance { queue: entrance, oldest: oldest.clone() }, Exit { queue: exit, oldest })
}

impl Handle {
    /// Submits a command and waits for its reply, which comes once its effects are durable. Where it cannot be decided
    /// within `patience` it is dropped undecided; once decided, the reply is waited for.
    pub async fn submit(&self, command: Command, urgency: Urgency, patience: Duration) -> Result<Reply, SubmitError> {
        self.ask(Asked::Decide(command), urgency, patience).await
    }

    /// Drops what is too old, and waits until that is done.
    pub async fn forget(&self, forget: Forget, patience: Duration) -> Result<(), SubmitError> {
        self.ask(Asked::Forget(forget), Urgency::Urgent, patience).await.map(drop)
    }

    async fn ask(&self, asked: Asked, urgency: Urgency, patience: Duration) -> Result<Reply, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let came = Instant::now();
        let submitted = Submitted { asked, came, give_up: came + patience, reply };
        let entrance = match urgency {
            Urgency::Urgent => &self.urgent,
            Urgency::Ordinary => &self.ordinary,
        };
        match entrance.queue.try_send(Box::new(submitted)) {
            Ok(()) => entrance.oldest.came(came),
            Err(TrySendError::Full(_)) => {
                observe::undecided(Undecided::Busy);
                return Err(SubmitError::Busy);
            }
            Err(TrySendError::Disconnected(_)) => return Err(stopped()),
        }
        // What still waits when the engine ends stays in its queue unread, so its end has to be heard of here.
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_| Err(stopped())),
            () = self.ended.cancelled() => Err(stopped()),
        }
    }

    /// Counts how many commands wait, and says how long the oldest has. Asks nothing of the engine, which may be stuck.
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

/// How often the engine's thread has turned: a batch each time, or nothing to do for [`TURNS_EVERY`]. It stands still
/// while the thread is stuck in one batch.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// The count so far.
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The thread turns.
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
        let told = ended.clone().drop_guard();
        let heartbeat = Heartbeat::default();
        let beating = heartbeat.clone();
        if let Some(mending) = &mut core.mending {
            let (beating, stopping) = (heartbeat.clone(), stopping.clone());
            mending.turn = Box::new(move || {
                beating.beat();
                stopping.is_empty()
            });
        }
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || {
            // Dropped when the thread ends, even by a panic.
            let _told = told;
            run(core, &urgent_work, &ordinary_work, &stopping, &beating)
        })?;
        let handle = Handle { urgent, ordinary, ended: ended.clone() };
        Ok((Self { stop, thread: Mutex::new(Some(thread)), ended, heartbeat }, handle))
    }

    /// What shows that the thread turns.
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Waits until the thread has ended, for whatever reason.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Asks the thread to take no more than what waits, and waits for its end. Blocks; call it off the runtime.
    pub fn stop(&self) -> Stopped {
        // A full channel says that it was asked before; a closed one that it has ended.
        let _asked = self.stop.try_send(());
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
    urgent: &Exit,
    ordinary: &Exit,
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
                    core.look_after_the_index()?;
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
            // Every handle is gone, or everything that waited when we were asked to stop is answered.
            return core.close();
        }
        commit(&mut core, batch)?;
    }
}

impl Exit {
    /// Takes what was received, if anything was.
    fn take(&self, received: impl IntoIterator<Item = Box<Submitted>>, batch: &mut Vec<Submitted>) {
        let mut last = None;
        batch.extend(received.into_iter().map(|submitted| {
            last = Some(submitted.came);
            *submitted
        }));
        self.oldest.taken(last, self.queue.is_empty());
    }

    /// Takes what waits, as far as a batch has room.
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
            // Whoever asked may be gone; then nobody needs the answer.
            let _gone = submitted.reply.send(Err(SubmitError::TooLate));
            continue;
        }
        match submitted.asked {
            Asked::Decide(command) => {
                commands.push(command);
                replies.push(submitted.reply);
            }
            Asked::Forget(forget) => {
                core.forget(forget)?;
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
