//! The compaction thread: when it runs, and when it does not.

use super::snapshots::{Home, SEGMENT_BYTES, UNTHROTTLED};
use super::*;
use std::fs;
use std::time::Instant;

/// Longer than any step here takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn g7_no_compaction_without_space_for_two_snapshots_above_the_low_water_mark() {
    let mut home = Home::new();
    home.fill(20);
    let compacted = home.compact().unwrap();
    home.fill(20);
    let uncompacted = home.core.journal().closed_after(compacted.covers);
    let needed = compacted.bytes + uncompacted.bytes;
    for (spare, made) in [(0, false), (needed - 1, false), (needed, true)] {
        let checks = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&checks);
        let spare_of = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Some(spare)
        });
        let compactor = home.compactor_with_space(CompactionOptions { at_bytes: 1, ..UNTHROTTLED }, spare_of);
        let handle = compactor.handle();
        wait_for(|| handle.covers() == if made { uncompacted.last } else { compacted.covers });
        wait_for(|| checks.load(Ordering::Relaxed) > 0);
        // It was checked, and is not checked again for a minute, even on request.
        handle.ask();
        nothing_for(Duration::from_millis(50));
        assert!(made || checks.load(Ordering::Relaxed) == 1, "with {spare} of {needed} bytes");
        assert!(compactor.stop());
    }
}

#[test]
fn g7_compaction_stops_when_the_disk_runs_low_and_is_retried_later() {
    let mut home = Home::new();
    home.fill(40);
    let checks = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&checks);
    // Enough space at first, none during compaction, and plenty the next time.
    let options = CompactionOptions { at_bytes: u64::MAX, again_after: Duration::from_secs(2), ..UNTHROTTLED };
    let spare = Box::new(move || match count.fetch_add(1, Ordering::Relaxed) {
        1 => Some(0),
        _ => Some(u64::MAX),
    });
    let compactor = home.compactor_with_space(options, spare);
    let handle = compactor.handle();
    handle.ask();
    wait_for(|| checks.load(Ordering::Relaxed) == 2);
    handle.ask();
    nothing_for(Duration::from_millis(50));
    assert_eq!((checks.load(Ordering::Relaxed), handle.covers()), (2, Position(0)), "not retried before its time");
    assert_eq!(fs::read_dir(home.snapshot_dir()).unwrap().count(), 0, "the unfinished snapshot is removed");
    let closed = home.core.journal().closed_after(Position(0));
    wait_for(|| handle.covers() == closed.last);
    assert!(compactor.stop());
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());
}

#[test]
fn segments_are_compacted_at_their_size_limit_or_on_request() {
    let mut home = Home::new();
    home.fill(20);
    let compactor = home.compactor(CompactionOptions { at_bytes: u64::MAX, ..UNTHROTTLED });
    let handle = compactor.handle();
    nothing_for(Duration::from_millis(50));
    assert_eq!(handle.covers(), Position(0), "below the limit, and not requested");
    let closed = home.core.journal().closed_after(Position(0));
    assert!(closed.last.0 > 10 && closed.bytes > SEGMENT_BYTES, "{closed:?}");
    handle.ask();
    wait_for(|| handle.covers() == closed.last);
    assert!(compactor.stop());

    let compactor = home.compactor(UNTHROTTLED);
    let handle = compactor.handle();
    wait_for(|| handle.covers() == closed.last);
    while home.core.journal().closed_after(closed.last).bytes < UNTHROTTLED.at_bytes {
        home.fill(1);
    }
    let last = home.core.journal().closed_after(Position(0)).last;
    wait_for(|| handle.covers() == last);
    assert!(compactor.stop());
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());
}

#[test]
fn a_throttled_compaction_stops_within_a_step_and_leaves_no_files() {
    let mut home = Home::new();
    home.fill(60);
    let compactor = home.compactor(CompactionOptions { rest_factor: 1_000_000, ..UNTHROTTLED });
    wait_for(|| fs::read_dir(home.snapshot_dir()).unwrap().count() > 0);
    assert!(compactor.stop());
    assert_eq!(fs::read_dir(home.snapshot_dir()).unwrap().count(), 0);
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());
}

/// Lets time pass in which nothing may happen; what follows checks that nothing did.
fn nothing_for(time: Duration) {
    std::thread::sleep(time);
}

#[track_caller]
pub(super) fn wait_for(condition: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < until, "the condition is not met");
        std::thread::sleep(Duration::from_millis(1));
    }
}
