//! Endpoints of every mood, from a seed: nothing is lost, nothing comes out of order, nothing is stuck.

use super::*;
use crate::machine::show::event_headers;
use std::collections::{BTreeMap, HashSet};

/// Seeds lived.
const SEEDS: u64 = 60;

/// Steps before the endpoint takes everything.
const STEPS: u64 = 200;

/// So small that every bound is met.
const BOUNDS: Bounds =
    Bounds { window: 12, aside: 6, behind: 25, live_threads: 8, parked: 5, in_flight: 5, in_flight_aside: 2 };

#[test]
fn i1_i3_i4_a65_no_mood_of_an_endpoint_loses_an_event_or_its_order_or_stops_the_feed() {
    let reached = (0..SEEDS).map(live).fold(Reached::default(), |all, one| Reached {
        parked: all.parked.max(one.parked),
        live: all.live + one.live,
        down: all.down + one.down,
        restarts: all.restarts + one.restarts,
        repeats: all.repeats + one.repeats,
    });
    assert!(reached.parked == BOUNDS.parked, "{reached:?}");
    assert!(reached.live > 100 && reached.down > 100 && reached.restarts > 100 && reached.repeats > 100, "{reached:?}");
}

/// What a seed got to see, so that it is known to be worth something.
#[derive(Clone, Copy, Default, Debug)]
struct Reached {
    parked: usize,
    live: usize,
    down: usize,
    restarts: usize,
    repeats: usize,
}

/// Where events arrive.
#[derive(Default)]
struct Platform {
    bytes: HashMap<crate::model::EventId, Vec<u8>>,
    last: HashMap<String, u64>,
    repeats: usize,
}

impl Platform {
    fn takes(&mut self, told: &RenderedEvent) {
        if let Some(before) = self.bytes.get(&told.id) {
            assert_eq!(before, &told.body, "{told:?} came in other bytes");
            self.repeats += 1;
            return;
        }
        let event: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
        let last = self.last.entry(told.thread.clone()).or_default();
        *last += 1;
        assert_eq!(event["call_sequence"], *last, "{told:?} of {} is out of order", told.thread);
        self.bytes.insert(told.id, told.body.clone());
    }
}

fn live(seed: u64) -> Reached {
    let mut dice = SeededRng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1);
    let mut world = World::with(Filter::default(), BOUNDS);
    let mut platform = Platform::default();
    let mut reached = Reached::default();
    let (mut calls, mut mood, mut replayed) = (0, 0, false);
    for _ in 0..STEPS {
        match dice.below(12) {
            0..5 => {
                for _ in 0..dice.below(8) {
                    let names: Vec<_> = (0..=dice.below(2)).map(|_| some_call(&mut dice, &mut calls)).collect();
                    world.commit(&names.iter().map(String::as_str).collect::<Vec<_>>());
                }
            }
            5 => mood = dice.below(5),
            6 => {
                world.note();
                i1_the_watermark_passes_what_is_delivered_or_parked(&world, &platform);
            }
            7 if dice.below(4) == 0 => {
                reached.restarts += 1;
                replayed = false;
                world.restart();
            }
            8 if !world.journal.is_empty() => {
                replayed = true;
                let from = 1 + dice.below(world.journal.len() as u64);
                world.feed.replay(Position(from)..world.committed().next());
            }
            _ => {
                let ms = [0, 10, 5_000, 600_000, 40_000_000][usize::try_from(dice.below(5)).unwrap()];
                world.pass(ms);
            }
        }
        for _ in 0..dice.below(4) {
            turn(&mut world, &mut platform, &mut dice, Some(mood));
        }
        reached.parked = reached.parked.max(world.feed.parked.len());
        reached.live += usize::from(world.feed.live.next().is_some());
        reached.down += usize::from(world.feed.health.is_down());
        i9_no_more_is_held_than_may_be(&world, replayed);
    }
    for _ in 0..2_000 {
        turn(&mut world, &mut platform, &mut dice, None);
        world.pass(60_000);
        if world.feed.is_idle() && world.begun.is_empty() && world.feed.next > world.committed() {
            break;
        }
    }
    world.note();
    let told: usize = world.journal.iter().map(|story| event_headers(story).count()).sum();
    assert_eq!(platform.bytes.len(), told, "seed {seed}");
    assert!(world.feed.is_idle() && world.begun.is_empty(), "seed {seed}");
    assert_eq!(world.noted, Start { watermark: world.committed().next(), parked: Vec::new() }, "seed {seed}");
    reached.repeats = platform.repeats;
    reached
}

/// A new call, or one of those there are; the old ones have little to say.
fn some_call(dice: &mut SeededRng, calls: &mut u64) -> String {
    if *calls == 0 || dice.below(3) == 0 {
        *calls += 1;
        return format!("+c-{calls}");
    }
    let back = dice.below(*calls).min(dice.below(*calls));
    format!("c-{}", *calls - back)
}

/// Everybody reads, what may go goes, and some of what is under way ends.
fn turn(world: &mut World, platform: &mut Platform, dice: &mut SeededRng, mood: Option<u64>) {
    world.read();
    world.begin();
    world.read();
    world.begin();
    assert!(world.begun.len() <= BOUNDS.in_flight);
    let threads: HashSet<_> = world.begun.iter().map(|delivery| (&delivery.told.thread, delivery.replay)).collect();
    assert_eq!(threads.len(), world.begun.len(), "two of one thread are under way");
    while !world.begun.is_empty() && (mood.is_none() || dice.below(3) > 0) {
        let place = usize::try_from(dice.below(world.begun.len() as u64)).unwrap();
        let delivery = world.begun.remove(place);
        let how = mood.map_or(Delivered::Yes, |mood| answer(&delivery.told, mood, dice));
        // An answer may be lost on its way.
        if how == Delivered::Yes || dice.below(10) == 0 {
            platform.takes(&delivery.told);
        }
        world.feed.settle(&delivery, how, world.now());
    }
}

fn answer(told: &RenderedEvent, mood: u64, dice: &mut SeededRng) -> Delivered {
    let wish = (dice.below(2) == 0).then(|| Duration::from_secs(dice.below(100)));
    // Some calls are poison.
    let poison = told.thread.len() % 2 == 1 && told.thread.ends_with(['3', '6', '7']);
    match (mood, dice.below(10)) {
        (0, _) => Delivered::Down(wish),
        (1, _) => Delivered::Refused,
        (2, 0..9) => Delivered::Gone,
        (_, _) if poison => {
            [Delivered::Refused, Delivered::Gone, Delivered::Down(None)][usize::from(told.thread.len() > 4)]
        }
        (3, 0..3) => [Delivered::Refused, Delivered::Down(wish), Delivered::Later(wish)][dice.below(3) as usize],
        _ => Delivered::Yes,
    }
}

fn i9_no_more_is_held_than_may_be(world: &World, replayed: bool) {
    let queue = &world.feed.queue;
    for reader in [Reader::Backlog, Reader::Live, Reader::Parked] {
        let bound = if reader == Reader::Backlog { BOUNDS.window } else { BOUNDS.aside };
        assert!(queue.held(reader) <= bound + 3 * PAGE, "{reader:?} holds {}", queue.held(reader));
    }
    assert!(replayed || world.feed.replay.queue.held(Reader::Replay) == 0);
    assert!(world.feed.parked.len() <= BOUNDS.parked);
}

fn i1_the_watermark_passes_what_is_delivered_or_parked(world: &World, platform: &Platform) {
    let parked: BTreeMap<_, _> = world.noted.parked.iter().cloned().collect();
    let passed = world.journal.iter().filter(|story| story.position < world.noted.watermark);
    for head in passed.flat_map(event_headers) {
        let left = parked.get(&*head.thread()).is_some_and(|from| *from <= head.id.position());
        assert!(left || platform.bytes.contains_key(&head.id), "{} is lost to a crash", head.id);
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
