//! An index and claims in every bad state, under a gateway that was killed: they are rebuilt from the journal, and
//! nobody has to help.

use crate::process::Outside;
use crate::stopped::Stopped;
use std::fs::{self, File, OpenOptions};
use std::path::Path;

/// Places where the index's file is cut, in thousandths of its length.
const CUTS: [u64; 5] = [0, 7, 333, 618, 999];

/// The bytes of the index's own row that name the version of rows, and the journal.
const ROWS_VERSION: usize = 2;
const JOURNAL: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_missing_cut_or_foreign_is_rebuilt() {
    let stopped = Stopped::after_a_call().await;
    // sled brings rows to its file once a second; what a clean stop has brought there is there for certain.
    stopped.starts_and_knows_the_call().await;
    stopped.world.start().await.kill();
    let kept = stopped.keep();
    let index = stopped.world.home.data().join("index");
    let recovers = async |what: &str, damage: &dyn Fn()| {
        kept.put_back();
        damage();
        recovers(&stopped, what).await
    };
    let log = recovers("missing", &|| fs::remove_dir_all(&index).unwrap()).await;
    assert!(log.contains("index rebuilt why=\"missing\""), "{log}");
    let a_file = || {
        fs::remove_dir_all(&index).unwrap();
        fs::write(&index, "no directory").unwrap();
    };
    let log = recovers("a file in its place", &a_file).await;
    assert!(log.contains("index rebuilt why=\"missing\""), "{log}");
    for thousandths in CUTS {
        let cut = || {
            let file = OpenOptions::new().write(true).open(index.join("db")).unwrap();
            file.set_len(file.metadata().unwrap().len() * thousandths / 1_000).unwrap();
        };
        recovers(&format!("cut at {thousandths}/1000"), &cut).await;
    }
    let log = recovers("of other rows", &|| change_the_stamp(&index, ROWS_VERSION)).await;
    assert!(log.contains("index rebuilt why=\"other_version\""), "{log}");
    let log = recovers("of another journal", &|| change_the_stamp(&index, JOURNAL)).await;
    assert!(log.contains("index rebuilt why=\"other_journal\""), "{log}");
    let half_made = || fs::write(index.join("snap.0000000000000FFF.generating"), "half a snapshot").unwrap();
    recovers("with a half-made snapshot", &half_made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_are_missing_or_damaged_are_rebuilt_and_still_deduplicate() {
    let stopped = Stopped::after_a_call().await;
    let kept = stopped.keep();
    let claims = stopped.world.home.data().join("claims");
    let recovers = async |what: &str, damage: &dyn Fn()| {
        kept.put_back();
        damage();
        recovers(&stopped, what).await;
    };
    let overwrite = |what: &str| {
        for entry in fs::read_dir(&claims).unwrap() {
            fs::write(entry.unwrap().path(), what).unwrap();
        }
    };
    recovers("missing", &|| fs::remove_dir_all(&claims).unwrap()).await;
    recovers("empty", &|| overwrite("")).await;
    recovers("garbage", &|| overwrite(&"garbage ".repeat(100))).await;
    recovers("without the key", &|| fs::remove_file(claims.join("key")).unwrap()).await;
    recovers("half made", &|| fs::write(claims.join("half-made"), "half a file").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_another_process_has_open_is_left_alone_with_a_way_out() {
    let stopped = Stopped::after_a_call().await;
    let held = File::open(stopped.world.home.data().join("index/db")).unwrap();
    held.try_lock().unwrap();
    assert_eq!(stopped.world.home.start().exit().await.code(), Some(1));
    let log = stopped.world.home.log();
    assert!(log.contains("index is in use by another process: stop it first"), "there is no way out in:\n{log}");
    drop(held);
    stopped.starts_and_knows_the_call().await;
}

/// A plain start knows what was acknowledged, and what the carrier brings once more. Returns what the start said.
async fn recovers(stopped: &Stopped, what: &str) -> String {
    println!("{what}");
    let said_before = stopped.world.home.log().len();
    let gateway = stopped.world.start().await;
    repeat_everything(&stopped.world).await;
    stopped.knows_every_call().await;
    gateway.kill();
    stopped.world.home.log().split_off(said_before)
}

async fn repeat_everything(world: &Outside) {
    for webhook in world.carrier.record().webhooks.iter().filter(|webhook| webhook.acknowledged()).take(3) {
        assert!(world.carrier.repeat(webhook).await.acknowledged());
    }
}

/// Makes the index say that it is another's, as one whose other rows are whole.
fn change_the_stamp(index: &Path, byte: usize) {
    let db = sled::open(index).unwrap();
    let meta = db.open_tree("meta").unwrap();
    let mut stamp = meta.get("stamp").unwrap().expect("every index has one").to_vec();
    stamp[byte] ^= 0xff;
    meta.insert("stamp", stamp).unwrap();
    db.flush().unwrap();
}
