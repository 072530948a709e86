//! Findings from what the gateway says of its own health: readiness, accounts, endpoints, suspensions.
//!
//! Each finding says what to do, or when the gateway continues by itself.

use super::{Findings, Grade, text};
use serde_json::Value;

/// An endpoint that is this far behind, in milliseconds, is not merely busy.
const LAGS_FROM_MS: u64 = 60_000;

/// What keeps the gateway from taking new work, and the conditions that it notes beside accounts and endpoints.
pub(super) fn of_gateway(health: &Value, findings: &mut Findings) {
    for reason in health["reasons"].as_array().into_iter().flatten().map(text) {
        findings.general(Grade::Wrong, format!("it takes no new work ({reason}): {}", way_out_of(reason)));
    }
    // What these are about has findings of its own.
    let shown_below = ["account ", "endpoint ", "numbers: "];
    for note in health["notes"].as_array().into_iter().flatten().map(text) {
        if !shown_below.iter().any(|about| note.starts_with(about)) {
            findings.general(Grade::Wrong, note);
        }
    }
}

fn way_out_of(reason: &str) -> &'static str {
    match reason {
        "starting" | "recovering" => "it is starting; wait until /readyz answers 200",
        "draining" => "it is stopping; start it again if that was not meant",
        "storage_unavailable" => "the disk of data_dir is full or fails; free space or replace it, and see the log",
        "low_disk" => "the disk of data_dir has space for work in progress only; free space or lower retention_days",
        "overloaded" => {
            "requests wait too long for the disk; see offhook_engine_commit_seconds and what else uses the disk"
        }
        _ => "see the log",
    }
}

/// Its circuit breaker, its suspension and its reconciliation.
pub(super) fn of_account(account: &Value, findings: &mut Findings) {
    let name = text(&account["name"]);
    if let Some(suspended) = suspension(&account["suspended"], &format!("/v1/accounts/{name}")) {
        findings.of_account(name, Grade::Wrong, suspended);
    }
    if let Some(waits) = reconciliation(account) {
        findings.of_account(name, Grade::Wrong, waits);
    }
    if account["breaker"] == "open" {
        let until = match account["paused_until"].as_str() {
            Some(until) => format!("the gateway tries again at {until}"),
            None => "the gateway tries again with the next text".to_owned(),
        };
        let what = match text(&account["reason"]) {
            "credentials_refused" => "the carrier refuses the account",
            _ => "the carrier fails (circuit breaker open)",
        };
        let why = text(&account["detail"]);
        findings.of_account(name, Grade::Wrong, format!("{what}, its texts wait: {why}; {until}"));
    } else {
        let last = match account["last_success_at"].as_str() {
            Some(at) => format!("the carrier last took a text at {at}"),
            None => "no text was sent since the gateway started".to_owned(),
        };
        findings.of_account(name, Grade::Right, format!("circuit breaker closed; {last}"));
    }
}

/// The reading of its carrier's list of messages, if that waits.
fn reconciliation(account: &Value) -> Option<String> {
    let found = &account["reconciliation"];
    let (detail, next) = (text(&found["detail"]), text(&found["next_try_at"]));
    (found["state"] == "waiting").then(|| {
        format!(
            "what never arrived is not taken in yet, the carrier's list is not read: {detail}; tried again at {next}"
        )
    })
}

/// Whether texts of the account wait, whichever number they are from.
pub(super) fn is_held(account: &Value) -> bool {
    account["breaker"] == "open" || account["suspended"].is_object()
}

/// Who suspended what is at `path`, until when, and how to resume it; `None` if nobody did.
pub(super) fn suspension(suspended: &Value, path: &str) -> Option<String> {
    suspended.as_object()?;
    let until = match suspended["until"].as_str() {
        Some(until) => format!("until {until}"),
        None => "without an end".to_owned(),
    };
    let (by, since) = (text(&suspended["by"]), text(&suspended["since"]));
    let reason = text(&suspended["reason"]);
    Some(format!(
        "suspended by {by} since {since}, {until}, its texts wait: {reason}; resume it with POST {path}/resume"
    ))
}

/// How far an endpoint is behind, and why.
pub(super) fn of_endpoint(endpoint: &Value, findings: &mut Findings) {
    let name = text(&endpoint["name"]);
    let [events, ms, calls] =
        ["behind_events", "behind_ms", "parked_calls"].map(|of| endpoint[of].as_u64().unwrap_or(0));
    let answer = &endpoint["last_answer"];
    let failed = events > 0 && answer.is_object() && answer["outcome"] != "delivered";
    if endpoint["paused"] != true && calls == 0 && ms < LAGS_FROM_MS && !failed {
        return findings.general(Grade::Right, format!("endpoint {name} takes its events"));
    }
    let mut behind = format!("endpoint {name} is behind: events {events}, the oldest {} s old", ms / 1_000);
    if calls > 0 {
        behind += &format!(", and fails for {calls} calls");
    }
    if answer.is_object() {
        let (detail, at) = (text(&answer["detail"]), text(&answer["at"]));
        behind += &format!("; it answered {detail} ({}) at {at}", text(&answer["outcome"]));
    }
    if let Some(at) = endpoint["next_try_at"].as_str() {
        behind += &format!("; the next try is at {at}");
    }
    let way_out = "check that the program at its url runs and answers 2xx; nothing is lost meanwhile";
    findings.general(Grade::Wrong, format!("{behind}: {way_out}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The wrong findings of one part, and whether there are others.
    #[track_caller]
    fn check(part: impl FnOnce(&mut Findings), expected: &[&str]) {
        let mut findings = Findings::default();
        part(&mut findings);
        let all = findings.accounts.values().flatten().chain(&findings.general);
        let wrong: Vec<_> = all.filter(|finding| finding.grade == Grade::Wrong).map(|finding| &*finding.text).collect();
        assert_eq!(wrong, expected);
    }

    #[test]
    fn what_keeps_a_gateway_from_new_work_has_a_way_out_each() {
        for reason in crate::observe::NotReady::ALL {
            let health = json!({ "reasons": [reason.label()], "notes": [] });
            assert_ne!(way_out_of(reason.label()), "see the log", "{}", reason.label());
            let expected = format!("it takes no new work ({}): {}", reason.label(), way_out_of(reason.label()));
            check(|findings| of_gateway(&health, findings), &[&expected]);
        }
    }

    #[test]
    fn a_note_is_said_once() {
        let notes =
            ["account main: paused", "account main is suspended: x", "endpoint main: y", "numbers: 1 z", "clock: far"];
        let health = json!({ "reasons": [], "notes": notes });
        check(|findings| of_gateway(&health, findings), &["clock: far"]);
    }

    #[test]
    fn an_account_whose_carrier_fails_or_that_was_suspended_is_held() {
        let right = json!({ "name": "main", "breaker": "closed", "suspended": null, "last_success_at": null });
        check(|findings| of_account(&right, findings), &[]);
        assert!(!is_held(&right));
        let mut account = right.clone();
        account["reconciliation"] = json!({ "state": "done", "detail": null, "next_try_at": null });
        check(|findings| of_account(&account, findings), &[]);
        account["reconciliation"] = json!({ "state": "waiting", "detail": "Twilio answered 429", "next_try_at": "N" });
        let waits = "what never arrived is not taken in yet, the carrier's list is not read: Twilio answered 429; tried again at N";
        check(|findings| of_account(&account, findings), &[waits]);
        let mut account = right.clone();
        account["suspended"] = json!({ "by": "night", "since": "S", "until": "U", "reason": "complaints" });
        let suspended = "suspended by night since S, until U, its texts wait: complaints; resume it with POST \
                         /v1/accounts/main/resume";
        check(|findings| of_account(&account, findings), &[suspended]);
        assert!(is_held(&account));
        let mut account = right;
        for (key, value) in [("breaker", "open"), ("reason", "carrier_failing"), ("detail", "no answer")] {
            account[key] = json!(value);
        }
        let failing = "the carrier fails (circuit breaker open), its texts wait: no answer; the gateway tries again \
                       with the next text";
        check(|findings| of_account(&account, findings), &[failing]);
        assert!(is_held(&account));
    }

    #[test]
    fn an_endpoint_that_is_merely_busy_is_right() {
        let endpoint = |events: u64, ms: u64, calls: u64, outcome: &str| {
            let answer = json!({ "at": "A", "outcome": outcome, "detail": "500" });
            json!({ "name": "main", "behind_events": events, "behind_ms": ms, "parked_calls": calls, "paused": false,
                    "last_answer": answer, "next_try_at": null })
        };
        let wrong = |endpoint: &Value| {
            let mut findings = Findings::default();
            of_endpoint(endpoint, &mut findings);
            findings.wrong() == 1
        };
        assert!(!wrong(&endpoint(9, 59_999, 0, "delivered")));
        assert!(!wrong(&endpoint(0, 0, 0, "refused")), "the event it refused is settled");
        assert!(wrong(&endpoint(9, 60_000, 0, "delivered")));
        assert!(wrong(&endpoint(1, 5, 0, "unanswered")));
        assert!(wrong(&endpoint(0, 0, 1, "delivered")));
        let mut paused = endpoint(0, 0, 0, "delivered");
        paused["paused"] = json!(true);
        assert!(wrong(&paused));
    }
}
