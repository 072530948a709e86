mod calls;
mod directory;
mod drain;
mod events;
mod explain;
mod messages;
mod openapi;
mod refusals;
mod replay;
mod requirements;

use crate::http::world::{Answer, World};

/// What `answer` must be.
#[track_caller]
fn check(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &*answer.code()), (status, code), "{}", answer.body);
}

/// The JSON of an answer that must be this.
#[track_caller]
fn shown(answer: &Answer, status: u16) -> serde_json::Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// A directory's change: no number waits for its lane.
fn without_limits(directory: &mut crate::model::Directory) {
    for number in directory.numbers.values_mut() {
        number.limits = crate::model::Limits::none();
    }
}

/// A world where sends do not wait.
fn quick() -> World {
    World::with(without_limits, &[])
}
