//! After the scenarios: shows the effects of what the user does by hand.

use super::photo::{fetch, settled};
use super::stage::{Stage, Who};
use super::{Set, TOKEN};
use crate::http::console::SignInLinks;
use crate::model::{E164, Timestamp};
use crate::sim::carrier::Arrived;
use crate::sim::platform::Delivery;
use serde_json::Value;
use std::collections::HashSet;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

/// Subscriptions from the moment the instructions are shown.
pub(super) struct ByHand {
    events: broadcast::Receiver<Delivery>,
    texts: broadcast::Receiver<(E164, Arrived)>,
    links: SignInLinks,
    /// Lines that the user enters; none where there is no terminal.
    lines: mpsc::Receiver<()>,
}

impl ByHand {
    /// Prints the instructions; `photo` is the path of the first scenario's photo.
    pub(super) fn begin(set: &Set, stage: &Stage, photo: &str, links: SignInLinks) -> Self {
        let (events, texts) = (set.platform.deliveries(), set.carrier.arrivals());
        let by_hand = Self { events, texts, links, lines: lines() };
        stage.go_on(
            &set.addresses,
            TOKEN,
            &set.carrier.keypads(),
            (!photo.is_empty()).then(|| fetch(set, photo)).as_deref(),
        );
        by_hand.show_link(stage);
        by_hand
    }

    /// Prints a new link to the console.
    fn show_link(&self, stage: &Stage) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(url) = self.links.url(Timestamp::default() + since_1970) {
            stage.show_link(&url);
        }
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
                Some(()) = self.lines.recv() => self.show_link(stage),
                text = self.texts.recv() => match text {
                    Ok((phone, text)) => stage.line(Who::Caller, format!("{phone} reads: {}", &*text.text)),
                    Err(RecvError::Lagged(missed)) => stage.line(Who::Caller, format!("{missed} more texts arrive")),
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

/// Enter, as often as it is pressed.
fn lines() -> mpsc::Receiver<()> {
    let (pressed, lines) = mpsc::channel(1);
    if io::stdin().is_terminal() {
        // It ends with the process: nothing can interrupt a read of the terminal.
        std::thread::spawn(move || {
            for _ in io::stdin().lock().lines().map_while(Result::ok) {
                if pressed.blocking_send(()).is_err() {
                    return;
                }
            }
        });
    }
    lines
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
