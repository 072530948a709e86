//! Changes of the directory, as commands request them and the journal stores them.

use super::holders::HoldersByNumber;
use super::{Account, Directory, Language, Number, Preset, PresetId, Queue, QueueId, Resource, Settings};
use crate::model::Position;
use crate::model::number::E164;

/// One resource as it is after the change; `None` if it is deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The settings.
    Settings(Json<Box<Settings>>),
    /// One of our numbers.
    Number(E164, Option<Json<Number>>),
    /// A queue.
    Queue(QueueId, Option<Json<Queue>>),
    /// A preset.
    Preset(Language, PresetId, Option<Json<Preset>>),
    /// A carrier account's limits.
    Account(String, Option<Json<Account>>),
}

impl Change {
    /// The changes that build `directory` from nothing, always including the settings.
    pub fn all_of(directory: &Directory) -> Vec<Self> {
        Self::between(&Directory::default(), directory, true)
    }

    /// The changes that turn `before` into `after`; resources equal in both are left out.
    pub fn from_to(before: &Directory, after: &Directory) -> Vec<Self> {
        Self::between(before, after, false)
    }

    fn between(before: &Directory, after: &Directory, settings_too: bool) -> Vec<Self> {
        let mut changes = Vec::new();
        if settings_too || before.settings != after.settings {
            changes.push(Self::Settings(Json(Box::new(after.settings.clone()))));
        }
        // Maps that both share are not compared.
        let numbers = !before.numbers.is(&after.numbers);
        let queues = !before.queues.is(&after.queues);
        let presets = !before.presets.is(&after.presets);
        // Deletions come first, so that a number released by one queue can be assigned to another in the same change.
        if numbers {
            let gone = before.numbers.keys().filter(|number| !after.numbers.contains_key(number));
            changes.extend(gone.map(|number| Self::Number(*number, None)));
        }
        if queues {
            let gone = before.queues.keys().filter(|id| !after.queues.contains_key(*id));
            changes.extend(gone.map(|id| Self::Queue(id.clone(), None)));
        }
        if presets {
            let gone = each_preset(before).filter(|(language, id, _)| after.preset(language, id).is_none());
            changes.extend(gone.map(|(language, id, _)| Self::Preset(language.clone(), id.clone(), None)));
        }
        for name in before.accounts.keys().filter(|name| !after.accounts.contains_key(*name)) {
            changes.push(Self::Account(name.clone(), None));
        }
        if numbers {
            let new = after.numbers.iter().filter(|(number, entry)| before.numbers.get(number) != Some(entry));
            changes.extend(new.map(|(number, entry)| Self::Number(*number, Some(Json(entry.clone())))));
        }
        if queues {
            let new = after.queues.iter().filter(|(id, queue)| before.queues.get(*id) != Some(queue));
            changes.extend(new.map(|(id, queue)| Self::Queue(id.clone(), Some(Json(queue.clone())))));
        }
        if presets {
            let new = each_preset(after).filter(|(language, id, preset)| before.preset(language, id) != Some(preset));
            changes.extend(
                new.map(|(language, id, preset)| {
                    Self::Preset(language.clone(), id.clone(), Some(Json(preset.clone())))
                }),
            );
        }
        for (name, account) in
            after.accounts.iter().filter(|(name, account)| before.accounts.get(*name) != Some(account))
        {
            changes.push(Self::Account(name.clone(), Some(Json(account.clone()))));
        }
        changes
    }
}

fn each_preset(directory: &Directory) -> impl Iterator<Item = (&Language, &PresetId, &Preset)> {
    let languages = directory.presets.iter();
    languages.flat_map(|(language, presets)| presets.iter().map(move |(id, preset)| (language, id, preset)))
}

impl Change {
    /// The resource that is changed.
    pub fn resource(&self) -> Resource {
        match self {
            Self::Settings(_) => Resource::Settings,
            Self::Number(number, _) => Resource::Number(*number),
            Self::Queue(id, _) => Resource::Queue(id.clone()),
            Self::Preset(language, id, _) => Resource::Preset(language.clone(), id.clone()),
            Self::Account(name, _) => Resource::Account(name.clone()),
        }
    }

    /// Whether the resource is deleted.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::Number(_, None) | Self::Queue(_, None) | Self::Preset(_, _, None) | Self::Account(_, None))
    }
}

impl Directory {
    /// A preset of a language.
    pub fn preset(&self, language: &Language, id: &PresetId) -> Option<&Preset> {
        self.presets.get(language)?.get(id)
    }

    /// Whether the resource exists. The settings always do, and so does an account: it exists by its configuration.
    pub fn has(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Settings | Resource::Account(_) => true,
            Resource::Number(number) => self.numbers.contains_key(number),
            Resource::Queue(id) => self.queues.contains_key(id),
            Resource::Preset(language, id) => self.preset(language, id).is_some(),
        }
    }

    /// Applies a committed change: that of the frame at `position`.
    pub fn change_at(&mut self, change: &Change, position: Position) {
        self.change(change);
        self.note_change(change, position);
    }

    /// Records that a change, which was applied, is that of the frame at `position`.
    pub fn note_change(&mut self, change: &Change, position: Position) {
        self.versions.changed(change, position);
    }

    /// Applies a change without checking it against the rules of the directory.
    pub fn change(&mut self, change: &Change) {
        if matches!(change, Change::Queue(..)) {
            self.holders = HoldersByNumber::default();
        }
        match change {
            Change::Settings(Json(settings)) => self.settings = Settings::clone(settings),
            Change::Number(number, Some(Json(entry))) => drop(self.numbers.insert(*number, entry.clone())),
            Change::Number(number, None) => drop(self.numbers.remove(number)),
            Change::Queue(id, Some(Json(queue))) => drop(self.queues.insert(id.clone(), queue.clone())),
            Change::Queue(id, None) => drop(self.queues.remove(id)),
            Change::Preset(language, id, Some(Json(preset))) => {
                self.presets.entry(language.clone()).or_default().insert(id.clone(), preset.clone());
            }
            Change::Preset(language, id, None) => {
                if let Some(presets) = self.presets.get_mut(language) {
                    presets.remove(id);
                    if presets.is_empty() {
                        self.presets.remove(language);
                    }
                }
            }
            Change::Account(name, Some(Json(account))) => drop(self.accounts.insert(name.clone(), account.clone())),
            Change::Account(name, None) => drop(self.accounts.remove(name)),
        }
    }
}

/// A value stored in a record as JSON text, so that older records are readable after a field is added (the field gets
/// its default).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Json<T>(pub T);
