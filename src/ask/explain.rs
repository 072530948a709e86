//! `offhook explain`: why a message is not sent yet, for people (A67).

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use crate::model::MessageId;
use crate::rules::explain::WaitingFor;
use serde_json::Value;
use std::fmt::Write as _;

/// Asks the gateway behind this door.
pub async fn explain(door: &Door<'_>, id: MessageId) -> Result<String, QueryFailed> {
    let told = Platform::of(door, Scope::Read)?.get(&format!("/v1/messages/{id}/explain")).await?;
    Ok(text(id, &told))
}

/// A line for where it is, one for what holds it, and one for each entry of the timeline.
fn text(id: MessageId, told: &Value) -> String {
    let word = |field: &str| told[field].as_str();
    let state = word("state").unwrap_or_default();
    let mut text = format!("{id}: {state}");
    if let Some(lane) = word("lane").filter(|_| state == "queued") {
        let _ = write!(text, " in the lane of {lane}");
        if let Some(position) = told["position"].as_u64() {
            let _ = write!(text, ", {}", place(position));
        }
    }
    let _ = write!(text, "\n{}", holding(state, &told["waiting_for"]));
    if let Some(due_at) = word("due_at") {
        let _ = write!(text, "; due at {due_at}");
    }
    text.push('\n');
    if let Some(reason) = word("reason") {
        let _ = writeln!(text, "its carrier account fails: {reason}");
    }
    if let Some(note) = word("position_note") {
        let _ = writeln!(text, "{note}");
    }
    for entry in told["timeline"].as_array().into_iter().flatten() {
        let of = |field: &str| entry[field].as_str().unwrap_or_default();
        // As wide as a time is.
        let _ = writeln!(text, "  {:24}  {:11}  {}", of("at"), of("event"), of("detail"));
    }
    text
}

fn holding(state: &str, waiting_for: &Value) -> String {
    let known: Option<Option<WaitingFor>> = serde_json::from_value(waiting_for.clone()).ok();
    let Some(waiting_for) = known else { return format!("waits for {waiting_for}") };
    let held = match waiting_for {
        None if state == "queued" => "nothing holds it",
        None => "waits for nothing",
        Some(WaitingFor::CarrierPause) => "waits until its carrier may be asked again",
        Some(WaitingFor::DailyCap) => "waits for the next day, because the segments of this one are used up",
        Some(WaitingFor::AccountRate) => "waits for the limit of its carrier account, which its numbers share",
        Some(WaitingFor::NumberRate) => "waits for the limit of its number",
        Some(WaitingFor::Retry) => "waits for the time of its next attempt",
        Some(WaitingFor::EarlierMessage) => "waits for a message that goes before it",
        Some(WaitingFor::Receipt) => "waits for the carrier to say what became of it",
    };
    held.to_owned()
}

/// Next, 2nd, 3rd, 4th, 11th, 21st.
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
    fn a67_a_message_that_waits_is_told_in_lines() {
        let id = MessageId::new(Day(20_000), Position(7), 0);
        let told = json!({
            "state": "queued", "lane": "+12065550100", "position": 3, "waiting_for": "number_rate",
            "due_at": "2026-11-22T20:00:03.000Z", "attempts": [],
            "timeline": [
                { "at": "2026-11-22T20:00:00.000Z", "event": "accepted", "detail": "queued, with an estimated wait of 3000 ms" },
                { "at": null, "event": "failed", "detail": "blocked" },
            ],
        });
        let expected = format!(
            "{id}: queued in the lane of +12065550100, 3rd\n\
             waits for the limit of its number; due at 2026-11-22T20:00:03.000Z\n  \
             2026-11-22T20:00:00.000Z  accepted     queued, with an estimated wait of 3000 ms\n  \
             \x20                         failed       blocked\n"
        );
        assert_eq!(text(id, &told), expected);
        let done = json!({ "state": "delivered", "lane": "+12065550100", "position": null, "waiting_for": null });
        assert_eq!(text(id, &done), format!("{id}: delivered\nwaits for nothing\n"));
    }

    #[test]
    fn f07_a_carrier_that_cannot_be_reached_is_told_with_the_reason() {
        let id = MessageId::new(Day(20_000), Position(7), 0);
        let told = json!({
            "state": "queued", "lane": "+12065550100", "position": 1, "waiting_for": "retry",
            "reason": "the carrier cannot be reached: connection refused",
        });
        let expected = format!(
            "{id}: queued in the lane of +12065550100, next\n\
             waits for the time of its next attempt\n\
             its carrier account fails: the carrier cannot be reached: connection refused\n"
        );
        assert_eq!(text(id, &told), expected);
    }

    #[test]
    fn a_reason_that_a_newer_gateway_gives_is_shown_as_it_is() {
        assert_eq!(holding("queued", &json!("the_weather")), "waits for \"the_weather\"");
        assert_eq!(holding("queued", &Value::Null), "nothing holds it");
    }

    #[test]
    fn places_are_counted_as_people_do() {
        let places = [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 111].map(place);
        assert_eq!(
            places,
            ["next", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "111th"].map(str::to_owned)
        );
    }
}
