//! How a process dies and the next one begins.

use super::checks;
use super::faults::{Death, KeptIndex};
use super::gateway::{Asker, Gateway};
use super::world::{Due, World};
use offhook::journal::Journal;
use offhook::model::Timestamp;
use std::fmt::Display;

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
            Asker::Request(request) if self.desk.may_repeat(request) => self.later(after, Due::Ask(request)),
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
            let keep = if self.dice.percent(50) { 0 } else { self.dice.place(13) };
            self.disk.crash(keep);
            self.fate.set(None);
            if self.dice.percent(30) {
                self.index = KeptIndex::new(&self.fate);
            }
            if self.life > 0 && self.faults && self.dice.percent(10) {
                self.fate.set(Some(self.dice.one(&[Death::Unwritten, Death::Unsynced, Death::Unanswered])));
            }
            self.life += 1;
            let next = self.disk.next().0;
            // Where the wall is behind, the journal's time goes on from its last frame.
            let last_ms = *still_since.get_or_insert(self.decided_ms.get(&(next - 1)).copied().unwrap_or(0));
            self.decided_ms.insert(next, self.time.elapsed_ms());
            match Gateway::start(&self.disk, &self.index, &self.fate, &self.time) {
                Ok(gateway) => {
                    self.diary.note(&self.time, format_args!("life {} begins at position {next}", self.life));
                    self.fate.set(None);
                    self.gateway = Some(gateway);
                    self.births_ms.push(self.time.elapsed_ms());
                    self.still_ms.push((last_ms, self.time.elapsed_ms()));
                    return;
                }
                Err(failed) => self.diary.note(&self.time, format_args!("life {} dies at birth: {failed}", self.life)),
            }
        }
    }

    /// Somebody sets the clock: back by at most an hour, or forward by at most two minutes.
    pub(crate) fn set_the_clock(&mut self) {
        let wall = self.time.wall().as_ms();
        let back = self.dice.percent(70);
        let wall = if back { wall - self.dice.ms(3_600_000) } else { wall + self.dice.ms(120_000) };
        if !back {
            self.leaps_ms.push(self.time.elapsed_ms());
        }
        self.time.set(Timestamp::from_ms(wall));
        self.diary.note(&self.time, format_args!("the clock is set to {}", self.time.wall()));
    }
}
