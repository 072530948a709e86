//! `offhook sim`: a carrier in a process of its own, as somebody tests a gateway against it.

use crate::demo::Program;
use crate::process::{SOON, offhook, said, wire};
use crate::shared::{OURS, on_the_phone, world};
use offhook::sim::platform::Delivery;
use serde_json::json;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_tested_against_a_carrier_that_runs_by_itself() {
    let world = world().await;
    let files = world.home.path("sim");
    let gateway = world.home.doors.carriers.to_string();
    let arguments = ["sim", "--carrier", "bandwidth", "--listen", "127.0.0.1:0", "--gateway", &gateway, "--write"];
    let sim = Program::start(&[&arguments[..], &[files.to_str().unwrap()]].concat());
    let shown = sim.says("Texts that arrive on phones:").await;

    // What it wrote is put beside the configuration, and its account takes the place of the one there.
    for entry in fs::read_dir(&files).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        world.home.write(entry.file_name().to_str().unwrap(), &text);
    }
    let account = fs::read_to_string(files.join("account.toml")).unwrap();
    world.home.configure(|text| text.split("[[account]]").next().unwrap().to_owned() + &account);
    let _gateway = world.start().await;

    let caller = on_the_phone(&world).await;
    assert_eq!(world.client.send_text(&caller.call, "Hello", "a-1").await.unwrap().status, 202);
    sim.says(&format!("{} from {OURS}: Hello", caller.number)).await;
    let curl = shown.lines().find_map(|line| line.trim().strip_prefix("curl http://")).unwrap();
    let (api, _) = curl.split_once("/phones/").unwrap();
    let path = format!("/phones/{}", caller.number);
    let answer = wire::ask(api.parse().unwrap(), "POST", &path, &[], b"It works").await.unwrap();
    assert_eq!(answer.body, format!("{OURS} received it\n"));
    let received = |event: &Delivery| event.kind == "message.received";
    let received = world.platform.wait_for(SOON, received).await.unwrap().json();
    assert_eq!((&received["data"]["text"], &received["call_id"]), (&json!("It works"), &json!(caller.call)));
}

#[test]
fn a_carrier_or_behaviour_that_does_not_exist_is_answered_with_those_that_do() {
    let output = offhook(&["sim", "--carrier", "pigeon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("no carrier is called \"pigeon\": use one of twilio, bandwidth"),
        "{}",
        said(&output)
    );
    let output = offhook(&["sim", "--carrier", "twilio", "--listen", "127.0.0.1:0", "--behaviour", "better"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("no behaviour is called \"better\": use one of \"good\", \"500\""),
        "{}",
        said(&output)
    );
}
