//! Receipts: the carrier's later word on a text (A54, A61, A62).

use super::draft::{Draft, Live, claim};
use super::{contact, lane, opt_out, usage};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::state::{KeptReceipt, KeptReceiptId, Message};
use crate::machine::view::{Queries, View};
use crate::model::{ClaimKind, FailureCode, IntakeOutcome, MessageState, OptOutBy, Receipt, ReceiptRef, Timestamp};
use crate::rules::receipt::advance;
use std::time::Duration;

/// How long a receipt without our id is kept for the answer that tells which message it is about.
const KEPT_FOR: Duration = Duration::from_secs(10 * 60);

/// Maximum number of receipts kept for an account.
const KEPT_MAX: u32 = 10_000;

/// Advances the state of the message that the receipt is about.
pub(super) fn receipt<V: View>(draft: &mut Draft<'_, V>, account: &str, receipt: Receipt) -> Reply {
    let about = match receipt.about {
        ReceiptRef::Ours(id) | ReceiptRef::PartOf(id) => Some(id),
        ReceiptRef::CarrierOnly => draft.view.sent_as(account, &receipt.carrier_id, draft.now()),
    };
    let Some(id) = about else { return keep(draft, account, receipt) };
    let Some(message) = draft.view.message(id).filter(|message| message.account == account) else {
        return Reply::InboundItem(IntakeOutcome::NoSuchMessage);
    };
    if message.attempts.is_empty() {
        // The message was never sent, so the receipt cannot be about it; it stays queued.
        return Reply::InboundItem(IntakeOutcome::Stale);
    }
    if !claims(draft, account, &receipt) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    // It is about an attempt that was repeated, or someone else's text, and says nothing of the one that was sent.
    let is_other = message.carrier_id.as_ref().is_some_and(|known| *known != receipt.carrier_id);
    if is_other && matches!(receipt.about, ReceiptRef::Ours(_)) {
        return Reply::InboundItem(IntakeOutcome::NoSuchMessage);
    }
    let (_, outcome) = apply(draft, message, receipt);
    Reply::InboundItem(outcome)
}

/// Keeps a receipt that no message is known for: its carrier may not have answered the send yet. Or another program
/// sends with the same account.
fn keep<V: View>(draft: &mut Draft<'_, V>, account: &str, receipt: Receipt) -> Reply {
    let kept = draft.view.receipts_kept(account);
    if kept >= KEPT_MAX {
        return Reply::InboundItem(IntakeOutcome::NoSuchMessage);
    }
    if !claims(draft, account, &receipt) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    let Receipt { carrier_id, status, state, carrier_code, detail, segments, about: _ } = receipt;
    let receipt = KeptReceipt { status, state, carrier_code, detail, segments, until: draft.now() + KEPT_FOR };
    draft.record(Event::ReceiptKept { account: account.to_owned(), carrier_id, receipt, kept: kept + 1 });
    Reply::InboundItem(IntakeOutcome::Kept)
}

fn claims<V: View>(draft: &mut Draft<'_, V>, account: &str, receipt: &Receipt) -> bool {
    let kind = ClaimKind::Receipt { status: receipt.status.clone() };
    draft.claim(claim(account, receipt.carrier_id.clone(), kind))
}

/// Applies the receipts that came before the answer from which the message's carrier id is known.
pub(super) fn apply_kept<V: View>(draft: &mut Draft<'_, V>, mut message: Message) {
    let Some(carrier_id) = message.carrier_id.clone() else { return };
    let kept = draft.view.kept_receipts(&message.account, &carrier_id);
    if kept.is_empty() {
        return;
    }
    let mut left = draft.view.receipts_kept(&message.account);
    for (id, receipt) in kept {
        left = left.saturating_sub(1);
        let KeptReceipt { status, state, carrier_code, detail, segments, until } = receipt;
        draft.record(Event::ReceiptTaken { id, due: until, kept: left });
        let about = ReceiptRef::CarrierOnly;
        let carrier_id = carrier_id.clone();
        let receipt = Receipt { about, carrier_id, status, state, carrier_code, detail, segments };
        (message, _) = apply(draft, message, receipt);
    }
}

/// Drops a kept receipt whose time is over. `dropped` counts those that this decision dropped in its account before.
pub(super) fn drop_kept<V: View>(draft: &mut Draft<'_, V>, id: KeptReceiptId, due: Timestamp, dropped: u32) {
    let kept = draft.view.receipts_kept(&id.account).saturating_sub(dropped + 1);
    draft.record(Event::ReceiptTaken { id, due, kept });
}

/// Advances the message's state, if the receipt reports something new. Returns the message as it is then.
fn apply<V: View>(draft: &mut Draft<'_, V>, mut message: Message, receipt: Receipt) -> (Message, IntakeOutcome) {
    let (code, detail) = (receipt.carrier_code.as_deref(), receipt.detail.clone());
    let Some((state, failure)) = advance(message.state, receipt.state, code, detail) else {
        return (message, IntakeOutcome::Stale);
    };
    let landline = failure.as_ref().is_some_and(|failure| failure.code == FailureCode::Landline);
    if let Some(number) = message.theirs.kept().and_then(|address| address.number()).filter(|_| landline) {
        contact::landline(draft, number);
    }
    // The carrier asked to retry later but accepted the text: it must not be sent again. It leaves its lane with its
    // segment count from before the receipt.
    let lane = (message.state == MessageState::Queued).then(|| lane::leave(draft, &message));
    let before = std::mem::replace(&mut message.state, state);
    message.failure = failure;
    message.not_before = None;
    message.carrier_id.get_or_insert(receipt.carrier_id);
    message.segments = receipt.segments.filter(|segments| *segments > 0).unwrap_or(message.segments);
    let mut call = draft.call_of(&message);
    if let Some(call) = &mut call {
        call.queued.retain(|queued| *queued != message.id);
    }
    usage::settled(draft, call.as_mut(), &message, before);
    let in_call = message.call.clone();
    let pair = message.theirs.kept().and_then(|address| address.number()).map(|theirs| (theirs, message.ours));
    let opted_out = message.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::OptedOut);
    draft.record_in(call.as_mut(), Event::MessageChanged { message: Box::new(message.clone()), lane });
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
    if let Some((theirs, ours)) = pair.filter(|_| opted_out) {
        opt_out::stop(draft, theirs, ours, OptOutBy::Carrier, in_call);
    }
    (message, IntakeOutcome::Advanced)
}
