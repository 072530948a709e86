//! Items that a carrier delivered, or that an operator has read again.

use super::draft::{Draft, claim};
use super::{inbound, parts, receipt};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::view::View;
use crate::model::{ClaimKind, InboundItem, IntakeOutcome, RawRequest};
use sha2::{Digest, Sha256};

/// Handles an item that a carrier delivered, or that an operator has read again.
pub(super) fn item<V: View>(draft: &mut Draft<'_, V>, account: String, item: InboundItem) -> Reply {
    match item {
        InboundItem::Message(mut message) => match message.part.take() {
            Some(part) => parts::part(draft, account, message, *part),
            None => inbound::message(draft, account, message),
        },
        InboundItem::Receipt(receipt) => receipt::receipt(draft, &account, receipt),
        InboundItem::Unreadable { raw, problem, request } => unreadable(draft, account, raw, problem, request),
        InboundItem::Ignored { .. } => Reply::InboundItem(IntakeOutcome::Ignored),
    }
}

/// Quarantines the raw bytes of an authentic webhook that cannot be read, once (A58).
fn unreadable<V: View>(
    draft: &mut Draft<'_, V>,
    account: String,
    raw: Vec<u8>,
    problem: String,
    request: Option<Box<RawRequest>>,
) -> Reply {
    use std::fmt::Write as _;
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(&raw) {
        write!(digest, "{byte:02x}").expect("writing to a String cannot fail");
    }
    if !draft.claim(claim(&account, digest, ClaimKind::Quarantine)) {
        return Reply::InboundItem(IntakeOutcome::Duplicate);
    }
    let bytes = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    let request = request.map(|request| (*request).into());
    draft.record(Event::Quarantined { account, problem, raw: raw.into(), bytes, request });
    Reply::InboundItem(IntakeOutcome::Quarantined(draft.at.position))
}
