//! Version 3 of the rows had the forms of record version 4. Version 4 has fields that only version 5 knows.

use super::{Key, Table};
use crate::machine::keys::{encode_row, kind, part};
use crate::machine::record::{Reader, Stored};
use crate::machine::state::{CallRow, Message, OptOut, QuarantineEntry};
use crate::model::{E164, Language, Number, Preset, PresetId};

/// Converts a row of version 3 to version 4.
pub(super) fn upgrade(key: &Key, row: Vec<u8>) -> Vec<u8> {
    match (key.table, key.bytes.first()) {
        (Table::Messages(_), _) => again::<Message>(row),
        (Table::State, Some(&kind::CALL)) => again::<CallRow>(row),
        (Table::State, Some(&kind::QUARANTINE)) => again::<QuarantineEntry>(row),
        (Table::State, Some(&kind::DIRECTORY)) if key.bytes.get(1) == Some(&part::PRESET) => {
            again::<(Language, PresetId, Preset)>(row)
        }
        (Table::State, Some(&kind::DIRECTORY)) if key.bytes.get(1) == Some(&part::NUMBER) => {
            again::<(E164, Number)>(row)
        }
        // The kind alone is the key of the key of fingerprints.
        (Table::State, Some(&(kind::OPT_OUT | kind::ERASED))) if key.bytes.len() > 1 => again::<OptOut>(row),
        _ => row,
    }
}

/// The row with the fields that it lacks.
fn again<T: Stored>(row: Vec<u8>) -> Vec<u8> {
    Reader::row(&row, 4).whole::<T>().map_or(row, |value| encode_row(&value))
}
