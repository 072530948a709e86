//! The setting of the tests: our numbers, each in its own queue, and callers on the phone.

use crate::process::{Outside, SOON, offhook, said};
use offhook::model::E164;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The polling interval for states without an event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The duration of a test's long form, if it was requested.
pub(crate) fn long_form() -> Option<Duration> {
    let secs = std::env::var("OFFHOOK_LIMITS_SECS").ok()?;
    Some(Duration::from_secs(secs.parse().expect("OFFHOOK_LIMITS_SECS is a count of seconds")))
}

/// One of our numbers.
#[derive(Clone)]
pub(crate) struct Line {
    pub nth: usize,
    pub account: String,
    /// Segments per second; `None` for no limit.
    pub rate: Option<f64>,
    pub burst: u32,
}

impl Line {
    /// A number of the first account without a limit.
    pub(crate) fn free(nth: usize) -> Self {
        Self { nth, account: "main".to_owned(), rate: None, burst: 1 }
    }

    pub(crate) fn number(&self) -> E164 {
        format!("+120655502{:02}", self.nth).parse().unwrap()
    }

    pub(crate) fn queue(&self) -> String {
        format!("queue-{}", self.nth)
    }
}

/// A directory of these numbers, each the inbound number of its queue, in which `max_wait` is the longest promised wait
/// of an accepted text. Only agents' texts are sent.
pub(crate) fn directory(lines: &[Line], max_wait: Duration) -> Value {
    let (mut numbers, mut queues) = (json!({}), json!({}));
    for line in lines {
        let number = line.number().to_string();
        numbers[&number] = json!({
            "label": format!("Line {}", line.nth), "account": line.account,
            "limits": { "segments_per_second": line.rate, "burst": line.burst },
            "verification": { "state": "verified", "sms": true, "mms": true }
        });
        queues[line.queue()] = json!({ "name": line.queue(), "inbound_numbers": [number] });
    }
    let max_wait_ms = u64::try_from(max_wait.as_millis()).unwrap();
    json!({
        "settings": { "in_call_sms": true, "max_wait_ms": max_wait_ms },
        "numbers": numbers, "queues": queues, "presets": {}, "opt_outs": [],
    })
}

/// A person on the phone, with a number and a call of their own.
#[derive(Clone)]
pub(crate) struct Caller {
    pub number: E164,
    pub call: String,
}

/// Starts a call to that number from a new caller.
pub(crate) async fn calls(world: &Outside, line: &Line) -> Caller {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let caller = Caller { number: format!("+1415555{nth:04}").parse().unwrap(), call: format!("call-{nth}") };
    let body = json!({ "caller": caller.number.to_string(), "queue": line.queue(), "agent": "a-1" });
    assert_eq!(world.client.put_call(&caller.call, &body).await.unwrap().status, 201);
    caller
}

impl Caller {
    /// The agent texts the caller; returns the message's id.
    pub(crate) async fn is_sent(&self, world: &Outside, text: &str) -> String {
        let sent = world.client.send_text(&self.call, text, "a-1").await.unwrap();
        assert_eq!(sent.status, 202, "{}", sent.code());
        sent.text("/id").to_owned()
    }
}

/// Waits until a message has one of these states. Panics after [`SOON`], also if the message ends in another state.
#[track_caller]
pub(crate) fn until_state(world: &Outside, id: &str, states: &'static [&str]) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let until = Instant::now() + SOON;
        loop {
            let shown = world.client.message(id).await.unwrap();
            if states.contains(&shown.text("/state")) {
                return;
            }
            assert!(Instant::now() < until, "{caller}: {} and not {states:?}", shown.text("/state"));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn until(is: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let until = Instant::now() + SOON;
        while !is() {
            assert!(Instant::now() < until, "{caller}: not within {SOON:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A line for each frame of the journal.
pub(crate) fn frames(world: &Outside) -> Vec<String> {
    let inspected = offhook(&["journal", "inspect", world.home.data().to_str().unwrap()]);
    assert!(inspected.status.success(), "{}", said(&inspected));
    said(&inspected).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}
