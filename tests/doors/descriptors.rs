//! A gateway whose descriptors are used up.

use crate::peer::{Line, PATIENCE, connect, source};
use crate::process::{Outside, nothing_for, skipped, wire};
use crate::stage::{Honest, What, plain, quiet, value};
use crate::webhook::Webhook;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// As few as a gateway may be given by mistake.
const FEW: usize = 128;

/// Connections of a peer that wants more than there are.
const CROWD: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g21_with_few_descriptors_a_crowd_at_one_door_leaves_the_others_theirs() {
    let world = plain().await;
    let mut gateway = world.home.start_with_descriptors(FEW);
    gateway.ready().await;
    assert!(world.home.log().contains("raise it (LimitNOFILE)"), "it says that there are few: {}", world.home.log());

    let honest = Honest::plain(&[What::Platform, What::Ops], &world);
    let crowd = crowd(&world).await;
    let refused = "offhook_connections_refused_total{door=\"carriers\",reason=\"full\"}";
    let until = Instant::now() + PATIENCE;
    while value(&gateway.metrics().await, refused) == 0 {
        assert!(Instant::now() < until, "all of {CROWD} found a place");
    }
    for path in ["/readyz", "/healthz", "/metrics"] {
        assert_eq!(wire::get(world.home.doors.ops, path).await.unwrap().status, 200, "{path}");
    }
    // A write at the platform's door goes to the disk.
    let body = serde_json::json!({ "caller": "+14155550101", "queue": "support", "agent": "a-1" });
    assert_eq!(world.client.put_call("call-1", &body).await.unwrap().status, 201);
    assert_eq!(value(&gateway.metrics().await, "offhook_accept_failures_total{door=\"carriers\"}"), 0);

    drop(crowd);
    honest.ends().await;
    quiet(&gateway, "carriers").await;
    assert_eq!(hear(&world, "SM1").await, 200);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g21_without_free_descriptors_the_doors_wait_and_recover() {
    let world = plain().await;
    let gateway = world.start().await;
    assert_eq!(hear(&world, "SM1").await, 200);
    let open = fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap().count();
    let Ok(status) = set_descriptors(gateway.id(), open + 4) else {
        skipped("prlimit of util-linux is missing");
        return;
    };
    assert!(status.success(), "{status}");
    // Every door lacks descriptors now, the ops door too, so it is queried before and after.
    assert_eq!(wire::get(world.home.doors.ops, "/healthz").await.unwrap().status, 200);
    let complaint = "cannot accept connections";
    let began = Instant::now();
    let crowd = crowd(&world).await;
    while !world.home.log().contains(complaint) {
        assert!(began.elapsed() < PATIENCE, "it has taken all of {CROWD}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Its pauses double from 10 ms to a second, so it asks the system some seven times in the first second.
    nothing_for(Duration::from_secs(2)).await;
    let complaints = world.home.log().matches(complaint).count();
    let most = 8 + usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(complaints <= most, "{complaints} complaints in {:.1?}", began.elapsed());

    drop(crowd);
    quiet(&gateway, "carriers").await;
    assert_eq!(hear(&world, "SM2").await, 200);
    assert_eq!(wire::get(world.home.doors.ops, "/healthz").await.unwrap().status, 200);
    assert!(value(&gateway.metrics().await, "offhook_accept_failures_total{door=\"carriers\"}") > 0);
    assert!(gateway.terminate().await.success());
}

/// Many connections to the carriers' door, all of which the system has taken for it.
async fn crowd(world: &Outside) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for nth in 0..CROWD {
        crowd.push(connect(world.home.doors.carriers, source(nth)).await.unwrap());
    }
    crowd
}

async fn hear(world: &Outside, sid: &str) -> u16 {
    let stream = connect(world.home.doors.carriers, source(0)).await.unwrap();
    Line::new(stream).ask(&Webhook::text(sid, "+14155550101", "hello").bytes()).await.unwrap().status
}

fn set_descriptors(process: u32, most: usize) -> std::io::Result<std::process::ExitStatus> {
    Command::new("prlimit").args([&format!("--pid={process}"), &format!("--nofile={most}:")]).status()
}
