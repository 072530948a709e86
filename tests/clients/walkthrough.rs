//! `examples/walkthrough.md`, run as it stands there.

use crate::process::{SOON, TOKEN};
use crate::{OURS, world};
use std::fs;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_walkthrough_work_as_they_are_written() {
    let world = world().await;
    let _gateway = world.start().await;
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/walkthrough.md")).unwrap();
    let here = format!("http://{}/v1", world.home.doors.platform);
    let blocks = text.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let script = blocks.collect::<Vec<_>>().join("\n").replace("http://127.0.0.1:8081/v1", &here);
    let script = script.replace("demo-token", TOKEN);
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(world.home.path(""));
    let phone = world.carrier.phone("+12065550142".parse().unwrap());
    let caller = async {
        phone.wait_for(1, SOON).await.unwrap();
        assert!(phone.text(OURS.parse().unwrap(), "It says 4711").await.acknowledged());
    };
    let (output, ()) = tokio::join!(tokio::task::spawn_blocking(move || bash.output()), caller);
    let output = output.unwrap().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{said}");
    // Each command asks curl to fail on a refusal, so that what it prints is a document.
    for expected in ["\"state\":\"queued\"", "\"activation_required\":false", "preset_sent", "\"action\":\"change\""] {
        assert!(said.contains(expected), "{expected} is not shown:\n{said}");
    }
}
