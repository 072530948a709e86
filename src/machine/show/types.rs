//! The types of platform events: the closed list, and what an event of each type is about and carries.

use self::Data::{
    Account, Call, Contact, DirectoryChange, FeedGap, JournalLoss, LateMessage, Medium, Message, Quarantined,
    Verification,
};
use self::InCall::{Always, Never, Sometimes};
use super::DIRECTORY_CHANGED;

/// A type of platform event.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// Its name.
    pub name: &'static str,
    /// What its `data` is.
    pub data: Data,
    /// Whether it has a `call_id` and a `call_sequence`.
    pub in_call: InCall,
    /// When there is one: a sentence for people.
    pub about: &'static str,
}

/// The `data` of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Data {
    /// A call.
    Call,
    /// A message of a call, or a reply of the gateway.
    Message,
    /// A text that belongs to no call.
    LateMessage,
    /// A medium of a message.
    Medium,
    /// A person's opt-out or opt-in.
    Contact,
    /// The state of one of our numbers.
    Verification,
    /// A carrier account, paused or resumed.
    Account,
    /// A webhook that could not be read.
    Quarantined,
    /// A resource of the directory.
    DirectoryChange,
    /// Events that an endpoint missed. Only that endpoint gets the event.
    FeedGap,
    /// Events that were lost.
    JournalLoss,
}

/// Whether events of a type are in the sequence of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InCall {
    /// Each of them is.
    Always,
    /// Only those that concern a call.
    Sometimes,
    /// None is.
    Never,
}

/// All types.
pub const TYPES: &[EventType] = &[
    of("call.started", Call, Always, "A call was started."),
    of("call.updated", Call, Always, "A call changed: its fields, or its session."),
    of("call.ended", Call, Always, "A call ended."),
    of("message.received", Message, Always, "A text of the caller came in during the call. It has its text."),
    of("message.late", LateMessage, Never, "A text came in that belongs to no call."),
    of("message.queued", Message, Sometimes, "A text to a person was accepted and waits. It has its text."),
    of("message.sent", Message, Sometimes, "The carrier took the text."),
    of("message.delivered", Message, Sometimes, "The carrier reports that the text was delivered."),
    of("message.undelivered", Message, Sometimes, "The carrier reports that the text could not be delivered."),
    of("message.failed", Message, Sometimes, "The text was refused; `error` says why."),
    of("message.cancelled", Message, Sometimes, "The text was cancelled before it was sent."),
    of("message.expired", Message, Sometimes, "The text became too old before it was sent."),
    of("message.unconfirmed", Message, Sometimes, "It is unknown whether the carrier took the text."),
    of("media.ready", Medium, Sometimes, "A photo or video of the caller can be fetched."),
    of("media.failed", Medium, Sometimes, "A photo, video or other file of the caller is not kept; `detail` says why."),
    of("contact.opted_out", Contact, Never, "A person must not be texted any more."),
    of("contact.opted_in", Contact, Never, "A person may be texted again."),
    of("number.verification_changed", Verification, Never, "The verification of one of our numbers changed."),
    of("account.paused", Account, Never, "Nothing is sent through the account, because it fails or was suspended."),
    of("account.resumed", Account, Never, "The account sends again."),
    of("quarantine.added", Quarantined, Never, "An authentic webhook of a carrier could not be read, and is kept."),
    of(DIRECTORY_CHANGED, DirectoryChange, Never, "A resource of the directory was created, changed or deleted."),
    of("feed.gap", FeedGap, Never, "Events were deleted before this endpoint got them."),
    of("journal.loss", JournalLoss, Never, "Events were lost with a part of the journal."),
];

/// The names of all types.
pub const KINDS: &[&str] = &names();

const fn of(name: &'static str, data: Data, in_call: InCall, about: &'static str) -> EventType {
    EventType { name, data, in_call, about }
}

const fn names() -> [&'static str; TYPES.len()] {
    let mut names = [""; TYPES.len()];
    let mut nth = 0;
    while nth < names.len() {
        names[nth] = TYPES[nth].name;
        nth += 1;
    }
    names
}
