//! What never arrived is found in the carrier's list, over the real binary. Each test has a gateway of its own.

use crate::operate::{command, get, post};
use crate::process::{Outside, SOON, binary, nothing_for, quiet};
use crate::shared::{OURS, OnThePhone, check, directory, on_the_phone};
use offhook::model::{E164, Timestamp};
use offhook::sim::carrier::{CarrierSettings, LookUpAnswer, Resend};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn ours() -> E164 {
    OURS.parse().unwrap()
}

/// A carrier that never posts a webhook again, so that the gateway has to find what it missed.
async fn world() -> Outside {
    let resend = Resend { attempts_max: 1, ..Resend::default() };
    Outside::new(CarrierSettings { resend, ..CarrierSettings::default() }, &directory()).await
}

/// The time this long ago.
fn ago(secs: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(secs);
    Timestamp::from_ms(u64::try_from(now.as_millis()).unwrap()).to_string()
}

/// A caller's texts come to the carrier, and no further.
async fn lost(world: &Outside, caller: &OnThePhone, texts: &[String]) {
    let phone = world.carrier.phone(caller.number);
    for text in texts {
        assert!(!phone.text(ours(), text).await.acknowledged());
    }
}

fn words(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("{prefix} {nth}")).collect()
}

/// The reconciliation of the account, once it is in this state.
async fn until(world: &Outside, state: &str) -> Value {
    let deadline = Instant::now() + SOON;
    loop {
        let found = get(world, "/v1/accounts/main").await.json["reconciliation"].clone();
        if found["state"] == state {
            return found;
        }
        assert!(Instant::now() < deadline, "not {state}: {found}");
        nothing_for(Duration::from_millis(20)).await;
    }
}

fn counts(found: &Value) -> [u64; 3] {
    ["read", "known", "taken_in"].map(|name| found[name].as_u64().unwrap_or(u64::MAX))
}

/// The data of the first `wanted` events of this type about this person, in order of arrival.
async fn heard(world: &Outside, kind: &str, from: &OnThePhone, wanted: usize) -> Vec<Value> {
    let from = from.number.to_string();
    let fits = |event: &Delivery| event.kind == kind && event.json()["data"]["from"] == *from;
    let events = world.platform.wait_for_all(wanted, SOON, fits).await.unwrap();
    events.iter().map(|event| event.json()["data"].clone()).collect()
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|data| data["text"].as_str()).collect()
}

/// Makes the gateway's last sign of life this old, as if the machine had been off since.
fn last_seen(world: &Outside, secs: u64) {
    let clock = world.home.data().join("clock");
    let noted = fs::read_to_string(&clock).unwrap();
    let fields: Vec<_> = noted.trim().split(' ').collect();
    let at = fields[2].parse::<u64>().unwrap() - secs * 1_000;
    fs::write(clock, format!("another-boot {} {at:020} {}\n", fields[1], fields[3])).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_while_the_gateway_was_down_comes_in_once_and_in_order_by_itself() {
    let world = world().await;
    let gateway = world.start().await;
    let (caller, other) = (on_the_phone(&world).await, on_the_phone(&world).await);
    let phone = world.carrier.phone(caller.number);
    assert!(phone.text(ours(), "before").await.acknowledged());
    heard(&world, "message.received", &caller, 1).await;
    assert_eq!(get(&world, "/v1/accounts/main").await.json["reconciliation"], Value::Null, "it is new");

    gateway.kill();
    lost(&world, &caller, &words("lost", 3)).await;
    assert!(!phone.photo(ours(), "a photo", 2).await.acknowledged());
    lost(&world, &other, &words("also lost", 2)).await;
    last_seen(&world, 3_600);
    let gateway = world.start().await;
    let done = until(&world, "done").await;
    assert_eq!(counts(&done), [7, 1, 6], "{done}");
    assert!(done["since"].as_str().unwrap() < &*ago(3_600 + 200), "some minutes before: {done}");

    let events = heard(&world, "message.received", &caller, 5).await;
    assert_eq!(texts(&events), ["before", "lost 0", "lost 1", "lost 2", "a photo"]);
    let marks: Vec<_> = events.iter().map(|data| data["reconciled"].as_bool()).collect();
    assert_eq!(marks, [None, Some(true), Some(true), Some(true), Some(true)]);
    assert_eq!(texts(&heard(&world, "message.received", &other, 2).await), ["also lost 0", "also lost 1"]);
    let ready = |event: &Delivery| event.kind == "media.ready";
    assert_eq!(world.platform.wait_for_all(2, SOON, ready).await.unwrap().len(), 2);
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("offhook_reconciled_messages_total{account=\"main\"} 6\n"), "{metrics}");

    // The carrier delivers one of them after all, and a short restart has no list read.
    let webhook = world.carrier.record().webhooks[1].clone();
    assert!(world.carrier.repeat(&webhook).await.acknowledged());
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let _gateway = world.start().await;
    assert_eq!(get(&world, "/v1/accounts/main").await.json["reconciliation"], Value::Null);
    let (said, code) = command(&world, &["reconcile", "--account", "main", "--since", &ago(3_000)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("7 messages read on 1 pages") && said.contains("0 taken in, 7 already known"), "{said}");
    let ended = caller.hangs_up(&world).await;
    assert_eq!(ended.iter().filter(|event| event.kind == "message.received").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_finds_what_was_lost_and_what_belongs_to_an_ended_call_is_late() {
    let world = world().await;
    let gateway = world.start().await;
    let (caller, gone) = (on_the_phone(&world).await, on_the_phone(&world).await);
    let phone = world.carrier.phone(gone.number);
    assert!(phone.text(ours(), "hello").await.acknowledged());
    assert_eq!(gateway.terminate().await.code(), Some(0));
    lost(&world, &caller, &words("lost", 1)).await;
    lost(&world, &gone, &words("too late", 1)).await;
    let _gateway = world.start().await;
    assert_eq!(world.client.end_call(&gone.call, "caller_hangup").await.unwrap().status, 200);

    let (said, code) = command(&world, &["reconcile", "--account", "main", "--since", &ago(600)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("main: 3 messages read") && said.contains("2 taken in, 1 already known"), "{said}");
    assert_eq!(texts(&heard(&world, "message.received", &caller, 1).await), ["lost 0"]);
    let late = heard(&world, "message.late", &gone, 1).await;
    assert_eq!((&late[0]["reconciled"], &late[0]["last_call_id"]), (&json!(true), &json!(gone.call)), "{late:?}");
    let message = get(&world, &format!("/v1/calls/{}/messages", caller.call)).await;
    assert_eq!(message.json["items"][0]["reconciled"], true, "{}", message.json);
    let audit = get(&world, "/v1/audit?resource=accounts/main").await;
    assert_eq!((audit.text("/items/0/action"), audit.text("/items/0/actor")), ("reconcile", "adapter"));

    let (said, code) = command(&world, &["reconcile", "--account", "main", "--since", &ago(600)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 taken in, 3 already known"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_answered_429_is_read_after_the_wait() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    gateway.kill();
    lost(&world, &caller, &words("lost", 2)).await;
    world.carrier.set_look_ups(LookUpAnswer::TooMany(6));
    let _gateway = world.start().await;
    let begun = post(&world, "/v1/accounts/main/reconcile", json!({ "since": ago(600) })).await;
    assert_eq!((begun.status, begun.text("/state")), (202, "running"), "{}", begun.json);
    let waiting = until(&world, "waiting").await;
    assert!(waiting["detail"].as_str().unwrap().contains("429"), "{waiting}");
    let (said, code) = command(&world, &["reconcile", "--account", "main", "--since", &ago(60)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it waits until") && said.contains("goes on by itself"), "{said}");
    world.carrier.set_look_ups(LookUpAnswer::Numbers);
    let done = until(&world, "done").await;
    assert_eq!((counts(&done), done["since"].clone()), ([2, 0, 2], begun.json["since"].clone()), "{done}");
    assert_eq!(texts(&heard(&world, "message.received", &caller, 2).await), ["lost 0", "lost 1"]);
    assert!(world.home.log().contains("Twilio answered 429"), "{}", world.home.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_in_the_middle_begins_again_and_nothing_comes_twice() {
    let world = world().await;
    let mut gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    gateway.kill();
    // Three pages of it.
    let all = words("lost", 250);
    lost(&world, &caller, &all).await;
    gateway = world.start().await;
    let begun = post(&world, "/v1/accounts/main/reconcile", json!({ "since": ago(1_200) })).await;
    assert_eq!(begun.status, 202, "{}", begun.json);
    let page = |found: &Value| found["pages"].as_u64().is_some_and(|pages| pages >= 1);
    for wanted in [1, 5, 60] {
        // Killed while it reads, and twice while it takes in.
        let deadline = Instant::now() + SOON;
        loop {
            let found = get(&world, "/v1/accounts/main").await.json["reconciliation"].clone();
            let taken_in = found["taken_in"].as_u64().unwrap_or_default();
            if (wanted == 1 && page(&found)) || taken_in >= wanted || found["state"] == "done" {
                break;
            }
            assert!(Instant::now() < deadline, "{found}");
        }
        gateway.kill();
        gateway = world.start().await;
    }
    let done = until(&world, "done").await;
    assert_eq!(counts(&done)[0], 250, "{done}");
    let events = heard(&world, "message.received", &caller, 250).await;
    assert_eq!(texts(&events), all, "in order");
    let ended = caller.hangs_up(&world).await;
    assert_eq!(ended.iter().filter(|event| event.kind == "message.received").count(), 250);
    // It is done for good.
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let _gateway = world.start().await;
    assert_eq!(get(&world, "/v1/accounts/main").await.json["reconciliation"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_come_meanwhile_by_webhook_are_not_taken_from_the_list_again() {
    let world = world().await;
    let gateway = world.start().await;
    let (caller, other) = (on_the_phone(&world).await, on_the_phone(&world).await);
    gateway.kill();
    lost(&world, &caller, &words("lost", 210)).await;
    let _gateway = world.start().await;
    post(&world, "/v1/accounts/main/reconcile", json!({ "since": ago(1_200) })).await;
    let phone = world.carrier.phone(other.number);
    for text in words("meanwhile", 20) {
        assert!(phone.text(ours(), &text).await.acknowledged());
    }
    until(&world, "done").await;
    for (caller, count) in [(&caller, 210), (&other, 20)] {
        let events = caller.hangs_up(&world).await;
        assert_eq!(events.iter().filter(|event| event.kind == "message.received").count(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconciliation_that_cannot_be_is_refused_with_what_to_do() {
    let plivo = "[[account]]\nname = \"other\"\ncarrier = \"plivo\"\npublic_url = \"https://sms.example.com\"\n\
                 auth_id = \"MA112233445566778899\"\nauth_token_files = [\"twilio\"]\n\n";
    let world = world().await;
    world.home.configure(|config| config.replacen("[[account]]", &format!("{plivo}[[account]]"), 1));
    let _gateway = world.start().await;
    let refused = async |account: &str, since: &str, code: &str, detail: &str| {
        let path = format!("/v1/accounts/{account}/reconcile");
        let body = json!({ "since": since }).to_string();
        let answer = crate::shared::api(&world, "POST", &path, body.as_bytes()).await;
        check(&answer, answer.status, code);
        let (said, exit) = command(&world, &["reconcile", "--account", account, "--since", since]);
        assert!(said.contains(detail) && exit == Some(1), "{said}");
    };
    refused("other", &ago(60), "no_message_list", "has no list of received messages").await;
    refused("elsewhere", &ago(60), "account_not_found", "no such account in the configuration").await;
    refused("main", "yesterday", "invalid_field", "since").await;
    refused("main", &ago(8 * 24 * 60 * 60), "invalid_field", "more than 7 days ago").await;
    refused("main", "2100-01-01T00:00:00Z", "invalid_field", "in the future").await;
    assert_eq!(get(&world, "/v1/accounts/main").await.json["reconciliation"], Value::Null);
    // Without its options the command says which there are.
    let mut help = std::process::Command::new(binary());
    let help = quiet(help.args(["reconcile", "--help"]).stdin(Stdio::null())).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("--account <ACCOUNT>") && help.contains("--since <SINCE>"), "{help}");
}
