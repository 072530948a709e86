//! Handshakes begun and left, as fast as it goes.

use crate::peer::{connect, source};
use crate::stage::{Stage, quiet, value};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

/// How long it lasts, in seconds, unless `OFFHOOK_FLOOD_SECS` says otherwise.
const SECONDS: u64 = 2;

/// Who flood at once, and what one may begin in all: there are ports for so many.
const FLOODERS: usize = 16;
const EACH_MAX: usize = 50_000;

/// Memory that it may take.
const RESIDENT_MAX_KB: u64 = 400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g20_a_flood_of_handshakes_that_nobody_ends_leaves_the_doors_to_honest_ones() {
    let seconds = std::env::var("OFFHOOK_FLOOD_SECS").map_or(SECONDS, |text| text.parse().expect("a count of seconds"));
    let stage = Stage::new().await;
    let gateway = stage.world.start().await;
    let honest = stage.honest();
    let (hello, until) = (stage.client_hello(), Instant::now() + Duration::from_secs(seconds));
    // On a thread of its own: whoever floods does not keep honest peers from asking.
    let door = stage.world.home.doors.carriers;
    let flooding = std::thread::spawn(move || flood(door, &hello, until));
    let mut resident_kb = 0;
    while Instant::now() < until {
        resident_kb = resident_kb.max(gateway.resident_kb());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begun = tokio::task::spawn_blocking(|| flooding.join()).await.unwrap().unwrap();
    println!("{begun} handshakes begun in {seconds} s; {} MB resident at most", resident_kb / 1_000);
    honest.ends().await;
    quiet(&gateway, "carriers").await;
    let failed = "offhook_connections_total{door=\"carriers\",end=\"handshake_failed\"}";
    assert!(begun > 100, "that was no flood");
    assert!(value(&gateway.metrics().await, failed) > 0, "the door has seen none of it");
    assert!(resident_kb < RESIDENT_MAX_KB, "{resident_kb} kB");
}

/// Begins handshakes until then, and says how many.
fn flood(door: SocketAddr, hello: &[u8], until: Instant) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut flooding = JoinSet::new();
        for flooder in 0..FLOODERS {
            let hello = hello.to_vec();
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
    })
}
