//! An endpoint that comes and goes: what waits only because of that waits no longer than it is away.

use super::*;

#[test]
fn a65_an_endpoint_that_comes_back_and_is_away_for_a_moment_more_has_all_it_missed_within_seconds() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    away(&mut world, 40 * 60);
    world.tell(&["c"]);
    world.pass_secs(5);
    assert_eq!(world.begin(), ["c1"]);
    world.end("c1", Delivered::Yes);
    world.end_all(|_| Delivered::Down(None));
    world.pass_secs(2);
    world.tell(&["d"]);
    world.drain();
    assert_eq!(world.feed.parked.len(), 0);
    world.pass_secs(6);
    assert_eq!(sorted(world.begin()), ["a1", "b1"]);
}

#[test]
fn a65_an_endpoint_that_comes_back_and_is_away_for_long_once_more_gets_at_once_what_waited_when_it_is_back() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    for call in ["c", "d"] {
        away(&mut world, 40 * 60);
        world.tell(&[call]);
        world.pass_secs(5);
        assert_eq!(world.begin(), [format!("{call}1")]);
        world.end(&format!("{call}1"), Delivered::Yes);
    }
    assert_eq!(sorted(world.begin()), ["a1", "b1"]);
}

#[test]
fn a65_a_call_that_hangs_of_itself_is_parked_however_seldom_others_pass() {
    for minutes in [1, 5, 20, 90] {
        let mut world = World::new();
        world.tell(&["a"]);
        let mut parked_after = 0;
        while world.feed.parked.len() == 0 {
            assert!(parked_after < 24 * 60, "others pass every {minutes} minutes");
            for _ in 0..minutes {
                world.end_all(|told| if told.thread == "a" { Delivered::Down(None) } else { Delivered::Yes });
                world.pass_secs(60);
            }
            parked_after += minutes;
            world.tell(&["b"]);
        }
    }
}

/// The endpoint is away for so long, and it is probed.
fn away(world: &mut World, secs: u64) {
    world.live_for(secs, |_| Delivered::Down(None));
}

fn sorted(mut events: Vec<String>) -> Vec<String> {
    events.sort();
    events
}
