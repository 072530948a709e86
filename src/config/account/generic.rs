//! The keys of a described account. What they say together is judged by the dialect.

mod auth;

use super::{Common, Own};
use crate::carrier::generic::{
    Format, Generic, Hook, Kinds, Meant, MediaRules, MessageFields, ReceiptFields, SendRules, Settings, State,
};
use crate::config::section::{Reading, Section};
use crate::config::urls;
use crate::model::FailureCode;
use http::HeaderValue;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The seconds a carrier's webhook may take, and how many unless told.
const ANSWER_SECS: RangeInclusive<usize> = 1..=60;
const ANSWER_SECS_UNSAID: usize = 4;

const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("form", Format::Form)];
const STATES: &[(&str, State)] = &[
    ("queued", State::Queued),
    ("sent", State::Sent),
    ("delivered", State::Delivered),
    ("undelivered", State::Undelivered),
    ("failed", State::Failed),
    ("expired", State::Expired),
];
const MEANINGS: &[(&str, Meant)] = &[
    ("sent", Meant::Sent),
    ("later", Meant::Later),
    ("account", Meant::Account),
    ("opted_out", Meant::Text(FailureCode::OptedOut)),
    ("landline", Meant::Text(FailureCode::Landline)),
    ("number_invalid", Meant::Text(FailureCode::NumberInvalid)),
    ("blocked", Meant::Text(FailureCode::Blocked)),
    ("unreachable", Meant::Text(FailureCode::Unreachable)),
    ("too_late", Meant::Text(FailureCode::TooLate)),
    ("carrier_rejected", Meant::Text(FailureCode::CarrierRejected)),
    ("carrier_error", Meant::Text(FailureCode::CarrierError)),
];

/// Reads the account's own keys.
pub(super) fn read(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Own> {
    if !section.has("api_url") {
        reading.problem(section, "api_url", "is missing: give the base URL of the carrier's API, from its documents");
    }
    let believe_numbers = section.flag("believe_numbers", reading);
    let codes = table(section, "codes", MEANINGS, reading);
    let media = MediaRules {
        url: urls::base_url(section, "media_url", reading).map(|url| url.url().clone()),
        credentials: section.flag("media_credentials", reading),
    };
    let tables = Tables {
        webhook: part(section, "webhook", reading),
        message: part(section, "message", reading),
        receipt: section.section("receipt", reading),
        send: part(section, "send", reading),
    };
    let webhook = tables.webhook.as_ref().and_then(|table| hook(table, common, reading));
    let message = tables.message.as_ref().and_then(|table| message(table, reading));
    let receipt = tables.receipt.as_ref().map(|table| receipt(table, reading));
    let send = tables.send.as_ref().and_then(|table| send(table, reading));
    tables.iter().for_each(|table| table.no_other_keys(reading));

    let common = common?;
    let settings = Settings {
        name: common.name.clone(),
        public_url: common.public_url.clone(),
        api_url: common.api_url.clone()?,
        believe_numbers,
        webhook: webhook?,
        message: message?,
        // A table that is there and wrong makes no account.
        receipt: receipt.map_or(Some(None), |receipt| receipt.map(Some))?,
        send: send?,
        codes: codes?,
        media,
    };
    let receipts = settings.receipt.is_some();
    match Generic::new(settings) {
        Ok(dialect) => {
            Some(Own { dialect: Arc::new(dialect), to_enter: to_enter(common, receipts), leftovers: Vec::new() })
        }
        Err(contradictions) => {
            for found in contradictions {
                match tables.named(found.table) {
                    Some(table) => reading.problem(table, found.key, found.text),
                    None => reading.problem(section, found.key, found.text),
                }
            }
            None
        }
    }
}

/// The tables of a description.
struct Tables<'a> {
    webhook: Option<Section<'a>>,
    message: Option<Section<'a>>,
    receipt: Option<Section<'a>>,
    send: Option<Section<'a>>,
}

impl<'a> Tables<'a> {
    fn iter(&self) -> impl Iterator<Item = &Section<'a>> {
        [&self.webhook, &self.message, &self.receipt, &self.send].into_iter().flatten()
    }

    fn named(&self, name: &str) -> Option<&Section<'a>> {
        match name {
            "webhook" => self.webhook.as_ref(),
            "message" => self.message.as_ref(),
            "receipt" => self.receipt.as_ref(),
            "send" => self.send.as_ref(),
            _ => None,
        }
    }
}

/// A required table.
fn part<'a>(section: &'a Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<Section<'a>> {
    if !section.has(key) {
        reading.problem(section, key, format!("is missing: add the table [account.{key}], as the example shows it"));
    }
    section.section(key, reading)
}

/// What to enter at the carrier.
fn to_enter(common: &Common, receipts: bool) -> String {
    let messages = common.public_url.messages(&common.name);
    let receipts = if receipts {
        let url = common.public_url.receipts(&common.name);
        format!("  for delivery receipts, if send.body does not tell the carrier: {url}\n")
    } else {
        String::new()
    };
    format!("enter at the carrier\n  for incoming messages (HTTP POST): {messages}\n{receipts}")
}

fn hook(section: &Section<'_>, common: Option<&Common>, reading: &mut Reading<'_>) -> Option<Hook> {
    let auth = auth::of_webhooks(section, common, reading);
    let format = choice(section, "format", FORMATS, reading);
    let items = path(section, "items", reading);
    let kinds = match path(section, "kind", reading) {
        Some(path) => Some(Kinds {
            path,
            messages: texts(section, "message_kinds", reading),
            receipts: texts(section, "receipt_kinds", reading),
        }),
        None => {
            let why = "names words of webhook.kind, which is not given: add it";
            section.excluded("message_kinds", why, reading);
            section.excluded("receipt_kinds", why, reading);
            None
        }
    };
    let without_plus = section.flag("numbers_without_plus", reading);
    let secs = section.count("answer_within_secs", ANSWER_SECS, ANSWER_SECS_UNSAID, reading);
    let answer_status = section.count("answer_status", 200..=299, 200, reading);
    let answer_type = match section.text("answer_type", reading) {
        None => Some(HeaderValue::from_static("application/json")),
        Some(text) => {
            let value = HeaderValue::from_str(text).ok();
            if value.is_none() {
                reading.problem(section, "answer_type", "is not a content type: write it as in \"text/plain\"");
            }
            value
        }
    };
    Some(Hook {
        auth: auth?,
        format: format?,
        items,
        kinds,
        without_plus,
        answer_within: Duration::from_secs(u64::try_from(secs).unwrap_or(u64::MAX)),
        answer_status: u16::try_from(answer_status).unwrap_or(200),
        answer_type: answer_type?,
        answer_body: section.text("answer_body", reading).unwrap_or_default().to_owned(),
    })
}

fn message(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<MessageFields> {
    let id = needed(section, "id", "where the carrier's id of a message is", reading);
    let from = needed(section, "from", "where the sender is", reading);
    let to = needed(section, "to", "where our number is", reading);
    let text = needed(section, "text", "where the text is", reading);
    Some(MessageFields {
        media: path(section, "media", reading),
        media_url: path(section, "media_url", reading),
        segments: path(section, "segments", reading),
        stop_words: texts(section, "stop_words", reading),
        help_words: texts(section, "help_words", reading),
        id: id?,
        from: from?,
        to: to?,
        text: text?,
    })
}

fn receipt(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<ReceiptFields> {
    let id = needed(section, "id", "where the carrier's id of the message is", reading);
    let status = needed(section, "status", "where the word for the state is", reading);
    let reference = path(section, "reference", reading);
    let code = path(section, "code", reading);
    let states = table(section, "states", STATES, reading);
    Some(ReceiptFields { id: id?, reference, status: status?, code, states: states? })
}

fn send(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<SendRules> {
    let url_path = section.required_text("path", "the path below api_url, as in \"/messages\"", reading);
    let by_get = match section.text("method", reading) {
        None | Some("POST") => false,
        Some("GET") => true,
        Some(other) => {
            reading.problem(section, "method", format!("{other:?} is not supported: use POST or GET"));
            false
        }
    };
    let format = choice(section, "format", FORMATS, reading);
    let body = section.required_text("body", "what is sent, with the places {from}, {to} and {text}", reading);
    let auth = auth::of_sends(section, reading);
    let id = needed(section, "id", "where the carrier's id is in its answer", reading);
    Some(SendRules {
        headers: texts(section, "headers", reading),
        segments: path(section, "segments", reading),
        code: path(section, "code", reading),
        sent: section.counts("sent", 100..=599, reading),
        later: section.counts("later", 100..=599, reading),
        refused: section.counts("refused", 100..=599, reading),
        account: section.counts("account", 100..=599, reading),
        path: url_path?.to_owned(),
        by_get,
        format: format?,
        body: body?.to_owned(),
        auth: auth?,
        id: id?,
    })
}

/// A required choice of some words.
fn choice<T: Copy>(
    section: &Section<'_>,
    key: &'static str,
    known: &[(&str, T)],
    reading: &mut Reading<'_>,
) -> Option<T> {
    let words = words_of(known);
    let text = section.required_text(key, &format!("one of {words}"), reading)?;
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        reading.problem(section, key, format!("{text:?} is not known: use one of {words}"));
    }
    found
}

/// A table of the carrier's words, each with one of the known meanings; `None` if one is not known.
fn table<T: Copy>(
    section: &Section<'_>,
    key: &'static str,
    known: &[(&str, T)],
    reading: &mut Reading<'_>,
) -> Option<Vec<(String, T)>> {
    let mut meanings = Some(Vec::new());
    for (word, text) in section.words(key, reading) {
        match known.iter().find(|(name, _)| *name == text) {
            Some((_, meaning)) => meanings.iter_mut().for_each(|found| found.push((word.to_owned(), *meaning))),
            None => {
                let words = words_of(known);
                reading.problem(section, key, format!("gives {word:?} the meaning {text:?}: use one of {words}"));
                meanings = None;
            }
        }
    }
    meanings
}

fn words_of<T>(known: &[(&str, T)]) -> String {
    known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
}

/// Where a field is.
fn path(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Option<String> {
    let text = section.text(key, reading)?;
    let right = !text.is_empty() && text.split('.').all(|step| !step.is_empty()) && text.len() <= 200;
    if !right {
        let text = "is not a path: write names separated by dots, as in \"message.from\" or \"to.0\"";
        reading.problem(section, key, text);
    }
    right.then(|| text.to_owned())
}

/// Where a field that is needed is.
fn needed(section: &Section<'_>, key: &'static str, what: &str, reading: &mut Reading<'_>) -> Option<String> {
    if !section.has(key) {
        section.required_text(key, &format!("{what}, as in \"message.{key}\""), reading);
        return None;
    }
    path(section, key, reading)
}

fn texts(section: &Section<'_>, key: &'static str, reading: &mut Reading<'_>) -> Vec<String> {
    section.texts(key, reading).unwrap_or_default().into_iter().map(str::to_owned).collect()
}
