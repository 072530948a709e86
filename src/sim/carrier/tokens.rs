//! Access tokens, for carriers that use them.

use super::CarrierCore;
use super::dialect::SERVER_ERROR;
use crate::sim::dice::SeededRng;
use crate::sim::wire::{Cut, Reply};
use http::StatusCode;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a token is valid, as with most carriers.
const VALID: Duration = Duration::from_secs(3_600);

/// How requests for tokens are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// With a token that is valid this long.
    Token(Duration),
    /// With a token that the carrier itself does not accept.
    Useless,
    /// After this wait, with a token.
    Slow(Duration),
    /// With this status.
    Status(u16),
}

impl Default for TokenAnswer {
    fn default() -> Self {
        Self::Token(VALID)
    }
}

/// The tokens of an account.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) answer: TokenAnswer,
    pub(super) issued: u64,
    /// Each valid token, and until when.
    valid: HashMap<String, Instant>,
}

impl Tokens {
    /// Whether this token may be used now.
    pub(super) fn holds(&self, token: &str) -> bool {
        self.valid.get(token).is_some_and(|until| Instant::now() < *until)
    }

    /// Makes every token invalid.
    #[cfg(feature = "test-support")]
    pub(super) fn revoke(&mut self) {
        self.valid.clear();
    }
}

/// Answers a request for a token.
pub(super) async fn answer(core: &CarrierCore) -> Result<Reply, Cut> {
    let (answer, token) = {
        let mut state = core.state();
        let tokens = &mut state.tokens;
        tokens.issued += 1;
        (tokens.answer, SeededRng::of(core.settings.seed, &["access token"], tokens.issued).hex())
    };
    core.news.notify_waiters();
    let valid = match answer {
        TokenAnswer::Token(valid) => valid,
        TokenAnswer::Useless => return Ok(core.dialect.token(&token, VALID)),
        TokenAnswer::Slow(wait) => {
            tokio::time::sleep(wait).await;
            VALID
        }
        TokenAnswer::Status(status) => {
            let status = StatusCode::from_u16(status).expect("a test names valid statuses");
            return Ok(core.dialect.problem(status, SERVER_ERROR, "No token is given"));
        }
    };
    core.state().tokens.valid.insert(token.clone(), Instant::now() + valid);
    Ok(core.dialect.token(&token, valid))
}
