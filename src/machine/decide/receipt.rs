//! Receipts: the carrier's later word on a text (A54, A61, A62).

use super::draft::{Draft, Live, claim};
use super::{contact, lane, opt_out, usage};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::view::{Queries, View};
use crate::model::{ClaimKind, FailureCode, IntakeOutcome, MessageState, OptOutBy, Receipt, ReceiptRef};
use crate::rules::receipt::advance;

/// Advances the message's state, if the receipt reports something new.
pub(super) fn receipt<V: View>(draft: &mut Draft<'_, V>, account: &str, receipt: Receipt) -> Reply {
    let kind = ClaimKind::Receipt { status: receipt.status.clone() };
    let ReceiptRef::Ours(id) = receipt.about else {
        // Callbacks for our messages contain our id, so this receipt is for a message of another sender.
        return Reply::InboundItem(IntakeOutcome::NoSuchMessage);
    };
    let Some(mut message) = draft.view.message(id).filter(|message| message.account == account) else {
        return Reply::InboundItem(IntakeOutcome::NoSuchMessage);
    };
    if message.attempts.is_empty() {
        // The message was never sent, so the receipt cannot be about it; it stays queued.
        return Reply::InboundItem(IntakeOutcome::Stale);
    }
    if !draft.claim(claim(account, receipt.carrier_id.clone(), kind)) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    let (code, detail) = (receipt.carrier_code.as_deref(), receipt.detail.clone());
    let Some((state, failure)) = advance(message.state, receipt.state, code, detail) else {
        return Reply::InboundItem(IntakeOutcome::Stale);
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
    draft.record_in(call.as_mut(), Event::MessageChanged { message: Box::new(message), lane });
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
    if let Some((theirs, ours)) = pair.filter(|_| opted_out) {
        opt_out::stop(draft, theirs, ours, OptOutBy::Carrier, in_call);
    }
    Reply::InboundItem(IntakeOutcome::Advanced)
}
