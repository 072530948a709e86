//! G7, G8: a disk that is full, while the gateway runs and when it starts. A small tmpfs is the disk, which takes root.
//!
//! `OFFHOOK_FULL=20 cargo test --test faults g7` fills it so many times.

use crate::ending::judge;
use crate::load::{Load, ours, theirs, world};
use crate::process::{Gateway, Outside, SOON, skipped, wire};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The disk's size: room for a segment of the journal, the ballast and some index, and as much again.
const DISK_MB: u32 = 300;

/// A load needs a moment to be one.
const UNDER_LOAD: Duration = Duration::from_secs(2);

/// How long the disk stays full.
const FULL_FOR: Duration = Duration::from_secs(4);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_a_disk_that_fills_up_under_load_loses_nothing_and_recovers() {
    let world = world().await;
    let Some(disk) = SmallDisk::mount(&world.home.data()) else { return };
    let rounds: u32 = std::env::var("OFFHOOK_FULL").map_or(1, |text| text.parse().expect("OFFHOOK_FULL is a count"));
    let load = Load::start(&world);
    let mut kept = Kept::start(&world).await;
    for _ in 0..rounds {
        tokio::time::sleep(UNDER_LOAD).await;
        disk.fill().await;
        // Whatever is being written just then may fail; then it is started again, as systemd does, and says the same.
        kept.until("low_disk").await;
        kept.begins_nothing(FULL_FOR).await;
        disk.empty();
        let began = Instant::now();
        kept.until("ready").await;
        println!("a full disk: {} starts again so far, healed in {:.1?}", kept.restarts, began.elapsed());
    }
    assert!(world.home.log().contains("free space"), "the log does not say what to do");
    let promised = load.end().await;
    let summary = judge(&world, &promised, kept.restarts).await;
    println!("a full disk: {summary:?}");
    assert!(promised.acknowledged > 50, "there was hardly any load: {summary:?}");
    assert!(kept.gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_a_disk_that_fills_at_once_ends_no_gateway_and_heals_by_itself() {
    let world = world().await;
    let Some(disk) = SmallDisk::mount(&world.home.data()) else { return };
    let load = Load::start(&world);
    let mut kept = Kept::start(&world).await;
    for _ in 0..3 {
        tokio::time::sleep(UNDER_LOAD).await;
        disk.take_all();
        kept.says("low_disk").await;
        // What it gave up is taken, too.
        disk.fill().await;
        let until = Instant::now() + FULL_FOR;
        while Instant::now() < until {
            kept.look();
            tokio::time::sleep(LOOK_EVERY).await;
        }
        disk.empty();
        kept.until("ready").await;
    }
    assert_eq!(kept.restarts, 0, "{}", world.home.log());
    let promised = load.end().await;
    judge(&world, &promised, 0).await;
    assert!(kept.gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn g8_on_a_full_disk_it_starts_from_its_ballast_and_ends_what_is_under_way() {
    let world = world().await;
    let Some(disk) = SmallDisk::mount(&world.home.data()) else { return };
    stopped_in_a_call(&world).await;
    let ballast = fs::metadata(disk.path.join("ballast")).expect("there is a ballast while there is room").len();
    disk.fill().await;

    let mut kept = Kept::new(&world);
    kept.until("low_disk").await;
    assert!(world.home.log().contains("the ballast was released"), "{}", world.home.log());
    let call = world.client.call("c-1").await.unwrap();
    assert_eq!((call.status, call.text("/state")), (200, "active"));
    assert_eq!(world.client.end_call("c-1", "agent_hangup").await.unwrap().status, 200);
    let other = json!({ "caller": theirs(1).to_string(), "queue": "queue-0" });
    assert_eq!(world.client.put_call("c-2", &other).await.unwrap().code(), "storage_unavailable");
    assert_eq!(kept.restarts, 0, "{}", world.home.log());

    disk.empty();
    kept.until("ready").await;
    assert_eq!(world.client.put_call("c-2", &other).await.unwrap().status, 201);
    let again = disk.path.join("ballast");
    let until = Instant::now() + SOON;
    while !fs::metadata(&again).is_ok_and(|about| about.len() == ballast) {
        assert!(Instant::now() < until, "the ballast did not come back");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert!(kept.gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn g8_on_a_full_disk_without_ballast_a_start_says_what_to_free() {
    let world = world().await;
    let Some(disk) = SmallDisk::mount(&world.home.data()) else { return };
    world.home.configure(|text| format!("{text}\n[storage]\nballast_bytes = 0\n"));
    stopped_in_a_call(&world).await;
    // What it cannot do without is gone, and for another there is no room.
    fs::remove_dir_all(disk.path.join("index")).unwrap();
    disk.fill().await;
    let free = disk.free();
    for _ in 0..3 {
        says_what_to_free(&world).await;
    }
    assert!(disk.free() >= free.min(1 << 20), "{} of {free} bytes are left", disk.free());

    disk.empty();
    let gateway = world.start().await;
    assert_eq!(world.client.call("c-1").await.unwrap().text("/state"), "active");
    assert!(gateway.terminate().await.success());
}

/// Starts a gateway on a full disk: it exits and says why, or the last pages were enough and it takes no new work.
async fn says_what_to_free(world: &Outside) {
    let mut gateway = world.home.start();
    let until = Instant::now() + SOON;
    loop {
        if let Some(exited) = gateway.ended() {
            let log = world.home.log();
            assert_eq!(exited.code(), Some(1), "{log}");
            assert!(log.contains("is on a full disk: free 128 MiB there and start again"), "{log}");
            return;
        }
        let said = wire::get(world.home.doors.ops, "/readyz").await;
        if said.is_ok_and(|said| said.body.contains("low_disk") && !said.body.contains("recovering")) {
            let _stopped = gateway.terminate().await;
            return;
        }
        assert!(Instant::now() < until, "it neither exits nor logs anything:\n{}", world.home.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A gateway has run, and was stopped while a call lived.
async fn stopped_in_a_call(world: &Outside) {
    world.carrier.set_behaviour(offhook::sim::carrier::Behaviour::default());
    let gateway = world.start().await;
    let call = json!({ "caller": theirs(0).to_string(), "queue": "queue-0", "agent": "a-1" });
    assert_eq!(world.client.put_call("c-1", &call).await.unwrap().status, 201);
    assert!(world.carrier.phone(theirs(0)).text(ours(0), "hello").await.acknowledged());
    assert!(gateway.terminate().await.success());
}

/// A gateway that is started again whenever it ends, as systemd does.
struct Kept<'a> {
    world: &'a Outside,
    gateway: Gateway,
    restarts: usize,
}

impl<'a> Kept<'a> {
    fn new(world: &'a Outside) -> Self {
        Self { world, gateway: world.home.start(), restarts: 0 }
    }

    async fn start(world: &'a Outside) -> Self {
        let mut kept = Self::new(world);
        kept.gateway.ready().await;
        kept
    }

    fn look(&mut self) {
        if let Some(status) = self.gateway.ended() {
            let log = self.world.home.log();
            println!("{status}: {}", log.lines().rev().find(|line| line.contains("ERROR")).unwrap_or("no word why"));
            self.gateway = self.world.home.start();
            self.restarts += 1;
        }
    }

    /// While the disk is full, new work is refused with that reason, and nothing else fails.
    async fn begins_nothing(&mut self, time: Duration) {
        let call = json!({ "caller": theirs(0).to_string(), "queue": "queue-0" });
        let (until, mut refused) = (Instant::now() + time, 0);
        while Instant::now() < until {
            self.look();
            if let Ok(answer) = self.world.client.put_call("while-full", &call).await {
                assert_eq!((answer.status, answer.code()), (503, "storage_unavailable"), "a call began on a full disk");
                refused += 1;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        assert!(refused > 0, "nothing was refused:\n{}", self.world.home.log());
        self.until("low_disk").await;
        let alarm =
            wire::get(self.world.home.doors.ops, "/metrics").await.map(|answer| answer.body).unwrap_or_default();
        assert!(alarm.contains("offhook_not_ready{reason=\"low_disk\"} 1\n"), "there is no alarm in:\n{alarm}");
    }

    /// Until it says that it is not ready for this reason, perhaps among others.
    async fn says(&mut self, reason: &str) {
        let until = Instant::now() + SOON;
        while !wire::get(self.world.home.doors.ops, "/readyz").await.is_ok_and(|said| said.body.contains(reason)) {
            self.look();
            assert!(Instant::now() < until, "{reason} is not said within {SOON:?}:\n{}", self.world.home.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Until it is `ready`, or not ready for this reason alone.
    async fn until(&mut self, what: &str) {
        let wanted = match what {
            "ready" => (json!(true), json!([])),
            reason => (json!(false), json!([reason])),
        };
        let until = Instant::now() + SOON;
        loop {
            self.look();
            let said = wire::get(self.world.home.doors.ops, "/readyz").await;
            let said: Option<Value> = said.ok().and_then(|said| serde_json::from_str(&said.body).ok());
            // Notes may stand beside it, of a carrier that is slow.
            if said.is_some_and(|said| (&said["ready"], &said["reasons"]) == (&wanted.0, &wanted.1)) {
                return;
            }
            assert!(Instant::now() < until, "it is not {what} within {SOON:?}:\n{}", self.world.home.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A small tmpfs; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={DISK_MB}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self { path: path.to_owned() });
        }
        skipped(&format!("a tmpfs of {DISK_MB} MB cannot be mounted here: run it as root"));
        None
    }

    /// Fills it.
    async fn fill(&self) {
        let filler = self.path.join("filler");
        let filling = tokio::task::spawn_blocking(move || {
            let mut file = OpenOptions::new().append(true).create(true).open(filler).unwrap();
            let mut bytes = vec![1; 1 << 20];
            while !bytes.is_empty() {
                match file.write(&bytes) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => bytes.truncate(bytes.len() / 2),
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        });
        filling.await.unwrap();
    }

    /// Fills nearly all of it in one step, while the gateway writes too.
    fn take_all(&self) {
        let filler = self.path.join("filler");
        let take = |left: u64| {
            let bytes = self.free().saturating_sub(left).to_string();
            let taken = Command::new("fallocate").args(["-l", &bytes]).arg(&filler).output();
            taken.is_ok_and(|taken| taken.status.success())
        };
        assert!((0..20).any(|tries| take(tries << 16)), "the disk cannot be filled at once");
    }

    /// Frees the space again.
    fn empty(&self) {
        fs::remove_file(self.path.join("filler")).unwrap();
    }

    fn free(&self) -> u64 {
        let said = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.path).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.lines().last().and_then(|line| line.trim().parse().ok()).expect("df says a number")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a gateway that is still being stopped may hold files in it.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
