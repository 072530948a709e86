//! The carriers' door: webhook in, durable record out.
//!
//! Invariant: a carrier gets a 2xx only for a webhook whose every item is on disk. A 2xx ends the carrier's duty, so the
//! way to lose a message is to thank for it too early. What is our own fault is a 5xx and never a 4xx, because a 4xx
//! ends the duty of some carriers too.

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

/// How long an item may wait for its turn. Below [`ANSWER_WITHIN`], so that most of what is answered 503 was never taken.
const DECIDED_WITHIN: Duration = Duration::from_millis(1_200);

/// From the whole body to the answer. A carrier hears 503 by 1.5 s, before it gives up on us by itself; the rest is for a
/// machine that is busy.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_300);

/// An account whose webhooks come in here.
pub struct HookAccount {
    /// Its words and its signatures.
    pub dialect: Arc<dyn Dialect>,
    /// Until then a bad signature is counted and let pass (A59).
    pub report_only_until: Option<Timestamp>,
}

/// The accounts, and the way to the engine.
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

/// What became of a webhook, for the count, and its answer.
type Ended = (WebhookOutcome, Response);

impl Hooks {
    /// A door for these accounts, by their names. Work that has begun runs in `tasks` to its end, whoever leaves.
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

    /// The service to listen with. Requests carry their [`ClientAddress`].
    pub fn router(self) -> Router {
        let hooks = Arc::new(self);
        Router::new().fallback(move |request: Request| Arc::clone(&hooks).answer(request))
    }

    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let Some(account) = account_in(request.uri().path()).and_then(|name| self.accounts.get(name)).cloned() else {
            observe::webhook(None, WebhookOutcome::UnknownAccount);
            let unknown = Unknown::of(request.uri().path(), self.accounts.keys().map(String::as_str));
            observe::unknown_webhook(&unknown.path, unknown.nearest);
            let detail = "there is no such account: webhooks go to /carriers/{account}/messages and .../receipts";
            return problem(&Refusal::new(Code::NotFound, detail));
        };
        let (outcome, answer) = self.receive(&account, request).await;
        observe::webhook(Some(&account.name), outcome);
        answer
    }

    async fn receive(self: Arc<Self>, account: &Arc<Account>, request: Request) -> Ended {
        let (head, body) = request.into_parts();
        if !matches!(head.method, Method::POST | Method::GET) {
            return (WebhookOutcome::NotAWebhook, wrong_method());
        }
        if let Err(refusal) = encoded(&head.headers) {
            return (WebhookOutcome::NotAWebhook, problem(&refusal));
        }
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return no_room();
        }
        let body = match read_body(body, account.dialect.body_max_bytes()).await {
            Ok(body) => body,
            Err(refused) => return unread(refused, account.dialect.body_max_bytes()),
        };
        let path_and_query = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let from = head.extensions.get::<ClientAddress>().map(|ClientAddress(client)| *client);
        let hook = Webhook { method: head.method, path_and_query, headers: head.headers, body };

        // A carrier that hangs up early makes hyper drop this future. The work runs as its own task, so a commit that
        // has begun ends, and the resend that follows is seen as a repeat.
        let unverified = self.budget.comes();
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
    ) -> Ended {
        let from = from.filter(|_| !self.only_reports(&account));
        if from.is_some_and(|from| self.budget.sheds(&account.name, from, Instant::now())) {
            // Its signature was not checked, so it may be right: a refusal for good would end the carrier's retries.
            return (WebhookOutcome::Shed, overloaded().1);
        }
        let reported = match self.verify(&account, &hook, from) {
            Ok(()) => false,
            Err(_) if self.only_reports(&account) => true,
            Err(why) => return (WebhookOutcome::BadSignature, account.dialect.refuse(why).map(Body::from)),
        };
        drop(unverified);
        let heard = account.dialect.parse(&hook).unwrap_or_else(|unreadable| vec![unreadable.into()]);
        // What became of texts already sent is heard while there is any room at all.
        let is_new = |item: &InboundItem| matches!(item, InboundItem::Message(_) | InboundItem::Unreadable { .. });
        if self.readiness.holds(NotReady::LowDisk) && heard.iter().any(is_new) {
            return no_room();
        }
        match self.submit_all(&account, heard, &hook).await {
            Ok(taken) => {
                let outcome = if reported { WebhookOutcome::Reported } else { outcome::of(&taken) };
                (outcome, account.dialect.ack().map(Body::from))
            }
            // Busy, too late or stopping: what was taken all the same is a repeat the next time.
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

    /// All items at once, in the carrier's order; what became of each once all are durable.
    async fn submit_all(
        &self,
        account: &Account,
        heard: Vec<InboundItem>,
        hook: &Webhook,
    ) -> Result<Vec<IntakeOutcome>, SubmitError> {
        let kinds: Vec<_> = heard.iter().map(outcome::Item::of).collect();
        let replies = all(heard.into_iter().map(|item| self.submit(account, item)).collect()).await;

        let mut taken = Vec::with_capacity(replies.len());
        let mut does_not_fit = false;
        for (kind, reply) in kinds.into_iter().zip(replies) {
            match reply? {
                Reply::InboundItem(what) => {
                    outcome::count(&account.name, &kind, what);
                    taken.push(what);
                }
                _ => does_not_fit = true,
            }
        }
        if does_not_fit {
            // An item whose rows would be too large was refused whole. Thanked for means kept, so its bytes are.
            let problem = "an item is larger than the gateway keeps".to_owned();
            let item = InboundItem::Unreadable { raw: hook.content().to_vec(), problem };
            let kind = outcome::Item::of(&item);
            match self.submit(account, item).await? {
                Reply::InboundItem(what) => {
                    outcome::count(&account.name, &kind, what);
                    taken.push(what);
                }
                _ => return Err(SubmitError::Busy),
            }
        }
        Ok(taken)
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

/// The answers of all, in their order. Each is begun before any is waited for, the first one first: a command is in its
/// queue once it was polled.
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

/// The account's name in `/carriers/{account}/messages` or `.../receipts`, with a `/` behind it or without. Either path takes
/// either kind.
fn account_in(path: &str) -> Option<&str> {
    let (account, kind) = path.trim_end_matches('/').strip_prefix("/carriers/")?.split_once('/')?;
    matches!(kind, "messages" | "receipts").then_some(account)
}

fn wrong_method() -> Response {
    let mut answer =
        problem(&Refusal::new(Code::MethodNotAllowed, "webhooks are POST, or GET where a carrier is set so"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    answer
}

fn unread(refused: BodyRefused, max_bytes: usize) -> Ended {
    match refused {
        BodyRefused::TooLarge => {
            let detail = format!("this carrier's webhooks have at most {max_bytes} bytes");
            (WebhookOutcome::TooLarge, problem(&Refusal::new(Code::BodyTooLarge, detail)))
        }
        BodyRefused::AtCapacity => overloaded(),
        BodyRefused::TooSlow | BodyRefused::Cut => {
            // Whoever was slow, nothing was taken; and a 408 would end some carriers' duty.
            let detail = "the body did not come whole and in time: send it again";
            (WebhookOutcome::TooSlow, problem(&Refusal::new(Code::Overloaded, detail)))
        }
    }
}

fn no_room() -> Ended {
    let detail = "the gateway cannot store anything just now: send it again";
    (WebhookOutcome::Overloaded, problem(&Refusal::new(Code::StorageUnavailable, detail)))
}

fn overloaded() -> Ended {
    let detail = "the gateway has too much to do: send it again";
    (WebhookOutcome::Overloaded, problem(&Refusal::new(Code::Overloaded, detail)))
}
