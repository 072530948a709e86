//! `offhook reconcile`: has a carrier's list of messages read for what never arrived.

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the command waits for the end. The gateway goes on without it.
const WAIT: Duration = Duration::from_secs(60);

/// How often it asks.
const EVERY: Duration = Duration::from_millis(500);

/// What to read.
pub struct Reconcile {
    /// The name of the account.
    pub account: String,
    /// From when on messages may be missing, as in `2026-01-31T12:00:00Z`.
    pub since: String,
}

/// Requests it, and says what was found once it is done, or how far it is.
pub async fn reconcile(door: &Door<'_>, request: Reconcile) -> Result<String, QueryFailed> {
    let (operate, read) = (Platform::of(door, Scope::Operate)?, Platform::of(door, Scope::Read)?);
    let path = format!("/v1/accounts/{}", segment(&request.account));
    let mut found = operate.post(&format!("{path}/reconcile"), &json!({ "since": request.since })).await?;
    let until = Instant::now() + WAIT;
    while found["state"] == "running" && Instant::now() < until {
        sleep(EVERY).await;
        let account = read.get(&path).await?;
        // A gateway that was restarted meanwhile may not have begun it again yet.
        if account["reconciliation"].is_object() {
            found = account["reconciliation"].clone();
        }
    }
    Ok(told(&found))
}

/// A name as a segment of a path.
fn segment(name: &str) -> String {
    name.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// What the gateway says, for people.
fn told(found: &Value) -> String {
    let count = |field: &str| found[field].as_u64().unwrap_or_default();
    let of = |field: &str| found[field].as_str().unwrap_or_default();
    let mut told = format!(
        "{}: {} messages read on {} pages since {}: {} taken in, {} already known",
        of("account"),
        count("read"),
        count("pages"),
        of("since"),
        count("taken_in"),
        count("known"),
    );
    if count("unreadable") > 0 {
        told.push_str(&format!(", {} unreadable", count("unreadable")));
    }
    told.push('\n');
    let goes_on = "the gateway goes on by itself, and `reconciliation` in GET /v1/accounts/NAME says how far it is\n";
    match of("state") {
        "done" => {}
        "waiting" => told.push_str(&format!("it waits until {}: {}; {goes_on}", of("next_try_at"), of("detail"))),
        _ => told.push_str(&format!("it is not done yet: {goes_on}")),
    }
    // A carrier's words must not steer the terminal.
    told.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(state: &str) -> Value {
        json!({
            "account": "main", "since": "2026-11-22T20:00:00.000Z", "state": state, "pages": 3, "read": 250,
            "known": 247, "taken_in": 2, "unreadable": 1, "detail": "Twilio\u{1b} answered 429",
            "next_try_at": "2026-11-22T21:00:00.000Z",
        })
    }

    #[test]
    fn the_result_of_a_reconciliation_is_told_in_a_line() {
        let line = "main: 250 messages read on 3 pages since 2026-11-22T20:00:00.000Z: 2 taken in, 247 already known, \
                    1 unreadable\n";
        assert_eq!(told(&found("done")), line);
        let waits = told(&found("waiting"));
        let reason =
            "it waits until 2026-11-22T21:00:00.000Z: Twilio\u{fffd} answered 429; the gateway goes on by itself";
        assert!(waits.starts_with(line) && waits.contains(reason), "{waits}");
        assert!(told(&found("running")).contains("it is not done yet"));
    }

    #[test]
    fn a_name_is_one_segment_of_the_path() {
        assert_eq!(segment("main"), "main");
        assert_eq!(segment("a/b ?"), "a%2Fb%20%3F");
    }
}
