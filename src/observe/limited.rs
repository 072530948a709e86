//! A rate limit for log lines that clients can trigger.
//!
//! Invariant: per cause and account at most [`LINES_MAX`] lines are logged in a [`WINDOW`]. Suppressed lines are
//! counted, and the count is logged after the window. Metrics count every event.

use super::label::labels;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Lines per cause and account in a window: enough to diagnose a problem.
const LINES_MAX: u32 = 10;

/// The length of a window.
const WINDOW: Duration = Duration::from_secs(10);

labels! {
    /// The rate-limited kinds of log lines.
    Cause {
        /// A webhook's signature was wrong.
        SignatureRefused = "signature_refused",
        /// A webhook for an unknown account or path.
        UnknownWebhook = "unknown_webhook",
        /// An authentic webhook that could not be parsed.
        Quarantined = "quarantined",
        /// A sender in whose language there is no auto-reply.
        NoAutoReplyText = "no_auto_reply_text",
        /// A call in whose language there is no closing text.
        NoClosingText = "no_closing_text",
        /// A request without a valid credential.
        CredentialRefused = "credential_refused",
        /// A TLS handshake that failed.
        HandshakeFailed = "handshake_failed",
        /// A PROXY protocol header that is missing or wrong.
        ProxyHeaderRefused = "proxy_header_refused",
        /// `accept()` failed.
        AcceptFailed = "accept_failed",
        /// A request that panicked.
        RequestPanicked = "request_panicked",
        /// A thread or a task that panicked.
        Panicked = "panicked",
        /// A command whose rows would be too large.
        CommandTooLarge = "command_too_large",
        /// An attempt to send that got no response.
        AttemptFailed = "attempt_failed",
        /// One of our numbers failed its verification.
        NumberFailed = "number_failed",
        /// A carrier that gave no answer about one of our numbers.
        NumberNotChecked = "number_not_checked",
        /// A carrier's list of messages that could not be read.
        ListNotRead = "list_not_read",
        /// A medium that is not kept.
        MediumFailed = "medium_failed",
        /// A medium that is tried again.
        MediumRetried = "medium_retried",
        /// The media store failed.
        MediaStoreFailed = "media_store_failed",
        /// A delivery that an endpoint did not accept.
        DeliveryFailed = "delivery_failed",
    }
}

/// Calls `log`, unless this cause and account have used up their lines in this window. `account` is a configured
/// account, door or endpoint, so their number is small.
pub(super) fn limited(cause: Cause, account: &str, log: impl FnOnce()) {
    let admitted = lines().admit(cause, account, Instant::now());
    if let Some(count) = admitted.left_out_before {
        left_out(cause, account, count);
    }
    if admitted.logged {
        log();
    }
}

/// Logs how many lines were suppressed in windows that are over, or in all windows `at_the_end` of the process. Call it
/// every few seconds.
pub fn report_left_out(at_the_end: bool) {
    let now = if at_the_end { Instant::now() + WINDOW } else { Instant::now() };
    let over = lines().replace(now);
    for (cause, account, count) in over {
        left_out(cause, &account, count);
    }
}

fn left_out(cause: Cause, account: &str, count: u64) {
    tracing::warn!(cause = cause.label(), account, left_out = count, "similar log lines were suppressed");
}

fn lines() -> MutexGuard<'static, Lines> {
    static LINES: OnceLock<Mutex<Lines>> = OnceLock::new();
    LINES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open windows.
#[derive(Default)]
struct Lines(HashMap<(Cause, String), Window>);

struct Window {
    began: Instant,
    logged: u32,
    left_out: u64,
}

struct Admitted {
    /// Whether to log the line.
    logged: bool,
    /// Lines suppressed in the previous window and not reported yet.
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

    /// Closes the windows that are over, and returns their counts of suppressed lines.
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
    fn f12_the_next_window_logs_again_and_reports_suppressed_lines() {
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
    fn f12_suppressed_lines_are_reported_without_a_further_line() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        for _ in 0..LINES_MAX + 3 {
            lines.admit(Cause::SignatureRefused, "main", now);
        }
        lines.admit(Cause::CredentialRefused, "platform", now);
        assert_eq!(lines.replace(now), []);
        assert_eq!(lines.replace(now + WINDOW), [(Cause::SignatureRefused, "main".to_owned(), 3)]);
        assert!(lines.0.is_empty(), "closed windows are removed");
    }
}
