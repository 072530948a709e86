//! An endpoint that goes down and recovers repeatedly: events blocked by that wait no longer than the outage.

use super::*;

#[test]
fn a65_after_a_second_short_outage_everything_missed_arrives_within_seconds() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    away(&mut world, 40 * 60);
    world.publish(&["c"]);
    world.pass_secs(5);
    assert_eq!(world.begin(), ["c1"]);
    world.end("c1", Delivered::Yes);
    world.end_all(|_| Delivered::Down(None));
    world.pass_secs(2);
    world.publish(&["d"]);
    world.drain();
    assert_eq!(world.feed.parked.len(), 0);
    world.pass_secs(6);
    assert_eq!(sorted(world.begin()), ["a1", "b1"]);
}

#[test]
fn a65_after_a_second_long_outage_waiting_events_go_as_soon_as_it_ends() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    for call in ["c", "d"] {
        away(&mut world, 40 * 60);
        world.publish(&[call]);
        world.pass_secs(5);
        assert_eq!(world.begin(), [format!("{call}1")]);
        world.end(&format!("{call}1"), Delivered::Yes);
    }
    assert_eq!(sorted(world.begin()), ["a1", "b1"]);
}

#[test]
fn a65_a_call_that_hangs_on_its_own_is_parked_however_rarely_others_pass() {
    for minutes in [1, 5, 20, 90] {
        let mut world = TestFeed::new();
        world.publish(&["a"]);
        let mut parked_after = 0;
        while world.feed.parked.len() == 0 {
            assert!(parked_after < 24 * 60, "others pass every {minutes} minutes");
            for _ in 0..minutes {
                world.end_all(|event| if event.thread == "a" { Delivered::Down(None) } else { Delivered::Yes });
                world.pass_secs(60);
            }
            parked_after += minutes;
            world.publish(&["b"]);
        }
    }
}

/// The endpoint is down for this long, and is probed meanwhile.
fn away(world: &mut TestFeed, secs: u64) {
    world.run_for(secs, |_| Delivered::Down(None));
}

fn sorted(mut events: Vec<String>) -> Vec<String> {
    events.sort();
    events
}
