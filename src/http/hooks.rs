//! The carriers' door: webhook in, durable record out.
//!
//! Invariant: a carrier gets a 2xx only for a webhook whose every item is on disk. After a 2xx the carrier does not
//! retry, so acknowledging too early would lose a message. Our own failures are 5xx and never 4xx, because some
//! carriers do not retry after a 4xx either.

mod budget;
mod outcome;
#[cfg(test)]
mod tests;
mod unknown;

use self::budget::{Budget, Unverified};
use self::unknown::Unknown;
use super::answer::{encoded, internal, problem};
use crate::carrier::{BadSignature, Dialect, Webhook};
use crate::engine::{Handle, SubmitError, Urgency};
use crate::machine::command::{Command, IntakeOutcome, Reply};
use crate::model::{InboundItem, Timestamp};
use crate::net::{BodyRefused, ClientAddress, read_body};
use crate::observe::{self, Door, NotReady, Readiness, WebhookOutcome};
use crate::rules::refusal::{Code, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// How long an item may wait for the engine. Below [`ANSWER_WITHIN`], so that most items answered 503 were not
/// committed.
const DECIDED_WITHIN: Duration = Duration::from_millis(1_200);

/// From the complete body to the response. A carrier gets its 503 within 1.5 s, before its own timeout; the difference
/// is slack for a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_300);

/// A carrier account whose webhooks this door accepts.
pub struct HookAccount {
    /// Its message formats and signatures.
    pub dialect: Arc<dyn Dialect>,
    /// Until then a webhook with a bad signature is counted and accepted (A59).
    pub report_only_until: Option<Timestamp>,
}

/// The carriers' door: its accounts and a handle to the engine.
pub struct Hooks {
    accounts: HashMap<String, Arc<Account>>,
    engine: Handle,
    readiness: Readiness,
    tasks: TaskTracker,
    budget: Arc<Budget>,
    clock: fn() -> Timestamp,
}

struct Account {
    name: Arc<str>,
    dialect: Arc<dyn Dialect>,
    report_only_until: Option<Timestamp>,
}

/// The outcome of a webhook, for the metric, and its response.
type Handled = (WebhookOutcome, Response);

impl Hooks {
    /// A door for these accounts, by name. Work that has begun runs to its end in `tasks`, even if the carrier
    /// disconnects.
    pub fn new(
        accounts: HashMap<String, HookAccount>,
        engine: Handle,
        readiness: Readiness,
        tasks: TaskTracker,
    ) -> Self {
        let accounts = accounts
            .into_iter()
            .map(|(name, HookAccount { dialect, report_only_until })| {
                let account = Account { name: name.as_str().into(), dialect, report_only_until };
                (name, Arc::new(account))
            })
            .collect();
        Self { accounts, engine, readiness, tasks, budget: Arc::default(), clock: super::wall_clock }
    }

    /// The HTTP service. Requests carry their [`ClientAddress`] as an extension.
    pub fn router(self) -> Router {
        let hooks = Arc::new(self);
        Router::new().fallback(move |request: Request| Arc::clone(&hooks).answer(request))
    }

    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let Some(account) = account_in(request.uri().path()).and_then(|name| self.accounts.get(name)).cloned() else {
            observe::webhook(None, WebhookOutcome::UnknownAccount);
            let unknown = Unknown::of(request.uri().path(), self.accounts.keys().map(String::as_str));
            observe::unknown_webhook(&unknown.path, unknown.nearest);
            let detail = "no such account: webhooks go to /carriers/{account}/messages and .../receipts";
            return problem(&Refusal::new(Code::NotFound, detail));
        };
        let (outcome, answer) = self.receive(&account, request).await;
        observe::webhook(Some(&account.name), outcome);
        answer
    }

    async fn receive(self: Arc<Self>, account: &Arc<Account>, request: Request) -> Handled {
        let (head, body) = request.into_parts();
        if !matches!(head.method, Method::POST | Method::GET) {
            return (WebhookOutcome::NotAWebhook, wrong_method());
        }
        if let Err(refusal) = encoded(&head.headers) {
            return (WebhookOutcome::NotAWebhook, problem(&refusal));
        }
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return storage_unavailable();
        }
        let body = match read_body(body, account.dialect.body_max_bytes()).await {
            Ok(body) => body,
            Err(refused) => return unread(refused, account.dialect.body_max_bytes()),
        };
        let path_and_query = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let from = head.extensions.get::<ClientAddress>().map(|ClientAddress(client)| *client);
        let hook = Webhook { method: head.method, path_and_query, headers: head.headers, body };

        // hyper drops this future when the carrier disconnects. The work runs as its own task, so a commit that has
        // begun completes, and the carrier's retry is deduplicated.
        let unverified = self.budget.arrived();
        let work = self.tasks.spawn(Arc::clone(&self).take_in(Arc::clone(account), hook, from, unverified));
        match tokio::time::timeout(ANSWER_WITHIN, work).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_panicked)) => {
                observe::request_panicked(Door::Carriers);
                (WebhookOutcome::Overloaded, problem(&internal()))
            }
            Err(_late) => overloaded(),
        }
    }

    async fn take_in(
        self: Arc<Self>,
        account: Arc<Account>,
        hook: Webhook,
        from: Option<IpAddr>,
        unverified: Unverified,
    ) -> Handled {
        let from = from.filter(|_| !self.only_reports(&account));
        if from.is_some_and(|from| self.budget.sheds(&account.name, from, Instant::now())) {
            // The signature was not checked, so it may be valid: only a 503 makes the carrier retry.
            return (WebhookOutcome::Shed, overloaded().1);
        }
        let reported = match self.verify(&account, &hook, from) {
            Ok(()) => false,
            Err(_) if self.only_reports(&account) => true,
            Err(why) => return (WebhookOutcome::BadSignature, account.dialect.refuse(why).map(Body::from)),
        };
        drop(unverified);
        let items = account.dialect.parse(&hook).unwrap_or_else(|unreadable| vec![unreadable.into()]);
        // With low disk space, receipts are still accepted and new messages are not.
        let is_new = |item: &InboundItem| matches!(item, InboundItem::Message(_) | InboundItem::Unreadable { .. });
        if self.readiness.holds(NotReady::LowDisk) && items.iter().any(is_new) {
            return storage_unavailable();
        }
        match self.submit_all(&account, items, &hook).await {
            Ok(outcomes) => {
                let outcome = if reported { WebhookOutcome::Reported } else { outcome::of(&outcomes) };
                (outcome, account.dialect.ack().map(Body::from))
            }
            // Busy, too late or stopping: items that were committed anyway are deduplicated at the carrier's retry.
            Err(_) => overloaded(),
        }
    }

    fn verify(&self, account: &Account, hook: &Webhook, from: Option<IpAddr>) -> Result<(), BadSignature> {
        account.dialect.verify(hook, (self.clock)()).inspect_err(|why| {
            let why = match why {
                BadSignature::Missing => "missing",
                BadSignature::Wrong => "wrong",
                BadSignature::Stale => "stale",
            };
            observe::bad_signature(&account.name, why, &account.dialect.signed_url(hook));
            if let Some(from) = from {
                self.budget.charge(&account.name, from, Instant::now());
            }
        })
    }

    fn only_reports(&self, account: &Account) -> bool {
        account.report_only_until.is_some_and(|until| (self.clock)() < until)
    }

    /// Submits all items at once, in the carrier's order. Returns their outcomes once all are durable.
    async fn submit_all(
        &self,
        account: &Account,
        items: Vec<InboundItem>,
        hook: &Webhook,
    ) -> Result<Vec<IntakeOutcome>, SubmitError> {
        let kinds: Vec<_> = items.iter().map(outcome::Item::of).collect();
        let replies = all(items.into_iter().map(|item| self.submit(account, item)).collect()).await;

        let mut outcomes = Vec::with_capacity(replies.len());
        let mut too_large = false;
        for (kind, reply) in kinds.into_iter().zip(replies) {
            match reply? {
                Reply::InboundItem(outcome) => {
                    outcome::count(&account.name, &kind, outcome);
                    outcomes.push(outcome);
                }
                _ => too_large = true,
            }
        }
        if too_large {
            // An item whose rows would be too large was refused whole. A 2xx must mean durable, so its bytes are
            // quarantined.
            let problem = "an item is too large to store".to_owned();
            let item = InboundItem::Unreadable { raw: hook.content().to_vec(), problem };
            let kind = outcome::Item::of(&item);
            match self.submit(account, item).await? {
                Reply::InboundItem(outcome) => {
                    outcome::count(&account.name, &kind, outcome);
                    outcomes.push(outcome);
                }
                _ => return Err(SubmitError::Busy),
            }
        }
        Ok(outcomes)
    }

    fn submit(&self, account: &Account, item: InboundItem) -> Submission {
        let urgency = match item {
            InboundItem::Receipt(_) => Urgency::Urgent,
            InboundItem::Message(_) | InboundItem::Unreadable { .. } | InboundItem::Ignored { .. } => Urgency::Ordinary,
        };
        let command = Command::InboundItem { account: account.name.to_string(), item };
        let engine = self.engine.clone();
        Box::pin(async move { engine.submit(command, urgency, DECIDED_WITHIN).await })
    }
}

type Submission = Pin<Box<dyn Future<Output = Result<Reply, SubmitError>> + Send>>;

/// Awaits all submissions and returns their results in order. All are polled in order before any is awaited, because a
/// command enters its queue at the first poll.
async fn all(mut submissions: Vec<Submission>) -> Vec<Result<Reply, SubmitError>> {
    let mut answers: Vec<_> = submissions.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (submission, answer) in submissions.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = submission.as_mut().poll(cx)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// The account's name in `/carriers/{account}/messages` or `.../receipts`; a trailing slash is ignored. Both paths
/// accept messages and receipts.
fn account_in(path: &str) -> Option<&str> {
    let (account, kind) = path.trim_end_matches('/').strip_prefix("/carriers/")?.split_once('/')?;
    matches!(kind, "messages" | "receipts").then_some(account)
}

fn wrong_method() -> Response {
    let mut answer =
        problem(&Refusal::new(Code::MethodNotAllowed, "webhooks use POST, or GET if the carrier is configured so"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    answer
}

fn unread(refused: BodyRefused, max_bytes: usize) -> Handled {
    match refused {
        BodyRefused::TooLarge => {
            let detail = format!("this carrier's webhooks may have at most {max_bytes} bytes");
            (WebhookOutcome::TooLarge, problem(&Refusal::new(Code::BodyTooLarge, detail)))
        }
        BodyRefused::AtCapacity => overloaded(),
        BodyRefused::TooSlow | BodyRefused::Cut => {
            // Nothing was stored, and some carriers do not retry after a 408.
            let detail = "the body was incomplete or too slow; retry";
            (WebhookOutcome::TooSlow, problem(&Refusal::new(Code::Overloaded, detail)))
        }
    }
}

fn storage_unavailable() -> Handled {
    let detail = "storage is unavailable or full; nothing was stored, retry";
    (WebhookOutcome::Overloaded, problem(&Refusal::new(Code::StorageUnavailable, detail)))
}

fn overloaded() -> Handled {
    let detail = "the gateway is overloaded; retry";
    (WebhookOutcome::Overloaded, problem(&Refusal::new(Code::Overloaded, detail)))
}
