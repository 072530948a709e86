//! The commands of the README, run as they stand there.

use crate::process::{Outside, SOON};
use offhook::sim::carrier::CarrierSettings;
use offhook::sim::platform::PlatformSettings;
use serde_json::Value;
use standardwebhooks::Webhook;
use std::fs;
use std::process::Command;

/// Its blocks of bash, with the addresses of this gateway.
fn blocks(world: &Outside) -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = readme.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let here = format!("http://{}/v1", world.home.doors.platform);
    blocks.map(|block| block.replace("http://127.0.0.1:8081/v1", &here).replace("secrets/", "")).collect()
}

/// What a block prints, run beside the configuration.
async fn run(world: &Outside, block: String, variables: &[(&str, &str)]) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &block]).current_dir(world.home.path(""));
    bash.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || bash.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_of_the_readme_works_as_it_is_written() {
    let example = include_str!("../../config/directory.example.json");
    let directory: Value = serde_json::from_str(example).unwrap();
    let numbers = directory["numbers"].as_object().unwrap().keys().map(|number| number.parse().unwrap()).collect();
    let world = Outside::new(CarrierSettings { numbers, ..CarrierSettings::default() }, &directory).await;
    let _gateway = world.start().await;
    let [first_call, signature] = blocks(&world).try_into().expect("a call, and a signature");

    let printed = run(&world, first_call, &[]).await;
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&printed)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("every answer is JSON");
    let [started, sent, events, ended] = answers.try_into().expect("four answers");
    assert_eq!(started["state"], "active", "{started}");
    assert_eq!(sent["state"], "queued", "{sent}");
    let mut kinds = events["items"].as_array().unwrap().iter().map(|event| &event["type"]);
    assert!(kinds.any(|kind| kind == "call.started"), "{events}");
    assert_eq!(ended["state"], "ended", "{ended}");

    let event = world.platform.wait_for(SOON, |event| event.kind == "call.ended").await.unwrap();
    world.home.write("body.json", std::str::from_utf8(&event.bytes).unwrap());
    let printed = run(&world, signature, &[("ID", &event.id), ("TIME", "1764000000")]).await;
    let secret = &PlatformSettings::default().secrets[0];
    let expected = Webhook::new(secret).unwrap().sign(&event.id, 1_764_000_000, &event.bytes).unwrap();
    assert_eq!(expected, format!("v1,{}", printed.trim()));
}
