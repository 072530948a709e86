//! A carrier that takes texts by HTTP requests.

use super::handover::{HandingOver, Handover};
use super::tokens::Tokens;
use crate::carrier::{NoToken, Outbound, Outbox, Outcome};
use crate::engine::wall;
use crate::machine::command::{Settled, SettledAs};
use crate::model::Secret;
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
            let (outcome, status) = match self.request(send, token.as_ref()).await {
                Ok(read) => read,
                Err(settled) => return settled,
            };
            match (outcome, token) {
                // The carrier did not read the text, so this is still the attempt that was recorded.
                (Outcome::TokenRefused { .. }, Some(token)) if !renewed => {
                    self.link.tokens.forget(&token).await;
                    renewed = true;
                }
                (outcome, _) => return settled(outcome, status),
            }
        }
    }

    /// Makes one request: a complete response is read by the dialect, anything else is settled.
    async fn request(&self, send: &Outbound, token: Option<&Secret>) -> Result<(Outcome, u16), Settled> {
        let request = self.outbox.request(send, token, wall());
        let began = Instant::now();
        let answered = self.link.client.send(request).await;
        observe::carrier_request(&self.account, began.elapsed());
        match answered {
            Ok(answer) if answer.cut => Err(Settled {
                outcome: SettledAs::Unknown,
                status: Some(answer.status.as_u16()),
                detail: Some("response too long".to_owned()),
            }),
            Ok(answer) => {
                let response = Response::from(answer);
                Ok((self.outbox.outcome(&response, wall()), response.status().as_u16()))
            }
            Err(SendFailed::NeverWritten(why)) => {
                Err(unsent(SettledAs::NeverWritten, format!("the carrier cannot be reached: {why}")))
            }
            Err(SendFailed::Unanswered(why)) => {
                Err(unsent(SettledAs::Unknown, format!("the carrier does not answer: {why}")))
            }
        }
    }
}

impl Handover for HttpCarrier {
    fn hand_over(&self, send: Outbound) -> HandingOver<'_> {
        Box::pin(async move { self.send(&send).await })
    }
}

/// The outcome of a complete response with this status.
fn settled(outcome: Outcome, status: u16) -> Settled {
    let (outcome, detail) = match outcome {
        Outcome::Sent { carrier_id, segments } => (SettledAs::Sent { carrier_id, segments }, None),
        Outcome::Refused { code, carrier_code, detail, .. } => {
            (SettledAs::Refused { code, carrier_code }, Some(detail))
        }
        Outcome::Later { retry_after, reason } => (SettledAs::Later { retry_after }, Some(reason)),
        Outcome::AccountRefused { detail } => (SettledAs::AccountRefused, Some(detail)),
        Outcome::TokenRefused { detail } => {
            (SettledAs::AccountRefused, Some(format!("the carrier refuses a new access token too: {detail}")))
        }
        Outcome::Unknown { reason } => (SettledAs::Unknown, Some(format!("{status}: {reason}"))),
    };
    Settled { outcome, status: Some(status), detail }
}

/// The outcome of a text that waits because there is no token.
fn without_token(no_token: &NoToken) -> Settled {
    let detail = format!("no access token: {no_token}");
    let outcome = match no_token {
        NoToken::Refused { .. } => SettledAs::AccountRefused,
        NoToken::Later { retry_after, .. } => SettledAs::Later { retry_after: *retry_after },
        NoToken::Unanswered(_) => SettledAs::NeverWritten,
    };
    unsent(outcome, detail)
}

fn unsent(outcome: SettledAs, detail: String) -> Settled {
    Settled { outcome, status: None, detail: Some(detail) }
}

#[cfg(test)]
mod tests;
