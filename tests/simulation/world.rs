//! The world of one seed: the gateway's successive processes, carriers and platform around them, and scheduled actions.

use super::carrier::Carrier;
use super::checks;
use super::clock::{Noted, Time};
use super::delivery::Replay;
use super::directory::{self, ACCOUNTS};
use super::endpoint::{self, Endpoint};
use super::faults::{ClaimFiles, Death, Fate, KeptIndex};
use super::gateway::{Gateway, Requester};
use super::plan::{Behaviour, Plan};
use super::platform::Desk;
use super::rng::SeededRng;
use super::trace::{Trace, brief};
use offhook::journal::SimDisk;
use offhook::machine::command::{Command, Reply};
use offhook::machine::event::CommittedFrame;
use offhook::model::{MessageId, Settled, Timestamp};
use offhook::work::feed::{Delivered, Delivery};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// Maximum commands per batch: few, so that deaths hit many batches.
const BATCH_MAX: u64 = 12;

/// Maximum frames per batch: a tick may make one for calls it ends and another for data it deletes.
const FRAMES_MAX: u64 = BATCH_MAX * 2;

/// Turns without time passing after which the run counts as a livelock.
const TURNS_MAX: u32 = 2_000;

/// Time to pass after faults stop: over 72 hours after the last lease, which is at most four hours, has expired.
const SETTLE_HOURS: u64 = 82;

/// Panics because an invariant is violated.
pub(crate) fn violation(which: &str, why: impl Display) -> ! {
    panic!("{which} is violated: {why}");
}

/// A scheduled action.
pub(crate) enum Due {
    /// The carrier posts a webhook.
    Post(usize),
    /// The platform sends a request.
    Request(usize),
    /// The process with this number learns the outcome of an attempt.
    Settle { process: u32, message: MessageId, attempt: u32, settled: Settled },
    /// The process with this number learns the outcome of a delivery.
    Delivered { process: u32, endpoint: usize, delivery: Delivery, how: Delivered },
}

/// The whole simulated world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) disk: SimDisk,
    pub(crate) claims: ClaimFiles,
    pub(crate) index: KeptIndex,
    pub(crate) fate: Fate,
    pub(crate) time: Time,
    pub(crate) carrier: Carrier,
    pub(crate) desk: Desk,
    pub(crate) endpoints: Vec<Endpoint>,
    /// When, in true time, the frame at each position was decided.
    pub(crate) decided_ms: BTreeMap<u64, u64>,
    /// The journal's frames read so far.
    pub(crate) frames: Vec<Arc<CommittedFrame>>,
    pub(crate) rng: SeededRng,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) process: u32,
    pub(crate) scheduled: BTreeMap<(u64, u64), Due>,
    pub(crate) scheduled_count: u64,
    pub(crate) faults: bool,
    pub(crate) stalled_until: u64,
    /// When, in true time, there was no process or its disk was slow.
    pub(crate) stalled_ms: Vec<(u64, u64)>,
    /// The time noted by a process in this boot of the machine.
    pub(crate) noted: Option<Noted>,
    /// How often the clock was set forward by a day.
    pub(crate) days_ahead: usize,
    /// Replays requested of the current process; a death cancels them.
    pub(crate) replays: Vec<Replay>,
    /// Faults covered so far: how processes died, and the like.
    pub(crate) covered: BTreeSet<&'static str>,
    pub(crate) trace: Trace,
}

/// Runs a plan, lets everything settle, and checks the invariants. Returns what was covered: events by name, and
/// faults.
pub(crate) fn run(plan: &Plan) -> BTreeSet<&'static str> {
    let mut world = World::new(plan);
    for _ in 0..plan.steps {
        world.step();
    }
    world.settle();
    checks::at_rest(&mut world);
    let events = checks::events(&world.frames).map(|(_, event)| event.event.name());
    events.chain(world.covered.iter().copied()).collect()
}

impl World {
    fn new(plan: &Plan) -> Self {
        let mut rng = SeededRng::new(plan.seed);
        // An ordinary time, or shortly before the end of a day or month.
        let wall = rng.pick(&["2025-11-22T10:00:00Z", "2025-11-22T23:58:00Z", "2025-11-30T23:59:00Z"]);
        let fate = Fate::default();
        let mut world = Self {
            plan: plan.clone(),
            disk: SimDisk::default(),
            claims: ClaimFiles::new(),
            index: KeptIndex::new(&fate),
            fate,
            time: Time::new(Timestamp::parse(wall).expect("it is a time")),
            carrier: Carrier::default(),
            desk: Desk::default(),
            endpoints: endpoint::random(plan, &mut rng),
            decided_ms: BTreeMap::new(),
            frames: Vec::new(),
            rng,
            gateway: None,
            process: 0,
            scheduled: BTreeMap::new(),
            scheduled_count: 0,
            faults: true,
            stalled_until: 0,
            stalled_ms: Vec::new(),
            noted: None,
            days_ahead: 0,
            replays: Vec::new(),
            covered: BTreeSet::new(),
            trace: Trace::new(plan),
        };
        let directory = Box::new(directory::random(&mut world.rng));
        world.start();
        let opt_outs = vec![];
        world.gateway().submit(Requester::Worker("seed"), Command::Seed { directory, opt_outs });
        world.turn();
        world
    }

    /// The running gateway.
    pub(crate) fn gateway(&mut self) -> &mut Gateway {
        self.gateway.as_mut().expect("a killed gateway is restarted before anything else happens")
    }

    /// The running gateway, by shared reference.
    pub(crate) fn running(&self) -> &Gateway {
        self.gateway.as_ref().expect("a killed gateway is restarted before anything else happens")
    }

    fn step(&mut self) {
        if self.rng.percent(2) {
            self.step_clock();
        }
        self.inject_faults();
        self.noted = Some(self.gateway().note());
        for _ in 0..self.rng.below(4) {
            self.outside_event();
        }
        if self.rng.percent(30) {
            self.gateway().submit(Requester::Worker("tick"), Command::Tick);
        }
        if self.plan.chance(Behaviour::Deaths, 1, &mut self.rng) {
            self.kill("is killed between two batches", Vec::new());
        }
        let ms = self.rng.pick(&[0, 10, 300, 3_000, 3_000, 30_000]);
        let ms = self.rng.ms(ms);
        self.pass(ms);
    }

    fn inject_faults(&mut self) {
        let now = self.time.elapsed_ms();
        if self.plan.chance(Behaviour::Carriers, 2, &mut self.rng) {
            let account = self.rng.pick(&ACCOUNTS);
            let until = now + self.rng.ms(200_000);
            self.carrier.down_until.insert(account, until);
        }
        if self.plan.chance(Behaviour::Platform, 3, &mut self.rng) {
            let place = self.rng.index(self.endpoints.len());
            let endpoint = &mut self.endpoints[place];
            endpoint.down_until = now + self.rng.ms(900_000);
            endpoint.pick_fault(&mut self.rng);
        }
        if self.plan.chance(Behaviour::Replays, 1, &mut self.rng) {
            let place = self.rng.index(self.endpoints.len());
            self.request_replay(place);
        }
        if self.plan.chance(Behaviour::Stalls, 5, &mut self.rng) {
            self.stalled_until = now + self.rng.below(8_000);
            self.stalled_ms.push((now, self.stalled_until));
        }
    }

    fn outside_event(&mut self) {
        if self.rng.percent(45) {
            let unreadable = self.rng.percent(3);
            let hook = if unreadable { self.carrier.unreadable() } else { self.carrier.text(&mut self.rng) };
            // Carriers post some webhooks two or three times, at once or much later.
            let times = self.rng.pick(&[1, 1, 1, 2, 3]);
            for _ in 0..if self.plan.has(Behaviour::Repeats) { times } else { 1 } {
                let most = self.rng.pick(&[0, 3_000, 600_000]);
                let after = self.rng.ms(most);
                self.schedule(after, Due::Post(hook));
            }
        } else {
            let request = self.desk.next_request(&mut self.rng);
            let after = self.rng.ms(2_000);
            self.schedule(after, Due::Request(request));
        }
    }

    pub(crate) fn schedule(&mut self, ms: u64, due: Due) {
        self.scheduled_count += 1;
        self.scheduled.insert((self.time.elapsed_ms() + ms, self.scheduled_count), due);
    }

    /// Lets time pass and runs scheduled actions at their times.
    fn pass(&mut self, ms: u64) {
        let until = self.time.elapsed_ms() + ms;
        let mut turns = 0;
        loop {
            self.turn();
            let now = self.time.elapsed_ms();
            let due = self.scheduled.first_key_value().map(|((at, _), _)| *at);
            let stalled = (self.running().pending() > 0).then_some(self.stalled_until);
            let next = [due, self.running().due_ms(), stalled].into_iter().flatten().min().unwrap_or(u64::MAX).max(now);
            if next > until {
                break;
            }
            turns = if next == now { turns + 1 } else { 0 };
            if turns > TURNS_MAX {
                violation("I11", "livelock: something is always due and never done");
            }
            self.time.pass(next - now);
            while let Some(entry) = self.scheduled.first_entry().filter(|entry| entry.key().0 <= next) {
                let due = entry.remove();
                self.run_due(due);
            }
        }
        // A restart may have taken longer than that.
        self.time.pass(until.saturating_sub(self.time.elapsed_ms()));
        self.turn();
    }

    fn run_due(&mut self, due: Due) {
        let process = self.process;
        match due {
            Due::Post(hook) => {
                if let Some(command) = self.carrier.post(hook) {
                    self.gateway().submit(Requester::Hook(hook), command);
                }
            }
            Due::Request(request) => {
                if let Some(command) = self.desk.command(request) {
                    self.gateway().submit(Requester::Request(request), command);
                }
            }
            Due::Settle { process: of, message, attempt, settled } if of == process => {
                self.gateway().submit(Requester::Worker("settle"), Command::Settle { message, attempt, settled });
            }
            Due::Delivered { process: of, endpoint, delivery, how } if of == process => {
                let given_up = self.gateway().delivered(endpoint, &delivery, how);
                self.endpoints[endpoint].record_outcome(&delivery, how, given_up, self.time.elapsed_ms());
            }
            // Meant for a process that has died.
            Due::Settle { .. } | Due::Delivered { .. } => {}
        }
    }

    /// Lets the workers act and the engine commit queued commands, unless its disk is stalled.
    fn turn(&mut self) {
        loop {
            self.gateway().dispatch();
            for (endpoint, delivery) in self.gateway().deliveries() {
                self.deliver(endpoint, delivery);
            }
            let pending = self.gateway().pending();
            if pending == 0 || self.time.elapsed_ms() < self.stalled_until {
                return;
            }
            self.commit();
        }
    }

    fn commit(&mut self) {
        let count = 1 + self.rng.index(usize::try_from(BATCH_MAX).expect("it is small"));
        let dies = self.faults && self.plan.chance(Behaviour::Deaths, 3, &mut self.rng);
        let death = dies.then(|| self.death());
        self.fate.set(death);
        if let Some(Death::Failed { after }) = death {
            self.disk.fail_after(after);
        }
        self.note_decision_time(self.running().next().0);
        let outcome = self.gateway().commit(count);
        if self.disk.has_failed() && outcome.is_ok() {
            violation("G9", "the disk failed, but the engine reports success");
        }
        match outcome {
            Ok(replies) if death == Some(Death::Unanswered) => {
                let unanswered = replies.into_iter().map(|(requester, _)| requester).collect();
                self.kill("dies before replying", unanswered);
            }
            Ok(replies) => {
                for (requester, reply) in replies {
                    self.handle_reply(requester, reply);
                }
                // Nothing was written, or it was reported as written and must be there after the restart.
                if let Some(death) = death {
                    self.kill(format_args!("dies after replying, {death:?}"), Vec::new());
                }
            }
            Err((failed, unanswered)) if death.is_some() => {
                self.kill(format_args!("dies {death:?}: {failed}"), unanswered);
            }
            Err((failed, _)) => violation("the engine", format!("fails without an injected fault: {failed}")),
        }
    }

    /// Records now as the decision time of frames from this position on, until a later commit overwrites it: frames of
    /// a dying process may survive.
    pub(crate) fn note_decision_time(&mut self, first: u64) {
        let now = self.time.elapsed_ms();
        self.decided_ms.extend((first..first + FRAMES_MAX).map(|position| (position, now)));
    }

    fn handle_reply(&mut self, requester: Requester, reply: Reply) {
        // Replies to workers are in the journal.
        if !matches!(requester, Requester::Worker(_)) {
            self.trace.note(&self.time, format_args!("{requester:?} gets {}", brief(&reply)));
        }
        match (requester, reply) {
            (Requester::Hook(hook), Reply::InboundItem(outcome)) => self.carrier.hooks[hook].outcomes.push(outcome),
            (Requester::Request(request), reply) => self.desk.receive(request, &reply),
            (Requester::Start(_), Reply::Started { message }) => {
                let (now, faults) = (self.time.elapsed_ms(), self.faults && self.plan.has(Behaviour::Answers));
                let attempt = u32::try_from(message.attempts.len()).expect("a message has few attempts");
                let consequences = self.carrier.send(&message, now, faults, &mut self.rng);
                let (after, settled) = consequences.answer;
                self.schedule(after, Due::Settle { process: self.process, message: message.id, attempt, settled });
                for (after, hook) in consequences.receipts {
                    self.schedule(after, Due::Post(hook));
                }
            }
            (Requester::Start(message), _) => self.gateway().not_started(message),
            (Requester::Hook(_), reply) => violation("the engine", format!("answers a webhook with {reply:?}")),
            (Requester::Worker(_), _) => {}
        }
    }

    fn deliver(&mut self, endpoint: usize, delivery: Delivery) {
        let (now, faults) = (self.time.elapsed_ms(), self.faults.then_some(&self.plan));
        let response = self.endpoints[endpoint].receive(&delivery.event, now, faults, &mut self.rng);
        self.schedule(
            response.after_ms,
            Due::Delivered { process: self.process, endpoint, delivery, how: response.how },
        );
    }

    /// Stops faults and new requests, and lets time pass.
    fn settle(&mut self) {
        self.trace.note(&self.time, "faults stop");
        self.faults = false;
        self.stalled_until = 0;
        self.carrier.down_until.clear();
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.down_until = 0);
        for place in 0..self.endpoints.len() {
            if self.plan.chance(Behaviour::Replays, 50, &mut self.rng) {
                self.request_replay(place);
            }
        }
        for _ in 0..SETTLE_HOURS * 2 {
            self.tick_until_nothing_is_due();
            self.pass(30 * 60 * 1000);
        }
        self.tick_until_nothing_is_due();
    }

    /// Repeats ticks, since one tick settles only one text per call.
    fn tick_until_nothing_is_due(&mut self) {
        loop {
            let before = self.running().next();
            self.gateway().submit(Requester::Worker("tick"), Command::Tick);
            self.turn();
            if self.running().next() == before {
                return;
            }
            self.pass(1_000);
        }
    }
}
