//! The loop around [`Feed`]: reads frames for it, posts its events to the platform's endpoint, records its progress.

mod endpoint;
mod erased;
mod gap;
mod status;

pub use endpoint::{Endpoint, Keys};
pub use status::{EndpointState, EndpointStatus, LastAnswer};

use super::feed::{Bounds, Delivered, Delivery, Feed, Progress, Reader, Start};
use super::sender::{Clock, page};
use crate::engine::{Follow, FollowFailed, Handle, SubmitError, wall};
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

/// How long to wait for the engine to record progress.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for deliveries in flight at shutdown.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How often progress is recorded while there is some.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The readiness note of a paused endpoint.
const PAUSED: &str = "accepts no events; they stay in the journal: check that the endpoint is up and its url is right";

/// How often the feed's status is reported.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Delivers committed events from `start` on, and the requested `replays`, until `stop`; then waits for deliveries in
/// flight and records the progress.
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
    let mut feed = Feed::new(start, endpoint.events.clone(), Bounds::default()).for_endpoint(&endpoint.name);
    let endpoint = Arc::new(endpoint);
    let mut gap = Gap::default();
    gap.skip_to(&mut feed, &endpoint.name, follow.deliver_from());
    let in_flight = TaskTracker::new();
    let mut reading = Readings::default();
    let mut paused = false;
    let mut status_tick = tokio::time::interval(STATUS_EVERY);
    status_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The feed's bounds limit the deliveries in flight, and with them this channel.
    let (report, mut ended) = mpsc::unbounded_channel::<(Delivery, Delivered)>();
    loop {
        for delivery in feed.next(clock.now()) {
            let (endpoint, report, follow) = (Arc::clone(&endpoint), report.clone(), follow.clone());
            in_flight.spawn(async move {
                // Receivers compare the timestamp with their own clocks, so it is wall time and not the journal's time.
                let delivered = match erased::without_erased(&follow, &delivery.event).await {
                    Ok(event) => endpoint.deliver(&event, wall()).await,
                    Err(instead) => instead,
                };
                let _stopping = report.send((delivery, delivered));
            });
        }
        // Taking progress resets it in the feed, so it is taken only when it can be recorded.
        if gap.record(&endpoint.name, &engine, &follow).await?
            && let Some(progress) = feed.progress(clock.now())
        {
            record(&engine, &endpoint.name, &mut feed, progress).await?;
        }
        for (reader, from) in feed.wants(follow.committed()) {
            let past = follow.past_gap(from);
            if past != from {
                // These positions were lost from the journal; a `journal.loss` event reports that.
                feed.pass_gap(reader, past);
            }
            let from = past;
            match reader {
                // A replay may include events too old for normal delivery.
                Reader::Replay if from < follow.oldest() => feed.replay_from(follow.oldest()),
                Reader::Backlog | Reader::Live | Reader::Parked if from < follow.deliver_from() => {
                    gap.skip_to(&mut feed, &endpoint.name, follow.deliver_from());
                    break;
                }
                _ => reading.begin(&follow, reader, from),
            }
        }
        let due = feed.due().map(|due| clock.began + due);
        let to_record = feed.has_progress() || !gap.is_recorded();
        let progress = to_record.then(|| Instant::now() + PROGRESS_EVERY);
        let wake = due.into_iter().chain(progress).min();
        tokio::select! {
            () = stop.cancelled() => break,
            Some((delivery, delivered)) = ended.recv() => settle(&mut feed, &endpoint.name, &delivery, delivered, &mut clock),
            Some((reader, read)) = reading.ended() => match read {
                Ok(frames) => frames.iter().for_each(|frame| feed.follow(reader, frame)),
                Err(FollowFailed::Stopped) => return Err(FollowFailed::Stopped),
                Err(FollowFailed::Journal(JournalFailed::Gone { oldest })) if reader == Reader::Replay => {
                    feed.replay_from(oldest);
                }
                Err(FollowFailed::Journal(JournalFailed::Gone { oldest })) => {
                    gap.skip_to(&mut feed, &endpoint.name, oldest);
                }
                // A replay only repeats delivered events, so ending it loses nothing.
                Err(failed) if reader == Reader::Replay => {
                    observe::replay_unreadable(&endpoint.name, &failed.to_string());
                    feed.end_replay();
                }
                Err(failed) => return Err(failed),
            },
            Some(range) = replays.recv(), if feed.takes_replays() => {
                feed.replay(range);
            }
            _ = status_tick.tick() => {
                keep_time(&mut clock, &follow);
                let now = clock.now();
                let status = feed.status(now);
                if std::mem::replace(&mut paused, status.paused) != status.paused {
                    observe::feed_paused(&endpoint.name, paused);
                    readiness.note(&format!("endpoint {}", endpoint.name), paused.then_some(PAUSED));
                }
                endpoint.status.set(&status, follow.count_from(status.unread), now);
                observe::feed_status(&endpoint.name, observe::FeedStatus {
                    lag: follow.count_from(status.watermark),
                    oldest: status.oldest.map(|at| now.wall.since(at)),
                    parked: status.parked,
                    paused,
                });
            }
            () = sleep_until(wake) => {}
        }
    }
    in_flight.close();
    // Deliveries unanswered by then are repeated after the next start, with the same id and bytes.
    let _late = tokio::time::timeout(STOP_WITHIN, in_flight.wait()).await;
    while let Ok((delivery, delivered)) = ended.try_recv() {
        settle(&mut feed, &endpoint.name, &delivery, delivered, &mut clock);
    }
    // A gap that could not be recorded is detected again at the next start.
    let gap_is_recorded = gap.record(&endpoint.name, &engine, &follow).await?;
    while gap_is_recorded && feed.has_progress() {
        let progress = feed.take_progress();
        if !record(&engine, &endpoint.name, &mut feed, progress).await? {
            break;
        }
    }
    Ok(())
}

fn settle(feed: &mut Feed, endpoint: &str, delivery: &Delivery, delivered: Delivered, clock: &mut Clock) {
    if feed.settle(delivery, delivered, clock.now()) {
        observe::replay_given_up(endpoint, &delivery.event.id.to_string());
    }
}

/// A clock on the journal's time, by which the ages of events are measured.
async fn clock(follow: &Follow) -> Result<Clock, FollowFailed> {
    match page(follow, follow.committed()).await {
        Ok(latest) => Ok(latest.first().map_or_else(Clock::new, |frame| Clock::of_the_journal(frame.at))),
        // No frame has been written yet.
        Err(FollowFailed::Journal(JournalFailed::Gone { .. })) => Ok(Clock::new()),
        Err(failed) => Err(failed),
    }
}

/// Moves the clock to the newest frame's time.
fn keep_time(clock: &mut Clock, follow: &Follow) {
    let latest = follow.recent(follow.committed(), 1).unwrap_or_default();
    latest.iter().for_each(|frame| clock.not_before(frame.at));
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Reads in flight, at most one page per reader. They are kept across iterations of the loop, because a file read that
/// has begun cannot be cancelled.
#[derive(Default)]
struct Readings {
    in_flight: JoinSet<(Reader, Read)>,
    readers: BTreeSet<Reader>,
}

type Read = Result<Vec<Arc<CommittedFrame>>, FollowFailed>;

impl Readings {
    /// Starts to read the next frames for a reader, as soon as they are committed.
    fn begin(&mut self, follow: &Follow, reader: Reader, from: Position) {
        if !self.readers.insert(reader) {
            return;
        }
        let mut follow = follow.clone();
        self.in_flight.spawn(async move {
            let read = match follow.wait_for(from).await {
                Ok(()) => page(&follow, from).await,
                Err(failed) => Err(failed),
            };
            (reader, read)
        });
    }

    /// The next page that was read; `None` while no read is in flight.
    async fn ended(&mut self) -> Option<(Reader, Read)> {
        let (reader, read) = self.in_flight.join_next().await?.ok()?;
        self.readers.remove(&reader);
        Some((reader, read))
    }
}

/// Records the progress; returns whether the engine accepted it.
async fn record(engine: &Handle, endpoint: &str, feed: &mut Feed, progress: Progress) -> Result<bool, FollowFailed> {
    let Progress { watermark, parked, .. } = progress.clone();
    let advance = Command::AdvanceFeed { endpoint: endpoint.to_owned(), watermark, parked };
    match engine.submit(advance, PATIENCE).await {
        Ok(_) => Ok(true),
        Err(SubmitError::Busy | SubmitError::TooLate) => {
            // Until it is recorded, a crash repeats a few more deliveries.
            feed.not_recorded(progress);
            Ok(false)
        }
        Err(SubmitError::Stopped) => Err(FollowFailed::Stopped),
    }
}
