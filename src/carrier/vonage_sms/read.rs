//! Parses a webhook's parameters into the model.

use super::signature::parameters;
use super::{Settings, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::form::Fields;
use crate::carrier::read::{Problem, address_without_plus, word};
use crate::carrier::{Unreadable, Webhook};
use crate::model::decode_with_surrogates;
use crate::model::{Address, FailureCode, Inbound, InboundItem, Part, Receipt, ReceiptRef, ReceiptState};

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<InboundItem, Unreadable> {
    read(account, hook).map_err(|problem| hook.unreadable(problem))
}

fn read(account: &Settings, hook: &Webhook) -> Result<InboundItem, Problem> {
    let fields = parameters(hook).ok_or(Problem::Other("the body is neither a form nor an object in JSON"))?;
    // Our secret with another account's key is a configuration error, so the message is quarantined until that is fixed.
    if fields.text("api-key")?.is_some_and(|key| key != account.api_key) {
        return Err(Problem::Other("api-key differs from api_key in the configuration"));
    }
    match fields.text("status")? {
        Some("") => Err(Problem::Malformed("status")),
        Some(status) => receipt(status, &fields),
        None => message(&fields),
    }
}

fn message(fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let carrier_id = message_id(fields)?;
    let from = address(fields, "msisdn")?;
    let to = address(fields, "to")?;
    if matches!(to, Address::Name(_)) {
        // The message cannot be attributed to one of our numbers.
        return Err(Problem::Malformed("to"));
    }
    if fields.text("type")? == Some("binary") {
        return Ok(InboundItem::Ignored { kind: "binary".to_owned() });
    }
    let content = fields.bytes("text")?.ok_or(Problem::Missing("text"))?;
    // A part is decoded once it is joined; it is only checked here that it can be.
    let text = decode_with_surrogates(content).ok_or(Problem::NotUtf8("text"))?;
    let part = part(fields, content)?;
    let text = if part.is_some() { String::new() } else { text };
    // Vonage answers no keyword; the network of toll-free numbers does, for all carriers.
    let (media, segments, keyword) = (Vec::new(), None, None);
    Ok(InboundItem::Message(Inbound { carrier_id, from, to, text, media, segments, keyword, part }))
}

/// Which part of a text it is. What makes no sense, as part 3 of 2, is a text by itself.
fn part(fields: &Fields<'_>, content: &[u8]) -> Result<Option<Box<Part>>, Problem> {
    if !fields.text("concat")?.is_some_and(|concat| concat.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let count = |name| -> Result<Option<u64>, Problem> { Ok(fields.text(name)?.and_then(|count| count.parse().ok())) };
    let reference = fields.text("concat-ref")?.unwrap_or_default();
    let (Some(number), Some(total)) = (count("concat-part")?, count("concat-total")?) else { return Ok(None) };
    Ok(Part::new(reference, number, total, content.to_vec()))
}

fn receipt(status: &str, fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let code = fields.text("err-code")?.and_then(|code| code.parse::<u16>().ok()).filter(|code| *code != 0);
    let meaning = code.and_then(codes::of_receipt);
    let failure = |unknown| meaning.map_or(unknown, |meaning| meaning.failure());
    let state = match status {
        // Nothing more may come after `unknown`, and it may have been delivered.
        "accepted" | "buffered" | "unknown" => ReceiptState::Sent,
        "delivered" => ReceiptState::Delivered,
        "expired" => ReceiptState::Expired,
        "failed" => ReceiptState::Undelivered(failure(FailureCode::CarrierError)),
        "rejected" => ReceiptState::Failed(failure(FailureCode::CarrierRejected)),
        other => return Ok(InboundItem::Ignored { kind: word(other) }),
    };
    let ours = fields.text("client-ref")?.and_then(|id| id.parse().ok());
    Ok(InboundItem::Receipt(Receipt {
        about: ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::PartOf),
        carrier_id: message_id(fields)?,
        status: status.to_owned(),
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: meaning.map(|meaning| meaning.detail.to_owned()),
        segments: None,
    }))
}

fn message_id(fields: &Fields<'_>) -> Result<String, Problem> {
    let id = fields.text("messageId")?.ok_or(Problem::Missing("messageId"))?;
    if plausible_id(id) { Ok(id.to_owned()) } else { Err(Problem::Malformed("messageId")) }
}

fn address(fields: &Fields<'_>, name: &'static str) -> Result<Address, Problem> {
    address_without_plus(fields.text(name)?.ok_or(Problem::Missing(name))?).ok_or(Problem::Malformed(name))
}
