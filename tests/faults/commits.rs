//! G2, G9: commits that are killed at, or get an error from, a system call, under load.

use crate::ending::{judge, judge_the_journal};
use crate::load::{Load, world};
use crate::process::Outside;
use crate::starts::calls_at_most;
use crate::strace::{Armed, Fault, Site, can_be_traced, was_killed};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Calls tried of each kind. `OFFHOOK_CALLS` names another count, and then times are asserted too.
const CALLS: usize = 4;

/// How soon a gateway whose journal failed is gone, on a machine that does nothing else.
const GONE_IN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_gateway_that_is_killed_at_a_system_call_of_a_commit_loses_nothing() {
    if !can_be_traced("g2, commits") {
        return;
    }
    let world = world().await;
    let load = Load::start(&world);
    let sites = sites(&["pwrite64", "fdatasync"], calls_at_most().unwrap_or(CALLS));
    for site in &sites {
        println!("killed at {} {}", site.call, site.nth);
        let gateway = world.start().await;
        let _armed = Armed::with(&world.home, &gateway, &segments(&world), Fault::Kill, site).await;
        assert!(was_killed(gateway.exit().await), "{}", world.home.log());
    }
    let gateway = world.start().await;
    let summary = judge(&world, &load.end().await, sites.len()).await;
    println!("killed at {} calls of commits: {summary:?}", sites.len());
    assert!(gateway.terminate().await.success());
    judge_the_journal(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_after_an_error_of_the_journals_file_nothing_is_acknowledged() {
    if !can_be_traced("g9, commits") {
        return;
    }
    let world = world().await;
    let load = Load::start(&world);
    let sites = sites(&["fdatasync", "pwrite64"], calls_at_most().unwrap_or(CALLS));
    let mut slowest = Duration::ZERO;
    for (nth, site) in sites.iter().enumerate() {
        let error = if nth % 4 == 3 { "ENOSPC" } else { "EIO" };
        println!("{error} at {} {}", site.call, site.nth);
        let gateway = world.start().await;
        let armed = Armed::with(&world.home, &gateway, &segments(&world), Fault::Error(error), site).await;
        let status = gateway.exit().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert_eq!(status.code(), Some(1), "{}", world.home.log());
        let log = world.home.log();
        assert!(log.contains("the journal failed: "), "it does not say why in:\n{log}");
        let came_at = armed.came_at().expect("it ended because of the error");
        slowest = slowest.max(Duration::from_secs_f64((now - came_at).max(0.0)));
    }
    let gateway = world.start().await;
    // What had been acknowledged after an error would be missing now: the call that failed was not done.
    let summary = judge(&world, &load.end().await, sites.len()).await;
    println!("{} errors, gone after at most {slowest:.2?}: {summary:?}", sites.len());
    assert!(calls_at_most().is_none() || slowest < GONE_IN, "gone after {slowest:?}");
    assert!(gateway.terminate().await.success());
    judge_the_journal(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_after_an_error_of_the_index_the_next_start_rebuilds_it() {
    if !can_be_traced("g9, the index") {
        return;
    }
    let world = world().await;
    let load = Load::start(&world);
    for error in ["EIO", "ENOSPC"] {
        let gateway = world.start().await;
        let index = [world.home.data().join("index/db")];
        let site = Site { call: "pwrite64".to_owned(), nth: 1 };
        let _armed = Armed::with(&world.home, &gateway, &index, Fault::Error(error), &site).await;
        assert_eq!(gateway.exit().await.code(), Some(1), "{}", world.home.log());
    }
    let gateway = world.start().await;
    let summary = judge(&world, &load.end().await, 2).await;
    println!("two errors of the index: {summary:?}");
    let log = world.home.log();
    let rebuilt = log.matches("index rebuilt why=\"corrupt\"").count();
    assert_eq!(rebuilt, 2, "{log}");
    assert!(gateway.terminate().await.success());
    judge_the_journal(&world);
}

/// The first, second, third ... of each call in turn.
fn sites(calls: &[&str], count: usize) -> Vec<Site> {
    let nth_of = |nth: usize| calls.iter().map(move |call| Site { call: (*call).to_owned(), nth });
    (1..).flat_map(nth_of).take(count).collect()
}

/// The journal's files.
fn segments(world: &Outside) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.home.data().join("journal")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
