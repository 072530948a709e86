//! The loop around [`Feed`]: reads what it wants read, hands its events to the platform's endpoint, notes its progress.

mod endpoint;
mod gap;

pub use endpoint::{Endpoint, Keys};

use super::feed::{Bounds, Delivered, Delivery, Feed, Progress, Reader, Start};
use super::sender::{Clock, page};
use crate::engine::{Follow, FollowFailed, Handle, SubmitError, Urgency, wall};
use crate::journal::JournalFailed;
use crate::machine::command::Command;
use crate::machine::event::CommittedFrame;
use crate::model::Position;
use crate::observe::{self, Readiness};
use gap::Gap;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the engine is given to note the progress.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long deliveries under way are waited for when the gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How often progress is looked at while there is some.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What is to be read where the gateway says whether it is ready.
const PAUSED: &str = "accepts no events, which wait in the journal: check that it runs, and that its url is right";

/// How often it is told how the feed stands.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Delivers what is committed from `start` on, and what `replays` asks for again, until `stop`; then waits for what is
/// under way and notes how far it came.
pub async fn deliver(
    endpoint: Endpoint,
    start: Start,
    engine: Handle,
    follow: Follow,
    mut replays: mpsc::Receiver<Range<Position>>,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(), FollowFailed> {
    let mut clock = clock(&follow).await?;
    let mut feed = Feed::new(start, endpoint.events.clone(), Bounds::default()).of(&endpoint.name);
    let endpoint = Arc::new(endpoint);
    let mut gap = Gap::default();
    gap.skip_to(&mut feed, &endpoint.name, follow.told_from());
    let under_way = TaskTracker::new();
    let mut reading = Readings::default();
    let mut paused = false;
    let mut tell_all = tokio::time::interval(TELL_EVERY);
    tell_all.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // At most as many deliveries are under way as the feed's bounds say, so this never grows beyond them.
    let (tell, mut ended) = mpsc::unbounded_channel::<(Delivery, Delivered)>();
    loop {
        for delivery in feed.next(clock.now()) {
            let (endpoint, tell) = (Arc::clone(&endpoint), tell.clone());
            under_way.spawn(async move {
                // Receivers compare it with their clocks, so it is not the journal's time, which may be another.
                let delivered = endpoint.deliver(&delivery.told, wall()).await;
                let _stopping = tell.send((delivery, delivered));
            });
        }
        // Progress that is asked for is taken from the feed, so it is asked for only where it will be noted.
        if gap.note(&endpoint.name, &engine, &follow).await?
            && let Some(progress) = feed.progress(clock.now())
        {
            note(&engine, &endpoint.name, &mut feed, progress).await?;
        }
        for (reader, from) in feed.wants(follow.committed()) {
            let past = follow.past_gap(from);
            if past != from {
                // Nothing is there: it was lost, of which `journal.loss` tells.
                feed.pass_gap(reader, past);
            }
            let from = past;
            match reader {
                // What was not taken in time is told all the same when somebody asks for it.
                Reader::Replay if from < follow.oldest() => feed.replay_from(follow.oldest()),
                Reader::Backlog | Reader::Live | Reader::Parked if from < follow.told_from() => {
                    gap.skip_to(&mut feed, &endpoint.name, follow.told_from());
                    break;
                }
                _ => reading.begin(&follow, reader, from),
            }
        }
        let due = feed.due().map(|due| clock.began + due);
        let to_note = feed.has_progress() || !gap.is_noted();
        let progress = to_note.then(|| Instant::now() + PROGRESS_EVERY);
        let wake = due.into_iter().chain(progress).min();
        tokio::select! {
            () = stop.cancelled() => break,
            Some((delivery, delivered)) = ended.recv() => settle(&mut feed, &endpoint.name, &delivery, delivered, &mut clock),
            Some((reader, read)) = reading.ended() => match read {
                Ok(stories) => stories.iter().for_each(|story| feed.follow(reader, story)),
                Err(FollowFailed::Stopped) => return Err(FollowFailed::Stopped),
                Err(FollowFailed::Journal(JournalFailed::Gone { oldest })) if reader == Reader::Replay => {
                    feed.replay_from(oldest);
                }
                Err(FollowFailed::Journal(JournalFailed::Gone { oldest })) => {
                    gap.skip_to(&mut feed, &endpoint.name, oldest);
                }
                // Whoever has all of it already loses nothing by that.
                Err(failed) if reader == Reader::Replay => {
                    observe::replay_unreadable(&endpoint.name, &failed.to_string());
                    feed.end_replay();
                }
                Err(failed) => return Err(failed),
            },
            Some(range) = replays.recv(), if feed.takes_replays() => {
                feed.replay(range);
            }
            _ = tell_all.tick() => {
                keep_time(&mut clock, &follow);
                let now = clock.now();
                let standing = feed.standing(now);
                if std::mem::replace(&mut paused, standing.paused) != standing.paused {
                    observe::feed_paused(&endpoint.name, paused);
                    readiness.note(&format!("endpoint {}", endpoint.name), paused.then_some(PAUSED));
                }
                observe::feed_standing(&endpoint.name, observe::FeedStatus {
                    lag: follow.count_from(standing.watermark),
                    oldest: standing.oldest.map(|at| now.wall.since(at)),
                    parked: standing.parked,
                    paused,
                });
            }
            () = sleep_until(wake) => {}
        }
    }
    under_way.close();
    // What is not answered by then is delivered again after the next start, with the same id and bytes.
    let _late = tokio::time::timeout(STOP_WITHIN, under_way.wait()).await;
    while let Ok((delivery, delivered)) = ended.try_recv() {
        settle(&mut feed, &endpoint.name, &delivery, delivered, &mut clock);
    }
    // What an endpoint missed and is not noted, the next start finds again.
    let gap_is_noted = gap.note(&endpoint.name, &engine, &follow).await?;
    while gap_is_noted && feed.has_progress() {
        let progress = feed.take_progress();
        if !note(&engine, &endpoint.name, &mut feed, progress).await? {
            break;
        }
    }
    Ok(())
}

fn settle(feed: &mut Feed, endpoint: &str, delivery: &Delivery, delivered: Delivered, clock: &mut Clock) {
    if feed.settle(delivery, delivered, clock.now()) {
        observe::replay_given_up(endpoint, &delivery.told.id.to_string());
    }
}

/// The journal's time, by which the ages of events are told.
async fn clock(follow: &Follow) -> Result<Clock, FollowFailed> {
    match page(follow, follow.committed()).await {
        Ok(latest) => Ok(latest.first().map_or_else(Clock::new, |story| Clock::of_the_journal(story.at))),
        // There is none before the first frame.
        Err(FollowFailed::Journal(JournalFailed::Gone { .. })) => Ok(Clock::new()),
        Err(failed) => Err(failed),
    }
}

/// The journal has gone on, and with it its time.
fn keep_time(clock: &mut Clock, follow: &Follow) {
    let latest = follow.recent(follow.committed(), 1).unwrap_or_default();
    latest.iter().for_each(|story| clock.not_before(story.at));
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Stories on their way, a page at most for each reader. They are kept across turns of the loop, because a read of files
/// once begun goes on anyhow.
#[derive(Default)]
struct Readings {
    under_way: JoinSet<(Reader, Read)>,
    readers: BTreeSet<Reader>,
}

type Read = Result<Vec<Arc<CommittedFrame>>, FollowFailed>;

impl Readings {
    /// Begins to read the next stories for a reader, once there are some.
    fn begin(&mut self, follow: &Follow, reader: Reader, from: Position) {
        if !self.readers.insert(reader) {
            return;
        }
        let mut follow = follow.clone();
        self.under_way.spawn(async move {
            let read = match follow.wait_for(from).await {
                Ok(()) => page(&follow, from).await,
                Err(failed) => Err(failed),
            };
            (reader, read)
        });
    }

    /// The next page that is there; none while nothing is read.
    async fn ended(&mut self) -> Option<(Reader, Read)> {
        let (reader, read) = self.under_way.join_next().await?.ok()?;
        self.readers.remove(&reader);
        Some((reader, read))
    }
}

/// Notes the progress; whether that was done.
async fn note(engine: &Handle, endpoint: &str, feed: &mut Feed, progress: Progress) -> Result<bool, FollowFailed> {
    let Progress { watermark, parked, .. } = progress.clone();
    let advance = Command::AdvanceFeed { endpoint: endpoint.to_owned(), watermark, parked };
    match engine.submit(advance, Urgency::Urgent, PATIENCE).await {
        Ok(_) => Ok(true),
        Err(SubmitError::Busy | SubmitError::TooLate) => {
            // Until it is noted a crash would repeat a little more.
            feed.not_noted(progress);
            Ok(false)
        }
        Err(SubmitError::Stopped) => Err(FollowFailed::Stopped),
    }
}
