use super::*;
use crate::model::{Address, Inbound};

/// The time by the machine's clock at elapsed time 0.
const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// A carrier's list: the time of each message in seconds since the start of the window, and its id; newest first.
#[derive(Clone, Default)]
struct Carrier {
    list: Vec<(u64, String)>,
    page_size: usize,
    /// What the gateway knows, in the order it became known.
    known: Vec<String>,
    /// When each request came.
    requests: Vec<Duration>,
    /// How requests of this time on are answered until the second time.
    refuses: Option<(Duration, Duration, NoAnswer)>,
    /// Messages that arrive after this many requests, at the top of the list.
    arrives: Option<(usize, String)>,
    /// The most messages held at once.
    held: usize,
}

impl Carrier {
    fn of(count: u64, page_size: usize) -> Self {
        let list = (0..count).rev().map(|nth| (nth, format!("SM{nth}"))).collect();
        Self { list, page_size, ..Self::default() }
    }

    fn knows(mut self, ids: impl IntoIterator<Item = &'static str>) -> Self {
        self.known.extend(ids.into_iter().map(str::to_owned));
        self
    }

    /// The page after `next`, which is the number of messages before it.
    fn page(&self, since: Timestamp, next: Option<&str>) -> Page {
        let from = next.map_or(0, |next| next.parse().unwrap());
        let entries = self.list.iter().skip(from).take(self.page_size);
        let messages: Vec<_> = entries.map(|(secs, id)| listed(*secs, id)).collect();
        let more = from + messages.len() < self.list.len() && messages.iter().any(|listed| listed.at >= since);
        Page { next: more.then(|| (from + messages.len()).to_string()), messages, unreadable: 0 }
    }

    /// Runs a reading to its end, at most for `limit`. Returns the time it took.
    fn run(&mut self, reading: &mut Reading, from: Duration, limit: Duration) -> Duration {
        let mut now = from;
        while now < limit {
            self.held = self.held.max(reading.missing.len());
            match reading.next(now, START + now) {
                Step::Done => return now,
                Step::Wait(until) => now = until,
                Step::Compare(ids) => {
                    let known: Vec<_> = ids.iter().map(|id| self.known.contains(id)).collect();
                    reading.compared(&known);
                }
                Step::TakeIn(listed) => {
                    let id = listed.message.carrier_id.clone();
                    let is_new = !self.known.contains(&id);
                    if is_new {
                        self.known.push(id);
                    }
                    reading.taken_in(Some(is_new));
                }
                Step::Read(part) => self.answer(reading, &part, now),
            }
        }
        now
    }

    fn answer(&mut self, reading: &mut Reading, part: &ListPart, now: Duration) {
        self.requests.push(now);
        if let Some((from, until, no_answer)) = &self.refuses
            && (*from..*until).contains(&now)
        {
            return reading.failed(no_answer.clone(), now, START + now);
        }
        if let Some((_, id)) = self.arrives.take_if(|(after, _)| self.requests.len() > *after) {
            self.list.insert(0, (100_000, id));
        }
        match part {
            ListPart::Page { since, next } => reading.page(self.page(*since, next.as_deref())),
            ListPart::Media { place } => {
                let medium =
                    |nth| InboundMedia { url: format!("https://media.example{place}/{nth}"), content_type: None };
                reading.media(vec![medium(1), medium(2)]);
            }
        }
    }
}

fn listed(secs: u64, id: &str) -> Listed {
    let number = |text: &str| Address::Number(text.parse().unwrap());
    let message = Inbound {
        carrier_id: id.to_owned(),
        from: number("+12065550142"),
        to: number("+12065550100"),
        text: String::new(),
        media: Vec::new(),
        segments: None,
        keyword: None,
        part: None,
    };
    Listed { at: at(secs), message, media_place: id.starts_with("MM").then(|| format!("/{id}")) }
}

/// A time in the window, which begins an hour before the start.
fn at(secs: u64) -> Timestamp {
    START - Duration::from_secs(3_600) + Duration::from_secs(secs)
}

fn reading(since_secs: u64) -> Reading {
    Reading::new(Reconciliation { since: at(since_secs), at: START }, Duration::ZERO)
}

const HOUR: Duration = Duration::from_secs(3_600);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn what_is_missing_is_taken_in_once_and_the_oldest_first() {
    let mut carrier = Carrier::of(250, 100).knows(["SM249", "SM100", "SM7"]);
    let mut reading = reading(5);
    carrier.run(&mut reading, Duration::ZERO, HOUR);
    let expected: Vec<_> = (5..249).filter(|nth| ![100, 7].contains(nth)).map(|nth| format!("SM{nth}")).collect();
    assert_eq!(carrier.known[3..], expected, "those before the window are not taken in");
    let Progress { pages, read, known, taken_in, unreadable, .. } = *reading.progress();
    assert_eq!((pages, read, known, taken_in, unreadable), (3, 245, 3, 242, 0));
    assert!(matches!(reading.progress().state, State::Done { .. }));
    // Again, it takes nothing.
    let mut again = super::tests::reading(5);
    carrier.run(&mut again, Duration::ZERO, HOUR);
    assert_eq!((again.progress().taken_in, again.progress().known), (0, 245));
}

#[test]
fn messages_of_the_same_second_keep_the_order_of_the_list() {
    let mut carrier = Carrier { page_size: 2, ..Carrier::default() };
    carrier.list = ["SM5", "SM4", "SM3", "SM2", "SM1"].map(|id| (10, id.to_owned())).to_vec();
    carrier.run(&mut reading(0), Duration::ZERO, HOUR);
    assert_eq!(carrier.known, ["SM1", "SM2", "SM3", "SM4", "SM5"]);
}

#[test]
fn a_list_is_read_at_a_bounded_rate() {
    let mut carrier = Carrier::of(1_000, 10);
    carrier.run(&mut reading(0), Duration::ZERO, HOUR);
    assert_eq!(carrier.requests.len(), 100);
    assert!(carrier.requests.windows(2).all(|pair| pair[1] - pair[0] >= REQUEST_EVERY), "{:?}", carrier.requests);
}

#[test]
fn a_list_that_changes_while_it_is_read_loses_nothing_and_repeats_nothing() {
    // A message that arrives pushes the others to later pages.
    let mut carrier = Carrier { arrives: Some((1, "SM-new".to_owned())), ..Carrier::of(30, 10) };
    let mut reading = reading(0);
    carrier.run(&mut reading, Duration::ZERO, HOUR);
    let expected: Vec<_> = (0..30).map(|nth| format!("SM{nth}")).collect();
    assert_eq!(carrier.known, expected, "the new one comes by its webhook");
    assert_eq!((reading.progress().taken_in, reading.progress().known), (30, 1), "one was on two pages");
}

#[test]
fn a_carrier_that_answers_429_for_an_hour_is_asked_as_it_wishes_and_then_read() {
    let too_many = NoAnswer { retry_after: Some(secs(600)), ..NoAnswer::passing("Twilio answered 429".to_owned()) };
    let mut carrier = Carrier { refuses: Some((secs(1), HOUR, too_many)), ..Carrier::of(250, 100) };
    let mut reading = reading(0);
    let took = carrier.run(&mut reading, Duration::ZERO, secs(900));
    assert_eq!((took, carrier.known.len()), (secs(1_201), 0));
    let State::Waiting { reason, until } = reading.progress().state.clone() else { panic!("{:?}", reading.progress()) };
    assert_eq!((reason.as_str(), until), ("Twilio answered 429", START + secs(1_201)));
    let took = carrier.run(&mut reading, took, HOUR * 3);
    assert!((HOUR..HOUR + secs(700)).contains(&took), "{took:?}");
    assert_eq!((carrier.known.len(), reading.progress().pages), (250, 3), "it goes on where it was");
    assert!(carrier.requests.len() <= 10, "{:?}", carrier.requests);
}

#[test]
fn failures_are_retried_ever_more_slowly_and_never_given_up() {
    let mut carrier = Carrier::of(3, 10);
    carrier.refuses = Some((Duration::ZERO, HOUR * 24, NoAnswer::lasting("Twilio rejects our credentials")));
    let mut reading = reading(0);
    carrier.run(&mut reading, Duration::ZERO, HOUR * 25);
    let waits: Vec<_> = carrier.requests.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(waits[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(carrier.known.len(), 3);
}

#[test]
fn a_page_that_is_gone_has_the_list_read_from_its_beginning() {
    let mut carrier = Carrier::of(30, 10);
    carrier.refuses = Some((Duration::from_millis(900), secs(4), NoAnswer::lasting("Twilio answered 400")));
    let mut reading = reading(0);
    carrier.run(&mut reading, Duration::ZERO, HOUR);
    assert_eq!(carrier.known.len(), 30);
    assert_eq!(reading.progress().pages, 5, "two pages were read twice");
}

#[test]
fn one_that_was_cut_off_begins_again_and_takes_in_the_rest() {
    let mut carrier = Carrier::of(30, 10);
    let mut first = reading(0);
    // It is stopped after some messages.
    let mut steps = 0;
    while carrier.known.len() < 7 {
        steps += 1;
        assert!(steps < 1_000);
        match first.next(secs(steps), START) {
            Step::Read(part) => carrier.answer(&mut first, &part, secs(steps)),
            Step::Compare(ids) => first.compared(&vec![false; ids.len()]),
            Step::TakeIn(listed) => {
                carrier.known.push(listed.message.carrier_id.clone());
                first.taken_in(Some(true));
            }
            Step::Wait(_) | Step::Done => {}
        }
    }
    let mut second = reading(0);
    carrier.run(&mut second, Duration::ZERO, HOUR);
    let expected: Vec<_> = (0..30).map(|nth| format!("SM{nth}")).collect();
    assert_eq!(carrier.known, expected);
    assert_eq!((second.progress().known, second.progress().taken_in), (7, 23));
}

#[test]
fn more_than_can_be_held_is_taken_in_by_several_readings() {
    let count = MISSING_MAX * 2 + 100;
    let mut carrier = Carrier::of(count as u64, 1_000);
    carrier.list.iter_mut().for_each(|(secs, _)| *secs /= 10);
    let mut reading = reading(0);
    carrier.run(&mut reading, Duration::ZERO, HOUR * 10);
    assert!(carrier.held <= MISSING_MAX, "{}", carrier.held);
    let expected: Vec<_> = (0..count).map(|nth| format!("SM{nth}")).collect();
    assert!(carrier.known == expected, "all of them, in order");
    assert_eq!(reading.progress().taken_in as usize, count);
}

#[test]
fn the_media_of_a_message_are_read_before_it_is_taken_in() {
    let mut reading = reading(0);
    let mut carrier = Carrier { page_size: 10, ..Carrier::default() };
    carrier.list = vec![(2, "SM2".to_owned()), (1, "MM1".to_owned()), (0, "MM0".to_owned())];
    let mut carrier = carrier.knows(["MM0"]);
    let mut taken = Vec::new();
    let mut now = Duration::ZERO;
    loop {
        match reading.next(now, START) {
            Step::Done => break,
            Step::Wait(until) => now = until,
            Step::Compare(ids) => reading.compared(&ids.iter().map(|id| id == "MM0").collect::<Vec<_>>()),
            Step::Read(part) => carrier.answer(&mut reading, &part, now),
            Step::TakeIn(listed) => {
                let urls: Vec<_> = listed.message.media.iter().map(|medium| medium.url.clone()).collect();
                taken.push((listed.message.carrier_id, urls));
                reading.taken_in(Some(true));
            }
        }
    }
    let urls = ["https://media.example/MM1/1", "https://media.example/MM1/2"].map(str::to_owned);
    assert_eq!(taken, [("MM1".to_owned(), urls.to_vec()), ("SM2".to_owned(), vec![])]);
    assert_eq!(carrier.requests.len(), 2, "the media of what is known are not asked for");
}

#[test]
fn media_that_cannot_be_read_for_two_hours_do_not_hold_up_the_texts() {
    let mut reading = reading(0);
    let mut carrier =
        Carrier { list: vec![(1, "SM1".to_owned()), (0, "MM0".to_owned())], page_size: 10, ..Carrier::default() };
    carrier.refuses = Some((Duration::from_millis(1), HOUR * 24, NoAnswer::passing("Twilio answered 500")));
    let took = carrier.run(&mut reading, Duration::ZERO, HOUR * 24);
    assert_eq!(carrier.known, ["MM0", "SM1"]);
    assert!((HOUR * 3 / 2..HOUR * 5 / 2).contains(&took), "{took:?}");
}

#[test]
fn a_message_that_cannot_be_stored_does_not_keep_the_others_back() {
    let mut reading = reading(0);
    let carrier = Carrier::of(2, 10);
    reading.next(Duration::ZERO, START);
    reading.page(Page { unreadable: 1, ..carrier.page(START, None) });
    reading.compared(&[false, false]);
    let later = secs(1);
    assert!(matches!(reading.next(later, START), Step::TakeIn(listed) if listed.message.carrier_id == "SM0"));
    reading.taken_in(None);
    assert!(matches!(reading.next(later, START), Step::TakeIn(listed) if listed.message.carrier_id == "SM1"));
    reading.taken_in(Some(true));
    assert_eq!(reading.next(later, START), Step::Done);
    assert_eq!((reading.progress().taken_in, reading.progress().unreadable), (1, 2));
}

#[test]
fn what_is_older_than_claims_are_kept_is_not_read() {
    let mut reading = Reading::new(Reconciliation { since: START - HOUR * 24 * 30, at: START }, Duration::ZERO);
    let Step::Read(ListPart::Page { since, next: None }) = reading.next(Duration::ZERO, START) else { panic!() };
    assert_eq!(since, START - REACH);
}
