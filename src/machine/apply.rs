//! The rows that an event writes.
//!
//! Invariant: this reads no rows. An event carries the new values of its rows, so replay is idempotent and a partly
//! applied frame is harmless. Writes that need an erased body are skipped.

mod directory;

pub use directory::directory_from;

use super::Private;
use super::event::{CallChange, CommittedFrame, Event, NumberedEvent};
use super::keys::{
    answered_key, audit_key, call_key, call_time_key, carrier_id_key, checked_key, contact_key, day_key, encode_row,
    erased_key, erasure_key, incomplete_text_key, kept_medium_key, kept_receipt_key, kind, landline_key, live_key,
    message_key, open_key, parked_key, part_key, pending_media_key, quarantine_key, state_key, strangers_key,
    suspension_key, timer_key, usage_counters_key, usage_key,
};
use super::record::Stored;
use super::rows::{Key, Table, Write};
use super::state::{
    Answered, Audited, CallRow, CheckedNumber, Gateway, KeptMedium, KeptReceiptId, Lane, Live, MediumState, Message,
    Open, OptOut, PendingMedia, QuarantineEntry, Reconciliation, Timer,
};
use crate::model::{
    Address, AuditEntry, CallId, Day, Direction, E164, EventId, MediaId, MessageState, OptOutBy, Timestamp,
};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::opt_out::Block;

/// Returns the writes of a frame, in order.
pub fn apply(frame: &CommittedFrame) -> Vec<Write> {
    let mut writes = Vec::with_capacity(frame.events.len() * 2);
    for (index, event) in (0..).zip(&frame.events) {
        apply_event(event, index, frame, &mut writes);
    }
    writes
}

fn apply_event(event: &NumberedEvent, index: u16, frame: &CommittedFrame, writes: &mut Vec<Write>) {
    match &event.event {
        Event::GatewayStarted => {
            // Whether a directory was loaded is in a row of its own, so that this need not be read here.
            put(writes, state_key(kind::GATEWAY, &[]), &Gateway { started_at: frame.at });
        }
        Event::DirectoryLoaded { opt_outs, .. } => {
            directory::changed(&event.event, frame.position, writes);
            let everywhere = Block::everywhere();
            opt_outs.iter().for_each(|number| load_opt_out(number, &everywhere, frame, writes));
        }
        Event::DirectoryChanged { .. } | Event::VerificationChanged { .. } => {
            directory::changed(&event.event, frame.position, writes);
        }
        Event::OptOutsLoaded { opt_outs } => {
            opt_outs.iter().for_each(|(number, block)| load_opt_out(number, block, frame, writes));
        }
        Event::OptedOut { contact, opt_out, .. } => opt_out_row(contact, Some(opt_out), writes),
        Event::OptedIn { contact, opt_out, .. } => opt_out_row(contact, opt_out.as_ref(), writes),
        Event::LaneStored { ours, lane } => lane_row(*ours, lane, writes),
        Event::AccountLaneStored { account, lane } => {
            put(writes, state_key(kind::ACCOUNT_LANE, account.as_bytes()), lane);
        }
        Event::DayCounted { owner, count } => put(writes, day_key(owner), count),
        Event::LanePaused { ours, pause } => {
            put_or_delete(writes, state_key(kind::PAUSE, &ours.key()), pause.as_ref());
        }
        Event::AccountFailed { account, breaker, cause } => {
            breaker_rows(account, breaker.as_ref(), cause.as_ref(), writes);
        }
        Event::AccountPaused { account, breaker, cause } => {
            breaker_rows(account, Some(breaker), cause.as_ref(), writes);
        }
        Event::AccountResumed { account, .. } => breaker_rows(account, None, None, writes),
        Event::Forgotten { tables } => {
            writes.extend(tables.iter().map(|table| Write::DropTable(*table)));
            kept_since(tables, writes);
        }
        Event::Claimed { .. } => {}
        Event::Answered { key, body, .. } => {
            put(
                writes,
                answered_key(frame.at.day(), *key),
                &Answered { body: *body, position: frame.position, at: frame.at },
            );
        }
        Event::CallStarted(change)
        | Event::CallUpdated(change)
        | Event::CallEnded(change)
        | Event::CallStored(change) => {
            if let Event::CallStarted(_) = &event.event {
                let call = &change.shown.call;
                writes.push(listed(call.started_at, &call.id));
            }
            call(change, writes);
        }
        Event::EndRecorded { call, ended } => {
            writes.push(listed(ended.at, call));
            put(writes, call_key(call), &CallRow::EndedBeforeStart(ended.clone()));
        }
        Event::MessageStored { message } => {
            put(writes, message_key(message.id), message);
            carrier_id(message, frame, writes);
        }
        Event::MessageReceived { message, .. } => {
            put(writes, message_key(message.id), message);
            if !message.media.is_empty() {
                pending_media(message, writes);
            }
        }
        Event::MediumSettled { message, medium } => {
            put(writes, message_key(message.id), message);
            pending_media(message, writes);
            kept_medium(message, *medium, writes);
        }
        Event::MessageQueued { message, lane, .. } | Event::SendPostponed { message, lane } => {
            put(writes, message_key(message.id), message);
            open(message, false, writes);
            lane_row(message.ours, lane, writes);
        }
        Event::SendStarted { message, lane } => {
            put(writes, message_key(message.id), message);
            open(message, true, writes);
            lane_row(message.ours, lane, writes);
        }
        Event::SendUnknown { message, until } => {
            put(writes, message_key(message.id), message);
            writes.push(Write::Delete(open_key(message.id)));
            let timer = Timer::Unknown(message.id);
            put(writes, timer_key(*until, &timer), &timer);
        }
        Event::MessageChanged { message, lane } => {
            put(writes, message_key(message.id), message);
            if message.state != MessageState::Sending {
                writes.push(Write::Delete(open_key(message.id)));
            }
            receipt_timer(message, writes);
            if message.state == MessageState::Sent {
                carrier_id(message, frame, writes);
            }
            if let Some(lane) = lane {
                lane_row(message.ours, lane, writes);
            }
        }
        Event::ContactStored { ours, theirs, contact } => {
            if let Some(theirs) = theirs.kept() {
                put(writes, contact_key(*ours, *theirs, frame.at), contact);
            }
        }
        Event::MessageLate(_) => {}
        Event::LandlineFound { number, until } => {
            if let Some(number) = number.kept() {
                put(writes, landline_key(*number, frame.at), until);
            }
        }
        Event::Quarantined { account, problem, bytes, .. } => {
            let (account, problem) = (account.clone(), problem.clone());
            let entry = QuarantineEntry { account, problem, at: frame.at, bytes: *bytes };
            put(writes, quarantine_key(frame.position), &entry);
        }
        Event::QuarantineResolved { position, .. } => writes.push(Write::Delete(quarantine_key(*position))),
        Event::Suspended { owner, suspension } => put(writes, suspension_key(owner), suspension),
        Event::SuspensionEnded { owner } => writes.push(Write::Delete(suspension_key(owner))),
        Event::FeedAdvanced { endpoint, watermark } => {
            put(writes, state_key(kind::FEED, endpoint.as_bytes()), watermark);
        }
        Event::FeedParked { endpoint, thread, position } => {
            let key = parked_key(endpoint, thread);
            match position {
                Some(position) => put(writes, key, position),
                None => writes.push(Write::Delete(key)),
            }
        }
        Event::PersonErased { key } => {
            if let Some(key) = key.kept() {
                put(writes, state_key(kind::ERASED, &[]), key);
            }
        }
        Event::Swept { calls, quarantined, reached, times } => {
            writes.extend(calls.iter().map(|call| Write::Delete(call_key(call))));
            let listed = calls.iter().zip(times).map(|(call, at)| call_time_key(*at, call.as_str()));
            writes.extend(listed.map(Write::Delete));
            writes.extend(quarantined.iter().map(|position| Write::Delete(quarantine_key(*position))));
            put(writes, state_key(kind::SWEPT, &[]), reached);
        }
        Event::NumberChecked { number, account } => {
            put(writes, checked_key(*number), &CheckedNumber { account: account.clone(), at: frame.at });
        }
        Event::ErasureBegun { erasure, .. } | Event::ErasureChanged { erasure } => {
            put(writes, erasure_key(erasure.id), erasure);
        }
        Event::FeedGap { .. }
        | Event::Replayed(_)
        | Event::JournalLost { .. }
        | Event::ErasureAnswered { .. }
        | Event::NumbersVerified { .. } => {}
        Event::ErasedOptOut { who, opt_out } => put_or_delete(writes, erased_key(*who), opt_out.as_ref()),
        Event::TimerDone { due, message } => {
            writes.push(Write::Delete(timer_key(*due, &Timer::Unknown(*message))));
        }
        Event::LeaseDone { due, call } => {
            writes.push(Write::Delete(timer_key(*due, &Timer::Lease(call.clone()))));
        }
        Event::StrangerAnswered { kind, answers } => put(writes, strangers_key(*kind), answers),
        Event::Audited { actor, action, entry, .. } => {
            let (actor, entry) = (actor.clone(), in_a_row(entry));
            let row = Audited { at: frame.at, actor, action: *action, entry };
            put(writes, audit_key(EventId::new(frame.at.day(), frame.position, index)), &row);
        }
        Event::UsageCounted { of, usage, counters } => {
            put(writes, usage_key(of), &(of.clone(), *usage));
            if let Some(counters) = counters {
                put(writes, usage_counters_key(of.day), counters);
            }
        }
        Event::ClosingWithoutText { .. } => {}
        Event::ReconciliationBegun { account, since } => {
            let row = Reconciliation { since: *since, at: frame.at };
            put(writes, state_key(kind::RECONCILIATION, account.as_bytes()), &row);
        }
        Event::ReconciliationEnded { account } => {
            writes.push(Write::Delete(state_key(kind::RECONCILIATION, account.as_bytes())));
        }
        Event::PartReceived { text, number, part, until, waiting } => {
            if part.from.kept().is_some() && part.content.kept().is_some() {
                put(writes, part_key(*text, Some(*number)), part);
            }
            let timer = Timer::LongText(*text);
            put(writes, timer_key(*until, &timer), &timer);
            put(writes, state_key(kind::PARTS_WAITING, part.account.as_bytes()), waiting);
        }
        Event::PartsTaken { account, text, numbers, due, waiting, incomplete } => {
            writes.extend(numbers.iter().map(|number| Write::Delete(part_key(*text, Some(*number)))));
            if !numbers.is_empty() {
                put(writes, state_key(kind::PARTS_WAITING, account.as_bytes()), waiting);
            }
            let timer = Timer::LongText(*text);
            writes.push(Write::Delete(timer_key(*due, &timer)));
            put_or_delete(writes, incomplete_text_key(*text), incomplete.as_ref());
            if let Some(incomplete) = incomplete {
                put(writes, timer_key(incomplete.until, &timer), &timer);
            }
        }
        Event::ReceiptKept { account, carrier_id, receipt, kept } => {
            let (account, carrier_id) = (account.clone(), carrier_id.clone());
            let id = KeptReceiptId { account, carrier_id, position: frame.position, index };
            put(writes, kept_receipt_key(&id), receipt);
            put(writes, state_key(kind::RECEIPTS_KEPT, id.account.as_bytes()), kept);
            let timer = Timer::KeptReceipt(id);
            put(writes, timer_key(receipt.until, &timer), &timer);
        }
        Event::ReceiptTaken { id, due, kept } => {
            writes.push(Write::Delete(kept_receipt_key(id)));
            writes.push(Write::Delete(timer_key(*due, &Timer::KeptReceipt(id.clone()))));
            put(writes, state_key(kind::RECEIPTS_KEPT, id.account.as_bytes()), kept);
        }
    }
}

/// The write that lists a call by its time.
pub fn listed(at: Timestamp, call: &CallId) -> Write {
    Write::Put(call_time_key(at, call.as_str()), Vec::new())
}

/// Maximum size of the resource before and afterwards in a row of the audit, in bytes. A row is at most 4,096 bytes, and
/// a reason up to 2,000 of them.
const AUDITED_ROW_BYTES: usize = 1_800;

/// An entry of the audit as its row has it: what is too large stays in the frame alone.
fn in_a_row(entry: &Private<AuditEntry>) -> Private<AuditEntry> {
    let mut entry = entry.clone();
    if let Private::Kept(AuditEntry { before, after, .. }) = &mut entry
        && before.as_ref().map_or(0, String::len) + after.as_ref().map_or(0, String::len) > AUDITED_ROW_BYTES
    {
        (*before, *after) = (None, None);
    }
    entry
}

fn call(change: &CallChange, writes: &mut Vec<Write>) {
    let call = &change.shown.call;
    // A call whose caller was erased gets a tombstone once it has ended. Its timer and live row, which an older
    // snapshot may still contain, are deleted.
    let known = call.caller.kept().is_some();
    if known || call.ended.is_some() {
        let row = if known { call.clone() } else { call.tombstone() };
        put(writes, call_key(&call.id), &CallRow::Call(Box::new(row)));
    }
    let timer = Timer::Lease(call.id.clone());
    if let Some(was) = change.lease_was {
        writes.push(Write::Delete(timer_key(was, &timer)));
        if known && call.ended.is_none() {
            put(writes, timer_key(call.lease_until, &timer), &timer);
        }
    }
    if let Some(was) = change.party_was.as_ref().and_then(|was| was.kept()) {
        writes.push(Write::Delete(live_key(*was, &call.id)));
    }
    let Some(party) = call.party().filter(|_| change.live) else { return };
    let key = live_key(party, &call.id);
    if !known || call.ended.is_some() {
        writes.push(Write::Delete(key));
    } else {
        let (call, queue, our_number, session) = (call.id.clone(), call.queue.clone(), call.our_number, call.session);
        put(writes, key, &Live { call, queue, our_number, session });
    }
}

/// Writes from when on each kind of table is kept.
fn kept_since(tables: &[Table], writes: &mut Vec<Write>) {
    let (mut messages, mut answers, mut contacts, mut audit, mut media) = (None, None, None, None, None);
    let mut carrier_ids = None;
    for table in tables {
        match table {
            Table::Messages(day) => messages = messages.max(Some(Day(day.0 + 1))),
            Table::Idempotency(day) => answers = answers.max(Some(Day(day.0 + 1))),
            Table::Contacts(month) => contacts = contacts.max(Some(month.next())),
            Table::Media(day) => media = media.max(Some(Day(day.0 + 1))),
            Table::Audit(month) => audit = audit.max(Some(month.next())),
            Table::CarrierIds(day) => carrier_ids = carrier_ids.max(Some(Day(day.0 + 1))),
            Table::State | Table::Usage(_) => {}
        }
    }
    for (kind, since) in [
        (kind::MESSAGES_SINCE, messages),
        (kind::ANSWERS_SINCE, answers),
        (kind::MEDIA_SINCE, media),
        (kind::CARRIER_IDS_SINCE, carrier_ids),
    ] {
        if let Some(since) = since {
            put(writes, state_key(kind, &[]), &since);
        }
    }
    for (kind, since) in [(kind::REMEMBERED, contacts), (kind::AUDITED_SINCE, audit)] {
        if let Some(since) = since {
            put(writes, state_key(kind, &[]), &since);
        }
    }
}

fn open(message: &Message, started: bool, writes: &mut Vec<Write>) {
    let Some(Address::Number(theirs)) = message.theirs.kept() else { return };
    let open = Open {
        ours: message.ours,
        theirs: *theirs,
        kind: message.kind,
        segments: message.segments,
        expires_at: message.expires_at,
        not_before: message.not_before,
        started,
    };
    put(writes, open_key(message.id), &open);
}

/// Sets the receipt timer of a message that the carrier accepted, and removes it once there is a receipt (A54).
fn receipt_timer(message: &Message, writes: &mut Vec<Write>) {
    let Some(until) = message.unconfirmed_at() else { return };
    let timer = Timer::Unknown(message.id);
    if message.state == MessageState::Sent {
        put(writes, timer_key(until, &timer), &timer);
    } else {
        writes.push(Write::Delete(timer_key(until, &timer)));
    }
}

/// Notes which message a carrier's id is of, for receipts that have nothing else.
fn carrier_id(message: &Message, frame: &CommittedFrame, writes: &mut Vec<Write>) {
    if let Some(id) = message.carrier_id.as_ref().filter(|_| message.direction == Direction::Outbound) {
        put(writes, carrier_id_key(frame.at.day(), &message.account, id), &message.id);
    }
}

/// Lists a message while it has media to fetch.
fn pending_media(message: &Message, writes: &mut Vec<Write>) {
    let is_known = message.theirs.kept().is_some();
    let pending = is_known && message.media.iter().any(|medium| medium.state == MediumState::Pending);
    let row = pending.then(|| PendingMedia { account: message.account.clone(), theirs: message.theirs.clone() });
    put_or_delete(writes, pending_media_key(message.id), row.as_ref());
}

/// Lists a medium whose bytes are in the store; those that are listed nowhere are deleted.
fn kept_medium(message: &Message, id: MediaId, writes: &mut Vec<Write>) {
    let stored = message.media.iter().find(|medium| medium.id == id).map(|medium| &medium.state);
    let Some(MediumState::Ready(stored)) = stored.filter(|_| message.theirs.kept().is_some()) else { return };
    let row = KeptMedium { message: message.id, theirs: message.theirs.clone() };
    put(writes, kept_medium_key(stored, id), &row);
}

fn lane_row(ours: E164, lane: &Lane, writes: &mut Vec<Write>) {
    put(writes, state_key(kind::LANE, &ours.key()), lane);
}

fn breaker_rows(account: &str, breaker: Option<&BreakerState>, cause: Option<&Cause>, writes: &mut Vec<Write>) {
    put_or_delete(writes, state_key(kind::BREAKER, account.as_bytes()), breaker);
    put_or_delete(writes, state_key(kind::CAUSE, account.as_bytes()), cause);
}

fn load_opt_out(number: &Private<E164>, block: &Block, frame: &CommittedFrame, writes: &mut Vec<Write>) {
    let opt_out = OptOut {
        block: block.clone(),
        since: frame.at,
        by: OptOutBy::Administrator,
        version: frame.position,
        by_person: false,
    };
    opt_out_row(number, Some(&opt_out), writes);
}

fn opt_out_row(contact: &Private<E164>, opt_out: Option<&OptOut>, writes: &mut Vec<Write>) {
    let Some(number) = contact.kept() else { return };
    put_or_delete(writes, state_key(kind::OPT_OUT, &number.key()), opt_out);
}

fn put_or_delete<T: Stored>(writes: &mut Vec<Write>, key: Key, value: Option<&T>) {
    match value {
        Some(value) => put(writes, key, value),
        None => writes.push(Write::Delete(key)),
    }
}

fn put<T: Stored>(writes: &mut Vec<Write>, key: Key, value: &T) {
    writes.push(Write::Put(key, encode_row(value)));
}
