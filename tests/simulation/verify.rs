//! A39: our numbers are checked daily, by the journal's clock and through deaths of the process.

use super::clock::Time;
use super::directory::{ACCOUNTS, NUMBERS, number, single};
use super::faults::Death;
use super::gateway::Requester;
use super::node::Node;
use super::rng::SeededRng;
use offhook::machine::command::{Command, Reply};
use offhook::machine::event::Event;
use offhook::machine::view::SendingQueries;
use offhook::model::{E164, Limits, Settings, Timestamp};
use offhook::rules::verification::{CHECK_EVERY, Said, Webhook};
use offhook::work::verify::{Ask, Checks, Ended, find};
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR_MS: u64 = 3_600_000;

/// How often the worker searches: less often than the real one, which makes checks later and nothing else.
const SEARCH_MS: u64 = 600_000;

/// With a carrier that hangs for hours and a process that dies, each number is checked at once, then a day after its
/// last check at the earliest, and as soon as the carrier is back.
pub(crate) fn daily() {
    for seed in 0..20 {
        let mut days = Days::new(seed);
        while days.time.elapsed_ms() < 10 * 24 * HOUR_MS {
            days.search();
        }
        days.check(seed);
    }
}

struct Days {
    rng: SeededRng,
    time: Time,
    node: Node,
    checks: Checks,
    /// Until then the carrier hangs.
    down_until_ms: u64,
}

impl Days {
    fn new(seed: u64) -> Self {
        let time = Time::new(Timestamp::parse("2025-11-22T10:00:00Z").expect("it is a time"));
        let numbers: Vec<_> = NUMBERS.iter().map(|text| (*text).to_owned()).collect();
        let node = Node::new(&time, single(&numbers, &Limits::none(), Settings::default()));
        Self { rng: SeededRng::new(seed), time, node, checks: Checks::default(), down_until_ms: 0 }
    }

    fn search(&mut self) {
        let now_ms = self.time.elapsed_ms();
        if now_ms >= self.down_until_ms && self.rng.percent(1) {
            self.down_until_ms = now_ms + HOUR_MS * (1 + self.rng.below(6));
        }
        let now = self.time.wall();
        let found = self.node.gateway.reads().ask(|view| find(view, now)).expect("a healthy index");
        self.checks.set_due(found.due);
        let until = now_ms + SEARCH_MS;
        while self.time.elapsed_ms() < until {
            for ask in self.checks.next(Duration::from_millis(self.time.elapsed_ms())) {
                self.ask(ask);
            }
            let now_ms = self.time.elapsed_ms();
            let wake_ms = self.checks.wake_at().and_then(|at| u64::try_from(at.as_millis()).ok()).unwrap_or(until);
            self.time.pass(wake_ms.clamp(now_ms + 1, until.max(now_ms + 1)) - now_ms);
        }
    }

    /// One look-up, whose answer is waited for.
    fn ask(&mut self, Ask { number, account }: Ask) {
        if self.time.elapsed_ms() < self.down_until_ms {
            self.time.pass(10_000);
            return self.ended(number, Ended::NoAnswer { retryable: true, retry_after: None });
        }
        self.time.pass(200);
        let said = Said::Found { sms: true, mms: true, webhook: Webhook::Here };
        let command = Command::NumberChecked { number, account, said, address: String::new() };
        self.node.gateway.submit(Requester::Worker("verify"), command);
        if self.rng.percent(20) {
            let death =
                self.rng.pick(&[Death::Unwritten, Death::Unsynced, Death::Unindexed { rows: 0 }, Death::Unanswered]);
            self.node.die(death);
            // The next worker begins with what the index knows.
            self.checks = Checks::default();
            return;
        }
        let replies = self.node.commit();
        assert!(matches!(&replies[..], [(_, Reply::Verification(_))]), "{replies:?}");
        self.ended(number, Ended::Answered);
    }

    fn ended(&mut self, number: E164, ended: Ended) {
        self.checks.ended(number, ended, Duration::from_millis(self.time.elapsed_ms()));
    }

    fn check(&self, seed: u64) {
        let mut checked: BTreeMap<E164, Vec<Timestamp>> = BTreeMap::new();
        for frame in self.node.frames() {
            for event in &frame.events {
                if let Event::NumberChecked { number, .. } = &event.event {
                    checked.entry(*number).or_default().push(frame.at);
                }
            }
        }
        for text in NUMBERS {
            let times = &checked[&number(text)];
            let gaps: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
            assert!(gaps.iter().all(|gap| *gap >= CHECK_EVERY), "seed {seed}: too often: {gaps:?}");
            // Twice seven hours without the carrier, and the longest backoff.
            let late = CHECK_EVERY + Duration::from_millis(15 * HOUR_MS);
            assert!(gaps.iter().all(|gap| *gap < late), "seed {seed}: too late: {gaps:?}");
            assert!(times.len() >= 6, "seed {seed}: {times:?}");
            let last = self.node.gateway.reads().ask(|view| view.checked_number(number(text), ACCOUNTS[0]));
            let last = last.expect("a healthy index").map(|checked| checked.at);
            assert_eq!(last.as_ref(), times.last(), "seed {seed}: the row has the time of the last check");
        }
    }
}
