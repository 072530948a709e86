//! The ways a promise can be broken.

use crate::model::E164;

/// A promise that was broken. It names sids, ids and the ends of numbers, never a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A record was full, so what it shows proves nothing.
    #[error("{unrecorded} entries did not fit in a record; raise record_max")]
    RecordIncomplete {
        /// What did not fit.
        unrecorded: u64,
    },
    /// I1: the gateway has thanked for texts that the platform never got.
    #[error(
        "I1: {missing} texts from {from:?} to {to:?} were acknowledged and never reached the platform, among {sids:?}"
    )]
    Lost {
        /// The phone.
        from: E164,
        /// Our number.
        to: E164,
        /// How many.
        missing: usize,
        /// The carrier's ids of those without an event of their own. Where late events (which name no text) stand for
        /// some of them, there are more here than are missing.
        sids: Vec<String>,
    },
    /// I2: the platform got texts that no phone sent, or that were forged.
    #[error("I2: {events} events tell of a text from {from:?} to {to:?} that no carrier signed")]
    NeverSaid {
        /// Who is said to have sent it.
        from: E164,
        /// Our number.
        to: E164,
        /// How many events.
        events: usize,
    },
    /// I2: the platform got a receipt that the carrier never gave.
    #[error("I2: {message} was reported delivered or undelivered, which no carrier said")]
    ReceiptNeverSaid {
        /// The message.
        message: String,
    },
    /// A53: a text became more events than there were texts.
    #[error("A53: {webhooks} texts from {from:?} to {to:?} became {events} events")]
    TakenTwice {
        /// The phone.
        from: E164,
        /// Our number.
        to: E164,
        /// How many texts there were, by sid.
        webhooks: usize,
        /// How many events, by id.
        events: usize,
    },
    /// I3: an event came with other bytes than before.
    #[error("I3: event {event} came again with other bytes")]
    BytesChanged {
        /// Its id.
        event: String,
    },
    /// I3: an event's header and body name different ids.
    #[error("I3: event {event} has another id in its body")]
    IdDiffers {
        /// The header's.
        event: String,
    },
    /// I4: a call's events have a gap or came out of order.
    #[error("I4: call {call} expected event {expected} and got {came:?}")]
    OutOfOrder {
        /// The call.
        call: String,
        /// The `call_sequence` that was due.
        expected: u64,
        /// What came.
        came: Option<u64>,
    },
    /// I5: a send is still open.
    #[error("I5: message {message} has not ended; the gateway shows {state:?}")]
    NeverEnded {
        /// The message.
        message: String,
        /// Its state, where it was asked for.
        state: Option<String>,
    },
    /// I5: a message ended in two ways.
    #[error("I5: message {message} ended more than once")]
    EndedTwice {
        /// The message.
        message: String,
    },
    /// I5: a message ended otherwise than the platform was told, or without its being told.
    #[error("I5: message {message} shows {state}, and the platform was told something else or nothing")]
    EndNotTold {
        /// The message.
        message: String,
        /// Its state.
        state: String,
    },
    /// I5: a message was said to be taken back, and went out.
    #[error("I5: the platform was told that message {message} is cancelled, and a carrier took it")]
    SentThoughTakenBack {
        /// The message.
        message: String,
    },
    /// I6: a message was posted again although the carrier had not said no.
    #[error("I6: {posts} posts of message {message:?} from {from:?} to {to:?}, not all but the last refused")]
    SentAgain {
        /// The message; `None` where the posts name none and are told apart by their text.
        message: Option<String>,
        /// Our number.
        from: E164,
        /// The phone.
        to: E164,
        /// How many posts in all.
        posts: usize,
    },
    /// I6: two posts of one message are not the same message.
    #[error("I6: message {message:?} was posted with other numbers or another text the second time")]
    SentDifferently {
        /// The message.
        message: Option<String>,
    },
    /// A59: a forgery got a 2xx.
    #[error("A59: the forged webhook {sid} was acknowledged")]
    ForgeryThankedFor {
        /// The id it made up.
        sid: String,
    },
    /// An acknowledgement held words that the carrier sends to the phone.
    #[error("the answer to webhook {sid} holds words, which the carrier sends to the phone")]
    SpokeInAnAcknowledgement {
        /// The carrier's id of the text.
        sid: String,
    },
}
