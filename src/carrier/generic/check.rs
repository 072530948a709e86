//! What in a description contradicts itself.

use super::settings::{Format, Kinds, Meant, ReceiptFields, SendRules, Settings, State};
use super::template::{Body, Place, Template};
use http::{HeaderName, HeaderValue};

/// Two settings that do not go together, or a setting without which another makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contradiction {
    /// The table of the key: `webhook`, `message`, `receipt`, `send`; the account itself if it is empty.
    pub table: &'static str,
    /// The key.
    pub key: &'static str,
    /// What is wrong and what to do, to follow the key's name.
    pub text: String,
}

/// What of a description is parsed once.
pub(super) struct Parsed {
    pub(super) body: Body,
    pub(super) headers: Vec<(HeaderName, Template)>,
}

/// The contradictions found so far.
#[derive(Default)]
struct Found(Vec<Contradiction>);

impl Found {
    fn add(&mut self, table: &'static str, key: &'static str, text: impl Into<String>) {
        self.0.push(Contradiction { table, key, text: text.into() });
    }

    fn add_if(&mut self, wrong: bool, table: &'static str, key: &'static str, text: &str) {
        if wrong {
            self.add(table, key, text);
        }
    }
}

/// The parsed parts, or every contradiction.
pub(super) fn parsed(settings: &Settings) -> Result<Parsed, Vec<Contradiction>> {
    let mut found = Found::default();
    webhook(settings, &mut found);
    message(settings, &mut found);
    statuses(&settings.send, &mut found);
    codes(settings, &mut found);
    let headers = headers(&settings.send, &mut found);
    let body = match Body::parse(settings.send.format, &settings.send.body) {
        Ok(body) => Some(body),
        Err(wrong) => {
            found.add("send", "body", format!("{wrong}: correct it"));
            None
        }
    };
    let mut places: Vec<Place> = body.iter().flat_map(Body::places).collect();
    if body.is_some() {
        send(settings, &places, &mut found);
    }
    places.extend(headers.iter().flat_map(|(_, value)| value.places()));
    receipt(settings, body.is_some().then_some(&*places), &mut found);
    match body {
        Some(body) if found.0.is_empty() => Ok(Parsed { body, headers }),
        _ => Err(found.0),
    }
}

fn webhook(settings: &Settings, found: &mut Found) {
    let hook = &settings.webhook;
    let is_form = hook.format == Format::Form;
    let text = "is a list in JSON, and webhook.format is \"form\": remove one of them";
    found.add_if(is_form && hook.items.is_some(), "webhook", "items", text);
    let Some(Kinds { messages, receipts, .. }) = &hook.kinds else { return };
    if let Some(both) = messages.iter().find(|word| receipts.contains(word)) {
        let text = format!("has {both:?}, which is in message_kinds too: keep it in one of them");
        found.add("webhook", "receipt_kinds", text);
    }
    let text = "has no word, and webhook.kind tells kinds apart: no message would be read, so name its words";
    found.add_if(messages.is_empty(), "webhook", "message_kinds", text);
    let text = "has no word, and webhook.kind tells kinds apart: no receipt would be read, so name its words, or remove \
                the table receipt";
    found.add_if(receipts.is_empty() && settings.receipt.is_some(), "webhook", "receipt_kinds", text);
    let text = "names receipts, and no table receipt says how to read them: add it, or remove the words";
    found.add_if(!receipts.is_empty() && settings.receipt.is_none(), "webhook", "receipt_kinds", text);
}

fn message(settings: &Settings, found: &mut Found) {
    let (fields, is_form) = (&settings.message, settings.webhook.format == Format::Form);
    let required = [("id", &fields.id), ("from", &fields.from), ("to", &fields.to), ("text", &fields.text)];
    for (place, (key, path)) in required.iter().enumerate() {
        if let Some((other, _)) = required[..place].iter().find(|(_, other)| other == path) {
            found.add("message", key, format!("names the same field as message.{other}: correct one of them"));
        }
    }
    let numbered = fields.media.as_ref().is_some_and(|media| media.contains("{n}"));
    let text = "has {n}, and webhook.format is \"json\", where media are a list: name the list";
    found.add_if(numbered && !is_form, "message", "media", text);
    let text = "is a field of each of a list, and webhook.format is \"form\", which has no lists: remove it";
    found.add_if(fields.media_url.is_some() && is_form, "message", "media_url", text);
    let text = "is a field of each medium, and message.media names none: add it, or remove this";
    found.add_if(fields.media_url.is_some() && fields.media.is_none(), "message", "media_url", text);
    let both =
        fields.help_words.iter().find(|word| fields.stop_words.iter().any(|stop| stop.eq_ignore_ascii_case(word)));
    if let Some(both) = both {
        found.add("message", "help_words", format!("has {both:?}, which is in stop_words too: keep it in one of them"));
    }
}

fn send(settings: &Settings, places: &[Place], found: &mut Found) {
    let rules = &settings.send;
    let text = "is \"GET\", which has no body, and send.format is \"json\": use \"form\", or POST";
    found.add_if(rules.by_get && rules.format == Format::Json, "send", "method", text);
    let text = "must begin with / and contain no blank: write it as in \"/messages\"";
    let is_path = rules.path.starts_with('/') && rules.path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    found.add_if(!is_path, "send", "path", text);
    let text = "has a query, and send.method is \"GET\", whose query is send.body: move it there";
    found.add_if(rules.by_get && rules.path.contains('?'), "send", "path", text);
    let lacks = |any: &[Place]| !places.iter().any(|place| any.contains(place));
    let text = "has neither {to} nor {to_digits}: the carrier would not learn the recipient";
    found.add_if(lacks(&[Place::To, Place::ToDigits]), "send", "body", text);
    let text = "has neither {from} nor {from_digits}: the carrier would choose the number to send from";
    found.add_if(lacks(&[Place::From, Place::FromDigits]), "send", "body", text);
    found.add_if(lacks(&[Place::Text]), "send", "body", "has no {text}: no text would be sent");
}

/// `places` are those of the send, if it can be read.
fn receipt(settings: &Settings, places: Option<&[Place]>, found: &mut Found) {
    let has = |place| places.is_none_or(|places| places.contains(&place));
    let Some(ReceiptFields { reference, states, status, id, .. }) = &settings.receipt else {
        let text = "has {receipts_url}, and no table receipt says how to read receipts: add it, or remove the place";
        found.add_if(places.is_some() && has(Place::ReceiptsUrl), "send", "body", text);
        return;
    };
    let text = "names where our id comes back, and send.body does not contain it: add {message} there";
    found.add_if(reference.is_some() && !has(Place::Message), "receipt", "reference", text);
    let text = "names the same field as receipt.id: correct one of them";
    found.add_if(status == id, "receipt", "status", text);
    found.add_if(
        reference.as_ref() == Some(status),
        "receipt",
        "reference",
        "names the same field as receipt.status: correct one of them",
    );
    let text = "has no word for \"delivered\": no text would ever be known as delivered, so add the carrier's word";
    found.add_if(!states.iter().any(|(_, state)| *state == State::Delivered), "receipt", "states", text);
}

fn statuses(send: &SendRules, found: &mut Found) {
    let lists = [("sent", &send.sent), ("later", &send.later), ("refused", &send.refused), ("account", &send.account)];
    for (place, (key, list)) in lists.iter().enumerate() {
        for status in *list {
            if let Some((other, _)) = lists[..place].iter().find(|(_, other)| other.contains(status)) {
                found.add("send", key, format!("has {status}, which is in {other} too: keep it in one of them"));
            }
            let is_success = (200..300).contains(status);
            if *key == "sent" && !is_success {
                found.add(
                    "send",
                    key,
                    format!("has {status}, which is no 2xx: no other status says that it was accepted"),
                );
            } else if *key != "sent" && is_success {
                let text =
                    format!("has {status}, a 2xx, after which the text may be on its way: use codes for refusals");
                found.add("send", key, text);
            }
            if matches!(*key, "refused" | "account") && *status >= 500 {
                found.add(
                    "send",
                    key,
                    format!("has {status}, and a 5xx says nothing of the text: it always means later"),
                );
            }
        }
    }
}

fn codes(settings: &Settings, found: &mut Found) {
    let in_send = settings.send.code.is_some();
    let in_receipt = settings.receipt.as_ref().is_some_and(|receipt| receipt.code.is_some());
    let text = "gives meanings, and neither send.code nor receipt.code says where a code is: add one of them";
    found.add_if(!settings.codes.is_empty() && !in_send && !in_receipt, "", "codes", text);
    let says_sent = settings.codes.iter().any(|(_, meant)| *meant == Meant::Sent);
    let text = "has a code that means \"sent\", and no send.code says where it is in an answer: add it";
    found.add_if(says_sent && !in_send && in_receipt, "", "codes", text);
}

fn headers(send: &SendRules, found: &mut Found) -> Vec<(HeaderName, Template)> {
    /// What is ours to set.
    const OURS: [&str; 4] = ["host", "content-length", "content-type", "transfer-encoding"];
    let mut headers = Vec::new();
    for line in &send.headers {
        let parsed = line.split_once(':').and_then(|(name, value)| {
            let name =
                HeaderName::from_bytes(name.trim().as_bytes()).ok().filter(|name| !OURS.contains(&name.as_str()))?;
            // With places filled by what is always fit for a header.
            HeaderValue::from_str(value.trim()).ok().map(|_| (name, value.trim()))
        });
        let Some((name, value)) = parsed else {
            found.add("send", "headers", format!("has {line:?}, which cannot be set: write it as \"Name: value\""));
            continue;
        };
        match Template::parse(value) {
            Ok(template) if template.places().contains(&Place::Text) => {
                found.add("send", "headers", "has {text}, which no header can hold: put it into send.body");
            }
            Ok(template) => headers.push((name, template)),
            Err(wrong) => found.add("send", "headers", wrong),
        }
    }
    headers
}
