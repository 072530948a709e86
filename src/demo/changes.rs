//! The third scenario: an administrator changes the directory over HTTP while calls go on.
//!
//! Nothing here sleeps or restarts anything: each change is in effect with the answer that acknowledges it.

use super::Set;
use super::play::{Answer, NEW, field, first_event, number, reads, refused, status, word};
use super::stage::{Stage, Who};
use http::Method;
use serde_json::{Value, json};

const OWNER: &str = "+12065550144";
const BUYER: &str = "+12065550145";

const WELCOME: &str = "Hello, Acme Heating here. Text me photos while we talk.";
const CLOSING: &str = "Thanks for calling Acme Heating. Need more help? Call us again.";

/// Runs from the changed preset to the audit.
pub(super) async fn play(set: &Set, stage: &mut Stage) {
    stage.scenario("Third scenario: an administrator changes things while the gateway runs");
    let settings = set.admin.ask(Method::GET, "/v1/settings", None).await;
    let before = Before { cursor: header(&settings, "Offhook-Cursor"), audited: audit(set).await.len() };
    a_preset(set, stage).await;
    a_setting(set, stage).await;
    a_number(set, stage).await;
    who_did_what(set, stage, &before).await;
}

async fn a_preset(set: &Set, stage: &mut Stage) {
    stage.scene("A preset");
    stage.line(Who::Platform, format!("{OWNER} is on the phone with agent-17 (queue support)"));
    set.client.put_call("c-9", &json!({ "caller": OWNER, "queue": "support", "agent": "agent-17" })).await.ok();
    let (phone, path) = (set.phone(number(OWNER)), "/v1/presets/en/welcome");
    let read = set.admin.ask(Method::GET, path, None).await;
    let mut preset = field(&read, "");
    preset["text"] = json!(WELCOME);
    stage.line(Who::Admin, format!("reads the preset \"welcome\" with its ETag {} and changes its text", etag(&read)));
    let changed = set.admin.put_if(path, &etag(&read), &preset).await;
    set.client.send_preset("c-9", "welcome", "agent-17").await.ok();
    stage.line(Who::Agent, "sends the preset \"welcome\"");
    let arrived = reads(stage, &phone, WELCOME).await;
    stage.expect(
        "the call under way already gets the new text; the preset has a new ETag",
        status(&changed) == 200 && etag(&changed) != etag(&read) && arrived,
    );
}

async fn a_setting(set: &Set, stage: &mut Stage) {
    stage.scene("A setting, and two people who change it at once");
    let path = "/v1/settings";
    let read = set.admin.ask(Method::GET, path, None).await;
    stage.line(Who::Admin, format!("reads the settings, ETag {}, to change the closing message", etag(&read)));
    let mut others = field(&read, "");
    others["auto_reply"]["quiet_minutes"] = json!(30);
    let theirs = set.colleague.put_if(path, &etag(&read), &others).await;
    stage.line(Who::Admin, format!("a colleague saves first: auto-replies become rarer, ETag {}", etag(&theirs)));
    let mut stale = field(&read, "");
    stale["closing"]["texts"]["en"] = json!(CLOSING);
    stage.line(Who::Admin, format!("saves, with If-Match: {}", etag(&read)));
    let lost = set.admin.put_if(path, &etag(&read), &stale).await;
    let refusal = refused(stage, &lost);
    stage.expect(
        "a change of what is no longer current is refused, and the answer has the current ETag",
        refusal == (412, "precondition_failed".into()) && etag(&lost) == etag(&theirs),
    );

    stage.line(Who::Admin, "reads the settings again, changes the closing message, and saves");
    let again = set.admin.ask(Method::GET, path, None).await;
    let mut settings = field(&again, "");
    settings["closing"]["texts"]["en"] = json!(CLOSING);
    let saved = set.admin.put_if(path, &etag(&again), &settings).await;
    stage.line(Who::Platform, format!("the call of {OWNER} has ended"));
    set.client.end_call("c-9", "agent_hangup").await.ok();
    let arrived = reads(stage, &set.phone(number(OWNER)), CLOSING).await;
    stage.expect(
        "both changes are kept, and the call that just ended closes with the new words",
        status(&saved) == 200 && field(&saved, "/auto_reply/quiet_minutes") == 30 && arrived,
    );
}

async fn a_number(set: &Set, stage: &mut Stage) {
    stage.scene("A number");
    stage.line(Who::Admin, format!("queue sales may send one text in ten seconds: adds {NEW}, a faster number"));
    let path = format!("/v1/numbers/{NEW}");
    let wanted = json!({ "label": "Sales, new", "account": "main", "limits": { "segments_per_second": 10.0 } });
    let added = set.admin.create(&path, &wanted).await;
    let (queue, first) = take_into_sales(set, stage).await;
    let refusal = refused(stage, &first);
    stage.expect(
        "a number that nobody has verified cannot send",
        status(&added) == 201
            && field(&added, "/verification/state") == "unverified"
            && refusal == (409, "number_not_verified".into()),
    );

    stage.line(Who::Admin, "asks to have it verified");
    let verified = set.admin.ask(Method::POST, "/v1/numbers/verify", Some(&json!({ "numbers": [NEW] }))).await;
    let heard = |event: &Value| event["type"] == "number.verification_changed" && event["data"]["number"] == NEW;
    let event = first_event(set, heard).await;
    let shown = set.admin.ask(Method::GET, &path, None).await;
    stage.line(Who::Carrier, format!("says about it: {}", word(&shown, "/verification/status")));
    stage.expect(
        "the carrier has the number and confirms it, and the platform gets an event",
        field(&verified, "/results/0/state") == "verified"
            && field(&shown, "/verification/by") == "carrier"
            && event["data"]["state"] == "verified",
    );

    let phone = set.phone(number(BUYER));
    let (_, taken) = take_into_sales(set, stage).await;
    stage.line(Who::Platform, format!("{BUYER} is on the phone with agent-21 (queue sales, English)"));
    let call = json!({ "caller": BUYER, "queue": "sales", "agent": "agent-21", "language": "en" });
    set.client.put_call("c-10", &call).await.ok();
    let sent = set.client.send_text("c-10", "This is our offer.", "agent-21").await;
    stage.line(Who::Agent, format!("writes from {}: This is our offer.", word(&sent, "/from")));
    let arrived = reads(stage, &phone, "This is our offer.").await;
    stage.line(Who::Platform, "the call has ended");
    set.client.end_call("c-10", "agent_hangup").await.ok();
    let closed = reads(stage, &phone, CLOSING).await;
    let inbox = phone.inbox();
    stage.expect(
        "the next call is texted from the new number",
        status(&taken) == 200
            && etag(&taken) != etag(&queue)
            && (status(&sent), arrived, closed) == (202, true, true)
            && inbox.len() == 2
            && inbox.iter().all(|text| text.from == number(NEW)),
    );
}

/// The queue as it was read, and the answer to making the new number its default.
async fn take_into_sales(set: &Set, stage: &Stage) -> (Answer, Answer) {
    let path = "/v1/queues/sales";
    let read = set.admin.ask(Method::GET, path, None).await;
    let mut queue = field(&read, "");
    if let Some(numbers) = queue["outbound_numbers"].as_array_mut() {
        numbers.push(json!(NEW));
    }
    queue["default_outbound"] = json!(NEW);
    stage.line(Who::Admin, format!("makes {NEW} the number from which queue sales sends"));
    let put = set.admin.put_if(path, &etag(&read), &queue).await;
    (read, put)
}

async fn who_did_what(set: &Set, stage: &mut Stage, before: &Before) {
    stage.scene("Who did what");
    let audit = audit(set).await;
    // The newest stand first.
    let new = audit[..audit.len().saturating_sub(before.audited)].iter().rev();
    let acts: Vec<_> = new
        .map(|entry| ["actor", "action", "resource"].map(|key| entry[key].as_str().unwrap_or_default().to_owned()))
        .collect();
    for [actor, action, resource] in &acts {
        stage.line(Who::Gateway, format!("audit: {actor}: {action} {resource}"));
    }
    let number = format!("numbers/{NEW}");
    stage.expect(
        "the audit names who changed what, and nothing that was refused",
        acts == [
            ["administrator", "change", "presets/en/welcome"],
            ["colleague", "change", "settings"],
            ["administrator", "change", "settings"],
            ["administrator", "create", &number],
            ["carrier", "change", &number],
            ["administrator", "verify", &number],
            ["administrator", "change", "queues/sales"],
        ],
    );

    let path = format!("/v1/events?after={}&types=directory.changed", before.cursor);
    let events = field(&set.client.ask(Method::GET, &path, None).await, "/items");
    let changed: Vec<_> = events.as_array().into_iter().flatten().map(|event| &event["data"]).collect();
    stage.line(Who::Platform, format!("pulls the events since then: {} times directory.changed", changed.len()));
    let queue = set.admin.ask(Method::GET, "/v1/queues/sales", None).await;
    let last = json!({ "resource": "queues", "id": "sales", "etag": etag(&queue), "by": "administrator" });
    stage.expect(
        "a program that keeps a copy of the directory sees each change, with the new ETag",
        changed.len() == acts.iter().filter(|[_, action, _]| action != "verify").count()
            && changed.last() == Some(&&last),
    );
}

/// Where the events and the audit ended before the first change.
struct Before {
    cursor: String,
    audited: usize,
}

/// All entries, the newest first: the demo has few.
async fn audit(set: &Set) -> Vec<Value> {
    let answer = set.admin.ask(Method::GET, "/v1/audit?limit=500", None).await;
    field(&answer, "/items").as_array().cloned().unwrap_or_default()
}

/// The ETag of a response; empty if absent.
fn etag(answer: &Answer) -> String {
    header(answer, "ETag")
}

fn header(answer: &Answer, name: &str) -> String {
    let value = answer.as_ref().ok().and_then(|answer| answer.headers.get(name));
    value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
