//! The directory as rows: one per resource, so that a change writes little.
//!
//! Texts have rows of their own, so that rows stay small; the settings' row lists their languages. The text of a
//! removed language stays behind unused, because `apply` does not read the previous rows.

use super::put_or_delete;
use crate::machine::keys::{decode_row, directory_key, part};
use crate::machine::record::Stored;
use crate::machine::rows::Write;
use crate::model::{Change, Directory, Json, Language, Settings};
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

/// Adds the writes of a change.
pub(super) fn rows(change: &Change, writes: &mut Vec<Write>) {
    match change {
        Change::Settings(Json(settings)) => {
            let mut settings = Settings::clone(settings);
            for (kind, texts) in texts(&mut settings) {
                for (language, text) in texts {
                    let text = std::mem::take(text);
                    row(kind, language.as_str().as_bytes(), Some(&(language.clone(), text)), writes);
                }
            }
            row(part::SETTINGS, &[], Some(&Json(settings)), writes);
        }
        Change::Number(number, entry) => {
            row(
                part::NUMBER,
                &number.key(),
                entry.as_ref().map(|Json(entry)| (*number, entry.clone())).as_ref(),
                writes,
            );
        }
        Change::Queue(id, queue) => {
            let queue = queue.as_ref().map(|Json(queue)| (id.clone(), queue.clone()));
            row(part::QUEUE, id.as_str().as_bytes(), queue.as_ref(), writes);
        }
        Change::Preset(language, id, preset) => {
            let preset = preset.as_ref().map(|Json(preset)| (language.clone(), id.clone(), preset.clone()));
            row(part::PRESET, format!("{language}/{id}").as_bytes(), preset.as_ref(), writes);
        }
        Change::Account(name, account) => {
            let account = account.as_ref().map(|Json(account)| (name.clone(), account.clone()));
            row(part::ACCOUNT, name.as_bytes(), account.as_ref(), writes);
        }
    }
}

fn row<T: Stored>(part: u8, name: &[u8], value: Option<&T>, writes: &mut Vec<Write>) {
    put_or_delete(writes, directory_key(part, name), value);
}

/// Reads the directory from its rows, in any order. `None` if there is no directory.
pub fn directory_from(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Option<Directory> {
    let mut settings: Option<Json<Settings>> = None;
    let mut words: BTreeMap<u8, Texts> = BTreeMap::new();
    let (mut numbers, mut queues, mut accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut presets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
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
            Some(kind) => words.entry(*kind).or_default().extend(decode_row::<(_, _)>(&row)),
            None => {}
        }
    }
    let Json(mut settings) = settings?;
    for (kind, texts) in texts(&mut settings) {
        let written = words.remove(&kind).unwrap_or_default();
        *texts = written.into_iter().filter(|(language, _)| texts.contains_key(language)).collect();
    }
    Some(Directory::new(settings, numbers, queues, presets, accounts))
}
