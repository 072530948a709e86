//! G31: the gateway is stopped and started again under load while somebody else holds its doors, as systemd does.

use crate::ending::judge;
use crate::load::{Load, world};
use crate::process::systemd::Held;
use crate::process::{Doors, TOKEN, wire};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often it is restarted unless `OFFHOOK_RESTARTS` says otherwise.
const RESTARTS: usize = 3;

/// Between a start and the next stop.
const AT_WORK: Duration = Duration::from_millis(600);

/// Who comes once and never again, at each door at once.
const NEWCOMERS: usize = 4;

/// Between two newcomers.
const EVERY: Duration = Duration::from_millis(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g31_restarts_under_load_refuse_no_connection_and_lose_nothing() {
    let restarts: usize =
        std::env::var("OFFHOOK_RESTARTS").map_or(RESTARTS, |text| text.parse().expect("OFFHOOK_RESTARTS is a count"));
    let world = world().await;
    let held = Held::listen(world.home.doors);
    let (load, newcomers) = (Load::start(&world), Newcomers::at(world.home.doors));
    let names = "carriers:platform:ops";
    let mut gateway = held.start(&world.home, names);
    gateway.ready().await;
    let mut away = Duration::ZERO;
    for _ in 0..restarts {
        tokio::time::sleep(AT_WORK).await;
        let began = Instant::now();
        assert_eq!(gateway.terminate().await.code(), Some(0), "{}", world.home.log());
        gateway = held.start(&world.home, names);
        gateway.ready().await;
        away = away.max(began.elapsed());
    }
    let seen = newcomers.end().await;
    let promised = load.end().await;
    let summary = judge(&world, &promised, 0).await;
    println!("{restarts} restarts, the longest {away:.1?}: {seen:?}, {summary:?}");
    let [answered, refused, unanswered] = [&seen.answered, &seen.refused, &seen.unanswered].map(count);
    assert_eq!(refused, 0, "connections were refused: {seen:?}");
    assert_eq!(unanswered, 0, "connections were taken and closed without an answer: {seen:?}");
    assert!(answered > 20 * restarts && promised.acknowledged > 50, "there was hardly any load: {seen:?} {summary:?}");
    assert!(!world.home.log().contains("cut off"), "{}", world.home.log());
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// People who come once, at a new connection each, and do not try again.
struct Newcomers {
    stop: CancellationToken,
    seen: Arc<Seen>,
    coming: JoinSet<()>,
}

/// What became of them.
#[derive(Debug, Default)]
struct Seen {
    answered: AtomicUsize,
    refused: AtomicUsize,
    unanswered: AtomicUsize,
}

impl Newcomers {
    fn at(doors: Doors) -> Self {
        let (stop, seen) = (CancellationToken::new(), Arc::new(Seen::default()));
        let mut coming = JoinSet::new();
        for nth in 0..NEWCOMERS * 2 {
            let (stop, seen) = (stop.clone(), Arc::clone(&seen));
            // Neither changes anything, so that the load alone says what must be there.
            let (door, path) =
                [(doors.platform, "/v1/settings"), (doors.carriers, "/carriers/other/messages")][nth % 2];
            coming.spawn(async move {
                let credential = format!("Authorization: Bearer {TOKEN}");
                while !stop.is_cancelled() {
                    let became = match wire::ask(door, "GET", path, &[&credential], b"").await {
                        // Any answer shows that the request was read.
                        Ok(_) => &seen.answered,
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => &seen.refused,
                        Err(_) => &seen.unanswered,
                    };
                    became.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(EVERY).await;
                }
            });
        }
        Self { stop, seen, coming }
    }

    async fn end(self) -> Arc<Seen> {
        self.stop.cancel();
        self.coming.join_all().await;
        self.seen
    }
}

fn count(of: &AtomicUsize) -> usize {
    of.load(Ordering::Relaxed)
}
