//! A journal damaged by hand while the gateway is stopped: what was never acknowledged is cut, what was acknowledged is
//! refused loudly, and the commands that look at it say which it is, without a word of what people wrote.

use crate::ending::no_canary;
use crate::stopped::Stopped;
use std::fs::{self, OpenOptions};

#[tokio::test(flavor = "multi_thread")]
async fn g6_garbage_behind_the_last_frame_is_cut_and_what_was_before_it_is_kept() {
    let stopped = Stopped::after_a_call().await;
    let end = stopped.end();
    stopped.overwrite(end, b"garbage that a dying machine has left behind");
    stopped.check(0, "torn tail");
    stopped.starts_and_knows_the_call().await;
    assert!(
        stopped.world.home.log().contains("truncated an incomplete write at the journal's end"),
        "{}",
        stopped.world.home.log()
    );
    stopped.check(0, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_a_last_frame_without_its_last_bytes_is_cut_and_what_was_before_it_is_kept() {
    let stopped = Stopped::after_a_call().await;
    let segment = OpenOptions::new().write(true).open(stopped.segment()).unwrap();
    segment.set_len(stopped.end() - 3).unwrap();
    // There is no evidence that the frame was ever whole, so it counts as one that was being written.
    for place in ["index", "claims"] {
        fs::remove_dir_all(stopped.world.home.data().join(place)).unwrap();
    }
    stopped.check(0, "torn tail");
    stopped.starts_and_knows_the_call().await;
    stopped.check(0, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_damage_in_the_middle_is_refused_with_a_way_out_and_changes_nothing() {
    let stopped = Stopped::after_a_call().await;
    let middle = stopped.end() / 2;
    stopped.overwrite(middle, &[0xa5; 16]);
    stopped.check(1, "DAMAGED at byte");
    let before = fs::read(stopped.segment()).unwrap();

    let refused = stopped.world.home.start().exit().await;
    assert_eq!(refused.code(), Some(1));
    let log = stopped.world.home.log();
    assert!(log.contains("put a good copy of the file back"), "there is no way out in:\n{log}");
    no_canary("the refusal", &log);
    assert!(before == fs::read(stopped.segment()).unwrap(), "what cannot be used is not touched");
}
