//! Streams of events, by the thousand: what they cost, and that each gets every event.

use crate::process::{Gateway, SOON, TOKEN, nothing_for, skipped};
use crate::shared::{on_the_phone, world};
use offhook::net::descriptors_max;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Agents at work, each with a stream.
const STREAMS: usize = 2_000;

/// What all of them may cost the gateway.
const RESIDENT_MAX_KB: u64 = 64 * 1024;

/// Descriptors for anything else.
const OTHERWISE: usize = 700;

/// How long the gateway is left alone, to see what streams cost at rest.
const AT_REST: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_streams_cost_at_most_64_mb_and_each_gets_every_event() {
    if descriptors_max() < STREAMS + OTHERWISE {
        return skipped(&format!("{STREAMS} streams take more descriptors than there are: raise them with ulimit -n"));
    }
    let world = world().await;
    let gateway = world.start().await;
    let before = gateway.resident_kb();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(listen(world.home.doors.platform).await);
    }
    for stream in &mut streams {
        until(stream, "\nid: ").await;
    }
    let opened = gateway.resident_kb();
    let cpu = cpu_ms(&gateway);
    nothing_for(AT_REST).await;
    let rests_at = cpu_ms(&gateway) - cpu;

    let began = Instant::now();
    let caller = on_the_phone(&world).await;
    for stream in &mut streams {
        until(stream, &caller.call).await;
    }
    let told = began.elapsed();
    let after = gateway.resident_kb();
    println!(
        "{STREAMS} streams: {} kB, {} kB after an event to each, which took {} ms; at rest {rests_at} ms of CPU in {} s",
        opened.saturating_sub(before),
        after.saturating_sub(before),
        told.as_millis(),
        AT_REST.as_secs(),
    );
    assert!(after.saturating_sub(before) <= RESIDENT_MAX_KB, "{before} kB, then {opened} kB, then {after} kB");
    assert!(gateway.metrics().await.contains(&format!("offhook_event_streams {STREAMS}")));

    // Their places are free again.
    drop(streams);
    let ends = Instant::now() + SOON;
    while !gateway.metrics().await.contains("offhook_event_streams 0") {
        assert!(Instant::now() < ends, "{}", gateway.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens a stream of what happens from now on.
async fn listen(door: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(door).await.unwrap();
    let request = format!(
        "GET /v1/events?after=now HTTP/1.1\r\nHost: {door}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Accept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until `word` was received.
async fn until(stream: &mut TcpStream, word: &str) {
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(word) {
        let read = tokio::time::timeout(SOON, stream.read_buf(&mut received)).await.unwrap().unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&received));
    }
}

/// The CPU time that the gateway has used, in milliseconds.
fn cpu_ms(gateway: &Gateway) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", gateway.id())).unwrap();
    // After the name in parentheses; Linux counts in hundredths of a second.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10
}
