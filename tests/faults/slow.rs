//! G10: a disk of which every sync takes seconds. strace holds the system calls up, which takes the right to trace.

use crate::ending::judge;
use crate::load::{Load, world};
use crate::process::{skipped, wire};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a sync takes: longer than the carriers' door waits for Twilio's webhooks, which is 13 s.
const SYNC_SECS: u64 = 15;

/// How long the disk is slow, in seconds, unless `OFFHOOK_SLOW_SECS` says otherwise.
const SLOW_SECS: u64 = 16;

/// The latest allowed answer to a carrier, as a bucket of the gateway's histogram: seconds from a request's headers to
/// the last byte of its answer.
const IN_TIME: &str = "14";

/// A load needs a moment to be one.
const UNDER_LOAD: Duration = Duration::from_secs(2);

/// What a gateway may need more while its disk is slow. Everything that waits has a bound; this is far above all of them.
const MORE_KB_MAX: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g10_with_a_slow_disk_carriers_get_503_in_time_and_repeats_count_once() {
    let secs = std::env::var("OFFHOOK_SLOW_SECS");
    let secs: u64 = secs.map_or(SLOW_SECS, |text| text.parse().expect("OFFHOOK_SLOW_SECS is a number of seconds"));
    let world = world().await;
    let load = Load::start(&world);
    let gateway = world.start().await;
    tokio::time::sleep(UNDER_LOAD).await;
    let before_kb = gateway.resident_kb();
    let already = world.carrier.record().webhooks.len();
    let Some(slow) = Slow::disk_of(gateway.id()) else { return };
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let most_kb = gateway.resident_kb();
    let metrics = wire::get(world.home.doors.ops, "/metrics").await.expect("ops are answered at once").body;
    drop(slow);

    let promised = load.end().await;
    let summary = judge(&world, &promised, 0).await;
    let late = answered_late(&gateway.metrics().await);
    let webhooks = world.carrier.record().webhooks;
    let later = &webhooks[already..];
    let put_off = later.iter().filter(|webhook| webhook.answers.contains(&Some(503))).count();
    let slowest = Duration::from_micros(webhooks.iter().map(|webhook| webhook.slowest_us).max().unwrap_or_default());
    println!(
        "a slow disk: {put_off} put off, the slowest answer after {slowest:.2?}, {before_kb} kB, then {most_kb} kB"
    );
    println!("a slow disk: {summary:?}");
    assert!(put_off > 0, "no carrier got 503: {metrics}");
    // As the gateway measures it: what a busy machine adds before a client sees the answer is not the gateway's.
    assert_eq!(late, 0, "carriers were answered later than after {IN_TIME} s; the slowest saw {slowest:?}");
    assert!(slowest < Duration::from_secs(SYNC_SECS), "a request waited {slowest:?} for the disk");
    assert!(most_kb < before_kb + MORE_KB_MAX, "from {before_kb} kB to {most_kb} kB");
    assert!(gateway.terminate().await.success());
}

/// How many requests of carriers were answered too late.
fn answered_late(metrics: &str) -> u64 {
    let answered = |within: &str| -> u64 {
        let line = format!("offhook_request_seconds_bucket{{door=\"carriers\",le=\"{within}\"}} ");
        let count = metrics.lines().find_map(|found| found.strip_prefix(&line));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{line}is not in:\n{metrics}"))
    };
    assert!(answered("+Inf") > 0, "no carrier was answered");
    answered("+Inf") - answered(IN_TIME)
}

/// A process whose syncs are slow until this is dropped.
struct Slow(Child);

impl Slow {
    fn disk_of(process: u32) -> Option<Self> {
        let inject = format!("inject=fdatasync:delay_exit={}", SYNC_SECS * 1_000_000);
        let (process, log) = (process.to_string(), Stdio::null());
        let arguments = ["-f", "-qq", "-e", "trace=fdatasync", "-e", &inject, "-o", "/dev/null", "-p", &process];
        let begun =
            Command::new("strace").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        // It attaches, or exits because it may not.
        std::thread::sleep(Duration::from_millis(500));
        let traces = begun.ok().map(Self).filter(|slow| slow.traces(&process));
        if traces.is_none() {
            skipped("strace is missing or may not trace: install it, and run this as root");
        }
        traces
    }

    /// Whether the process is traced.
    fn traces(&self, process: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).expect("Linux says it");
        tracer.trim() == self.0.id().to_string()
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        // Asked, it lets the process go; killed, it would leave a system call undone.
        let _asked = Command::new("kill").arg("-INT").arg(self.0.id().to_string()).status();
        let _ended = self.0.wait();
    }
}
