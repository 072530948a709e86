//! A folder that is full, read-only, gone and back again, or has what a crash left.

use super::*;
use crate::work::media::store::suite::{list, put, read, sample};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;

const DAY: Day = Day(20_786);

/// The size of the small disk.
const DISK_BYTES: usize = 1024 * 1024;

#[tokio::test]
async fn a_full_disk_keeps_nothing_of_a_medium_and_works_again_with_space() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(place.path(), &format!("size={DISK_BYTES}")) else { return };
    let store = open(&disk.0);
    let small = put(&store, DAY, &sample(DISK_BYTES / 4, 1)).await;
    let mut large = store.writer(DAY);
    let failed = match large.write(sample(DISK_BYTES, 2).into()).await {
        Ok(()) => large.finish().await.unwrap_err(),
        Err(failed) => {
            assert!(matches!(large.finish().await, Err(StoreFailed::Other(_))), "a failed medium cannot be finished");
            failed
        }
    };
    assert!(matches!(&failed, StoreFailed::Full(why) if why.contains("free space")), "{failed}");
    assert_eq!(list(&store, DAY).await, [small.sha256]);
    assert_eq!(store.used_bytes().await.unwrap(), Some(small.bytes), "nothing is left aside");
    fs::write(disk.0.join("filler"), vec![1; DISK_BYTES]).unwrap_err();
    assert!(matches!(store.probe().await, Err(StoreFailed::Full(_))));
    assert!(read(&store, DAY, small.sha256, None).await.is_some(), "it is still read");
    fs::remove_file(disk.0.join("filler")).unwrap();
    store.probe().await.unwrap();
    put(&store, DAY, &sample(DISK_BYTES / 2, 2)).await;
}

#[tokio::test]
async fn a_read_only_disk_refuses_writes_and_serves_reads() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(place.path(), "size=1m") else { return };
    let store = open(&disk.0);
    let stored = put(&store, DAY, b"before").await;
    disk.remount("ro");
    let mut incoming = store.writer(DAY);
    incoming.write(Bytes::from_static(b"after")).await.unwrap();
    for failed in [
        incoming.finish().await.unwrap_err(),
        store.probe().await.unwrap_err(),
        store.delete(DAY, stored.sha256).await.unwrap_err(),
        store.delete_day(DAY).await.unwrap_err(),
    ] {
        assert!(matches!(&failed, StoreFailed::ReadOnly(why) if why.contains("mount it writable")), "{failed}");
    }
    assert_eq!(read(&store, DAY, stored.sha256, None).await.unwrap().0, b"before");
    disk.remount("rw");
    store.probe().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_gone_is_not_created_again_and_works_when_it_is_back() {
    let place = tempfile::tempdir().unwrap();
    let (path, away) = (place.path().join("media"), place.path().join("away"));
    let store = open(&path);
    let stored = put(&store, DAY, b"before").await;
    let mut begun = store.writer(DAY);
    begun.write(Bytes::from_static(b"begun")).await.unwrap();
    fs::rename(&path, &away).unwrap();
    for failed in [
        begun.finish().await.unwrap_err(),
        store.probe().await.unwrap_err(),
        store.read(DAY, stored.sha256, None).await.map(|found| found.is_some()).unwrap_err(),
        store.size(DAY, stored.sha256).await.unwrap_err(),
        store.delete(DAY, stored.sha256).await.unwrap_err(),
        store.delete_day(DAY).await.unwrap_err(),
        store.days().await.unwrap_err(),
        store.list(DAY).await.map(drop).unwrap_err(),
        store.used_bytes().await.unwrap_err(),
        store.sweep_aside().await.unwrap_err(),
    ] {
        assert!(matches!(&failed, StoreFailed::Gone(why) if why.contains("mount its disk")), "{failed}");
    }
    assert!(!path.exists());
    fs::rename(&away, &path).unwrap();
    store.probe().await.unwrap();
    assert_eq!(read(&store, DAY, stored.sha256, None).await.unwrap().0, b"before");
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_is_being_written_stays() {
    let (store, place) = in_folder();
    let aside = place.path().join("aside");
    let stored = put(&store, DAY, b"stored").await;
    let mut incoming = store.writer(DAY);
    incoming.write(sample(WAITING_MAX, 1).into()).await.unwrap();
    for number in 0..3 {
        fs::write(aside.join(format!("0123456789abcdef-{number}")), b"left").unwrap();
    }
    assert_eq!(store.sweep_aside().await.unwrap(), 3);
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 1);
    let finished = incoming.finish().await.unwrap();
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 0);
    assert_eq!(store.used_bytes().await.unwrap(), Some(stored.bytes + finished.bytes));
    fs::remove_dir(&aside).unwrap();
    assert_eq!(store.sweep_aside().await.unwrap(), 0);
    put(&store, DAY, b"the folder aside is created again").await;
}

#[tokio::test]
async fn a_medium_of_which_a_write_is_given_up_leaves_nothing_and_cannot_be_finished() {
    let (store, place) = in_folder();
    // The file is written elsewhere, which may be done at once.
    let incoming = loop {
        let mut incoming = store.writer(DAY);
        let is_pending = futures_util::poll!(Box::pin(incoming.write(sample(WAITING_MAX, 1).into()))).is_pending();
        if is_pending {
            break incoming;
        }
    };
    assert!(matches!(incoming.finish().await, Err(StoreFailed::Other(_))));
    // The write ends at some time, and its file goes then.
    let aside = place.path().join("aside");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while fs::read_dir(&aside).unwrap().count() > 0 {
        assert!(std::time::Instant::now() < until, "the file is still there");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_second_medium_with_the_same_bytes_is_not_written() {
    let (store, place) = in_folder();
    let stored = put(&store, DAY, b"same").await;
    let file = path_of(place.path(), &stored.sha256);
    let inode = fs::metadata(&file).unwrap().ino();
    put(&store, DAY, b"same").await;
    assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
    // What cannot be these bytes is replaced.
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"!").unwrap();
    put(&store, DAY, b"same").await;
    assert_eq!(fs::read(&file).unwrap(), b"same");
}

#[tokio::test]
async fn a_medium_that_became_shorter_while_it_is_read_is_an_error() {
    let (store, place) = in_folder();
    let stored = put(&store, DAY, &sample(3 * PIECE_MAX, 1)).await;
    let reading = store.read(DAY, stored.sha256, None).await.unwrap().unwrap();
    let file = fs::OpenOptions::new().write(true).open(path_of(place.path(), &stored.sha256)).unwrap();
    file.set_len(PIECE_MAX as u64 + 1).unwrap();
    let read: Result<Vec<Bytes>, _> = futures_util::TryStreamExt::try_collect(reading.pieces).await;
    assert!(matches!(read, Err(StoreFailed::Other(_))));
}

#[tokio::test]
async fn a_medium_that_is_deleted_while_it_is_read_is_read_to_its_end() {
    let (store, _place) = in_folder();
    let bytes = sample(3 * PIECE_MAX, 1);
    let stored = put(&store, DAY, &bytes).await;
    let reading = store.read(DAY, stored.sha256, None).await.unwrap().unwrap();
    store.delete_day(DAY).await.unwrap();
    let read: Vec<Bytes> = futures_util::TryStreamExt::try_collect(reading.pieces).await.unwrap();
    assert!(read.concat() == bytes);
}

#[tokio::test]
async fn other_files_in_the_folder_are_neither_media_nor_days() {
    let (store, place) = in_folder();
    let stored = put(&store, DAY, b"medium").await;
    for other in ["lost+found", "2026-13-01"] {
        fs::create_dir(place.path().join(other)).unwrap();
    }
    let name = name(&stored.sha256).to_uppercase();
    fs::write(place.path().join(DAY.to_string()).join(name), b"other").unwrap();
    assert_eq!(store.days().await.unwrap(), [DAY]);
    assert_eq!(list(&store, DAY).await, [stored.sha256]);
}

#[tokio::test]
async fn media_are_readable_by_the_gateway_only() {
    let (store, place) = in_folder();
    let stored = put(&store, DAY, b"medium").await;
    let file = path_of(place.path(), &stored.sha256);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(&place.path().join("aside")), 0o700);
}

#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, b"").unwrap();
    let failed = Store::open(&MediaConfig::folder(&file)).map(drop).unwrap_err();
    assert!(matches!(&failed, StoreFailed::Gone(why) if why.contains("is not a folder")), "{failed}");
}

fn path_of(place: &Path, sha256: &Sha256) -> PathBuf {
    place.join(DAY.to_string()).join(name(sha256))
}

/// A tmpfs, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None`, saying so, where nothing can be mounted.
    fn mount(place: &Path, options: &str) -> Option<Self> {
        let path = place.join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(path));
        }
        let mut standard_error = std::io::stderr();
        writeln!(standard_error, "SKIPPED: a tmpfs cannot be mounted here: run it as root").unwrap();
        None
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
