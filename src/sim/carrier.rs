//! A carrier that speaks as its data sheet describes: accepts sends, delivers them to phones, posts receipts and
//! texts. What differs by carrier is in `dialect`.
//!
//! Invariant: its record contains everything it saw and did, in order, before the other side can know of it. A send
//! is recorded before its response is written, and a webhook before it is posted.
//!
//! One `Carrier` is one account. Its webhooks go to `{public_url}/carriers/{account}/messages` and, for receipts, to
//! `…/receipts` or where the send says; both are signed for the public URL and posted to the gateway's door, which is
//! set by `gateway_is_at` (again after each restart on another port).

mod batch;
mod behaviour;
#[cfg(feature = "test-support")]
mod controls;
mod dialect;
pub(super) mod hooks;
mod keypad;
mod look_ups;
mod media;
mod quirk;
mod record;
mod sends;
#[cfg(test)]
mod tests;
mod tokens;

pub use self::behaviour::{Behaviour, OUTAGE_SENDS, RetryAfter};
pub use self::dialect::{ACCOUNT_SID, AUTH_TOKEN, Kind, NoSuchCarrier};
pub use self::look_ups::LookUpAnswer;
pub use self::media::{ListedAs, MediumAnswer, SentMedium};
pub use self::quirk::Quirk;
pub use self::record::{CarrierRecord, Fetch, Malformed, News, Notice, Post, PostAnswer, Webhook};
pub use self::tokens::TokenAnswer;

use self::dialect::Dialect;
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
    /// Which carrier it is.
    pub kind: Kind,
    /// The public URL of the gateway's carriers' door: `https://sms.example.com`, without a trailing slash.
    pub public_url: String,
    /// The account's numbers, all with SMS and MMS. Sends from other numbers are refused (21606).
    pub numbers: Vec<E164>,
    /// When a webhook is retried.
    pub resend: Resend,
    /// Whether STOP from a phone blocks the pair and is confirmed by the carrier, where it can do that.
    pub keeps_opt_outs: bool,
    /// Base URL of media, if not the carrier's own address (a TLS proxy in front of it, for example).
    pub media_url: Option<String>,
    /// Maximum entries in each list of the record.
    pub record_max: usize,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self::of(Kind::Twilio)
    }
}

impl CarrierSettings {
    /// A carrier of this kind, with its habits.
    pub fn of(kind: Kind) -> Self {
        Self {
            seed: 1,
            account: "main".to_owned(),
            kind,
            public_url: "https://sms.example.com".to_owned(),
            numbers: vec!["+12065550100".parse().expect("the example number is one")],
            resend: kind.dialect().habits().resend,
            keeps_opt_outs: true,
            media_url: None,
            record_max: super::RECORD_MAX,
        }
    }

    /// The account's part of the gateway's configuration, and the files that it names with their content.
    pub fn configuration(&self, api_url: &str) -> (String, Vec<(&'static str, String)>) {
        let keys = self.kind.dialect().keys();
        let (account, carrier, public_url) = (&self.account, self.kind.carrier(), &self.public_url);
        let common = format!(
            "[[account]]\nname = \"{account}\"\ncarrier = \"{carrier}\"\npublic_url = \"{public_url}\"\napi_url = \"{api_url}\"\n"
        );
        (common + &keys.lines, keys.secrets)
    }
}

/// When a webhook is retried. The default is Twilio's: once, and only if no connection could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// What makes it retry.
    pub again: Again,
    /// Maximum attempts, including the first.
    pub attempts_max: u32,
    /// The wait between two attempts.
    pub spacing: Duration,
}

impl Default for Resend {
    fn default() -> Self {
        Self { again: Again::NotConnected, attempts_max: 2, spacing: Duration::from_millis(200) }
    }
}

/// What makes a carrier post a webhook again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No connection could be made.
    NotConnected,
    /// Also 429, 5xx, and no response.
    Busy,
    /// Anything but a 2xx, so that a fault test can require that everything arrives.
    Not2xx,
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
        Self::start_on(settings, Port::take()?)
    }

    /// Starts the carrier at this address.
    pub async fn start_at(settings: CarrierSettings, address: SocketAddr) -> io::Result<Self> {
        Self::start_on(settings, Port::at(address)?)
    }

    fn start_on(settings: CarrierSettings, api: Port) -> io::Result<Self> {
        let there = NumberThere { mms: settings.kind.has_mms(), ..NumberThere::default() };
        let core = Arc::new(CarrierCore {
            url: format!("http://{}", api.address()),
            state: Mutex::new(State {
                behaviour: Behaviour::default(),
                behaviours: HashMap::new(),
                gateway: None,
                numbers: settings.numbers.iter().map(|number| (*number, there.clone())).collect(),
                look_ups: LookUpAnswer::default(),
                inboxes: HashMap::new(),
                arrivals: broadcast::Sender::new(ARRIVALS_MAX),
                opted_out: HashSet::new(),
                seen: HashMap::new(),
                marks: HashSet::new(),
                requests: 0,
                receipts_waiting: 0,
                media: HashMap::new(),
                tokens: tokens::Tokens::default(),
                batches: HashMap::new(),
                recorder: Recorder::new(settings.record_max),
            }),
            dialect: settings.kind.dialect(),
            settings,
            news: Notify::new(),
            client: HttpClient::new(),
            in_flight: Semaphore::new(WEBHOOKS_IN_FLIGHT_MAX),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        Ok(Self { api: Server::start(api, core.clone())?, core })
    }

    /// Sets the behaviour from the next request on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.core.state().behaviour = behaviour;
    }

    /// The account's `api_url`.
    pub fn url(&self) -> &str {
        &self.core.url
    }

    /// Sets the address of the gateway's carriers' door.
    pub fn gateway_is_at(&self, address: SocketAddr) {
        self.core.state().gateway = Some(address);
    }

    /// Whether its receipts repeat the gateway's id of a message, and not only its own.
    pub fn receipts_name_messages(&self) -> bool {
        self.core.settings.kind != Kind::Generic
    }

    /// Whether its phones can send photos and videos.
    pub fn has_mms(&self) -> bool {
        self.core.settings.kind.has_mms()
    }

    /// Its phones and behaviour.
    pub fn remote(&self) -> Remote {
        Remote(self.core.clone())
    }

    /// Whether it answers STOP and START itself.
    pub fn answers_keywords(&self) -> bool {
        self.core.settings.keeps_opt_outs && self.core.dialect.habits().keywords.is_some()
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

/// A carrier's phones and behaviour, for who does not own it. Clones are the same.
#[derive(Clone)]
pub struct Remote(Arc<CarrierCore>);

impl Remote {
    /// See [`Carrier::phone`].
    pub fn phone(&self, number: E164) -> Phone {
        self.0.state().inboxes.entry(number).or_default();
        Phone::new(number, self.0.clone())
    }

    /// See [`Carrier::arrivals`].
    pub fn arrivals(&self) -> broadcast::Receiver<(E164, Arrived)> {
        self.0.state().arrivals.subscribe()
    }

    /// See [`Carrier::set_behaviour`].
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.0.state().behaviour = behaviour;
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
    dialect: &'static dyn Dialect,
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
    /// The gateway's marks of accepted sends. Limited by the record's limit.
    marks: HashSet<String>,
    /// Requests for sends, read or not.
    requests: u64,
    /// Messages with receipts not yet posted and answered.
    receipts_waiting: usize,
    /// What phones sent, by the carrier's id of it.
    media: HashMap<String, media::Held>,
    tokens: tokens::Tokens,
    /// Elements of webhooks to be posted together, by URL.
    batches: HashMap<String, Vec<batch::Waiting>>,
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

    /// The URL that texts to this number go to.
    fn text_url(&self, to: E164) -> String {
        let url = self.state().numbers.get(&to).and_then(|there| there.sms_url.clone());
        url.unwrap_or_else(|| dialect::hook_url(self, "messages"))
    }

    /// What the carrier reports about the account's numbers.
    fn numbers(&self) -> Vec<(E164, NumberThere)> {
        let mut numbers: Vec<_> = self.state().numbers.iter().map(|(number, there)| (*number, there.clone())).collect();
        numbers.sort_by_key(|(number, _)| *number);
        numbers
    }

    /// Whether this token may be used now.
    fn token_holds(&self, token: &str) -> bool {
        self.state().tokens.holds(token)
    }

    /// Whether the account may send from this number.
    fn sends_from(&self, number: E164) -> bool {
        self.state().numbers.get(&number).is_some_and(|there| there.sms)
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
        if let Some(phone) = keypad::phone(&request) {
            return keypad::send(&self, phone, request).await;
        }
        let (head, body) = request.into_parts();
        if media::is_stored(&head) {
            return media::stored(&self, &head).await;
        }
        if media::is_at_carrier(&self, &head) {
            return media::at_carrier(&self, &head).await;
        }
        sends::serve(&self, Request::from_parts(head, body)).await
    }
}

/// The current time, for records.
fn now() -> Instant {
    Instant::now()
}
