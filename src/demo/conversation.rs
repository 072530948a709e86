//! The first scenario: a call, texts both ways, a photo, a caller abroad, hang-up, and late texts.

use super::play::{OURS, SOON, field, first_event, number, reads, refused, status, writes};
use super::stage::{Stage, Who};
use super::{Set, photo};
use serde_json::{Value, json};

pub(super) const CALLER: &str = "+12065550142";
const ABROAD: &str = "+390612345678";

const LONG: &str = "Here is what we agreed on. First, please switch the boiler off at the red switch and wait for two \
minutes. Then press the round button below the display until it blinks three times, and let it go. The display shows \
a number between one and nine: please tell me which. If it shows nothing, take a photo of the whole front and send it \
to this number, so that I can see which model you have. After that, open the small door on the left, where you find a \
label with the serial number. A photo of the label would help me most. Do not touch the two pipes, they may still be \
hot. When all of this is done, switch the boiler on again and stay on the phone with me, so that we can see together \
whether it starts. If it does not, I will send somebody this afternoon between two and four o'clock, and you will not \
be charged for the visit. Thank you for your patience with this, it should take about ten minutes in all.";

/// Runs from the beginning of the call to the second late text. Returns the path of the caller's photo.
pub(super) async fn play(set: &Set, stage: &mut Stage) -> String {
    stage.scenario("First scenario: one conversation");
    call_begins(set, stage).await;
    agent_writes(set, stage).await;
    caller_writes(set, stage).await;
    let photo = photo::arrives(set, stage).await;
    a_caller_abroad(set, stage).await;
    hang_up(set, stage).await;
    afterwards(set, stage).await;
    photo
}

async fn call_begins(set: &Set, stage: &mut Stage) {
    stage.scene("A call begins");
    let call = json!({ "caller": CALLER, "queue": "support", "language": "it", "agent": "agent-17" });
    stage.line(Who::Platform, format!("{CALLER} is on the phone with agent-17 (queue support, Italian)"));
    let answer = set.client.put_call("c-1", &call).await;
    stage.expect(
        "the call is registered, and the agent can text",
        status(&answer) == 201 && field(&answer, "/sms/can_send") == true,
    );
}

async fn agent_writes(set: &Set, stage: &mut Stage) {
    stage.scene("The agent writes");
    let phone = set.phone(number(CALLER));
    let answer = set.client.send("c-1", &json!({ "preset": "welcome", "agent": "agent-17" })).await;
    stage.line(Who::Agent, "sends the preset \"welcome\"");
    let arrived = reads(stage, &phone, "Buongiorno").await;
    stage.expect("it arrived, in Italian", status(&answer) == 202 && arrived);

    let long = set.client.send_text("c-1", LONG, "agent-17").await;
    let segments = field(&long, "/segments").as_u64().unwrap_or_default();
    stage.line(Who::Agent, format!("writes {} characters: {segments} segments", LONG.chars().count()));
    let short = set.client.send_text("c-1", "Can you see the display?", "agent-17").await;
    let wait = field(&short, "/estimated_wait_ms").as_u64().unwrap_or_default();
    stage.line(Who::Gateway, format!("the number may send 2 segments a second: the next text waits about {wait} ms"));
    let arrived = phone.wait_for_text(SOON, |text| text == "Can you see the display?").await;
    let both = phone.inbox().iter().any(|arrived| &*arrived.text == LONG);
    stage.expect("both arrived, in order, at the number's rate", segments == 6 && wait > 0 && both && arrived.is_ok());
}

async fn caller_writes(set: &Set, stage: &mut Stage) {
    stage.scene("The caller writes");
    let phone = set.phone(number(CALLER));
    let text = writes(set, stage, &phone, OURS, "It shows 7").await;
    stage.expect("the text belongs to the call", text["call_id"] == "c-1");
}

async fn a_caller_abroad(set: &Set, stage: &mut Stage) {
    stage.scene("A caller from abroad");
    let call = json!({ "caller": ABROAD, "queue": "support" });
    let begun = set.client.put_call("c-2", &call).await;
    stage.line(Who::Agent, format!("tries to text {ABROAD}"));
    let answer = set.client.send_text("c-2", "Hello", "agent-17").await;
    let (_, refusal) = refused(stage, &answer);
    stage.expect(
        "texts outside the US are disabled, and the call shows it in advance",
        refusal == "non_us_blocked" && field(&begun, "/sms/refusal") == "non_us_blocked",
    );
}

async fn hang_up(set: &Set, stage: &mut Stage) {
    stage.scene("Hang-up");
    let answer = set.client.end_call("c-1", "agent_hangup").await;
    stage.line(Who::Platform, "the call has ended");
    let phone = set.phone(number(CALLER));
    let arrived = reads(stage, &phone, "Grazie").await;
    stage.expect("the closing message went out", status(&answer) == 200 && arrived);
}

async fn afterwards(set: &Set, stage: &mut Stage) {
    stage.scene("Afterwards");
    let phone = set.phone(number(CALLER));
    let first = phone.text(number(OURS), "one more question").await;
    stage.line(Who::Caller, "writes: one more question");
    let arrived = reads(stage, &phone, "Questo numero").await;
    stage.expect("the auto-reply answers, in Italian", first.acknowledged() && arrived);

    let second = phone.text(number(OURS), "hello?").await;
    stage.line(Who::Caller, "writes: hello?");
    let late = |event: &Value| event["type"] == "message.late" && event["data"]["auto_replied"] == false;
    let event = first_event(set, late).await;
    stage.expect(
        "the second gets no reply; the platform gets an event for it, without its text",
        second.acknowledged() && event["data"]["last_call_id"] == "c-1" && event["data"].get("text").is_none(),
    );
}
