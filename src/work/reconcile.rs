//! Reads carriers' lists of messages for what never arrived, because the gateway was away.
//!
//! Invariant: a reconciliation is recorded before it begins and until its list was read to the end, so a stop only delays it.
//! What it takes in has the claim of its webhook, so nothing comes twice.

mod reading;

pub use reading::{Progress, REACH, Reading, State, Step};

use super::http_carrier::{ListAnswer, NoAnswer};
use super::sender::sleep_until;
use super::{Accounts, Intake, NotTaken};
use crate::carrier::Listed;
use crate::engine::{FollowFailed, Handle, Reads, SubmitError, wall};
use crate::machine::command::{Command, Reply};
use crate::machine::state::Reconciliation;
use crate::machine::view::Queries;
use crate::model::Timestamp;
use crate::observe;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A gateway that showed no sign of life for longer than this was down: carriers repeat what fails for less, or hardly at
/// all.
const DOWN_MIN: Duration = Duration::from_secs(60);

/// How much before the last sign of life a list is read: webhooks that were under way, and clocks that differ.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// Requests and commands under way at once, of all accounts.
const IN_FLIGHT_MAX: usize = 4;

/// How long a command may wait for the engine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The wait before the end of a reconciliation is submitted again.
const END_AGAIN: Duration = Duration::from_secs(1);

/// The time to read lists from when a gateway starts, by the clock that `now` and `last_seen` are of. `None` if it was not
/// down: a new gateway has no `last_seen`.
pub fn down_since(last_seen: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let last_seen = last_seen.filter(|last_seen| now.since(*last_seen) > DOWN_MIN)?;
    Some((last_seen - MARGIN).max(now - REACH))
}

/// Has lists read, and knows how far that is. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Reconciler {
    begun: Arc<Notify>,
    progress: Arc<Mutex<BTreeMap<String, Progress>>>,
}

impl Reconciler {
    /// A reconciliation was recorded: the worker begins it.
    pub fn begin(&self, account: &str, begun: Reconciliation) {
        self.set(account, Progress::begun(begun));
        self.begun.notify_one();
    }

    /// How far the last reconciliation of an account is; `None` without one since the gateway started.
    pub fn progress(&self, account: &str) -> Option<Progress> {
        self.lock().get(account).cloned()
    }

    fn set(&self, account: &str, progress: Progress) {
        let mut all = self.lock();
        // A newer one may have been begun meanwhile.
        if all.get(account).is_none_or(|known| known.begun.at <= progress.begun.at) {
            all.insert(account.to_owned(), progress);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What reconciliations work with.
#[derive(Clone)]
pub struct ReconcileParts {
    /// Decides what is known.
    pub engine: Handle,
    /// Knows what was begun.
    pub reads: Reads,
    /// The accounts.
    pub accounts: Accounts,
    /// Takes in what is missing.
    pub intake: Intake,
    /// Tells what is begun.
    pub reconciler: Reconciler,
}

/// Reads the lists of all reconciliations that were recorded and are not done, until `stop`.
pub async fn reconcile(parts: ReconcileParts, stop: CancellationToken) -> Result<(), FollowFailed> {
    let begun = Arc::clone(&parts.reconciler.begun);
    let mut worker = Worker {
        parts,
        permits: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        began: Instant::now(),
        tasks: JoinSet::new(),
        running: HashMap::new(),
    };
    loop {
        worker.begin().await?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = begun.notified() => {}
            Some(_ended) = worker.tasks.join_next() => {}
        }
    }
}

struct Worker {
    parts: ReconcileParts,
    permits: Arc<Semaphore>,
    began: Instant,
    tasks: JoinSet<()>,
    /// What is read now, by account.
    running: HashMap<String, (Reconciliation, AbortHandle)>,
}

impl Worker {
    /// Begins what was recorded and does not run. A newer one of an account replaces the one that runs.
    async fn begin(&mut self) -> Result<(), FollowFailed> {
        let reads = self.parts.reads.clone();
        let recorded = tokio::task::spawn_blocking(move || reads.ask(|view| view.reconciliations())).await;
        let recorded = recorded.map_err(|_panicked| FollowFailed::Stopped)?;
        // Rows that cannot be read are rebuilt meanwhile; what was begun is found at the next start.
        let Ok(recorded) = recorded else { return Ok(()) };
        // One that panicked stays, so that it is not repeated without end.
        self.running.retain(|account, _| recorded.iter().any(|(recorded, _)| recorded == account));
        for (account, begun) in recorded {
            let runs = self.running.get(&account);
            if runs.is_some_and(|(running, _)| *running == begun) || self.parts.accounts.get(&account).is_none() {
                continue;
            }
            if let Some((_, task)) = runs {
                task.abort();
            }
            let reading = Reading::new(begun, self.began.elapsed());
            let one = One { account: account.clone(), parts: self.parts.clone(), permits: Arc::clone(&self.permits) };
            let task = self.tasks.spawn(one.read(reading, self.began));
            self.running.insert(account, (begun, task));
        }
        Ok(())
    }
}

/// One reconciliation.
struct One {
    account: String,
    parts: ReconcileParts,
    permits: Arc<Semaphore>,
}

impl One {
    async fn read(self, mut reading: Reading, began: Instant) {
        let Self { account, parts, permits } = &self;
        loop {
            let step = reading.next(began.elapsed(), wall());
            parts.reconciler.set(account, reading.progress().clone());
            if let Step::Wait(until) = step {
                sleep_until(Some(began + until)).await;
                continue;
            }
            if step == Step::Done {
                break;
            }
            let Ok(_permit) = permits.acquire().await else { return };
            if let Err(no_answer) = self.go(step, &mut reading).await {
                observe::reconciliation_waits(account, &no_answer.reason);
                reading.failed(no_answer, began.elapsed(), wall());
            }
        }
        self.end(reading.progress()).await;
    }

    async fn go(&self, step: Step, reading: &mut Reading) -> Result<(), NoAnswer> {
        match step {
            Step::Read(part) => {
                let account = self.parts.accounts.get(&self.account);
                let gone = || NoAnswer::lasting("the account has no list of messages any more: check its carrier");
                let lists = account.and_then(|account| account.lists.clone()).ok_or_else(gone)?;
                match lists.read(&part).await? {
                    ListAnswer::Page(page) => reading.page(page),
                    ListAnswer::Media(media) => reading.media(media),
                }
            }
            Step::Compare(carrier_ids) => reading.compared(&self.known(carrier_ids).await?),
            Step::TakeIn(listed) => reading.taken_in(self.take_in(*listed).await?),
            Step::Wait(_) | Step::Done => {}
        }
        Ok(())
    }

    async fn known(&self, carrier_ids: Vec<String>) -> Result<Vec<bool>, NoAnswer> {
        let command = Command::FindKnown { account: self.account.clone(), carrier_ids };
        match self.parts.engine.submit(command, PATIENCE).await {
            Ok(Reply::Known(known)) => Ok(known),
            Ok(_) => Err(NoAnswer::passing("the engine's reply does not match (bug)")),
            Err(_busy) => Err(NoAnswer::passing("the gateway is busy")),
        }
    }

    async fn take_in(&self, listed: Listed) -> Result<Option<bool>, NoAnswer> {
        self.parts.intake.take_in_listed(&self.account, listed, PATIENCE).await.map_err(|not_taken| match not_taken {
            NotTaken::LowDisk => NoAnswer::passing("disk space is low: free some"),
            NotTaken::Busy => NoAnswer::passing("the gateway is busy"),
        })
    }

    /// Records the end. A gateway that stops before reads the list again at its next start.
    async fn end(&self, progress: &Progress) {
        observe::reconciled(&self.account, progress.read, progress.taken_in);
        loop {
            let (account, ended) = (self.account.clone(), progress.begun);
            match self.parts.engine.submit(Command::EndReconciliation { account, ended }, PATIENCE).await {
                Ok(_) | Err(SubmitError::Stopped) => return,
                Err(SubmitError::Busy | SubmitError::TooLate) => sleep(END_AGAIN).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_was_down_reads_lists_from_before_its_last_sign_of_life() {
        let at = |secs: u64| Timestamp::from_ms((1_000_000 + secs) * 1_000);
        let day = 24 * 60 * 60;
        assert_eq!(down_since(None, at(0)), None, "a new gateway missed nothing");
        assert_eq!(down_since(Some(at(0)), at(60)), None);
        assert_eq!(down_since(Some(at(500)), at(561)), Some(at(200)));
        assert_eq!(down_since(Some(at(0)), at(30 * day)), Some(at(23 * day)), "claims do not reach further back");
        // The clock was set back.
        assert_eq!(down_since(Some(at(1_000)), at(0)), None);
    }

    #[test]
    fn a_newer_reconciliation_is_not_hidden_by_the_progress_of_one_that_it_replaced() {
        let begun = |at| Reconciliation { since: Timestamp::from_ms(0), at: Timestamp::from_ms(at) };
        let reconciler = Reconciler::default();
        reconciler.begin("main", begun(2));
        reconciler.set("main", Progress { pages: 7, ..Progress::begun(begun(1)) });
        assert_eq!(reconciler.progress("main"), Some(Progress::begun(begun(2))));
        reconciler.set("main", Progress { pages: 1, ..Progress::begun(begun(2)) });
        assert_eq!(reconciler.progress("main").map(|progress| progress.pages), Some(1));
        assert_eq!(reconciler.progress("other"), None);
    }
}
