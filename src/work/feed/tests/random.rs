//! Endpoints with random behaviour, from a seed: nothing is lost, out of order or stuck.

use super::*;
use crate::machine::show::event_headers;
use std::collections::{BTreeMap, HashSet};

/// The number of seeds.
const SEEDS: u64 = 60;

/// Steps before the endpoint accepts everything.
const STEPS: u64 = 200;

/// Small enough that every limit is reached.
const BOUNDS: Bounds = Bounds {
    window: 12,
    other_window: 6,
    behind: 25,
    live_threads: 8,
    parked: 5,
    in_flight: 5,
    in_flight_probation: 2,
};

#[test]
fn i1_i3_i4_a65_no_endpoint_behaviour_loses_reorders_or_blocks_events() {
    let reached = (0..SEEDS).map(run).fold(Reached::default(), |all, one| Reached {
        parked: all.parked.max(one.parked),
        live: all.live + one.live,
        down: all.down + one.down,
        restarts: all.restarts + one.restarts,
        repeats: all.repeats + one.repeats,
    });
    assert!(reached.parked == BOUNDS.parked, "{reached:?}");
    assert!(reached.live > 100 && reached.down > 100 && reached.restarts > 100 && reached.repeats > 100, "{reached:?}");
}

/// The states a run has reached, which shows that it tested them.
#[derive(Clone, Copy, Default, Debug)]
struct Reached {
    parked: usize,
    live: usize,
    down: usize,
    restarts: usize,
    repeats: usize,
}

/// Receives the events.
#[derive(Default)]
struct Platform {
    bytes: HashMap<crate::model::EventId, Vec<u8>>,
    last: HashMap<String, u64>,
    repeats: usize,
}

impl Platform {
    fn takes(&mut self, rendered: &RenderedEvent) {
        if let Some(before) = self.bytes.get(&rendered.id) {
            assert_eq!(before, &rendered.body, "{rendered:?} was repeated with other bytes");
            self.repeats += 1;
            return;
        }
        let event: serde_json::Value = serde_json::from_slice(&rendered.body).unwrap();
        let last = self.last.entry(rendered.thread.clone()).or_default();
        *last += 1;
        assert_eq!(event["call_sequence"], *last, "{rendered:?} of {} is out of order", rendered.thread);
        self.bytes.insert(rendered.id, rendered.body.clone());
    }
}

fn run(seed: u64) -> Reached {
    let mut rng = SeededRng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1);
    let mut world = TestFeed::with(Filter::default(), BOUNDS);
    let mut platform = Platform::default();
    let mut reached = Reached::default();
    let (mut calls, mut behaviour, mut replayed) = (0, 0, false);
    for _ in 0..STEPS {
        match rng.below(12) {
            0..5 => {
                for _ in 0..rng.below(8) {
                    let names: Vec<_> = (0..=rng.below(2)).map(|_| some_call(&mut rng, &mut calls)).collect();
                    world.commit(&names.iter().map(String::as_str).collect::<Vec<_>>());
                }
            }
            5 => behaviour = rng.below(5),
            6 => {
                world.record_progress();
                i1_the_watermark_passes_what_is_delivered_or_parked(&world, &platform);
            }
            7 if rng.below(4) == 0 => {
                reached.restarts += 1;
                replayed = false;
                world.restart();
            }
            8 if !world.journal.is_empty() => {
                replayed = true;
                let from = 1 + rng.below(world.journal.len() as u64);
                world.feed.replay(Position(from)..world.committed().next());
            }
            _ => {
                let ms = [0, 10, 5_000, 600_000, 40_000_000][usize::try_from(rng.below(5)).unwrap()];
                world.pass(ms);
            }
        }
        for _ in 0..rng.below(4) {
            step(&mut world, &mut platform, &mut rng, Some(behaviour));
        }
        reached.parked = reached.parked.max(world.feed.parked.len());
        reached.live += usize::from(world.feed.live.next().is_some());
        reached.down += usize::from(world.feed.health.is_down());
        i9_no_more_is_held_than_may_be(&world, replayed);
    }
    for _ in 0..2_000 {
        step(&mut world, &mut platform, &mut rng, None);
        world.pass(60_000);
        if world.feed.is_idle() && world.begun.is_empty() && world.feed.next > world.committed() {
            break;
        }
    }
    world.record_progress();
    let rendered: usize = world.journal.iter().map(|frame| event_headers(frame).count()).sum();
    assert_eq!(platform.bytes.len(), rendered, "seed {seed}");
    assert!(world.feed.is_idle() && world.begun.is_empty(), "seed {seed}");
    assert_eq!(world.recorded, Start { watermark: world.committed().next(), parked: Vec::new() }, "seed {seed}");
    reached.repeats = platform.repeats;
    reached
}

/// A new call, or a known one, preferably a recent one.
fn some_call(rng: &mut SeededRng, calls: &mut u64) -> String {
    if *calls == 0 || rng.below(3) == 0 {
        *calls += 1;
        return format!("+c-{calls}");
    }
    let back = rng.below(*calls).min(rng.below(*calls));
    format!("c-{}", *calls - back)
}

/// Every reader reads, ready deliveries start, and some of those in flight end.
fn step(world: &mut TestFeed, platform: &mut Platform, rng: &mut SeededRng, behaviour: Option<u64>) {
    world.read();
    world.begin();
    world.read();
    world.begin();
    assert!(world.begun.len() <= BOUNDS.in_flight);
    let threads: HashSet<_> = world.begun.iter().map(|delivery| (&delivery.event.thread, delivery.replay)).collect();
    assert_eq!(threads.len(), world.begun.len(), "two events of one thread are in flight");
    while !world.begun.is_empty() && (behaviour.is_none() || rng.below(3) > 0) {
        let place = usize::try_from(rng.below(world.begun.len() as u64)).unwrap();
        let delivery = world.begun.remove(place);
        let how = behaviour.map_or(Delivered::Yes, |behaviour| answer(&delivery.event, behaviour, rng));
        // A response may be lost on its way.
        if how == Delivered::Yes || rng.below(10) == 0 {
            platform.takes(&delivery.event);
        }
        world.feed.settle(&delivery, how, world.now());
    }
}

fn answer(rendered: &RenderedEvent, behaviour: u64, rng: &mut SeededRng) -> Delivered {
    let retry_after = (rng.below(2) == 0).then(|| Duration::from_secs(rng.below(100)));
    // Events of some calls are never accepted.
    let poison = rendered.thread.len() % 2 == 1 && rendered.thread.ends_with(['3', '6', '7']);
    match (behaviour, rng.below(10)) {
        (0, _) => Delivered::Down(retry_after),
        (1, _) => Delivered::Refused,
        (2, 0..9) => Delivered::Gone,
        (_, _) if poison => {
            [Delivered::Refused, Delivered::Gone, Delivered::Down(None)][usize::from(rendered.thread.len() > 4)]
        }
        (3, 0..3) => {
            [Delivered::Refused, Delivered::Down(retry_after), Delivered::Later(retry_after)][rng.below(3) as usize]
        }
        _ => Delivered::Yes,
    }
}

fn i9_no_more_is_held_than_may_be(world: &TestFeed, replayed: bool) {
    let queue = &world.feed.queue;
    for reader in [Reader::Backlog, Reader::Live, Reader::Parked] {
        let bound = if reader == Reader::Backlog { BOUNDS.window } else { BOUNDS.other_window };
        assert!(queue.held(reader) <= bound + 3 * PAGE, "{reader:?} holds {}", queue.held(reader));
    }
    assert!(replayed || world.feed.replay.queue.held(Reader::Replay) == 0);
    assert!(world.feed.parked.len() <= BOUNDS.parked);
}

fn i1_the_watermark_passes_what_is_delivered_or_parked(world: &TestFeed, platform: &Platform) {
    let parked: BTreeMap<_, _> = world.recorded.parked.iter().cloned().collect();
    let passed = world.journal.iter().filter(|frame| frame.position < world.recorded.watermark);
    for header in passed.flat_map(event_headers) {
        let left = parked.get(&*header.thread()).is_some_and(|from| *from <= header.id.position());
        assert!(left || platform.bytes.contains_key(&header.id), "a crash would lose {}", header.id);
    }
}

/// SplitMix64.
struct SeededRng(u64);

impl SeededRng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
