//! The log of a gateway: what stands in it, and in which form.

use crate::hooks::hear;
use crate::process::{Gateway, Outside, quiet};
use crate::shared::{directory, on_the_phone, world};
use offhook::sim::carrier::CarrierSettings;
use serde_json::{Value, json};
use std::process::Command;

/// Starts a gateway with a variable of its own, and waits until it is ready.
async fn start_with(world: &Outside, name: &str, value: &str) -> Gateway {
    let mut command = Command::new(crate::process::binary());
    quiet(&mut command).env(name, value);
    let mut gateway = world.home.start_by(command, &world.home.path("offhook.toml"));
    gateway.ready().await;
    gateway
}

/// Stops it, and returns all that was written.
async fn written(world: &Outside, gateway: Gateway) -> String {
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", world.home.log());
    world.home.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_serve_says_what_runs_with_a_line_for_each_thing() {
    let world = world().await;
    let gateway = world.start().await;
    for last in ["door open door=\"carriers\"", "door open door=\"platform\"", "door open door=\"ops\""] {
        world.home.says(last).await;
    }
    let log = world.home.says(": ready").await;
    let doors = world.home.doors;
    for parts in [
        vec!["offhook starts".to_owned(), format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))],
        vec!["using data directory".to_owned(), format!("data_dir={}", world.home.data().display())],
        vec!["directory loaded from the seed".to_owned(), "numbers=1".to_owned()],
        vec!["door open door=\"carriers\"".to_owned(), format!("address={}", doors.carriers)],
        vec!["door open door=\"platform\"".to_owned(), format!("address={}", doors.platform)],
        vec!["door open door=\"ops\"".to_owned(), format!("address={}", doors.ops)],
        vec![": ready".to_owned()],
    ] {
        let lines: Vec<_> = log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).collect();
        assert!(lines.len() == 1 && lines[0].contains(" INFO "), "{parts:?} in:\n{log}");
    }
    assert!(!log.contains("no text can be matched or sent"), "{log}");
    written(&world, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_serve_without_a_directory_warns_that_nothing_can_be_matched_or_sent() {
    let mut empty = directory();
    empty["numbers"] = json!({});
    empty["queues"] = json!({});
    let world = Outside::new(CarrierSettings::default(), &empty).await;
    let gateway = world.start().await;
    let log = world.home.says("no text can be matched or sent").await;
    let line =
        log.lines().find(|line| line.contains("no text can be matched or sent")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(" WARN ") && line.contains("PUT /v1/numbers/{e164}"), "{line}");
    written(&world, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_the_line_of_a_quarantined_webhook_has_account_problem_and_id() {
    const CANARY: &str = "kingfisher";
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let from = caller.number.to_string();
    assert_eq!(hear(&world, &[("MessageSid", "SM901"), ("From", &from), ("Body", CANARY)]).await.status, 200);
    let log = world.home.says("quarantine").await;
    let line = log.lines().find(|line| line.contains("quarantine")).unwrap();
    assert!(line.contains(" ERROR ") && line.contains("account=\"main\"") && line.contains("problem=\""), "{line}");
    assert!(!line.contains(CANARY) && !line.contains(&from) && !line.contains("problem=\"\""), "{line}");
    let id: u64 = line.split(" id=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    written(&world, gateway).await;
    let data = world.home.data();
    let inspect = ["journal", "inspect", data.to_str().unwrap(), "--from", &id.to_string(), "--limit", "1"];
    let shown = crate::process::said(&crate::process::offhook(&inspect));
    assert!(shown.contains("Quarantined"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_the_log_is_json_where_the_configuration_says_so() {
    let world = world().await;
    world.home.configure(|text| format!("{text}\n[log]\nformat = \"json\"\nlevel = \"warn\"\n"));
    let gateway = start_with(&world, "OFFHOOK_LOG", "info").await;
    let log = written(&world, gateway).await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let ready = lines.iter().find(|line| line["message"] == "ready").unwrap_or_else(|| panic!("{log}"));
    assert_eq!(ready["level"], "INFO", "the variable comes before the key");

    // What ends the process is a line of the same form, at every level.
    world.home.write("stderr", "");
    world.home.configure(|text| text.replacen("data_dir = \"data\"", "data_dir = \"/proc/offhook\"", 1));
    assert_eq!(world.home.start().exit().await.code(), Some(1));
    let log = world.home.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["level"] != "INFO"), "level = \"warn\" holds: {log}");
    assert!(lines.last().unwrap()["message"].as_str().unwrap().contains("/proc/offhook"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_lines_for_the_journal_have_a_priority_and_no_time() {
    let world = world().await;
    let gateway = start_with(&world, "OFFHOOK_LOG_FORMAT", "journal").await;
    gateway.signal("HUP");
    world.home.says("configuration reloaded").await;
    world.home.configure(|text| text.replacen("[listen]", "[listen", 1));
    gateway.signal("HUP");
    world.home.says("configuration reload refused").await;
    let log = written(&world, gateway).await;
    assert!(
        log.lines().all(|line| line.starts_with("<3>") || line.starts_with("<4>") || line.starts_with("<6>")),
        "{log}"
    );
    assert!(log.contains("<6>offhook::serve: ready\n"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("<3>") && line.contains("invalid TOML")), "{log}");

    let mut command = Command::new(crate::process::binary());
    quiet(&mut command).env("OFFHOOK_LOG_FORMAT", "journal");
    world.home.write("stderr", "");
    assert_eq!(world.home.start_by(command, &world.home.path("offhook.toml")).exit().await.code(), Some(78));
    let log = world.home.log();
    assert!(!log.is_empty() && log.lines().all(|line| line.starts_with("<3>")), "{log}");
}
