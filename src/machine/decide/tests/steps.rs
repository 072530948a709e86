//! The steps of a story.

use super::{ANN, START, TestMachine};
use crate::machine::command::{BeginReconciliation, Command, Content, IdempotencyKey, PutCall, Send, Suspend};
use crate::machine::erasure::{Erased, ErasureState};
use crate::machine::event::{Replayed, VerifiedNumber};
use crate::machine::fingerprint::ErasureKey;
use crate::machine::state::CapOwner;
use crate::machine::view::PeopleQueries as _;
use crate::model::{
    Actor, Address, CallId, Caller, Change, Directory, E164, EventId, FailureCode, Inbound, InboundItem, InboundMedia,
    Outcome, Position, Receipt, ReceiptRef, ReceiptState, Settled, VerificationCode, VerificationState,
};
use crate::rules::verification::Said;
use std::ops::Range;

/// One step. Outbound messages are referred to by their order in the story, from 1.
#[derive(Clone)]
pub(super) enum Step {
    /// A command, unchanged.
    Do(Command),
    /// An inbound text; an empty `carrier_id` is filled in.
    Text(Inbound),
    /// The dispatcher asks to start an attempt.
    Go(usize),
    /// The dispatcher reports the outcome of the latest attempt.
    Settle(usize, Outcome),
    /// The carrier posts a receipt.
    Receipt(usize, ReceiptState, &'static str),
    /// A queued message is cancelled.
    Cancel(usize),
    /// The dispatcher reports that a queued message is too old.
    Expire(usize),
    /// An administrator changes the directory, without force.
    Change(fn(&mut Directory)),
}

impl Step {
    /// The step's command in this world.
    pub(super) fn command(self, world: &mut TestMachine) -> Command {
        let item = |item| Command::InboundItem { account: "main".to_owned(), item };
        match self {
            Self::Do(command) => command,
            Self::Text(mut inbound) => {
                if inbound.carrier_id.is_empty() {
                    inbound.carrier_id = format!("SM{}", world.next().0);
                }
                item(InboundItem::Message(inbound))
            }
            Self::Go(nth) => Command::StartSend {
                message: world.queued[nth - 1],
                lane_empty_at: world.now,
                account_empty_at: world.now,
            },
            Self::Settle(nth, outcome) => {
                let message = world.message(nth);
                let attempt = u32::try_from(message.attempts.len()).unwrap();
                Command::Settle {
                    message: message.id,
                    attempt,
                    settled: Settled { outcome, status: Some(200), detail: None },
                }
            }
            Self::Receipt(nth, state, status) => receipt(world, nth, state, status, None),
            Self::Cancel(nth) => Command::Cancel(world.queued[nth - 1]),
            Self::Expire(nth) => Command::Expire(world.queued[nth - 1]),
            Self::Change(change) => {
                let mut after = world.directory.clone();
                change(&mut after);
                let changes = Change::from_to(&world.directory, &after);
                Command::ChangeDirectory { changes, force: false, only_if: None, by: Actor::command_line() }
            }
        }
    }
}

/// A receipt that has only the carrier's id.
pub(super) fn by_id(account: &str, carrier_id: &str, status: &str, state: ReceiptState) -> Step {
    let item = InboundItem::Receipt(Receipt {
        about: ReceiptRef::CarrierOnly,
        carrier_id: carrier_id.to_owned(),
        status: status.to_owned(),
        state,
        carrier_code: None,
        detail: None,
        segments: None,
    });
    Step::Do(Command::InboundItem { account: account.to_owned(), item })
}

/// A receipt for the n-th outbound message, with the carrier's segment count.
pub(super) fn receipt(
    world: &TestMachine,
    nth: usize,
    state: ReceiptState,
    status: &str,
    segments: Option<u16>,
) -> Command {
    let receipt = Receipt {
        about: ReceiptRef::Ours(world.queued[nth - 1]),
        carrier_id: format!("SMout{nth}"),
        status: status.to_owned(),
        state,
        carrier_code: None,
        detail: None,
        segments,
    };
    Command::InboundItem { account: "main".to_owned(), item: InboundItem::Receipt(receipt) }
}

/// The carrier's list is to be read from a second of the story on, by an operator with this key or after a downtime.
pub(super) fn reconcile(since: u64, key: Option<u8>) -> Step {
    let since = START + std::time::Duration::from_secs(since);
    let key = key.map(|key| IdempotencyKey { key: [key; 16], body: [key; 16] });
    let (account, by) = ("main".to_owned(), key.map(|_| operator()));
    Step::Do(Command::BeginReconciliation(BeginReconciliation { account, since, by, key }))
}

/// The list has a message, which the carrier received at a second of the story.
pub(super) fn in_list(at: u64, message: Inbound) -> Step {
    let at = START + std::time::Duration::from_secs(at);
    Step::Do(Command::ListedMessage { account: "main".to_owned(), at, message: Box::new(message) })
}

/// Events at these positions were not delivered to an endpoint.
pub(super) fn gap(endpoint: &str, positions: Range<u64>) -> Step {
    let event = |position| EventId::new(START.day(), Position(position), 0);
    let (from, until) = (event(positions.start), event(positions.end));
    Step::Do(Command::FeedGap { endpoint: endpoint.to_owned(), from, until })
}

/// Frames at these positions were lost, and the operator accepted that.
pub(super) fn lost(positions: Range<u64>) -> Step {
    let event = |position| EventId::new(START.day(), Position(position), 0);
    let (from, until) = (event(positions.start), event(positions.end));
    Step::Do(Command::JournalLost { from, until })
}

/// A keyed replay of these positions to an endpoint.
pub(super) fn replayed(endpoint: &str, positions: Range<u64>) -> Step {
    let event = |position| EventId::new(START.day(), Position(position), 0);
    let ends = Some((event(positions.start), event(positions.end - 1)));
    let replayed = Replayed { endpoints: vec![endpoint.to_owned()], ends };
    let key = Some(IdempotencyKey { key: [8; 16], body: [8; 16] });
    Step::Do(Command::Replayed { key, replayed, by: Actor::command_line() })
}

/// An operator suspends a number or an account, up to a second of the story or until a resume.
pub(super) fn suspend(owner: CapOwner, until: Option<u64>) -> Step {
    let until = until.map(|secs| START + std::time::Duration::from_secs(secs));
    let reason = "the carrier asked us to".to_owned();
    Step::Do(Command::Suspend(Suspend { owner, reason, until, by: operator(), key: None }))
}

/// An operator resumes a number or an account.
pub(super) fn resume(owner: CapOwner) -> Step {
    Step::Do(Command::Resume { owner, by: operator(), key: None })
}

/// An operator has a quarantined webhook read again, which is now this message.
pub(super) fn replay_quarantined(position: Position, mut message: Inbound) -> Step {
    message.carrier_id = "SMquarantined".to_owned();
    let last = Some(Box::new(InboundItem::Message(message)));
    Step::Do(Command::ReplayQuarantined { position, taken: Vec::new(), last, by: operator(), key: None })
}

/// The operator of the stories.
pub(super) fn operator() -> Actor {
    Actor::named("night-shift".to_owned())
}

/// A person is erased.
pub(super) fn erase(who: &str) -> Step {
    Step::Do(Command::Erase {
        who: who.parse().unwrap(),
        key: ErasureKey([7; 16]),
        idempotency: None,
        by: Actor::command_line(),
    })
}

/// The same, with an idempotency key.
pub(super) fn erase_with_key(who: &str, key: u8) -> Step {
    let idempotency = Some(IdempotencyKey { key: [key; 16], body: [key; 16] });
    Step::Do(Command::Erase {
        who: who.parse().unwrap(),
        key: ErasureKey([7; 16]),
        idempotency,
        by: Actor::command_line(),
    })
}

/// The erasure that began with the last frame has ended.
pub(super) fn erasure_ended(world: &TestMachine) -> Step {
    let id = world.running_erasures().last().unwrap().id;
    Step::Do(Command::ChangeErasure { id, state: ErasureState::Done, erased: Erased::default() })
}

pub(super) fn call_id(id: &str) -> CallId {
    CallId::read(id).unwrap()
}

/// Ann calls `support` and is with an agent.
pub(super) fn start(call: &str) -> Step {
    put(call, |_| {})
}

/// An update of a call by the platform: as in `start`, with a change.
pub(super) fn put(call: &str, change: impl FnOnce(&mut PutCall)) -> Step {
    let mut put = PutCall {
        agent: Some(Some("agent-1".to_owned())),
        ..PutCall::new(call_id(call), Caller::read(ANN).unwrap(), "support".to_owned().try_into().unwrap())
    };
    change(&mut put);
    Step::Do(Command::PutCall(put))
}

/// Another caller calls.
pub(super) fn start_of(call: &str, caller: &str) -> Step {
    put(call, |put| put.caller = Caller::read(caller).unwrap())
}

/// Ann calls another queue, or her call is transferred to it.
pub(super) fn start_in(call: &str, queue: &str) -> Step {
    put(call, |put| put.queue = queue.to_owned().try_into().unwrap())
}

pub(super) fn end(call: &str) -> Step {
    Step::Do(Command::EndCall { call: call_id(call), reason: Some("hung_up".to_owned()), key: None })
}

/// The carrier no longer knows one of our numbers (A39).
pub(super) fn failed_verification(number: &str) -> Step {
    checked(number, Said::NotOurs)
}

/// The carrier answers about one of our numbers.
pub(super) fn checked(number: &str, said: Said) -> Step {
    let (number, account) = (number.parse::<E164>().unwrap(), "main".to_owned());
    let address = "https://sms.example.com/carriers/main/messages".to_owned();
    Step::Do(Command::NumberChecked { number, account, said, address })
}

/// An administrator's request to verify a number was answered.
pub(super) fn answered_verification(number: &str) -> Step {
    let (number, reason) = (number.parse().unwrap(), Some("it is not one of our numbers".to_owned()));
    let (state, code) = (VerificationState::Failed, Some(VerificationCode::NotFound));
    let results = vec![VerifiedNumber { number, state, code, reason }];
    Step::Do(Command::NumbersVerified { results, key: None, by: Actor::named("adapter".to_owned()) })
}

/// An inbound text.
pub(super) fn text(from: &str, to: &str, words: &str) -> Step {
    Step::Text(inbound(from, to, words))
}

/// An inbound text with the carrier's id `id`.
pub(super) fn text_with_id(from: &str, to: &str, words: &str, id: &str) -> Step {
    Step::Text(Inbound { carrier_id: id.to_owned(), ..inbound(from, to, words) })
}

/// An inbound photo.
pub(super) fn photo(from: &str, to: &str, url: &str) -> Step {
    let media = vec![InboundMedia { url: url.to_owned(), content_type: Some("image/jpeg".to_owned()) }];
    Step::Text(Inbound { media, ..inbound(from, to, "") })
}

pub(super) fn inbound(from: &str, to: &str, words: &str) -> Inbound {
    Inbound {
        carrier_id: String::new(),
        from: Address::read(from),
        to: Address::read(to),
        text: words.to_owned(),
        media: Vec::new(),
        segments: None,
        keyword: None,
        part: None,
    }
}

/// The agent sends a custom text.
pub(super) fn say(call: &str, words: &str) -> Step {
    send(call, Content::Text(words.to_owned()), |_| {})
}

/// The agent sends a preset in the call's language.
pub(super) fn preset(call: &str, id: &str) -> Step {
    send(call, Content::Preset(id.to_owned().try_into().unwrap(), None), |_| {})
}

/// The agent sends a custom text with an idempotency key.
pub(super) fn say_with_key(call: &str, words: &str, key: u8) -> Step {
    // Stands for the body's digest: different texts have different digests.
    let body = [(words.len() % 256) as u8; 16];
    let key = IdempotencyKey { key: [key; 16], body };
    send(call, Content::Text(words.to_owned()), |send| send.key = Some(key))
}

pub(super) fn send(call: &str, content: Content, change: impl FnOnce(&mut Send)) -> Step {
    let mut send = Send {
        call: call_id(call),
        content,
        agent: Some("agent-1".to_owned()),
        smart_action: None,
        client_ref: None,
        force: None,
        key: None,
    };
    change(&mut send);
    Step::Do(Command::Send(send))
}

/// The carrier accepts the message.
pub(super) fn sent(nth: usize) -> Step {
    Step::Settle(nth, Outcome::Sent { carrier_id: format!("SMout{nth}"), segments: None })
}

/// The carrier refuses the message permanently.
pub(super) fn refused(nth: usize, code: FailureCode) -> Step {
    Step::Settle(nth, Outcome::Refused { code, carrier_code: Some("30006".to_owned()) })
}

/// The carrier postpones the message.
pub(super) fn later(nth: usize) -> Step {
    Step::Settle(nth, Outcome::Later { retry_after: None })
}

/// The attempt got no answer.
pub(super) fn unknown(nth: usize) -> Step {
    Step::Settle(nth, Outcome::Unknown)
}

pub(super) fn delivered(nth: usize) -> Step {
    Step::Receipt(nth, ReceiptState::Delivered, "delivered")
}

pub(super) fn tick() -> Step {
    Step::Do(Command::Tick)
}

/// The clock jumped from one second to the other.
pub(super) fn carry(from: u64, to: u64) -> Step {
    let at = |secs| START + std::time::Duration::from_secs(secs);
    Step::Do(Command::CarryLeases { from: at(from), to: at(to) })
}

pub(super) fn restart() -> Step {
    Step::Do(Command::GatewayStarted)
}

/// The dispatcher asks to start an attempt.
pub(super) fn go(nth: usize) -> Step {
    Step::Go(nth)
}

/// A queued message is cancelled by request.
pub(super) fn cancel(nth: usize) -> Step {
    Step::Cancel(nth)
}
