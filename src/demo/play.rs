//! What every act needs: the numbers, and how to see what came of what somebody did.

use super::Set;
use super::stage::{Stage, Who};
use crate::model::E164;
use crate::sim::phone::Phone;
use crate::sim::platform::{ApiAnswer, NoAnswer};
use serde_json::Value;
use std::time::Duration;

/// Inbound number of the queue `support`, which texts from it by default: two segments a second.
pub(super) const OURS: &str = "+12065550100";
/// Inbound number of the queue `sales`: a segment in ten seconds.
const SALES: &str = "+12065550101";
/// Outbound number of both queues: a segment a second.
pub(super) const SHARED: &str = "+12065550102";

/// Long enough for a machine that does other things as well; nothing here usually takes more than a few seconds.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// What the gateway said to a request of the platform.
pub(super) type Answer = Result<ApiAnswer, NoAnswer>;

/// The numbers the carrier gives us.
pub(super) fn numbers() -> Vec<E164> {
    [OURS, SALES, SHARED].map(number).to_vec()
}

pub(super) fn number(text: &str) -> E164 {
    text.parse().expect("the demo's numbers are written as E.164")
}

/// A text that begins so, once the phone shows it; whether it did in time.
pub(super) async fn reads(stage: &Stage, phone: &Phone, begins: &str) -> bool {
    let arrived = phone.wait_for_text(SOON, |text| text.starts_with(begins)).await;
    if let Ok(text) = &arrived {
        stage.line(Who::Caller, format!("reads: {}", &**text));
    }
    arrived.is_ok()
}

/// Somebody on a call texts one of our numbers. The `message.received` that came of it; null where none came, or where
/// the carrier was not thanked.
pub(super) async fn writes(set: &Set, stage: &Stage, phone: &Phone, to: &str, text: &str) -> Value {
    stage.line(Who::Caller, format!("writes: {text}"));
    if !phone.text(number(to), text).await.acknowledged() {
        return Value::Null;
    }
    let from = phone.number().to_string();
    let fits = |event: &Value| {
        event["type"] == "message.received" && event["data"]["from"] == *from && event["data"]["text"] == text
    };
    heard(set, fits).await
}

/// The first event that fits, once the platform has heard it; null where it did not in time.
pub(super) async fn heard(set: &Set, fits: impl Fn(&Value) -> bool) -> Value {
    let delivery = set.platform.wait_for(SOON, |delivery| fits(&delivery.json())).await;
    delivery.map(|delivery| delivery.json()).unwrap_or_default()
}

pub(super) fn status(answer: &Answer) -> u16 {
    answer.as_ref().map_or(0, |answer| answer.status)
}

/// The status and code of a refusal, and says so.
pub(super) fn refused(stage: &Stage, answer: &Answer) -> (u16, String) {
    let code = word(answer, "/code");
    stage.line(Who::Gateway, format!("refuses: {} {code}", status(answer)));
    (status(answer), code)
}

/// What stands at a JSON pointer of an answer; null where nothing does.
pub(super) fn field(answer: &Answer, pointer: &str) -> Value {
    answer.as_ref().ok().and_then(|answer| answer.json.pointer(pointer).cloned()).unwrap_or_default()
}

/// The text at a JSON pointer of an answer; empty where there is none.
pub(super) fn word(answer: &Answer, pointer: &str) -> String {
    answer.as_ref().map(|answer| answer.text(pointer).to_owned()).unwrap_or_default()
}
