//! G36: STOP while a thousand texts are queued.

use super::clock::Time;
use super::directory::{ACCOUNTS, NUMBERS, QUEUES, number, queue_id, single};
use super::faults::Death;
use super::gateway::Requester;
use super::node::Node;
use offhook::machine::command::{Command, Content, PutCall, Reply, Send};
use offhook::machine::event::{CommittedFrame, Event, NumberedEvent};
use offhook::machine::view::Queries;
use offhook::model::{
    CallId, Caller, Inbound, InboundItem, Kind, Limits, MessageId, MessageState, Outcome, Settings, Settled, Timestamp,
};
use std::collections::BTreeSet;

/// The person who sends STOP, and one who does not.
const OPTED_OUT: &str = "+12065550142";
const OTHER: &str = "+13035550144";

/// Calls of the first, each on its own number and with as many queued texts as a call may have.
const CALLS: usize = 10;
const TEXTS: usize = 100;

/// STOP arrives among the starts of those texts, and the process dies at the worst moments. No text starts after it,
/// each ends once, and other people's texts go out.
pub(crate) fn stop_against_a_thousand() {
    let deaths = [Death::Unsynced, Death::Unindexed { rows: 7 }, Death::Unclaimed, Death::Unanswered];
    for death in [None].into_iter().chain(deaths.map(Some)) {
        let mut scenario = Scenario::new();
        scenario.pass(4_000);
        scenario.stop();
        if let Some(death) = death {
            scenario.node.gateway.dispatch();
            scenario.node.die(death);
            // It was not acknowledged, so the carrier posts it again.
            scenario.stop();
        }
        scenario.pass(300_000);
        scenario.check(death);
    }
}

struct Scenario {
    time: Time,
    node: Node,
    queued: BTreeSet<MessageId>,
    others: BTreeSet<MessageId>,
}

impl Scenario {
    fn new() -> Self {
        let time = Time::new(Timestamp::parse("2025-11-22T10:00:00Z").expect("it is a time"));
        let limits = Limits { millisegments_per_second: Some(2_500), burst: 5, ..Limits::none() };
        let settings = Settings { in_call_sms: true, max_wait_ms: 300_000, ..Settings::default() };
        let numbers: Vec<_> = (0..CALLS).map(|n| format!("+120655501{n:02}")).collect();
        let node = Node::new(&time, single(&numbers, &limits, settings));
        let mut this = Self { time, node, queued: BTreeSet::new(), others: BTreeSet::new() };
        for n in 0..CALLS {
            let texts = this.call_with_texts(&format!("c-{n}"), OPTED_OUT, TEXTS);
            this.queued.extend(texts);
        }
        this.others = this.call_with_texts("c-other", OTHER, 10);
        assert_eq!((this.queued.len(), this.others.len()), (CALLS * TEXTS, 10));
        this
    }

    fn call_with_texts(&mut self, id: &str, caller: &str, texts: usize) -> BTreeSet<MessageId> {
        let call = CallId::read(id).expect("it is a call id");
        let put = PutCall::new(call.clone(), Caller::read(caller).expect("it is a number"), queue_id(QUEUES[0]));
        self.node.gateway.submit(Requester::Worker("call"), Command::PutCall(put));
        for n in 0..texts {
            let content = Content::Text(format!("text {n}"));
            let send = Send {
                call: call.clone(),
                content,
                agent: None,
                smart_action: None,
                client_ref: None,
                force: None,
                key: None,
            };
            self.node.gateway.submit(Requester::Worker("send"), Command::Send(send));
        }
        let queued = |reply| match reply {
            Reply::Message { message, .. } => Some(message.id),
            Reply::Refused(refusal) => panic!("a text is refused: {refusal:?}"),
            _ => None,
        };
        self.node.commit().into_iter().filter_map(|(_, reply)| queued(reply)).collect()
    }

    fn stop(&mut self) {
        let item = InboundItem::Message(Inbound {
            carrier_id: "SMstop".to_owned(),
            from: number(OPTED_OUT).into(),
            to: number(NUMBERS[0]).into(),
            text: "Stop!".to_owned(),
            media: Vec::new(),
            segments: None,
            keyword: None,
            part: None,
        });
        let inbound = Command::InboundItem { account: ACCOUNTS[0].to_owned(), item };
        self.node.gateway.submit(Requester::Worker("hook"), inbound);
    }

    /// Lets time pass; the carrier accepts every send.
    fn pass(&mut self, ms: u64) {
        let until = self.time.elapsed_ms() + ms;
        loop {
            self.turn();
            let now = self.time.elapsed_ms();
            let next = self.node.gateway.due_ms().unwrap_or(u64::MAX).max(now);
            if next > until {
                return self.time.pass(until - now);
            }
            self.time.pass(next - now);
        }
    }

    fn turn(&mut self) {
        loop {
            self.node.gateway.dispatch();
            if self.node.gateway.pending() == 0 {
                return;
            }
            for (requester, reply) in self.node.commit() {
                match (requester, reply) {
                    (Requester::Start(_), Reply::Started { message }) => {
                        let carrier_id = format!("SM-{}", message.id);
                        let settled = Settled {
                            outcome: Outcome::Sent { carrier_id, segments: None },
                            status: Some(201),
                            detail: None,
                        };
                        let settle = Command::Settle { message: message.id, attempt: 1, settled };
                        self.node.gateway.submit(Requester::Worker("settle"), settle);
                    }
                    (Requester::Start(message), _) => self.node.gateway.not_started(message),
                    _ => {}
                }
            }
        }
    }

    fn check(&self, death: Option<Death>) {
        let frames = self.node.frames();
        let stopped =
            |frame: &CommittedFrame| frame.events.iter().any(|event| matches!(event.event, Event::OptedOut { .. }));
        let stop = frames.iter().position(|frame| stopped(frame)).expect("STOP is in the journal");
        assert_eq!(frames.iter().filter(|frame| stopped(frame)).count(), 1, "{death:?}: STOP has one effect");
        let started = |frames: &[std::sync::Arc<CommittedFrame>]| -> BTreeSet<MessageId> {
            frames.iter().flat_map(|frame| &frame.events).filter_map(start_of).collect()
        };
        let (before, after) = (started(&frames[..stop]), started(&frames[stop..]));
        assert!(before.len() > 50, "{death:?}: STOP must come among the starts: {}", before.len());
        assert_eq!(after.intersection(&self.queued).count(), 0, "{death:?}: texts start after STOP");
        assert!(
            before.union(&after).filter(|id| self.others.contains(id)).count() == 10,
            "{death:?}: the other person's texts are sent"
        );
        let state = |id: MessageId| {
            let row = self.node.gateway.reads().ask(|view| view.message(id)).expect("the index can be read");
            row.expect("it is there").state
        };
        for id in &self.queued {
            let (state, started) = (state(*id), before.contains(id));
            let sent = matches!(state, MessageState::Sent | MessageState::Sending | MessageState::Unconfirmed);
            assert_eq!(sent, started, "{death:?}: {id} is {}", state.word());
        }
        assert_eq!(self.node.gateway.idle().0, 0, "{death:?}: nothing waits in a lane");
    }
}

fn start_of(event: &NumberedEvent) -> Option<MessageId> {
    match &event.event {
        Event::SendStarted { message, .. } if message.kind != Kind::OptOutConfirmation => Some(message.id),
        _ => None,
    }
}
