//! Asking an account's carrier about one of our numbers.

use super::HttpLink;
use crate::carrier::{Dialect, LOOK_UP_REQUESTS_MAX, LookUp, NoToken, NumberFacts, Pointing, requested_wait};
use crate::engine::wall;
use crate::model::{E164, Secret};
use crate::rules::verification::{Said, Webhook};
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the look-up of one number may take, all its requests together.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Looks up numbers at an account's carrier, in the account's dialect over the account's connections.
pub struct LookUps {
    dialect: Arc<dyn Dialect>,
    link: HttpLink,
}

/// Why nothing is known about a number. For people, without numbers and secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoAnswer {
    /// What went wrong and what to do.
    pub reason: String,
    /// Whether a retry may succeed without a change by an operator.
    pub retryable: bool,
    /// The wait that the carrier requests.
    pub retry_after: Option<Duration>,
}

impl NoAnswer {
    /// A failure that may pass.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retryable: true, retry_after: None }
    }

    /// A failure that lasts until an operator acts.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::passing(reason) }
    }
}

impl LookUps {
    /// Look-ups in this dialect over this link.
    pub fn new(dialect: Arc<dyn Dialect>, link: HttpLink) -> Self {
        Self { dialect, link }
    }

    /// The URL that inbound messages of the account's numbers must go to; empty if the carrier delivers them otherwise.
    pub fn messages_url(&self) -> &str {
        self.dialect.messages_url().unwrap_or_default()
    }

    /// Asks about one number, within `ANSWERED_WITHIN`.
    pub async fn ask(&self, number: E164) -> Result<Said, NoAnswer> {
        let late = |_| Err(NoAnswer::passing(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())));
        timeout(ANSWERED_WITHIN, self.steps(number)).await.unwrap_or_else(late)
    }

    async fn steps(&self, number: E164) -> Result<Said, NoAnswer> {
        let token = self.link.tokens.get(&*self.dialect, |request| self.link.client.send(request)).await;
        let token = token.map_err(|no_token| without_token(&no_token))?;
        let mut answers: Vec<Response<_>> = Vec::new();
        loop {
            match self.dialect.look_up(number, &answers, token.as_ref()) {
                LookUp::Request(request) if answers.len() < LOOK_UP_REQUESTS_MAX => {
                    let answer = self.link.client.send(*request).await;
                    let answer = answer.map_err(|failed| NoAnswer::passing(failed.to_string()))?;
                    if answer.cut {
                        return Err(NoAnswer::passing("the carrier's answer is too long"));
                    }
                    answers.push(answer.into());
                }
                LookUp::Request(_) => return Err(NoAnswer::lasting("a look-up takes too many requests (bug)")),
                LookUp::Found(facts) => return Ok(found(facts)),
                LookUp::NotOurs => return Ok(Said::NotOurs),
                LookUp::Failed { reason, retryable } => {
                    let last = answers.last();
                    self.link.forget_refused(last, token).await;
                    let retry_after = last.and_then(|answer| requested_wait(answer.headers(), wall()));
                    return Err(NoAnswer { reason, retryable, retry_after });
                }
            }
        }
    }
}

impl HttpLink {
    /// Forgets a token that the carrier rejected, so that the next request fetches a new one.
    pub(super) async fn forget_refused<B>(&self, answer: Option<&Response<B>>, token: Option<Secret>) {
        if let Some(token) = token
            && answer.is_some_and(|answer| answer.status() == StatusCode::UNAUTHORIZED)
        {
            self.forget(&token).await;
        }
    }
}

fn found(NumberFacts { sms, mms, webhook }: NumberFacts) -> Said {
    let webhook = match webhook {
        Pointing::Here => Webhook::Here,
        Pointing::Elsewhere(url) => Webhook::Elsewhere(url),
        Pointing::Unknown => Webhook::Unknown,
    };
    Said::Found { sms, mms, webhook }
}

pub(super) fn without_token(no_token: &NoToken) -> NoAnswer {
    let reason = format!("no access token: {no_token}");
    match no_token {
        NoToken::Refused { .. } => NoAnswer::lasting(reason),
        NoToken::Later { retry_after, .. } => NoAnswer { retry_after: *retry_after, ..NoAnswer::passing(reason) },
        NoToken::Unanswered(_) => NoAnswer::passing(reason),
    }
}
