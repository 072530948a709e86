//! How a process dies and the next one begins.

use super::checks;
use super::faults::{Death, KeptIndex};
use super::gateway::{Asker, Gateway, OPTIONS, Remains};
use super::plan::Behaviour;
use super::world::{Due, World, violation};
use offhook::journal::Journal;
use offhook::model::Timestamp;
use std::fmt::Display;

/// A day, as clocks are set.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How often a clock may be set forward by a day: far fewer times than there are days in which a repeat is known.
const DAYS_MAX: usize = 2;

impl World {
    /// The process is gone with all it had in memory, and another starts on what is on the disk.
    pub(crate) fn dead(&mut self, why: impl Display, unanswered: Vec<Asker>) {
        self.diary.note(&self.time, format_args!("the gateway {why}"));
        let gateway = self.gateway.take().expect("nobody dies twice");
        for asker in gateway.askers().into_iter().chain(unanswered) {
            self.lost(asker);
        }
        self.start();
        let anew = self.dice.percent(15);
        checks::after_recovery(self, anew);
    }

    /// A connection broke before the answer came.
    fn lost(&mut self, asker: Asker) {
        let after = self.dice.ms(30_000);
        match asker {
            Asker::Hook(hook) if self.dice.percent(70) => self.later(after, Due::Post(hook)),
            Asker::Request(request) if self.desk.may_repeat(request) => self.later(after, Due::Queries(request)),
            _ => {}
        }
    }

    pub(crate) fn start(&mut self) {
        let mut still_since = None;
        loop {
            let down_ms = self.dice.ms(10_000);
            self.time.pass(down_ms);
            if self.faults && self.dice.percent(10) {
                self.set_the_clock();
            }
            self.power_may_be_lost();
            self.fate.set(None);
            if self.plan.throws(Behaviour::Index, 15, &mut self.dice) {
                self.index = KeptIndex::new(&self.fate);
            }
            self.life += 1;
            self.replays.clear();
            self.endpoints.iter_mut().for_each(|endpoint| endpoint.is_another_life());
            let dies = self.life > 1 && self.faults && self.plan.throws(Behaviour::Births, 12, &mut self.dice);
            match self.begin(dies, &mut still_since) {
                Ok(gateway) => {
                    self.fate.set(None);
                    self.disk.heal();
                    self.gateway = Some(gateway);
                    self.still_ms.push((still_since.unwrap_or(0), self.time.elapsed_ms()));
                    return;
                }
                Err(failed) if dies => {
                    self.diary.note(&self.time, format_args!("life {} dies at birth: {failed}", self.life));
                }
                Err(failed) => violation("the start", failed),
            }
        }
    }

    /// One try to start, which may be to fail.
    fn begin(&mut self, dies: bool, still_since: &mut Option<u64>) -> Result<Gateway, String> {
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
        // Where the wall is behind, the journal's time goes on from its last frame.
        still_since.get_or_insert(self.decided_ms.get(&(next - 1)).copied().unwrap_or(0));
        self.decides_from(next);
        let remains =
            Remains { index: &self.index, claims: &self.claims, fate: &self.fate, time: &self.time, noted: self.noted };
        let gateway = Gateway::start(journal, &remains, &self.endpoints).map_err(|failed| failed.to_string())?;
        if self.disk.has_failed() {
            violation("G9", "the disk failed, and the process starts all the same");
        }
        self.diary.note(&self.time, format_args!("life {} begins at position {next}", self.life));
        Ok(gateway)
    }

    /// The process is dead; the whole machine may be. Then of all that was never synced only chance is left, and an
    /// index is not believed.
    fn power_may_be_lost(&mut self) {
        if self.life > 0 && self.plan.throws(Behaviour::Power, 40, &mut self.dice) {
            self.diary.note(&self.time, "the power is lost");
            self.met.insert("power lost");
            self.disk.lose_power(self.dice.next());
            self.claims.lose_power(&mut self.dice);
            self.index = KeptIndex::new(&self.fate);
            self.noted = None;
        }
    }

    /// Where in a commit to die.
    pub(crate) fn death(&mut self) -> Death {
        let (rows, after) = (self.dice.place(40), self.dice.below(12));
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
        let death = deaths[self.dice.place(deaths.len()) % disk];
        self.met.insert(death.word());
        death
    }

    /// Somebody sets the clock: back by at most an hour, or forward by at most two minutes; or by a day.
    pub(crate) fn set_the_clock(&mut self) {
        let wall = self.time.wall().as_ms();
        let (back, day) = (self.dice.percent(70), self.dice.percent(15) && self.plan.has(Behaviour::Days));
        let ms = self.dice.ms(if back { 3_600_000 } else { 120_000 });
        let ms = match (day, back) {
            (true, false) if self.days_ahead >= DAYS_MAX => return,
            (true, _) => DAY_MS,
            (false, _) if !self.plan.has(Behaviour::Clock) => return,
            (false, _) => ms,
        };
        self.days_ahead += usize::from(day && !back);
        self.time.set(Timestamp::from_ms(if back { wall - ms } else { wall + ms }));
        self.diary.note(&self.time, format_args!("the clock is set to {}", self.time.wall()));
    }
}
