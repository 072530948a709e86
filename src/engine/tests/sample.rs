//! Backward compatibility: a sample snapshot of each released version is kept and must be readable.

use super::*;
use crate::journal::snapshot::{Origin, Snapshots};
use crate::machine::apply::{apply, directory_from};
use crate::machine::fingerprint::ErasureKey;
use crate::machine::keys::{decode_row, encode_row, kind};
use crate::machine::record;
use crate::machine::rows::{Key, ROWS_VERSION_OLDEST, Table};
use crate::machine::state::{
    Answered, CallRow, Contact, Gateway, Lane, Live, Message, Open, OptOut, Pause, Sweep, Timer,
};
use crate::model::{Day, Month};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::rate::DayCount;
use crate::rules::strangers::LastHour;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn sample(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/v{version}.snap"))
}

/// To write the sample of a new version, run this once with `OFFHOOK_WRITE_SAMPLES` set. Samples of old versions never
/// change, because they stand for snapshots of existing installations.
#[test]
fn g27_a_snapshot_of_each_version_ever_written_is_still_read() {
    if std::env::var_os("OFFHOOK_WRITE_SAMPLES").is_some() {
        write_sample();
    }
    for version in ROWS_VERSION_OLDEST..=ROWS_VERSION {
        let bytes = fs::read(sample(version)).unwrap();
        let journal = bytes[12..28].try_into().unwrap();
        let covers = u64::from_le_bytes(bytes[32..40].try_into().unwrap());
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(format!("{covers:020}.snap")), &bytes).unwrap();
        let snapshots = Snapshots::open(directory.path(), Origin { journal, rows_version: ROWS_VERSION }).unwrap();
        let snapshot = snapshots.latest().unwrap().unwrap();
        let mut rows = snapshot.rows();
        let mut kinds: BTreeMap<_, usize> = BTreeMap::new();
        let mut directory = Vec::new();
        while let Some((key, row)) = rows.next().unwrap() {
            let known = if is_of(&key, kind::DIRECTORY) {
                directory.push((key.bytes.clone(), row));
                true
            } else {
                is_read(&key, &row)
            };
            assert!(known, "version {version}: the row at {key:?} is not decoded as its kind");
            let (Table::State, Some(letter)) = (key.table, key.bytes.first()) else { continue };
            *kinds.entry(*letter).or_default() += 1;
        }
        let directory = directory_from(directory.into_iter());
        let directory = directory.unwrap_or_else(|| panic!("version {version}: the directory"));
        let auto_reply = directory.settings.auto_reply;
        assert_eq!(auto_reply.strangers_per_hour, Some(200), "version {version}: a missing field has its default");
        assert!(auto_reply.texts.len() > 1, "version {version}");
        assert!(kinds.len() > 12, "version {version}: {kinds:?}");
    }
}

fn is_of(key: &Key, kind: u8) -> bool {
    key.table == Table::State && key.bytes.first() == Some(&kind)
}

/// Whether a row decodes as the kind its key says, to its last byte.
fn is_read(key: &Key, row: &[u8]) -> bool {
    match (key.table, key.bytes.as_slice()) {
        (Table::Messages(_), _) => is::<Message>(row),
        (Table::Idempotency(_), _) => is::<Answered>(row),
        // The row of a landline is empty: its key has the number.
        (Table::Contacts(_), key) if key.len() == 8 => is::<Timestamp>(row),
        (Table::Contacts(_), _) => is::<Contact>(row),
        (Table::State, [kind::CALL, ..]) => is::<CallRow>(row),
        (Table::State, [kind::LIVE, ..]) => is::<Live>(row),
        (Table::State, [kind::TIMER, ..]) => is::<Timer>(row),
        (Table::State, [kind::OPEN, ..]) => is::<Open>(row),
        (Table::State, [kind::LANE | kind::ACCOUNT_LANE, ..]) => is::<Lane>(row),
        (Table::State, [kind::OPT_OUT, ..]) => is::<OptOut>(row),
        (Table::State, [kind::FEED | kind::PARKED, ..]) => is::<Position>(row),
        (Table::State, [kind::QUARANTINE, ..]) => is::<(String, String, Timestamp)>(row),
        (Table::State, [kind::GATEWAY]) => is::<Gateway>(row),
        (Table::State, [kind::DAY, ..]) => is::<DayCount>(row),
        (Table::State, [kind::PAUSE, ..]) => is::<Pause>(row),
        (Table::State, [kind::TROUBLE, ..]) => is::<BreakerState>(row),
        (Table::State, [kind::CAUSE, ..]) => is::<Cause>(row),
        (Table::State, [kind::REMEMBERED]) => is::<Month>(row),
        (Table::State, [kind::ERASED]) => is::<ErasureKey>(row),
        (Table::State, [kind::ERASED, ..]) => is::<OptOut>(row),
        (Table::State, [kind::MESSAGES_SINCE | kind::ANSWERS_SINCE]) => is::<Day>(row),
        (Table::State, [kind::SWEPT]) => is::<Sweep>(row),
        (Table::State, [kind::STRANGERS, ..]) => is::<LastHour>(row),
        (Table::State, _) => false,
    }
}

fn is<T: Serialize + DeserializeOwned>(row: &[u8]) -> bool {
    decode_row::<T>(row).is_some_and(|value| encode_row(&value) == row)
}

/// Writes the sample of the current version from the sample of the current records.
fn write_sample() {
    type Frames = Vec<(Position, Vec<u8>, Vec<Vec<u8>>)>;
    let records = format!("tests/records/v{}.bin", record::VERSION);
    let records = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(records)).unwrap();
    let frames: Frames = postcard::from_bytes(&records).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let origin = Origin { journal: *b"journal of tests", rows_version: ROWS_VERSION };
    let snapshots = Snapshots::open(directory.path(), origin).unwrap();
    let mut compaction = snapshots.compact(false, 1024 * 1024).unwrap();
    let (mut covers, mut at) = (Position(0), Timestamp::default());
    for (position, meta, bodies) in frames {
        let story = record::decode(position, &meta, bodies.into_iter().map(Some).collect()).unwrap();
        compaction.add(apply(&story), &mut || true).unwrap();
        (covers, at) = (position, story.at);
    }
    compaction.finish(covers, at, &mut || true).unwrap();
    let made = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    fs::create_dir_all(sample(ROWS_VERSION).parent().unwrap()).unwrap();
    fs::copy(made, sample(ROWS_VERSION)).unwrap();
}
