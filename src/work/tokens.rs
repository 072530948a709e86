//! The access token of an account, for carriers that want one.

use crate::carrier::{NoToken, Outbox};
use crate::engine::wall;
use crate::model::Secret;
use crate::net::{Answer, SendFailed};
use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The longest use of a token, whatever its carrier says.
const USE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps an account's access token: fetches it when it is first needed or is about to expire, and fetches once for all
/// who wait.
#[derive(Default)]
pub(super) struct Tokens {
    last: Mutex<Option<Fetched>>,
    /// The number of fetches that have ended.
    fetches: AtomicU64,
}

/// The result of the last fetch.
struct Fetched {
    /// The request it answers. A reload may change the credentials in it; then the token is another's.
    by: (Uri, HeaderMap, Bytes),
    use_until: Instant,
    token: Result<Secret, NoToken>,
}

impl Tokens {
    /// The current token, if need be fetched with `send`; `None` if the carrier needs none.
    pub(super) async fn get<S>(
        &self,
        outbox: &dyn Outbox,
        send: impl FnOnce(Request<Bytes>) -> S,
    ) -> Result<Option<Secret>, NoToken>
    where
        S: Future<Output = Result<Answer, SendFailed>>,
    {
        let Some(request) = outbox.token_request() else { return Ok(None) };
        let asked_at = self.fetches.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some(fetched) = last.as_ref().filter(|fetched| fetched.is_by(&request)) {
            // A fetch that ended while this one waited for its turn is good for both, also if it failed.
            let shared = self.fetches.load(Ordering::Acquire) != asked_at;
            if shared || (fetched.token.is_ok() && Instant::now() < fetched.use_until) {
                return fetched.token.clone().map(Some);
            }
        }
        let by = (request.uri().clone(), request.headers().clone(), request.body().clone());
        let began = Instant::now();
        let (token, use_for) = match read(outbox, send(request).await) {
            Ok((token, use_for)) => (Ok(token), use_for),
            Err(no_token) => (Err(no_token), Duration::ZERO),
        };
        self.fetches.fetch_add(1, Ordering::AcqRel);
        *last = Some(Fetched { by, use_until: began + use_for.min(USE_MAX), token: token.clone() });
        token.map(Some)
    }

    /// Forgets a token that the carrier refused, unless it was renewed meanwhile.
    pub(super) async fn forget(&self, token: &Secret) {
        let mut last = self.last.lock().await;
        if matches!(&*last, Some(Fetched { token: Ok(kept), .. }) if kept.matches(token.expose())) {
            *last = None;
        }
    }
}

impl Fetched {
    fn is_by(&self, request: &Request<Bytes>) -> bool {
        let (uri, headers, body) = &self.by;
        (uri, headers, body) == (request.uri(), request.headers(), request.body())
    }
}

/// Reads the answer to a token request.
fn read(outbox: &dyn Outbox, answered: Result<Answer, SendFailed>) -> Result<(Secret, Duration), NoToken> {
    match answered {
        Ok(answer) if answer.cut => Err(NoToken::Unanswered("response too long".to_owned())),
        Ok(answer) => outbox.token(&answer.into(), wall()).map(|token| (token.secret, token.use_for)),
        Err(failed) => Err(NoToken::Unanswered(failed.to_string())),
    }
}

#[cfg(test)]
mod tests;
