//! `[media]`: where media are kept, and how many are taken in.

mod credentials;
#[cfg(test)]
mod tests;

use super::secrets;
use super::section::{Reading, Section};
use crate::rules::media::Bounds;
use crate::work::media::store::{Bucket, BucketKind, MediaConfig, Place};
use std::path::{Path, PathBuf};

/// The default folder, below `data_dir`; what goes to a bucket is written aside there.
const FOLDER: &str = "media";

/// What else is in `data_dir`.
const OTHERS: [&str; 5] = ["", "journal", "snapshots", "index", "claims"];

/// Far above what carriers deliver: a larger value is a typo.
const BYTES_MAX: usize = 1 << 30;

/// Far above the ten of a carrier's message.
const ITEMS_MAX: usize = 100;

/// The store and the limits; problems are recorded.
pub(super) fn media(root: &Section<'_>, data_dir: Option<&Path>, reading: &mut Reading<'_>) -> Option<MediaConfig> {
    let empty = Section::empty(root, "media");
    let section = root.section("media", reading).unwrap_or(empty);
    let limits = limits(&section, reading);
    let place = place(&section, data_dir, reading);
    section.no_other_keys(reading);
    Some(MediaConfig { place: place?, limits })
}

fn limits(section: &Section<'_>, reading: &mut Reading<'_>) -> Bounds {
    let default = Bounds::default();
    let item = section.count("item_max_bytes", 1_024..=BYTES_MAX, default.item_bytes as usize, reading);
    let message = section.count("message_max_bytes", 1_024..=BYTES_MAX, default.message_bytes as usize, reading);
    let items = section.count("items_max", 1..=ITEMS_MAX, default.items, reading);
    if message < item {
        let text = format!("is {message}, less than item_max_bytes: use {item} or more");
        reading.problem(section, "message_max_bytes", text);
    }
    Bounds { items, item_bytes: item as u64, message_bytes: message as u64 }
}

fn place(section: &Section<'_>, data_dir: Option<&Path>, reading: &mut Reading<'_>) -> Option<Place> {
    let store = section.text("store", reading).unwrap_or(FOLDER).to_owned();
    if let Some((scheme, rest)) = store.split_once("://") {
        let bucket = bucket(section, scheme, rest, reading);
        return Some(Place::Bucket { bucket: bucket?, aside: data_dir?.join(FOLDER) });
    }
    // Asked for, so that it is a known key.
    if section.text("credentials_file", reading).is_some() {
        reading.problem(section, "credentials_file", "is for a bucket, and store is a folder: remove one of them");
    }
    folder(section, &store, data_dir?, reading).map(Place::Folder)
}

fn folder(section: &Section<'_>, store: &str, data_dir: &Path, reading: &mut Reading<'_>) -> Option<PathBuf> {
    let path = data_dir.join(store);
    let wrong = if store.is_empty() {
        "is empty: use a folder, or omit it for the default \"media\"".to_owned()
    } else if OTHERS.iter().any(|other| same(&path, &data_dir.join(other))) {
        format!("{store:?} has other data of the gateway: use another folder")
    } else if path.exists() && !path.is_dir() {
        format!("{store:?} is a file: use a folder")
    } else {
        return Some(path);
    };
    reading.problem(section, "store", wrong);
    None
}

fn bucket(section: &Section<'_>, scheme: &str, rest: &str, reading: &mut Reading<'_>) -> Option<Bucket> {
    let Some(kind) = BucketKind::ALL.into_iter().find(|kind| kind.scheme() == scheme) else {
        let fix = "use a folder, or \"s3://bucket/prefix\", \"gs://bucket/prefix\" or \"az://container/prefix\"";
        reading.problem(section, "store", format!("begins with {scheme:?}: {fix}"));
        return None;
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    if !is_name(name) || !(prefix.is_empty() || prefix.split('/').all(is_name)) {
        let fix = format!("write it as in \"{scheme}://bucket/prefix\", with letters, digits, '.', '_' and '-' only");
        reading.problem(section, "store", format!("is not the URL of a bucket: {fix}"));
        return None;
    }
    let text = secrets::credentials_file(section, "credentials_file", reading)?;
    let bucket = credentials::access(kind, &text).and_then(|access| {
        let bucket = Bucket { name: name.to_owned(), prefix: prefix.to_owned(), access };
        bucket.check().map(|()| bucket)
    });
    bucket.map_err(|why| reading.problem(section, "credentials_file", why)).ok()
}

/// Whether it can name a bucket, or a part of a prefix.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(is_plain) && !text.bytes().all(|byte| byte == b'.')
}

/// Whether two paths are the same one, however they are written.
fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.components().collect());
    real(one) == real(other)
}
