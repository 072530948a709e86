//! The loop around [`Feed`]: signs events and hands them to the platform's endpoint.

use super::feed::{Delivered, Feed};
use super::sender::{Clock, page};
use crate::engine::{Follow, FollowFailed, Handle, SubmitError, Urgency};
use crate::machine::command::Command;
use crate::machine::event::Story;
use crate::machine::show::Told;
use crate::model::Position;
use crate::net::{Answer, Client, SendFailed};
use crate::observe;
use bytes::Bytes;
use http::{Request, Uri, header};
use standardwebhooks::Webhook;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest a `Retry-After` is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the engine is given to note the progress.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long deliveries under way are waited for when the gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How often progress is looked at while there is some.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Where the platform wants its events.
pub struct Endpoint {
    /// Our name of it.
    pub name: String,
    /// Its address.
    pub url: Uri,
    /// Its keys; all of them sign, so that a key can be changed without a gap.
    pub keys: Vec<Webhook>,
    /// Its own connections.
    pub client: Client,
}

/// Delivers what is committed from `watermark` on, until `stop`; then waits for what is under way and notes how far it
/// came.
pub async fn deliver(
    endpoint: Endpoint,
    watermark: Position,
    engine: Handle,
    follow: Follow,
    stop: CancellationToken,
) -> Result<(), FollowFailed> {
    let mut clock = Clock::new();
    // What is older than the journal is nowhere.
    let mut feed = Feed::new(watermark.max(follow.oldest()));
    let endpoint = Arc::new(endpoint);
    let under_way = TaskTracker::new();
    let mut reading: Option<Reading> = None;
    // At most `IN_FLIGHT_MAX` deliveries are under way, so this never grows beyond them.
    let (tell, mut ended) = mpsc::unbounded_channel::<(Arc<Told>, Delivered)>();
    loop {
        for told in feed.next(clock.now()) {
            let (endpoint, tell) = (Arc::clone(&endpoint), tell.clone());
            under_way.spawn(async move {
                let delivered = endpoint.deliver(&told).await;
                let _stopping = tell.send((told, delivered));
            });
        }
        if let Some(watermark) = feed.progress(clock.now()) {
            note(&engine, &endpoint.name, watermark).await?;
            observe::feed_lag(&endpoint.name, follow.committed().0.saturating_sub(watermark.0));
        }
        let due = feed.due().map(|due| clock.began + due);
        let progress = feed.has_progress().then(|| Instant::now() + PROGRESS_EVERY);
        let wake = due.into_iter().chain(progress).min();
        if reading.is_none()
            && let Some(from) = feed.wants()
        {
            reading = Some(Box::pin(more(follow.clone(), from)));
        }
        tokio::select! {
            () = stop.cancelled() => break,
            Some((told, delivered)) = ended.recv() => feed.settle(&told, delivered, clock.now()),
            read = next_read(&mut reading) => {
                reading = None;
                for story in read? {
                    feed.follow(&story);
                }
            }
            () = sleep_until(wake) => {}
        }
    }
    under_way.close();
    // What is not answered by then is delivered again after the next start, with the same id and bytes.
    let _late = tokio::time::timeout(STOP_WITHIN, under_way.wait()).await;
    while let Ok((told, delivered)) = ended.try_recv() {
        feed.settle(&told, delivered, clock.now());
    }
    if feed.has_progress() {
        note(&engine, &endpoint.name, feed.watermark()).await?;
    }
    Ok(())
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Stories on their way. They are kept across turns of the loop, because a read of files once begun goes on anyhow.
type Reading = Pin<Box<dyn Future<Output = Result<Vec<Arc<Story>>, FollowFailed>> + Send>>;

/// The next stories, once there are some.
async fn more(mut follow: Follow, from: Position) -> Result<Vec<Arc<Story>>, FollowFailed> {
    follow.wait_for(from).await?;
    page(&follow, from).await
}

async fn next_read(reading: &mut Option<Reading>) -> Result<Vec<Arc<Story>>, FollowFailed> {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

async fn note(engine: &Handle, endpoint: &str, watermark: Position) -> Result<(), FollowFailed> {
    let advance = Command::AdvanceFeed { endpoint: endpoint.to_owned(), watermark, parked: Vec::new() };
    match engine.submit(advance, Urgency::Urgent, PATIENCE).await {
        // Progress that was not noted is part of the next note; until then a crash would repeat a little more.
        Ok(_) | Err(SubmitError::Busy | SubmitError::TooLate) => Ok(()),
        Err(SubmitError::Stopped) => Err(FollowFailed::Stopped),
    }
}

impl Endpoint {
    async fn deliver(&self, told: &Told) -> Delivered {
        let request = match self.request(told) {
            Ok(request) => request,
            Err(why) => {
                observe::delivery(&self.name, observe::Delivery::Refused, &why);
                return Delivered::Refused(None);
            }
        };
        let began = Instant::now();
        let answered = self.client.send(request).await;
        observe::endpoint_asked(&self.name, began.elapsed());
        match answered {
            Ok(answer) => self.read(&answer),
            Err(SendFailed::NeverWritten(why) | SendFailed::Unanswered(why)) => {
                observe::delivery(&self.name, observe::Delivery::Unanswered, &why);
                Delivered::Down(None)
            }
        }
    }

    /// The request of one attempt: the id and the bytes are the event's, the time is the attempt's.
    fn request(&self, told: &Told) -> Result<Request<Bytes>, String> {
        let id = told.id.to_string();
        let timestamp = Clock::new().now().wall.as_secs();
        let timestamp = i64::try_from(timestamp).map_err(|_| "the clock is beyond its end".to_owned())?;
        let signatures: Result<Vec<_>, _> = self.keys.iter().map(|key| key.sign(&id, timestamp, &told.body)).collect();
        let signatures = signatures.map_err(|error| format!("the event could not be signed: {error}"))?;
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(Bytes::copy_from_slice(&told.body))
            .map_err(|error| format!("the request could not be made: {error}"))
    }

    fn read(&self, answer: &Answer) -> Delivered {
        let status = answer.status;
        let wish = answer
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse().ok())
            .map(|secs| Duration::from_secs(secs).min(RETRY_AFTER_MAX));
        let (outcome, delivered) = match status.as_u16() {
            200..=299 => (observe::Delivery::Delivered, Delivered::Yes),
            410 => (observe::Delivery::Gone, Delivered::Refused(None)),
            429 => (observe::Delivery::Later, Delivered::Refused(wish)),
            503 => (observe::Delivery::Later, Delivered::Down(wish)),
            502 | 504 => (observe::Delivery::Refused, Delivered::Down(None)),
            _ => (observe::Delivery::Refused, Delivered::Refused(None)),
        };
        observe::delivery(&self.name, outcome, status.as_str());
        delivered
    }
}
