//! Backward compatibility: sample rows and a sample snapshot of each version are kept and must be readable.

use super::*;
use crate::journal::snapshot::{Origin, Snapshots};
use crate::machine::apply::{apply, directory_from};
use crate::machine::erasure::Erasure;
use crate::machine::event::{CommittedFrame, Event, NumberedEvent};
use crate::machine::fingerprint::ErasureKey;
use crate::machine::keys::{call_at, decode_row, encode_row, kind, part};
use crate::machine::record::{self, Stored};
use crate::machine::rows::{Key, ROWS_VERSION_OLDEST, Table, Write};
use crate::machine::state::{
    Answered, Audited, CallRow, CheckedNumber, Contact, Gateway, IncompleteText, KeptMedium, KeptReceipt, Lane, Live,
    Message, Open, OptOut, Pause, PendingMedia, QuarantineEntry, Reconciliation, Suspension, Sweep, Timer, Usage,
    UsageOf, WaitingPart,
};
use crate::model::{Change, Day, MessageId, Month};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::rate::DayCount;
use crate::rules::strangers::LastHour;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn sample(version: u16) -> PathBuf {
    file(&format!("snapshots/v{version}.snap"))
}

fn sample_of_rows() -> PathBuf {
    file(&format!("rows/v{ROWS_VERSION}.bin"))
}

/// Whether the sample is to be written: a sample that exists stays as it is, because it stands for existing
/// installations. Remove it first if no release wrote its version.
fn is_to_be_written(sample: &Path) -> bool {
    std::env::var_os("OFFHOOK_WRITE_SAMPLES").is_some() && !sample.exists()
}

/// To write the sample of a new version, run this once with `OFFHOOK_WRITE_SAMPLES` set.
#[test]
fn g27_a_snapshot_of_each_version_ever_written_is_still_read() {
    if is_to_be_written(&sample(ROWS_VERSION)) {
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
        (Table::Audit(_), _) => is::<Audited>(row),
        (Table::Usage(_), key) if key.len() == 2 => is::<u32>(row),
        (Table::Usage(_), _) => is::<(UsageOf, Usage)>(row),
        (Table::Media(_), _) => is::<KeptMedium>(row),
        (Table::CarrierIds(_), _) => is::<MessageId>(row),
        (Table::State, [kind::PART, ..]) => is::<WaitingPart>(row),
        (Table::State, [kind::INCOMPLETE_TEXT, ..]) => is::<IncompleteText>(row),
        (Table::State, [kind::KEPT_RECEIPT, ..]) => is::<KeptReceipt>(row),
        (Table::State, [kind::PARTS_WAITING | kind::RECEIPTS_KEPT, ..]) => is::<u32>(row),
        (Table::State, [kind::RECONCILIATION, ..]) => is::<Reconciliation>(row),
        (Table::State, [kind::CALL, ..]) => is::<CallRow>(row),
        (Table::State, [kind::LIVE, ..]) => is::<Live>(row),
        (Table::State, [kind::TIMER, ..]) => is::<Timer>(row),
        (Table::State, [kind::OPEN, ..]) => is::<Open>(row),
        (Table::State, [kind::LANE | kind::ACCOUNT_LANE, ..]) => is::<Lane>(row),
        (Table::State, [kind::OPT_OUT, ..]) => is::<OptOut>(row),
        (Table::State, [kind::FEED | kind::PARKED, ..]) => is::<Position>(row),
        (Table::State, [kind::QUARANTINE, ..]) => is::<QuarantineEntry>(row),
        (Table::State, [kind::SUSPENSION, ..]) => is::<Suspension>(row),
        (Table::State, [kind::GATEWAY]) => is::<Gateway>(row),
        (Table::State, [kind::DAY, ..]) => is::<DayCount>(row),
        (Table::State, [kind::PAUSE, ..]) => is::<Pause>(row),
        (Table::State, [kind::BREAKER, ..]) => is::<BreakerState>(row),
        (Table::State, [kind::CAUSE, ..]) => is::<Cause>(row),
        (Table::State, [kind::REMEMBERED | kind::AUDITED_SINCE]) => is::<Month>(row),
        (Table::State, [kind::ERASED]) => is::<ErasureKey>(row),
        (Table::State, [kind::ERASED, ..]) => is::<OptOut>(row),
        (Table::State, [kind::PENDING_MEDIA, ..]) => is::<PendingMedia>(row),
        (Table::State, [kind::MESSAGES_SINCE | kind::ANSWERS_SINCE | kind::MEDIA_SINCE | kind::CARRIER_IDS_SINCE]) => {
            is::<Day>(row)
        }
        (Table::State, [kind::ERASURE, ..]) => is::<Erasure>(row),
        (Table::State, [kind::SWEPT]) => is::<Sweep>(row),
        (Table::State, [kind::STRANGERS, ..]) => is::<LastHour>(row),
        (Table::State, [kind::CALL_TIME, ..]) => row.is_empty() && call_at(&key.bytes).is_some(),
        (Table::State, [kind::CHECKED, ..]) => is::<CheckedNumber>(row),
        (Table::State, _) => false,
    }
}

fn is<T: Stored>(row: &[u8]) -> bool {
    decode_row::<T>(row).is_some_and(|value| encode_row(&value) == row)
}

/// Rows as the sample has them: table, key, row.
type Rows = BTreeSet<(Table, Vec<u8>, Vec<u8>)>;

fn rows_of(frames: &[CommittedFrame]) -> Rows {
    let put = |write| match write {
        Write::Put(key, row) => Some((key.table, key.bytes, row)),
        Write::Delete(_) | Write::DropTable(_) => None,
    };
    frames.iter().flat_map(apply).filter_map(put).collect()
}

/// To write the sample of a new version, run this once with `OFFHOOK_WRITE_SAMPLES` set.
#[test]
fn every_kind_of_row_of_this_version_is_read_and_written_unchanged() {
    if is_to_be_written(&sample_of_rows()) {
        let rows: Vec<_> = rows_of(&frames()).into_iter().collect();
        fs::write(sample_of_rows(), encode_row(&rows)).unwrap();
    }
    let rows: Vec<(Table, Vec<u8>, Vec<u8>)> = decode_row(&fs::read(sample_of_rows()).unwrap()).unwrap();
    let (mut kinds, mut directory) = (BTreeSet::new(), Vec::new());
    for (table, bytes, row) in &rows {
        let key = Key { table: *table, bytes: bytes.clone() };
        kinds.insert(match table {
            Table::State => format!("state {}", bytes[0]),
            Table::Messages(_) => "messages".to_owned(),
            Table::Idempotency(_) => "idempotency".to_owned(),
            Table::Contacts(_) => format!("contacts {}", bytes.len()),
            Table::Audit(_) => "audit".to_owned(),
            Table::Usage(_) => format!("usage {}", bytes.len()),
            Table::Media(_) => "media".to_owned(),
            Table::CarrierIds(_) => "carrier ids".to_owned(),
        });
        if is_of(&key, kind::DIRECTORY) {
            directory.push((bytes.clone(), row.clone()));
        } else {
            assert!(is_read(&key, row), "the row at {key:?} is not decoded as its kind; see CONTRIBUTING.md");
        }
    }
    let tables = [
        "audit",
        "carrier ids",
        "media",
        "messages",
        "idempotency",
        "contacts 8",
        "contacts 16",
        "usage 2",
        "usage 18",
    ];
    let tables = tables.map(ToOwned::to_owned);
    let all: BTreeSet<_> = kind::ALL.iter().map(|kind| format!("state {kind}")).chain(tables).collect();
    assert_eq!(kinds, all);

    let changes = Change::all_of(&directory_from(directory.into_iter()).unwrap());
    let events = vec![NumberedEvent { call_sequence: None, event: Event::DirectoryChanged { changes } }];
    let frame = CommittedFrame { position: Position(1), at: Timestamp::default(), events };
    let (mut written, rows) = (rows_of(&[frame]), Rows::from_iter(rows));
    // Versions came after the sample, and are of the frame.
    written.retain(|(_, key, _)| !key.starts_with(&[kind::DIRECTORY, part::VERSION]));
    assert!(written.len() > 9 && written.is_subset(&rows), "the rows of the directory are written as they were");
}

/// The sample of the current records.
fn frames() -> Vec<CommittedFrame> {
    type Frames = Vec<(Position, Vec<u8>, Vec<Vec<u8>>)>;
    let records = fs::read(file(&format!("records/v{}.bin", record::VERSION))).unwrap();
    let frames: Frames = decode_row(&records).unwrap();
    let decode = |(position, meta, bodies): (Position, Vec<u8>, Vec<Vec<u8>>)| {
        record::decode(position, &meta, bodies.into_iter().map(Some).collect()).unwrap()
    };
    frames.into_iter().map(decode).collect()
}

/// Writes the sample of the current version from the sample of the current records.
fn write_sample() {
    let directory = tempfile::tempdir().unwrap();
    let origin = Origin { journal: *b"journal of tests", rows_version: ROWS_VERSION };
    let snapshots = Snapshots::open(directory.path(), origin).unwrap();
    let mut compaction = snapshots.compact(false, 1024 * 1024).unwrap();
    let (mut covers, mut at) = (Position(0), Timestamp::default());
    for frame in frames() {
        compaction.add(apply(&frame), &mut || true).unwrap();
        (covers, at) = (frame.position, frame.at);
    }
    compaction.finish(covers, at, &mut || true).unwrap();
    let made = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    fs::create_dir_all(sample(ROWS_VERSION).parent().unwrap()).unwrap();
    fs::copy(made, sample(ROWS_VERSION)).unwrap();
}
