//! The loop around [`Dispatch`]: records an attempt, sends the text to the carrier, reports the outcome.
//!
//! Invariant: an attempt is durable before any byte of it is written to the carrier, so a carrier reads at most one
//! text per recorded attempt; an attempt that was recorded and never settled is unknown, and is not repeated.

use super::dispatch::{Action, Dispatch};
use super::{Accounts, Moment, tally};
use crate::carrier::Outbound;
use crate::engine::{Clock as _, Follow, FollowFailed, Handle, Reads, SubmitError, WallClock};
use crate::machine::command::{Command, Reply};
use crate::machine::event::CommittedFrame;
use crate::machine::state::Message;
use crate::machine::view::{Queries, SendingQueries};
use crate::model::{AttemptOutcome, FailureCode, MessageId, Outcome, Position, Settled, Timestamp};
use crate::observe::{self, Readiness, Unused};
use crate::rules::breaker::Cause;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait for the engine to record an attempt or outcome; only a stopping engine takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The delay before an outcome is submitted again after the engine was busy.
const SETTLE_AGAIN: Duration = Duration::from_millis(200);

/// How long to wait for requests in flight at shutdown.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// How often queued messages are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The maximum number of frames followed at a time.
const PAGE: usize = 256;

/// Sends queued texts until `stop`, then waits for requests in flight.
pub async fn send(
    engine: Handle,
    reads: Reads,
    accounts: Accounts,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(), FollowFailed> {
    let mut follow = reads.follow().clone();
    let mut next = follow.committed().next();
    let Recovered { mut clock, mut dispatch, unsettled, mut paused } = recover(&reads).await?;
    paused.retain(|(account, _)| accounts.get(account).is_some());
    tally::paused_at_start(&paused, &readiness);
    let sender = Arc::new(Sender { engine, reads, accounts, stop: stop.clone() });
    let in_flight = TaskTracker::new();
    for (message, attempt) in unsettled {
        let sender = Arc::clone(&sender);
        in_flight.spawn(async move { sender.mark_unsettled_unknown(message, attempt).await });
    }
    let mut count = tokio::time::interval(COUNT_EVERY);
    count.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // At most one entry per request in flight, and each account limits those.
    let (report, mut unsent) = mpsc::unbounded_channel();
    loop {
        for action in dispatch.next(clock.now()) {
            let account = match action {
                Action::Start { message, .. } => dispatch.through(message).to_owned(),
                Action::Expire(_) => String::new(),
            };
            if let Action::Start { .. } = action {
                observe::permit_given(&account);
            }
            let (sender, report) = (Arc::clone(&sender), report.clone());
            in_flight.spawn(async move {
                if let Some(unsent) = sender.act(action).await {
                    let _stopping = report.send((unsent, account));
                }
            });
        }
        let due = dispatch.due().map(|due| clock.began + due);
        tokio::select! {
            () = stop.cancelled() => break,
            committed = follow.wait_for(next) => {
                committed?;
                let directory = sender.reads.directory();
                for frame in page(&follow, next).await? {
                    next = frame.position.next();
                    clock.not_before(frame.at);
                    dispatch.follow(&frame, clock.now());
                    tally::frame(&frame, &directory, &sender.accounts, &readiness);
                }
            }
            _ = count.tick() => {
                let accounts = sender.accounts.names();
                tally::backlog(&dispatch, &accounts, clock.now());
                tally::suspensions(&dispatch, &accounts, &readiness);
            }
            Some((unsent, account)) = unsent.recv() => match unsent {
                Unsent::Cancelled(message) => {
                    observe::permit_unused(&account, Unused::Cancelled);
                    dispatch.cancelled(message, clock.now());
                }
                Unsent::EngineBusy(message) => {
                    observe::permit_unused(&account, Unused::EngineBusy);
                    dispatch.engine_busy(message, clock.now());
                }
                Unsent::Suspended(message) => {
                    observe::permit_unused(&account, Unused::Suspended);
                    dispatch.engine_busy(message, clock.now());
                }
            },
            () = sleep_until(due) => {}
        }
    }
    in_flight.close();
    // A request unanswered by then is unknown after the next start; a receipt may still settle it.
    let _late = tokio::time::timeout(STOP_WITHIN, in_flight.wait()).await;
    Ok(())
}

pub(super) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The next frames. Frames no longer in memory are read from files, on a blocking thread.
pub(super) async fn page(follow: &Follow, from: Position) -> Result<Vec<Arc<CommittedFrame>>, FollowFailed> {
    if let Some(frames) = follow.recent(from, PAGE) {
        return Ok(frames);
    }
    let follow = follow.clone();
    tokio::task::spawn_blocking(move || follow.read(from, PAGE)).await.map_err(|_| FollowFailed::Stopped)?
}

/// Monotonic and wall time with a common start. Messages are timed by the journal, which continues when the wall clock
/// is set back; on the wall clock alone, retries and lanes would wait until it has caught up (G13).
pub(super) struct Clock {
    pub(super) began: Instant,
    journal: WallClock,
}

impl Clock {
    /// A clock that starts at the current wall time.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), journal: WallClock::new() }
    }

    /// A clock that follows the journal, which is now at `at`. The journal decides whether a clock jump is accepted.
    pub(super) fn of_the_journal(at: Timestamp) -> Self {
        Self { began: Instant::now(), journal: WallClock::following(at) }
    }

    pub(super) fn now(&mut self) -> Moment {
        Moment { elapsed: self.began.elapsed(), wall: self.journal.now() }
    }

    /// The journal has reached `at`.
    pub(super) fn not_before(&mut self, at: Timestamp) {
        self.journal.not_before(at);
    }
}

/// The state from which the dispatcher resumes.
struct Recovered {
    clock: Clock,
    /// The lanes, restored from the index.
    dispatch: Dispatch,
    /// Attempts that were recorded and never settled.
    unsettled: Vec<(MessageId, u32)>,
    /// Paused accounts, each with the cause.
    paused: Vec<(String, Cause)>,
}

async fn recover(reads: &Reads) -> Result<Recovered, FollowFailed> {
    let reads = reads.clone();
    let recovered = tokio::task::spawn_blocking(move || {
        reads.ask(|view| {
            let started_at = view.gateway().started_at;
            let mut clock = Clock::of_the_journal(started_at);
            let now = clock.now();
            let (dispatch, unsettled) = Dispatch::recover(view, reads.directory(), now);
            let failing = view.failing_accounts().into_iter();
            let paused = failing.filter(|(_, state, _)| state.paused.is_some());
            let paused = paused.map(|(account, _, cause)| (account, cause.unwrap_or_default())).collect();
            Recovered { clock, dispatch, unsettled, paused }
        })
    });
    let recovered = recovered.await.map_err(|_| FollowFailed::Stopped)?;
    recovered.map_err(|failed| FollowFailed::Rows(failed.to_string()))
}

/// A message with a permit whose attempt was not started.
enum Unsent {
    /// The message must not be sent any more.
    Cancelled(MessageId),
    /// The engine was too busy.
    EngineBusy(MessageId),
    /// Its number or account was suspended meanwhile; the frame that says so is about to be followed.
    Suspended(MessageId),
}

struct Sender {
    engine: Handle,
    reads: Reads,
    accounts: Accounts,
    stop: CancellationToken,
}

impl Sender {
    /// Performs an action; returns the message if its attempt was not started.
    async fn act(self: &Arc<Self>, action: Action) -> Option<Unsent> {
        match action {
            Action::Expire(message) => {
                // If this fails, the lane requests the expiry again.
                let _reply = self.engine.submit(Command::Expire(message), PATIENCE).await;
                None
            }
            Action::Start { message, lane_empty_at, account_empty_at } => {
                if self.stop.is_cancelled() {
                    return None;
                }
                let start = Command::StartSend { message, lane_empty_at, account_empty_at };
                match self.engine.submit(start, PATIENCE).await {
                    Ok(Reply::Started { message }) => {
                        self.attempt(*message).await;
                        None
                    }
                    Ok(Reply::Suspended) => Some(Unsent::Suspended(message)),
                    Ok(_) => Some(Unsent::Cancelled(message)),
                    Err(SubmitError::Busy | SubmitError::TooLate) => Some(Unsent::EngineBusy(message)),
                    // After a restart the message is still queued, or unknown if its start was recorded.
                    Err(SubmitError::Stopped) => None,
                }
            }
        }
    }

    async fn mark_unsettled_unknown(&self, message: MessageId, attempt: u32) {
        self.settle(message, attempt, Settled { outcome: Outcome::Interrupted, status: None, detail: None }).await;
    }

    async fn attempt(self: &Arc<Self>, message: Message) {
        let (id, account) = (message.id, message.account.clone());
        let attempt = u32::try_from(message.attempts.len()).unwrap_or(u32::MAX);
        // A panicking task may have written to the carrier already, and its slot there must be freed.
        let sender = Arc::clone(self);
        let task = tokio::spawn(async move { sender.hand_over(&message, attempt).await });
        let settled = task.await.unwrap_or_else(|_panicked| Settled {
            outcome: Outcome::Unknown,
            status: None,
            detail: Some("the attempt panicked (bug)".to_owned()),
        });
        // A text that was erased meanwhile was not handed over.
        if !matches!(settled.outcome, Outcome::Refused { code: FailureCode::CancelledByRequest, .. }) {
            observe::attempt(&account, settled.outcome.kind(), settled.detail.as_deref().unwrap_or_default());
        }
        self.settle(id, attempt, settled).await;
    }

    async fn settle(&self, message: MessageId, attempt: u32, settled: Settled) {
        loop {
            let settle = Command::Settle { message, attempt, settled: settled.clone() };
            match self.engine.submit(settle, PATIENCE).await {
                Err(SubmitError::Busy | SubmitError::TooLate) => tokio::time::sleep(SETTLE_AGAIN).await,
                // The outcome is lost only when the engine has stopped; after the restart the attempt is unknown.
                Ok(_) | Err(SubmitError::Stopped) => return,
            }
        }
    }

    async fn hand_over(&self, message: &Message, attempt: u32) -> Settled {
        let Some(account) = self.accounts.get(&message.account) else {
            return refused(FailureCode::CarrierRejected, "no account of that name is configured");
        };
        let text = match self.text(message.id).await {
            Ok(text) => text,
            Err(why) => {
                return Settled { outcome: Outcome::NeverWritten, status: None, detail: Some(why.to_string()) };
            }
        };
        let to = message.theirs.kept().and_then(|address| address.number());
        let (Some(text), Some(to)) = (text, to) else {
            return refused(FailureCode::CancelledByRequest, "the text was erased while it was queued");
        };
        let outbound = Outbound {
            message: message.id,
            attempt: u16::try_from(attempt).unwrap_or(u16::MAX),
            refused_before: refused_before(message),
            from: message.ours,
            to,
            text,
            valid_for_secs: valid_for_secs(message),
        };
        account.handover.hand_over(outbound).await
    }

    async fn text(&self, message: MessageId) -> Result<Option<String>, FollowFailed> {
        if self.reads.follow().recent(message.position(), 1).is_some() {
            return self.reads.text(message);
        }
        let reads = self.reads.clone();
        tokio::task::spawn_blocking(move || reads.text(message)).await.map_err(|_| FollowFailed::Stopped)?
    }
}

/// The attempts whose answers say that the request was read and the text not accepted: not those that failed on the way,
/// after which it may have been.
fn refused_before(message: &Message) -> u16 {
    let refused = message.attempts.iter().filter(|attempt| {
        let read = attempt.status.is_some_and(|status| (200..300).contains(&status));
        read && matches!(attempt.outcome, AttemptOutcome::Later | AttemptOutcome::AccountRefused)
    });
    u16::try_from(refused.count()).unwrap_or(u16::MAX)
}

/// How long the carrier may keep trying, measured from the start of the attempt. Both times are the journal's, so
/// setting the wall clock back does not extend it.
fn valid_for_secs(message: &Message) -> u32 {
    let began = message.attempts.last().map_or(message.created_at, |attempt| attempt.at);
    u32::try_from(message.expires_at.since(began).as_secs()).unwrap_or(u32::MAX)
}

fn refused(code: FailureCode, detail: &str) -> Settled {
    let outcome = Outcome::Refused { code, carrier_code: None };
    Settled { outcome, status: None, detail: Some(detail.to_owned()) }
}
