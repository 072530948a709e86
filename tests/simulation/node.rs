//! A gateway with its disk, for scripted scenarios.

use super::clock::Time;
use super::faults::{ClaimFiles, Death, Fate, KeptIndex};
use super::gateway::{Gateway, OPTIONS, Persisted, Replies, Requester};
use offhook::engine::Follow;
use offhook::journal::SimDisk;
use offhook::machine::command::Command;
use offhook::machine::event::{CommittedFrame, Event};
use offhook::model::{Directory, MessageId, Position};
use std::sync::Arc;

/// A gateway and the state that survives its processes.
pub(crate) struct Node {
    disk: SimDisk,
    index: KeptIndex,
    claims: ClaimFiles,
    fate: Fate,
    time: Time,
    pub(crate) gateway: Gateway,
}

impl Node {
    /// A new gateway with this directory.
    pub(crate) fn new(time: &Time, directory: Directory) -> Self {
        let (disk, fate, claims) = (SimDisk::default(), Fate::default(), ClaimFiles::new());
        let index = KeptIndex::new(&fate);
        let gateway = start(&disk, &Persisted { index: &index, claims: &claims, fate: &fate, time, noted: None });
        let mut node = Self { disk, index, claims, fate, time: time.clone(), gateway };
        let seed = Command::Seed { directory: Box::new(directory), opt_outs: vec![] };
        node.gateway.submit(Requester::Worker("seed"), seed);
        node.commit();
        node
    }

    /// Commits every queued command and returns the replies.
    pub(crate) fn commit(&mut self) -> Replies {
        let Ok(answers) = self.gateway.commit(usize::MAX) else { panic!("the engine fails without an injected fault") };
        answers
    }

    /// The process dies while committing the queued commands, and another starts.
    pub(crate) fn die(&mut self, death: Death) {
        self.fate.set(Some(death));
        let _unanswered = self.gateway.commit(usize::MAX);
        self.fate.set(None);
        let persisted =
            Persisted { index: &self.index, claims: &self.claims, fate: &self.fate, time: &self.time, noted: None };
        self.gateway = start(&self.disk, &persisted);
    }

    /// All committed frames.
    pub(crate) fn frames(&self) -> Vec<Arc<CommittedFrame>> {
        let mut frames: Vec<Arc<CommittedFrame>> = Vec::new();
        loop {
            let next = Position(frames.len() as u64 + 1);
            let page = self.follow().read(next, usize::MAX).expect("committed frames are readable");
            if page.is_empty() {
                return frames;
            }
            frames.extend(page);
        }
    }

    /// The text of an outbound message.
    pub(crate) fn text(&self, id: MessageId) -> String {
        let frame = self.follow().frame(id.position()).expect("committed frames are readable").expect("it is there");
        let of = |event: &Event| match event {
            Event::MessageQueued { message, text, .. } if message.id == id => text.kept().cloned(),
            _ => None,
        };
        frame.events.iter().find_map(|event| of(&event.event)).expect("a queued message has a text")
    }

    fn follow(&self) -> &Follow {
        self.gateway.reads().follow()
    }
}

fn start(disk: &SimDisk, persisted: &Persisted<'_>) -> Gateway {
    let journal = disk.journal(OPTIONS).expect("a healthy disk is readable");
    let Ok(gateway) = Gateway::start(journal, persisted, &[]) else { panic!("the gateway does not start") };
    gateway
}
