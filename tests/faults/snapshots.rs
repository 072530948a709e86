//! The index is lost when the journal's beginning is gone already (G27): then a snapshot says what was before.
//!
//! Segments close at 64 MiB or at midnight, so what a day leaves behind is made here in small, by the gateway's own parts;
//! then the binary starts on it.

use crate::load::{ours, theirs, world};
use crate::process::Outside;
use offhook::config::seed;
use offhook::engine::{CompactionOptions, Core, WallClock, compact};
use offhook::journal::snapshot::{Origin, Snapshots};
use offhook::journal::{FileJournal, Journal, Options};
use offhook::machine::command::{Command, PutCall};
use offhook::machine::rows::ROWS_VERSION;
use offhook::model::{CallId, Caller, Position};
use offhook::sim::carrier::Behaviour;
use std::fs;

/// Calls of the days before.
const CALLS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn g27_an_index_lost_when_the_journals_beginning_is_gone_is_made_from_the_snapshot() {
    let world = world().await;
    world.carrier.set_behaviour(Behaviour::default());
    let covers = days_before(&world);
    assert!(covers.0 > CALLS as u64 / 2, "most calls are known from the snapshot alone: {covers:?}");
    for life in 0..3 {
        let gateway = world.start().await;
        for call in 0..CALLS {
            let call = world.client.call(&format!("c-{call}")).await.unwrap();
            assert_eq!((call.status, call.text("/state")), (200, "active"));
        }
        assert!(world.carrier.phone(theirs(0)).text(ours(0), "hello").await.acknowledged());
        let call = world.client.call("c-0").await.unwrap();
        assert_eq!(call.json["usage"]["received"], life + 1);
        let metrics = gateway.metrics().await;
        assert!(metrics.contains(&format!("offhook_snapshot_position {}\n", covers.0)), "{metrics}");
        gateway.kill();
        fs::remove_dir_all(world.home.data().join("index")).unwrap();
    }
    assert!(world.home.log().contains("the snapshot is loaded"), "{}", world.home.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn g27_without_snapshot_and_first_segments_a_start_is_refused_with_a_way_out() {
    let world = world().await;
    days_before(&world);
    let snapshot = world.home.data().join("snapshots");
    let away = world.home.path("snapshot-away");
    fs::rename(&snapshot, &away).unwrap();
    let refused = world.home.start().exit().await;
    assert_eq!(refused.code(), Some(1));
    let log = world.home.log();
    assert!(log.contains("there is no snapshot") && log.contains("put back a good copy"), "{log}");

    // The way out is one.
    fs::remove_dir_all(&snapshot).unwrap();
    fs::rename(&away, &snapshot).unwrap();
    let gateway = world.start().await;
    assert_eq!(world.client.call("c-0").await.unwrap().status, 200);
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// A data directory with calls whose segments are folded and gone, and no index. Returns what the snapshot covers.
fn days_before(world: &Outside) -> Position {
    let covers = days_of(world, (0..CALLS).map(put_call));
    let journal = world.home.data().join("journal");
    let mut segments: Vec<_> = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    segments.pop();
    assert!(segments.len() > 2, "{segments:?}");
    for segment in segments {
        fs::remove_file(segment).unwrap();
    }
    covers
}

/// A data directory with these commands, whose segments are folded, and no index. Returns what the snapshot covers.
pub(crate) fn days_of(world: &Outside, commands: impl IntoIterator<Item = Command>) -> Position {
    let data = world.home.data();
    let options = Options { segment_bytes: 1_000 };
    let journal = FileJournal::open(&data.join("journal"), options).unwrap();
    let origin = Origin { journal: journal.identity(), rows_version: ROWS_VERSION };
    let (mut core, _) = Core::in_memory(journal, WallClock::new());
    let document = fs::read_to_string(world.home.path("directory.json")).unwrap();
    let seed = seed::read(&document, &["main".to_owned()]).unwrap_or_else(|problems| panic!("{problems}"));
    let seed = Command::Seed { directory: Box::new(seed.directory), opt_outs: seed.opt_outs };
    core.commit([Command::GatewayStarted, seed]).unwrap();
    for command in commands {
        core.commit([command]).unwrap();
    }
    let snapshots = Snapshots::open(&data.join("snapshots"), origin).unwrap();
    let made = compact(core.journal().as_ref(), &snapshots, &CompactionOptions::default(), &mut || true).unwrap();
    made.expect("there are segments to fold").covers
}

pub(crate) fn put_call(call: usize) -> Command {
    Command::PutCall(PutCall::new(
        CallId::read(&format!("c-{call}")).unwrap(),
        Caller::Number(theirs(call)),
        "queue-0".to_owned().try_into().unwrap(),
    ))
}
