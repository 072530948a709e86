//! How many clients wait for events: in all, and per token, so that one token cannot use up what all share.

use crate::http::api::overloaded;
use crate::rules::refusal::{Code, Refusal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Limits of clients that do the same.
#[derive(Clone, Copy)]
pub(in crate::http::api) struct Limits {
    /// What they have open, for messages.
    what: &'static str,
    all_max: usize,
    token_max: usize,
}

/// Long polls. Each is one request, so a client has one at a time.
pub(in crate::http::api) const PULLS: Limits = Limits { what: "requests for events", all_max: 256, token_max: 64 };

/// Streams: one per agent at work, over one token or several. At under 32 kB each, all of them take 128 MB.
pub(in crate::http::api) const STREAMS: Limits = Limits { what: "streams of events", all_max: 4_096, token_max: 2_048 };

/// How many each token has open. Clones count together.
#[derive(Clone)]
pub(in crate::http::api) struct ClientLimits {
    limits: Limits,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// A permit for one client, released when dropped.
pub(super) struct ClientPermit {
    limits: ClientLimits,
    token: String,
}

impl ClientLimits {
    pub(in crate::http::api) fn new(limits: Limits) -> Self {
        Self { limits, open: Arc::default() }
    }

    pub(super) fn take(&self, token: &str) -> Result<ClientPermit, Refusal> {
        let Limits { what, all_max, token_max } = self.limits;
        let mut open = self.open();
        let own = open.get(token).copied().unwrap_or_default();
        if own >= token_max {
            let detail = format!("this token has {own} {what} open, its maximum: close one, or use another token");
            return Err(Refusal { retry_after_ms: Some(1_000), ..Refusal::new(Code::RateLimited, detail) });
        }
        if open.values().sum::<usize>() >= all_max {
            let detail = format!("{all_max} {what} are open, the maximum of this gateway: retry when some have ended");
            return Err(Refusal { detail, ..overloaded() });
        }
        open.insert(token.to_owned(), own + 1);
        Ok(ClientPermit { limits: self.clone(), token: token.to_owned() })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let mut open = self.limits.open();
        let left = open.remove(&self.token).unwrap_or_default().saturating_sub(1);
        if left > 0 {
            open.insert(std::mem::take(&mut self.token), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_maximum_and_all_tokens_together_have_theirs() {
        let limits = ClientLimits::new(Limits { what: "streams", all_max: 3, token_max: 2 });
        let mut open = vec![limits.take("a").unwrap(), limits.take("a").unwrap()];
        let refused = limits.take("a").err().unwrap();
        assert_eq!((refused.code, refused.retry_after_ms), (Code::RateLimited, Some(1_000)));
        assert!(refused.detail.contains("this token has 2 streams open"), "{}", refused.detail);
        open.push(limits.take("b").unwrap());
        let refused = limits.take("b").err().unwrap();
        assert_eq!(refused.code, Code::Overloaded);
        assert!(refused.detail.contains("3 streams are open"), "{}", refused.detail);
        open.remove(0);
        assert!(limits.take("b").is_ok());
        drop(open);
        assert!(limits.open().is_empty());
    }
}
