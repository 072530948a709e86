//! Asks the feeds that run to tell events once more.

use crate::model::Position;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Replays on their way to a feed, which has room for some more itself.
const WAITING_MAX: usize = 4;

/// The way to each endpoint's feed. Clones lead to the same feeds.
#[derive(Clone, Default, Debug)]
pub struct Replays(BTreeMap<String, Sender<Range<Position>>>);

/// The feeds' ends of the ways, by their endpoints' names.
pub type Receivers = HashMap<String, Receiver<Range<Position>>>;

/// Why nothing will be told once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayRefused {
    /// There is no such endpoint.
    #[error("there is no such endpoint")]
    NoSuchEndpoint,
    /// Too many replays wait.
    #[error("too many replays wait already")]
    TooMany,
    /// The feed has ended: the gateway stops.
    #[error("the gateway is stopping")]
    Stopping,
}

impl Replays {
    /// Ways to the feeds of these endpoints.
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

    /// Has one endpoint, or all, told once more what they were told of these positions. Returns their names.
    pub fn replay(&self, endpoint: Option<&str>, range: Range<Position>) -> Result<Vec<&str>, ReplayRefused> {
        let wanted = |name: &str| endpoint.is_none_or(|endpoint| endpoint == name);
        let mut places = Vec::new();
        for (name, sender) in self.0.iter().filter(|(name, _)| wanted(name)) {
            // A place in each first, so that it is all of them or none.
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
