//! Metrics and readiness notes of dispatch, from committed events and from the queued messages.

use super::dispatch::{Backlog, Dispatch};
use super::{Accounts, Moment};
use crate::machine::event::{CallChange, CommittedFrame, Event};
use crate::machine::state::{Call, CapOwner, Ended, Message};
use crate::model::{Directory, E164, Kind, MessageState, OptOutBy, QueueId, Session, Timestamp};
use crate::observe::{self, CallEnd, Closing, Priority, Readiness, Resolved};
use crate::rules::breaker::{Cause, Reason};
use std::collections::BTreeSet;
use std::time::Duration;

/// Counts the events of a frame. Numbers are labelled as in `directory`.
pub(super) fn frame(frame: &CommittedFrame, directory: &Directory, accounts: &Accounts, readiness: &Readiness) {
    for event in &frame.events {
        match &event.event {
            Event::MessageChanged { message, .. } => {
                observe::send_settled(&message.account, message.state);
                if message.state == MessageState::Sent {
                    accounts.succeeded(&message.account, frame.at);
                }
            }
            Event::Suspended { owner, .. } => {
                let (account, number) = labels(owner, directory);
                observe::suspended(account, number);
            }
            Event::SuspensionEnded { owner } => {
                let (account, number) = labels(owner, directory);
                observe::resumed(account, number);
            }
            Event::QuarantineResolved { account, outcomes, .. } => {
                let outcome = if outcomes.is_some() { Resolved::Replayed } else { Resolved::Discarded };
                observe::quarantine_resolved(account, outcome);
            }
            Event::SendStarted { message, .. } => started(message, frame.at, directory),
            Event::MessageReceived { message, .. } => {
                let call = frame.events.iter().find_map(|event| call_stored(&event.event, message));
                observe::message(call.map(|call| call.queue.as_str()), message.kind);
            }
            Event::MessageLate(late) => {
                let to = late.to.kept().and_then(|to| to.number());
                let queue = to.and_then(|to| directory.owner_of(to));
                observe::message(queue.map(QueueId::as_str), Kind::Inbound);
            }
            Event::MessageQueued { message, .. } if message.kind == Kind::Closing => observe::closing(Closing::Queued),
            Event::ClosingWithoutText { .. } => observe::closing(Closing::NoText),
            Event::CallStarted(_) => observe::call_started(),
            Event::CallEnded(change) => {
                let call = &change.shown.call;
                observe::call_ended(call.ended.as_ref().map_or(CallEnd::None, |ended| why(ended, call.lease_until)));
                session(change);
            }
            Event::CallUpdated(change) | Event::CallStored(change) => session(change),
            Event::LanePaused { ours, pause: Some(_) } => observe::lane_paused(label(*ours, directory)),
            Event::AccountPaused { account, cause: Some(cause), .. } => {
                observe::account_paused(account, cause.reason == Reason::CredentialsRefused, &cause.detail);
                readiness.note(&about(account), Some(&paused(cause)));
            }
            Event::AccountResumed { account, .. } => {
                observe::account_resumed(account);
                readiness.note(&about(account), None);
            }
            Event::OptedOut { opt_out, .. } => observe::opted_out(opt_out.by, 1),
            Event::OptOutsLoaded { opt_outs } => observe::opted_out(OptOutBy::Administrator, opt_outs.len()),
            // A keyword arrives at one of our numbers; an administrator's opt-in applies to all of them.
            Event::OptedIn { ours: Some(_), .. } => observe::opted_in(OptOutBy::Keyword),
            Event::OptedIn { ours: None, .. } => observe::opted_in(OptOutBy::Administrator),
            Event::StrangerAnswered { answers, .. } => {
                let most = directory.settings.auto_reply.strangers_per_hour;
                observe::stranger_answered(!answers.has_capacity(most, frame.at));
            }
            _ => {}
        }
    }
}

/// Reports the accounts that were paused when the gateway started, each with the cause.
pub(super) fn paused_at_start(accounts: &[(String, Cause)], readiness: &Readiness) {
    for (account, cause) in accounts {
        observe::account_still_paused(account, cause.reason == Reason::CredentialsRefused, &cause.detail);
        readiness.note(&about(account), Some(&paused(cause)));
    }
}

fn about(account: &str) -> String {
    format!("account {account}")
}

fn paused(cause: &Cause) -> String {
    format!("paused, its texts wait: {}", cause.detail)
}

/// Reports queued messages, for all configured accounts and those with messages left.
pub(super) fn backlog(dispatch: &Dispatch, accounts: &[String], now: Moment) {
    let (lanes, backlogs) = (dispatch.lanes_waiting(), dispatch.backlog(now));
    let mut all: BTreeSet<&str> = accounts.iter().map(String::as_str).collect();
    all.extend(backlogs.keys().map(String::as_str));
    for account in all {
        let Backlog { waiting, ready_since, in_flight, paused } = backlogs.get(account).copied().unwrap_or_default();
        observe::lanes_waiting(account, lanes.get(account).copied().unwrap_or_default());
        for (priority, messages) in Priority::ALL.iter().zip(waiting) {
            observe::messages_waiting(account, *priority, messages);
        }
        observe::oldest_ready(account, ready_since.map_or(Duration::ZERO, |since| now.wall.since(since)));
        observe::requests_in_flight(account, in_flight);
        observe::account_is_paused(account, paused);
    }
}

/// The call that an event stores, if a message belongs to it.
fn call_stored<'a>(event: &'a Event, message: &Message) -> Option<&'a Call> {
    let Event::CallStored(change) = event else { return None };
    Some(&change.shown.call).filter(|call| message.call.as_ref() == Some(&call.id))
}

/// Why a call ended. The platform may also use our word for an expired lease.
fn why(ended: &Ended, lease_until: Timestamp) -> CallEnd {
    let reason = ended.reason.as_deref();
    let expired = reason == Some("lease_expired") && lease_until <= ended.at;
    if expired { CallEnd::LeaseExpired } else { CallEnd::of(reason) }
}

fn session(change: &CallChange) {
    let call = &change.shown.call;
    match (change.session_was, call.session) {
        (Some(Session::None), Session::Open) => observe::session_opened(),
        (Some(Session::Open), _) => call.closed_reason.into_iter().for_each(observe::session_closed),
        _ => {}
    }
}

/// The delay is measured for the first attempt only, because only that has an estimated time. So is its usage.
fn started(message: &Message, at: Timestamp, directory: &Directory) {
    observe::segments_started(label(message.ours, directory), message.segments);
    if message.attempts.len() == 1 {
        let queue = message.counted.as_ref().and_then(|counted| counted.queue.as_ref());
        observe::message(queue.map(QueueId::as_str), message.kind);
        if !message.suspended {
            let promised = message.created_at + Duration::from_millis(message.estimated_wait_ms);
            observe::started_late(&message.account, at.since(promised));
        }
    }
}

/// The account's name, or the number's label.
fn labels<'a>(owner: &'a CapOwner, directory: &'a Directory) -> (Option<&'a str>, Option<&'a str>) {
    match owner {
        CapOwner::Number(number) => (None, Some(label(*number, directory))),
        CapOwner::Account(account) => (Some(account), None),
    }
}

/// Reports what operators have suspended: metrics, and a note of readiness for each account and for all numbers.
pub(super) fn suspensions(dispatch: &Dispatch, accounts: &[String], readiness: &Readiness) {
    let suspended = |account: &str| dispatch.is_suspended(&CapOwner::Account(account.to_owned()));
    let numbers = dispatch.suspended_numbers();
    observe::suspensions(accounts.iter().map(|account| (account.as_str(), suspended(account))), numbers);
    for account in accounts {
        let note = "an operator suspended it, its texts wait: resume it when the reason is gone";
        readiness.note(&format!("account {account} is suspended"), suspended(account).then_some(note));
    }
    let note = format!("{numbers} suspended by operators, their texts wait: GET /v1/lanes lists them");
    readiness.note("numbers", (numbers > 0).then_some(&*note));
}

fn label(ours: E164, directory: &Directory) -> &str {
    directory.numbers.get(&ours).map_or("", |number| &number.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_a_lease_counts_as_expired_only_once_it_has() {
        let lease_until = Timestamp::from_ms(2_000);
        let ended = |ms, reason: &str| Ended { at: Timestamp::from_ms(ms), reason: Some(reason.to_owned()) };
        assert_eq!(why(&ended(2_000, "lease_expired"), lease_until), CallEnd::LeaseExpired);
        assert_eq!(why(&ended(1_999, "lease_expired"), lease_until), CallEnd::Other);
        assert_eq!(why(&ended(2_000, "caller_hangup"), lease_until), CallEnd::Caller);
    }
}
