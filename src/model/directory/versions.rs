//! Versions of the directory and its resources, for ETags.

use super::{Change, Language, PresetId, QueueId};
use crate::model::{E164, Position};
use std::collections::BTreeMap;

/// A part of the directory that is changed as a whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Resource {
    /// The settings.
    Settings,
    /// One of our numbers.
    Number(E164),
    /// A queue.
    Queue(QueueId),
    /// A preset of a language.
    Preset(Language, PresetId),
    /// A carrier account, by name.
    Account(String),
}

/// The version of the directory and of each resource: the position of the frame that last changed it. Positions grow
/// and are never used twice, so the same version means the same content, also after a restart or a rebuild.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// The directory's own.
    pub directory: Position,
    /// By resource. One that last changed before versions were stored has none.
    pub resources: BTreeMap<Resource, Position>,
}

impl Versions {
    /// The version of a resource; 0 if it last changed before versions were stored.
    pub fn of(&self, resource: &Resource) -> Position {
        self.resources.get(resource).copied().unwrap_or_default()
    }

    /// Records a change by the frame at `position`.
    pub(super) fn changed(&mut self, change: &Change, position: Position) {
        self.directory = position;
        match change.deletes() {
            true => self.resources.remove(&change.resource()),
            false => self.resources.insert(change.resource(), position),
        };
    }
}

/// Versions say when a directory changed, not what is in it, so directories are compared without them.
impl PartialEq for Versions {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Versions {}
