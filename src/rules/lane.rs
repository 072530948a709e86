//! A number's lane, told ahead: in which order its texts go, and when (A21, A28, A63).
//!
//! The lane itself is the dispatcher's. Here stands what it will do if each text is answered at once: of those that may
//! go the first by priority and age is next, and the bucket says when. A text whose time has not come holds back the
//! later ones to the same number and lets others pass.

use super::rate::Bucket;
use crate::model::{E164, Kind, Limits, MessageId, Timestamp};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

/// Priorities there are: 0 goes first.
pub const PRIORITIES: u8 = 3;

/// Starts of higher priorities after which one of a lower priority that waits has its turn, so that none starves.
const PASSED_MAX: u32 = 7;

/// How often each priority was passed over since it last had its turn, while one of it waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turns([u32; PRIORITIES as usize]);

impl Turns {
    /// Of the priorities that have one ready, whose turn it is: the highest that was passed over often enough, else the
    /// highest.
    pub fn next(&self, ready: [bool; PRIORITIES as usize]) -> Option<usize> {
        let mut ready = (0..ready.len()).filter(|rank| ready[*rank]);
        let first = ready.clone().next();
        ready.find(|rank| self.0[*rank] >= PASSED_MAX).or(first)
    }

    /// Whether one of a lower priority may go before a higher one.
    pub fn passed_over(&self) -> bool {
        self.0.iter().any(|passed| *passed >= PASSED_MAX)
    }

    /// One of priority `rank` starts, and these have others that wait.
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

/// Closing messages and answers to keywords first, auto-replies last (A21).
pub fn priority(kind: Kind) -> u8 {
    match kind {
        Kind::Closing | Kind::OptOutConfirmation | Kind::HelpReply => 0,
        Kind::Preset | Kind::Custom | Kind::SmartAction => 1,
        Kind::AutoReply | Kind::Inbound => 2,
    }
}

/// A text of a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Which; those of one priority go by age.
    pub id: MessageId,
    /// What for, which is its priority.
    pub kind: Kind,
    /// Who gets it: texts to one keep their order.
    pub theirs: E164,
    /// Its cost.
    pub segments: u16,
    /// When its next attempt may start, after one that came to nothing; before it is too old.
    pub not_before: Option<Timestamp>,
    /// When it is too late.
    pub expires_at: Timestamp,
    /// It is on its way to the carrier, and its pair waits for the answer.
    pub started: bool,
}

/// A lane, as it is.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    /// All that are not done, in any order.
    pub texts: &'a [Waiting],
    /// The number's.
    pub limits: &'a Limits,
    /// When its bucket is empty with all debts paid.
    pub empty_at: Timestamp,
}

/// A text's turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Its place among those that wait; 1 is next. Who is too old before its turn has no place.
    pub position: usize,
    /// When the last of those before it leaves the lane.
    pub behind: Option<Timestamp>,
    /// When only the bucket holds it any more.
    pub at: Timestamp,
    /// When it starts.
    pub starts_at: Timestamp,
}

impl Lane<'_> {
    /// When a text has its turn, if nothing goes before `from`; nothing where it does not wait here.
    ///
    /// What may end it before, its own age among that, is left out. How many starts have passed over a lower priority is
    /// not kept anywhere, so it is told as if it were none: one of a lower priority may come in between.
    pub fn turn(&self, id: MessageId, from: Timestamp) -> Option<Turn> {
        let mut line = Line::new(self.texts, id, from)?;
        let mut bucket = Bucket::new(self.limits, self.empty_at);
        let (mut now, mut position, mut behind) = (from, 1, None);
        loop {
            line.pass(now);
            let Some(first) = line.first() else {
                now = line.next_comes_at()?;
                continue;
            };
            let starts_at = bucket.ready(line.texts[first].segments, now);
            // Who comes until then may go before it, and it may be too old by then.
            let changes_at = line.next_comes_at().into_iter().chain(line.too_old_at(first)).min();
            if let Some(changes_at) = changes_at.filter(|changes_at| *changes_at <= starts_at) {
                now = changes_at;
                behind = line.too_old_at(first).filter(|too_old_at| *too_old_at == now).or(behind);
                continue;
            }
            if first == line.asked {
                let comes_at = line.comes_at[first];
                let at = behind.map_or(comes_at, |behind| comes_at.max(behind));
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

/// Those that wait, in the lane's order; each is named by its place in that.
struct Line {
    texts: Vec<Waiting>,
    /// The one that is asked about.
    asked: usize,
    /// When nothing but the order and the bucket holds a text.
    comes_at: Vec<Timestamp>,
    /// Those whose time has come, by priority.
    ready: [BTreeSet<usize>; PRIORITIES as usize],
    /// Those whose time has not come.
    early: BTreeSet<(Timestamp, usize)>,
    /// All but the one that is asked about, by when they are too old.
    ages: BTreeSet<(Timestamp, usize)>,
    /// How many are left, by priority.
    waiting: [usize; PRIORITIES as usize],
    turns: Turns,
}

impl Line {
    fn new(texts: &[Waiting], asked: MessageId, from: Timestamp) -> Option<Self> {
        let mut texts: Vec<Waiting> = texts.iter().filter(|text| !text.started).copied().collect();
        texts.sort_unstable_by_key(|text| (priority(text.kind), text.id));
        let asked = texts.iter().position(|text| text.id == asked)?;
        // Who is behind another to the same number comes no earlier than that one.
        let mut of_pair: HashMap<E164, Timestamp> = HashMap::new();
        let comes_at: Vec<_> = texts
            .iter()
            .map(|text| {
                let comes_at = of_pair.entry(text.theirs).or_insert(from);
                *comes_at = text.not_before.unwrap_or(from).max(*comes_at);
                *comes_at
            })
            .collect();
        let early = comes_at.iter().copied().zip(0..).collect();
        let ages = texts.iter().map(|text| text.expires_at).zip(0..).filter(|(_, place)| *place != asked).collect();
        let mut waiting = [0; PRIORITIES as usize];
        texts.iter().for_each(|text| waiting[usize::from(priority(text.kind))] += 1);
        Some(Self { texts, asked, comes_at, ready: Default::default(), early, ages, waiting, turns: Turns::default() })
    }

    /// Time passes: who is too old leaves, and who may go is ready.
    fn pass(&mut self, now: Timestamp) {
        while let Some((_, place)) = self.ages.first().copied().filter(|(at, _)| *at <= now) {
            self.leave(place);
        }
        while let Some((comes_at, place)) = self.early.first().copied().filter(|(at, _)| *at <= now) {
            self.early.remove(&(comes_at, place));
            self.ready[self.rank(place)].insert(place);
        }
    }

    /// Who is next: the first of the priority whose turn it is.
    fn first(&self) -> Option<usize> {
        let firsts = self.ready.each_ref().map(|ready| ready.first().copied());
        self.turns.next(firsts.map(|first| first.is_some())).and_then(|rank| firsts[rank])
    }

    fn start(&mut self, place: usize) {
        self.leave(place);
        self.turns.started(self.rank(place), self.waiting.map(|waiting| waiting > 0));
    }

    fn leave(&mut self, place: usize) {
        self.ages.remove(&(self.texts[place].expires_at, place));
        self.early.remove(&(self.comes_at[place], place));
        let rank = self.rank(place);
        self.ready[rank].remove(&place);
        self.waiting[rank] -= 1;
    }

    fn rank(&self, place: usize) -> usize {
        usize::from(priority(self.texts[place].kind))
    }

    /// When the next one's time comes.
    fn next_comes_at(&self) -> Option<Timestamp> {
        self.early.first().map(|(comes_at, _)| *comes_at)
    }

    /// When a text leaves unsent; never the one that is asked about.
    fn too_old_at(&self, place: usize) -> Option<Timestamp> {
        (place != self.asked).then(|| self.texts[place].expires_at)
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

    /// The nth text, to a number of its own, with a minute to live.
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

    /// Who goes when in a lane of a segment a second whose bucket is empty now: the nth text, in milliseconds from now.
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
        let told: Vec<_> =
            turns.iter().map(|(turn, nth)| (*nth, turn.starts_at.since(NOW).as_millis() as u64)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a21_priority_then_age_is_the_order_whatever_the_order_they_are_given_in() {
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
    fn a21_after_seven_of_a_higher_priority_one_of_the_lowest_that_waits_has_its_turn() {
        let agents = (2..=10).map(text);
        let texts: Vec<_> = [Waiting { kind: Kind::AutoReply, ..text(1) }].into_iter().chain(agents).collect();
        let limits = Limits::none();
        let lane = Lane { texts: &texts, limits: &limits, empty_at: NOW };
        let place = |nth| lane.turn(id(nth), NOW).map(|turn| turn.position);
        assert_eq!([2, 8, 1, 9, 10].map(place), [1, 7, 8, 9, 10].map(Some));
    }

    #[test]
    fn a21_a_flood_of_two_other_priorities_lets_agents_have_their_turn() {
        let of = |kind, nths: std::ops::RangeInclusive<u64>| nths.map(move |nth| Waiting { kind, ..text(nth) });
        let texts: Vec<_> =
            of(Kind::Closing, 1..=20).chain(of(Kind::Custom, 21..=22)).chain(of(Kind::AutoReply, 23..=40)).collect();
        let limits = Limits::none();
        let lane = Lane { texts: &texts, limits: &limits, empty_at: NOW };
        let place = |nth| lane.turn(id(nth), NOW).map(|turn| turn.position);
        // Seven closing messages, then one of each that was passed over, then seven more.
        assert_eq!([7, 21, 23, 8, 22, 24].map(place), [7, 8, 9, 10, 17, 18].map(Some));
    }

    #[test]
    fn a63_a_retry_lets_others_pass_and_holds_back_its_own_pair() {
        let retry = Waiting { not_before: Some(at(2_500)), theirs: to(2), ..text(1) };
        check(&[retry, text(2), text(3), text(4)], &[(3, 1_000), (4, 2_000), (1, 3_000), (2, 4_000)]);
    }

    #[test]
    fn who_comes_while_the_first_waits_for_its_segments_goes_before_it_if_it_ranks_higher() {
        let long = Waiting { kind: Kind::AutoReply, ..text(1) };
        let closing = Waiting { kind: Kind::Closing, not_before: Some(at(999)), ..text(2) };
        check(&[long, closing], &[(2, 1_000), (1, 2_000)]);
        check(&[long, Waiting { not_before: Some(at(1_001)), ..closing }], &[(1, 1_000), (2, 2_000)]);
    }

    #[test]
    fn a28_a_long_text_goes_on_a_full_bucket_and_those_behind_it_wait_for_its_debt() {
        check(&[Waiting { segments: 6, ..text(1) }, text(2)], &[(1, 1_000), (2, 7_000)]);
    }

    #[test]
    fn who_is_too_old_before_its_turn_takes_nothing_from_the_others() {
        let first = Waiting { segments: 4, ..text(1) };
        let old = Waiting { expires_at: at(4_500), ..text(2) };
        check(&[first, old, text(3)], &[(1, 1_000), (2, 5_000), (3, 5_000)]);
        let limits = Limits::default();
        let turn = Lane { texts: &[first, old, text(3)], limits: &limits, empty_at: NOW }.turn(id(3), NOW).unwrap();
        assert_eq!((turn.position, turn.behind), (2, Some(at(4_500))));
    }

    #[test]
    fn what_is_on_its_way_has_been_paid_for() {
        check(&[Waiting { started: true, ..text(1) }, Waiting { theirs: to(1), ..text(2) }], &[(2, 1_000)]);
    }

    #[test]
    fn a_lane_without_a_limit_lets_all_go_at_once() {
        let lane = Lane { texts: &[text(1), text(2)], limits: &Limits::none(), empty_at: NOW };
        let turn = lane.turn(id(2), NOW);
        assert_eq!(turn, Some(Turn { position: 2, behind: Some(NOW), at: NOW, starts_at: NOW }));
    }
}
