//! Decides commands: applies the rules to the current state.

mod administrator;
mod call;
mod contact;
mod directory;
mod draft;
mod erase;
mod inbound;
mod item;
mod lane;
mod media;
mod opt_out;
mod outbound;
mod parts;
mod pause;
mod quarantine;
mod receipt;
mod reconcile;
mod send;
mod suspend;
mod tick;
mod usage;
mod verify;

use super::command::{At, Command, IdempotencyKey, Reply};
use super::event::{CallShown, Event, NumberedEvent};
use super::show;
use super::state::Call;
use super::view::View;
use crate::model::{Action, AuditEntry, Position, Timestamp};
pub use directory::document_changed;
pub use draft::answered;

use administrator::Act;
use draft::Draft;
use lane::Paid;

/// The reply to a command and its events. Nothing changed if `events` is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Returned once the events are durable.
    pub reply: Reply,
    /// The events in order: one frame of the journal.
    pub events: Vec<NumberedEvent>,
}

/// Decides `command` at `at`, given the state in `view`.
pub fn decide(view: &impl View, command: Command, at: At) -> Decision {
    let mut draft = Draft::new(view, at);
    let reply = match command {
        Command::GatewayStarted => {
            draft.record(Event::GatewayStarted);
            Reply::Done
        }
        Command::Seed { directory, opt_outs } => directory::seed(&mut draft, &directory, opt_outs),
        Command::ChangeDirectory { changes, force, only_if, by } => {
            directory::change(&mut draft, &changes, force, only_if.as_ref(), &by)
        }
        Command::NumberChecked { number, account, said, address } => {
            verify::checked(&mut draft, number, account, &said, &address)
        }
        Command::NumbersVerified { results, key, by } => verify::answered(&mut draft, results, key, &by),
        Command::ApplyDocument(document) => directory::apply(&mut draft, *document),
        Command::OptOut { who, block, reason, expected, by } => {
            let act = Act { reason, expected, by };
            administrator::opt_out(&mut draft, who, block, act)
        }
        Command::ListOptOuts { listed, by } => {
            administrator::list(&mut draft, listed, &by);
            Reply::Done
        }
        Command::OptIn { who, reason, expected, by } => {
            let act = Act { reason: Some(reason), expected, by };
            administrator::opt_in(&mut draft, who, act)
        }
        Command::PutCall(put) => call::put(&mut draft, put),
        Command::EndCall { call, reason, key } => call::end(&mut draft, call, reason, key),
        Command::Send(send) => send::send(&mut draft, send),
        Command::Cancel(message) => outbound::cancel(&mut draft, message),
        Command::SettleMedium { message, medium, state } => media::settle(&mut draft, message, medium, state),
        Command::InboundItem { account, item } => item::item(&mut draft, account, item),
        Command::BeginReconciliation(begin) => reconcile::begin(&mut draft, begin).unwrap_or_else(Reply::Refused),
        Command::FindKnown { account, carrier_ids } => reconcile::find_known(&draft, &account, carrier_ids),
        Command::ListedMessage { account, at, message } => inbound::listed(&mut draft, account, at, *message),
        Command::EndReconciliation { account, ended } => reconcile::end(&mut draft, account, ended),
        Command::StartSend { message, lane_empty_at, account_empty_at } => {
            outbound::start(&mut draft, message, Paid { lane_empty_at, account_empty_at })
        }
        Command::Settle { message, attempt, settled } => outbound::settle(&mut draft, message, attempt, settled),
        Command::Expire(message) => outbound::expire(&mut draft, message),
        Command::AdvanceFeed { endpoint, watermark, parked } => {
            for (thread, position) in parked {
                draft.record(Event::FeedParked { endpoint: endpoint.clone(), thread, position });
            }
            draft.record(Event::FeedAdvanced { endpoint, watermark });
            Reply::Done
        }
        Command::Suspend(suspend) => suspend::suspend(&mut draft, suspend).unwrap_or_else(Reply::Refused),
        Command::Resume { owner, by, key } => {
            suspend::resume(&mut draft, owner, &by, key).unwrap_or_else(Reply::Refused)
        }
        Command::ReplayQuarantined { position, taken, last, by, key } => {
            let last = last.map(|item| *item);
            quarantine::replay(&mut draft, position, (taken, last), &by, key).unwrap_or_else(Reply::Refused)
        }
        Command::DiscardQuarantined { position, by } => quarantine::discard(&mut draft, position, &by),
        Command::Audit { by, action, entry } => {
            draft.audit(&by, action, *entry);
            Reply::Done
        }
        Command::TryAccounts => {
            pause::try_accounts(&mut draft);
            Reply::Done
        }
        Command::Tick => tick::tick(&mut draft),
        Command::CarryLeases { from, to } => tick::carry(&mut draft, from, to),
        Command::CarryDebts { from, to } => lane::carry(&mut draft, from, to),
        Command::FeedGap { endpoint, from, until } => {
            draft.record(Event::FeedGap { endpoint, from, until });
            Reply::Done
        }
        Command::JournalLost { from, until } => {
            draft.record(Event::JournalLost { from, until });
            Reply::Done
        }
        Command::Replayed { key, replayed, by } => {
            if let Some(IdempotencyKey { key, body }) = key {
                draft.record(Event::Answered { key, body, call: None });
            }
            let entry = AuditEntry {
                resource: "events".to_owned(),
                after: Some(show::replayed(&replayed).to_string()),
                ..AuditEntry::default()
            };
            draft.audit(&by, Action::ReplayEvents, entry);
            draft.record(Event::Replayed(replayed));
            Reply::Done
        }
        Command::Erase { who, key, idempotency, by } => erase::erase(&mut draft, who, key, idempotency, &by),
        Command::ChangeErasure { id, state, erased } => erase::change(&mut draft, id, state, erased),
    };
    Decision { reply, events: draft.into_events() }
}

/// Returns the call with what the agent may do in it at `now`, checked like a send, for read-only queries.
pub fn shown(view: &impl View, call: &Call, now: Timestamp) -> CallShown {
    // No ids are created here, so the position is not used.
    Draft::new(view, At { time: now, position: Position::default() }).shown(call)
}

#[cfg(test)]
mod tests;
