//! Simulates a lane forward: order and time of each queued text (A21, A28, A63).
//!
//! The dispatcher owns the actual lane. The simulation assumes that each attempt is answered immediately: of the texts
//! that are due, the first by priority and age is next, and the bucket determines when. A text that is not due yet
//! blocks later ones to the same number and lets others pass.

use super::rate::Bucket;
use crate::model::{E164, Kind, Limits, MessageId, Timestamp};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

/// Number of priorities; 0 is the highest.
pub const PRIORITIES: u8 = 3;

/// After this many higher-priority starts, one lower-priority text is sent, to prevent starvation.
const PASSED_MAX: u32 = 7;

/// How often each priority was passed over since its last turn, while a text of it was waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turns([u32; PRIORITIES as usize]);

impl Turns {
    /// The priority whose turn it is among those with a text ready: the highest that was passed over often enough, else
    /// the highest.
    pub fn next(&self, ready: [bool; PRIORITIES as usize]) -> Option<usize> {
        let mut ready = (0..ready.len()).filter(|rank| ready[*rank]);
        let first = ready.clone().next();
        ready.find(|rank| self.0[*rank] >= PASSED_MAX).or(first)
    }

    /// Whether a lower priority may go before a higher one.
    pub fn passed_over(&self) -> bool {
        self.0.iter().any(|passed| *passed >= PASSED_MAX)
    }

    /// Records that a text of priority `rank` starts. `waiting` are the priorities that have further texts.
    pub fn started(&mut self, rank: usize, waiting: [bool; PRIORITIES as usize]) {
        for (lower, passed) in self.0.iter_mut().enumerate() {
            *passed = match lower.cmp(&rank) {
                Ordering::Less => *passed,
                Ordering::Equal => 0,
                Ordering::Greater if waiting[lower] => *passed + 1,
                Ordering::Greater => 0,
            };
        }
    }
}

/// The priority of a kind: closing messages and answers to keywords first, auto-replies last (A21).
pub fn priority(kind: Kind) -> u8 {
    match kind {
        Kind::Closing | Kind::OptOutConfirmation | Kind::HelpReply => 0,
        Kind::Preset | Kind::Custom | Kind::SmartAction => 1,
        Kind::AutoReply | Kind::Inbound => 2,
    }
}

/// A text in a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its id; texts of equal priority are sent in order of their ids.
    pub id: MessageId,
    /// Its kind, which determines its priority.
    pub kind: Kind,
    /// The recipient; texts to the same recipient keep their order.
    pub theirs: E164,
    /// Its length in segments, the tokens it takes.
    pub segments: u16,
    /// When its next attempt may start after a failed one; before `expires_at`.
    pub not_before: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whether an attempt is in flight; its pair waits for the outcome.
    pub started: bool,
}

/// The current state of a lane.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    /// All texts that are not finished, in any order.
    pub texts: &'a [Waiting],
    /// The limits of the number.
    pub limits: &'a Limits,
    /// When its bucket is at level 0 with all debts paid.
    pub empty_at: Timestamp,
}

/// The simulated turn of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Its place among the waiting texts; 1 is next. Texts that expire before their turn are not counted.
    pub position: usize,
    /// When the last text before it leaves the lane.
    pub behind: Option<Timestamp>,
    /// When only the bucket still delays it.
    pub at: Timestamp,
    /// When it starts.
    pub starts_at: Timestamp,
}

impl Lane<'_> {
    /// The turn of a text if nothing is sent before `from`; `None` if it does not wait in this lane.
    ///
    /// Whether the text expires or is cancelled before is not considered. How often lower priorities were passed over
    /// is not stored, so the simulation starts from zero: a text of a lower priority may come in between.
    pub fn turn(&self, id: MessageId, from: Timestamp) -> Option<Turn> {
        let mut line = Line::new(self.texts, from);
        let target = line.texts.iter().position(|text| text.id == id)?;
        line.stays(target);
        let mut bucket = Bucket::new(self.limits, self.empty_at);
        let (mut now, mut position, mut behind) = (from, 1, None);
        loop {
            line.pass(now);
            let Some(first) = line.first() else {
                now = line.next_due_at()?;
                continue;
            };
            let starts_at = bucket.ready(line.texts[first].segments, now);
            // A text that becomes due until then may go before it, and it may expire by then.
            let changes_at = line.next_due_at().into_iter().chain(line.leaves_at(first)).min();
            if let Some(changes_at) = changes_at.filter(|changes_at| *changes_at <= starts_at) {
                now = changes_at;
                behind = line.leaves_at(first).filter(|leaves_at| *leaves_at == now).or(behind);
                continue;
            }
            if first == target {
                let due_at = line.due_at[first];
                let at = behind.map_or(due_at, |behind| due_at.max(behind));
                return Some(Turn { position, behind, at, starts_at });
            }
            now = starts_at;
            line.pass(now);
            line.start(first);
            bucket.take(u32::from(line.texts[first].segments), now);
            position += 1;
            behind = Some(now);
        }
    }
}

impl Lane<'_> {
    /// The waiting texts in the order in which they leave the lane if nothing is sent before `from`, each with the time
    /// at which it is sent or, if its turn would come later, expires.
    pub fn in_order(&self, from: Timestamp) -> Vec<(Timestamp, MessageId)> {
        let mut line = Line::new(self.texts, from);
        let mut bucket = Bucket::new(self.limits, self.empty_at);
        let (mut now, mut order) = (from, Vec::new());
        loop {
            line.pass(now);
            order.extend(line.left.drain(..).map(|place| (now, line.texts[place].id)));
            let next = line.first();
            let starts_at = next.map(|first| bucket.ready(line.texts[first].segments, now));
            let expires_at = next.and_then(|first| line.leaves_at(first));
            let changes_at = line.next_due_at().into_iter().chain(expires_at).min();
            match (next, starts_at) {
                (Some(first), Some(starts_at)) if changes_at.is_none_or(|changes_at| starts_at < changes_at) => {
                    now = starts_at;
                    line.pass(now);
                    line.start(first);
                    bucket.take(u32::from(line.texts[first].segments), now);
                }
                _ => match changes_at {
                    Some(changes_at) => now = changes_at,
                    None => return order,
                },
            }
        }
    }
}

/// The waiting texts in the order of the lane; each is identified by its index.
struct Line {
    texts: Vec<Waiting>,
    /// When each text is due: from then on only the order and the bucket delay it.
    due_at: Vec<Timestamp>,
    /// The texts that are due, by priority.
    ready: [BTreeSet<usize>; PRIORITIES as usize],
    /// The texts that are not due yet.
    early: BTreeSet<(Timestamp, usize)>,
    /// The texts that may expire, by expiry.
    ages: BTreeSet<(Timestamp, usize)>,
    /// The texts that left, in order.
    left: Vec<usize>,
    /// How many texts are left, by priority.
    waiting: [usize; PRIORITIES as usize],
    turns: Turns,
}

impl Line {
    fn new(texts: &[Waiting], from: Timestamp) -> Self {
        let mut texts: Vec<Waiting> = texts.iter().filter(|text| !text.started).copied().collect();
        texts.sort_unstable_by_key(|text| (priority(text.kind), text.id));
        // A text is not due before an earlier one to the same number.
        let mut of_pair: HashMap<E164, Timestamp> = HashMap::new();
        let due_at: Vec<_> = texts
            .iter()
            .map(|text| {
                let due_at = of_pair.entry(text.theirs).or_insert(from);
                *due_at = text.not_before.unwrap_or(from).max(*due_at);
                *due_at
            })
            .collect();
        let early = due_at.iter().copied().zip(0..).collect();
        let ages = texts.iter().map(|text| text.expires_at).zip(0..).collect();
        let mut waiting = [0; PRIORITIES as usize];
        texts.iter().for_each(|text| waiting[usize::from(priority(text.kind))] += 1);
        let (ready, left, turns) = Default::default();
        Self { texts, due_at, ready, early, ages, left, waiting, turns }
    }

    /// The text is not dropped when it expires.
    fn stays(&mut self, place: usize) {
        self.ages.remove(&(self.texts[place].expires_at, place));
    }

    /// Advances the time: expired texts leave, and due texts become ready.
    fn pass(&mut self, now: Timestamp) {
        while let Some((_, place)) = self.ages.first().copied().filter(|(at, _)| *at <= now) {
            self.leave(place);
        }
        while let Some((due_at, place)) = self.early.first().copied().filter(|(at, _)| *at <= now) {
            self.early.remove(&(due_at, place));
            self.ready[self.rank(place)].insert(place);
        }
    }

    /// The next text: the first of the priority whose turn it is.
    fn first(&self) -> Option<usize> {
        let firsts = self.ready.each_ref().map(|ready| ready.first().copied());
        self.turns.next(firsts.map(|first| first.is_some())).and_then(|rank| firsts[rank])
    }

    fn start(&mut self, place: usize) {
        self.leave(place);
        self.turns.started(self.rank(place), self.waiting.map(|waiting| waiting > 0));
    }

    fn leave(&mut self, place: usize) {
        self.left.push(place);
        self.ages.remove(&(self.texts[place].expires_at, place));
        self.early.remove(&(self.due_at[place], place));
        let rank = self.rank(place);
        self.ready[rank].remove(&place);
        self.waiting[rank] -= 1;
    }

    fn rank(&self, place: usize) -> usize {
        usize::from(priority(self.texts[place].kind))
    }

    /// When the next text becomes due.
    fn next_due_at(&self) -> Option<Timestamp> {
        self.early.first().map(|(due_at, _)| *due_at)
    }

    /// When a text expires unsent; `None` if it stays.
    fn leaves_at(&self, place: usize) -> Option<Timestamp> {
        let expires_at = self.texts[place].expires_at;
        self.ages.contains(&(expires_at, place)).then_some(expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Day, Position};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    fn at(ms: u64) -> Timestamp {
        NOW + Duration::from_millis(ms)
    }

    fn id(nth: u64) -> MessageId {
        MessageId::new(Day(1), Position(nth), 0)
    }

    /// The nth text, each to a different number, which expires in a minute.
    fn text(nth: u64) -> Waiting {
        Waiting {
            id: id(nth),
            kind: Kind::Custom,
            theirs: to(nth),
            segments: 1,
            not_before: None,
            expires_at: at(60_000),
            started: false,
        }
    }

    fn to(nth: u64) -> E164 {
        format!("+1206555{nth:04}").parse().unwrap()
    }

    /// Checks order and start (in milliseconds from now) of the texts in a lane with one segment per second and an
    /// empty bucket.
    #[track_caller]
    fn check(texts: &[Waiting], expected: &[(u64, u64)]) {
        let limits = Limits::default();
        let lane = Lane { texts, limits: &limits, empty_at: NOW };
        let mut turns: Vec<_> = texts
            .iter()
            .filter(|text| !text.started)
            .map(|text| (lane.turn(text.id, NOW).unwrap(), text.id.position().0))
            .collect();
        turns.sort_by_key(|(turn, _)| turn.starts_at);
        let simulated: Vec<_> =
            turns.iter().map(|(turn, nth)| (*nth, turn.starts_at.since(NOW).as_millis() as u64)).collect();
        assert_eq!(simulated, expected);
    }

    #[test]
    fn a21_texts_are_ordered_by_priority_then_age() {
        let texts = [
            Waiting { kind: Kind::AutoReply, ..text(1) },
            text(3),
            Waiting { kind: Kind::Closing, ..text(4) },
            text(2),
        ];
        check(&texts, &[(4, 1_000), (2, 2_000), (3, 3_000), (1, 4_000)]);
        let limits = Limits::default();
        let lane = Lane { texts: &texts, limits: &limits, empty_at: NOW };
        let turn = lane.turn(id(3), NOW);
        let expected = Turn { position: 3, behind: Some(at(2_000)), at: at(2_000), starts_at: at(3_000) };
        assert_eq!((turn, lane.turn(id(9), NOW)), (Some(expected), None));
    }

    #[test]
    fn texts_are_listed_in_the_order_in_which_they_leave() {
        let limits = Limits::default();
        let texts = [
            text(1),
            Waiting { kind: Kind::AutoReply, ..text(2) },
            Waiting { expires_at: at(2_500), ..text(3) },
            Waiting { kind: Kind::Closing, ..text(4) },
            Waiting { not_before: Some(at(1_500)), ..text(5) },
            Waiting { started: true, ..text(6) },
            Waiting { expires_at: at(1_500), ..text(7) },
        ];
        let order = |texts: &[Waiting]| -> Vec<_> {
            let order = Lane { texts, limits: &limits, empty_at: NOW }.in_order(NOW);
            order.into_iter().map(|(at, id)| (id.position().0, at.since(NOW).as_millis() as u64)).collect()
        };
        assert_eq!(order(&texts), [(4, 1_000), (7, 1_500), (1, 2_000), (3, 2_500), (5, 3_000), (2, 4_000)]);
        assert_eq!(order(&[]), []);
    }

    #[test]
    fn the_order_of_a_lane_is_that_of_the_turns_of_its_texts() {
        let limits = Limits { burst: 3, ..Limits::default() };
        let kinds = [Kind::Custom, Kind::AutoReply, Kind::Closing, Kind::Custom];
        let texts: Vec<_> = (1..40)
            .map(|nth| Waiting {
                kind: kinds[nth as usize % 4],
                segments: 1 + nth as u16 % 3,
                theirs: to(nth % 7),
                expires_at: at(600_000),
                ..text(nth)
            })
            .collect();
        let lane = Lane { texts: &texts, limits: &limits, empty_at: NOW };
        let listed: Vec<_> = lane.in_order(NOW).into_iter().map(|(_, id)| id).collect();
        assert_eq!(listed.len(), texts.len());
        for (place, id) in listed.iter().enumerate() {
            assert_eq!(lane.turn(*id, NOW).unwrap().position, place + 1, "{id}");
        }
    }

    #[test]
    fn a21_after_seven_higher_priority_texts_a_lower_one_has_its_turn() {
        let agents = (2..=10).map(text);
        let texts: Vec<_> = [Waiting { kind: Kind::AutoReply, ..text(1) }].into_iter().chain(agents).collect();
        let limits = Limits::none();
        let lane = Lane { texts: &texts, limits: &limits, empty_at: NOW };
        let place = |nth| lane.turn(id(nth), NOW).map(|turn| turn.position);
        assert_eq!([2, 8, 1, 9, 10].map(place), [1, 7, 8, 9, 10].map(Some));
    }

    #[test]
    fn a21_a_flood_of_two_other_priorities_does_not_starve_agents() {
        let of = |kind, nths: std::ops::RangeInclusive<u64>| nths.map(move |nth| Waiting { kind, ..text(nth) });
        let texts: Vec<_> =
            of(Kind::Closing, 1..=20).chain(of(Kind::Custom, 21..=22)).chain(of(Kind::AutoReply, 23..=40)).collect();
        let limits = Limits::none();
        let lane = Lane { texts: &texts, limits: &limits, empty_at: NOW };
        let place = |nth| lane.turn(id(nth), NOW).map(|turn| turn.position);
        // Seven closing messages, then one of each priority that was passed over, then seven more.
        assert_eq!([7, 21, 23, 8, 22, 24].map(place), [7, 8, 9, 10, 17, 18].map(Some));
    }

    #[test]
    fn a63_a_retry_lets_others_pass_and_blocks_its_own_pair() {
        let retry = Waiting { not_before: Some(at(2_500)), theirs: to(2), ..text(1) };
        check(&[retry, text(2), text(3), text(4)], &[(3, 1_000), (4, 2_000), (1, 3_000), (2, 4_000)]);
    }

    #[test]
    fn a_higher_priority_text_that_becomes_due_overtakes_a_waiting_one() {
        let long = Waiting { kind: Kind::AutoReply, ..text(1) };
        let closing = Waiting { kind: Kind::Closing, not_before: Some(at(999)), ..text(2) };
        check(&[long, closing], &[(2, 1_000), (1, 2_000)]);
        check(&[long, Waiting { not_before: Some(at(1_001)), ..closing }], &[(1, 1_000), (2, 2_000)]);
    }

    #[test]
    fn a28_a_long_text_starts_on_a_full_bucket_and_later_ones_wait_for_its_debt() {
        check(&[Waiting { segments: 6, ..text(1) }, text(2)], &[(1, 1_000), (2, 7_000)]);
    }

    #[test]
    fn a_text_that_expires_before_its_turn_takes_no_tokens() {
        let first = Waiting { segments: 4, ..text(1) };
        let old = Waiting { expires_at: at(4_500), ..text(2) };
        check(&[first, old, text(3)], &[(1, 1_000), (2, 5_000), (3, 5_000)]);
        let limits = Limits::default();
        let turn = Lane { texts: &[first, old, text(3)], limits: &limits, empty_at: NOW }.turn(id(3), NOW).unwrap();
        assert_eq!((turn.position, turn.behind), (2, Some(at(4_500))));
    }

    #[test]
    fn texts_in_flight_have_already_taken_their_tokens() {
        check(&[Waiting { started: true, ..text(1) }, Waiting { theirs: to(1), ..text(2) }], &[(2, 1_000)]);
    }

    #[test]
    fn a_lane_without_a_limit_sends_all_at_once() {
        let lane = Lane { texts: &[text(1), text(2)], limits: &Limits::none(), empty_at: NOW };
        let turn = lane.turn(id(2), NOW);
        assert_eq!(turn, Some(Turn { position: 2, behind: Some(NOW), at: NOW, starts_at: NOW }));
    }
}
