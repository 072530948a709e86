use super::*;
use crate::index::{Index, SledIndex, Trust};
use crate::machine::rows::{Key, Rows, Table, Write};
use crate::model::Day;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

const OWNER: Owner = Owner { journal: [7; 16], rows_version: 1 };
const MONDAY: Boot = Boot(Some([1; 16]));
const TUESDAY: Boot = Boot(Some([2; 16]));

/// A data directory; the index is in `index`.
fn data_dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    (dir, index)
}

fn key(n: u32) -> Key {
    Key { table: Table::Messages(Day(20_000)), bytes: n.to_be_bytes().to_vec() }
}

fn open(dir: &Path, boot: Boot) -> (Box<SledIndex>, Trust) {
    let opened = SledIndex::open_in_boot(dir, OWNER, boot).unwrap();
    (Box::new(opened.index), opened.trust)
}

/// Creates an index with 200 rows at position 3.
fn fill(dir: &Path, boot: Boot) -> Box<SledIndex> {
    let (mut index, _) = open(dir, boot);
    let rows: Vec<Write> = (0..200).map(|n| Write::Put(key(n), n.to_be_bytes().to_vec())).collect();
    index.write(&rows, Position(3)).unwrap();
    index
}

#[track_caller]
fn assert_resumes(dir: &Path, boot: Boot) {
    let (index, trust) = open(dir, boot);
    assert_eq!(trust, Trust::Resumes(Position(3)));
    assert_eq!(index.applied(), Position(3));
    assert_eq!(index.get(&key(199)).unwrap(), Some(199u32.to_be_bytes().to_vec()));
    assert_eq!(index.scan(key(0).table, b"", b"", 500).unwrap().len(), 200);
}

/// Asserts that the index starts empty, no other files remain, and rows written to it are there after reopening.
#[track_caller]
fn assert_rebuilt(dir: &Path, boot: Boot) -> WhyRebuilt {
    let (index, trust) = open(dir, boot);
    let Trust::Fresh(why) = trust else { panic!("{trust:?}") };
    assert_eq!(index.applied(), Position(0));
    assert_eq!(index.get(&key(0)).unwrap(), None);
    drop(index);
    fill(dir, boot).close().unwrap();
    assert_resumes(dir, boot);
    let mut beside: Vec<_> = fs::read_dir(dir.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    beside.retain(|name| name != "index");
    assert!(beside.is_empty(), "{beside:?}");
    why
}

#[test]
fn a_missing_index_is_created() {
    let (_guard, dir) = data_dir();
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::Missing);
}

#[test]
fn within_one_boot_an_index_resumes_even_without_a_clean_stop() {
    let (_guard, dir) = data_dir();
    drop(fill(&dir, MONDAY));
    assert_resumes(&dir, MONDAY);
    assert_resumes(&dir, MONDAY);
}

#[test]
fn g1_after_a_kill_an_index_has_every_row_up_to_its_position() {
    let (_guard, dir) = data_dir();
    let (_other_guard, copy) = data_dir();
    drop(fill(&dir, MONDAY));
    let (mut index, _) = open(&dir, MONDAY);
    // Two megabytes, so that sled writes its buffer more than once before the copy, which stands for a kill.
    for position in 4..1_000 {
        let row = format!("{position:0>100}").into_bytes();
        let batch: Vec<Write> = (0..20).map(|n| Write::Put(key(n), row.clone())).collect();
        index.write(&batch, Position(position)).unwrap();
    }
    fs::create_dir_all(copy.join("blobs")).unwrap();
    for file in fs::read_dir(&dir).unwrap().map(|e| e.unwrap()).filter(|e| e.path().is_file()) {
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let (killed, trust) = open(&copy, MONDAY);
    let Trust::Resumes(position) = trust else { panic!("{trust:?}") };
    assert!(position > Position(3));
    for n in 0..20 {
        let row = String::from_utf8(killed.get(&key(n)).unwrap().unwrap()).unwrap();
        assert!(row.parse::<u64>().unwrap() >= position.0, "rows are as new as the position, or newer");
    }
}

#[test]
fn an_index_is_rebuilt_after_an_unclean_stop_of_the_machine() {
    let (_guard, dir) = data_dir();
    drop(fill(&dir, MONDAY));
    assert_eq!(assert_rebuilt(&dir, TUESDAY), WhyRebuilt::UncleanStop);
}

#[test]
fn without_a_boot_id_only_a_clean_stop_is_trusted() {
    let (_guard, dir) = data_dir();
    fill(&dir, Boot(None)).close().unwrap();
    assert_resumes(&dir, Boot(None));
    assert!(matches!(open(&dir, Boot(None)).1, Trust::Fresh(WhyRebuilt::UncleanStop)));
}

#[test]
fn a_clean_stop_is_trusted_once_in_any_boot() {
    let (guard, dir) = data_dir();
    fill(&dir, MONDAY).close().unwrap();
    assert!(guard.path().join("index.clean").exists());
    assert_resumes(&dir, TUESDAY);
    assert!(!guard.path().join("index.clean").exists());
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::UncleanStop);
}

#[test]
fn a_damaged_clean_mark_or_one_of_another_position_is_ignored() {
    let (guard, dir) = data_dir();
    let mark = guard.path().join("index.clean");
    fill(&dir, MONDAY).close().unwrap();
    fs::write(&mark, b"torn").unwrap();
    assert_eq!(assert_rebuilt(&dir, TUESDAY), WhyRebuilt::UncleanStop);

    drop(open(&dir, TUESDAY));
    fill(&dir, TUESDAY).close().unwrap();
    let older = fs::read(&mark).unwrap();
    let (mut index, _) = open(&dir, TUESDAY);
    index.write(&[], Position(4)).unwrap();
    drop(index);
    fs::write(&mark, older).unwrap();
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::UncleanStop);
}

#[test]
fn an_index_of_another_journal_or_version_is_rebuilt() {
    let (_guard, dir) = data_dir();
    let other = Owner { journal: [8; 16], ..OWNER };
    drop(fill(&dir, MONDAY));
    let opened = SledIndex::open_in_boot(&dir, other, MONDAY).unwrap();
    assert_eq!(opened.trust, Trust::Fresh(WhyRebuilt::OtherJournal));
    let mut index = opened.index;
    index.write(&[], Position(1)).unwrap();
    drop(index);
    let newer = Owner { rows_version: 2, ..other };
    let opened = SledIndex::open_in_boot(&dir, newer, MONDAY).unwrap();
    assert_eq!(opened.trust, Trust::Fresh(WhyRebuilt::OtherVersion));
}

#[test]
fn an_incomplete_index_is_rebuilt() {
    let (_guard, dir) = data_dir();
    let (mut index, _) = open(&dir, MONDAY);
    index.write(&[Write::Put(key(1), b"of a snapshot half loaded".to_vec())], Position(0)).unwrap();
    drop(index);
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::Unfinished);
}

#[test]
fn damage_that_sled_detects_on_opening_causes_a_rebuild() {
    for file in ["conf", "db"] {
        let (_guard, dir) = data_dir();
        fill(&dir, MONDAY).close().unwrap();
        let bytes = fs::read(dir.join(file)).unwrap();
        fs::write(dir.join(file), vec![0xa5; bytes.len()]).unwrap();
        let why = assert_rebuilt(&dir, MONDAY);
        assert!(matches!(why, WhyRebuilt::DoesNotOpen(_) | WhyRebuilt::OtherVersion), "{file}: {why:?}");
    }
}

#[test]
fn damage_found_while_running_is_final_until_the_next_start_rebuilds() {
    let (guard, dir) = data_dir();
    fill(&dir, MONDAY).close().unwrap();
    let (mut index, _) = open(&dir, MONDAY);
    let reader = index.reader();
    let db = OpenOptions::new().write(true).open(dir.join("db")).unwrap();
    let len = db.metadata().unwrap().len();
    db.write_all_at(&vec![0xa5; usize::try_from(len).unwrap()], 0).unwrap();

    let failed = (0..200).any(|n| reader.get(&key(n)).is_err());
    assert!(failed, "the rows are read from the damaged file");
    assert!(reader.get(&key(0)).is_err());
    assert!(index.get(&key(0)).is_err());
    assert!(index.write(&[], Position(4)).is_err());
    assert!(guard.path().join("index.failed").exists());
    assert!(index.close().is_err());
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::FailedBefore);
}

#[test]
fn files_left_by_a_kill_while_sled_opens_are_harmless() {
    let (_guard, dir) = data_dir();
    fill(&dir, MONDAY).close().unwrap();
    fs::write(dir.join("snap.0000000000000FFF.generating"), b"half a snap").unwrap();
    assert_resumes(&dir, MONDAY);
}

#[test]
fn a_discarded_directory_is_removed_at_the_next_start() {
    let (guard, dir) = data_dir();
    drop(fill(&dir, MONDAY));
    let aside = guard.path().join("index.aside-0");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("db"), b"rows").unwrap();
    assert_resumes(&dir, MONDAY);
    assert!(!aside.exists());
}

#[test]
fn a_file_in_the_place_of_the_index_is_removed() {
    let (_guard, dir) = data_dir();
    fs::write(&dir, "no directory").unwrap();
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::Missing);
}

#[test]
fn an_index_ahead_of_its_journal_starts_over_on_disk_too() {
    let (_guard, dir) = data_dir();
    let mut index = fill(&dir, MONDAY);
    index.start_over().unwrap();
    drop(index);
    assert_eq!(assert_rebuilt(&dir, MONDAY), WhyRebuilt::Unfinished);
}

#[test]
fn an_index_that_another_process_has_open_is_left_alone() {
    let (_guard, dir) = data_dir();
    let index = fill(&dir, MONDAY);
    let why = Home::new(&dir).unwrap().wait_until_free_for(Duration::ZERO).unwrap_err();
    assert!(why.to_string().contains("stop it first"), "{why}");
    assert!(index.get(&key(0)).unwrap().is_some());
}

#[test]
fn work_that_times_out_or_panics_is_distinguished_from_work_that_returns() {
    assert!(matches!(within(Duration::from_secs(60), || 7), Outcome::Returned(7)));
    let (go, wait) = sync_channel::<()>(0);
    assert!(matches!(within(Duration::from_millis(1), move || wait.recv()), Outcome::TookTooLong));
    drop(go);
    assert!(matches!(
        within(Duration::from_secs(60), || std::panic::resume_unwind(Box::new(()))),
        Outcome::<()>::Panicked
    ));
}

#[test]
fn this_machine_has_a_boot_id() {
    assert!(Boot::of_this_machine().is(Boot::of_this_machine()));
}
