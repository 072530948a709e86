//! G36: STOP against a thousand texts that wait.

use super::clock::Time;
use super::directory::{ACCOUNTS, NUMBERS, QUEUES, number, queue_id, single};
use super::faults::Death;
use super::gateway::Asker;
use super::house::House;
use offhook::machine::command::{Command, Content, PutCall, Reply, Send, Settled, SettledAs};
use offhook::machine::event::{CommittedFrame, Event, NumberedEvent};
use offhook::machine::view::Queries;
use offhook::model::{
    CallId, Caller, Inbound, InboundItem, Kind, Limits, MessageId, MessageState, Phase, Settings, Timestamp,
};
use std::collections::BTreeSet;

/// Who says STOP, and who does not.
const SILENT: &str = "+12065550142";
const OTHER: &str = "+13035550144";

/// Calls of the first, each through a number of its own and with as many texts as one call may have waiting.
const CALLS: usize = 10;
const TEXTS: usize = 100;

/// STOP arrives among the starts of those texts, and the process dies at the worst moments; none starts after it, each
/// ends once, and others are not held up.
pub(crate) fn stop_against_a_thousand() {
    let deaths = [Death::Unsynced, Death::Unindexed { rows: 7 }, Death::Unclaimed, Death::Unanswered];
    for death in [None].into_iter().chain(deaths.map(Some)) {
        let mut story = Telling::new();
        story.pass(4_000);
        story.stop();
        if let Some(death) = death {
            story.house.gateway.dispatch();
            story.house.die(death);
            // It was not thanked, so the carrier comes again.
            story.stop();
        }
        story.pass(300_000);
        story.check(death);
    }
}

struct Telling {
    time: Time,
    house: House,
    queued: BTreeSet<MessageId>,
    others: BTreeSet<MessageId>,
}

impl Telling {
    fn new() -> Self {
        let time = Time::new(Timestamp::parse("2025-11-22T10:00:00Z").expect("it is a time"));
        let limits = Limits { millisegments_per_second: Some(2_500), burst: 5, ..Limits::none() };
        let settings = Settings { in_call_sms: true, max_wait_ms: 300_000, ..Settings::default() };
        let numbers: Vec<_> = (0..CALLS).map(|n| format!("+120655501{n:02}")).collect();
        let house = House::new(&time, single(&numbers, &limits, settings));
        let mut this = Self { time, house, queued: BTreeSet::new(), others: BTreeSet::new() };
        for n in 0..CALLS {
            let texts = this.call_with_texts(&format!("c-{n}"), SILENT, TEXTS);
            this.queued.extend(texts);
        }
        this.others = this.call_with_texts("c-other", OTHER, 10);
        assert_eq!((this.queued.len(), this.others.len()), (CALLS * TEXTS, 10));
        this
    }

    fn call_with_texts(&mut self, id: &str, caller: &str, texts: usize) -> BTreeSet<MessageId> {
        let call = CallId::read(id).expect("it is a call id");
        let put = PutCall {
            call: call.clone(),
            caller: Caller::read(caller).expect("it is a number"),
            queue: queue_id(QUEUES[0]),
            language: None,
            phase: Phase::Connected,
            agent: None,
            call_type: "inbound_ivr".to_owned(),
            wait_sms_consent: false,
            version: None,
            alternative: None,
            attestation: None,
        };
        self.house.gateway.ask(Asker::Worker("call"), Command::PutCall(put));
        for n in 0..texts {
            let content = Content::Text(format!("text {n}"));
            let send = Send { call: call.clone(), content, agent: None, smart_action: None, force: false, key: None };
            self.house.gateway.ask(Asker::Worker("send"), Command::Send(send));
        }
        let queued = |reply| match reply {
            Reply::Message { message, .. } => Some(message.id),
            Reply::Refused(refusal) => panic!("a text is refused: {refusal:?}"),
            _ => None,
        };
        self.house.commit().into_iter().filter_map(|(_, reply)| queued(reply)).collect()
    }

    fn stop(&mut self) {
        let item = InboundItem::Message(Inbound {
            carrier_id: "SMstop".to_owned(),
            from: number(SILENT).into(),
            to: number(NUMBERS[0]).into(),
            text: "Stop!".to_owned(),
            media: Vec::new(),
            segments: None,
            keyword: None,
        });
        let heard = Command::InboundItem { account: ACCOUNTS[0].to_owned(), item };
        self.house.gateway.ask(Asker::Worker("hook"), heard);
    }

    /// Time passes, and the carrier takes what it gets.
    fn pass(&mut self, ms: u64) {
        let until = self.time.elapsed_ms() + ms;
        loop {
            self.turn();
            let now = self.time.elapsed_ms();
            let next = self.house.gateway.due_ms().unwrap_or(u64::MAX).max(now);
            if next > until {
                return self.time.pass(until - now);
            }
            self.time.pass(next - now);
        }
    }

    fn turn(&mut self) {
        loop {
            self.house.gateway.dispatch();
            if self.house.gateway.asked() == 0 {
                return;
            }
            for (asker, reply) in self.house.commit() {
                match (asker, reply) {
                    (Asker::Start(_), Reply::Started { message }) => {
                        let carrier_id = format!("SM-{}", message.id);
                        let settled = Settled {
                            outcome: SettledAs::Sent { carrier_id, segments: None },
                            status: Some(201),
                            detail: None,
                        };
                        let settle = Command::Settle { message: message.id, attempt: 1, settled };
                        self.house.gateway.ask(Asker::Worker("settle"), settle);
                    }
                    (Asker::Start(message), _) => self.house.gateway.not_started(message),
                    _ => {}
                }
            }
        }
    }

    fn check(&self, death: Option<Death>) {
        let stories = self.house.stories();
        let stopped =
            |story: &CommittedFrame| story.events.iter().any(|event| matches!(event.fact, Event::OptedOut { .. }));
        let stop = stories.iter().position(|story| stopped(story)).expect("STOP is in the journal");
        assert_eq!(stories.iter().filter(|story| stopped(story)).count(), 1, "{death:?}: STOP has one effect");
        let started = |stories: &[std::sync::Arc<CommittedFrame>]| -> BTreeSet<MessageId> {
            stories.iter().flat_map(|story| &story.events).filter_map(start_of).collect()
        };
        let (before, after) = (started(&stories[..stop]), started(&stories[stop..]));
        assert!(before.len() > 50, "{death:?}: STOP came among the starts: {}", before.len());
        assert_eq!(after.intersection(&self.queued).count(), 0, "{death:?}: texts start after STOP");
        assert!(before.union(&after).filter(|id| self.others.contains(id)).count() == 10, "{death:?}: others go on");
        let state = |id: MessageId| {
            let row = self.house.gateway.reads().ask(|view| view.message(id)).expect("the index can be read");
            row.expect("it is there").state
        };
        for id in &self.queued {
            let (state, started) = (state(*id), before.contains(id));
            let sent = matches!(state, MessageState::Sent | MessageState::Sending | MessageState::Unconfirmed);
            assert_eq!(sent, started, "{death:?}: {id} is {}", state.word());
        }
        assert_eq!(self.house.gateway.rest().0, 0, "{death:?}: nothing waits in a lane");
    }
}

fn start_of(event: &NumberedEvent) -> Option<MessageId> {
    match &event.fact {
        Event::SendStarted { message, .. } if message.kind != Kind::OptOutConfirmation => Some(message.id),
        _ => None,
    }
}
