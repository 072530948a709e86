//! Numbers, queues, presets and settings: what an administrator decides.

mod change;
mod settings;

pub use change::{Change, Json};
pub use settings::{AutoReply, Closing, NonUs, NonUsRule, OptOutScope, OptOutWords, Settings, UnknownSender};

use super::number::E164;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

/// What was offered as a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name: use 1 to {0} of A-Z a-z 0-9 _ . : -")]
pub struct InvalidName(usize);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                let fits = (1..=$max).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
                if fits { Ok(Self(text)) } else { Err(InvalidName($max)) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A queue's name.
    QueueId,
    64
);
name!(
    /// A preset's name within its language.
    PresetId,
    64
);
name!(
    /// A language as the platform names it: `en`, `it`, `pt-BR`.
    Language,
    16
);

/// Everything an administrator decides, as one document.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Directory {
    /// What holds for the whole gateway.
    pub settings: Settings,
    /// Our numbers.
    pub numbers: BTreeMap<E164, Number>,
    /// The platform's queues.
    pub queues: BTreeMap<QueueId, Queue>,
    /// Ready messages by language (R43).
    pub presets: BTreeMap<Language, BTreeMap<PresetId, Preset>>,
    /// Limits of carrier accounts, by the account's name.
    pub accounts: BTreeMap<String, Account>,
    /// Read off `queues` the first time it is asked; [`Directory::change`] forgets it.
    #[serde(skip)]
    owners: Owners,
}

/// Which queue owns an inbound number, once somebody asked. Two directories of the same queues are the same, whoever
/// was asked.
#[derive(Clone, Debug, Default)]
struct Owners(OnceLock<HashMap<E164, QueueId>>);

impl PartialEq for Owners {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Owners {}

/// How many parents a queue may have above it.
pub const QUEUE_DEPTH_MAX: usize = 16;

impl Directory {
    /// A directory of these.
    pub fn new(
        settings: Settings,
        numbers: BTreeMap<E164, Number>,
        queues: BTreeMap<QueueId, Queue>,
        presets: BTreeMap<Language, BTreeMap<PresetId, Preset>>,
        accounts: BTreeMap<String, Account>,
    ) -> Self {
        Self { settings, numbers, queues, presets, accounts, owners: Owners::default() }
    }

    /// The queue an inbound number belongs to (R19).
    pub fn owner_of(&self, number: E164) -> Option<&QueueId> {
        let owners = self.owners.0.get_or_init(|| {
            let inbound = |(id, queue): (&QueueId, &Queue)| {
                queue.inbound_numbers.iter().map(|number| (*number, id.clone())).collect::<Vec<_>>()
            };
            self.queues.iter().flat_map(inbound).collect()
        });
        owners.get(&number)
    }

    /// Whether the feature is on for a queue: by its own switch, else by the nearest parent's, else on (R62, A42).
    /// The main switch is another question.
    pub fn feature_on(&self, queue: &QueueId) -> bool {
        // A queue that was taken away has no feature to be on (A10).
        self.queues.contains_key(queue) && self.inherited(queue, |queue| queue.in_call_sms).unwrap_or(true)
    }

    /// The language of a queue's callers, where nobody says another: its own, else the nearest parent's (A42), else the
    /// default.
    pub fn language_of(&self, queue: &QueueId) -> Language {
        let own = self.inherited(queue, |queue| queue.language.clone());
        own.unwrap_or_else(|| self.settings.default_language.clone())
    }

    /// What a queue says itself, else the nearest of its parents that says it (A42).
    fn inherited<T>(&self, queue: &QueueId, says: impl Fn(&Queue) -> Option<T>) -> Option<T> {
        let mut at = self.queues.get(queue);
        for _ in 0..=QUEUE_DEPTH_MAX {
            let found = at?;
            if let Some(said) = says(found) {
                return Some(said);
            }
            at = found.parent.as_ref().and_then(|parent| self.queues.get(parent));
        }
        None
    }
}

/// How fast a number or an account may send.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a segment a second, so that 0.1/s is exact; `None` is without limit.
    pub millisegments_per_second: Option<u32>,
    /// Segments that may go at once.
    pub burst: u32,
    /// At most so many segments a day.
    pub segments_per_day: Option<u32>,
    /// The zone whose midnight begins that day.
    pub day_zone: String,
}

impl Limits {
    /// No limit at all, as accounts have by default.
    pub fn none() -> Self {
        Self {
            millisegments_per_second: None,
            burst: 1,
            segments_per_day: None,
            day_zone: "America/Los_Angeles".to_owned(),
        }
    }
}

impl Default for Limits {
    /// What a US long code outside 10DLC may: one segment a second.
    fn default() -> Self {
        Self { millisegments_per_second: Some(1000), ..Self::none() }
    }
}

/// One of our numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Number {
    /// What helps people to tell it from others (R28).
    pub label: String,
    /// The carrier account it belongs to.
    pub account: String,
    /// In-call or chat SMS, never both (R18).
    pub purpose: Purpose,
    /// The platform's global outbound number (R27).
    pub global_outbound: bool,
    /// How fast it may send (R24).
    pub limits: Limits,
    /// What the carrier says of it (R31).
    pub verification: Verification,
}

/// What a number is for (A41).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// In-call and wait-time SMS.
    InCall,
    /// The platform's other SMS channel.
    Chat,
}

/// What the carrier says of a number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verification {
    /// Whether it may be assigned.
    pub state: VerificationState,
    /// It can text.
    pub sms: bool,
    /// It can carry media.
    pub mms: bool,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was last asked.
    pub checked_at: Option<Timestamp>,
}

impl Default for Verification {
    fn default() -> Self {
        Self { state: VerificationState::Unverified, sms: false, mms: false, reason: None, checked_at: None }
    }
}

/// Whether a number may be assigned to a queue (R31).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationState {
    /// Never asked.
    Unverified,
    /// The carrier says yes.
    Verified,
    /// The carrier says no.
    Failed,
}

/// A queue of the platform.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Queue {
    /// For people.
    pub name: String,
    /// Settings it lacks come from there (A42).
    pub parent: Option<QueueId>,
    /// The queue's switch (R62); `None` inherits.
    pub in_call_sms: Option<bool>,
    /// Numbers that belong to this queue alone (R19, R20). They also send (R21).
    pub inbound_numbers: Vec<E164>,
    /// Numbers it may send from, shared or not (R22, R23).
    pub outbound_numbers: Vec<E164>,
    /// Taken first (A32).
    pub default_outbound: Option<E164>,
    /// Where the call says none; `None` is the settings' default language.
    pub language: Option<Language>,
}

/// A ready message (R45).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Preset {
    /// What the agent sees.
    pub label: String,
    /// What the caller gets.
    pub text: String,
}

/// What an administrator decides of a carrier account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// For all its numbers together.
    pub limits: Limits,
}
