//! Version 2 of the rows wrote the settings field by field. Version 3 writes them as JSON, so that a field missing from
//! an old row reads as its default.

use super::Key;
use crate::machine::keys::{directory_key, encode_row, part};
use crate::machine::record::{Reader, v1};
use crate::model::{Json, Settings};

/// Converts a row of version 2 to version 3.
pub(super) fn upgrade(key: &Key, row: Vec<u8>) -> Vec<u8> {
    let is_settings = *key == directory_key(part::SETTINGS, &[]);
    match is_settings.then(|| Reader::row(&row, 2).whole::<v1::Settings>()) {
        Some(Ok(settings)) => encode_row(&Json(Settings::from(settings))),
        Some(Err(_)) | None => row,
    }
}
