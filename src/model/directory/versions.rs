//! Versions of the directory and its resources, for ETags.

use super::{Change, Language, PresetId, QueueId, Shared};
use crate::model::{E164, Position};
use std::collections::BTreeMap;
use std::fmt;

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

impl fmt::Display for Resource {
    /// The resource's path below `/v1/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Number(number) => write!(f, "numbers/{number}"),
            Self::Queue(id) => write!(f, "queues/{id}"),
            Self::Preset(language, id) => write!(f, "presets/{language}/{id}"),
            Self::Account(name) => write!(f, "accounts/{name}"),
        }
    }
}

/// The version of the directory and of each resource: the position of the frame that last changed it. Positions grow
/// and are never used twice, so the same version means the same content, also after a restart or a rebuild.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// The directory's own.
    pub directory: Position,
    /// By resource. One that last changed before versions were stored has none.
    pub resources: Shared<BTreeMap<Resource, Position>>,
}

/// The condition of a conditional request, checked when the change is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OnlyIf {
    /// The resource; `None` is the whole directory.
    pub resource: Option<Resource>,
    /// What it must be.
    pub expected: Expected,
}

/// The state that a conditional request expects a resource in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// At one of these versions.
    At(Vec<Position>),
    /// In existence, at any version.
    Exists,
    /// Not in existence.
    Absent,
}

impl Expected {
    /// Whether a resource at this version, or a missing one, is as expected.
    pub fn is(&self, version: Option<Position>) -> bool {
        match (self, version) {
            (Self::At(versions), Some(version)) => versions.contains(&version),
            (Self::Exists, version) => version.is_some(),
            (Self::Absent, version) => version.is_none(),
            (Self::At(_), None) => false,
        }
    }
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
