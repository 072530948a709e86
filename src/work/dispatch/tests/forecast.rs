//! The forecast of a lane by the rules matches what the lane does.

use super::super::follow::open;
use super::*;
use crate::rules::lane;

/// A deterministic random number generator.
struct SeededRng(u64);

impl SeededRng {
    fn below(&mut self, sides: u64) -> u64 {
        // Knuth's multiplier; the upper bits are random enough for a test.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn a67_the_forecast_of_a_lane_matches_what_the_lane_does() {
    for seed in 0..300 {
        let mut rng = SeededRng(seed);
        let rate = [100, 333, 1_000, 3_000, 100_000][rng.below(5) as usize];
        let mut world = TestDispatch::new(rate, [1, 3, 20][rng.below(3) as usize]);
        let texts = 2 + rng.below(20);
        for nth in 0..texts {
            let kind = [Kind::Closing, Kind::Custom, Kind::Custom, Kind::AutoReply][rng.below(4) as usize];
            let early = (rng.below(4) == 0).then(|| 1 + rng.below(30_000));
            // A third may expire before their turn, though not before they may be retried. Each of these goes to its
            // own caller: until the engine has recorded the expiry it blocks its pair, which the forecast does not
            // include.
            let ages = rng.below(3) == 0;
            world.ttl_ms = early.unwrap_or_default() + if ages { 1 + rng.below(40_000) } else { 10_000_000 };
            // A caller with an agent's text gets no auto-reply meanwhile (A27), and no text after the closing message.
            let pair = u64::from(lane::priority(kind)) * 10 + rng.below(8);
            let caller = format!("+1206555{:04}", if ages { 100 + nth } else { pair });
            let segments = 1 + u16::try_from(rng.below(6)).unwrap();
            world.add_early(format!("m{nth}").leak(), OURS, &caller, kind, segments, early);
        }
        let forecast = forecast(&world);
        world.run(10_000_000);
        assert_eq!(names(&forecast), world.order(), "seed {seed}");
        for ((name, forecast), (_, done)) in forecast.iter().zip(&world.sent) {
            // Starts are in whole milliseconds, and each is counted from the one before.
            assert!(
                done.abs_diff(*forecast) <= texts,
                "seed {seed}: {name} was forecast for {forecast} and sent at {done}"
            );
        }
    }
}

fn names(times: &[(&'static str, u64)]) -> Vec<&'static str> {
    times.iter().map(|(name, _)| *name).collect()
}

/// The forecast by the rules: the texts in order, with their times, without those that will expire.
fn forecast(world: &TestDispatch) -> Vec<(&'static str, u64)> {
    let waiting: Vec<_> = world.messages.iter().map(|(id, (_, m))| open(m).unwrap().waiting(*id)).collect();
    let limits = world.dispatch.directory.limits_of(OURS.parse().unwrap());
    let lane = lane::Lane { texts: &waiting, limits: &limits, empty_at: START };
    let mut forecast: Vec<_> = waiting
        .iter()
        .map(|text| (world.messages[&text.id].0, text, lane.turn(text.id, START).unwrap()))
        .filter(|(_, text, turn)| turn.starts_at < text.expires_at)
        .map(|(name, _, turn)| (turn.position, name, turn.starts_at.since(START).as_millis() as u64))
        .collect();
    forecast.sort_unstable();
    forecast.into_iter().map(|(_, name, ms)| (name, ms)).collect()
}
