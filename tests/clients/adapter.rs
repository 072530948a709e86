//! `examples/adapter.py`, driven as an agent drives it.

use crate::process::{Outside, SOON, TOKEN};
use crate::python::python;
use crate::{OURS, world};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_sends_and_shows_ticks_refusals_and_what_the_caller_writes() {
    if !python() {
        return;
    }
    let world = world().await;
    let _gateway = world.start().await;
    let mut adapter = Adapter::start(&world);
    let phone = world.carrier.phone("+12065550142".parse().unwrap());
    adapter.shows("call c-1: +12065550142 in queue support, active").await;

    adapter.types("/presets");
    adapter.shows("welcome").await;
    adapter.types("/preset welcome");
    phone.wait_for(1, SOON).await.unwrap();
    adapter.shows("✓✓").await;
    adapter.types("Please send a photo of the meter.");
    phone.wait_for_text(SOON, |text| text == "Please send a photo of the meter.").await.unwrap();
    assert!(phone.text(OURS.parse().unwrap(), "On its way").await.acknowledged());
    adapter.shows("caller: On its way").await;

    adapter.types("/preset unheard-of");
    adapter.shows("(preset_not_found)").await;
    assert!(phone.text(OURS.parse().unwrap(), "STOP").await.acknowledged());
    adapter.shows("texts to this caller are refused now: ").await;
    adapter.types("Hello?");
    adapter.shows("✗ ").await;
    adapter.types("/end");
    adapter.ends().await;
    assert_eq!(world.client.call("c-1").await.unwrap().text("/state"), "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_resumes_its_stream_when_the_gateway_comes_back() {
    if !python() {
        return;
    }
    let world = world().await;
    let gateway = world.start().await;
    let mut adapter = Adapter::start(&world);
    let phone = world.carrier.phone("+12065550142".parse().unwrap());
    adapter.types("before");
    phone.wait_for(1, SOON).await.unwrap();
    adapter.shows("✓✓").await;
    gateway.kill();
    let _gateway = world.start().await;
    assert!(phone.text(OURS.parse().unwrap(), "are you back?").await.acknowledged());
    adapter.shows("caller: are you back?").await;
    adapter.types("/quit");
    adapter.ends().await;
}

/// The adapter at work. It is killed when dropped.
struct Adapter {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Adapter {
    fn start(world: &Outside) -> Self {
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/adapter.py"));
        command.args(["--api", &format!("http://{}", world.home.doors.platform), "--token", TOKEN]);
        command.args(["--call", "c-1", "--caller", "+12065550142", "--queue", "support"]);
        command.env("PYTHONIOENCODING", "utf-8");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = Arc::clone(&shown);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *screen.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, shown }
    }

    fn types(&mut self, line: &str) {
        let keyboard = self.child.stdin.as_mut().unwrap();
        writeln!(keyboard, "{line}").and_then(|()| keyboard.flush()).unwrap();
    }

    /// Waits until the screen has this.
    async fn shows(&self, what: &str) {
        let until = Instant::now() + SOON;
        loop {
            let shown = self.shown.lock().unwrap().clone();
            if shown.contains(what) {
                return;
            }
            assert!(Instant::now() < until, "{what:?} is not shown:\n{shown}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has ended well.
    async fn ends(&mut self) {
        let until = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(Instant::now() < until, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
