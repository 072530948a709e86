//! G14: a carrier that is away while everybody goes on.

use crate::ending::{judge, judge_the_journal};
use crate::load::{Load, world};
use std::time::Duration;

/// How long it is away unless `OFFHOOK_AWAY_SECS` says otherwise. Texts wait for it, those of the gateway's own a minute.
const AWAY: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g14_a_carrier_outage_loses_nothing_and_keeps_the_order() {
    let away = std::env::var("OFFHOOK_AWAY_SECS").ok().map(|text| text.parse().expect("OFFHOOK_AWAY_SECS is a count"));
    let away = away.map_or(AWAY, Duration::from_secs);
    let world = world().await;
    let load = Load::start(&world);
    let gateway = world.start().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.carrier.go_down().await;
    tokio::time::sleep(away).await;
    world.carrier.come_up().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let promised = load.end().await;
    // A carrier that goes down may have read what it does not answer any more, as one that a kill cuts off.
    let summary = judge(&world, &promised, 1).await;
    println!("a carrier away for {away:?}: {summary:?}");
    assert!(promised.acknowledged > 50, "there was hardly any load: {summary:?}");
    assert!(gateway.terminate().await.success());
    judge_the_journal(&world);
}
