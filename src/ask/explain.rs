//! `offhook explain`: prints why a message has not been sent yet (A67).

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use crate::model::MessageId;
use crate::rules::explain::WaitingFor;
use serde_json::Value;
use std::fmt::Write as _;

/// Queries the gateway and renders its explanation of the message.
pub async fn explain(door: &Door<'_>, id: MessageId) -> Result<String, QueryFailed> {
    let explained = Platform::of(door, Scope::Read)?.get(&format!("/v1/messages/{id}/explain")).await?;
    Ok(text(id, &explained))
}

/// One line for the state, one for what the message waits for, and one per entry of the timeline.
fn text(id: MessageId, explained: &Value) -> String {
    let word = |field: &str| explained[field].as_str();
    let state = word("state").unwrap_or_default();
    let mut text = format!("{id}: {state}");
    if let Some(lane) = word("lane").filter(|_| state == "queued") {
        let _ = write!(text, " in the lane of {lane}");
        if let Some(position) = explained["position"].as_u64() {
            let _ = write!(text, ", {}", place(position));
        }
    }
    let _ = write!(text, "\n{}", waiting(state, &explained["waiting_for"]));
    if let Some(due_at) = word("due_at") {
        let _ = write!(text, "; due at {due_at}");
    }
    text.push('\n');
    if let Some(reason) = word("suspended_because") {
        let _ = writeln!(text, "suspended because: {reason}");
    }
    if let Some(reason) = word("reason") {
        let _ = writeln!(text, "its carrier account is failing: {reason}");
    }
    if let Some(note) = word("position_note") {
        let _ = writeln!(text, "{note}");
    }
    for entry in explained["timeline"].as_array().into_iter().flatten() {
        let of = |field: &str| entry[field].as_str().unwrap_or_default();
        // 24 characters is the width of a timestamp.
        let _ = writeln!(text, "  {:24}  {:11}  {}", of("at"), of("event"), of("detail"));
    }
    text
}

fn waiting(state: &str, waiting_for: &Value) -> String {
    let known: Option<Option<WaitingFor>> = serde_json::from_value(waiting_for.clone()).ok();
    let Some(waiting_for) = known else { return format!("waits for {waiting_for}") };
    let reason = match waiting_for {
        None if state == "queued" => "waits for nothing: it is due",
        None => "waits for nothing",
        Some(WaitingFor::Suspended) => "waits until its number or account is resumed: an operator suspended it",
        Some(WaitingFor::CarrierPause) => "waits for the end of the carrier's pause",
        Some(WaitingFor::DailyCap) => "waits for the next day: the daily cap on segments is reached",
        Some(WaitingFor::AccountRate) => "waits for the rate limit of its carrier account, shared by its numbers",
        Some(WaitingFor::NumberRate) => "waits for the rate limit of its number",
        Some(WaitingFor::Retry) => "waits for its next attempt",
        Some(WaitingFor::EarlierMessage) => "waits for an earlier message",
        Some(WaitingFor::Receipt) => "waits for the carrier's receipt",
    };
    reason.to_owned()
}

/// The ordinal of a position: next, 2nd, 3rd, 4th, 11th, 21st.
fn place(position: u64) -> String {
    let ending = match (position % 10, position % 100) {
        (1, last) if last != 11 => "st",
        (2, last) if last != 12 => "nd",
        (3, last) if last != 13 => "rd",
        _ => "th",
    };
    if position == 1 { "next".to_owned() } else { format!("{position}{ending}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Day, Position};
    use serde_json::json;

    #[test]
    fn a67_an_explanation_is_printed_in_lines() {
        let id = MessageId::new(Day(20_000), Position(7), 0);
        let explained = json!({
            "state": "queued", "lane": "+12065550100", "position": 3, "waiting_for": "number_rate",
            "due_at": "2026-11-22T20:00:03.000Z", "attempts": [],
            "timeline": [
                { "at": "2026-11-22T20:00:00.000Z", "event": "accepted", "detail": "queued, with an estimated wait of 3000 ms" },
                { "at": null, "event": "failed", "detail": "blocked" },
            ],
        });
        let expected = format!(
            "{id}: queued in the lane of +12065550100, 3rd\n\
             waits for the rate limit of its number; due at 2026-11-22T20:00:03.000Z\n  \
             2026-11-22T20:00:00.000Z  accepted     queued, with an estimated wait of 3000 ms\n  \
             \x20                         failed       blocked\n"
        );
        assert_eq!(text(id, &explained), expected);
        let done = json!({ "state": "delivered", "lane": "+12065550100", "position": null, "waiting_for": null });
        assert_eq!(text(id, &done), format!("{id}: delivered\nwaits for nothing\n"));
    }

    #[test]
    fn f07_an_unreachable_carrier_is_printed_with_the_reason() {
        let id = MessageId::new(Day(20_000), Position(7), 0);
        let explained = json!({
            "state": "queued", "lane": "+12065550100", "position": 1, "waiting_for": "retry",
            "reason": "the carrier cannot be reached: connection refused",
        });
        let expected = format!(
            "{id}: queued in the lane of +12065550100, next\n\
             waits for its next attempt\n\
             its carrier account is failing: the carrier cannot be reached: connection refused\n"
        );
        assert_eq!(text(id, &explained), expected);
    }

    #[test]
    fn an_unknown_reason_of_a_newer_gateway_is_printed_verbatim() {
        assert_eq!(waiting("queued", &json!("the_weather")), "waits for \"the_weather\"");
        assert_eq!(waiting("queued", &Value::Null), "waits for nothing: it is due");
    }

    #[test]
    fn positions_are_printed_as_ordinals() {
        let places = [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 111].map(place);
        assert_eq!(
            places,
            ["next", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "111th"].map(str::to_owned)
        );
    }
}
