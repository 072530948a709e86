//! What is said to systemd, and what is taken from it.

use crate::process::systemd::{Held, Notified};
use crate::process::{Gateway, SOON, skipped};
use crate::shared::{on_the_phone, world};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The shortest that the gateway does not warn of.
const WATCHDOG: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_of_reading_of_readiness_of_reloads_and_of_the_end() {
    let world = world().await;
    let systemd = Notified::listen(&world.home);
    let mut gateway = systemd.start(&world.home, WATCHDOG);
    assert_eq!(systemd.next().await, "STATUS=reading journal and index\n");
    assert_eq!(systemd.next().await, "READY=1\nSTATUS=at work\n");
    gateway.ready().await;
    gateway.signal("HUP");
    let reloading = systemd.until("RELOADING=1").await;
    assert!(reloading.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading}");
    systemd.until("READY=1").await;
    gateway.signal("TERM");
    systemd.until("STOPPING=1").await;
    assert_eq!(gateway.exit().await.code(), Some(0));
    assert!(!world.home.log().contains("watchdog may kill"), "{}", world.home.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_is_fed_in_half_its_time_with_nothing_else_to_do() {
    const FED: u32 = 3;
    let world = world().await;
    let systemd = Notified::listen(&world.home);
    let gateway = systemd.start(&world.home, WATCHDOG);
    systemd.until("WATCHDOG=1").await;
    let began = Instant::now();
    for _ in 0..FED {
        systemd.until("WATCHDOG=1").await;
    }
    // A slow machine may see the first notification late, but no later one comes sooner.
    assert!(began.elapsed() > WATCHDOG / 2 * (FED - 1), "{:?}", began.elapsed());
    assert!(!world.home.log().contains("stuck"), "{}", world.home.log());
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_is_not_fed_while_the_engine_waits_for_the_disk() {
    let world = world().await;
    let systemd = Notified::listen(&world.home);
    let mut gateway = systemd.start(&world.home, WATCHDOG);
    gateway.ready().await;
    let Some(mut slow) = slow_disk(&gateway).await else { return };
    let (client, number) = (world.client.clone(), "+14155550100");
    let body = serde_json::json!({ "caller": number, "queue": "support", "agent": "a-1" });
    let asking = tokio::spawn(async move { client.put_call("held-up", &body).await });
    world.home.says("the engine is stuck in a commit").await;
    while systemd.next_within(Duration::from_millis(1)).await.is_some() {}
    let fed = systemd.next_within(WATCHDOG).await;
    assert_eq!(fed, None, "the watchdog is fed while the engine is stuck");

    slow.kill().unwrap();
    slow.wait().unwrap();
    systemd.until("WATCHDOG=1").await;
    let _answered = asking.await.unwrap();
    on_the_phone(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// From now on each sync of the engine's thread takes a minute, until the child that is returned ends. None where that
/// cannot be had here.
async fn slow_disk(gateway: &Gateway) -> Option<std::process::Child> {
    let threads = fs::read_dir(format!("/proc/{}/task", gateway.id())).unwrap().map(|thread| thread.unwrap().path());
    let named =
        |thread: &std::path::PathBuf| fs::read_to_string(thread.join("comm")).is_ok_and(|name| name == "engine\n");
    let engine = threads.into_iter().find(named).expect("the engine has a thread");
    let id = engine.file_name().unwrap().to_str().unwrap();
    let strace = Command::new("strace")
        .args(["-qq", "-p", id, "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=60000000"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let until = Instant::now() + SOON;
    let mut strace = strace.ok();
    while let Some(child) = &mut strace {
        let status = fs::read_to_string(engine.join("status")).unwrap();
        if status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0")) {
            return strace;
        }
        if child.try_wait().unwrap().is_some() || Instant::now() > until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    skipped("the watchdog on a slow disk: strace is missing or may not trace another process");
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_from_systemd_with_a_wrong_name_or_address_are_refused() {
    let world = world().await;
    let held = Held::listen(world.home.doors);
    let [carriers, platform] = [world.home.doors.carriers, world.home.doors.platform];
    let swapped = format!(
        "systemd listens at {platform} for the carriers door, but listen.carriers is {carriers}: set ListenStream= in \
         its unit to the same address"
    );
    for (names, why) in [
        (
            "carriers:offhook.socket:ops",
            "a socket named \"offhook.socket\": set FileDescriptorName= in its unit to one of",
        ),
        ("carriers:platform", "a socket named \"\": set FileDescriptorName="),
        ("carriers:carriers:ops", "two sockets named \"carriers\""),
        ("platform:carriers:ops", &swapped),
    ] {
        let gateway = held.start(&world.home, names);
        assert_eq!(gateway.exit().await.code(), Some(78), "{names}");
        assert!(world.home.log().contains(why), "{why} is not in:\n{}", world.home.log());
    }
    assert!(!world.home.data().join("journal").exists(), "nothing was begun but the lock");
}
