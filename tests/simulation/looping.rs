//! G35: two gateways whose numbers text each other, each with an auto-reply and each a stranger to the other.

use super::clock::Time;
use super::directory::{ACCOUNTS, NUMBERS, QUEUES, language, number, queue_id, single};
use super::gateway::Requester;
use super::node::Node;
use super::rng::SeededRng;
use offhook::machine::command::{Command, Content, PutCall, Reply, Send};
use offhook::machine::event::Event;
use offhook::model::{
    AutoReply, CallId, Caller, Closing, Inbound, InboundItem, Kind, Limits, Outcome, Settings, Settled, Timestamp,
    UnknownSender,
};
use std::collections::BTreeMap;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Pairs of gateways with random settings.
const PAIRS: u64 = 20;

/// However the exchange starts, and however often: each gateway replies once per quiet time and within its daily cap,
/// and once nothing new arrives both are silent.
pub(crate) fn two_gateways() {
    for seed in 0..PAIRS {
        let mut pair = Pair::new(seed);
        // New texts at either end restart it, more often than the quiet time and for more than a day.
        for _ in 0..30 {
            let to = pair.rng.index(2);
            pair.receive(to, "Is anybody there?".to_owned());
            let most = pair.rng.pick(&[1, 20, 200]);
            let pause = MINUTE_MS * (1 + pair.rng.below(most));
            pair.pass(pause);
        }
        pair.hang_up();
        let stops_at = pair.time.elapsed_ms();
        pair.pass(2 * DAY_MS);
        pair.check(seed, stops_at);
    }
}

struct Pair {
    rng: SeededRng,
    time: Time,
    began: Timestamp,
    rules: [AutoReply; 2],
    nodes: [Node; 2],
    /// Texts in flight: arrival time, receiving gateway, words.
    in_flight: Vec<(u64, usize, String)>,
    texts: usize,
    /// The first has a call with the other's number, so texts from there join that call.
    called: bool,
    /// When, in true time, the last text was sent.
    last_ms: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let began = Timestamp::parse("2025-11-22T10:00:00Z").expect("it is a time");
        let time = Time::new(began);
        let mut node = |place: usize| {
            let texts = |what: &str| BTreeMap::from([(language("en"), format!("{what} of gateway {place}"))]);
            let rules = AutoReply {
                enabled: true,
                texts: texts("Please call the number"),
                quiet_minutes: rng.pick(&[0, 1, 15]),
                per_day: rng.pick(&[1, 3, 20]),
                unknown_sender: UnknownSender::Reply,
                strangers_per_hour: None,
            };
            let closing = Closing { enabled: true, texts: texts("Goodbye") };
            let settings = Settings { in_call_sms: true, closing, auto_reply: rules.clone(), ..Settings::default() };
            (rules, Node::new(&time, single(&[NUMBERS[place].to_owned()], &Limits::none(), settings)))
        };
        let ((first, one), (second, other)) = (node(0), node(1));
        let mut pair = Self {
            rng,
            time,
            began,
            rules: [first, second],
            nodes: [one, other],
            in_flight: Vec::new(),
            texts: 0,
            called: false,
            last_ms: 0,
        };
        if pair.rng.percent(30) {
            pair.called = true;
            pair.call();
        }
        pair
    }

    /// The second gateway's number is a caller of the first, whose agent texts it.
    fn call(&mut self) {
        let call = PutCall::new(call_id(), Caller::read(NUMBERS[1]).expect("it is a number"), queue_id(QUEUES[0]));
        let content = Content::Text("Can you read this?".to_owned());
        let send = Send {
            call: call_id(),
            content,
            agent: None,
            smart_action: None,
            client_ref: None,
            force: None,
            key: None,
        };
        let gateway = &mut self.nodes[0].gateway;
        gateway.submit(Requester::Worker("call"), Command::PutCall(call));
        gateway.submit(Requester::Worker("send"), Command::Send(send));
    }

    fn hang_up(&mut self) {
        let end = Command::EndCall { call: call_id(), reason: None, key: None };
        self.nodes[0].gateway.submit(Requester::Worker("end"), end);
    }

    /// A text arrives from the other gateway's number.
    fn receive(&mut self, place: usize, text: String) {
        self.texts += 1;
        let item = InboundItem::Message(Inbound {
            carrier_id: format!("SM{:06}", self.texts),
            from: number(NUMBERS[1 - place]).into(),
            to: number(NUMBERS[place]).into(),
            text,
            media: Vec::new(),
            segments: None,
            keyword: None,
            part: None,
        });
        let inbound = Command::InboundItem { account: ACCOUNTS[0].to_owned(), item };
        self.nodes[place].gateway.submit(Requester::Worker("hook"), inbound);
    }

    fn pass(&mut self, ms: u64) {
        let until = self.time.elapsed_ms() + ms;
        loop {
            (0..2).for_each(|place| self.turn(place));
            let now = self.time.elapsed_ms();
            let due = self.nodes.iter().filter_map(|node| node.gateway.due_ms());
            let next = due.chain(self.in_flight.iter().map(|(at, ..)| *at)).min().unwrap_or(u64::MAX).max(now);
            if next > until {
                break;
            }
            self.time.pass(next - now);
            let arrived: Vec<_> = self.in_flight.extract_if(.., |(at, ..)| *at <= next).collect();
            arrived.into_iter().for_each(|(_, place, text)| self.receive(place, text));
        }
        self.time.pass(until - self.time.elapsed_ms());
    }

    /// Runs one gateway's queued commands; its sends will arrive at the other.
    fn turn(&mut self, place: usize) {
        loop {
            let node = &mut self.nodes[place];
            node.gateway.dispatch();
            if node.gateway.pending() == 0 {
                return;
            }
            for (requester, reply) in node.commit() {
                match (requester, reply) {
                    (Requester::Start(_), Reply::Started { message }) => {
                        let now = self.time.elapsed_ms();
                        self.in_flight.push((now + 200 + self.rng.below(5_000), 1 - place, node.text(message.id)));
                        self.last_ms = now;
                        let carrier_id = format!("SM-{}", message.id);
                        let settled = Settled {
                            outcome: Outcome::Sent { carrier_id, segments: None },
                            status: Some(201),
                            detail: None,
                        };
                        let settle = Command::Settle { message: message.id, attempt: 1, settled };
                        node.gateway.submit(Requester::Worker("settle"), settle);
                    }
                    (Requester::Start(message), _) => node.gateway.not_started(message),
                    _ => {}
                }
            }
        }
    }

    fn check(&self, seed: u64, stopped_at_ms: u64) {
        for (place, (node, rules)) in self.nodes.iter().zip(&self.rules).enumerate() {
            let replies: Vec<u64> = node.frames().iter().flat_map(|frame| replied(frame)).collect();
            let shown = !replies.is_empty() || (self.called && place == 0);
            assert!(shown, "seed {seed}: gateway {place} never replied");
            let most = |window_ms: u64, most: usize| {
                let over = replies.windows(most + 1).find(|answers| answers[most] - answers[0] < window_ms);
                assert_eq!(over, None, "seed {seed}: gateway {place} replies over {most} times in {window_ms} ms");
            };
            if rules.quiet_minutes > 0 {
                most(u64::from(rules.quiet_minutes) * MINUTE_MS, 1);
            }
            most(DAY_MS, usize::try_from(rules.per_day).expect("it is small"));
        }
        // Each reply takes seconds to arrive, and at most 40 fit in a day.
        let silent_after = (self.last_ms).saturating_sub(stopped_at_ms);
        assert!(silent_after < 10 * MINUTE_MS, "seed {seed}: they went on for {silent_after} ms");
        assert!(self.began < self.time.wall());
    }
}

fn replied(frame: &offhook::machine::event::CommittedFrame) -> impl Iterator<Item = u64> + use<'_> {
    let reply =
        |event: &Event| matches!(event, Event::MessageQueued { message, .. } if message.kind == Kind::AutoReply);
    frame.events.iter().filter(move |event| reply(&event.event)).map(|_| frame.at.as_ms())
}

fn call_id() -> CallId {
    CallId::read("c-1").expect("it is a call id")
}
