//! A data directory written by an earlier version of the program serves the same answers.
//!
//! `tests/data_dirs/v4` was written by the last program that wrote record version 4. Its journal ends where the last
//! frame does, without the zeros behind it.

use crate::process::{Outside, SOON, offhook, said};
use crate::shared::directory;
use offhook::sim::carrier::CarrierSettings;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A person who sent STOP.
const ANN: &str = "+14155550107";

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_dirs/v4")
}

#[tokio::test(flavor = "multi_thread")]
async fn g27_a_data_directory_of_record_version_4_serves_the_same_answers() {
    let world = Outside::new(CarrierSettings::default(), &directory()).await;
    copy(&sample().join("data"), &world.home.data());
    let answers = fs::read(sample().join("answers.json")).unwrap();
    let answers: Map<String, Value> = serde_json::from_slice(&answers).unwrap();
    for life in 0..3 {
        let gateway = world.start().await;
        for (path, expected) in &answers {
            let answer = world.client.ask("GET".parse().unwrap(), path, None).await.unwrap();
            assert_eq!(answer.status, 200, "{path}");
            check_includes(&answer.json, expected, path);
        }
        // The opt-out of before is in force, and new calls and their texts are stored beside the old ones.
        let (call, late) = (format!("ann-{life}"), format!("bob-{life}"));
        for (call, caller) in [(&call, ANN), (&late, "+14155550199")] {
            let body = json!({ "caller": caller, "queue": "support", "agent": "a-1" });
            assert_eq!(world.client.put_call(call, &body).await.unwrap().status, 201);
        }
        assert_eq!(world.client.call(&call).await.unwrap().text("/sms/refusal"), "opted_out");
        assert_eq!(world.client.send_text(&late, "hello", "a-1").await.unwrap().status, 202);
        for call in [&call, &late] {
            assert_eq!(world.client.end_call(call, "agent_hangup").await.unwrap().status, 200);
        }
        world.carrier.wait_for_receipts(SOON).await.unwrap();
        assert_eq!(gateway.terminate().await.code(), Some(0));
        // The first life uses the index as it was written; later ones rebuild it.
        fs::remove_dir_all(world.home.data().join("index")).unwrap();
    }
    assert!(world.home.log().contains("the snapshot is loaded"), "{}", world.home.log());
    let verified = offhook(&["journal", "verify", world.home.data().to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

/// Every field of `old` is in `new` with the same value; `new` may have more fields. Received messages had no kind, and
/// what a queue inherits is below `effective` now.
#[track_caller]
fn check_includes(new: &Value, old: &Value, path: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (name, old) in old.iter().filter(|(name, old)| *name != "kind" || !old.is_null()) {
                let inherited = new.get("effective").and_then(|effective| effective.get(name));
                let found = new.get(name).filter(|found| !found.is_null() || old.is_null()).or(inherited);
                check_includes(found.unwrap_or(&Value::Null), old, &format!("{path} {name}"));
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            assert_eq!(new.len(), old.len(), "{path}");
            new.iter().zip(old).for_each(|(new, old)| check_includes(new, old, path));
        }
        (new, old) => assert_eq!(new, old, "{path}"),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &place) } else { fs::copy(&path, place).map(drop).unwrap() }
    }
}
