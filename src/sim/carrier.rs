//! A carrier that speaks Twilio's HTTP API, as its data sheet describes it: accepts sends, delivers them to phones,
//! posts receipts and texts.
//!
//! Invariant: its record contains everything it saw and did, in order, before the other side can know of it. A send
//! is recorded before its response is written, and a webhook before it is posted.
//!
//! One `Carrier` is one account. Its webhooks go to `{public_url}/carriers/{account}/messages` and, for receipts, to
//! the `StatusCallback` of the send; both are signed for the public URL and posted to the gateway's door, which is
//! set by `gateway_is_at` (again after each restart on another port).

mod behaviour;
#[cfg(feature = "test-support")]
mod controls;
pub(super) mod hooks;
mod keypad;
mod look_ups;
mod media;
mod quirk;
mod record;
mod sends;
#[cfg(test)]
mod tests;

pub use self::behaviour::{Behaviour, OUTAGE_SENDS, RetryAfter};
pub use self::look_ups::LookUpAnswer;
pub use self::media::{ListedAs, MediumAnswer, SentMedium};
pub use self::quirk::Quirk;
pub use self::record::{CarrierRecord, Fetch, Malformed, News, Notice, Post, PostAnswer, Webhook};

use self::record::Recorder;
use super::phone::Phone;
use super::wire::{Cut, HttpClient, Port, Reply, Serve, Server};
use super::{Redacted, TooLate, wait_until};
use crate::model::E164;
use http::Request;
use hyper::body::Incoming;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Webhooks posted concurrently. The gateway's door accepts more; queueing here hides nothing, since a webhook's time
/// is measured from its own POST.
const WEBHOOKS_IN_FLIGHT_MAX: usize = 512;
/// Messages with pending receipts. Beyond that the carrier answers 429, as a real one does.
const RECEIPTS_WAITING_MAX: usize = 65_536;
/// Texts kept per phone; the oldest are dropped.
const INBOX_MAX: usize = 10_000;
/// Arrivals buffered per watcher; a slower watcher misses the oldest.
const ARRIVALS_MAX: usize = 256;

/// Settings of the carrier. Start from `CarrierSettings::default()`, which is a complete example.
#[derive(Clone)]
pub struct CarrierSettings {
    /// Seed of the sids and of all random behaviour.
    pub seed: u64,
    /// The account's name in the gateway's configuration.
    pub account: String,
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Signs webhooks, and is the password for sends.
    pub auth_token: String,
    /// The public URL of the gateway's carriers' door: `https://sms.example.com`, without a trailing slash.
    pub public_url: String,
    /// The account's numbers, all with SMS and MMS. Sends from other numbers are refused (21606).
    pub numbers: Vec<E164>,
    /// When a webhook is retried.
    pub resend: Resend,
    /// Whether STOP from a phone blocks the pair and is confirmed by the carrier, as Twilio does by default.
    pub keeps_opt_outs: bool,
    /// Base URL of media, if not the carrier's own address (a TLS proxy in front of it, for example).
    pub media_url: Option<String>,
    /// Maximum entries in each list of the record.
    pub record_max: usize,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            account: "main".to_owned(),
            account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
            auth_token: "5f3a9c0e7b21d4468ac0ff13572b9e60".to_owned(),
            public_url: "https://sms.example.com".to_owned(),
            numbers: vec!["+12065550100".parse().expect("the example number is one")],
            resend: Resend::default(),
            keeps_opt_outs: true,
            media_url: None,
            record_max: super::RECORD_MAX,
        }
    }
}

/// When a webhook is retried. The default is Twilio's: once, and only if no connection could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// Retry until there is a 2xx, so that a fault test can require that everything arrives.
    pub until_2xx: bool,
    /// Maximum attempts, including the first.
    pub attempts_max: u32,
    /// The wait between two attempts.
    pub spacing: Duration,
}

impl Default for Resend {
    fn default() -> Self {
        Self { until_2xx: false, attempts_max: 2, spacing: Duration::from_millis(200) }
    }
}

/// A text as it arrived on a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Our number; also for texts the carrier sends in its name (an opt-out confirmation).
    pub from: E164,
    /// The text.
    pub text: Redacted,
}

/// A running carrier. It stops when dropped.
pub struct Carrier {
    core: Arc<CarrierCore>,
    api: Server<CarrierCore>,
}

impl Carrier {
    /// Starts the carrier on a free loopback port.
    pub async fn start(settings: CarrierSettings) -> io::Result<Self> {
        let api = Port::take()?;
        let core = Arc::new(CarrierCore {
            url: format!("http://{}", api.address()),
            state: Mutex::new(State {
                behaviour: Behaviour::default(),
                behaviours: HashMap::new(),
                gateway: None,
                numbers: settings.numbers.iter().map(|number| (*number, NumberThere::default())).collect(),
                look_ups: LookUpAnswer::default(),
                inboxes: HashMap::new(),
                arrivals: broadcast::Sender::new(ARRIVALS_MAX),
                opted_out: HashSet::new(),
                seen: HashMap::new(),
                requests: 0,
                receipts_waiting: 0,
                media: HashMap::new(),
                recorder: Recorder::new(settings.record_max),
            }),
            settings,
            news: Notify::new(),
            client: HttpClient::new(),
            in_flight: Semaphore::new(WEBHOOKS_IN_FLIGHT_MAX),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        Ok(Self { api: Server::start(api, core.clone())?, core })
    }

    /// The account's `api_url`.
    pub fn url(&self) -> &str {
        &self.core.url
    }

    /// Sets the address of the gateway's carriers' door.
    pub fn gateway_is_at(&self, address: SocketAddr) {
        self.core.state().gateway = Some(address);
    }

    /// A phone with this number. Phones with the same number share an inbox.
    pub fn phone(&self, number: E164) -> Phone {
        self.core.state().inboxes.entry(number).or_default();
        Phone::new(number, self.core.clone())
    }

    /// Subscribes to arriving texts, each with the phone it arrives on.
    pub fn arrivals(&self) -> broadcast::Receiver<(E164, Arrived)> {
        self.core.state().arrivals.subscribe()
    }

    /// URL at which a request sends a text from a phone, as `POST {address}/phones/+12065550142` with the text as its
    /// body. The text goes to the number that texted the phone last.
    pub fn keypads(&self) -> String {
        format!("{}{}", self.core.url, keypad::PATH)
    }

    /// Everything seen and done so far.
    pub fn record(&self) -> CarrierRecord {
        self.core.state().recorder.record.clone()
    }

    /// Waits until every pending receipt was posted and answered, or given up.
    pub async fn wait_for_receipts(&self, deadline: Duration) -> Result<(), TooLate> {
        wait_until(&self.core.news, deadline, (0, "receipts to post"), || match self.core.state().receipts_waiting {
            0 => Ok(()),
            waiting => Err(waiting),
        })
        .await
    }

    /// Stops listening, abandons webhooks in flight, and returns when all its tasks have ended.
    pub async fn stop(self) -> CarrierRecord {
        self.core.stopping.cancel();
        self.api.close().await;
        self.core.tasks.close();
        self.core.tasks.wait().await;
        self.record()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.core.stopping.cancel();
    }
}

/// What the carrier reports about a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberThere {
    /// Supports SMS.
    pub sms: bool,
    /// Supports MMS.
    pub mms: bool,
    /// Where its texts go; `None` for the gateway's door, as it should be.
    pub sms_url: Option<String>,
}

impl Default for NumberThere {
    fn default() -> Self {
        Self { sms: true, mms: true, sms_url: None }
    }
}

/// State shared by the carrier's tasks and phones.
pub(super) struct CarrierCore {
    settings: CarrierSettings,
    url: String,
    state: Mutex<State>,
    /// Notified when something was recorded or arrived on a phone.
    news: Notify,
    client: HttpClient,
    in_flight: Semaphore,
    stopping: CancellationToken,
    /// The pending receipts, one task per message.
    tasks: TaskTracker,
}

struct State {
    behaviour: Behaviour,
    behaviours: HashMap<E164, Behaviour>,
    gateway: Option<SocketAddr>,
    numbers: HashMap<E164, NumberThere>,
    /// How look-ups of numbers are answered.
    look_ups: LookUpAnswer,
    inboxes: HashMap<E164, VecDeque<Arrived>>,
    arrivals: broadcast::Sender<(E164, Arrived)>,
    /// Pairs of (our number, phone) closed by STOP.
    opted_out: HashSet<(E164, E164)>,
    /// How often a text was sent before, by fingerprint of sender, recipient and text. Limited by the record's limit.
    seen: HashMap<u64, u64>,
    /// Requests for sends, read or not.
    requests: u64,
    /// Messages with receipts not yet posted and answered.
    receipts_waiting: usize,
    /// What phones sent, by the carrier's id of it.
    media: HashMap<String, media::Held>,
    recorder: Recorder,
}

impl State {
    /// How often this occurred before.
    fn nth(&mut self, about: &[&str], entries_max: usize) -> u64 {
        if self.seen.len() >= entries_max {
            self.seen.clear();
        }
        let count = self.seen.entry(super::dice::fingerprint(about)).or_default();
        *count += 1;
        *count - 1
    }

    /// Adds a text to a phone's inbox, if the phone exists.
    fn arrive(&mut self, phone: E164, arrived: Arrived) {
        // An error means that there is no watcher.
        let _watched = self.arrivals.send((phone, arrived.clone()));
        if let Some(inbox) = self.inboxes.get_mut(&phone) {
            inbox.push_back(arrived);
            if inbox.len() > INBOX_MAX {
                inbox.pop_front();
            }
        }
    }
}

impl CarrierCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    #[cfg(feature = "test-support")]
    pub(super) fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// The texts on a phone, oldest first.
    pub(super) fn inbox(&self, phone: E164) -> Vec<Arrived> {
        self.state().inboxes.get(&phone).map(|inbox| inbox.iter().cloned().collect()).unwrap_or_default()
    }

    /// Waits until `look` accepts the texts on a phone.
    pub(super) async fn wait_for_inbox<T>(
        &self,
        phone: E164,
        deadline: Duration,
        wanted: usize,
        mut look: impl FnMut(&VecDeque<Arrived>) -> Result<T, usize>,
    ) -> Result<T, TooLate> {
        wait_until(&self.news, deadline, (wanted, "texts"), || {
            self.state().inboxes.get(&phone).map_or(Err(0), &mut look)
        })
        .await
    }
}

impl Serve for CarrierCore {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Cut> {
        if request.uri().path().contains("/Media/") {
            return media::redirect(&self, &request).await;
        }
        if media::is_stored(&request) {
            return media::stored(&self, &request).await;
        }
        if let Some(phone) = keypad::phone(&request) {
            return keypad::send(&self, phone, request).await;
        }
        sends::serve(&self, request).await
    }
}

/// The current time, for records.
fn now() -> Instant {
    Instant::now()
}
