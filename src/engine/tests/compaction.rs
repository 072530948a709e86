//! The thread that folds: when it does, and when it lets it be.

use super::snapshots::{FOLD, Home, SEGMENT_BYTES};
use super::*;
use std::fs;
use std::time::Instant;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn g7_nothing_is_folded_where_the_disk_has_no_room_for_two_snapshots_above_its_mark() {
    let mut home = Home::new();
    home.fill(20);
    let folded = home.fold().unwrap();
    home.fill(20);
    let unfolded = home.core.journal().closed_after(folded.covers);
    let needed = folded.bytes + unfolded.bytes;
    for (spare, made) in [(0, false), (needed - 1, false), (needed, true)] {
        let looked = Arc::new(AtomicU64::new(0));
        let looks = Arc::clone(&looked);
        let spare_of = Box::new(move || {
            looks.fetch_add(1, Ordering::Relaxed);
            Some(spare)
        });
        let folding = home.folding_in(CompactionOptions { at_bytes: 1, ..FOLD }, spare_of);
        let handle = folding.handle();
        wait_for(|| handle.covers() == if made { unfolded.last } else { folded.covers });
        wait_for(|| looked.load(Ordering::Relaxed) > 0);
        // It was looked at, and is not again for a minute, whoever asks.
        handle.ask();
        std::thread::sleep(Duration::from_millis(50));
        assert!(made || looked.load(Ordering::Relaxed) == 1, "with {spare} of {needed} bytes");
        assert!(folding.stop());
    }
}

#[test]
fn g7_a_fold_ends_where_the_disk_runs_low_meanwhile_and_is_tried_again_later() {
    let mut home = Home::new();
    home.fill(40);
    let looked = Arc::new(AtomicU64::new(0));
    let looks = Arc::clone(&looked);
    // Room enough at first, none while it works, and plenty the next time.
    let options = CompactionOptions { at_bytes: u64::MAX, again_after: Duration::from_secs(2), ..FOLD };
    let spare = Box::new(move || match looks.fetch_add(1, Ordering::Relaxed) {
        1 => Some(0),
        _ => Some(u64::MAX),
    });
    let folding = home.folding_in(options, spare);
    let handle = folding.handle();
    handle.ask();
    wait_for(|| looked.load(Ordering::Relaxed) == 2);
    handle.ask();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!((looked.load(Ordering::Relaxed), handle.covers()), (2, Position(0)), "not before its time");
    assert_eq!(fs::read_dir(home.snapshot_dir()).unwrap().count(), 0, "what was begun is gone");
    let closed = home.core.journal().closed_after(Position(0));
    wait_for(|| handle.covers() == closed.last);
    assert!(folding.stop());
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());
}

#[test]
fn segments_are_folded_once_there_are_enough_or_somebody_asks_and_what_is_covered_is_said() {
    let mut home = Home::new();
    home.fill(20);
    let folding = home.folding(CompactionOptions { at_bytes: u64::MAX, ..FOLD });
    let handle = folding.handle();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(handle.covers(), Position(0), "there is not enough, and nobody asked");
    let closed = home.core.journal().closed_after(Position(0));
    assert!(closed.last.0 > 10 && closed.bytes > SEGMENT_BYTES, "{closed:?}");
    handle.ask();
    wait_for(|| handle.covers() == closed.last);
    assert!(folding.stop());

    let folding = home.folding(FOLD);
    let handle = folding.handle();
    wait_for(|| handle.covers() == closed.last);
    while home.core.journal().closed_after(closed.last).bytes < FOLD.at_bytes {
        home.fill(1);
    }
    let last = home.core.journal().closed_after(Position(0)).last;
    wait_for(|| handle.covers() == last);
    assert!(folding.stop());
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());
}

#[test]
fn a_fold_that_rests_is_stopped_within_a_step_and_leaves_nothing_behind() {
    let mut home = Home::new();
    home.fill(60);
    let folding = home.folding(CompactionOptions { rest_factor: 1_000_000, ..FOLD });
    wait_for(|| fs::read_dir(home.snapshot_dir()).unwrap().count() > 0);
    assert!(folding.stop());
    assert_eq!(fs::read_dir(home.snapshot_dir()).unwrap().count(), 0);
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());
}

#[track_caller]
pub(super) fn wait_for(come: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !come() {
        assert!(Instant::now() < until, "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}
