//! The quarantine of a running gateway, over its door and by the command (A58). Each test has a gateway of its own.

use crate::hooks::hear;
use crate::operate::{command, get, post};
use crate::process::{Outside, SOON};
use crate::shared::{OURS, on_the_phone, world};
use offhook::sim::platform::Delivery;
use serde_json::json;
use std::fs;

/// The account in webhooks that this gateway is not configured for.
const OTHER_SID: &str = "ACfeedfacefeedfacefeedfacefeedface";

/// A text that cannot be read, because it is of another account.
async fn of_another_account(world: &Outside, sid: &str, from: &str, words: &str) {
    let fields = [
        ("AccountSid", OTHER_SID),
        ("MessageSid", sid),
        ("From", from),
        ("To", OURS),
        ("Body", words),
        ("NumMedia", "0"),
    ];
    assert_eq!(hear(world, &fields).await.status, 200);
}

/// Corrects the account's SID in the configuration, for the next start.
fn correct(world: &Outside) {
    world.home.configure(|text| {
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("account_sid", _)) => format!("account_sid = \"{OTHER_SID}\""),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a58_what_could_not_be_read_is_replayed_once_the_cause_is_gone() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let from = caller.number.to_string();
    of_another_account(&world, &caller.sid(1), &from, "where is my parcel?").await;
    let added = world.platform.wait_for(SOON, |event| event.kind == "quarantine.added").await.unwrap().json();
    let id = added["data"]["id"].as_str().unwrap().to_owned();

    let (list, code) = command(&world, &["quarantine", "list"]);
    assert!(code == Some(0) && list.starts_with(&id) && list.contains("AccountSid differs"), "{list}");
    assert!(!list.contains("parcel") && !list.contains(&from[1..]), "the list has nothing of its content: {list}");
    let (shown, code) = command(&world, &["quarantine", "show", &id]);
    assert!(code == Some(0) && shown.contains("Body=where+is+my+parcel%3F"), "{shown}");
    let blind = "[[platform.token]]\nname = \"blind\"\nscopes = [\"read\"]\ntexts = false\ntoken_file = \"blind\"\n";
    world.home.write("blind", "a-token-that-reads-no-texts-7f65");
    world.home.configure(|text| text.replacen("[[platform.token]]", &format!("{blind}[[platform.token]]"), 1));
    let (shown, code) = command(&world, &["quarantine", "show", &id]);
    assert!(code == Some(0) && shown.contains("parcel"), "the command uses a token that may read texts: {shown}");
    let (refused, code) = command(&world, &["quarantine", "replay", &id]);
    assert!(code == Some(1) && refused.contains("still unreadable") && refused.contains("AccountSid"), "{refused}");

    gateway.kill();
    correct(&world);
    let _gateway = world.start().await;
    let path = format!("/v1/quarantine/{id}/replay");
    let replay = || post(&world, &path, json!({}));
    let (one, two, three, four) = tokio::join!(replay(), replay(), replay(), replay());
    let statuses = [one, two, three, four].map(|answer| answer.status);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "one wins: {statuses:?}");
    assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
    let received = |event: &Delivery| event.kind == "message.received";
    let event = world.platform.wait_for(SOON, received).await.unwrap().json();
    assert_eq!((&event["call_id"], &event["data"]["text"]), (&json!(caller.call), &json!("where is my parcel?")));
    let (gone, code) = command(&world, &["quarantine", "replay", &id]);
    assert!(code == Some(1) && gone.contains("no such webhook in quarantine"), "{gone}");
    assert_eq!(command(&world, &["quarantine", "list"]), ("nothing is in quarantine\n".to_owned(), Some(0)));
    assert_eq!(caller.hangs_up(&world).await.iter().filter(|event| received(event)).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a58_a_replay_during_a_kill_happened_whole_or_not_at_all() {
    let world = world().await;
    let mut gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let from = caller.number.to_string();
    const WEBHOOKS: usize = 12;
    for nth in 0..WEBHOOKS {
        of_another_account(&world, &caller.sid(nth), &from, &format!("number {nth}")).await;
    }
    gateway.kill();
    correct(&world);
    gateway = world.start().await;
    let listed = get(&world, "/v1/quarantine").await;
    let ids: Vec<_> = listed.json["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids.len(), WEBHOOKS);
    for (nth, id) in ids.iter().enumerate() {
        let client = &world.client;
        let path = format!("/v1/quarantine/{}/replay", id.as_str().unwrap());
        let replayed = async { client.ask("POST".parse().unwrap(), &path, Some(&json!({}))).await };
        let killed = async {
            tokio::time::sleep(std::time::Duration::from_micros(400 * nth as u64)).await;
            gateway.kill();
        };
        let (replayed, ()) = tokio::join!(replayed, killed);
        gateway = world.start().await;
        let left = get(&world, &format!("/v1/quarantine/{}", id.as_str().unwrap())).await.status == 200;
        let transcript = get(&world, &format!("/v1/calls/{}/messages", caller.call)).await;
        let items = transcript.json["items"].as_array().unwrap();
        let came = items.iter().filter(|message| message["text"] == format!("number {nth}")).count();
        assert_eq!(came, usize::from(!left), "whole or not at all: {}", transcript.json);
        assert!(!(left && replayed.is_ok_and(|answer| answer.status == 200)), "what was answered 200 is on disk");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a58_what_is_replayed_during_a_restart_comes_once() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let from = caller.number.to_string();
    const WEBHOOKS: usize = 30;
    for nth in 0..WEBHOOKS {
        of_another_account(&world, &caller.sid(nth), &from, &format!("number {nth}")).await;
    }
    assert_eq!(gateway.terminate().await.code(), Some(0));
    correct(&world);
    let gateway = world.start().await;
    let quarantined = async || get(&world, "/v1/quarantine").await.json["items"].as_array().unwrap().clone();
    let replay = async |item: &serde_json::Value| {
        let path = format!("/v1/quarantine/{}/replay", item["id"].as_str().unwrap());
        world.client.ask("POST".parse().unwrap(), &path, Some(&json!({}))).await
    };
    let all = quarantined().await;
    assert_eq!(all.len(), WEBHOOKS);
    let mut done = 0;
    let replaying = async {
        for item in &all {
            let replayed = replay(item).await.is_ok_and(|answer| answer.status == 200);
            done += usize::from(replayed);
            if replayed && done == 3 {
                gateway.signal("TERM");
            }
        }
    };
    replaying.await;
    assert_eq!(gateway.exit().await.code(), Some(0));
    assert!((3..WEBHOOKS).contains(&done), "the restart came in between: {done}");
    let _gateway = world.start().await;
    let left = quarantined().await;
    assert_eq!(left.len(), WEBHOOKS - done, "neither lost nor answered for nothing");
    for item in &left {
        assert_eq!(replay(item).await.unwrap().status, 200);
    }
    let transcript = get(&world, &format!("/v1/calls/{}/messages", caller.call)).await;
    let mut texts: Vec<_> =
        transcript.json["items"].as_array().unwrap().iter().map(|item| item["text"].clone()).collect();
    texts.sort_by_key(|text| text.as_str().map(str::len).zip(text.as_str().map(str::to_owned)));
    assert_eq!(texts, (0..WEBHOOKS).map(|nth| json!(format!("number {nth}"))).collect::<Vec<_>>());
    assert_eq!(crate::shared::count(&caller.hangs_up(&world).await, "message.received"), WEBHOOKS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a58_what_nobody_needs_is_discarded_by_the_command() {
    let world = world().await;
    let gateway = world.start().await;
    of_another_account(&world, "SM1", "+14155550100", "no one's text").await;
    let listed = get(&world, "/v1/quarantine").await;
    let id = listed.text("/items/0/id");
    assert_eq!(command(&world, &["quarantine", "discard", id]), (format!("{id}: discarded\n"), Some(0)));
    assert_eq!(get(&world, "/v1/quarantine").await.json["items"], json!([]));
    let metric = "offhook_quarantine_resolved_total{account=\"main\",outcome=\"discarded\"} 1";
    let deadline = std::time::Instant::now() + SOON;
    while !gateway.metrics().await.contains(metric) {
        assert!(std::time::Instant::now() < deadline, "{metric}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (wrong, code) = command(&world, &["quarantine", "show", "msg_1"]);
    assert!(code == Some(2) && wrong.contains("not an id of this gateway"), "{wrong}");
    assert!(!fs::read_to_string(world.home.path("stderr")).unwrap().contains("no one's text"));
}
