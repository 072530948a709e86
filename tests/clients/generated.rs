//! A client that `openapi-python-client` generates from `docs/openapi.json`.

use crate::process::{SOON, TOKEN};
use crate::python::tools;
use crate::world;
use std::process::Command;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_starts_a_call_sends_and_reads_the_transcript() {
    let Some(tools) = tools() else { return };
    let world = world().await;
    let _gateway = world.start().await;
    let place = TempDir::new().unwrap();
    let client = place.path().join("offhook_client");
    let mut generate = Command::new(tools.join("openapi-python-client"));
    generate.args(["generate", "--path", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")]);
    generate.args(["--meta", "none", "--output-path"]).arg(&client).env("PATH", "/usr/bin:/bin");
    let said = run(generate).await;
    assert!(!said.contains("unable to") && !said.contains("Unable to"), "a part of the document was left out:\n{said}");

    let phone = world.carrier.phone("+12065550142".parse().unwrap());
    let mut script = Command::new(tools.join("python"));
    script.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/first_call.py"));
    script.arg(format!("http://{}", world.home.doors.platform)).arg(TOKEN).env("PYTHONPATH", place.path());
    let said = run(script).await;
    assert!(said.contains("preset delivered") || said.contains("preset sent"), "{said}");
    phone.wait_for(1, SOON).await.unwrap();
}

async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}
