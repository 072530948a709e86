//! G2, G9: starts that are killed at, or get an error from, each of their system calls about the data.

use crate::load::theirs;
use crate::stopped::{Kept, Stopped};
use crate::strace::{Doings, Fault, Site, can_be_traced, was_killed};
use serde_json::json;
use std::fs;

/// Calls tried of each kind of start, spread over all there are. `OFFHOOK_CALLS` names another count, for each and all.
const CALLS: usize = 6;

pub(crate) fn calls_at_most() -> Option<usize> {
    std::env::var("OFFHOOK_CALLS").ok().map(|text| text.parse().expect("OFFHOOK_CALLS is a count"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_first_start_that_is_killed_at_any_system_call_is_followed_by_one_that_works() {
    if can_be_traced("g2, a first start") {
        let stopped = Stopped::after_a_call().await;
        try_calls(&stopped, &Before::Nothing, Fault::Kill).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_start_over_a_torn_tail_that_is_killed_at_any_system_call_loses_nothing() {
    if can_be_traced("g2, a start over a torn tail") {
        let stopped = Stopped::after_a_call().await;
        let torn = Before::Kept(torn(&stopped));
        try_calls(&stopped, &torn, Fault::Kill).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_start_that_rebuilds_its_index_survives_a_kill_at_any_system_call() {
    if can_be_traced("g2, a start that rebuilds") {
        let stopped = Stopped::after_a_call().await;
        let stale = Before::Kept(with_a_failed_index(&stopped));
        try_calls(&stopped, &stale, Fault::Kill).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_a_start_with_an_error_at_any_system_call_is_recovered_by_the_next() {
    if can_be_traced("g9, starts with an error") {
        let stopped = Stopped::after_a_call().await;
        let torn = Before::Kept(torn(&stopped));
        for error in ["EIO", "ENOSPC"] {
            try_calls(&stopped, &torn, Fault::Error(error)).await;
            try_calls(&stopped, &Before::Nothing, Fault::Error(error)).await;
        }
    }
}

/// What a start finds.
enum Before {
    /// Not even a directory.
    Nothing,
    /// Data of a gateway that took a call.
    Kept(Kept),
}

/// Data whose journal ends in half a frame. The next start cuts it, and begins another segment.
fn torn(stopped: &Stopped) -> Kept {
    stopped.overwrite(stopped.end(), b"garbage that a dying machine has left behind");
    stopped.keep()
}

/// Data whose index is not to be believed, with one beside it that was to be removed.
fn with_a_failed_index(stopped: &Stopped) -> Kept {
    let data = stopped.world.home.data();
    fs::create_dir(data.join("index.aside-0")).unwrap();
    fs::write(data.join("index.aside-0/db"), "rows").unwrap();
    fs::write(data.join("index.failed"), "").unwrap();
    stopped.keep()
}

async fn try_calls(stopped: &Stopped, before: &Before, fault: Fault) {
    let home = &stopped.world.home;
    let begin = || match before {
        Before::Nothing => fs::remove_dir_all(home.data()).unwrap(),
        Before::Kept(kept) => kept.put_back(),
    };
    begin();
    let mut doings = Doings::default();
    doings.note_a_start(home).await;
    let all = doings.sites();
    assert!(all.len() > 20, "a start does more than that: {all:?}");
    let tried = spread(&all, calls_at_most().unwrap_or(CALLS));
    let mut not_hit = Vec::new();
    for site in &tried {
        println!("{fault:?} at {} {}", site.call, site.nth);
        begin();
        let mut gateway = doings.start_with(home, fault, site);
        match (gateway.ready_or_ended().await, fault) {
            (Some(status), Fault::Kill) => assert!(was_killed(status), "{status}: {}", home.log()),
            // It says why, and what to do where there is something to do.
            (Some(status), Fault::Error(_)) => assert_eq!(status.code(), Some(1), "{}", home.log()),
            (None, _) => {}
        }
        gateway.kill();
        if !doings.came(home) {
            not_hit.push(format!("{} {}", site.call, site.nth));
        }
        let again = stopped.world.start().await;
        match before {
            Before::Nothing => takes_a_call(stopped).await,
            Before::Kept(_) => stopped.knows_every_call().await,
        }
        again.kill();
    }
    println!(
        "{fault:?} at {} of {} calls, of which {} were not come to: {not_hit:?}",
        tried.len(),
        all.len(),
        not_hit.len()
    );
    // Which thread makes a call is not always the same.
    assert!(not_hit.len() * 4 <= tried.len(), "{} of {} calls were not come to", not_hit.len(), tried.len());
}

/// The directory is there, and what is asked for is done.
async fn takes_a_call(stopped: &Stopped) {
    let client = &stopped.world.client;
    let body = json!({ "caller": theirs(0).to_string(), "queue": "queue-0", "agent": "a-1" });
    assert_eq!(client.put_call("c-1", &body).await.unwrap().status, 201);
    assert_eq!(client.send_preset("c-1", "welcome", "a-1").await.unwrap().status, 202);
}

/// At most so many, as far apart as can be.
pub(crate) fn spread(all: &[Site], count: usize) -> Vec<Site> {
    let count = count.min(all.len());
    (0..count).map(|nth| all[nth * all.len() / count].clone()).collect()
}
