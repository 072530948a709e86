//! The gateway that most tests share.
//!
//! It runs while somebody uses it: the first test starts it, and the last one to leave stops it, so that nothing is left
//! running when the tests end.

use crate::process::{Gateway, Outside, SOON, TOKEN, wire};
use offhook::model::E164;
use offhook::sim::carrier::CarrierSettings;
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::Runtime;

/// Our number, the inbound number of queue `support`.
pub(crate) const OURS: &str = "+12065550100";

/// The surroundings, the gateway, and what drives both. Dropped in this order.
struct Shared {
    gateway: Option<Gateway>,
    world: Outside,
    runtime: Runtime,
}

static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

/// Runs a test against the shared gateway.
pub(crate) fn run(test: impl AsyncFnOnce(&Outside)) {
    let shared = shared();
    shared.runtime.block_on(test(&shared.world));
}

fn shared() -> Arc<Shared> {
    // A test that failed to start it says so itself; the next tries again.
    let mut there = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = there.upgrade() {
        return shared;
    }
    let runtime = Runtime::new().unwrap();
    let (world, gateway) = runtime.block_on(async {
        let world = world().await;
        let gateway = world.start().await;
        (world, gateway)
    });
    let shared = Arc::new(Shared { gateway: Some(gateway), world, runtime });
    *there = Arc::downgrade(&shared);
    shared
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The carrier's and the platform's tasks end with the runtime, after them.
        let _inside = self.runtime.enter();
        drop(self.gateway.take());
    }
}

/// Surroundings with a queue and a preset. Nothing runs yet.
pub(crate) async fn world() -> Outside {
    Outside::new(CarrierSettings::default(), &directory()).await
}

/// One queue with one number, which is fast enough not to be waited for.
pub(crate) fn directory() -> Value {
    json!({
        "settings": {
            "in_call_sms": true,
            "closing": { "enabled": true, "texts": { "en": "This conversation has ended." } },
            "auto_reply": { "enabled": true, "texts": { "en": "Nobody reads this." } },
        },
        "numbers": { OURS: {
            "label": "Support", "account": "main", "limits": { "segments_per_second": 50.0, "burst": 50 },
            "verification": { "state": "verified", "sms": true, "mms": true }
        } },
        "queues": { "support": { "name": "Support", "inbound_numbers": [OURS] } },
        "presets": { "en": { "welcome": { "label": "Welcome", "text": "You can text me here." } } },
        "opt_outs": [],
    })
}

/// A person on the phone, with a number and a call of their own.
pub(crate) struct OnThePhone {
    pub(crate) number: E164,
    pub(crate) call: String,
}

/// A caller and a call of this test's own; the call has not begun.
pub(crate) fn somebody() -> OnThePhone {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    OnThePhone { number: format!("+1415555{nth:04}").parse().unwrap(), call: format!("call-{nth}") }
}

/// The same, on a call that has begun.
pub(crate) async fn on_the_phone(world: &Outside) -> OnThePhone {
    let caller = somebody();
    // A phone has an inbox from when it is first asked for.
    world.carrier.phone(caller.number);
    let body = json!({ "caller": caller.number.to_string(), "queue": "support", "agent": "a-1" });
    assert_eq!(world.client.put_call(&caller.call, &body).await.unwrap().status, 201);
    caller
}

impl OnThePhone {
    /// The carrier's id of this caller's nth text. Ids are of one account, which the tests share.
    pub(crate) fn sid(&self, nth: usize) -> String {
        format!("SM{}{nth:02}", self.number.to_string().trim_start_matches('+'))
    }

    /// Ends the call, and shows every event of it the platform has by then, each once, in order.
    pub(crate) async fn hangs_up(&self, world: &Outside) -> Vec<Delivery> {
        assert_eq!(world.client.end_call(&self.call, "agent_hangup").await.unwrap().status, 200);
        let ours = |event: &Delivery| event.call_id.as_deref() == Some(&*self.call);
        let last = world.platform.wait_for(SOON, |event| ours(event) && event.kind == "call.ended").await.unwrap();
        let before = last.call_sequence.unwrap() as usize;
        world.platform.wait_for_all(before, SOON, ours).await.unwrap()
    }
}

/// How many of the events are of this type.
pub(crate) fn count(events: &[Delivery], kind: &str) -> usize {
    events.iter().filter(|event| event.kind == kind).count()
}

/// Asks the platform's door, with a body that may be anything.
pub(crate) async fn api(world: &Outside, method: &str, path: &str, body: &[u8]) -> wire::Answer {
    let head = [&*format!("Authorization: Bearer {TOKEN}"), "Content-Type: application/json"];
    wire::ask(world.home.doors.platform, method, path, &head, body).await.unwrap()
}

/// A refusal has this status and this code, and is a problem that says what to do.
#[track_caller]
pub(crate) fn check(answer: &wire::Answer, status: u16, code: &str) {
    let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{}", answer.body);
    assert!(answer.head.to_ascii_lowercase().contains("application/problem+json"), "{}", answer.head);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{}", answer.body);
}
