//! A gateway that was stopped, and what it had acknowledged.

use crate::ending::no_canary;
use crate::load::{CANARY, ours, theirs, world};
use crate::process::{Outside, offhook, said};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Calls that are begun after the one that is looked at most.
const OTHERS: usize = 20;

/// A gateway's data at rest, with one call in it.
pub(crate) struct Stopped {
    pub world: Arc<Outside>,
}

impl Stopped {
    /// After a call with a text each way, `kill -9`: a clean stop would leave less to be wrong.
    pub(crate) async fn after_a_call() -> Self {
        let world = world().await;
        world.carrier.set_behaviour(offhook::sim::carrier::Behaviour::default());
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
        for nth in 0..OTHERS {
            let other = json!({ "caller": theirs(nth + 1).to_string(), "queue": "queue-0" });
            assert_eq!(world.client.put_call(&format!("other-{nth}"), &other).await.unwrap().status, 201);
        }
        gateway.kill();
        Self { world }
    }

    /// The one segment there is.
    pub(crate) fn segment(&self) -> PathBuf {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.world.home.data().join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    /// Where the last frame ends: the file goes on with zeros, which were there before any frame.
    pub(crate) fn end(&self) -> u64 {
        let verified = self.journal("verify");
        let said = said(&verified);
        let bytes = said.split(" bytes").next().and_then(|text| text.rsplit(' ').next());
        bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("no count of bytes in:\n{said}"))
    }

    pub(crate) fn overwrite(&self, offset: u64, bytes: &[u8]) {
        OpenOptions::new().write(true).open(self.segment()).unwrap().write_all_at(bytes, offset).unwrap();
    }

    fn journal(&self, command: &str) -> std::process::Output {
        offhook(&["journal", command, self.world.home.data().to_str().unwrap()])
    }

    /// What `verify` exits with and says. `inspect` shows the frames there are, whatever comes after them.
    #[track_caller]
    pub(crate) fn check(&self, code: i32, verdict: &str) {
        let verified = self.journal("verify");
        assert_eq!(verified.status.code(), Some(code), "{}", said(&verified));
        assert!(said(&verified).contains(verdict), "{}", said(&verified));
        let inspected = self.journal("inspect");
        assert_eq!(inspected.status.code(), Some(0), "{}", said(&inspected));
        assert!(said(&inspected).lines().count() > 3, "{}", said(&inspected));
        no_canary("verify", &said(&verified));
        no_canary("inspect", &said(&inspected));
    }

    pub(crate) async fn starts_and_knows_the_call(&self) {
        let gateway = self.world.start().await;
        self.knows_the_call().await;
        assert_eq!(gateway.terminate().await.code(), Some(0));
    }

    /// Nothing of what was acknowledged is missing. A gateway runs.
    pub(crate) async fn knows_the_call(&self) {
        let call = self.world.client.call("c-1").await.unwrap();
        assert_eq!((call.status, call.text("/state")), (200, "active"));
        let counts = (&call.json["usage"]["received"], &call.json["usage"]["custom_sent"]);
        assert_eq!(counts, (&json!(1), &json!(1)));
    }

    /// The same of all that was acknowledged.
    pub(crate) async fn knows_every_call(&self) {
        self.knows_the_call().await;
        for nth in 0..OTHERS {
            let call = self.world.client.call(&format!("other-{nth}")).await.unwrap();
            assert_eq!((call.status, call.text("/state")), (200, "active"), "other-{nth}");
        }
    }

    /// The data as it is now, kept beside it.
    pub(crate) fn keep(&self) -> Kept {
        keep(&self.world)
    }
}

/// A gateway's data as it is now, kept beside it. No gateway runs.
pub(crate) fn keep(world: &Outside) -> Kept {
    let (data, kept) = (world.home.data(), world.home.path("kept"));
    copy(&data, &kept);
    Kept { data, kept }
}

/// Data that can be put back.
pub(crate) struct Kept {
    data: PathBuf,
    kept: PathBuf,
}

impl Kept {
    pub(crate) fn put_back(&self) {
        fs::remove_dir_all(&self.data).unwrap();
        copy(&self.kept, &self.data);
    }
}

/// Copies a directory, and leaves out the zeros that only reserve room.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--sparse=always"]).args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} could not be copied", from.display());
}
