//! Senders who were on no call, and how many of them are answered.

use crate::process::{Gateway, Outside, SOON};
use crate::shared::{OURS, directory, on_the_phone, somebody};
use offhook::model::E164;
use offhook::sim::carrier::CarrierSettings;
use offhook::sim::platform::Delivery;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn f05_a71_forged_senders_get_no_more_answers_than_the_bound() {
    let mut directory = directory();
    directory["settings"]["auto_reply"]["strangers_per_hour"] = json!(3);
    let world = Outside::new(CarrierSettings::default(), &directory).await;
    let gateway = world.start().await;
    let mut answered = Vec::new();
    for _ in 0..2 {
        answered.push(stranger_is_answered(&world).await);
    }
    // What was answered is not forgotten by a process that dies.
    gateway.kill();
    let gateway = world.start().await;
    for _ in 0..4 {
        answered.push(stranger_is_answered(&world).await);
    }
    assert_eq!(answered, [true, true, true, false, false, false]);
    wait_for(&gateway, "offhook_auto_replies_total{outcome=\"strangers_cap\"} 3").await;
    wait_for(&gateway, "offhook_stranger_answers_total 1").await;
    let log = world.home.says("strangers_per_hour").await;
    assert_eq!(log.matches("strangers_per_hour").count(), 1, "a flood is said once: {log}");
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("strangers_per_hour")), "{log}");

    // Who was on a call is no stranger.
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    assert!(phone.text(ours(), "hello").await.acknowledged());
    caller.hangs_up(&world).await;
    assert!(phone.text(ours(), "one more question").await.acknowledged());
    phone.wait_for_text(SOON, |text| text == "Nobody reads this.").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_the_bound_is_among_the_settings_and_can_be_null() {
    let mut directory = directory();
    let shown = async |directory: &serde_json::Value| {
        let world = Outside::new(CarrierSettings::default(), directory).await;
        let _gateway = world.start().await;
        let settings = world.client.ask("GET".parse().unwrap(), "/v1/settings", None).await.unwrap();
        settings.json["auto_reply"]["strangers_per_hour"].clone()
    };
    assert_eq!(shown(&directory).await, json!(200));
    directory["settings"]["auto_reply"]["strangers_per_hour"] = json!(null);
    assert_eq!(shown(&directory).await, json!(null));
}

/// Whether somebody who was never on a call is answered.
async fn stranger_is_answered(world: &Outside) -> bool {
    let from = somebody().number;
    assert!(world.carrier.phone(from).text(ours(), "hello").await.acknowledged());
    let from = from.to_string();
    let late = |event: &Delivery| event.kind == "message.late" && event.json()["data"]["from"] == *from;
    world.platform.wait_for(SOON, late).await.unwrap().json()["data"]["auto_replied"] == json!(true)
}

/// Waits until there is this line among the metrics.
async fn wait_for(gateway: &Gateway, line: &str) {
    let until = Instant::now() + SOON;
    loop {
        let metrics = gateway.metrics().await;
        if metrics.lines().any(|there| there == line) {
            return;
        }
        assert!(Instant::now() < until, "{line} is not in:\n{metrics}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn ours() -> E164 {
    OURS.parse().unwrap()
}
