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
use crate::carrier::{Inbox, NotVerified, Webhook};
use crate::engine::Handle;
use crate::model::Timestamp;
use crate::net::{BodyRefused, ClientAddress, read_body};
use crate::observe::{self, Door, NotReady, Readiness, WebhookOutcome};
use crate::rules::refusal::{Code, Refusal};
use crate::work::{Account, Accounts, Intake, MediaWaiting, NotTaken};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// How much earlier than the response is due an item must be decided, so that most items answered 503 were not
/// committed.
const DECIDED_BEFORE: Duration = Duration::from_millis(100);

/// The carriers' door: its accounts and what takes in their items.
pub struct Hooks {
    accounts: Accounts,
    intake: Intake,
    readiness: Readiness,
    tasks: TaskTracker,
    budget: Arc<Budget>,
    clock: fn() -> Timestamp,
}

/// An account whose carrier posts webhooks.
#[derive(Clone)]
struct WithInbox {
    account: Arc<Account>,
    inbox: Arc<dyn Inbox>,
}

/// The outcome of a webhook, for the metric, and its response.
type Handled = (WebhookOutcome, Response);

impl Hooks {
    /// A door for these accounts. Work that has begun runs to its end in `tasks`, even if the carrier disconnects.
    pub fn new(accounts: Accounts, engine: Handle, readiness: Readiness, tasks: TaskTracker) -> Self {
        let intake = Intake::new(engine, readiness.clone());
        Self { accounts, intake, readiness, tasks, budget: Arc::default(), clock: super::wall_clock }
    }

    /// Says of messages with media that there is something to fetch.
    pub fn with_media(self, waiting: MediaWaiting) -> Self {
        Self { intake: self.intake.with_media(waiting), ..self }
    }

    /// The HTTP service. Requests carry their [`ClientAddress`] as an extension.
    pub fn router(self) -> Router {
        let hooks = Arc::new(self);
        Router::new().fallback(move |request: Request| Arc::clone(&hooks).answer(request))
    }

    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let Some(to) = account_in(request.uri().path()).and_then(|name| self.with_inbox(name)) else {
            observe::webhook(None, WebhookOutcome::UnknownAccount);
            let accounts = self.accounts.names();
            let unknown = Unknown::of(request.uri().path(), accounts.iter().map(String::as_str));
            observe::unknown_webhook(&unknown.path, unknown.nearest);
            let detail = "no such account: webhooks go to /carriers/{account}/messages and .../receipts";
            return problem(&Refusal::new(Code::NotFound, detail));
        };
        let (outcome, answer) = self.receive(&to, request).await;
        observe::webhook(Some(&to.account.name), outcome);
        answer
    }

    fn with_inbox(&self, name: &str) -> Option<WithInbox> {
        let account = self.accounts.get(name)?;
        let inbox = account.inbox.clone()?;
        Some(WithInbox { account, inbox })
    }

    async fn receive(self: Arc<Self>, to: &WithInbox, request: Request) -> Handled {
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
        let body = match read_body(body, to.inbox.body_max_bytes()).await {
            Ok(body) => body,
            Err(refused) => return unread(refused, to.inbox.body_max_bytes()),
        };
        let path_and_query = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let from = head.extensions.get::<ClientAddress>().map(|ClientAddress(client)| *client);
        let hook = Webhook { method: head.method, path_and_query, headers: head.headers, body };

        // hyper drops this future when the carrier disconnects. The work runs as its own task, so a commit that has
        // begun completes, and the carrier's retry is deduplicated.
        let unverified = self.budget.arrived();
        let answer_within = to.inbox.answer_within();
        let work = self.tasks.spawn(Arc::clone(&self).take_in(to.clone(), hook, from, unverified));
        match tokio::time::timeout(answer_within, work).await {
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
        to: WithInbox,
        hook: Webhook,
        from: Option<IpAddr>,
        unverified: Unverified,
    ) -> Handled {
        let WithInbox { account, inbox } = to;
        let only_reports = account.report_only_until.is_some_and(|until| (self.clock)() < until);
        let from = from.filter(|_| !only_reports);
        if from.is_some_and(|from| self.budget.sheds(&account.name, from, Instant::now())) {
            // The signature was not checked, so it may be valid: only a 503 makes the carrier retry.
            return (WebhookOutcome::Shed, overloaded().1);
        }
        let verified = inbox.verify(&hook, (self.clock)());
        match verified {
            Ok(()) => {}
            Err(NotVerified::Challenge) if !only_reports => {
                return (WebhookOutcome::Challenge, inbox.refuse(NotVerified::Challenge).map(Body::from));
            }
            Err(why) => {
                self.not_verified(&account, &*inbox, &hook, why, from);
                if !only_reports {
                    return (WebhookOutcome::BadSignature, inbox.refuse(why).map(Body::from));
                }
            }
        }
        drop(unverified);
        let items = inbox.parse(&hook).unwrap_or_else(|unreadable| vec![unreadable.into()]);
        let within = inbox.answer_within().saturating_sub(DECIDED_BEFORE);
        match self.intake.take_in(&account.name, items, &hook, within).await {
            Ok(_) if verified.is_err() => (WebhookOutcome::Reported, inbox.ack().map(Body::from)),
            Ok(outcomes) => (outcome::of(&outcomes), inbox.ack().map(Body::from)),
            Err(NotTaken::LowDisk) => storage_unavailable(),
            // Items that were committed anyway are deduplicated at the carrier's retry.
            Err(NotTaken::Busy) => overloaded(),
        }
    }

    /// Reports a webhook that may be forged, and charges its sender.
    fn not_verified(
        &self,
        account: &Account,
        inbox: &dyn Inbox,
        hook: &Webhook,
        why: NotVerified,
        from: Option<IpAddr>,
    ) {
        let why = match why {
            NotVerified::Challenge => "not sent yet",
            NotVerified::Missing => "missing",
            NotVerified::Wrong => "wrong",
            NotVerified::Stale => "stale",
        };
        observe::bad_signature(&account.name, why, &inbox.signed_url(hook));
        if let Some(from) = from {
            self.budget.charge(&account.name, from, Instant::now());
        }
    }
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
