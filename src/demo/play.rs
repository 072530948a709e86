//! Helpers of all scenarios: the numbers, and ways to observe the effects of an action.

use super::Set;
use super::stage::{Stage, Who};
use crate::model::E164;
use crate::sim::phone::Phone;
use crate::sim::platform::{ApiAnswer, NoAnswer};
use serde_json::Value;
use std::time::Duration;

/// Inbound number of the queue `support`, which also sends from it by default: two segments a second.
pub(super) const OURS: &str = "+12065550100";
/// Inbound number of the queue `sales`: one segment in ten seconds.
const SALES: &str = "+12065550101";
/// Outbound number of both queues: one segment a second.
pub(super) const SHARED: &str = "+12065550102";

/// A number that the directory does not have in the beginning.
pub(super) const NEW: &str = "+12065550103";

/// Enough on a busy machine; nothing here usually takes more than a few seconds.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// The gateway's response to a request of the platform.
pub(super) type Answer = Result<ApiAnswer, NoAnswer>;

/// The numbers that the carrier assigned to us.
pub(super) fn numbers() -> Vec<E164> {
    [OURS, SALES, SHARED, NEW].map(number).to_vec()
}

pub(super) fn number(text: &str) -> E164 {
    text.parse().expect("the demo's numbers are written as E.164")
}

/// Waits for a text that starts with `begins` and shows it; `false` if it did not arrive in time.
pub(super) async fn reads(stage: &Stage, phone: &Phone, begins: &str) -> bool {
    let arrived = phone.wait_for_text(SOON, |text| text.starts_with(begins)).await;
    if let Ok(text) = &arrived {
        stage.line(Who::Caller, format!("reads: {}", &**text));
    }
    arrived.is_ok()
}

/// A phone on a call texts one of our numbers. Returns the resulting `message.received` event; null if none came, or
/// if the webhook was not acknowledged.
pub(super) async fn writes(set: &Set, stage: &Stage, phone: &Phone, to: &str, text: &str) -> Value {
    stage.line(Who::Caller, format!("writes: {text}"));
    if !phone.text(number(to), text).await.acknowledged() {
        return Value::Null;
    }
    let from = phone.number().to_string();
    let fits = |event: &Value| {
        event["type"] == "message.received" && event["data"]["from"] == *from && event["data"]["text"] == text
    };
    first_event(set, fits).await
}

/// The first event that fits, once the platform has received it; null after the deadline.
pub(super) async fn first_event(set: &Set, fits: impl Fn(&Value) -> bool) -> Value {
    let delivery = set.platform.wait_for(SOON, |delivery| fits(&delivery.json())).await;
    delivery.map(|delivery| delivery.json()).unwrap_or_default()
}

pub(super) fn status(answer: &Answer) -> u16 {
    answer.as_ref().map_or(0, |answer| answer.status)
}

/// Shows a refusal, and returns its status and code.
pub(super) fn refused(stage: &Stage, answer: &Answer) -> (u16, String) {
    let code = word(answer, "/code");
    stage.line(Who::Gateway, format!("refuses: {} {code}", status(answer)));
    (status(answer), code)
}

/// The value at a JSON pointer of a response; null if absent.
pub(super) fn field(answer: &Answer, pointer: &str) -> Value {
    answer.as_ref().ok().and_then(|answer| answer.json.pointer(pointer).cloned()).unwrap_or_default()
}

/// The text at a JSON pointer of a response; empty if absent.
pub(super) fn word(answer: &Answer, pointer: &str) -> String {
    answer.as_ref().map(|answer| answer.text(pointer).to_owned()).unwrap_or_default()
}
