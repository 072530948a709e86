//! Handshakes begun and left, and handshakes begun and held, as fast as it goes.

use crate::peer::{PATIENCE, aside, connect, source};
use crate::stage::{Stage, quiet, value};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// How long it lasts, in seconds, unless `OFFHOOK_FLOOD_SECS` says otherwise.
const SECONDS: u64 = 2;

/// Who flood at once, and what one may begin in all: there are ports for so many.
const FLOODERS: usize = 16;
const EACH_MAX: usize = 50_000;

/// Handshakes that are held at once; at a millisecond each all of them take a second.
const HELD: usize = 1_000;

/// Memory that it may take.
const RESIDENT_MAX_KB: u64 = 400_000;

/// How long an honest request waits meanwhile, on a machine that has nothing else to do.
const HONEST_P99_MAX: Duration = Duration::from_millis(100);

/// The long form, where how long is asserted too.
fn seconds() -> Option<u64> {
    std::env::var("OFFHOOK_FLOOD_SECS").ok().map(|text| text.parse().expect("OFFHOOK_FLOOD_SECS is a count of seconds"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g20_a_flood_of_handshakes_that_nobody_ends_leaves_the_doors_to_honest_ones() {
    let stage = Stage::new().await;
    let gateway = stage.world.start().await;
    let honest = stage.honest();
    let seconds = seconds();
    let (hello, until) = (stage.client_hello(), Instant::now() + Duration::from_secs(seconds.unwrap_or(SECONDS)));
    let door = stage.world.home.doors.carriers;
    let flooding = aside(seconds.is_some(), move || flood(door, hello, until));
    let mut resident_kb = 0;
    while Instant::now() < until {
        resident_kb = resident_kb.max(gateway.resident_kb());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{} handshakes begun; {} MB resident at most", flooding.await.unwrap(), resident_kb / 1_000);
    let p99 = honest.ends().await.p99;
    quiet(&gateway, "carriers").await;
    let failed =
        value(&gateway.metrics().await, "offhook_connections_total{door=\"carriers\",end=\"handshake_failed\"}");
    assert!(failed > 100, "that was no flood, or the door has seen none of it: {failed}");
    assert!(resident_kb < RESIDENT_MAX_KB, "{resident_kb} kB");
    assert!(seconds.is_none() || p99 < HONEST_P99_MAX, "an honest request in a hundred waited for {p99:.1?}");
}

/// Begins handshakes until then, and says how many.
async fn flood(door: SocketAddr, hello: Vec<u8>, until: Instant) -> usize {
    let mut flooding = JoinSet::new();
    for flooder in 0..FLOODERS {
        let hello = hello.clone();
        flooding.spawn(async move {
            let mut begun = 0;
            while Instant::now() < until && begun < EACH_MAX {
                // One that is not taken is one less.
                if let Ok(mut stream) = connect(door, source(flooder + begun)).await {
                    let _left = stream.write_all(&hello).await;
                    begun += 1;
                }
            }
            begun
        });
    }
    flooding.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g20_many_handshakes_at_once_do_not_delay_honest_ones() {
    let stage = Stage::new().await;
    let gateway = stage.world.start().await;
    let honest = stage.honest();
    let (door, hello) = (stage.world.home.doors.carriers, stage.client_hello());
    let took = aside(seconds().is_some(), move || hold(door, hello)).await.unwrap();
    let p99 = honest.ends().await.p99;
    println!("{HELD} handshakes were answered within {took:.1?}");
    quiet(&gateway, "carriers").await;
    let late = value(&gateway.metrics().await, "offhook_connections_total{door=\"carriers\",end=\"handshake_late\"}");
    assert!(late > 0, "none of them was held");
    assert!(seconds().is_none() || p99 < HONEST_P99_MAX, "an honest request in a hundred waited for {p99:.1?}");
}

/// Begins handshakes at once and holds each until the door closes it. Shows how long it took until all that were had their
/// answer.
async fn hold(door: SocketAddr, hello: Vec<u8>) -> Duration {
    let mut streams = Vec::new();
    for nth in 0..HELD {
        streams.push(connect(door, source(nth)).await.unwrap());
    }
    let (began, mut holding) = (Instant::now(), JoinSet::new());
    for mut stream in streams {
        let hello = hello.clone();
        holding.spawn(async move {
            let answered = stream.write_all(&hello).await.is_ok() && stream.read_u8().await.is_ok();
            let took = answered.then(|| began.elapsed());
            let _closed =
                tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("it is closed");
            took
        });
    }
    holding.join_all().await.into_iter().flatten().max().unwrap_or_default()
}
