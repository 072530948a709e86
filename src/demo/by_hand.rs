//! After the scenarios: shows the effects of what the user does by hand.

use super::photo::{fetch, settled};
use super::stage::{Stage, Who};
use super::{Set, TOKEN};
use crate::model::E164;
use crate::sim::carrier::Arrived;
use crate::sim::platform::Delivery;
use serde_json::Value;
use std::collections::HashSet;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Subscriptions from the moment the instructions are shown.
pub(super) struct ByHand {
    events: broadcast::Receiver<Delivery>,
    texts: broadcast::Receiver<(E164, Arrived)>,
}

impl ByHand {
    /// Prints the instructions; `photo` is the path of the first scenario's photo.
    pub(super) fn begin(set: &Set, stage: &Stage, photo: &str) -> Self {
        let by_hand = Self { events: set.platform.deliveries(), texts: set.carrier.arrivals() };
        stage.go_on(
            &set.addresses,
            TOKEN,
            &set.carrier.keypads(),
            (!photo.is_empty()).then(|| fetch(set, photo)).as_deref(),
        );
        by_hand
    }

    /// Shows each event delivered to the platform, once, and each text that arrives on a phone.
    pub(super) async fn show(mut self, stage: &Stage) {
        let mut seen = HashSet::new();
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(event) if seen.insert(event.id.clone()) => stage.line(Who::Platform, summary(&event)),
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => stage.line(Who::Platform, format!("{missed} more events")),
                    Err(RecvError::Closed) => return,
                },
                text = self.texts.recv() => match text {
                    Ok((phone, text)) => stage.line(Who::Caller, format!("{phone} reads: {}", &*text.text)),
                    Err(RecvError::Lagged(missed)) => stage.line(Who::Caller, format!("{missed} more texts arrive")),
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

/// An event in one line: its type, its subject, and its text.
fn summary(event: &Delivery) -> String {
    let json = event.json();
    let data = &json["data"];
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let theirs = if data["direction"] == "outbound" { &data["to"] } else { &data["from"] };
    let about = event.call_id.clone().or_else(|| word(theirs)).or_else(|| word(&data["contact"]));
    let mut line = event.kind.clone();
    for part in [about, word(&data["error"]["code"])].into_iter().flatten() {
        line.push(' ');
        line.push_str(&part);
    }
    if !data["medium"].is_null() {
        line.push_str(&format!(": {}", settled(&data["medium"])));
    }
    match (event.kind.as_str(), data["auto_replied"].as_bool(), data["text"].as_str()) {
        ("message.late", Some(true), _) => line.push_str(", which belongs to no call and gets the auto-reply"),
        ("message.late", ..) => line.push_str(", which belongs to no call and gets no answer"),
        (_, _, Some("")) => line.push_str(": a photo or video, which is fetched now"),
        (_, _, Some(text)) => line.push_str(&format!(": {text}")),
        _ => {}
    }
    line
}
