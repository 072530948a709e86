//! A dispatcher with its surroundings, in simulated time.

use super::super::follow::open;
use super::*;
use crate::machine::event::{CommittedFrame, NumberedEvent};
use crate::machine::state::{Attempt, CapOwner, Lane as LaneRow, Message};
use crate::model::{Address, AttemptOutcome, Day, Direction, Encoding, MessageState, Position};
use crate::rules::rate;

#[derive(Clone, Copy)]
pub(super) enum Answer {
    EngineBusy,
    Cancelled,
    LaterBy(u64),
    Never,
}

/// A dispatcher, an engine that accepts everything, and a carrier that answers at once, in simulated milliseconds.
pub(super) struct TestDispatch {
    pub(super) dispatch: Dispatch,
    pub(super) directory: Directory,
    pub(super) now_ms: u64,
    /// How far the wall clock has been set forward.
    pub(super) wall_ahead_ms: u64,
    /// How far the journal's time is behind the lanes' time.
    pub(super) journal_behind_ms: u64,
    pub(super) restarted_ms: u64,
    pub(super) position: u64,
    pub(super) lane_empty_at: HashMap<E164, Timestamp>,
    pub(super) messages: HashMap<MessageId, (&'static str, Message)>,
    pub(super) answers: HashMap<&'static str, Answer>,
    pub(super) sent: Vec<(&'static str, u64)>,
    pub(super) expired: Vec<(&'static str, u64)>,
    pub(super) ttl_ms: u64,
    pub(super) days: HashMap<E164, DayCount>,
}

impl TestDispatch {
    pub(super) fn new(millisegments_per_second: u32, burst: u32) -> Self {
        let mut world = Self {
            dispatch: Dispatch::new(Arc::new(example()), START, Moment { elapsed: Duration::ZERO, wall: START }),
            directory: example(),
            now_ms: 0,
            wall_ahead_ms: 0,
            journal_behind_ms: 0,
            restarted_ms: 0,
            position: 0,
            lane_empty_at: HashMap::new(),
            messages: HashMap::new(),
            answers: HashMap::new(),
            sent: Vec::new(),
            expired: Vec::new(),
            ttl_ms: 60_000,
            days: HashMap::new(),
        };
        world.limit(OURS, millisegments_per_second, burst);
        world
    }

    pub(super) fn now(&self) -> Moment {
        Moment {
            elapsed: Duration::from_millis(self.now_ms - self.restarted_ms),
            wall: START + Duration::from_millis(self.now_ms + self.wall_ahead_ms),
        }
    }

    pub(super) fn limit(&mut self, number: &str, millisegments_per_second: u32, burst: u32) {
        let wall = self.now().wall;
        let entry = self.directory.numbers.get_mut(&number.parse().unwrap()).unwrap();
        let was = entry.limits.clone();
        entry.limits = Limits { millisegments_per_second: Some(millisegments_per_second), burst, ..Limits::default() };
        // Stored as the engine would, for the next process.
        if let Some(empty_at) = self.lane_empty_at.get_mut(&number.parse().unwrap()) {
            *empty_at = rate::empty_with(&was, &entry.limits, *empty_at, wall);
        }
        let changes = vec![Change::Number(number.parse().unwrap(), Some(Json(entry.clone())))];
        self.apply(Event::DirectoryChanged { changes });
    }

    pub(super) fn queue(&mut self, name: &'static str, kind: Kind, segments: u16) {
        let caller = format!("+1206556{:04}", self.position);
        self.add(name, OURS, &caller, kind, segments);
    }

    pub(super) fn queue_to(&mut self, name: &'static str, caller: &str, segments: u16) {
        self.add(name, OURS, caller, Kind::Custom, segments);
    }

    pub(super) fn queue_from(&mut self, ours: &str, name: &'static str, segments: u16) {
        self.add(name, ours, "+12065550155", Kind::Custom, segments);
    }

    pub(super) fn add(&mut self, name: &'static str, ours: &str, caller: &str, kind: Kind, segments: u16) {
        self.add_early(name, ours, caller, kind, segments, None);
    }

    /// Queues a text that cannot be sent before so many milliseconds from now.
    pub(super) fn add_early(
        &mut self,
        name: &'static str,
        ours: &str,
        caller: &str,
        kind: Kind,
        segments: u16,
        ms: Option<u64>,
    ) {
        self.position += 1;
        let id = MessageId::new(Day(1), Position(self.position), 0);
        let wall = self.now().wall;
        let message = Message {
            id,
            call: None,
            direction: Direction::Outbound,
            kind,
            state: MessageState::Queued,
            account: "main".to_owned(),
            ours: ours.parse().unwrap(),
            theirs: Address::read(caller).into(),
            agent: None,
            smart_action: None,
            encoding: Encoding::Gsm7,
            segments,
            estimated_wait_ms: 0,
            media: Vec::new(),
            created_at: wall,
            expires_at: wall + Duration::from_millis(self.ttl_ms),
            failure: None,
            attempts: Vec::new(),
            not_before: ms.map(|ms| wall + Duration::from_millis(ms)),
            carrier_id: None,
            reply_blocked: false,
            keyword: None,
            previous: None,
            counted: None,
            suspended: false,
            client_ref: None,
            incomplete: false,
            reconciled: false,
        };
        self.messages.insert(id, (name, message.clone()));
        let lane = self.lane(&message);
        self.apply(Event::MessageQueued { message: Box::new(message), text: "x".to_owned().into(), lane });
    }

    pub(super) fn lane(&self, message: &Message) -> LaneRow {
        let empty_at = self.lane_empty_at.get(&message.ours).copied().unwrap_or(START);
        LaneRow { empty_at, queued_segments: 0 }
    }

    pub(super) fn apply(&mut self, event: Event) {
        let events = vec![NumberedEvent { call_sequence: None, event }];
        let at = self.now().wall - Duration::from_millis(self.journal_behind_ms);
        let frame = CommittedFrame { position: Position(self.position), at, events };
        self.dispatch.follow(&frame, self.now());
    }

    /// Starts a new dispatcher, which finds the queued messages in the rows.
    pub(super) fn restart(&mut self) {
        self.restarted_ms = self.now_ms;
        let now = self.now();
        self.dispatch = Dispatch::new(Arc::new(self.directory.clone()), now.wall, now);
        let mut waiting: Vec<_> = self.messages.values().map(|(_, message)| message.clone()).collect();
        waiting.sort_by_key(|message| message.id);
        for message in waiting.iter().filter(|message| message.state == MessageState::Queued) {
            let open = open(message).unwrap();
            self.dispatch.found(message.id, &open, self.lane(message).empty_at, now);
        }
    }

    pub(super) fn run(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        loop {
            for action in self.dispatch.next(self.now()) {
                match action {
                    Action::Start { message, lane_empty_at, .. } => self.start(message, lane_empty_at),
                    Action::Expire(message) => {
                        let (name, mut expired) = self.messages[&message].clone();
                        self.expired.push((name, self.now_ms));
                        expired.state = MessageState::Expired;
                        self.messages.insert(message, (name, expired.clone()));
                        self.apply(Event::MessageChanged { message: Box::new(expired), lane: None });
                    }
                }
            }
            let due = self
                .dispatch
                .due()
                .map_or(u64::MAX, |due| self.restarted_ms + u64::try_from(due.as_nanos().div_ceil(1_000_000)).unwrap());
            if due.max(self.now_ms) > until || due == u64::MAX {
                self.now_ms = until;
                return;
            }
            self.now_ms = due.max(self.now_ms);
        }
    }

    pub(super) fn start(&mut self, id: MessageId, lane_empty_at: Timestamp) {
        let (name, mut message) = self.messages[&id].clone();
        self.sent.push((name, self.now_ms));
        self.lane_empty_at.insert(message.ours, lane_empty_at);
        let answer = self.answers.remove(name);
        if let Some(Answer::EngineBusy) = answer {
            self.dispatch.engine_busy(id, self.now());
            return;
        }
        if let Some(Answer::Cancelled) = answer {
            // The committed event arrives before the reply to the command.
            self.messages.remove(&id);
            message.state = MessageState::Cancelled;
            self.apply(Event::MessageChanged { message: Box::new(message), lane: None });
            self.dispatch.cancelled(id, self.now());
            return;
        }
        if let Some(counts) = self.directory.numbers[&message.ours].limits.segments_per_day.map(|_| message.ours) {
            let limits = self.directory.numbers[&counts].limits.clone();
            let before = self.days.get(&counts).copied().unwrap_or_default();
            let count = before.with(&limits, u32::from(message.segments), self.now().wall);
            self.days.insert(counts, count);
            self.apply(Event::DayCounted { owner: CapOwner::Number(counts), count });
        }
        let lane = self.lane(&message);
        message.attempts.push(Attempt { at: self.now().wall, outcome: AttemptOutcome::Open, status: None });
        self.apply(Event::SendStarted { message: Box::new(message.clone()), lane });
        let attempt = message.attempts.last_mut().unwrap();
        match answer {
            Some(Answer::Never) => message.state = MessageState::Sending,
            Some(Answer::LaterBy(ms)) => {
                attempt.outcome = AttemptOutcome::Later;
                message.not_before = Some(self.now().wall + Duration::from_millis(ms));
            }
            Some(Answer::EngineBusy | Answer::Cancelled) | None => {
                attempt.outcome = AttemptOutcome::Sent;
                message.state = MessageState::Sent;
            }
        }
        self.messages.insert(id, (name, message.clone()));
        match answer {
            Some(Answer::Never) => {}
            Some(Answer::LaterBy(_)) => self.apply(Event::SendPostponed { message: Box::new(message), lane }),
            Some(Answer::EngineBusy | Answer::Cancelled) | None => {
                self.apply(Event::MessageChanged { message: Box::new(message), lane: None });
            }
        }
    }

    /// A text is cancelled, or a receipt arrives before the response.
    pub(super) fn changed(&mut self, name: &'static str, state: MessageState) {
        let (id, mut message) = self.named(name);
        message.state = state;
        self.messages.insert(id, (name, message.clone()));
        self.apply(Event::MessageChanged { message: Box::new(message), lane: None });
    }

    /// The carrier answers a text that a receipt has already settled.
    pub(super) fn answered(&mut self, name: &'static str) {
        let (id, mut message) = self.named(name);
        message.attempts.last_mut().unwrap().outcome = AttemptOutcome::Sent;
        self.messages.insert(id, (name, message.clone()));
        self.apply(Event::MessageStored { message: Box::new(message) });
    }

    fn named(&self, name: &'static str) -> (MessageId, Message) {
        let found = self.messages.iter().find(|(_, (other, _))| *other == name);
        found.map(|(id, (_, message))| (*id, message.clone())).unwrap()
    }

    pub(super) fn order(&self) -> Vec<&'static str> {
        self.sent.iter().map(|(name, _)| *name).collect()
    }
}
