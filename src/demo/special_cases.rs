//! The second scenario: a transferred call, consent while waiting, calls of one caller id, and STOP.
//!
//! Nothing here sleeps. That something was not sent is shown by something later that must come after it.

use super::Set;
use super::play::{OURS, SHARED, SOON, field, first_event, number, reads, refused, status, word, writes};
use super::stage::{Stage, Who};
use crate::sim::phone::Phone;
use serde_json::{Value, json};

const SHOPPER: &str = "+12065550143";
const WAITING: &str = "+12065550160";
const COMPANY: &str = "+12065550150";
const WEARY: &str = "+12065550170";

const TERMS: &str = "Here is what the service plan covers. Every year before winter a technician checks the boiler, \
cleans the burner, measures the exhaust and replaces small parts that wear out; you pay nothing for work or parts. \
If the heating fails, somebody comes within a day, also on Sundays, and within four hours where there are children or \
old people in the house. The plan costs nine dollars a month, runs for a year, and ends when you say so a month ahead. \
It does not cover the pipes in the walls, the radiators, or what frost and water have damaged. If you move, the plan \
moves with you, and if you sell the house the new owner may keep it. If you like it, I can set it up while we talk, \
and you get the papers by mail in a few days. Please tell me if you have any questions.";

/// Runs from the first call to the last hang-up.
pub(super) async fn play(set: &Set, stage: &mut Stage) {
    stage.scenario("Second scenario: the hard cases");
    a_transfer(set, stage).await;
    a_waiting_caller(set, stage).await;
    three_calls_of_one_caller_id(set, stage).await;
    stop_in_mid_call(set, stage).await;
    start_again(set, stage).await;
    opted_out_and_hung_up(set, stage).await;
}

async fn a_transfer(set: &Set, stage: &mut Stage) {
    stage.scene("A transfer");
    let phone = set.phone(number(SHOPPER));
    let in_queue = async |queue: &str, agent: &str| {
        set.client.put_call("c-3", &json!({ "caller": SHOPPER, "queue": queue, "agent": agent })).await
    };
    stage.line(Who::Platform, format!("{SHOPPER} is on the phone with agent-17 (queue support)"));
    let begun = in_queue("support", "agent-17").await;
    stage.line(Who::Agent, "sends the preset \"welcome\"");
    let welcome = set.client.send_preset("c-3", "welcome", "agent-17").await;
    let welcomed = reads(stage, &phone, "Hello, this is your agent").await;

    stage.line(Who::Platform, "the call is transferred to agent-30 in queue billing, where texts are disabled");
    let billing = in_queue("billing", "agent-30").await;
    stage.line(Who::Agent, "tries to text the caller");
    let (_, refusal) = refused(stage, &set.client.send_text("c-3", "About your bill", "agent-30").await);
    let text = writes(set, stage, &phone, OURS, "Order 4711").await;
    stage.expect(
        "nothing can be sent from here, but the caller's texts are not lost: they join the call",
        status(&begun) == 201
            && (status(&welcome), welcomed) == (202, true)
            && field(&billing, "/sms/refusal") == "queue_disabled"
            && refusal == "queue_disabled"
            && text["call_id"] == "c-3",
    );

    stage.line(
        Who::Platform,
        "the call is transferred to agent-21 in queue sales, the Italian desk with a number of its own",
    );
    let sales = in_queue("sales", "agent-21").await;
    stage.line(Who::Agent, "sends the preset \"photo\"");
    let photo = set.client.send_preset("c-3", "photo", "agent-21").await;
    let requested = reads(stage, &phone, "Mi mandi per favore").await;
    let one_thread = phone.inbox().iter().all(|arrived| arrived.from == number(OURS));
    let text = writes(set, stage, &phone, OURS, "Subito!").await;
    stage.expect(
        "the new queue's language and settings apply; for the caller it is the same thread, and here the same call",
        field(&sales, "/sms/can_send") == true
            && (status(&photo), requested, one_thread) == (202, true, true)
            && text["call_id"] == "c-3",
    );
    stage.line(Who::Platform, "the call has ended");
    let ended = set.client.end_call("c-3", "agent_hangup").await;
    let closed = reads(stage, &phone, "Grazie per la chiamata").await;
    stage.expect("the closing message is in that language too", (status(&ended), closed) == (200, true));
}

async fn a_waiting_caller(set: &Set, stage: &mut Stage) {
    stage.scene("A waiting caller");
    let phone = set.phone(number(WAITING));
    let put = async |phase: &str, agreed: bool, agent: Option<&str>| {
        let call = json!({
            "caller": WAITING, "queue": "support", "phase": phase, "agent": agent, "wait_sms_consent": agreed,
        });
        set.client.put_call("c-4", &call).await
    };
    let next = json!({ "text": "You are next. You can already text us what it is about." });
    stage.line(Who::Platform, format!("{WAITING} waits in queue support, and should get a text"));
    put("waiting", false, None).await.ok();
    let refusal = refused(stage, &set.client.send("c-4", &next).await);
    stage.expect("a waiting caller is not texted without consent", refusal == (403, "wait_consent_missing".into()));

    stage.line(Who::Platform, "the caller presses 1: texts are welcome");
    put("waiting", true, None).await.ok();
    stage.line(Who::Platform, "texts the caller");
    let sent = set.client.send("c-4", &next).await;
    let arrived = reads(stage, &phone, "You are next").await;
    let text = writes(set, stage, &phone, OURS, "No hot water").await;
    stage.line(Who::Platform, "agent-17 picks up");
    let connected = put("connected", true, Some("agent-17")).await;
    stage.expect(
        "now the text is sent, and the answer belongs to the call",
        (status(&sent), arrived) == (202, true)
            && text["call_id"] == "c-4"
            && field(&connected, "/sms/session") == "open"
            && field(&connected, "/usage/received") == 1,
    );
}

async fn three_calls_of_one_caller_id(set: &Set, stage: &mut Stage) {
    stage.scene("Three calls of one caller id");
    let phone = set.phone(number(COMPANY));
    let agents = [("c-5", "agent-17"), ("c-6", "agent-18"), ("c-7", "agent-19")];
    stage.line(Who::Platform, format!("{COMPANY}, a company's switchboard, is on the phone with three agents at once"));
    for (call, agent) in agents {
        set.client.put_call(call, &json!({ "caller": COMPANY, "queue": "support", "agent": agent })).await.ok();
    }
    let mut from = Vec::new();
    for (call, agent) in &agents[..2] {
        let text = format!("This is {agent}.");
        let sent = set.client.send_text(call, &text, agent).await;
        let ours = word(&sent, "/from");
        stage.line(Who::Agent, format!("{agent} writes from {ours}: {text}"));
        from.push(ours);
    }
    let both = phone.wait_for(2, SOON).await.is_ok_and(|inbox| inbox[0].from != inbox[1].from);
    let third = set.client.send_text("c-7", "This is agent-19.", "agent-19").await;
    let refusal = refused(stage, &third);
    let other = word(&third, "/other_call_id");
    stage.line(
        Who::Gateway,
        format!("every number of the queue is already in use with this caller, one of them in {other}"),
    );
    stage.expect(
        "a number and a caller identify one call: the second call uses another number, the third has none",
        both && from == [OURS, SHARED]
            && refusal == (409, "number_pair_busy".into())
            && ["c-5", "c-6"].contains(&other.as_str()),
    );

    let second = writes(set, stage, &phone, SHARED, "This is the warehouse.").await;
    let first = writes(set, stage, &phone, OURS, "This is the front desk.").await;
    stage.expect(
        "each answer reaches the right agent; nothing is guessed",
        first["call_id"] == "c-5" && second["call_id"] == "c-6",
    );
    stage.line(Who::Platform, "the three calls have ended");
    let mut ended = Vec::new();
    // The third first: a closing message for it would be sent before the others.
    for (call, _) in agents.iter().rev() {
        ended.push(status(&set.client.end_call(call, "agent_hangup").await));
    }
    let inbox = phone.wait_for(4, SOON).await.unwrap_or_default();
    let closing = |from: &str| {
        inbox.iter().any(|arrived| arrived.from == number(from) && arrived.text.starts_with("Thanks for calling"))
    };
    stage.expect(
        "each thread is closed from its own number; the call without a number gets nothing",
        ended == [200; 3] && closing(OURS) && closing(SHARED) && inbox.len() == 4,
    );
}

async fn stop_in_mid_call(set: &Set, stage: &mut Stage) {
    stage.scene("STOP in mid-call");
    let phone = set.phone(number(WEARY));
    stage.line(Who::Platform, format!("{WEARY} is on the phone with agent-17 (queue support)"));
    set.client.put_call("c-8", &json!({ "caller": WEARY, "queue": "support", "agent": "agent-17" })).await.ok();
    let terms = set.client.send_text("c-8", TERMS, "agent-17").await;
    let arrived = phone.wait_for(1, SOON).await.is_ok();
    stage.line(Who::Agent, format!("writes {} segments, which arrive", field(&terms, "/segments")));
    let waiting = set.client.send_text("c-8", "Shall I set it up?", "agent-17").await;
    let (id, wait) = (field(&waiting, "/id"), field(&waiting, "/estimated_wait_ms"));
    stage.line(Who::Agent, format!("writes: Shall I set it up? It waits for the number's rate, about {wait} ms"));

    let text = writes(set, stage, &phone, OURS, "Stop").await;
    let listed =
        first_event(set, |event| event["type"] == "contact.opted_out" && event["data"]["call_id"] == "c-8").await;
    let back = first_event(set, |event| event["type"] == "message.cancelled" && event["data"]["id"] == id).await;
    let closed = |event: &Value| event["type"] == "call.updated" && event["data"]["sms"]["session"] == "closed";
    let call = first_event(set, |event| event["call_id"] == "c-8" && closed(event)).await;
    stage.line(
        Who::Gateway,
        "records the opt-out, cancels the waiting text, closes the text session; the call continues",
    );
    stage.expect(
        "the agent sees the STOP, marked as an opt-out",
        text["call_id"] == "c-8" && text["data"]["opt_out_keyword"] == "stop" && text["data"]["reply_blocked"] == true,
    );
    stage.expect(
        "the waiting text is cancelled at once, and never sent",
        arrived
            && back["data"]["error"]["code"] == "opted_out"
            && back["call_sequence"].as_u64() < call["call_sequence"].as_u64()
            && listed["data"]["contact"] == WEARY,
    );
    let refusal = refused(stage, &set.client.send_text("c-8", "Hello?", "agent-17").await);
    stage.expect(
        "and no more texts are accepted",
        refusal == (409, "session_closed".into())
            && (&call["data"]["state"], &call["data"]["sms"]["closed_reason"])
                == (&json!("active"), &json!("opted_out")),
    );
    let (who, confirmed) = if set.carrier.answers_keywords() {
        ("the carrier", the_carrier_says(set, stage, &phone, "unsubscribed"))
    } else {
        ("the gateway", reads(stage, &phone, "You have opted out").await)
    };
    let what = format!("{who} confirms it; the phone gets that and nothing else");
    stage.expect(what, confirmed && phone.inbox().len() == 2);
}

async fn start_again(set: &Set, stage: &mut Stage) {
    stage.scene("START again");
    let phone = set.phone(number(WEARY));
    writes(set, stage, &phone, OURS, "START").await;
    let opened =
        first_event(set, |event| event["type"] == "contact.opted_in" && event["data"]["call_id"] == "c-8").await;
    let answers = set.carrier.answers_keywords();
    let greeted = !answers || the_carrier_says(set, stage, &phone, "subscribed");
    stage.line(Who::Agent, "writes: Good to have you back.");
    let again = set.client.send_text("c-8", "Good to have you back.", "agent-17").await;
    let back = reads(stage, &phone, "Good to have you back.").await;
    let sent = |event: &Value| event["type"] == "message.sent" && event["data"]["id"] == field(&again, "/id");
    let reported = !first_event(set, sent).await.is_null();
    stage.expect(
        "after START texts are sent again",
        opened["data"]["keyword"] == "start" && (status(&again), back, reported) == (202, true, true),
    );
    let sent = |event: &&Value| event["type"] == "message.sent" && event["data"]["kind"] == "opt_out_confirmation";
    let ours = events(set, "c-8").iter().filter(sent).count();
    let (what, texts, confirmations) = if answers {
        ("the carrier answers these words itself, so the gateway does not: each was confirmed once", 4, 0)
    } else {
        ("the carrier leaves these words to the gateway, which confirmed the STOP once", 3, 1)
    };
    stage.expect(what, greeted && (phone.inbox().len(), ours) == (texts, confirmations));
}

async fn opted_out_and_hung_up(set: &Set, stage: &mut Stage) {
    stage.scene("Opted out, and hung up");
    let (weary, phone) = (set.phone(number(WEARY)), set.phone(number(WAITING)));
    stage.line(Who::Platform, format!("{WAITING}, who waited before, is still on the phone with agent-17"));
    let text = writes(set, stage, &phone, OURS, "Opt out.").await;
    let confirmed = reads(stage, &phone, "You have opted out").await;
    let notices = if set.carrier.answers_keywords() { 2 } else { 0 };
    stage.expect(
        "the carrier does not recognise these words, but the law does, so the gateway acts on them and confirms once",
        text["data"]["opt_out_keyword"] == "stop" && confirmed && set.carrier.record().notices.len() == notices,
    );
    stage.line(Who::Platform, format!("the call of {WAITING} has ended, and after it that of {WEARY}"));
    let ended = status(&set.client.end_call("c-4", "agent_hangup").await);
    set.client.end_call("c-8", "agent_hangup").await.ok();
    // Both closing messages would be sent from the same number, in this order.
    let closed = reads(stage, &weary, "Thanks for calling").await;
    stage.expect(
        "the closing message goes to the caller who accepts texts, and not to the one who opted out",
        ended == 200 && closed && phone.inbox().len() == 2,
    );
}

/// The carrier's last own message: it has this word, and is the last text on the phone.
fn the_carrier_says(set: &Set, stage: &Stage, phone: &Phone, word: &str) -> bool {
    let Some(notice) = set.carrier.record().notices.pop() else { return false };
    let sentence = notice.text.split_inclusive('.').next().unwrap_or_default();
    stage.line(Who::Carrier, format!("answers itself: {sentence} ..."));
    let last = phone.inbox().pop().is_some_and(|arrived| arrived.text == notice.text);
    last && notice.to == phone.number() && notice.text.contains(word)
}

/// The events of a call that the platform has received so far.
fn events(set: &Set, call: &str) -> Vec<Value> {
    let deliveries = set.platform.record().deliveries;
    deliveries.iter().map(|delivery| delivery.json()).filter(|event| event["call_id"] == call).collect()
}
