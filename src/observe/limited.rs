//! A rate limit for log lines that somebody outside can cause.
//!
//! Invariant: of each cause and account at most [`LINES_MAX`] lines are logged in a [`WINDOW`]. What is left out is counted,
//! and the count is logged once the window is over. Metrics count every event.

use super::label::labels;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one cause and account in a window: enough to see what is wrong, whoever repeats it.
const LINES_MAX: u32 = 10;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(10);

labels! {
    /// What somebody outside can make us log.
    Cause {
        /// A webhook's signature did not hold.
        SignatureRefused = "signature_refused",
        /// A webhook for an account or a path that is not there.
        UnknownWebhook = "unknown_webhook",
        /// A signed webhook that could not be read.
        Quarantined = "quarantined",
        /// A sender to whom no text could be written.
        NoAutoReplyText = "no_auto_reply_text",
        /// A request without a valid credential.
        CredentialRefused = "credential_refused",
        /// A TLS handshake that failed.
        HandshakeFailed = "handshake_failed",
        /// A PROXY protocol header that is missing or wrong.
        ProxyHeaderRefused = "proxy_header_refused",
        /// The system gave us no connection.
        AcceptFailed = "accept_failed",
        /// A request that panicked.
        RequestPanicked = "request_panicked",
        /// A thread or a task that panicked.
        Panicked = "panicked",
        /// A command whose rows would be too large.
        CommandTooLarge = "command_too_large",
        /// An attempt to send that the carrier did not answer.
        AttemptFailed = "attempt_failed",
        /// A delivery that an endpoint did not take.
        DeliveryFailed = "delivery_failed",
    }
}

/// Logs by `log`, unless enough lines of this cause and account were logged in this window. `account` is an account, a door
/// or an endpoint of the configuration, so there are few.
pub(super) fn limited(cause: Cause, account: &str, log: impl FnOnce()) {
    let admitted = lines().admit(cause, account, Instant::now());
    if let Some(count) = admitted.left_out_before {
        left_out(cause, account, count);
    }
    if admitted.logged {
        log();
    }
}

/// Logs how many lines were left out in windows that are over; at the end of the process in all of them. To be called every
/// few seconds.
pub fn report_left_out(at_the_end: bool) {
    let now = if at_the_end { Instant::now() + WINDOW } else { Instant::now() };
    let over = lines().replace(now);
    for (cause, account, count) in over {
        left_out(cause, &account, count);
    }
}

fn left_out(cause: Cause, account: &str, count: u64) {
    tracing::warn!(cause = cause.label(), account, left_out = count, "more of the same were left out of the log");
}

fn lines() -> MutexGuard<'static, Lines> {
    static LINES: OnceLock<Mutex<Lines>> = OnceLock::new();
    LINES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The windows that are open.
#[derive(Default)]
struct Lines(HashMap<(Cause, String), Window>);

struct Window {
    began: Instant,
    logged: u32,
    left_out: u64,
}

struct Admitted {
    /// Whether the line is to be logged.
    logged: bool,
    /// Lines left out in the window before, where nobody has reported them yet.
    left_out_before: Option<u64>,
}

impl Lines {
    fn admit(&mut self, cause: Cause, account: &str, now: Instant) -> Admitted {
        let new = Window { began: now, logged: 0, left_out: 0 };
        let window = self.0.entry((cause, account.to_owned())).or_insert(new);
        let mut left_out_before = None;
        if now.duration_since(window.began) >= WINDOW {
            left_out_before = Some(window.left_out).filter(|count| *count > 0);
            *window = Window { began: now, logged: 0, left_out: 0 };
        }
        let logged = window.logged < LINES_MAX;
        if logged {
            window.logged += 1;
        } else {
            window.left_out += 1;
        }
        Admitted { logged, left_out_before }
    }

    /// Closes the windows that are over, and returns what was left out in them.
    fn replace(&mut self, now: Instant) -> Vec<(Cause, String, u64)> {
        let over = self.0.extract_if(|_, window| now.duration_since(window.began) >= WINDOW);
        let mut over: Vec<_> = over.map(|((cause, account), window)| (cause, account, window.left_out)).collect();
        over.retain(|(_, _, count)| *count > 0);
        over.sort_unstable();
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_lines_are_limited_per_cause_and_account() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        let mut logged = |cause, account| {
            (0..3_000).filter(|_| lines.admit(cause, account, now).logged).count() == LINES_MAX as usize
        };
        assert!(logged(Cause::SignatureRefused, "main"));
        assert!(logged(Cause::SignatureRefused, "other"), "each account has lines of its own");
        assert!(logged(Cause::CredentialRefused, "main"), "each cause has lines of its own");
    }

    #[test]
    fn f12_the_next_window_logs_again_and_reports_what_was_left_out() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        for _ in 0..LINES_MAX + 7 {
            lines.admit(Cause::SignatureRefused, "main", now);
        }
        let just_before = now + WINDOW - Duration::from_millis(1);
        assert!(!lines.admit(Cause::SignatureRefused, "main", just_before).logged);
        let next = lines.admit(Cause::SignatureRefused, "main", now + WINDOW);
        assert!(next.logged);
        assert_eq!(next.left_out_before, Some(8));
        assert_eq!(lines.admit(Cause::SignatureRefused, "main", now + WINDOW).left_out_before, None);
    }

    #[test]
    fn f12_what_was_left_out_is_reported_without_a_further_line() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        for _ in 0..LINES_MAX + 3 {
            lines.admit(Cause::SignatureRefused, "main", now);
        }
        lines.admit(Cause::CredentialRefused, "platform", now);
        assert_eq!(lines.replace(now), []);
        assert_eq!(lines.replace(now + WINDOW), [(Cause::SignatureRefused, "main".to_owned(), 3)]);
        assert!(lines.0.is_empty(), "windows that are over are forgotten");
    }
}
