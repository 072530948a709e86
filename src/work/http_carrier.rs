//! A carrier that takes texts by HTTP requests.

mod list;
mod look_up;

pub(super) use list::ListAnswer;
pub use list::Lists;
pub use look_up::{LookUps, NoAnswer};

use super::handover::{HandingOver, Handover};
use super::tokens::Tokens;
use crate::carrier::{Dialect, NoToken, Outbound, Outbox, TokenRefused};
use crate::engine::wall;
use crate::model::{Outcome, Secret, Settled};
use crate::net::{Client, ClientBounds, SendFailed};
use crate::observe;
use http::Response;
use std::sync::Arc;
use tokio::time::Instant;

/// An account that is reached by HTTP: its dialect over its own connections.
pub(super) struct HttpCarrier {
    account: Arc<str>,
    outbox: Arc<dyn Outbox>,
    link: HttpLink,
}

/// What stays with an account when its settings change: its connections and its access token. Clones share both.
#[derive(Clone)]
pub struct HttpLink {
    client: Client,
    tokens: Arc<Tokens>,
}

impl HttpLink {
    /// A link with these limits, not connected yet.
    pub fn new(bounds: ClientBounds) -> Self {
        Self { client: Client::new(bounds), tokens: Arc::default() }
    }
}

impl HttpLink {
    /// The access token that the dialect wants, from the carrier or from before.
    pub(super) async fn token(&self, dialect: &dyn Dialect) -> Result<Option<Secret>, NoToken> {
        self.tokens.get(dialect, |request| self.client.send(request)).await
    }

    /// Forgets a token that the carrier refused.
    pub(super) async fn forget(&self, token: &Secret) {
        self.tokens.forget(token).await;
    }
}

impl HttpCarrier {
    /// Sends the texts of `account` as `outbox` writes them.
    pub(super) fn new(account: Arc<str>, outbox: Arc<dyn Outbox>, link: HttpLink) -> Self {
        Self { account, outbox, link }
    }

    async fn send(&self, send: &Outbound) -> Settled {
        let mut renewed = false;
        loop {
            let token = match self.link.tokens.get(&*self.outbox, |request| self.link.client.send(request)).await {
                Ok(token) => token,
                Err(no_token) => return without_token(&no_token),
            };
            match (self.request(send, token.as_ref()).await, token) {
                (Ok(settled), _) => return settled,
                // The carrier did not read the text, so this is still the attempt that was recorded.
                (Err(_), Some(token)) if !renewed => {
                    self.link.tokens.forget(&token).await;
                    renewed = true;
                }
                (Err((status, TokenRefused { detail })), _) => {
                    let detail = format!("the carrier refuses a new access token too: {detail}");
                    return Settled { status: Some(status), ..Outcome::AccountRefused.because(detail) };
                }
            }
        }
    }

    /// Makes one request: a complete response is read by the dialect. A refused token comes with the response's status.
    async fn request(&self, send: &Outbound, token: Option<&Secret>) -> Result<Settled, (u16, TokenRefused)> {
        let request = self.outbox.request(send, token, wall());
        let began = Instant::now();
        let answered = self.link.client.send(request).await;
        observe::carrier_request(&self.account, began.elapsed());
        let (status, settled) = match answered {
            Ok(answer) if answer.cut => (answer.status, Outcome::Unknown.because("response too long".to_owned())),
            Ok(answer) => {
                let response = Response::from(answer);
                let status = response.status();
                (status, self.outbox.outcome(&response, wall()).map_err(|refused| (status.as_u16(), refused))?)
            }
            Err(SendFailed::NeverWritten(why)) => {
                return Ok(Outcome::NeverWritten.because(format!("the carrier cannot be reached: {why}")));
            }
            Err(SendFailed::Unanswered(why)) => {
                return Ok(Outcome::Unknown.because(format!("the carrier does not answer: {why}")));
            }
        };
        Ok(Settled { status: Some(status.as_u16()), ..settled })
    }
}

impl Handover for HttpCarrier {
    fn hand_over(&self, send: Outbound) -> HandingOver<'_> {
        Box::pin(async move { self.send(&send).await })
    }
}

/// The outcome of a text that waits because there is no token.
fn without_token(no_token: &NoToken) -> Settled {
    let detail = format!("no access token: {no_token}");
    let outcome = match no_token {
        NoToken::Refused { .. } => Outcome::AccountRefused,
        NoToken::Later { retry_after, .. } => Outcome::Later { retry_after: *retry_after },
        NoToken::Unanswered(_) => Outcome::NeverWritten,
    };
    outcome.because(detail)
}

#[cfg(test)]
mod tests;
