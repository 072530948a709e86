//! The audit and `directory.changed`, with the real binary.

use crate::process::{Outside, SOON, offhook, said};
use crate::shared::{directory, on_the_phone, world};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use std::fs;

/// The audit's items.
async fn audit(world: &Outside, query: &str) -> Vec<Value> {
    let answer = world.client.ask("GET".parse().unwrap(), &format!("/v1/audit{query}"), None).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["items"].as_array().unwrap().clone()
}

/// Another endpoint, at the same platform, that names these types.
fn endpoint(world: &Outside, name: &str, events: &str) {
    let url = world.platform.url();
    let section = format!(
        "[[platform.webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_files = [\"webhook\"]\nevents = {events}\n"
    );
    world.home.configure(|text| text.replacen("[[account]]", &format!("{section}[[account]]"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a72_the_audit_names_the_token_and_survives_a_restart_without_index() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let body = json!({ "caller": caller.number.to_string(), "queue": "support", "agent": "a-1",
                       "alternative": "+14155557001" });
    assert_eq!(world.client.put_call(&caller.call, &body).await.unwrap().status, 200);
    let replay = json!({ "since": "2020-01-01T00:00:00Z", "endpoint": "main" });
    let replayed = world.client.ask("POST".parse().unwrap(), "/v1/events/replay", Some(&replay)).await.unwrap();
    assert_eq!(replayed.status, 202);

    let found = audit(&world, "").await;
    let acts: Vec<_> = found.iter().map(|item| json!([item["actor"], item["action"], item["resource"]])).collect();
    let alternative = json!(["adapter", "text_alternative", format!("calls/{}", caller.call)]);
    let expected = [json!(["adapter", "replay_events", "events"]), alternative, json!(["seed", "seed", "directory"])];
    assert_eq!(acts, expected);
    assert_eq!(found[1]["after"]["alternative"], "+14155557001");
    assert_eq!(audit(&world, "?actor=seed").await.len(), 1);

    assert_eq!(gateway.terminate().await.code(), Some(0));
    fs::remove_dir_all(world.home.data().join("index")).unwrap();
    let _gateway = world.start().await;
    assert_eq!(audit(&world, "").await, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a72_a68_directory_changed_is_pulled_by_all_and_pushed_to_those_who_name_it() {
    let world = world().await;
    endpoint(&world, "watcher", "[\"directory.*\"]");
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let mut edited = directory();
    edited["settings"]["custom_messages"] = json!(false);
    edited["presets"]["en"]["goodbye"] = json!({ "label": "Goodbye", "text": "Goodbye." });
    let file = world.home.write("edited.json", &edited.to_string());
    let config = world.home.path("offhook.toml");
    let applied = offhook(&["directory", "apply", file.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));

    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    caller.hangs_up(&world).await;
    let changed = |event: &Delivery| event.kind == "directory.changed";
    let pushed = world.platform.wait_for_all(2, SOON, changed).await.unwrap();
    let pulled = world.client.events(None, 100).await.unwrap();
    let pulled: Vec<_> =
        pulled.json["items"].as_array().unwrap().iter().filter(|event| event["type"] == "directory.changed").collect();
    let of = |resource: &str| {
        let found = pulled.iter().find(|event| event["data"]["resource"] == resource);
        found.unwrap_or_else(|| panic!("{pulled:#?}"))["data"].clone()
    };
    let etag = of("settings")["etag"].clone();
    assert_eq!(of("settings"), json!({ "resource": "settings", "id": null, "etag": etag, "by": "command line" }));
    assert_eq!(of("presets"), json!({ "resource": "presets", "id": "en/goodbye", "etag": etag, "by": "command line" }));
    let shown = world.client.ask("GET".parse().unwrap(), "/v1/settings", None).await.unwrap();
    assert_eq!(shown.headers["etag"].to_str().unwrap(), etag.as_str().unwrap());
    assert_eq!((pulled.len(), pushed.len()), (2, 2));
    // The endpoint without `events` got the call that came after the changes, and got none of them.
    let deliveries = world.platform.record().deliveries;
    assert_eq!(deliveries.iter().filter(|event| changed(event)).count(), 2, "one endpoint names it");

    let audited = audit(&world, "?actor=command%20line").await;
    assert_eq!(audited.len(), 2);
    let created = audited.iter().find(|item| item["action"] == "create").unwrap();
    assert_eq!((&created["before"], &created["after"]["text"]), (&Value::Null, &json!("Goodbye.")));
}
