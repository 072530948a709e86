//! What the rules tell of a lane ahead is what the lane does.

use super::super::follow::open;
use super::*;
use crate::rules::lane;

/// One of 64 bits each time, the same ones for the same seed.
struct SeededRng(u64);

impl SeededRng {
    fn below(&mut self, sides: u64) -> u64 {
        // Knuth's multiplier; its upper bits are random enough for a story.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn a67_what_is_told_of_a_lane_is_what_it_does_with_retries_pairs_priorities_debts_and_ages() {
    for seed in 0..300 {
        let mut dice = SeededRng(seed);
        let rate = [100, 333, 1_000, 3_000, 100_000][dice.below(5) as usize];
        let mut world = World::new(rate, [1, 3, 20][dice.below(3) as usize]);
        let texts = 2 + dice.below(20);
        for nth in 0..texts {
            let kind = [Kind::Closing, Kind::Custom, Kind::Custom, Kind::AutoReply][dice.below(4) as usize];
            let early = (dice.below(4) == 0).then(|| 1 + dice.below(30_000));
            // A third may be too old before their turn, though not before they may be tried again. Each is to a number of
            // its own: until the machine has heard that it is too old it holds its pair, which is told as no time.
            let ages = dice.below(3) == 0;
            world.ttl_ms = early.unwrap_or_default() + if ages { 1 + dice.below(40_000) } else { 10_000_000 };
            // Who gets an agent's text gets no auto-reply meanwhile (A27), and after the closing message no text.
            let pair = u64::from(lane::priority(kind)) * 10 + dice.below(8);
            let caller = format!("+1206555{:04}", if ages { 100 + nth } else { pair });
            let segments = 1 + u16::try_from(dice.below(6)).unwrap();
            world.add_early(format!("m{nth}").leak(), OURS, &caller, kind, segments, early);
        }
        let told = told(&world);
        world.run(10_000_000);
        assert_eq!(names(&told), world.order(), "seed {seed}");
        for ((name, told), (_, done)) in told.iter().zip(&world.sent) {
            // Starts are in whole milliseconds, and each is counted from the one before.
            assert!(done.abs_diff(*told) <= texts, "seed {seed}: {name} was told {told} and went {done}");
        }
    }
}

fn names(times: &[(&'static str, u64)]) -> Vec<&'static str> {
    times.iter().map(|(name, _)| *name).collect()
}

/// Who will go, in order, and when, by the rules; who will be too old is left out.
fn told(world: &World) -> Vec<(&'static str, u64)> {
    let waiting: Vec<_> = world.messages.iter().map(|(id, (_, m))| open(m).unwrap().waiting(*id)).collect();
    let limits = world.dispatch.limits(OURS.parse().unwrap());
    let lane = lane::Lane { texts: &waiting, limits: &limits, empty_at: START };
    let mut told: Vec<_> = waiting
        .iter()
        .map(|text| (world.messages[&text.id].0, text, lane.turn(text.id, START).unwrap()))
        .filter(|(_, text, turn)| turn.starts_at < text.expires_at)
        .map(|(name, _, turn)| (turn.position, name, turn.starts_at.since(START).as_millis() as u64))
        .collect();
    told.sort_unstable();
    told.into_iter().map(|(_, name, ms)| (name, ms)).collect()
}
