//! A gateway with its disk, for stories that are told by hand.

use super::clock::Time;
use super::faults::{ClaimFiles, Death, Fate, KeptIndex};
use super::gateway::{Answers, Asker, Gateway, OPTIONS, Remains};
use offhook::engine::Follow;
use offhook::journal::SimDisk;
use offhook::machine::command::Command;
use offhook::machine::event::{CommittedFrame, Event};
use offhook::model::{Directory, MessageId, Position};
use std::sync::Arc;

/// A gateway and what outlives its processes.
pub(crate) struct House {
    disk: SimDisk,
    index: KeptIndex,
    claims: ClaimFiles,
    fate: Fate,
    time: Time,
    pub(crate) gateway: Gateway,
}

impl House {
    /// A new gateway with this directory.
    pub(crate) fn new(time: &Time, directory: Directory) -> Self {
        let (disk, fate, claims) = (SimDisk::default(), Fate::default(), ClaimFiles::new());
        let index = KeptIndex::new(&fate);
        let gateway = start(&disk, &Remains { index: &index, claims: &claims, fate: &fate, time, noted: None });
        let mut house = Self { disk, index, claims, fate, time: time.clone(), gateway };
        let seed = Command::Seed { directory: Box::new(directory), opt_outs: vec![] };
        house.gateway.ask(Asker::Worker("seed"), seed);
        house.commit();
        house
    }

    /// Everything asked is decided and answered.
    pub(crate) fn commit(&mut self) -> Answers {
        let Ok(answers) = self.gateway.commit(usize::MAX) else { panic!("the engine fails of itself") };
        answers
    }

    /// The process dies in the commit of what was asked, and another begins.
    pub(crate) fn die(&mut self, death: Death) {
        self.fate.set(Some(death));
        let _unanswered = self.gateway.commit(usize::MAX);
        self.fate.set(None);
        let remains =
            Remains { index: &self.index, claims: &self.claims, fate: &self.fate, time: &self.time, noted: None };
        self.gateway = start(&self.disk, &remains);
    }

    /// All that was committed.
    pub(crate) fn stories(&self) -> Vec<Arc<CommittedFrame>> {
        let mut stories: Vec<Arc<CommittedFrame>> = Vec::new();
        loop {
            let next = Position(stories.len() as u64 + 1);
            let page = self.follow().read(next, usize::MAX).expect("what is committed can be read");
            if page.is_empty() {
                return stories;
            }
            stories.extend(page);
        }
    }

    /// The words of a text of ours.
    pub(crate) fn text(&self, id: MessageId) -> String {
        let story = self.follow().story(id.position()).expect("what is committed can be read").expect("it is there");
        let of = |fact: &Event| match fact {
            Event::MessageQueued { message, text, .. } if message.id == id => text.kept().cloned(),
            _ => None,
        };
        story.events.iter().find_map(|event| of(&event.fact)).expect("a text has words")
    }

    fn follow(&self) -> &Follow {
        self.gateway.reads().follow()
    }
}

fn start(disk: &SimDisk, remains: &Remains<'_>) -> Gateway {
    let journal = disk.journal(OPTIONS).expect("a disk that does not fail can be read");
    let Ok(gateway) = Gateway::start(journal, remains, &[]) else { panic!("the gateway does not start") };
    gateway
}
