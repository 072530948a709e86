mod assigning;
mod audit;
mod calls;
mod codes;
mod directory;
mod document;
mod drain;
mod erasures;
mod events;
mod explain;
mod links;
mod me;
mod messages;
mod openapi;
mod operate;
mod opt_outs;
mod reconcile;
mod refusals;
mod replay;
mod reports;
mod requirements;
mod resources;
mod saved;
mod texts;

use crate::http::test_gateway::{Answer, TestGateway};

/// Asserts the status and code of a refusal.
#[track_caller]
fn check(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &*answer.code()), (status, code), "{}", answer.body);
}

/// The JSON of a response; asserts its status and headers.
#[track_caller]
fn shown(answer: &Answer, status: u16) -> serde_json::Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// The path of a route with a value for each parameter; those of the directory exist in the example directory.
fn sample(path: &str) -> String {
    let path = path.replace("{call_id}", "c-1").replace("{message_id}", "msg_x").replace("{erasure_id}", "era_x");
    let path = path.replace("{e164}", "%2B12065550100").replace("{queue_id}", "support");
    let path = path.replace("{language}/{preset_id}", "en/welcome");
    let path = path.replace("{name}", "main").replace("{quarantine_id}", "qua_x").replace("{medium_id}", "med_x");
    let path = path.replace("{language}/{preset_id}", "en/welcome").replace("/accounts/{name}", "/accounts/main");
    assert!(!path.contains('{'), "{path}: say here what its parameter may be");
    path
}

/// Removes the rate limits of all numbers.
fn without_limits(directory: &mut crate::model::Directory) {
    for number in directory.numbers.values_mut() {
        number.limits = crate::model::Limits::none();
    }
}

/// A world without rate limits.
fn quick() -> TestGateway {
    TestGateway::with(without_limits, &[])
}
