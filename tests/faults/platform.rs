//! G18: a platform that refuses, lies, redirects, never ends and chokes on single calls, while everybody goes on.

use crate::ending::{judge, judge_the_journal, stays_within_its_caps};
use crate::load::{Load, world};
use offhook::sim::platform::PlatformBehaviour;
use std::collections::HashSet;
use std::time::Duration;

/// A load needs a moment to be one.
const UNDER_LOAD: Duration = Duration::from_millis(500);

/// How long its bad day is: shorter than the wait after a first failure, so that a call it chokes on is refused once.
const DAY: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g18_a_platform_that_has_a_bad_day_misses_nothing_and_hears_each_call_in_order() {
    let world = world().await;
    let load = Load::start(&world);
    let gateway = world.start().await;
    tokio::time::sleep(UNDER_LOAD).await;
    world.platform.set_behaviour(PlatformBehaviour::bad_day());
    tokio::time::sleep(DAY).await;
    world.platform.set_behaviour(PlatformBehaviour::default());
    let promised = load.end().await;
    let summary = judge(&world, &promised, 0).await;
    let deliveries = world.platform.record().deliveries;
    let refused: HashSet<_> = deliveries.iter().filter(|event| !event.taken).map(|event| &*event.id).collect();
    let again = deliveries.iter().filter(|event| event.taken && refused.contains(&*event.id)).count();
    println!("a platform's bad day: {} events were refused, {again} came again, {summary:?}", refused.len());
    assert!(refused.len() > 10 && again >= refused.len(), "{} were refused and {again} came again", refused.len());
    stays_within_its_caps(&gateway, &world);
    assert!(gateway.terminate().await.success());
    judge_the_journal(&world);
}
