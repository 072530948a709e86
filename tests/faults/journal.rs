//! A journal damaged by hand while the gateway is stopped: what nobody was told is kept is cut, what somebody was told is
//! refused loudly, and the commands that look at it say which it is, without a word of what people wrote.

use crate::ending::no_canary;
use crate::load::{CANARY, ours, theirs, world};
use crate::process::{World, offhook, said};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn g6_garbage_behind_the_last_frame_is_cut_and_what_was_before_it_is_kept() {
    let stopped = Stopped::after_a_call().await;
    let end = stopped.end();
    stopped.overwrite(end, b"garbage that a dying machine has left behind");
    stopped.check(0, "torn tail");
    stopped.starts_and_knows_the_call().await;
    assert!(stopped.world.home.log().contains("the journal's torn end was cut"), "{}", stopped.world.home.log());
    stopped.check(0, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_a_last_frame_without_its_last_bytes_is_cut_and_what_was_before_it_is_kept() {
    let stopped = Stopped::after_a_call().await;
    let segment = OpenOptions::new().write(true).open(stopped.segment()).unwrap();
    segment.set_len(stopped.end() - 3).unwrap();
    stopped.check(0, "torn tail");
    stopped.starts_and_knows_the_call().await;
    stopped.check(0, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_damage_in_the_middle_is_refused_with_a_way_out_and_changes_nothing() {
    let stopped = Stopped::after_a_call().await;
    let middle = stopped.end() / 2;
    stopped.overwrite(middle, &[0xa5; 16]);
    stopped.check(1, "DAMAGED at byte");
    let before = fs::read(stopped.segment()).unwrap();

    let refused = stopped.world.home.start().exit().await;
    assert_eq!(refused.code(), Some(1));
    let log = stopped.world.home.log();
    assert!(log.contains("put a good copy of the file back"), "there is no way out in:\n{log}");
    no_canary("the refusal", &log);
    assert!(before == fs::read(stopped.segment()).unwrap(), "what cannot be used is not touched");
}

/// A gateway's data at rest, with one call in it.
struct Stopped {
    world: Arc<World>,
}

impl Stopped {
    /// After a call with a text each way, `kill -9`: a clean stop would leave less to be wrong.
    async fn after_a_call() -> Self {
        let world = world().await;
        world.carrier.set_mood(offhook::sim::carrier::Mood::default());
        let gateway = world.start().await;
        let caller = theirs(0);
        let body = json!({ "caller": caller.to_string(), "queue": "queue-0", "agent": "a-1" });
        assert_eq!(world.client.put_call("c-1", &body).await.unwrap().status, 201);
        let sent = world.client.send_text("c-1", &format!("{CANARY} from the agent"), "a-1").await.unwrap();
        assert_eq!(sent.status, 202);
        assert!(world.carrier.phone(caller).text(ours(0), &format!("{CANARY} from the caller")).await.acknowledged());
        let delivered = world.platform.wait_for(crate::process::SOON, |event| event.kind == "message.delivered").await;
        delivered.expect("the text arrives");
        // The call is what is asked for afterwards, so more must stand behind it than is cut.
        for nth in 0..20 {
            let other = json!({ "caller": theirs(nth + 1).to_string(), "queue": "queue-0" });
            assert_eq!(world.client.put_call(&format!("other-{nth}"), &other).await.unwrap().status, 201);
        }
        gateway.kill();
        Self { world }
    }

    /// The one segment there is.
    fn segment(&self) -> PathBuf {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.world.home.data().join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    /// Where the last frame ends: the file goes on with zeros, which were there before any frame.
    fn end(&self) -> u64 {
        let verified = self.journal("verify");
        let said = said(&verified);
        let bytes = said.split(" bytes").next().and_then(|text| text.rsplit(' ').next());
        bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("no count of bytes in:\n{said}"))
    }

    fn overwrite(&self, offset: u64, bytes: &[u8]) {
        OpenOptions::new().write(true).open(self.segment()).unwrap().write_all_at(bytes, offset).unwrap();
    }

    fn journal(&self, command: &str) -> std::process::Output {
        offhook(&["journal", command, self.world.home.data().to_str().unwrap()])
    }

    /// What `verify` exits with and says. `inspect` shows the frames there are, whatever comes after them.
    #[track_caller]
    fn check(&self, code: i32, verdict: &str) {
        let verified = self.journal("verify");
        assert_eq!(verified.status.code(), Some(code), "{}", said(&verified));
        assert!(said(&verified).contains(verdict), "{}", said(&verified));
        let inspected = self.journal("inspect");
        assert_eq!(inspected.status.code(), Some(0), "{}", said(&inspected));
        assert!(said(&inspected).lines().count() > 3, "{}", said(&inspected));
        no_canary("verify", &said(&verified));
        no_canary("inspect", &said(&inspected));
    }

    async fn starts_and_knows_the_call(&self) {
        let gateway = self.world.start().await;
        let call = self.world.client.call("c-1").await.unwrap();
        assert_eq!((call.status, call.text("/state")), (200, "active"));
        let counts = (&call.json["usage"]["received"], &call.json["usage"]["custom_sent"]);
        assert_eq!(counts, (&json!(1), &json!(1)));
        assert_eq!(gateway.terminate().await.code(), Some(0));
    }
}
