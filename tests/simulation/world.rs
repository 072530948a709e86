//! The world of one seed: the gateway's lives one after another, the outside around them, and what happens when.

use super::carrier::Carrier;
use super::checks;
use super::clock::{Noted, Time};
use super::diary::{Trace, brief};
use super::dice::SeededRng;
use super::directory::{self, ACCOUNTS};
use super::endpoint::{self, Endpoint};
use super::faults::{ClaimFiles, Death, Fate, KeptIndex};
use super::gateway::{Asker, Gateway};
use super::plan::{Behaviour, Plan};
use super::platform::Desk;
use super::told::OnceMore;
use offhook::journal::SimDisk;
use offhook::machine::command::{Command, Reply, Settled};
use offhook::machine::event::CommittedFrame;
use offhook::model::{MessageId, Timestamp};
use offhook::work::feed::{Delivered, Delivery};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// Commands of one batch, at most: few, so that many batches have their death in them.
const BATCH_MAX: u64 = 12;

/// Frames of one batch, at most: a tick may make one for what it ends and another for what it forgets.
const FRAMES_MAX: u64 = BATCH_MAX * 2;

/// Turns at one moment after which the world is said to spin.
const TURNS_MAX: u32 = 2_000;

/// Faults stop, and so much time passes: over 72 hours after the last thing that can happen to a call, whose lease is
/// at most four hours.
const REST_HOURS: u64 = 82;

/// A promise is broken.
pub(crate) fn violation(which: &str, why: impl Display) -> ! {
    panic!("{which} is broken: {why}");
}

/// What is to happen later.
pub(crate) enum Due {
    /// The carrier posts a webhook.
    Post(usize),
    /// The platform asks.
    Queries(usize),
    /// A process of this life hears what became of an attempt.
    Settle { life: u32, message: MessageId, attempt: u32, settled: Settled },
    /// A process of this life hears how a delivery ended.
    Delivered { life: u32, endpoint: usize, delivery: Delivery, how: Delivered },
}

/// All there is.
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
    /// What the journal holds, as far as it was looked at.
    pub(crate) stories: Vec<Arc<CommittedFrame>>,
    pub(crate) dice: SeededRng,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) life: u32,
    pub(crate) later: BTreeMap<(u64, u64), Due>,
    pub(crate) laters: u64,
    pub(crate) faults: bool,
    pub(crate) stalled_until: u64,
    /// When, in true time, there was no process, or one whose disk was slow.
    pub(crate) still_ms: Vec<(u64, u64)>,
    /// What time it was in this boot of the machine, as a process noted it.
    pub(crate) noted: Option<Noted>,
    /// How often it was set forward by a day.
    pub(crate) days_ahead: usize,
    /// What endpoints are to be told once more, which a death forgets.
    pub(crate) replays: Vec<OnceMore>,
    /// What was met beside facts: how processes died, and the like.
    pub(crate) met: BTreeSet<&'static str>,
    pub(crate) diary: Trace,
}

/// Lives a plan, then lets everything come to rest, and checks what must hold. Returns what was met: facts by their names,
/// how processes died, and the like.
pub(crate) fn live(plan: &Plan) -> BTreeSet<&'static str> {
    let mut world = World::new(plan);
    for _ in 0..plan.steps {
        world.step();
    }
    world.rest();
    checks::at_rest(&mut world);
    let facts = checks::facts(&world.stories).map(|(_, event)| event.fact.name());
    facts.chain(world.met.iter().copied()).collect()
}

impl World {
    fn new(plan: &Plan) -> Self {
        let mut dice = SeededRng::new(plan.seed);
        // Some seconds before a day ends, or a month, or just any time.
        let wall = dice.one(&["2025-11-22T10:00:00Z", "2025-11-22T23:58:00Z", "2025-11-30T23:59:00Z"]);
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
            endpoints: endpoint::panicked(plan, &mut dice),
            decided_ms: BTreeMap::new(),
            stories: Vec::new(),
            dice,
            gateway: None,
            life: 0,
            later: BTreeMap::new(),
            laters: 0,
            faults: true,
            stalled_until: 0,
            still_ms: Vec::new(),
            noted: None,
            days_ahead: 0,
            replays: Vec::new(),
            met: BTreeSet::new(),
            diary: Trace::new(plan),
        };
        let directory = Box::new(directory::panicked(&mut world.dice));
        world.start();
        let opt_outs = vec![];
        world.gateway().ask(Asker::Worker("seed"), Command::Seed { directory, opt_outs });
        world.turn();
        world
    }

    /// The gateway, which lives whenever nobody is in the middle of its death.
    pub(crate) fn gateway(&mut self) -> &mut Gateway {
        self.gateway.as_mut().expect("a gateway that dies is started before anything else happens")
    }

    /// The same, to look at.
    pub(crate) fn living(&self) -> &Gateway {
        self.gateway.as_ref().expect("a gateway that dies is started before anything else happens")
    }

    fn step(&mut self) {
        if self.dice.percent(2) {
            self.set_the_clock();
        }
        self.weather();
        self.noted = Some(self.gateway().note());
        for _ in 0..self.dice.below(4) {
            self.something_outside();
        }
        if self.dice.percent(30) {
            self.gateway().ask(Asker::Worker("tick"), Command::Tick);
        }
        if self.plan.throws(Behaviour::Deaths, 1, &mut self.dice) {
            self.dead("is killed between two batches", Vec::new());
        }
        let ms = self.dice.one(&[0, 10, 300, 3_000, 3_000, 30_000]);
        let ms = self.dice.ms(ms);
        self.pass(ms);
    }

    fn weather(&mut self) {
        let now = self.time.elapsed_ms();
        if self.plan.throws(Behaviour::Carriers, 2, &mut self.dice) {
            let account = self.dice.one(&ACCOUNTS);
            let until = now + self.dice.ms(200_000);
            self.carrier.down_until.insert(account, until);
        }
        if self.plan.throws(Behaviour::Platform, 3, &mut self.dice) {
            let place = self.dice.place(self.endpoints.len());
            let endpoint = &mut self.endpoints[place];
            endpoint.down_until = now + self.dice.ms(900_000);
            endpoint.falls_ill(&mut self.dice);
        }
        if self.plan.throws(Behaviour::Replays, 1, &mut self.dice) {
            let place = self.dice.place(self.endpoints.len());
            self.somebody_asks_again(place);
        }
        if self.plan.throws(Behaviour::Stalls, 5, &mut self.dice) {
            self.stalled_until = now + self.dice.below(8_000);
            self.still_ms.push((now, self.stalled_until));
        }
    }

    fn something_outside(&mut self) {
        if self.dice.percent(45) {
            let unreadable = self.dice.percent(3);
            let hook = if unreadable { self.carrier.gibberish() } else { self.carrier.text(&mut self.dice) };
            // Carriers post some webhooks twice or three times, at once or much later.
            let times = self.dice.one(&[1, 1, 1, 2, 3]);
            for _ in 0..if self.plan.has(Behaviour::Repeats) { times } else { 1 } {
                let most = self.dice.one(&[0, 3_000, 600_000]);
                let after = self.dice.ms(most);
                self.later(after, Due::Post(hook));
            }
        } else {
            let request = self.desk.acts(&mut self.dice);
            let after = self.dice.ms(2_000);
            self.later(after, Due::Queries(request));
        }
    }

    pub(crate) fn later(&mut self, ms: u64, due: Due) {
        self.laters += 1;
        self.later.insert((self.time.elapsed_ms() + ms, self.laters), due);
    }

    /// Time passes, and what is due meanwhile happens at its time.
    fn pass(&mut self, ms: u64) {
        let until = self.time.elapsed_ms() + ms;
        let mut turns = 0;
        loop {
            self.turn();
            let now = self.time.elapsed_ms();
            let due = self.later.first_key_value().map(|((at, _), _)| *at);
            let stalled = (self.living().asked() > 0).then_some(self.stalled_until);
            let next = [due, self.living().due_ms(), stalled].into_iter().flatten().min().unwrap_or(u64::MAX).max(now);
            if next > until {
                break;
            }
            turns = if next == now { turns + 1 } else { 0 };
            if turns > TURNS_MAX {
                violation("I11", "the world spins: something is always due and never done");
            }
            self.time.pass(next - now);
            while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= next) {
                let due = entry.remove();
                self.happens(due);
            }
        }
        // A death may have taken longer than that.
        self.time.pass(until.saturating_sub(self.time.elapsed_ms()));
        self.turn();
    }

    fn happens(&mut self, due: Due) {
        let life = self.life;
        match due {
            Due::Post(hook) => {
                if let Some(command) = self.carrier.post(hook) {
                    self.gateway().ask(Asker::Hook(hook), command);
                }
            }
            Due::Queries(request) => {
                if let Some(command) = self.desk.ask(request) {
                    self.gateway().ask(Asker::Request(request), command);
                }
            }
            Due::Settle { life: of, message, attempt, settled } if of == life => {
                self.gateway().ask(Asker::Worker("settle"), Command::Settle { message, attempt, settled });
            }
            Due::Delivered { life: of, endpoint, delivery, how } if of == life => {
                let given_up = self.gateway().delivered(endpoint, &delivery, how);
                self.endpoints[endpoint].is_known(&delivery, how, given_up, self.time.elapsed_ms());
            }
            // Told to a process that is dead.
            Due::Settle { .. } | Due::Delivered { .. } => {}
        }
    }

    /// The workers look, and the engine decides what waits, unless its disk is slow just now.
    fn turn(&mut self) {
        loop {
            self.gateway().dispatch();
            for (endpoint, delivery) in self.gateway().deliveries() {
                self.deliver(endpoint, delivery);
            }
            let asked = self.gateway().asked();
            if asked == 0 || self.time.elapsed_ms() < self.stalled_until {
                return;
            }
            self.commit();
        }
    }

    fn commit(&mut self) {
        let count = 1 + self.dice.place(usize::try_from(BATCH_MAX).expect("it is small"));
        let dies = self.faults && self.plan.throws(Behaviour::Deaths, 3, &mut self.dice);
        let death = dies.then(|| self.death());
        self.fate.set(death);
        if let Some(Death::Failed { after }) = death {
            self.disk.fail_after(after);
        }
        self.decides_from(self.living().next().0);
        let outcome = self.gateway().commit(count);
        if self.disk.has_failed() && outcome.is_ok() {
            violation("G9", "the disk failed, and the engine says that all is well");
        }
        match outcome {
            Ok(replies) if death == Some(Death::Unanswered) => {
                let unanswered = replies.into_iter().map(|(asker, _)| asker).collect();
                self.dead("dies before it answers", unanswered);
            }
            Ok(replies) => {
                for (asker, reply) in replies {
                    self.hears(asker, reply);
                }
                // There was nothing to write, or it says it is written: then it must be there in the next life.
                if let Some(death) = death {
                    self.dead(format_args!("dies after its answers, {death:?}"), Vec::new());
                }
            }
            Err((failed, unanswered)) if death.is_some() => {
                self.dead(format_args!("dies {death:?}: {failed}"), unanswered);
            }
            Err((failed, _)) => violation("the engine", format!("fails of itself: {failed}")),
        }
    }

    /// Whatever frames there will be from this position on are decided now, until a later commit says otherwise: those of a
    /// death may survive it.
    pub(crate) fn decides_from(&mut self, first: u64) {
        let now = self.time.elapsed_ms();
        self.decided_ms.extend((first..first + FRAMES_MAX).map(|position| (position, now)));
    }

    fn hears(&mut self, asker: Asker, reply: Reply) {
        // What workers are told is in the journal.
        if !matches!(asker, Asker::Worker(_)) {
            self.diary.note(&self.time, format_args!("{asker:?} hears {}", brief(&reply)));
        }
        match (asker, reply) {
            (Asker::Hook(hook), Reply::InboundItem(taken)) => self.carrier.hooks[hook].thanked.push(taken),
            (Asker::Request(request), reply) => self.desk.hears(request, &reply),
            (Asker::Start(_), Reply::Started { message }) => {
                let (now, faults) = (self.time.elapsed_ms(), self.faults && self.plan.has(Behaviour::Answers));
                let attempt = u32::try_from(message.attempts.len()).expect("a message has few attempts");
                let consequences = self.carrier.send(&message, now, faults, &mut self.dice);
                let (after, settled) = consequences.answer;
                self.later(after, Due::Settle { life: self.life, message: message.id, attempt, settled });
                for (after, hook) in consequences.receipts {
                    self.later(after, Due::Post(hook));
                }
            }
            (Asker::Start(message), _) => self.gateway().not_started(message),
            (Asker::Hook(_), reply) => violation("the engine", format!("answers a webhook with {reply:?}")),
            (Asker::Worker(_), _) => {}
        }
    }

    fn deliver(&mut self, endpoint: usize, delivery: Delivery) {
        let (now, faults) = (self.time.elapsed_ms(), self.faults.then_some(&self.plan));
        let heard = self.endpoints[endpoint].hears(&delivery.told, now, faults, &mut self.dice);
        self.later(heard.after_ms, Due::Delivered { life: self.life, endpoint, delivery, how: heard.how });
    }

    /// Faults stop, the outside asks for nothing new, and time passes.
    fn rest(&mut self) {
        self.diary.note(&self.time, "faults stop");
        self.faults = false;
        self.stalled_until = 0;
        self.carrier.down_until.clear();
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.down_until = 0);
        for place in 0..self.endpoints.len() {
            if self.plan.throws(Behaviour::Replays, 50, &mut self.dice) {
                self.somebody_asks_again(place);
            }
        }
        for _ in 0..REST_HOURS * 2 {
            self.tick_until_nothing_is_due();
            self.pass(30 * 60 * 1000);
        }
        self.tick_until_nothing_is_due();
    }

    /// A tick gives up on one text of a call at a time.
    fn tick_until_nothing_is_due(&mut self) {
        loop {
            let before = self.living().next();
            self.gateway().ask(Asker::Worker("tick"), Command::Tick);
            self.turn();
            if self.living().next() == before {
                return;
            }
            self.pass(1_000);
        }
    }
}
