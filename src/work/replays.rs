//! Passes replay requests to the running feeds.

use crate::model::Position;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Replay requests queued for one feed, in addition to those that the feed holds itself.
const WAITING_MAX: usize = 4;

/// The senders to all feeds, by endpoint. Clones send to the same feeds.
#[derive(Clone, Default, Debug)]
pub struct Replays(BTreeMap<String, Sender<Range<Position>>>);

/// The receivers of the feeds, by endpoint name.
pub type Receivers = HashMap<String, Receiver<Range<Position>>>;

/// Why a replay was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayRefused {
    /// No endpoint has this name.
    #[error("there is no such endpoint")]
    NoSuchEndpoint,
    /// Too many replays are queued.
    #[error("too many replays are queued")]
    TooMany,
    /// The feed has ended: the gateway is shutting down.
    #[error("the gateway is shutting down")]
    Stopping,
}

impl Replays {
    /// Creates a channel to the feed of each endpoint.
    pub fn to<'a>(names: impl IntoIterator<Item = &'a str>) -> (Self, Receivers) {
        let ways = names.into_iter().map(|name| (name.to_owned(), mpsc::channel(WAITING_MAX)));
        let (mut senders, mut receivers) = (BTreeMap::new(), HashMap::new());
        for (name, (sender, receiver)) in ways {
            senders.insert(name.clone(), sender);
            receivers.insert(name, receiver);
        }
        (Self(senders), receivers)
    }

    /// The names of all endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Replays these positions to one endpoint, or to all. Returns the endpoints' names.
    pub fn replay(&self, endpoint: Option<&str>, range: Range<Position>) -> Result<Vec<&str>, ReplayRefused> {
        let wanted = |name: &str| endpoint.is_none_or(|endpoint| endpoint == name);
        let mut places = Vec::new();
        for (name, sender) in self.0.iter().filter(|(name, _)| wanted(name)) {
            // Slots are reserved first, so that either all feeds get the request or none.
            let place = sender.try_reserve().map_err(|refused| match refused {
                TrySendError::Full(()) => ReplayRefused::TooMany,
                TrySendError::Closed(()) => ReplayRefused::Stopping,
            })?;
            places.push((name.as_str(), place));
        }
        if places.is_empty() {
            return Err(ReplayRefused::NoSuchEndpoint);
        }
        let names = places.into_iter().map(|(name, place)| {
            place.send(range.clone());
            name
        });
        Ok(names.collect())
    }
}
