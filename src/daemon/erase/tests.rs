//! An erasure interrupted at any step is not forgotten.

use super::*;
use crate::engine::{CompactionOptions, Core, WallClock, compact};
use crate::index::{CLAIMS_MAX, Claims, Index, Owner};
use crate::journal::snapshot::{Origin, Snapshots};
use crate::journal::{FileJournal, Journal, Options};
use crate::machine::command::PutCall;
use crate::machine::erase::Person;
use crate::machine::rows::ROWS_VERSION;
use crate::machine::state::CallRow;
use crate::machine::view::Queries;
use crate::model::{Actor, Address, CallId, Caller, Day, Inbound, InboundItem};
use crate::rules::directory::example;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ANN: &str = "+14155550107";
const BOB: &str = "+14155550108";

#[test]
fn f04_an_erasure_interrupted_after_any_step_is_completed_by_the_next_start() {
    for steps in 0..=4 {
        let data = talked();
        interrupt(data.path(), steps);
        assert!(!traces(data.path()).is_empty() || steps == 4, "after {steps} steps something is left");
        let recovered = open::recover(data.path()).unwrap();
        let left = Erasures::running(&recovered.core.reads()).unwrap().expect("its media are swept by the gateway");
        assert!(left.are_complete(), "after {steps} steps nothing else is left");
        let open::Recovered { lock, core, .. } = recovered;
        core.close().unwrap();
        drop(lock);
        check_that_ann_is_erased_and_bob_is_kept(data.path());
    }
}

/// Begins to erase Ann, and stops after this many steps.
fn interrupt(data_dir: &Path, steps: usize) {
    let mut recovered = open::recover(data_dir).unwrap();
    let (key, by) = (ErasureKey([3; 16]), Actor::command_line());
    let command = Command::Erase { who: number(ANN), key, idempotency: None, by };
    assert!(matches!(recovered.core.commit([command]).unwrap()[..], [Reply::Erasure(_)]));
    let mut erasures = Erasures::running(&recovered.core.reads()).unwrap().unwrap();
    recovered.core.commit(erasures.begin()).unwrap();
    if steps >= 1 {
        erasures.erase_from_journal(recovered.core.eraser().as_ref(), &mut || true).unwrap();
    }
    if steps >= 2 {
        let journal = recovered.core.journal();
        erasures.erase_from_snapshot(journal.as_ref(), &recovered.snapshots, &mut || true).unwrap();
    }
    if steps == 4 {
        erasures.erase_numbers(recovered.core.eraser().as_ref()).unwrap();
    }
    drop(recovered);
    if steps >= 3 {
        SledIndex::remove(&data_dir.join(open::INDEX)).unwrap();
    }
}

#[test]
fn an_erasure_fails_at_a_damaged_snapshot_and_is_done_after_the_repair() {
    let data = talked();
    let snapshots = data.path().join("snapshots");
    let snapshot = fs::read_dir(&snapshots).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&snapshot).unwrap();
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    fs::write(&snapshot, damaged).unwrap();
    let failed = erase_now(data.path(), number(ANN)).unwrap_err();
    assert!(
        matches!(failed, EraseFailed::Unfinished(_)) && failed.to_string().contains("run the erasure again"),
        "{failed}"
    );
    drop(open::recover(data.path()).expect("it has ended, so a start is possible"));
    fs::write(&snapshot, whole).unwrap();
    erase_now(data.path(), number(ANN)).unwrap();
    check_that_ann_is_erased_and_bob_is_kept(data.path());
}

#[test]
fn a_refused_erasure_leaves_nothing() {
    let data = talked();
    assert!(matches!(erase_now(data.path(), number(BOB)), Err(EraseFailed::Refused(_))), "a call with Bob is active");
    let recovered = open::recover(data.path()).unwrap();
    assert_eq!(recovered.core.reads().ask(|view| view.running_erasures()).unwrap(), []);
}

#[test]
fn the_marker_of_an_earlier_version_refuses_starts_until_that_person_is_erased() {
    let data = talked();
    begun::tests::begin(data.path(), number(ANN));
    check_that_a_start_is_refused(data.path());
    assert!(matches!(erase_now(data.path(), number(BOB)), Err(EraseFailed::Refused(_))));
    erase_now(data.path(), number(ANN)).unwrap();
    check_that_ann_is_erased_and_bob_is_kept(data.path());
}

#[test]
fn an_erasure_whose_media_cannot_be_swept_goes_on_when_it_is_requested_again() {
    let data = talked();
    let (media, away) = (data.path().join("media"), data.path().join("away"));
    fs::rename(&media, &away).unwrap();
    let failed = erase_now(data.path(), number(ANN)).unwrap_err();
    assert!(matches!(failed, EraseFailed::MediaLeft(_)), "{failed}");
    check_that_ann_is_erased_and_bob_is_kept(data.path());
    fs::rename(&away, &media).unwrap();
    let erased = erase_now(data.path(), number(ANN)).unwrap();
    assert!(erased.bodies > 2, "what was erased before is counted: {erased:?}");
    let recovered = open::recover(data.path()).unwrap();
    assert_eq!(recovered.core.reads().ask(|view| view.running_erasures()).unwrap(), []);
}

fn erase_now(data_dir: &Path, who: E164) -> Result<Erased, EraseFailed> {
    erase_from(data_dir, &MediaConfig::folder(data_dir.join("media")), who)
}

#[track_caller]
fn check_that_a_start_is_refused(data_dir: &Path) {
    let Err(refused) = open::recover(data_dir) else { panic!("a gateway would start") };
    assert!(matches!(refused, OpenFailed::ErasureCutOff { .. }), "{refused}");
    assert!(refused.to_string().contains("`offhook erase +1NUMBER --config FILE`"), "{refused}");
}

#[track_caller]
fn check_that_ann_is_erased_and_bob_is_kept(data_dir: &Path) {
    assert_eq!(traces(data_dir), Vec::<PathBuf>::new());
    let recovered = open::recover(data_dir).unwrap();
    assert_eq!(traces(data_dir), Vec::<PathBuf>::new(), "in the rebuilt files");
    let call = |id: &str| recovered.core.reads().ask(|view| view.call(&CallId::read(id).unwrap())).unwrap();
    let Some(CallRow::Call(anns)) = call("c-ann") else { panic!("her call's id is free again") };
    assert!(anns.ended.is_some() && anns.caller.kept().is_none() && anns.usage.received == 1, "{anns:?}");
    assert!(matches!(call("c-bob-0"), Some(CallRow::Call(call)) if call.ended.is_none()));
}

/// Files that contain Ann's number.
fn traces(directory: &Path) -> Vec<PathBuf> {
    let ann = Person::new(number(ANN));
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let traces = paths.flat_map(|path| match path.is_dir() {
        true => traces(&path),
        false => Some(path).filter(|path| ann.is_named_in(&fs::read(path).unwrap())).into_iter().collect(),
    });
    traces.collect()
}

/// The data of a cleanly stopped gateway: Ann's call, which is in the snapshot, has ended since; Bob's call is
/// active.
fn talked() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    fs::create_dir(data.join("media")).unwrap();
    let journal = FileJournal::open(&data.join("journal"), Options { segment_bytes: 1_000 }).unwrap();
    let identity = journal.identity();
    let owner = Owner { journal: identity, rows_version: ROWS_VERSION };
    let index = SledIndex::open(&data.join("index"), owner).unwrap().index;
    let claims = Claims::open(&data.join("claims"), identity, Day(20_000), CLAIMS_MAX).unwrap();
    let clock = Box::new(WallClock::new());
    let (mut core, _) = Core::recover(Box::new(journal), Box::new(index) as Box<dyn Index>, claims, clock).unwrap();
    let mut directory_of = example();
    directory_of.settings.closing.enabled = false;
    let seed = Command::Seed { directory: Box::new(directory_of), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed, put("c-ann", ANN), text()]).unwrap();
    core.commit((0..20).map(|nth| put(&format!("c-bob-{nth}"), BOB))).unwrap();
    let origin = Origin { journal: identity, rows_version: ROWS_VERSION };
    let snapshots = Snapshots::open(&data.join("snapshots"), origin).unwrap();
    compact(core.journal().as_ref(), &snapshots, &CompactionOptions::default(), &mut || true).unwrap().unwrap();
    let end = Command::EndCall { call: CallId::read("c-ann").unwrap(), reason: None, key: None };
    core.commit([end]).unwrap();
    core.close().unwrap();
    assert!(
        traces(&data.join("snapshots")).len() + traces(&data.join("index")).len() == 2,
        "the files to check contain her number"
    );
    directory
}

fn put(call: &str, caller: &str) -> Command {
    Command::PutCall(PutCall::new(
        CallId::read(call).unwrap(),
        Caller::read(caller).unwrap(),
        "support".to_owned().try_into().unwrap(),
    ))
}

fn text() -> Command {
    let inbound = Inbound {
        carrier_id: "SM1".to_owned(),
        from: Address::read(ANN),
        to: Address::read("+12065550100"),
        text: "hello".to_owned(),
        media: Vec::new(),
        segments: None,
        keyword: None,
        part: None,
    };
    Command::InboundItem { account: "main".to_owned(), item: InboundItem::Message(inbound) }
}

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}
