//! Retention end to end: files, the compaction thread, the retention worker, and a rebuild afterwards. Days are
//! simulated and segments are small.

use super::*;
use crate::engine::{CompactionOptions, Compactor, Core, Engine, Recovered, SetClock, Stopped};
use crate::index::{CLAIMS_MAX, Claims, Owner, SledIndex};
use crate::journal::snapshot::{Origin, Snapshots};
use crate::journal::{FileJournal, Journal, Options};
use crate::machine::command::{Command, PutCall};
use crate::machine::rows::{ROWS_VERSION, ScannedRow, Table};
use crate::machine::view::View;
use crate::model::{Address, CallId, Caller, Day, Inbound, InboundItem, Month, Timestamp};
use crate::rules::directory::example;
use std::path::Path;
use std::time::Instant;
use tokio::time::sleep;

/// Simulated days, of which two and a half are kept.
const DAYS: u64 = 7;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// The worker runs on tokio's clock, which the paused runtime advances automatically.
#[tokio::test(start_paused = true)]
async fn g27_an_index_deleted_after_retention_is_rebuilt_to_the_same_rows() {
    let directory = tempfile::tempdir().unwrap();
    let home = Home { data: directory.path(), clock: SetClock::at(Timestamp::from_ms(1_763_791_200_000)) };
    let (mut core, snapshots, _) = home.recover();
    let mut example = example();
    example.settings.retention_days = DAYS_MIN;
    // A queued text would keep everything from its day on.
    example.settings.closing.enabled = false;
    let seed = Command::Seed { directory: Box::new(example), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed]).unwrap();
    let (reads, journal) = (core.reads(), core.journal());
    let (engine, handle) = Engine::start(core).unwrap();
    let options = CompactionOptions {
        at_bytes: 20_000,
        run_bytes: 4_000,
        rest_factor: 0,
        look_every: Duration::from_millis(1),
        ..CompactionOptions::default()
    };
    let compactor = Compactor::start(Arc::clone(&journal), snapshots, options, Box::new(|| None)).unwrap();
    let stop = CancellationToken::new();
    let retention = retain(Keep::default(), handle.clone(), reads.clone(), Arc::new(compactor.handle()), stop.clone());
    let retention = tokio::spawn(retention);

    for day in 0..DAYS {
        for nth in 0..8 {
            for command in [put(day, nth), text(day, nth), Command::Tick] {
                handle.submit(command, SOON).await.unwrap();
            }
        }
        let end = Command::EndCall { call: call(day, 0), reason: None, key: None };
        handle.submit(end, SOON).await.unwrap();
        home.clock.pass(DAY);
    }
    home.clock.pass(DAY / 2);
    handle.submit(Command::Tick, SOON).await.unwrap();
    // The last days are kept, and everything before is deleted.
    let now = home.clock.shown();
    let kept_from = reads.follow().first_at(now - DAY * DAYS_MIN).unwrap();
    let until = Instant::now() + SOON;
    let oldest = loop {
        let oldest = journal.bounds().0;
        let (gone, whole_days) = (oldest > Position(1), reads.follow().all_before(now - DAY * DAYS_MIN).unwrap());
        if gone && oldest == whole_days {
            break oldest;
        }
        assert!(Instant::now() < until, "nothing is deleted: the journal begins at {oldest:?}");
        sleep(EVERY).await;
    };
    assert!(oldest <= kept_from && kept_from.0 - oldest.0 < 60, "{oldest:?} {kept_from:?}");
    assert!(compactor.handle().covers() >= Position(oldest.0 - 1));

    stop.cancel();
    retention.await.unwrap().unwrap();
    assert!(compactor.stop());
    let lived = rows(&reads);
    drop((reads, handle));
    assert!(matches!(engine.stop(), Stopped::Cleanly));
    SledIndex::remove(&home.data.join("index")).unwrap();
    let (core, _, recovered) = home.recover();
    assert!(recovered.loaded > 0 && recovered.replayed < recovered.last.0, "{recovered:?}");
    assert!(lived.len() > 50, "{}", lived.len());
    assert_eq!(rows(&core.reads()), lived);
}

/// A data directory and its simulated time.
struct Home<'a> {
    data: &'a Path,
    clock: SetClock,
}

impl Home<'_> {
    fn recover(&self) -> (Core, Arc<Snapshots>, Recovered) {
        let journal = FileJournal::open(&self.data.join("journal"), Options { segment_bytes: 2_000 }).unwrap();
        let identity = journal.identity();
        let origin = Origin { journal: identity, rows_version: ROWS_VERSION };
        let snapshots = Arc::new(Snapshots::open(&self.data.join("snapshot"), origin).unwrap());
        let owner = Owner { journal: identity, rows_version: ROWS_VERSION };
        let index = SledIndex::open(&self.data.join("index"), owner).unwrap().index;
        let today = self.clock.shown().day();
        let claims = Claims::open(&self.data.join("claims"), identity, today, CLAIMS_MAX).unwrap();
        let clock = Box::new(self.clock.clone());
        let recovered =
            Core::recover_with(Some(&snapshots), Box::new(journal), Box::new(index), claims, clock).unwrap();
        (recovered.0, snapshots, recovered.1)
    }
}

/// All rows of all tables.
fn rows(reads: &Reads) -> Vec<(Table, ScannedRow)> {
    let days = || (20_400..20_450).map(Day);
    let tables = [Table::State].into_iter().chain(days().map(Table::Messages)).chain(days().map(Table::Idempotency));
    let tables = tables.chain((660..690).map(|month| Table::Contacts(Month(month))));
    let all = reads.ask(|view| {
        let of = |table| view.rows(table, &[], &[], usize::MAX).into_iter().map(move |row| (table, row));
        tables.flat_map(of).collect()
    });
    all.unwrap()
}

fn call(day: u64, nth: u64) -> CallId {
    CallId::read(&format!("c-{day}-{nth}")).unwrap()
}

fn caller(nth: u64) -> String {
    format!("+1206555{:04}", 200 + nth)
}

fn put(day: u64, nth: u64) -> Command {
    Command::PutCall(PutCall::new(
        call(day, nth),
        Caller::read(&caller(nth)).unwrap(),
        "support".to_owned().try_into().unwrap(),
    ))
}

fn text(day: u64, nth: u64) -> Command {
    let inbound = Inbound {
        carrier_id: format!("SM{day}-{nth}"),
        from: Address::read(&caller(nth)),
        to: Address::read("+12065550100"),
        text: "hello".to_owned(),
        media: Vec::new(),
        segments: None,
        keyword: None,
        part: None,
    };
    Command::InboundItem { account: "main".to_owned(), item: InboundItem::Message(inbound) }
}
