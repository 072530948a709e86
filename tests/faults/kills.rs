//! G1: `kill -9`, again and again.

use crate::ending::{judge, judge_the_journal, no_canary, stays_within_its_caps};
use crate::load::{Load, mixed_world, world};
use crate::process::{offhook, said};
use offhook::sim::carrier::Carrier;
use std::fs;
use std::time::{Duration, Instant};

/// How often it is killed unless `OFFHOOK_KILLS` says otherwise.
const KILLS: usize = 30;

/// The same with all carriers at once: so often at least, and on a slow machine until
/// each of them has carried what [`busy`] asks for.
const MIXED_KILLS: usize = 10;
const MIXED_KILLS_AT_MOST: usize = 100;

/// A kill comes so long after the gateway is ready, or after its process began.
const AFTER_READY_MS: u64 = 600;
const AFTER_BEGIN_MS: u64 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_kills_under_load_lose_nothing_that_was_acknowledged() {
    let kills: usize =
        std::env::var("OFFHOOK_KILLS").map_or(KILLS, |text| text.parse().expect("OFFHOOK_KILLS is a count"));
    let began = Instant::now();
    let world = world().await;
    let load = Load::start(&world);
    let mut moments = Moments::new(0x0ff4_00c4);
    for nth in 0..kills {
        let mut gateway = world.home.start();
        // Every fourth dies while it starts.
        if nth % 4 == 3 {
            moments.wait(AFTER_BEGIN_MS).await;
        } else {
            gateway.ready().await;
            moments.wait(AFTER_READY_MS).await;
        }
        gateway.kill();
        // What is not the truth may be lost as well: it is rebuilt from the journal.
        if nth == kills / 3 {
            fs::remove_dir_all(world.home.data().join("index")).unwrap();
        }
        if nth == kills / 2 {
            fs::remove_dir_all(world.home.data().join("claims")).unwrap();
        }
    }
    let gateway = world.start().await;
    let promised = load.end().await;
    let summary = judge(&world, &promised, kills).await;
    println!("{kills} kills in {:.1?}: {summary:?}", began.elapsed());
    assert!(promised.acknowledged > 100 && promised.by_key.len() > 100, "there was hardly any load: {summary:?}");

    stays_within_its_caps(&gateway, &world);
    // I10, G38: nothing that was said meanwhile tells of people.
    no_canary("/metrics", &gateway.metrics().await);
    let stopped = gateway.terminate().await;
    assert!(stopped.success(), "{stopped}");
    let log = world.home.log();
    assert!(log.contains("recovered"), "what was looked at is the log");
    no_canary("the log", &log);
    let data = world.home.data();
    for command in ["verify", "inspect"] {
        let output = offhook(&["journal", command, data.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", said(&output));
        no_canary(command, &said(&output));
    }
    judge_the_journal(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_kills_lose_nothing_with_accounts_at_every_carrier_at_once() {
    let world = mixed_world().await;
    let load = Load::start(&world);
    let mut moments = Moments::new(0x0ff4_0014);
    let mut kills = 0;
    while kills < MIXED_KILLS || !world.carriers().all(busy) {
        let counts = || world.carriers().map(Carrier::counts).collect::<Vec<_>>();
        assert!(kills < MIXED_KILLS_AT_MOST, "there is hardly any load: {:?}", counts());
        let mut gateway = world.home.start();
        gateway.ready().await;
        moments.wait(AFTER_READY_MS).await;
        gateway.kill();
        kills += 1;
    }
    let _gateway = world.start().await;
    let promised = load.end().await;
    let summary = judge(&world, &promised, kills).await;
    println!("{kills} kills: {summary:?}");
}

/// Whether a carrier has sent and been sent enough for the kills to have met some of it.
fn busy(carrier: &Carrier) -> bool {
    let (sends, webhooks) = carrier.counts();
    sends > 5 && webhooks > 20
}

/// Pseudo-random moments: the same in every run, which does not make the runs the same.
pub(crate) struct Moments(u64);

impl Moments {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) async fn wait(&mut self, below_ms: u64) {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis((self.0 >> 33) % below_ms)).await;
    }
}
