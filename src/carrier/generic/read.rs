//! Parses a webhook by its description.

use super::Generic;
use super::fields::{Fields, list_of_one, malformed, of_form, raw_at};
use super::settings::{Codes, Format, Meant, MessageFields, ReceiptFields, State};
use crate::carrier::answer::plausible_id;
use crate::carrier::meaning::Class;
use crate::carrier::read::{self, MEDIA_MAX, Problem, word};
use crate::carrier::{Unreadable, Webhook, array, json};
use crate::model::{
    Address, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Receipt, ReceiptRef, ReceiptState,
};
use http::Method;
use serde_json::Value;
use serde_json::value::RawValue;
use std::slice;

/// Longest word of a carrier for a state.
const STATUS_MAX_CHARACTERS: usize = 64;

/// Parses a verified webhook.
pub(super) fn webhook(generic: &Generic, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
    let rules = &generic.settings.webhook;
    let read = |value: &Value| item(generic, hook, &Fields { format: rules.format, value });
    if rules.format == Format::Form {
        let form = if hook.method == Method::GET { hook.query().as_bytes() } else { &hook.body };
        let item = of_form(form).and_then(|value| read(&value));
        return item.map(|item| vec![item]).map_err(|problem| hook.unreadable(problem));
    }
    let not_json = |_| hook.unreadable("the body is not JSON");
    let body: &RawValue = serde_json::from_slice(&hook.body).map_err(not_json)?;
    let list = match &rules.items {
        Some(path) => raw_at(body, path).ok_or_else(|| hook.unreadable(format!("{path} is missing")))?,
        None => body,
    };
    if list.get().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(not_json)?;
        array::items(hook, &elements, |element| list_of_one(element, rules.items.as_deref()), read)
    } else if let Some(path) = &rules.items {
        Err(hook.unreadable(format!("{path} is not a list")))
    } else {
        array::items(hook, slice::from_ref(&body), str::to_owned, read)
    }
}

fn item(generic: &Generic, hook: &Webhook, fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let settings = &generic.settings;
    let is_receipt = match &settings.webhook.kinds {
        Some(kinds) => {
            let kind = fields.required(&kinds.path)?;
            if !kinds.messages.contains(&kind) && !kinds.receipts.contains(&kind) {
                return Ok(InboundItem::Ignored { kind: word(&kind) });
            }
            kinds.receipts.contains(&kind)
        }
        // A proxy may have put something before our path, and a slash after it.
        None => settings.receipt.is_some() && hook.path().trim_end_matches('/').ends_with("/receipts"),
    };
    match &settings.receipt {
        Some(rules) if is_receipt => receipt(rules, &settings.codes, hook.query(), fields),
        _ => message(&settings.message, settings.webhook.without_plus, fields).map(InboundItem::Message),
    }
}

fn message(rules: &MessageFields, without_plus: bool, fields: &Fields<'_>) -> Result<Inbound, Problem> {
    let address = |path: &str| {
        let text = fields.required(path)?;
        let address = if without_plus { read::address_without_plus(&text) } else { read::address(&text) };
        address.ok_or_else(|| malformed(path))
    };
    let to = address(&rules.to)?;
    if matches!(to, Address::Name(_)) {
        return Err(malformed(&rules.to));
    }
    let media = rules.media.as_ref().map_or(Ok(Vec::new()), |path| media(rules, path, fields))?;
    let text = match fields.text(&rules.text)? {
        Some(text) => text,
        None if media.is_empty() => return Err(Problem::Described(format!("{} is missing", rules.text))),
        None => String::new(),
    };
    let is_one_of = |words: &[String]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    let keyword = if is_one_of(&rules.stop_words) {
        Some("STOP".to_owned())
    } else {
        is_one_of(&rules.help_words).then(|| "HELP".to_owned())
    };
    Ok(Inbound {
        carrier_id: carrier_id(&rules.id, fields)?,
        from: address(&rules.from)?,
        to,
        media,
        segments: fields.segments(rules.segments.as_deref()),
        keyword,
        text,
        part: None,
    })
}

fn media(rules: &MessageFields, path: &str, fields: &Fields<'_>) -> Result<Vec<InboundMedia>, Problem> {
    let urls: Vec<String> = if path.contains("{n}") {
        // Carriers count from 0 or from 1.
        let nth = |n: usize| fields.text(&path.replace("{n}", &n.to_string()));
        let first = usize::from(nth(0)?.is_none());
        let mut urls = Vec::new();
        while let Some(url) = nth(first + urls.len())? {
            urls.push(url);
        }
        urls
    } else {
        let url = |medium: &Value| {
            let url = match &rules.media_url {
                Some(path) => json::at(medium, path),
                None => Some(medium),
            };
            url.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| malformed(path))
        };
        match fields.at(path) {
            None => Vec::new(),
            Some(Value::Array(media)) => media.iter().map(url).collect::<Result<_, _>>()?,
            Some(Value::String(text)) if text.is_empty() => Vec::new(),
            Some(medium) => vec![url(medium)?],
        }
    };
    if urls.len() > MEDIA_MAX || urls.iter().any(String::is_empty) {
        return Err(malformed(path));
    }
    Ok(urls.into_iter().map(|url| InboundMedia { url, content_type: None }).collect())
}

fn receipt(rules: &ReceiptFields, codes: &Codes, query: &str, fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let status = fields.required(&rules.status)?;
    let Some((_, state)) = rules.states.iter().find(|(known, _)| *known == status) else {
        return Ok(InboundItem::Ignored { kind: word(&status) });
    };
    if status.chars().count() > STATUS_MAX_CHARACTERS {
        return Err(malformed(&rules.status));
    }
    let code = rules.code.as_ref().map_or(Ok(None), |path| fields.text(path))?.filter(|code| !code.is_empty());
    let meant = code.as_ref().and_then(|code| meant(codes, code));
    let reference = rules.reference.as_ref().map_or(Ok(None), |path| fields.text(path))?;
    let about = match reference.and_then(|reference| reference.parse::<MessageId>().ok()) {
        Some(ours) => ReceiptRef::Ours(ours),
        None => read::about(query)?,
    };
    Ok(InboundItem::Receipt(Receipt {
        about,
        carrier_id: carrier_id(&rules.id, fields)?,
        status,
        state: reported(*state, meant),
        detail: meant.and_then(detail).map(str::to_owned),
        carrier_code: code.map(|code| word(&code)).filter(|code| !code.is_empty()),
        segments: None,
    }))
}

/// The state that a receipt reports: a failure has the reason of its code.
fn reported(state: State, meant: Option<Meant>) -> ReceiptState {
    let failure = |unknown| match meant {
        Some(Meant::Text(failure)) => failure,
        Some(Meant::Later) => FailureCode::CarrierError,
        Some(Meant::Account) => FailureCode::CarrierRejected,
        Some(Meant::Sent) | None => unknown,
    };
    match state {
        State::Queued => ReceiptState::Queued,
        State::Sent => ReceiptState::Sent,
        State::Delivered => ReceiptState::Delivered,
        State::Expired => ReceiptState::Expired,
        State::Undelivered => match failure(FailureCode::CarrierError) {
            FailureCode::TooLate => ReceiptState::Expired,
            failure => ReceiptState::Undelivered(failure),
        },
        State::Failed => match failure(FailureCode::CarrierRejected) {
            FailureCode::TooLate => ReceiptState::Expired,
            failure => ReceiptState::Failed(failure),
        },
    }
}

/// What the description says of a code.
pub(super) fn meant(codes: &Codes, code: &str) -> Option<Meant> {
    codes.iter().find(|(known, _)| known == code).map(|(_, meant)| *meant)
}

/// The class of a meaning; `None` if the text was accepted.
pub(super) fn class(meant: Meant) -> Option<Class> {
    match meant {
        Meant::Sent => None,
        Meant::Later => Some(Class::Later),
        Meant::Account => Some(Class::Account),
        Meant::Text(failure) => Some(Class::Text(failure)),
    }
}

/// What a meaning says to people, as far as a description knows.
pub(super) fn detail(meant: Meant) -> Option<&'static str> {
    Some(match meant {
        Meant::Sent => return None,
        Meant::Later => "the carrier does not take the text now",
        Meant::Account => {
            "the carrier refuses the account: check its keys in the configuration, and the carrier's console"
        }
        Meant::Text(FailureCode::OptedOut) => "the recipient sent STOP to this number and must text START first",
        Meant::Text(FailureCode::Landline) => "the number is a landline and cannot get texts; ask for another",
        Meant::Text(FailureCode::NumberInvalid) => "the number does not exist or cannot be texted; ask for another",
        Meant::Text(FailureCode::Blocked) => "the text was blocked: change its wording",
        Meant::Text(FailureCode::Unreachable) => "the handset is off or out of reach: try again later",
        Meant::Text(FailureCode::TooLate) => "the text expired before it was delivered",
        Meant::Text(FailureCode::CarrierError) => "the carrier had a fault: send it again",
        Meant::Text(_) => "the carrier rejects the text: look its code up in the carrier's documents",
    })
}

fn carrier_id(path: &str, fields: &Fields<'_>) -> Result<String, Problem> {
    let id = fields.required(path)?;
    if plausible_id(&id) { Ok(id) } else { Err(malformed(path)) }
}
