//! Asks the carriers about our numbers: daily, and when an administrator wants to know (R30, A39, A40).
//!
//! Invariant: only a carrier's answer changes a number's verification. Without one nothing changes, and the number stays
//! due.

mod checks;

pub use checks::{ACCOUNT_IN_FLIGHT_MAX, Ask, Checks, Ended, IN_FLIGHT_MAX, START_EVERY};

use super::Accounts;
use super::http_carrier::NoAnswer;
use super::sender::{Clock, sleep_until};
use crate::engine::{FollowFailed, Handle, Reads, SubmitError};
use crate::machine::command::{Command, Reply};
use crate::machine::event::VerifiedNumber;
use crate::machine::view::{SendingQueries, View};
use crate::model::{Directory, E164, Timestamp, Verification, VerificationCode, VerificationState};
use crate::observe::{self, CheckOutcome};
use crate::rules::verification::due;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the directory is searched for numbers whose last check is too long ago.
const SEARCH_EVERY: Duration = Duration::from_secs(30);

/// Requests of administrators that are answered at once; as many again wait for their turn.
const REQUESTS_MAX: usize = 8;

/// How long an answer may wait for the engine.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much later than promised the worker may reply.
const GRACE: Duration = Duration::from_secs(2);

/// Asks the worker to verify numbers. Clones ask the same one.
#[derive(Clone, Debug)]
pub struct Verifier(mpsc::Sender<Request>);

/// The requests of all [`Verifier`]s.
pub struct Requests(mpsc::Receiver<Request>);

/// A request to verify numbers.
#[derive(Debug)]
struct Request {
    numbers: Vec<E164>,
    until: Instant,
    reply: oneshot::Sender<Vec<VerifiedNumber>>,
}

/// Why a request to verify numbers was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// Too many such requests wait.
    #[error("too many requests to verify numbers wait")]
    TooMany,
    /// The worker has ended.
    #[error("the gateway is shutting down")]
    Stopping,
}

impl Verifier {
    /// A verifier, and what the worker answers it by.
    pub fn new() -> (Self, Requests) {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self(sender), Requests(receiver))
    }

    /// A verifier without a worker, which refuses every request.
    pub fn stopped() -> Self {
        Self::new().0
    }

    /// Asks the carriers about each of the numbers, and returns the results in the same order, at the latest after
    /// `within` and `GRACE`. Answers are stored by then.
    pub async fn verify(&self, numbers: Vec<E164>, within: Duration) -> Result<Vec<VerifiedNumber>, NotAsked> {
        let (reply, replying) = oneshot::channel();
        let request = Request { numbers, until: Instant::now() + within, reply };
        self.0.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotAsked::TooMany,
            mpsc::error::TrySendError::Closed(_) => NotAsked::Stopping,
        })?;
        // The request may wait for its turn; its deadline runs meanwhile.
        match tokio::time::timeout(within + GRACE, replying).await {
            Ok(replied) => replied.map_err(|_| NotAsked::Stopping),
            Err(_late) => Err(NotAsked::TooMany),
        }
    }
}

/// Verifies numbers until `stop`; look-ups in flight are dropped then, as their numbers stay due.
pub async fn verify(
    engine: Handle,
    reads: Reads,
    accounts: Accounts,
    requests: Requests,
    stop: CancellationToken,
) -> Result<(), FollowFailed> {
    let Requests(mut requests) = requests;
    let mut worker = Worker {
        clock: None,
        began: Instant::now(),
        checks: Checks::default(),
        looking_up: JoinSet::new(),
        numbers: HashMap::new(),
        waiting: Vec::new(),
        engine,
        reads,
        accounts,
    };
    let mut search = interval(SEARCH_EVERY);
    search.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        worker.begin();
        let wake_at = worker.wake_at();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = search.tick() => worker.search().await?,
            Some(request) = requests.recv(), if worker.waiting.len() < REQUESTS_MAX => worker.take(request),
            Some(ended) = worker.looking_up.join_next_with_id() => worker.ended(ended),
            () = sleep_until(wake_at) => {}
        }
        worker.reply();
    }
}

/// The end of a look-up's task.
type Joined = Result<(Id, Result<Verification, NoAnswer>), tokio::task::JoinError>;

struct Worker {
    engine: Handle,
    reads: Reads,
    accounts: Accounts,
    /// The journal's time, once it was read.
    clock: Option<Clock>,
    began: Instant,
    checks: Checks,
    looking_up: JoinSet<Result<Verification, NoAnswer>>,
    /// What each task looks up.
    numbers: HashMap<Id, Ask>,
    waiting: Vec<Waiting>,
}

/// An administrator's request that is not answered yet.
struct Waiting {
    request: Request,
    /// The numbers that are ours and not answered for, each with why it was not so far.
    missing: BTreeMap<E164, Option<String>>,
    /// What became of the others.
    ended: BTreeMap<E164, Result<VerifiedNumber, NoAnswer>>,
}

/// What a search found.
#[derive(Default, Debug)]
pub struct Found {
    /// The numbers to ask about, the longest due first.
    pub due: Vec<Ask>,
    /// The failed numbers of each account.
    pub failed: BTreeMap<String, usize>,
}

impl Worker {
    /// Begins the look-ups that may begin.
    fn begin(&mut self) {
        for ask in self.checks.next(self.began.elapsed()) {
            let (engine, accounts) = (self.engine.clone(), self.accounts.clone());
            let task = self.looking_up.spawn(look_up(engine, accounts, ask.clone()));
            self.numbers.insert(task.id(), ask);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let checks = self.checks.wake_at().map(|at| self.began + at);
        let waiting = self.waiting.iter().map(|waiting| waiting.request.until);
        checks.into_iter().chain(waiting).min()
    }

    /// Searches the directory for numbers that are due.
    async fn search(&mut self) -> Result<(), FollowFailed> {
        let now = self.journal_time().await?;
        let reads = self.reads.clone();
        let found = tokio::task::spawn_blocking(move || reads.ask(|view| find(view, now))).await;
        // Rows that cannot be read are rebuilt meanwhile; the next search finds what this one did not.
        let Ok(Ok(Found { due, failed })) = found else { return Ok(()) };
        self.checks.set_due(due);
        for account in self.accounts.names() {
            observe::numbers_failed(&account, failed.get(&account).copied().unwrap_or_default());
        }
        Ok(())
    }

    /// The journal's time, which continues when the machine's clock jumps.
    async fn journal_time(&mut self) -> Result<Timestamp, FollowFailed> {
        let follow = self.reads.follow().clone();
        let last = tokio::task::spawn_blocking(move || follow.frame(follow.committed())).await;
        let last = last.map_err(|_| FollowFailed::Stopped)?.ok().flatten().map(|frame| frame.at);
        let clock = self.clock.get_or_insert_with(|| last.map_or_else(Clock::new, Clock::of_the_journal));
        last.into_iter().for_each(|at| clock.not_before(at));
        Ok(clock.now().wall)
    }

    fn take(&mut self, request: Request) {
        let directory = self.reads.directory();
        let until = request.until.saturating_duration_since(self.began);
        let mut missing = BTreeMap::new();
        for number in &request.numbers {
            let Some(account) = directory.account_of(*number) else { continue };
            if missing.insert(*number, None).is_none() {
                self.checks.want(Ask { number: *number, account: account.to_owned() }, until);
            }
        }
        self.waiting.push(Waiting { request, missing, ended: BTreeMap::new() });
    }

    fn ended(&mut self, joined: Joined) {
        let (id, looked_up) = match joined {
            Ok(ended) => ended,
            Err(panicked) => (panicked.id(), Err(NoAnswer::lasting("the look-up panicked (bug)"))),
        };
        let Some(Ask { number, account }) = self.numbers.remove(&id) else { return };
        let (outcome, ended) = match &looked_up {
            Ok(verification) if verification.state == VerificationState::Verified => {
                (CheckOutcome::Verified, Ended::Answered)
            }
            Ok(_) => (CheckOutcome::Failed, Ended::Answered),
            Err(NoAnswer { retryable, retry_after, .. }) => {
                (CheckOutcome::NoAnswer, Ended::NoAnswer { retryable: *retryable, retry_after: *retry_after })
            }
        };
        let reason = match &looked_up {
            Ok(verification) => verification.reason.as_deref(),
            Err(no_answer) => Some(no_answer.reason.as_str()),
        };
        observe::number_checked(&account, number, outcome, reason.unwrap_or_default());
        let is_retried = self.checks.ended(number, ended, self.began.elapsed());
        self.waiting.iter_mut().for_each(|waiting| waiting.ended(number, &looked_up, is_retried));
    }

    /// Answers the requests whose numbers are all answered for, or whose time is up.
    fn reply(&mut self) {
        let now = Instant::now();
        let is_done = |waiting: &mut Waiting| {
            waiting.missing.is_empty() || waiting.request.until <= now || waiting.request.reply.is_closed()
        };
        let done: Vec<_> = self.waiting.extract_if(.., is_done).collect();
        for waiting in done {
            let results = waiting.results(&self.reads.directory());
            // Nobody may wait for it any more.
            let _gone = waiting.request.reply.send(results);
        }
    }
}

impl Waiting {
    fn ended(&mut self, number: E164, looked_up: &Result<Verification, NoAnswer>, is_retried: bool) {
        let Some(why) = self.missing.get_mut(&number) else { return };
        let ended = match looked_up {
            Ok(Verification { state, code, reason, .. }) => {
                Ok(VerifiedNumber { number, state: *state, code: *code, reason: reason.clone() })
            }
            Err(NoAnswer { reason, .. }) if is_retried => {
                *why = Some(reason.clone());
                return;
            }
            Err(no_answer) => Err(no_answer.clone()),
        };
        self.missing.remove(&number);
        self.ended.insert(number, ended);
    }

    /// The result of each number, in the order asked for.
    fn results(&self, directory: &Directory) -> Vec<VerifiedNumber> {
        let result = |number: &E164| {
            let Some(known) = directory.numbers.get(number) else {
                let reason = "it is not one of our numbers: add it with PUT /v1/numbers/{e164}, then verify it";
                return VerifiedNumber {
                    number: *number,
                    state: VerificationState::Failed,
                    code: Some(VerificationCode::NotFound),
                    reason: Some(reason.to_owned()),
                };
            };
            let (code, reason) = match (self.ended.get(number), self.missing.get(number)) {
                (Some(Ok(answer)), _) => return answer.clone(),
                (Some(Err(NoAnswer { reason, retryable: false, .. })), _) => {
                    let reason = format!("{reason}, then verify it again; until then it keeps its state");
                    (VerificationCode::CannotCheck, reason)
                }
                (Some(Err(NoAnswer { reason, .. })), _) | (None, Some(Some(reason))) => {
                    let reason = format!("the carrier gave no answer ({reason}): it keeps its state, verify it again");
                    (VerificationCode::NoAnswer, reason)
                }
                (None, _) => {
                    let reason = "the carrier was not asked in time: it keeps its state, verify it again";
                    (VerificationCode::NoAnswer, reason.to_owned())
                }
            };
            let state = known.verification.state;
            VerifiedNumber { number: *number, state, code: Some(code), reason: Some(reason) }
        };
        self.request.numbers.iter().map(result).collect()
    }
}

/// Finds the numbers that are due at `now` by the journal's clock, and counts those that failed.
pub fn find(view: &impl View, now: Timestamp) -> Found {
    let checked: HashMap<_, _> = view.checked_numbers().collect();
    let directory = view.directory();
    let mut due_since = Vec::new();
    let mut failed: BTreeMap<String, usize> = BTreeMap::new();
    for (number, entry) in &directory.numbers {
        let checked_at = checked.get(number).filter(|checked| checked.account == entry.account);
        let checked_at = checked_at.map(|checked| checked.at);
        if due(&entry.verification, checked_at, now) {
            due_since.push((checked_at, Ask { number: *number, account: entry.account.clone() }));
        }
        if entry.verification.state == VerificationState::Failed {
            *failed.entry(entry.account.clone()).or_default() += 1;
        }
    }
    due_since.sort_by_key(|(checked_at, _)| *checked_at);
    Found { due: due_since.into_iter().map(|(_, ask)| ask).collect(), failed }
}

/// Asks a number's carrier, and stores the answer.
async fn look_up(engine: Handle, accounts: Accounts, Ask { number, account }: Ask) -> Result<Verification, NoAnswer> {
    let Some(known) = accounts.get(&account) else {
        let why = format!("no account {account:?} is configured: add it, or correct the number's `account`");
        return Err(NoAnswer::lasting(why));
    };
    let Some(look_ups) = &known.look_ups else {
        return Err(NoAnswer::lasting("its carrier does not say which numbers it has: use an account of another"));
    };
    let said = look_ups.ask(number).await?;
    let address = look_ups.messages_url().to_owned();
    let command = Command::NumberChecked { number, account, said, address };
    match engine.submit(command, PATIENCE).await {
        Ok(Reply::Verification(verification)) => Ok(*verification),
        Ok(Reply::Refused(refusal)) => Err(NoAnswer::passing(refusal.detail)),
        Ok(_) => Err(NoAnswer::passing("the engine's reply does not match (bug)")),
        Err(SubmitError::Busy | SubmitError::TooLate) => Err(NoAnswer::passing("the gateway is busy")),
        Err(SubmitError::Stopped) => Err(NoAnswer::passing("the gateway is stopping")),
    }
}
