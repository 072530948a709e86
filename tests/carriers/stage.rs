//! Who plays: our numbers, each in a queue of its own, and people who are on the phone.

use crate::process::{SOON, World, offhook, said};
use offhook::model::E164;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at something that has no news to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long the long form of a test takes, where somebody asks for it.
pub(crate) fn long_form() -> Option<Duration> {
    let secs = std::env::var("OFFHOOK_LIMITS_SECS").ok()?;
    Some(Duration::from_secs(secs.parse().expect("OFFHOOK_LIMITS_SECS is a count of seconds")))
}

/// One of our numbers.
#[derive(Clone)]
pub(crate) struct Line {
    pub nth: usize,
    pub account: String,
    /// Segments a second, or no limit.
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

/// A directory of these numbers, each the inbound number of its queue, in which a text may wait so long when it is
/// accepted. Nothing goes out but what agents write.
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

/// Somebody who is on the phone, with a number and a call that nobody else has.
#[derive(Clone)]
pub(crate) struct Caller {
    pub number: E164,
    pub call: String,
}

/// Somebody calls that number.
pub(crate) async fn calls(world: &World, line: &Line) -> Caller {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let caller = Caller { number: format!("+1415555{nth:04}").parse().unwrap(), call: format!("call-{nth}") };
    let body = json!({ "caller": caller.number.to_string(), "queue": line.queue(), "agent": "a-1" });
    assert_eq!(world.client.put_call(&caller.call, &body).await.unwrap().status, 201);
    caller
}

impl Caller {
    /// The agent texts them; the message.
    pub(crate) async fn is_sent(&self, world: &World, text: &str) -> String {
        let sent = world.client.send_text(&self.call, text, "a-1").await.unwrap();
        assert_eq!(sent.status, 202, "{}", sent.code());
        sent.text("/id").to_owned()
    }
}

/// Waits until the gateway shows one of these states of a message. One that comes to another end is waited for in vain.
#[track_caller]
pub(crate) fn until_state(world: &World, id: &str, states: &'static [&str]) -> impl Future<Output = ()> {
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

/// Waits until something is so.
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
pub(crate) fn frames(world: &World) -> Vec<String> {
    let inspected = offhook(&["journal", "inspect", world.home.data().to_str().unwrap()]);
    assert!(inspected.status.success(), "{}", said(&inspected));
    said(&inspected).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}
