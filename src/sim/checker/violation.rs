//! The ways a guarantee can be violated.

use crate::model::E164;

/// A violated guarantee. It names sids, ids and the ends of numbers, never a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A record was full, so it proves nothing.
    #[error("{unrecorded} entries did not fit in a record; raise record_max")]
    RecordIncomplete {
        /// Number of entries that did not fit.
        unrecorded: u64,
    },
    /// I1: the gateway acknowledged texts that the platform never received.
    #[error(
        "I1: {missing} texts from {from:?} to {to:?} were acknowledged and never reached the platform, among {sids:?}"
    )]
    Lost {
        /// The phone.
        from: E164,
        /// Our number.
        to: E164,
        /// The number of missing texts.
        missing: usize,
        /// The carrier's ids of texts without an event of their own. If late events (which contain no text) stand for
        /// some of them, there are more ids than missing texts.
        sids: Vec<String>,
    },
    /// I2: the platform received texts that no phone sent, or that were forged.
    #[error("I2: {events} events report a text from {from:?} to {to:?} that no carrier signed")]
    UnsentText {
        /// The reported sender.
        from: E164,
        /// Our number.
        to: E164,
        /// The number of events.
        events: usize,
    },
    /// I2: the platform received a receipt that the carrier never posted.
    #[error("I2: {message} was reported delivered or undelivered without such a receipt")]
    UnbackedReceipt {
        /// The message.
        message: String,
    },
    /// A53: there are more events than texts.
    #[error("A53: {webhooks} texts from {from:?} to {to:?} became {events} events")]
    DuplicateEvents {
        /// The phone.
        from: E164,
        /// Our number.
        to: E164,
        /// Number of texts, by sid.
        webhooks: usize,
        /// Number of events, by id.
        events: usize,
    },
    /// I3: an event was repeated with other bytes.
    #[error("I3: event {event} came again with other bytes")]
    BytesChanged {
        /// Its id.
        event: String,
    },
    /// I3: an event's header and body have different ids.
    #[error("I3: event {event} has another id in its body")]
    IdDiffers {
        /// The id in the header.
        event: String,
    },
    /// I4: a call's events have a gap or arrived out of order.
    #[error("I4: call {call} expected event {expected} and got {came:?}")]
    OutOfOrder {
        /// The call.
        call: String,
        /// The expected `call_sequence`.
        expected: u64,
        /// The `call_sequence` that arrived.
        came: Option<u64>,
    },
    /// I5: a send has no final state.
    #[error("I5: message {message} has no final state; the gateway shows {state:?}")]
    NeverEnded {
        /// The message.
        message: String,
        /// Its state, if queried.
        state: Option<String>,
    },
    /// I5: a message has two final states.
    #[error("I5: message {message} has more than one final state")]
    EndedTwice {
        /// The message.
        message: String,
    },
    /// I5: the platform got another final state of a message than the gateway shows, or none.
    #[error("I5: message {message} shows {state}, but the platform got another final state or none")]
    FinalStateNotReported {
        /// The message.
        message: String,
        /// Its state.
        state: String,
    },
    /// I5: a message was reported as cancelled, and was sent.
    #[error("I5: message {message} was reported as cancelled, but a carrier accepted it")]
    SentAfterCancel {
        /// The message.
        message: String,
    },
    /// I6: a message was posted again although the carrier had not refused it.
    #[error("I6: {posts} posts of message {message:?} from {from:?} to {to:?}, not all but the last refused")]
    SentAgain {
        /// The message; `None` if the posts have no id and are identified by their text.
        message: Option<String>,
        /// Our number.
        from: E164,
        /// The phone.
        to: E164,
        /// The number of posts.
        posts: usize,
    },
    /// I6: two posts of one message differ.
    #[error("I6: message {message:?} was posted again with other numbers or another text")]
    SentDifferently {
        /// The message.
        message: Option<String>,
    },
    /// A59: a forgery got a 2xx.
    #[error("A59: the forged webhook {sid} was acknowledged")]
    ForgeryAcknowledged {
        /// The id in it.
        sid: String,
    },
    /// An acknowledgement contained text, which the carrier sends to the phone.
    #[error("the response to webhook {sid} contains text, which the carrier sends to the phone")]
    TextInAcknowledgement {
        /// The carrier's id of the text.
        sid: String,
    },
}
