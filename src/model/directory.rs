//! The directory: numbers, queues, presets and settings, which an administrator edits.

mod change;
mod holders;
mod settings;
mod shared;
mod versions;

pub use change::{Change, Json};
pub use holders::Holders;
pub use settings::{AutoReply, Closing, NonUs, NonUsRule, OptOutScope, OptOutWords, Settings, UnknownSender};
pub use shared::Shared;
pub use versions::{Expected, OnlyIf, Resource, Versions};

use super::id::Position;
use super::number::E164;
use super::time::Timestamp;
use holders::HoldersByNumber;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, iter};

/// The text is not a valid name.
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

/// Everything an administrator configures, as one document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directory {
    /// Settings of the whole gateway.
    pub settings: Settings,
    /// Our numbers.
    pub numbers: Shared<BTreeMap<E164, Number>>,
    /// The platform's queues.
    pub queues: Shared<BTreeMap<QueueId, Queue>>,
    /// Predefined messages by language (R43).
    pub presets: Shared<BTreeMap<Language, BTreeMap<PresetId, Preset>>>,
    /// Limits of carrier accounts, by account name.
    pub accounts: BTreeMap<String, Account>,
    /// When it and its resources last changed. [`Directory::change_at`] keeps it.
    pub versions: Versions,
    /// Derived from `queues` on first use; [`Directory::change`] resets it.
    holders: HoldersByNumber,
}

/// The maximum depth of a queue's chain of parents.
pub const QUEUE_DEPTH_MAX: usize = 16;

impl Directory {
    /// Builds a directory from its parts.
    pub fn new(
        settings: Settings,
        numbers: BTreeMap<E164, Number>,
        queues: BTreeMap<QueueId, Queue>,
        presets: BTreeMap<Language, BTreeMap<PresetId, Preset>>,
        accounts: BTreeMap<String, Account>,
    ) -> Self {
        Self {
            settings,
            numbers: numbers.into(),
            queues: queues.into(),
            presets: presets.into(),
            accounts,
            versions: Versions::default(),
            holders: HoldersByNumber::default(),
        }
    }

    /// The queue an inbound number belongs to (R19).
    pub fn owner_of(&self, number: E164) -> Option<&QueueId> {
        self.holders_of(number)?.inbound.first()
    }

    /// The queues that hold a number; `None` if no queue does.
    pub fn holders_of(&self, number: E164) -> Option<&Holders> {
        self.holders.of(number, &self.queues)
    }

    /// The version of a resource, or of the whole directory; `None` if the resource does not exist. An account exists
    /// by its configuration, also without limits here.
    pub fn version_of(&self, resource: Option<&Resource>) -> Option<Position> {
        let Some(resource) = resource else { return Some(self.versions.directory) };
        self.has(resource).then(|| self.versions.of(resource))
    }

    /// The account of one of our numbers; `None` if it is no longer ours.
    pub fn account_of(&self, ours: E164) -> Option<&str> {
        self.numbers.get(&ours).map(|number| number.account.as_str())
    }

    /// The limits of one of our numbers; the defaults if it is no longer ours.
    pub fn limits_of(&self, ours: E164) -> Limits {
        self.numbers.get(&ours).map(|number| number.limits.clone()).unwrap_or_default()
    }

    /// The limits of an account, if it has any.
    pub fn account_limits(&self, account: &str) -> Option<&Limits> {
        let limits = &self.accounts.get(account)?.limits;
        (limits.millisegments_per_second.is_some() || limits.segments_per_day.is_some()).then_some(limits)
    }

    /// Whether in-call SMS is on for a queue: its own switch, else the nearest parent's, else on (R62, A42).
    /// The main switch is checked separately.
    pub fn feature_on(&self, queue: &QueueId) -> bool {
        // A deleted queue counts as off (A10).
        self.queues.contains_key(queue) && self.inherited(queue, |queue| queue.in_call_sms).unwrap_or(true)
    }

    /// The language of a queue's callers unless the call names one: the queue's own, else the nearest parent's (A42),
    /// else the default.
    pub fn language_of(&self, queue: &QueueId) -> Language {
        let own = self.inherited(queue, |queue| queue.language.clone());
        own.unwrap_or_else(|| self.settings.default_language.clone())
    }

    /// The languages in use: the default one, and those of queues, presets and the settings' texts.
    pub fn languages(&self) -> BTreeSet<&Language> {
        let settings = &self.settings;
        let texts = [&settings.closing.texts, &settings.auto_reply.texts].into_iter().flat_map(BTreeMap::keys);
        let queues = self.queues.values().filter_map(|queue| queue.language.as_ref());
        iter::once(&settings.default_language).chain(queues).chain(self.presets.keys()).chain(texts).collect()
    }

    /// A property of the queue itself, else of the nearest parent that sets it (A42).
    fn inherited<T>(&self, queue: &QueueId, property: impl Fn(&Queue) -> Option<T>) -> Option<T> {
        let mut at = self.queues.get(queue);
        for _ in 0..=QUEUE_DEPTH_MAX {
            let found = at?;
            if let Some(value) = property(found) {
                return Some(value);
            }
            at = found.parent.as_ref().and_then(|parent| self.queues.get(parent));
        }
        None
    }
}

/// Rate limits of a number or an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a segment per second, so that 0.1/s is exact; `None` means no limit.
    pub millisegments_per_second: Option<u32>,
    /// Segments that may be sent at once.
    pub burst: u32,
    /// Maximum number of segments per day; `None` means no cap.
    pub segments_per_day: Option<u32>,
    /// The time zone whose midnight starts that day.
    pub day_zone: String,
}

impl Limits {
    /// No limit, the default of accounts.
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
    /// One segment per second, the limit of a US long code outside 10DLC.
    fn default() -> Self {
        Self { millisegments_per_second: Some(1000), ..Self::none() }
    }
}

/// One of our numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Number {
    /// A label for people (R28).
    pub label: String,
    /// The carrier account it belongs to.
    pub account: String,
    /// In-call or chat SMS, never both (R18).
    pub purpose: Purpose,
    /// The platform's global outbound number (R27).
    pub global_outbound: bool,
    /// Its rate limits (R24).
    pub limits: Limits,
    /// The result of its verification with the carrier (R31).
    pub verification: Verification,
}

/// The purpose of a number (A41).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// In-call and wait-time SMS.
    InCall,
    /// The platform's other SMS channel.
    Chat,
}

/// The result of verifying a number with its carrier.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verification {
    /// Whether the number may be assigned to a queue.
    pub state: VerificationState,
    /// The number can send SMS.
    pub sms: bool,
    /// The number can send MMS.
    pub mms: bool,
    /// Why the verification failed, for programs and translations.
    #[serde(default)]
    pub code: Option<VerificationCode>,
    /// Why it failed and what to do, as a sentence.
    pub reason: Option<String>,
    /// When the carrier last answered.
    pub checked_at: Option<Timestamp>,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            state: VerificationState::Unverified,
            sms: false,
            mms: false,
            code: None,
            reason: None,
            checked_at: None,
        }
    }
}

/// Whether a number may be assigned to a queue (R31).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationState {
    /// Not verified yet.
    Unverified,
    /// The carrier confirmed the number.
    Verified,
    /// The verification failed.
    Failed,
}

/// Why a number is not verified, or was not checked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationCode {
    /// The carrier does not have it on its account.
    NotOnAccount,
    /// It cannot send SMS.
    CannotText,
    /// Its webhook at the carrier points elsewhere.
    WebhookElsewhere,
    /// It is not one of our numbers.
    NotFound,
    /// The carrier does not say, whenever it is asked.
    CannotCheck,
    /// The carrier gave no answer in time.
    NoAnswer,
}

/// A queue of the platform.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Queue {
    /// A name for people.
    pub name: String,
    /// The queue from which settings that this one lacks are inherited (A42).
    pub parent: Option<QueueId>,
    /// The queue's switch (R62); `None` inherits it.
    pub in_call_sms: Option<bool>,
    /// Numbers that belong to this queue alone (R19, R20). They also send (R21).
    pub inbound_numbers: Vec<E164>,
    /// Numbers the queue may send from; other queues may have them too (R22, R23).
    pub outbound_numbers: Vec<E164>,
    /// The number preferred for sending (A32).
    pub default_outbound: Option<E164>,
    /// The language of calls that name none; `None` means the default language of the settings.
    pub language: Option<Language>,
}

/// A predefined message (R45).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Preset {
    /// The label the agent sees.
    pub label: String,
    /// The text the caller gets.
    pub text: String,
    /// Its place in the list that agents see: lower ones first, and those without one at the end, by id.
    #[serde(default)]
    pub position: Option<u32>,
}

/// The part of a carrier account that an administrator configures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The limits for all numbers of the account together.
    pub limits: Limits,
}
