//! The directory as rows: one per resource, so that a change writes little.
//!
//! Texts have rows of their own, so that rows stay small; the settings' row lists their languages. The text of a
//! removed language stays behind unused, because `apply` does not read the previous rows. Each resource's version has a
//! row beside it; a directory written before there were versions has none of these.

use super::put_or_delete;
use crate::machine::event::Event;
use crate::machine::keys::{
    checked_key, decode_row, directory_key, part, resource_key, suspension_key, version_key, versioned,
};
use crate::machine::rows::Write;
use crate::machine::state::CapOwner;
use crate::model::{Change, Directory, Json, Language, Position, Settings, Versions};
use std::collections::BTreeMap;

type Texts = BTreeMap<Language, String>;

/// Returns the texts of settings, each with the kind of its rows.
fn texts(settings: &mut Settings) -> [(u8, &mut Texts); 4] {
    [
        (part::CLOSING, &mut settings.closing.texts),
        (part::AUTO_REPLY, &mut settings.auto_reply.texts),
        (part::CONFIRMATION, &mut settings.opt_out.texts),
        (part::HELP, &mut settings.opt_out.help_texts),
    ]
}

/// Adds the writes of an event's changes, and the versions of what they change.
pub(super) fn changed(event: &Event, position: Position, writes: &mut Vec<Write>) {
    for change in event.directory_changes().unwrap_or_default().iter() {
        rows(change, writes);
        let version = (!change.deletes()).then_some(&position);
        put_or_delete(writes, version_key(Some(&change.resource())), version);
        if let Change::Number(number, None) = change {
            writes.push(Write::Delete(checked_key(*number)));
        }
    }
    put_or_delete(writes, version_key(None), Some(&position));
}

fn rows(change: &Change, writes: &mut Vec<Write>) {
    let key = resource_key(&change.resource());
    match change {
        Change::Settings(Json(settings)) => {
            let mut settings = Settings::clone(settings);
            for (kind, texts) in texts(&mut settings) {
                for (language, text) in texts {
                    let row = (language.clone(), std::mem::take(text));
                    put_or_delete(writes, directory_key(kind, language.as_str().as_bytes()), Some(&row));
                }
            }
            put_or_delete(writes, key, Some(&Json(settings)));
        }
        Change::Number(number, entry) => {
            let row = entry.as_ref().map(|Json(entry)| (*number, entry.clone()));
            put_or_delete(writes, key, row.as_ref());
            if row.is_none() {
                // A number that comes back later is not suspended.
                writes.push(Write::Delete(suspension_key(&CapOwner::Number(*number))));
            }
        }
        Change::Queue(id, queue) => {
            let row = queue.as_ref().map(|Json(queue)| (id.clone(), queue.clone()));
            put_or_delete(writes, key, row.as_ref());
        }
        Change::Preset(language, id, preset) => {
            let row = preset.as_ref().map(|Json(preset)| (language.clone(), id.clone(), preset.clone()));
            put_or_delete(writes, key, row.as_ref());
        }
        Change::Account(name, account) => {
            let row = account.as_ref().map(|Json(account)| (name.clone(), account.clone()));
            put_or_delete(writes, key, row.as_ref());
        }
    }
}

/// Reads the directory from its rows, in any order. `None` if there is no directory.
pub fn directory_from(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Option<Directory> {
    let mut settings: Option<Json<Settings>> = None;
    let mut words: BTreeMap<u8, Texts> = BTreeMap::new();
    let (mut numbers, mut queues, mut accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut presets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let mut versions = Versions::default();
    let mut rows = rows.peekable();
    rows.peek()?;
    for (key, row) in rows {
        match key.get(1) {
            Some(&part::SETTINGS) => settings = decode_row(&row),
            Some(&part::NUMBER) => numbers.extend(decode_row::<(_, _)>(&row)),
            Some(&part::QUEUE) => queues.extend(decode_row::<(_, _)>(&row)),
            Some(&part::ACCOUNT) => accounts.extend(decode_row::<(_, _)>(&row)),
            Some(&part::PRESET) => {
                if let Some((language, id, preset)) = decode_row(&row) {
                    presets.entry(language).or_default().insert(id, preset);
                }
            }
            Some(&part::VERSION) => match versioned(&key) {
                None => versions.directory = decode_row(&row).unwrap_or_default(),
                Some(resource) => versions.resources.extend(decode_row(&row).map(|version| (resource, version))),
            },
            Some(kind) => words.entry(*kind).or_default().extend(decode_row::<(_, _)>(&row)),
            None => {}
        }
    }
    // Nobody changed them yet, if they have no row.
    let Json(mut settings) = settings.unwrap_or(Json(Settings::default()));
    for (kind, texts) in texts(&mut settings) {
        let written = words.remove(&kind).unwrap_or_default();
        *texts = written.into_iter().filter(|(language, _)| texts.contains_key(language)).collect();
    }
    let mut directory = Directory::new(settings, numbers, queues, presets, accounts);
    directory.versions = versions;
    Some(directory)
}
