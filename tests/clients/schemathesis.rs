//! Schemathesis: requests made from the OpenAPI document, valid and invalid ones, against the real binary.

use crate::process::TOKEN;
use crate::python::tools;
use crate::world;
use std::process::Command;

/// Cases per operation, and the seed they come from. `OFFHOOK_SCHEMA_CASES` and `OFFHOOK_SCHEMA_SEED` set others.
const CASES: &str = "12";
const SEED: &str = "1";

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let Some(tools) = tools() else { return };
    let world = world().await;
    let _gateway = world.start().await;
    let set = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let (cases, seed) = (set("OFFHOOK_SCHEMA_CASES", CASES), set("OFFHOOK_SCHEMA_SEED", SEED));
    let mut command = Command::new(tools.join("schemathesis"));
    command.args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/schemathesis.toml")]);
    command.args(["run", &format!("http://{}/v1/openapi.json", world.home.doors.platform)]);
    command.args(["--checks", "all", "--seed", &seed, "--no-color", "--max-examples", &cases]);
    command.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    command.current_dir(world.home.path(""));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
