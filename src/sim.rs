//! Floor 7: the outside world, simulated over HTTP: a carrier, its phones, the platform, and a checker of what
//! happened between them. For the demo, black-box tests and load runs.
//!
//! Invariant: it knows the gateway only by its doors. It shares no parser, signer or rule with the gateway (of
//! `model` only numbers), so that a bug in them is not hidden by the same bug here.
//!
//! Apparent randomness derives from a seed and from content, never from timing: the same texts meet the same faults
//! in every run. The wall clock only affects deadlines.

pub mod carrier;
pub mod checker;
mod dice;
pub mod phone;
pub mod platform;
mod segments;
mod signature;
mod wire;

use std::fmt;
use std::ops::Deref;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Notify;

/// Default number of entries a record keeps of each kind: about 100 MB with the texts of a load run.
pub const RECORD_MAX: usize = 100_000;

/// Text written by a person. It derefs to `str`, and `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Redacted(String);

impl From<&str> for Redacted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Redacted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for Redacted {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<&str> for Redacted {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} characters)", self.0.chars().count())
    }
}

/// An awaited condition did not occur in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("waited {waited:?} for {wanted} {of} and saw {seen}")]
pub struct TooLate {
    /// The deadline that passed.
    pub waited: Duration,
    /// How many were wanted.
    pub wanted: usize,
    /// How many there were at the end.
    pub seen: usize,
    /// Of what.
    pub of: &'static str,
}

/// Calls `look` on each change until it returns `Ok` or `deadline` has passed; then its last `Err`, the count it saw,
/// becomes a `TooLate`.
async fn wait_until<T>(
    news: &Notify,
    deadline: Duration,
    wanted: (usize, &'static str),
    mut look: impl FnMut() -> Result<T, usize>,
) -> Result<T, TooLate> {
    let until = tokio::time::Instant::now() + deadline;
    loop {
        // Subscribes before the first look, so that a change in between is not missed.
        let mut next = pin!(news.notified());
        next.as_mut().enable();
        let seen = match look() {
            Ok(found) => return Ok(found),
            Err(seen) => seen,
        };
        if tokio::time::timeout_at(until, next).await.is_err() {
            let (wanted, of) = wanted;
            return look().map_err(|_| TooLate { waited: deadline, wanted, seen, of });
        }
    }
}
