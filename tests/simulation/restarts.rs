//! Deaths of a process and the start of the next one.

use super::checks;
use super::faults::{Death, KeptIndex};
use super::gateway::{Gateway, OPTIONS, Persisted, Requester};
use super::plan::Behaviour;
use super::world::{Due, World, violation};
use offhook::journal::Journal;
use offhook::model::Timestamp;
use std::fmt::Display;

/// A day, as a clock step.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How often the clock may be set forward by a day: far less than the days for which claims are kept.
const DAYS_MAX: usize = 2;

impl World {
    /// Kills the process with everything in memory, and starts another on the disk's state.
    pub(crate) fn kill(&mut self, why: impl Display, unanswered: Vec<Requester>) {
        self.trace.note(&self.time, format_args!("the gateway {why}"));
        let gateway = self.gateway.take().expect("the process is alive");
        for requester in gateway.requesters().into_iter().chain(unanswered) {
            self.connection_lost(requester);
        }
        self.start();
        let rebuild = self.rng.percent(15);
        checks::after_recovery(self, rebuild);
    }

    /// A connection broke before the reply arrived.
    fn connection_lost(&mut self, requester: Requester) {
        let after = self.rng.ms(30_000);
        match requester {
            Requester::Hook(hook) if self.rng.percent(70) => self.schedule(after, Due::Post(hook)),
            Requester::Request(request) if self.desk.may_repeat(request) => self.schedule(after, Due::Request(request)),
            _ => {}
        }
    }

    pub(crate) fn start(&mut self) {
        let mut stalled_since = None;
        loop {
            let down_ms = self.rng.ms(10_000);
            self.time.pass(down_ms);
            if self.faults && self.rng.percent(10) {
                self.step_clock();
            }
            self.maybe_lose_power();
            self.fate.set(None);
            if self.plan.chance(Behaviour::Index, 15, &mut self.rng) {
                self.index = KeptIndex::new(&self.fate);
            }
            self.process += 1;
            self.replays.clear();
            self.endpoints.iter_mut().for_each(|endpoint| endpoint.on_restart());
            let dies = self.process > 1 && self.faults && self.plan.chance(Behaviour::Births, 12, &mut self.rng);
            match self.try_start(dies, &mut stalled_since) {
                Ok(gateway) => {
                    self.fate.set(None);
                    self.disk.heal();
                    self.gateway = Some(gateway);
                    self.stalled_ms.push((stalled_since.unwrap_or(0), self.time.elapsed_ms()));
                    return;
                }
                Err(failed) if dies => {
                    self.trace.note(&self.time, format_args!("process {} dies while starting: {failed}", self.process));
                }
                Err(failed) => violation("the start", failed),
            }
        }
    }

    /// One attempt to start; `dies` injects a failure.
    fn try_start(&mut self, dies: bool, stalled_since: &mut Option<u64>) -> Result<Gateway, String> {
        self.disk.heal();
        if dies {
            let death = self.death();
            self.fate.set(Some(death));
            // The disk may fail while the journal is opened, or at the first commit.
            if let Death::Failed { after } = death {
                self.disk.fail_after(after);
            }
        }
        let journal = self.disk.journal(OPTIONS).map_err(|failed| failed.to_string())?;
        let next = journal.next().0;
        // If the wall clock is behind, the journal's clock continues from its last frame.
        stalled_since.get_or_insert(self.decided_ms.get(&(next - 1)).copied().unwrap_or(0));
        self.note_decision_time(next);
        let persisted = Persisted {
            index: &self.index,
            claims: &self.claims,
            fate: &self.fate,
            time: &self.time,
            noted: self.noted,
        };
        let gateway = Gateway::start(journal, &persisted, &self.endpoints).map_err(|failed| failed.to_string())?;
        if self.disk.has_failed() {
            violation("G9", "the disk failed, but the process starts");
        }
        self.trace.note(&self.time, format_args!("process {} starts at position {next}", self.process));
        Ok(gateway)
    }

    /// With the process dead, the machine may lose power too: unsynced data survives only by chance, and the index is
    /// discarded.
    fn maybe_lose_power(&mut self) {
        if self.process > 0 && self.plan.chance(Behaviour::Power, 40, &mut self.rng) {
            self.trace.note(&self.time, "the power is lost");
            self.covered.insert("power lost");
            self.disk.lose_power(self.rng.next());
            self.claims.lose_power(&mut self.rng);
            self.index = KeptIndex::new(&self.fate);
            self.noted = None;
        }
    }

    /// Picks where in a commit to die.
    pub(crate) fn death(&mut self) -> Death {
        let (rows, after) = (self.rng.index(40), self.rng.below(12));
        let deaths = [
            Death::Unwritten,
            Death::Unsynced,
            Death::Unindexed { rows },
            Death::Unclaimed,
            Death::Unanswered,
            Death::Failed { after: after % 2 },
            Death::Failed { after },
        ];
        let disk = if self.plan.has(Behaviour::Disk) { deaths.len() } else { 5 };
        let death = deaths[self.rng.index(deaths.len()) % disk];
        self.covered.insert(death.word());
        death
    }

    /// Sets the clock: back by at most an hour, forward by at most two minutes, or by a day either way.
    pub(crate) fn step_clock(&mut self) {
        let wall = self.time.wall().as_ms();
        let (back, day) = (self.rng.percent(70), self.rng.percent(15) && self.plan.has(Behaviour::Days));
        let ms = self.rng.ms(if back { 3_600_000 } else { 120_000 });
        let ms = match (day, back) {
            (true, false) if self.days_ahead >= DAYS_MAX => return,
            (true, _) => DAY_MS,
            (false, _) if !self.plan.has(Behaviour::Clock) => return,
            (false, _) => ms,
        };
        self.days_ahead += usize::from(day && !back);
        self.time.set(Timestamp::from_ms(if back { wall - ms } else { wall + ms }));
        self.trace.note(&self.time, format_args!("the clock is set to {}", self.time.wall()));
    }
}
