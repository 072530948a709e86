//! Tests snapshots, on a disk that fails and loses power, against an in-memory map.

use super::super::disk::Disk;
use super::super::sim_disk::SimDisk;
use super::*;
use crate::machine::rows::Write;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ORIGIN: Origin = Origin { journal: *b"journal of tests", rows_version: 7 };

/// Memory for rows, so small that every few writes fill a run.
const RUN_BYTES: usize = 500;

type Rows = BTreeMap<Key, Vec<u8>>;

#[test]
fn a_snapshot_holds_the_last_write_of_each_key_and_nothing_that_was_deleted() {
    let disk = SimDisk::default();
    let snapshots = open(&disk);
    assert!(snapshots.latest().unwrap().is_none());
    compacted(&snapshots, 3, vec![put(State, b"a", b"1"), put(State, b"b", b"1"), put(Monday, b"a", b"1")]);
    let second = vec![put(State, b"b", b"2"), delete(State, b"a"), put(Tuesday, b"", b""), delete(Tuesday, b"none")];
    let made = compacted(&snapshots, 9, second);
    assert_eq!((made.covers, made.at, made.count), (Position(9), time(9), 3));
    let expected = [(key(State, b"b"), b"2".to_vec()), (key(Monday, b"a"), b"1".to_vec()), (key(Tuesday, b""), vec![])];
    assert_eq!(rows(&snapshots), Rows::from(expected));
    assert_eq!(disk.names().unwrap(), [name_of(Position(9))], "the previous one and the runs are removed");
}

#[test]
fn dropping_a_table_removes_exactly_its_earlier_rows() {
    let snapshots = open(&SimDisk::default());
    compacted(&snapshots, 1, vec![put(Monday, b"a", b"1"), put(Monday, b"b", b"1"), put(Tuesday, b"a", b"1")]);
    let mut compaction = snapshots.compact(true, RUN_BYTES).unwrap();
    compaction.add(vec![put(Monday, b"c", &[1; 400])], &mut || true).unwrap();
    assert_eq!(compaction.runs(), 1, "this one is in a run already");
    let rest = vec![put(Monday, b"d", b"1"), Write::DropTable(Monday.table()), put(Monday, b"b", b"2")];
    compaction.add(rest, &mut || true).unwrap();
    compaction.finish(Position(2), time(2), &mut || true).unwrap();
    let expected = [(key(Monday, b"b"), b"2".to_vec()), (key(Tuesday, b"a"), b"1".to_vec())];
    assert_eq!(rows(&snapshots), Rows::from(expected));
}

#[test]
fn checksums_cover_every_byte_of_a_snapshot() {
    let disk = SimDisk::default();
    let snapshots = open(&disk);
    compacted(&snapshots, 4, (0..20).map(|n| put(State, &[n], &[n; 20])).collect());
    let (name, whole) = (name_of(Position(4)), read(&snapshots).unwrap());
    let bytes = disk.bytes(&name);
    assert!(bytes.len() > 500 && whole.len() == 20);
    for at in 0..bytes.len() {
        for flipped in [1, 0x80, 0xff] {
            disk.tamper(&name, |bytes| bytes[at] ^= flipped);
            assert!(read(&snapshots).is_err_and(|error| error.is_unusable()), "byte {at}");
            disk.tamper(&name, |bytes| bytes[at] ^= flipped);
        }
        disk.tamper(&name, |bytes| bytes.truncate(at));
        assert!(read(&snapshots).is_err_and(|error| error.is_unusable()), "cut to {at} bytes");
        disk.tamper(&name, |torn| torn.resize(bytes.len(), 0));
        assert!(read(&snapshots).is_err_and(|error| error.is_unusable()), "zeros from byte {at} on");
        disk.tamper(&name, |torn| torn.clone_from(&bytes));
    }
    disk.tamper(&name, |bytes| bytes.push(0));
    assert!(read(&snapshots).is_err_and(|error| error.is_unusable()), "a byte more");
    disk.tamper(&name, |torn| torn.clone_from(&bytes));
    assert_eq!(read(&snapshots).unwrap(), whole);
}

#[test]
fn missing_and_misplaced_blocks_are_detected() {
    let disk = SimDisk::default();
    let snapshots = open(&disk);
    compacted(&snapshots, 4, (0..90u8).map(|n| put(State, &[n], &[n; 4_000])).collect());
    let name = name_of(Position(4));
    let bytes = disk.bytes(&name);
    let block = |start: usize| start + 8 + u32_at(&bytes, start) as usize;
    let (first, second) = (HEADER, block(HEADER));
    let third = block(second);
    assert!(u32_at(&bytes, third) > 0, "there are three blocks");
    let orders = [
        [&bytes[..first], &bytes[second..]].concat(),
        [&bytes[..second], &bytes[third..]].concat(),
        [&bytes[..first], &bytes[second..third], &bytes[first..second], &bytes[third..]].concat(),
        [&bytes[..second], &bytes[first..]].concat(),
    ];
    for order in orders {
        disk.tamper(&name, |bytes| *bytes = order);
        assert!(read(&snapshots).is_err_and(|error| error.is_unusable()));
    }
}

#[test]
fn errors_distinguish_another_version_from_another_journal() {
    let disk = SimDisk::default();
    compacted(&open(&disk), 4, vec![put(State, b"a", b"1")]);
    let newer =
        Snapshots::on(Arc::new(disk.clone()), Origin { rows_version: ORIGIN.rows_version + 100, ..ORIGIN }).unwrap();
    let version = newer.latest().err().unwrap();
    assert!(version.is_unusable() && version.to_string().contains("start the version that wrote it"), "{version}");
    let stranger = Snapshots::on(Arc::new(disk.clone()), Origin { journal: [9; 16], ..ORIGIN }).unwrap();
    let journal = stranger.latest().err().unwrap();
    assert!(!journal.is_unusable() && journal.to_string().contains("put its own journal back"), "{journal}");
    let ahead = open(&disk).latest().unwrap().unwrap().within(Position(3)).err().unwrap();
    assert!(!ahead.is_unusable() && ahead.to_string().contains("beyond the journal's end"), "{ahead}");
    let names = disk.names().unwrap();
    assert_eq!(names, [name_of(Position(4))], "nothing is removed that may be needed");
}

#[test]
fn a_snapshot_is_rewritten_without_the_rows_of_a_person() {
    let disk = SimDisk::default();
    let snapshots = open(&disk);
    snapshots.rewrite(Position(1), |_, _, row| Some(row), &mut || true).unwrap();
    let people = [put(State, b"ann", b"ANN"), put(State, b"bob", b"BOB"), put(Monday, b"call", b"ANN BOB")];
    compacted(&snapshots, 5, people.into());
    let erase = |_, key: &[u8], row: Vec<u8>| match key {
        b"ann" => None,
        b"call" => Some(b"BOB".to_vec()),
        _ => Some(row),
    };
    assert!(!snapshots.rewrite(Position(1), erase, &mut || true).unwrap(), "another one is the latest");
    assert!(snapshots.rewrite(snapshots.latest().unwrap().unwrap().covers, erase, &mut || true).unwrap());
    let expected = [(key(State, b"bob"), b"BOB".to_vec()), (key(Monday, b"call"), b"BOB".to_vec())];
    assert_eq!(rows(&snapshots), Rows::from(expected));
    assert_eq!(snapshots.latest().unwrap().unwrap().covers, Position(5));
    assert_eq!(disk.names().unwrap(), [name_of(Position(5))]);
    assert!(!disk.bytes(&name_of(Position(5))).windows(3).any(|bytes| bytes == b"ANN"));
}

#[test]
fn rows_of_an_older_version_are_upgraded_when_read_and_compacted() {
    const UPGRADES: &[Upgrade] =
        &[|_, row| [&row[..], b"2"].concat(), |key, row| [&row[..], b"3", &key.bytes].concat()];
    let snapshots = open(&SimDisk::default());
    let mut old = compacted(&snapshots, 4, vec![put(State, b"a", b"1"), put(Monday, b"b", b"1")]);
    old.upgrades = UPGRADES;
    let mut found = old.rows();
    assert_eq!(found.next().unwrap(), Some((key(State, b"a"), b"123a".to_vec())));
    assert_eq!(found.next().unwrap(), Some((key(Monday, b"b"), b"123b".to_vec())));
    let mut compaction = snapshots.compact(true, RUN_BYTES).unwrap();
    compaction.add(vec![put(State, b"c", b"new")], &mut || true).unwrap();
    compaction.before = Some(old);
    compaction.finish(Position(5), time(5), &mut || true).unwrap();
    let expected = [(State, &b"a"[..], &b"123a"[..]), (State, b"c", b"new"), (Monday, b"b", b"123b")];
    assert_eq!(rows(&snapshots), expected.into_iter().map(|(table, k, row)| (key(table, k), row.to_vec())).collect());
}

#[test]
fn a_new_snapshot_is_read_back_before_the_previous_one_is_removed() {
    let disk = SimDisk::default();
    let snapshots = open(&disk);
    compacted(&snapshots, 1, vec![put(State, b"a", b"1")]);
    for place in [HEADER + 1, HEADER + 10, HEADER + 30] {
        let mut compaction = snapshots.compact(true, RUN_BYTES).unwrap();
        compaction.add(vec![put(State, b"b", &[7; 40])], &mut || true).unwrap();
        let making = format!("{}{TEMPORARY_SUFFIX}", name_of(Position(2)));
        // The first pause is in the read-back, because less than a block was written.
        let mut throttle = || {
            disk.tamper(&making, |bytes| bytes[place] ^= 1);
            true
        };
        let failed = compaction.finish(Position(2), time(2), &mut throttle).err().expect("the file was tampered with");
        assert!(!failed.is_unusable() && failed.to_string().contains("not what was written"), "{failed}");
        assert_eq!(disk.names().unwrap(), [name_of(Position(1))]);
        assert_eq!(rows(&snapshots).len(), 1);
    }
}

#[test]
fn an_interrupted_compaction_leaves_only_the_previous_snapshot() {
    let disk = SimDisk::default();
    let snapshots = open(&disk);
    compacted(&snapshots, 1, vec![put(State, b"a", b"1")]);
    let before = disk.names().unwrap();
    let many = || (0..200u8).map(|n| put(Monday, &[n], &[n; 3_000])).collect::<Vec<_>>();
    let mut pauses = 0;
    loop {
        let mut left: u64 = pauses;
        let mut throttle = || {
            left = left.saturating_sub(1);
            left > 0
        };
        let mut compaction = snapshots.compact(true, 200_000).unwrap();
        let made =
            compaction.add(many(), &mut throttle).and_then(|()| compaction.finish(Position(2), time(2), &mut throttle));
        match made {
            Ok(_) => break,
            Err(SnapshotFailed::Interrupted) => assert_eq!(disk.names().unwrap(), before),
            Err(error) => panic!("{error}"),
        }
        pauses += 1;
    }
    assert!(pauses > 15, "runs and snapshot have more blocks: {pauses}");
    assert_eq!(rows(&snapshots).len(), 201);
}

#[test]
fn g3_g9_a_failing_disk_leaves_the_previous_or_the_new_snapshot_intact() {
    let before: Vec<_> = (0..30u8).map(|n| put(State, &[n], b"before")).collect();
    let after: Vec<_> = (0..60u8).map(|n| put(State, &[n / 2 + 10], &[n; 50])).collect();
    let mut seen = [0, 0];
    for power_is_lost in [false, true] {
        for seed in 0..if power_is_lost { 8 } else { 1 } {
            for count in 0.. {
                let disk = SimDisk::default();
                let snapshots = open(&disk);
                compacted(&snapshots, 3, before.clone());
                let old = rows(&snapshots);
                disk.fail_after(count);
                let made = compact(&snapshots, 5, after.clone());
                let failed = disk.has_failed();
                let made = made.inspect_err(|error| assert!(failed, "{error}")).is_ok();
                drop(snapshots);
                disk.heal();
                if power_is_lost {
                    disk.lose_power(seed * 1_000 + count);
                }
                let snapshots = open(&disk);
                let latest = snapshots.latest().unwrap().expect("there is always a snapshot");
                let new = latest.covers == Position(5);
                assert!(new || !made, "operation {count}: a snapshot reported as made is missing");
                seen[usize::from(new)] += 1;
                let found = rows(&snapshots);
                assert_eq!(found.values().any(|row| row != b"before"), new);
                assert!(new || found == old, "operation {count}: the previous snapshot has changed");
                assert_eq!(
                    disk.names().unwrap(),
                    [name_of(latest.covers)],
                    "operation {count}: unfinished files are left"
                );
                // The next snapshot can be made.
                compacted(&snapshots, 7, after.clone());
                if !failed {
                    assert!(count > 10, "making a snapshot takes more disk operations: {count}");
                    break;
                }
            }
        }
    }
    assert!(seen.iter().all(|times| *times > 5), "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compacting_any_writes_in_any_portions_gives_the_same_rows_as_applying_them(
        portions in prop::collection::vec(prop::collection::vec(any_write(), 0..60), 1..6),
        run_bytes in 100..5_000usize,
    ) {
        let snapshots = open(&SimDisk::default());
        let mut expected = Rows::new();
        for (portion, covers) in portions.into_iter().zip(1..) {
            for write in &portion {
                match write.clone() {
                    Write::Put(key, row) => drop(expected.insert(key, row)),
                    Write::Delete(key) => drop(expected.remove(&key)),
                    Write::DropTable(table) => expected.retain(|key, _| key.table != table),
                }
            }
            let mut compaction = snapshots.compact(true, run_bytes).unwrap();
            for few in portion.chunks(7) {
                compaction.add(few.to_vec(), &mut || true).unwrap();
            }
            compaction.finish(Position(covers), time(covers), &mut || true).unwrap();
            prop_assert_eq!(&rows(&snapshots), &expected);
        }
    }
}

fn any_write() -> impl Strategy<Value = Write> {
    let table = prop_oneof![Just(State), Just(Monday), Just(Tuesday), Just(April)];
    let bytes = prop::collection::vec(0..3u8, 0..4);
    prop_oneof![
        20 => (table.clone(), bytes.clone(), prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(table, bytes, row)| put(table, &bytes, &row)),
        8 => (table.clone(), bytes).prop_map(|(table, bytes)| delete(table, &bytes)),
        1 => table.prop_map(|table| Write::DropTable(table.table())),
    ]
}

/// Named tables.
#[derive(Clone, Copy, Debug)]
enum Named {
    State,
    Monday,
    Tuesday,
    April,
}
use Named::*;

impl Named {
    fn table(self) -> Table {
        match self {
            State => Table::State,
            Monday => Table::Messages(Day(20_000)),
            Tuesday => Table::Idempotency(Day(20_001)),
            April => Table::Contacts(Month(675)),
        }
    }
}

fn open(disk: &SimDisk) -> Snapshots {
    Snapshots::on(Arc::new(disk.clone()), ORIGIN).unwrap()
}

fn compact(snapshots: &Snapshots, covers: u64, writes: Vec<Write>) -> Result<Snapshot, SnapshotFailed> {
    let mut compaction = snapshots.compact(true, RUN_BYTES)?;
    compaction.add(writes, &mut || true)?;
    compaction.finish(Position(covers), time(covers), &mut || true)
}

fn compacted(snapshots: &Snapshots, covers: u64, writes: Vec<Write>) -> Snapshot {
    compact(snapshots, covers, writes).unwrap()
}

fn read(snapshots: &Snapshots) -> Result<Rows, SnapshotFailed> {
    let mut found = Rows::new();
    let Some(latest) = snapshots.latest()? else { return Ok(found) };
    let mut rows = latest.rows();
    while let Some((key, row)) = rows.next()? {
        found.insert(key, row);
    }
    assert_eq!(found.len() as u64, latest.count);
    Ok(found)
}

fn rows(snapshots: &Snapshots) -> Rows {
    read(snapshots).unwrap()
}

fn time(position: u64) -> Timestamp {
    Timestamp::from_ms(1_763_791_200_000 + position)
}

fn key(table: Named, bytes: &[u8]) -> Key {
    Key { table: table.table(), bytes: bytes.to_vec() }
}

fn put(table: Named, bytes: &[u8], row: &[u8]) -> Write {
    Write::Put(key(table, bytes), row.to_vec())
}

fn delete(table: Named, bytes: &[u8]) -> Write {
    Write::Delete(key(table, bytes))
}
